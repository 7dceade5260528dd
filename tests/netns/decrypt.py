#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""decrypt.py PORT PRIVATE PEER-PUBLIC

A peer that only answers handshakes and prints what it decrypts: one line of hex
for each plaintext, as it came, with its padding. Keys are hex. Written from the
protocol's description. Says "ready" on standard error once its socket is bound.
"""

import hmac
import socket
import struct
import sys
from hashlib import blake2s

from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey, X25519PublicKey)
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def hash_(*parts):
    return blake2s(b"".join(parts)).digest()


def kdf(key, data, n):
    def mac(k, d):
        return hmac.new(k, d, blake2s).digest()
    t0 = mac(key, data)
    out, t = [], b""
    for i in range(n):
        t = mac(t0, t + bytes([i + 1]))
        out.append(t)
    return out if n > 1 else out[0]


def aead(key, counter):
    return ChaCha20Poly1305(key), struct.pack("<IQ", 0, counter)


def raw(public):
    return public.public_bytes(Encoding.Raw, PublicFormat.Raw)


class Responder:
    def __init__(self, private, peer):
        self.static = X25519PrivateKey.from_private_bytes(private)
        self.public = raw(self.static.public_key())
        self.peer = peer
        self.sessions = {}
        self.index = 1

    def initiation(self, msg):
        """The response to msg; keys of the new session are kept."""
        sender, ephemeral = msg[4:8], msg[8:40]
        c = hash_(b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s")
        h = hash_(hash_(c, b"WireGuard v1 zx2c4 Jason@zx2c4.com"), self.public)
        c = kdf(c, ephemeral, 1)
        h = hash_(h, ephemeral)
        e_i = X25519PublicKey.from_public_bytes(ephemeral)
        c, k = kdf(c, self.static.exchange(e_i), 2)
        cipher, nonce = aead(k, 0)
        static = cipher.decrypt(nonce, msg[40:88], h)
        if static != self.peer:
            raise ValueError("not the peer")
        h = hash_(h, msg[40:88])
        s_i = X25519PublicKey.from_public_bytes(static)
        c, k = kdf(c, self.static.exchange(s_i), 2)
        cipher, nonce = aead(k, 0)
        cipher.decrypt(nonce, msg[88:116], h)
        h = hash_(h, msg[88:116])

        e_r = X25519PrivateKey.generate()
        pub = raw(e_r.public_key())
        c = kdf(c, pub, 1)
        h = hash_(h, pub)
        c = kdf(c, e_r.exchange(e_i), 1)
        c = kdf(c, e_r.exchange(s_i), 1)
        c, t, k = kdf(c, bytes(32), 3)
        h = hash_(h, t)
        cipher, nonce = aead(k, 0)
        empty = cipher.encrypt(nonce, b"", h)
        receive, _ = kdf(c, b"", 2)
        index = struct.pack("<I", self.index)
        self.sessions[index] = receive
        self.index += 1
        out = b"\2\0\0\0" + index + sender + pub + empty
        mac1 = blake2s(out, digest_size=16,
                       key=hash_(b"mac1----", self.peer)).digest()
        return out + mac1 + bytes(16)

    def data(self, msg):
        key = self.sessions[msg[4:8]]
        cipher, nonce = aead(key, struct.unpack("<Q", msg[8:16])[0])
        return cipher.decrypt(nonce, msg[16:], b"")


def main():
    peer = Responder(bytes.fromhex(sys.argv[2]), bytes.fromhex(sys.argv[3]))
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.bind(("", int(sys.argv[1])))
    print("ready", file=sys.stderr, flush=True)
    while True:
        msg, source = sock.recvfrom(65536)
        if msg[0] == 1 and len(msg) == 148:
            sock.sendto(peer.initiation(msg), source)
        elif msg[0] == 4:
            text = peer.data(msg)
            if text:
                print(text.hex(), flush=True)


main()
