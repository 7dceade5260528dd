#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Sends a datagram to each of many peers and waits until all initiations have left.

usage: first.py FROM TO: peers 10.0.0.0/8, by number, each of an own address

Prints nanoseconds, and how many packets have left by eth0.
"""

import socket
import sys
import time

SO_SNDBUFFORCE = 32


def left():
    with open("/proc/net/dev", encoding="ascii") as f:
        for line in f:
            name, _, rest = line.partition(":")
            if name.strip() == "eth0":
                return int(rest.split()[9])
    sys.exit("there is no eth0")


first, last = map(int, sys.argv[1:])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 1 << 27)    # they all wait
before = left()
begin = time.monotonic_ns()
for i in range(first, last):
    s.sendto(b"x", ("10.%d.%d.%d" % (i >> 16, i >> 8 & 255, i & 255), 9))
while left() - before < last - first and time.monotonic_ns() - begin < 4.5e9:
    time.sleep(0.005)
print(time.monotonic_ns() - begin, left() - before)
