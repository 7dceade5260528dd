#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""usage: peers.py peers|devices N DIRECTORY

Writes configurations for `wg setconf`: N tunnels between a and b, where b has a
device for each (b0, b1, ...), and a has one device with N peers (a0) or N
devices (a0, a1, ...).
"""
import base64
import os
import sys
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey


def pair():
    private = X25519PrivateKey.generate()
    raw = serialization.Encoding.Raw
    return [base64.b64encode(x).decode() for x in (
        private.private_bytes(raw, serialization.PrivateFormat.Raw,
                              serialization.NoEncryption()),
        private.public_key().public_bytes(raw, serialization.PublicFormat.Raw))]


def interface(private, port):
    return "[Interface]\nPrivateKey = %s\nListenPort = %d\n" % (private, port)


def peer(public, allowed, endpoint=None):
    text = "[Peer]\nPublicKey = %s\nAllowedIPs = %s\n" % (public, allowed)
    if endpoint:
        text += "Endpoint = %s\n" % endpoint
    return text


def main():
    kind, n, directory = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    os.makedirs(directory)
    a = [pair() for _ in range(1 if kind == "peers" else n)]
    texts = {"a%d" % i: interface(keys[0], 21000 + i) for i, keys in enumerate(a)}
    for i in range(n):
        mine = a[0 if kind == "peers" else i]
        theirs = pair()
        texts["b%d" % i] = interface(theirs[0], 30000 + i) + \
            peer(mine[1], "10.9.0.254/32")
        texts["a%d" % a.index(mine)] += peer(
            theirs[1], "10.9.1.%d/32" % i, "192.0.2.2:%d" % (30000 + i))
    for name, text in texts.items():
        with open(os.path.join(directory, name), "w", encoding="ascii") as f:
            f.write(text)


main()
