#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Test vectors of an independent origin, written to standard output as C.

The protocol is done here once more, from its published description, sharing
nothing with the driver: BLAKE2s and HMAC come from Python's standard library,
X25519 and ChaCha20-Poly1305 from python3-cryptography (OpenSSL), HChaCha20 is
done in Python after draft-irtf-cfrg-xchacha.

Before anything is written, known answers of RFCs are checked.
"""

import hashlib
import hmac
import struct
import sys

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey, X25519PublicKey)
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

CONSTRUCTION = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
IDENTIFIER = b"WireGuard v1 zx2c4 Jason@zx2c4.com"
LABEL_MAC1 = b"mac1----"
LABEL_COOKIE = b"cookie--"


# Primitives

def HASH(data):
    return hashlib.blake2s(data).digest()


def MAC(key, data):
    return hashlib.blake2s(data, key=key, digest_size=16).digest()


def HMAC(key, data):
    return hmac.new(key, data, hashlib.blake2s).digest()


def KDF(n, key, data):
    t0 = HMAC(key, data)
    out, t = [], b""
    for i in range(1, n + 1):
        t = HMAC(t0, t + bytes([i]))
        out.append(t)
    return out


def PUB(priv):
    return X25519PrivateKey.from_private_bytes(priv).public_key().public_bytes(
        serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def DH(priv, pub):
    return X25519PrivateKey.from_private_bytes(priv).exchange(
        X25519PublicKey.from_public_bytes(pub))


def AEAD(key, counter, plain, ad):
    nonce = bytes(4) + struct.pack("<Q", counter)
    return ChaCha20Poly1305(key).encrypt(nonce, plain, ad)


def HCHACHA20(key, nonce16):
    def rotl(x, n):
        return ((x << n) | (x >> (32 - n))) & 0xffffffff

    def quarter(s, a, b, c, d):
        for x, y, z, n in ((a, b, d, 16), (c, d, b, 12),
                           (a, b, d, 8), (c, d, b, 7)):
            s[x] = (s[x] + s[y]) & 0xffffffff
            s[z] = rotl(s[z] ^ s[x], n)

    s = list(struct.unpack("<16I", b"expand 32-byte k" + key + nonce16))
    for _ in range(10):
        for i in range(4):
            quarter(s, i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(s, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return struct.pack("<8I", *(s[:4] + s[12:]))


def XAEAD(key, nonce24, plain, ad):
    subkey = HCHACHA20(key, nonce24[:16])
    return ChaCha20Poly1305(subkey).encrypt(bytes(4) + nonce24[16:], plain, ad)


def TIMESTAMP(seconds, nanoseconds):
    nanoseconds -= nanoseconds % 2 ** 24
    return struct.pack(">QI", 2 ** 62 + 10 + seconds, nanoseconds)


def known_answers():
    x = bytes.fromhex
    # RFC 7693, appendix B
    assert HASH(b"abc") == x("508c5e8c327c14e2e1a72ba34eeb452f"
                             "37458b209ed63a294d999b4c86675982")
    # RFC 7748, section 5.2, first vector
    assert DH(x("a546e36bf0527c9d3b16154b82465edd"
                "62144c0ac1fc5a18506a2244ba449ac4"),
              x("e6db6867583030db3594c1a424b15f7c"
                "726624ec26b3353b10a903a6d0ab1c4c")) == \
        x("c3da55379de9c6908e94ea4df28d084f"
          "32eccf03491c71f754b4075577a28552")
    # draft-irtf-cfrg-xchacha-03, section 2.2.1
    assert HCHACHA20(bytes(range(32)),
                     x("000000090000004a0000000031415927")) == \
        x("82413b4227b27bfed30e42508a877d73"
          "a0f9e4d58a74a853c12ec41326d3ecdc")


# Handshake

class Handshake:
    """One handshake from both ends; every value comes from a named seed."""

    def __init__(self, name, psk=True, cookie=False, raw=None, seconds=None,
                 nanoseconds=None):
        def draw(what, n=32):
            return hashlib.shake_256(
                (name + "/" + what).encode()).digest(n)

        self.name = name
        self.Si = bytearray(draw("Si"))
        self.Sr = bytearray(draw("Sr"))
        for s in (self.Si, self.Sr):    # static keys are stored clamped
            s[0] &= 248
            s[31] = s[31] & 127 | 64
        self.Si, self.Sr = bytes(self.Si), bytes(self.Sr)
        self.Ei, self.Er = raw or (draw("Ei"), draw("Er"))
        self.Q = draw("Q") if psk else bytes(32)
        self.ii = struct.unpack("<I", draw("ii", 4))[0]
        self.ir = struct.unpack("<I", draw("ir", 4))[0]
        if seconds is None:
            seconds = struct.unpack("<I", draw("s", 4))[0]
            nanoseconds = struct.unpack("<I", draw("ns", 4))[0] % 10 ** 9
        self.seconds, self.nanoseconds = seconds, nanoseconds
        self.cookie_i = draw("ci", 16) if cookie else None
        self.cookie_r = draw("cr", 16) if cookie else None
        self.run()

    @staticmethod
    def macs(msg, receiver_pub, cookie):
        msg += MAC(HASH(LABEL_MAC1 + receiver_pub), msg)
        return msg + (MAC(cookie, msg) if cookie else bytes(16))

    def run(self):
        Si_pub, Sr_pub = PUB(self.Si), PUB(self.Sr)
        Ei_pub, Er_pub = PUB(self.Ei), PUB(self.Er)
        self.Si_pub, self.Sr_pub = Si_pub, Sr_pub
        self.ss = DH(self.Si, Sr_pub)
        assert self.ss == DH(self.Sr, Si_pub)

        # initiation
        C = HASH(CONSTRUCTION)
        H = HASH(HASH(C + IDENTIFIER) + Sr_pub)
        C, = KDF(1, C, Ei_pub)
        H = HASH(H + Ei_pub)
        C, k = KDF(2, C, DH(self.Ei, Sr_pub))
        static = AEAD(k, 0, Si_pub, H)
        H = HASH(H + static)
        C, k = KDF(2, C, self.ss)
        self.timestamp = TIMESTAMP(self.seconds, self.nanoseconds)
        timestamp = AEAD(k, 0, self.timestamp, H)
        H = HASH(H + timestamp)
        self.C1, self.H1 = C, H
        msg = bytes([1, 0, 0, 0]) + struct.pack("<I", self.ii)
        msg += Ei_pub + static + timestamp
        self.initiation = self.macs(msg, Sr_pub, self.cookie_r)
        assert len(self.initiation) == 148

        # response
        C, = KDF(1, C, Er_pub)
        H = HASH(H + Er_pub)
        ee = DH(self.Er, Ei_pub)
        assert ee == DH(self.Ei, Er_pub)
        C, = KDF(1, C, ee)
        se = DH(self.Er, Si_pub)
        assert se == DH(self.Si, Er_pub)
        C, = KDF(1, C, se)
        C, tau, k = KDF(3, C, self.Q)
        H = HASH(H + tau)
        empty = AEAD(k, 0, b"", H)
        msg = bytes([2, 0, 0, 0]) + struct.pack("<II", self.ir, self.ii)
        msg += Er_pub + empty
        self.response = self.macs(msg, Si_pub, self.cookie_i)
        assert len(self.response) == 92

        # session
        self.initiator_key, self.responder_key = KDF(2, C, b"")


# Output

def c_bytes(data, indent="\t\t"):
    if not data:
        return "{ 0 }"
    lines = []
    for i in range(0, len(data), 8):
        lines.append(indent + "\t" + ", ".join(
            "0x%02x" % b for b in data[i:i + 8]) + ",")
    return "{\n" + "\n".join(lines) + "\n" + indent + "}"


def c_string(s):
    return '"' + s + '"'


class Table:
    def __init__(self, name, fields):
        self.name, self.fields, self.rows = name, fields, []

    def add(self, *row):
        assert len(row) == len(self.fields)
        self.rows.append(row)

    def write(self, out):
        out("struct vector_%s {" % self.name)
        for kind, field in self.fields:
            if kind == "str":
                out("\tconst char *%s;" % field)
            elif isinstance(kind, int):
                out("\tunsigned char %s[%d];" % (field, kind))
            else:
                out("\t%s %s;" % (kind, field))
        out("};\n")
        out("static const struct vector_%s vectors_%s[] = {"
            % (self.name, self.name))
        for row in self.rows:
            out("\t{")
            for (kind, field), value in zip(self.fields, row):
                if kind == "str":
                    text = c_string(value)
                elif isinstance(kind, int):
                    assert len(value) <= kind, field
                    text = c_bytes(value)
                else:
                    suffix = {"unsigned int": "U", "long long": "LL",
                              "unsigned long long": "ULL"}[kind]
                    text = "%d%s" % (value, suffix)
                out("\t\t.%s = %s," % (field, text))
            out("\t},")
        out("};\n")


def stream(name, n):
    return hashlib.shake_256(name.encode()).digest(n)


def main():
    known_answers()
    lines = []
    out = lines.append
    out("/* SPDX-License-Identifier: GPL-2.0-only */")
    out("/* Made by gen_vectors.py: do not edit, run \"make vectors\". */")
    out("#ifndef UNIT_VECTORS_H")
    out("#define UNIT_VECTORS_H\n")

    t = Table("handshake", [
        ("str", "name"), (32, "si"), (32, "si_pub"), (32, "sr"),
        (32, "sr_pub"), (32, "ss"), (32, "ei"), (32, "er"), (32, "psk"),
        ("unsigned int", "index_i"), ("unsigned int", "index_r"),
        (12, "timestamp"),
        ("unsigned int", "has_cookies"), (16, "cookie_i"), (16, "cookie_r"),
        (32, "chain1"), (32, "hash1"), (148, "initiation"), (92, "response"),
        (32, "initiator_key"), (32, "responder_key")])
    for h in (
            Handshake("psk"),
            Handshake("no psk", psk=False),
            Handshake("cookies", cookie=True),
            Handshake("unclamped", raw=(b"\xff" * 32, b"\x07" + bytes(30)
                                        + b"\x80")),
            Handshake("epoch", psk=False, seconds=0, nanoseconds=0),
            Handshake("far", cookie=True, seconds=2 ** 40,
                      nanoseconds=999999999)):
        t.add(h.name, h.Si, h.Si_pub, h.Sr, h.Sr_pub, h.ss, h.Ei, h.Er, h.Q,
              h.ii, h.ir, h.timestamp, int(bool(h.cookie_i)),
              h.cookie_i or b"", h.cookie_r or b"", h.C1, h.H1,
              h.initiation, h.response, h.initiator_key, h.responder_key)
    t.write(out)

    t = Table("kdf", [("unsigned int", "n"), (32, "key"),
                      ("unsigned int", "input_len"), (80, "input"),
                      (32, "t1"), (32, "t2"), (32, "t3")])
    for n in (1, 2, 3):
        for size in (0, 1, 31, 32, 33, 63, 64, 65, 80):
            key = stream("kdf key %d %d" % (n, size), 32)
            data = stream("kdf input %d %d" % (n, size), size)
            ts = KDF(n, key, data) + [b"", b""]
            t.add(n, key, size, data, *ts[:3])
    t.write(out)

    t = Table("timestamp", [("long long", "seconds"),
                            ("unsigned int", "nanoseconds"), (12, "out")])
    for s, ns in ((0, 0), (-1, 0), (-1, 999999999), (1, 1),
                  (1, 2 ** 24 - 1), (1, 2 ** 24), (1, 2 ** 24 + 1),
                  (1, 2 ** 25 - 1), (1577836800, 500000000),
                  (1577836800, 999999999), (2 ** 31 - 1, 999999999),
                  (2 ** 31, 0), (2 ** 32 - 10, 0), (2 ** 32 - 11, 7),
                  (2 ** 32, 16777216 * 59), (2 ** 32, 16777216 * 59 - 1)):
        t.add(s, ns, TIMESTAMP(s, ns))
    t.write(out)

    t = Table("blake2s", [("unsigned int", "key_len"), (32, "key"),
                          ("unsigned int", "len"), (200, "data"),
                          ("unsigned int", "out_len"), (32, "out")])
    for key_len in (0, 1, 16, 31, 32):
        for size in (0, 1, 63, 64, 65, 127, 128, 129, 200):
            for out_len in ((16, 32) if key_len in (16, 32) else (32,)):
                key = stream("b2 key %d" % key_len, key_len)
                data = stream("b2 data %d" % size, size)
                t.add(key_len, key, size, data, out_len, hashlib.blake2s(
                    data, key=key, digest_size=out_len).digest())
    t.write(out)

    t = Table("aead", [(32, "key"), ("unsigned long long", "counter"),
                       ("unsigned int", "ad_len"), (40, "ad"),
                       ("unsigned int", "len"), (100, "plain"),
                       (116, "sealed")])
    for i, (counter, size, ad_len) in enumerate((
            (0, 0, 0), (0, 0, 32), (1, 32, 32), (0, 12, 32), (2, 100, 0),
            (2 ** 32, 64, 0), (2 ** 64 - 1, 65, 40),
            (0x0102030405060708, 16, 1))):
        key = stream("aead key %d" % i, 32)
        ad, plain = stream("aead ad %d" % i, ad_len), stream("p%d" % i, size)
        t.add(key, counter, ad_len, ad, size, plain,
              AEAD(key, counter, plain, ad))
    t.write(out)

    t = Table("x25519", [(32, "priv"), (32, "pub"), (32, "out")])
    for i in range(6):
        a, b = stream("x priv %d" % i, 32), PUB(stream("x other %d" % i, 32))
        if i == 4:      # RFC 7748, section 5: the top bit is ignored
            b = b[:31] + bytes([b[31] | 0x80])
        if i == 5:      # and a coordinate above p is taken modulo p
            b = bytes([0xed + 9]) + b"\xff" * 30 + b"\x7f"
        t.add(a, b, DH(a, b))
    t.write(out)

    # Cookies: keys of a public key, cookie of a source, cookie reply
    t = Table("cookie", [("str", "name"), (32, "pub"), (32, "mac1_key"),
                         (32, "cookie_key"), (32, "secret"),
                         ("unsigned int", "source_len"), (18, "source"),
                         (16, "cookie"), (16, "mac1"), (24, "nonce"),
                         ("unsigned int", "receiver"), (64, "reply")])
    for i, (name, source) in enumerate((
            ("v4", bytes([192, 0, 2, 1]) + struct.pack(">H", 51820)),
            ("v4 port", bytes([192, 0, 2, 1]) + struct.pack(">H", 51821)),
            ("v4 zero", bytes(6)),
            ("v6", bytes.fromhex("20010db8000000000000000000000001")
             + struct.pack(">H", 51820)),
            ("v6 high port", b"\xff" * 18))):
        pub = PUB(stream("cookie pub %d" % i, 32))
        secret = stream("cookie secret", 32)
        cookie = MAC(secret, source)
        mac1 = stream("cookie mac1 %d" % i, 16)
        nonce = stream("cookie nonce %d" % i, 24)
        receiver = struct.unpack("<I", stream("cookie r %d" % i, 4))[0]
        key = HASH(LABEL_COOKIE + pub)
        reply = bytes([3, 0, 0, 0]) + struct.pack("<I", receiver) + nonce \
            + XAEAD(key, nonce, cookie, mac1)
        assert len(reply) == 64
        t.add(name, pub, HASH(LABEL_MAC1 + pub), key, secret, len(source),
              source, cookie, mac1, nonce, receiver, reply)
    t.write(out)

    out("#endif /* UNIT_VECTORS_H */")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
