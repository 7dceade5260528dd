#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""usage: tests/bench/flood.py KEY N FILE

Writes N initiations to FILE, 148 bytes each, that are random but for what anyone
can make who knows a responder's public KEY (base64): type and mac1 (protocol: 5.4.2,
5.4.4 of the WireGuard paper). The responder must compute before it sees that the
rest is nothing.
"""

import base64
import hashlib
import os
import sys


def initiation(mac1_key):
    message = b"\1\0\0\0" + os.urandom(4 + 32 + 48 + 28)
    mac1 = hashlib.blake2s(message, key=mac1_key, digest_size=16).digest()
    return message + mac1 + bytes(16)


def main():
    key, n, path = sys.argv[1:]
    mac1_key = hashlib.blake2s(b"mac1----" + base64.b64decode(key)).digest()
    with open(path, "wb") as f:
        for _ in range(int(n)):
            f.write(initiation(mac1_key))


if __name__ == "__main__":
    main()
