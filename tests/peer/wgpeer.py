# SPDX-License-Identifier: GPL-2.0-only
"""A WireGuard peer in user space, from the protocol's published description.

For tests that must be able to do anything at any time: every message is built
and opened by a call of its own, all state is in plain attributes, nothing
happens by itself. No sockets, no clock, no threads.

    us = Static()                           a key pair
    hs = initiate(us, them, stamp)          Handshake; hs.message are 148 bytes
    session = hs.finish(response)           from the bytes of a response
    opened = open_initiation(us, message)   from the bytes of an initiation
    message, session = opened.respond()
    session.seal(plain), session.open(message)
    cookie_reply(us, cookie, message), open_cookie_reply(them, mac1, message)

Whatever does not authenticate raises Bad.
"""

import hashlib
import hmac
import os
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey, X25519PublicKey)
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

INITIATION, RESPONSE, COOKIE_REPLY, DATA = 1, 2, 3, 4
SIZE = {INITIATION: 148, RESPONSE: 92, COOKIE_REPLY: 64, DATA: 32}
REJECT_AFTER_MESSAGES = 2 ** 64 - 2 ** 13 - 1
NO_PSK = bytes(32)

# Points whose product with any clamped scalar is zero (as coordinates, and
# those above the prime), see RFC 7748, section 6.1.
LOW_ORDER = [bytes.fromhex(h) for h in (
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
)]


class Bad(Exception):
    """A message that is malformed or does not authenticate."""


# ---------------------------------------------------------------- primitives

def blake(data, size=32, key=b""):
    return hashlib.blake2s(data, digest_size=size, key=key).digest()


def kdf(n, key, data):
    prk = hmac.digest(key, data, "blake2s")
    out = [b""]
    for i in range(n):
        out.append(hmac.digest(prk, out[-1] + bytes((i + 1,)), "blake2s"))
    return out[1:]


def public_of(priv):
    key = X25519PrivateKey.from_private_bytes(priv).public_key()
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def dh(priv, pub):
    """X25519; zero for a low-order point, which only a test goes on with."""
    try:
        return X25519PrivateKey.from_private_bytes(priv).exchange(
            X25519PublicKey.from_public_bytes(pub))
    except ValueError:
        return bytes(32)


def seal(key, counter, plain, ad=b""):
    return ChaCha20Poly1305(key).encrypt(
        struct.pack("<IQ", 0, counter), plain, ad)


def unseal(key, counter, sealed, ad=b""):
    try:
        return ChaCha20Poly1305(key).decrypt(
            struct.pack("<IQ", 0, counter), sealed, ad)
    except InvalidTag:
        raise Bad("the tag is wrong") from None


def hchacha20(key, nonce):
    """draft-irtf-cfrg-xchacha, section 2.2: 32 bytes from 32 and 16."""
    mask = 0xffffffff
    x = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574]
    x += struct.unpack("<8I", key) + struct.unpack("<4I", nonce)
    rounds = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
              (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))
    for _ in range(10):
        for a, b, c, d in rounds:
            for p, q, r, bits in ((a, b, d, 16), (c, d, b, 12),
                                  (a, b, d, 8), (c, d, b, 7)):
                x[p] = x[p] + x[q] & mask
                v = x[r] ^ x[p]
                x[r] = (v << bits | v >> 32 - bits) & mask
    return struct.pack("<8I", *x[0:4], *x[12:16])


def xseal(key, nonce, plain, ad):
    return ChaCha20Poly1305(hchacha20(key, nonce[:16])).encrypt(
        bytes(4) + nonce[16:], plain, ad)


def xunseal(key, nonce, sealed, ad):
    try:
        return ChaCha20Poly1305(hchacha20(key, nonce[:16])).decrypt(
            bytes(4) + nonce[16:], sealed, ad)
    except InvalidTag:
        raise Bad("the tag of the cookie is wrong") from None


def tai64n(seconds, nanoseconds=0):
    return struct.pack(">QI", 2 ** 62 + 10 + seconds, nanoseconds)


def from_tai64n(stamp):
    """(unix seconds, nanoseconds)"""
    seconds, nanoseconds = struct.unpack(">QI", stamp)
    return seconds - 2 ** 62 - 10, nanoseconds


def random_index():
    return struct.unpack("<I", os.urandom(4))[0]


# ---------------------------------------------------------------- identities

class Static:
    """A key pair, or only a public key."""

    def __init__(self, priv=None, pub=None):
        if pub is None:
            priv = bytearray(priv or os.urandom(32))
            priv[0] &= 0xf8
            priv[31] = priv[31] & 0x7f | 0x40
            priv = bytes(priv)
            pub = public_of(priv)
        self.priv, self.pub = priv, pub
        self.mac1_key = blake(b"mac1----" + pub)
        self.cookie_key = blake(b"cookie--" + pub)


def with_macs(message, receiver, cookie=None):
    """The message so far, with mac1 and mac2 added."""
    message += blake(message, 16, receiver.mac1_key)
    return message + (blake(message, 16, cookie) if cookie else bytes(16))


def renew_macs(message, receiver, cookie=None):
    """The same after its content was changed: a forger who knows the key."""
    return with_macs(message[:-32], receiver, cookie)


def mac1_of(message):
    return message[-32:-16]


def mac2_of(message):
    return message[-16:]


def mac1_good(message, receiver):
    return mac1_of(message) == blake(message[:-32], 16, receiver.mac1_key)


def mac2_good(message, cookie):
    return mac2_of(message) == blake(message[:-16], 16, cookie)


def kind_of(message):
    """The type of a well-formed message; anything else is Bad."""
    if len(message) < 4:
        raise Bad("%d bytes" % len(message))
    kind = struct.unpack("<I", message[:4])[0]
    if kind not in SIZE or len(message) < SIZE[kind] or \
            kind != DATA and len(message) != SIZE[kind]:
        raise Bad("type %d with %d bytes" % (kind, len(message)))
    return kind


def sender_of(message):
    return struct.unpack("<I", message[4:8])[0]


def receiver_of(message):
    at = 8 if message[0] == RESPONSE else 4
    return struct.unpack("<I", message[at:at + 4])[0]


# ---------------------------------------------------------------- handshake

class Noise:
    """The chaining key C and the hash H of one handshake."""

    def __init__(self, responder_pub):
        self.c = blake(b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s")
        self.h = blake(self.c + b"WireGuard v1 zx2c4 Jason@zx2c4.com")
        self.hash(responder_pub)

    def copy(self):
        new = Noise.__new__(Noise)
        new.c, new.h = self.c, self.h
        return new

    def hash(self, data):
        self.h = blake(self.h + data)

    def ephemeral(self, pub):
        self.c, = kdf(1, self.c, pub)
        self.hash(pub)

    def mix(self, secret):
        self.c, = kdf(1, self.c, secret)

    def mix_key(self, secret):
        self.c, key = kdf(2, self.c, secret)
        return key

    def psk(self, psk):
        self.c, tau, key = kdf(3, self.c, psk)
        self.hash(tau)
        return key

    def seal(self, key, plain):
        sealed = seal(key, 0, plain, self.h)
        self.hash(sealed)
        return sealed

    def unseal(self, key, sealed):
        plain = unseal(key, 0, sealed, self.h)
        self.hash(sealed)
        return plain

    def keys(self):
        return kdf(2, self.c, b"")


class Handshake:
    """One that we began. Finishing leaves it as it was: it can be repeated."""

    def __init__(self, us, them, stamp, index=None, ephemeral=None,
                 cookie=None):
        self.us, self.them = us, them
        self.index = random_index() if index is None else index
        self.e = ephemeral or Static()
        n = Noise(them.pub)
        n.ephemeral(self.e.pub)
        static = n.seal(n.mix_key(dh(self.e.priv or us.priv, them.pub)),
                        us.pub)
        stamp = n.seal(n.mix_key(dh(us.priv, them.pub)), stamp)
        self.noise = n
        self.message = with_macs(
            struct.pack("<II", INITIATION, self.index) + self.e.pub + static
            + stamp, them, cookie)

    def finish(self, response, psk=NO_PSK):
        """A Session, from the bytes of a response."""
        if kind_of(response) != RESPONSE:
            raise Bad("no response")
        if not mac1_good(response, self.us):
            raise Bad("mac1 of a response")
        _, theirs, ours = struct.unpack("<III", response[:12])
        if ours != self.index:
            raise Bad("response to index %#x" % ours)
        e = response[12:44]
        n = self.noise.copy()
        n.ephemeral(e)
        n.mix(dh(self.e.priv, e))
        n.mix(dh(self.us.priv, e))
        n.unseal(n.psk(psk), response[44:60])
        send, receive = n.keys()
        return Session(send, receive, self.index, theirs)


def initiate(us, them, stamp, **how):
    return Handshake(us, them, stamp, **how)


class Opened:
    """An initiation that came, opened. Can be answered any number of times."""

    def __init__(self, us, message):
        if kind_of(message) != INITIATION:
            raise Bad("no initiation")
        if not mac1_good(message, us):
            raise Bad("mac1 of an initiation")
        self.us, self.message = us, message
        self.sender = sender_of(message)
        self.e = message[8:40]
        n = Noise(us.pub)
        n.ephemeral(self.e)
        pub = n.unseal(n.mix_key(dh(us.priv, self.e)), message[40:88])
        self.stamp = n.unseal(n.mix_key(dh(us.priv, pub)), message[88:116])
        self.static = Static(pub=pub)
        self.noise = n

    def respond(self, psk=NO_PSK, index=None, ephemeral=None, receiver=None,
                cookie=None):
        """(bytes of a response, Session)"""
        index = random_index() if index is None else index
        receiver = self.sender if receiver is None else receiver
        e = ephemeral or Static()
        n = self.noise.copy()
        n.ephemeral(e.pub)
        n.mix(dh(e.priv, self.e) if e.priv else bytes(32))
        n.mix(dh(e.priv, self.static.pub) if e.priv else bytes(32))
        nothing = n.seal(n.psk(psk), b"")
        message = with_macs(struct.pack("<III", RESPONSE, index, receiver)
                            + e.pub + nothing, self.static, cookie)
        receive, send = n.keys()
        return message, Session(send, receive, index, self.sender)


def open_initiation(us, message):
    return Opened(us, message)


# ---------------------------------------------------------------- transport

class Session:
    """Keys, indices and the next counter of one session."""

    def __init__(self, send, receive, ours, theirs):
        self.send, self.receive = send, receive
        self.ours, self.theirs = ours, theirs
        self.counter = 0

    def seal(self, plain=b"", counter=None, pad=16):
        """A transport message; with no plain text, a keepalive."""
        if counter is None:
            counter = self.counter
            self.counter += 1
        plain += bytes(-len(plain) % pad)
        return struct.pack("<IIQ", DATA, self.theirs, counter) + \
            seal(self.send, counter, plain)

    def mine(self, message):
        """Whether a message is for this session."""
        return kind_of(message) == DATA and receiver_of(message) == self.ours

    def open(self, message):
        """(counter, padded plain text)"""
        if not self.mine(message):
            raise Bad("not of this session")
        counter = struct.unpack("<Q", message[8:16])[0]
        return counter, unseal(self.receive, counter, message[16:])


# ---------------------------------------------------------------- cookies

def cookie_of(secret, address, port):
    """address: 4 or 16 bytes"""
    return blake(address + struct.pack(">H", port), 16, secret)


def cookie_reply(us, cookie, message, receiver=None, nonce=None):
    """Bytes of a reply to that message, by its receiver."""
    nonce = nonce or os.urandom(24)
    receiver = sender_of(message) if receiver is None else receiver
    return struct.pack("<II", COOKIE_REPLY, receiver) + nonce + \
        xseal(us.cookie_key, nonce, cookie, mac1_of(message))


def open_cookie_reply(them, sent, reply):
    """The cookie, from a reply to the message that we sent to them."""
    if kind_of(reply) != COOKIE_REPLY:
        raise Bad("no cookie reply")
    if receiver_of(reply) != sender_of(sent):
        raise Bad("cookie reply to another index")
    return xunseal(them.cookie_key, reply[8:32], reply[32:], mac1_of(sent))
