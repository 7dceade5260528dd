#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
#
# dns.py ADDRESS: a name server that answers every question for an A record
# with ADDRESS, and every other one with nothing.

import socket
import struct
import sys

address = sys.argv[1]
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((address, 53))
print("ready", flush=True)
while True:
    query, client = server.recvfrom(4096)
    end = 12
    while end < len(query) and query[end]:
        end += 1 + query[end]
    end += 5
    if len(query) < end:
        continue
    (kind,) = struct.unpack("!H", query[end - 4:end - 2])
    answer = b""
    if kind == 1:
        answer = struct.pack("!HHHIH", 0xc00c, 1, 1, 5, 4) + socket.inet_aton(address)
    head = query[:2] + struct.pack("!HHHHH", 0x8580, 1, 1 if answer else 0, 0, 0)
    server.sendto(head + query[12:end] + answer, client)
