#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What others look at as well is not changed under their eyes.

A message that a packet socket holds is the same memory that the driver gets:
it must be opened elsewhere. So must one that came as a part of a larger one.
"""

import functools
import os
import socket
import struct
import sys

sys.dont_write_bytecode = True
import wgpeer as w  # noqa: E402
from harness import (  # noqa: E402
    Host, INNER, Peer, check, echo, equal, point, run, until)


@functools.lru_cache()
def host():
    return Host()


def watcher():
    """A packet socket on the driver's wire, which copies nothing."""
    s = host().socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    s.bind(("eth0", 3))
    s.setsockopt(263, 23, 1)    # SOL_PACKET, PACKET_IGNORE_OUTGOING
    s.setblocking(False)
    return s


@point("a packet socket sees the message as it came, of any size")
def _():
    p = Peer(host())
    p.handshake()
    p.ping()
    for size in (0, 1, 100, 900, 1000, 1100, 1300, 1392, 3000, 9000):
        s = watcher()
        p.seq += 1
        packet = echo(p.inner, INNER, p.port, p.seq, os.urandom(size))
        message = p.session.seal(packet)
        p.send(message)
        if size < 1400:
            plain = p.data(empty=False)
            equal("the answer", packet[28:], plain[28:len(packet)])
        else:
            # the answer does not fit into one message
            until(10, "answers", lambda: p.maybe(w.DATA, 0.05))
        host().poll(0.1)
        host().box.clear()
        seen = b""
        while True:
            try:
                frame = s.recv(65536)
            except BlockingIOError:
                break
            if frame[:1] == b"\x45" and frame[9] == 17:
                frag = struct.unpack("!H", frame[6:8])[0]
                seen += frame[20 if frag & 0x1fff else 28:]
        check("the socket saw the message, %d bytes inside" % size,
              message in seen)
        s.close()


@point("a wrong message is still there to be seen, and nothing of it inside")
def _():
    p = Peer(host())
    p.handshake()
    p.ping()
    s = watcher()
    before = p.transfer()[0]
    message = bytearray(p.session.seal(echo(p.inner, INNER, data=bytes(1200))))
    message[-1] ^= 1
    p.send(bytes(message))
    p.ping()
    equal("bytes received", before + 64, p.transfer()[0])
    seen = []
    while True:
        try:
            seen.append(s.recv(65536)[28:])
        except BlockingIOError:
            break
    check("the socket saw it", bytes(message) in seen)
    s.close()


if __name__ == "__main__":
    run("messages that others hold as well")
