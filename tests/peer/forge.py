#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Whatever a stranger, or a peer gone mad, can put on the wire.

Expected of all of it: silence outside, the right counter inside, and a
tunnel that works afterwards.
"""

import functools
import os
import struct
import sys
import time

sys.dont_write_bytecode = True
import wgpeer as w  # noqa: E402
import harness  # noqa: E402
from harness import (  # noqa: E402
    Host, INNER, INNER6, OUR4, OUR6, Peer, V4, V6, check, echo, equal,
    fragments, ip, point, run, udp, until)


@functools.lru_cache()
def host():
    return Host()


@functools.lru_cache()
def ours():
    """The peer whose tunnel must go on."""
    p = Peer(host())
    p.handshake()
    p.ping()
    return p


@functools.lru_cache()
def ours6():
    p = Peer(host(), v6=True)
    p.handshake()
    p.ping()
    return p


STRANGER = 40000        # source port of what is forged


def bent(message, at=-1, by=1):
    m = bytearray(message)
    m[at] ^= by
    return bytes(m)


def unexpected(p):
    """All but what timers send to the peers of earlier points."""
    return p.dport == STRANGER or \
        p.payload[0] != w.INITIATION and len(p.payload) != 32


ANY = -1        # a count that differs between drivers (docs/differences.md)


ALL = -2        # each datagram that was sent


def adit(count):
    """That count on Adit, any on the in-kernel driver."""
    return count if harness.DRIVER == "adit" else ANY


class Silence:
    """Around a forgery: nothing comes out of it, the tunnel works after it,
    and no byte of it is counted as received. dropped: by how much rx_dropped
    of the device moves (on Adit), or None where it may be anything."""

    def __init__(self, what, errors=0, frame=0, length=0, peer=None,
                 dropped=None, icmp=False, least=None):
        self.what, self.wanted = what, (errors, length, frame)
        self.peer, self.icmp = peer or ours(), icmp
        self.dropped, self.least = dropped, least

    @staticmethod
    def counts():
        rx = host().stats()["rx"]
        return (rx["errors"], rx["length_errors"], rx["frame_errors"])

    def __enter__(self):
        h = host()
        until(10, "all is quiet before", lambda: not h.poll(0.05))
        h.box.clear()
        h.other.clear()
        self.before = self.counts()
        self.rx = self.peer.transfer()[0]
        self.drop = h.stats()["rx"]["dropped"]
        self.sent = h.sent

    def __exit__(self, kind, *_):
        if kind:
            return
        h = host()
        sent = h.sent - self.sent
        self.peer.ping()
        h.settled(flush())
        h.quiet(self.what, 0.15, unexpected)
        if not self.icmp:
            # The stack gives up on incomplete fragments after 30 s.
            late = (1, b"\x0b\x01"), (58, b"\x03\x01")
            equal(self.what + ": packets that are not UDP", [],
                  [p for p in h.other if (p[0], p[1][:2]) not in late])
        after = self.counts()
        got = tuple(b - a for a, b in zip(self.before, after))
        equal(self.what + ": rx errors, of length, of frame",
              tuple(g if x == ANY else x for x, g in zip(self.wanted, got)),
              got)
        if self.peer is ours() and self.wanted[0] != ANY:
            # The echo, and only that: 28 + 4 bytes, padded, and 32.
            equal(self.what + ": bytes received from the peer", 64,
                  self.peer.transfer()[0] - self.rx)
        if self.dropped is not None and harness.DRIVER == "adit":
            wanted = sent if self.dropped == ALL else self.dropped
            equal(self.what + ": dropped", wanted,
                  h.stats()["rx"]["dropped"] - self.drop)


_flush = []


def flush():
    """A peer for Host.settled(), so that it does not disturb ours."""
    if not _flush:
        _flush.append(Peer(host()))
    time.sleep(0.025)
    return _flush[0]


def messages():
    """One of each type, all of it right but for what a test changes."""
    p = ours()
    return {
        1: p.initiate().message,
        2: w.with_macs(struct.pack("<III", 2, 1, p.session.theirs)
                       + w.Static().pub + os.urandom(16), host().key),
        3: struct.pack("<II", 3, p.session.theirs) + os.urandom(56),
        4: p.session.seal(echo(p.inner, INNER), counter=2 ** 40),
    }


@point("every type from 0 to 255 in every size that is not its own")
def _():
    p = ours()
    p6 = ours6()
    body = b"".join(messages().values())
    sizes = list(range(0, 36)) + list(range(60, 69)) + \
        list(range(88, 97)) + list(range(144, 153)) + [199, 200, 1400]
    sent = 0
    with Silence("types and sizes", dropped=ALL):
        for kind in list(range(0, 10)) + [16, 32, 64, 127, 128, 254, 255]:
            for n in sizes if kind < 6 else (0, 1, 4, 31, 32, 64, 92, 148):
                if w.SIZE.get(kind) == n or kind == 4 and n >= 32:
                    continue
                m = bytes([kind, 0, 0, 0])[:n] + body[4:n]
                for q in (p, p6):
                    host().send(m, q.src, STRANGER)
                sent += 1
        for kind in range(256):     # each type once, in an initiation's size
            if kind not in (1, 4):
                host().send(bytes([kind]) + messages_1[1:148], OUR4, STRANGER)
    p6.ping()
    check("enough was sent", sent > 300, sent)


messages_1 = bytes(4) + bytes(range(144))


@point("each type in its own size, with a reserved byte that is not zero")
def _():
    p = ours()
    with Silence("reserved bytes", dropped=ALL):
        for at in (1, 2, 3):
            for by in (1, 0x80, 0xff):
                m = p.initiate().message
                host().send(w.renew_macs(bent(m, at, by), host().key), OUR4,
                            STRANGER)
                for kind, m in messages().items():
                    host().send(bent(m, at, by), OUR4, STRANGER)
                # A message that would be delivered otherwise.
                p.send(bent(p.session.seal(echo(p.inner, INNER)), at, by))


@point("a wrong mac1 is silence, whatever mac2 says, and no work")
def _():
    p = ours()
    good = messages()
    with Silence("wrong mac1", dropped=ALL):
        for kind in (1, 2):
            m = good[kind]
            for at in (-32, -17, 4, 50):
                host().send(bent(m, at), OUR4, STRANGER)
            host().send(m[:-32] + bytes(32), OUR4, STRANGER)
            host().send(m[:-32] + os.urandom(32), OUR4, STRANGER)
            # Right for another receiver.
            host().send(w.renew_macs(m, w.Static()), OUR4, STRANGER)
    # The initiation itself was good: it was not taken note of in any way.
    hs = w.initiate(p.key, host().key, harness.later())
    p.send(bent(hs.message, -20))
    host().settled(flush())
    p.quiet("a wrong mac1 once more")
    p.send(hs.message)
    t = p.response(hs)
    p.send(t.seal())
    p.ping(t)


@point("right macs, and content that does not authenticate")
def _():
    p = ours()
    with Silence("forged handshakes", dropped=ALL):
        for at in (8, 39, 40, 71, 80, 88, 99, 110):
            host().send(w.renew_macs(bent(p.initiate().message, at),
                                     host().key), OUR4, STRANGER)
        for _ in range(5):
            for kind, size in ((1, 148), (2, 92)):
                host().send(w.renew_macs(
                    bytes([kind, 0, 0, 0]) + os.urandom(size - 4),
                    host().key), OUR4, STRANGER)


@point("unknown indices, indices of another peer, of nobody")
def _():
    p, q = ours(), Peer(host())
    q.handshake()
    q.ping()
    wanted = [0, 1, 0xffffffff, p.session.theirs ^ 1, q.session.theirs]
    with Silence("unknown indices", dropped=ALL):
        for index in wanted:
            data = p.session.seal(echo(p.inner, INNER))
            p.send(data[:4] + struct.pack("<I", index) + data[8:])
            reply = messages()[3]
            p.send(reply[:4] + struct.pack("<I", index) + reply[8:])
            response = messages()[2]
            p.send(w.renew_macs(response[:8] + struct.pack("<I", index)
                                + response[12:], host().key))
        # Data to the index of a handshake that is no session yet.
        r = Peer(host())
        r.trigger()
        opened = r.initiation()
        data = p.session.seal(echo(p.inner, INNER))
        p.send(data[:4] + struct.pack("<I", opened.sender) + data[8:])
    q.ping()
    r.answer(opened)
    r.data()


@point("data on a session with a wrong tag, bent anywhere")
def _():
    p = ours()
    good = p.session.seal(echo(p.inner, INNER), counter=2 ** 30)
    n = 0
    with Silence("wrong tags", dropped=len(range(8, len(good), 5)) + 3):
        for at in range(8, len(good), 5):
            p.send(bent(good, at))
            n += 1
        p.send(p.session.seal(counter=2 ** 30)[:-16] + bytes(16))
        p.send(good[:-1])
        p.send(good + b"\0")


@point("IP and UDP cut short")
def _():
    h, p = host(), ours()
    data = bent(p.session.seal(echo(p.inner, INNER), counter=2 ** 30))
    body = udp(OUR4, STRANGER, V4, 51820, data)
    whole = ip(OUR4, V4, 17, body)
    with Silence("cut short", icmp=True):
        for n in (0, 1, 10, 19, 20, 21, 24, 27, 28, 29, 32, 40, 59, 60, 61,
                  len(whole) - 1):
            h.frame(whole[:n], 0x0800)                   # total says more
            if n >= 20:
                h.frame(ip(OUR4, V4, 17, body[:n - 20]))  # UDP says more
        for length in (0, 1, 7, 8, 9, 12, 39, 40, len(body) + 1, 65535):
            h.frame(ip(OUR4, V4, 17, udp(OUR4, STRANGER, V4, 51820, data,
                                         length=length)))
        for n in (0, 1, 8, 40, 47):
            h.frame(ip(OUR6, V6, 17, udp(OUR6, STRANGER, V6, 51820,
                                         data)[:n]))
        h.frame(ip(OUR6, V6, 17, udp(OUR6, STRANGER, V6, 51820, data,
                                     csum=0)))
        h.frame(ip(OUR4, V4, 17, udp(OUR4, STRANGER, V4, 51820,
                                     messages()[1], csum=1)))
        h.frame(ip(OUR4, V4, 17, body, total=19))
        h.frame(ip(OUR4, V4, 17, body, version=5), 0x0800)
        h.frame(ip(OUR4, V4, 17, body, ihl=4), 0x0800)
        h.frame(ip(OUR4, V4, 17, body, ihl=15), 0x0800)


@point("fragments: incomplete, overlapping, out of order, duplicate")
def _():
    h, p = host(), ours()
    big = bent(p.session.seal(bytes(3000), counter=2 ** 30))
    with Silence("fragments", icmp=True):
        for src, dst in ((OUR4, V4), (OUR6, V6)):
            body = udp(src, STRANGER, dst, 51820, big)
            parts = list(fragments(src, dst, body, 1024))
            for f in parts[:-1]:                # the last never comes
                h.frame(f)
            for f in list(fragments(src, dst, body, 1024))[1:]:
                h.frame(f)                      # the first never comes
            n = w.random_index()                # overlapping
            for f in fragments(src, dst, body, 1024, ident=n):
                h.frame(f)
                h.frame(next(fragments(src, dst, bytes(len(body)), 1024,
                                       first=512, ident=n)))
            for f in fragments(src, dst, body[:40], 8):
                h.frame(f)                      # the header in pieces
    # Whole ones, in any order, are taken.
    for q in (p, ours6()):
        src, dst = q.src, (V6 if q is ours6() else V4)
        for order in (1, -1):
            q.seq += 1
            data = q.session.seal(echo(q.inner, INNER, q.port, q.seq,
                                       bytes(1300)))
            body = udp(src, q.port, dst, 51820, data)
            for f in list(fragments(src, dst, body, 256))[::order]:
                h.frame(f)
            q.data(empty=False)


@point("datagrams of 65507 bytes, of each type")
def _():
    h, p = host(), ours()
    with Silence("65507 bytes", dropped=None):
        for kind in (0, 1, 2, 3, 4, 5, 255):
            big = bytes([kind, 0, 0, 0]) + struct.pack(
                "<I", p.session.theirs) + bytes(65499)
            h.send(big, OUR4, STRANGER)
            h.send(big + bytes(20), OUR6, STRANGER)
        h.send(w.renew_macs(bytes([1]) + bytes(65506), h.key), OUR4,
               STRANGER)
        # One that authenticates, with garbage in it, with a packet in it.
    with Silence("65507 bytes of a peer: zeros", errors=adit(1),
                 frame=adit(1)):
        p.send(p.session.seal(bytes(65472)))
    if harness.DRIVER != "adit":
        return          # it drops all of the following: docs/differences.md
    q = Peer(h)
    q.handshake()
    q.ping()
    small = q.session.seal(echo(q.inner, INNER) + bytes(65440))
    q.send(small)
    q.data(empty=False)         # a packet and much padding: answered
    q.send(q.session.seal(echo(q.inner, INNER, data=bytes(65400))))
    until(30, "the answer to an echo of 65400 bytes, in fragments",
          lambda: q.transfer()[1] > 66000)
    h.poll(0.2)
    h.box.clear()
    q.ping()


@point("counters at the edges of the replay window")
def _():
    h = host()
    p = Peer(h)
    s = p.handshake()
    p.ping()

    def refused(what, *counters):
        before = p.transfer()[0]
        for c in counters:
            p.send(s.seal(echo(p.inner, INNER, 9, 9), c))
        p.ping(counter=top[0])
        top[0] += 1
        p.quiet(what, 0.05, w.DATA)
        # an answer would be taken by ping(): but what is refused counts nowhere
        equal("bytes received but for one ping: " + what, 64,
              p.transfer()[0] - before)

    top = [100000]
    p.ping(counter=top[0])
    top[0] += 1
    refused("the same again", top[0] - 1)
    refused("long below", 0, 1, 5, 90000)
    # At the bottom: the 8192 bits of which at least 8128 - 64 are usable.
    top[0] += 10000
    p.ping(counter=top[0])
    base = top[0]
    top[0] += 1
    for back in (1, 63, 64, 65, 1000, 8000):
        p.ping(counter=base - back)
        refused("%d below, twice" % back, base - back)
    base = top[0] - 1
    refused("%d below" % 8193, base - 8193, base - 8192, base - 20000)
    # A jump of a word, of a window, of more; what was before is gone.
    for jump in (64, 8128, 8191, 8192, 8193, 2 ** 20, 2 ** 33, 2 ** 62):
        old = top[0] - 1
        top[0] += jump
        p.ping(counter=top[0])
        top[0] += 1
        if jump <= 8000:
            refused("before a jump of %d" % jump, old)
        else:
            refused("before a jump of %d" % jump, old, old - 1)
        if jump > 10:
            p.ping(counter=top[0] - 6)
    # A forged message does not move the window.
    forged = bent(s.seal(b"", top[0] + 2 ** 40))
    p.send(forged)
    p.ping(counter=top[0])
    if harness.DRIVER != "adit":
        return          # docs/differences.md
    # The end of the numbers, by a session of its own.
    q = Peer(h)
    s = q.handshake()
    q.ping()
    end = w.REJECT_AFTER_MESSAGES
    for counter in (end, end + 1, 2 ** 64 - 1):
        q.send(s.seal(echo(q.inner, INNER, 9, 9), counter))
    q.ping(counter=100)
    q.ping(counter=end - 1)
    q.send(s.seal(echo(q.inner, INNER, 9, 9), end - 1))
    q.send(s.seal(echo(q.inner, INNER, 9, 9), end))
    q.ping(counter=end - 2)
    h.settled(flush())
    q.quiet("counters from REJECT-AFTER-MESSAGES on", 0.2, w.DATA)
    time.sleep(0.03)
    q.handshake()
    q.ping()


def inner4(**how):
    p = ours()
    how.setdefault("payload", echo(p.inner, INNER)[20:])
    return ip(p.inner, INNER, 1, how.pop("payload"), **how)


@point("inner packets that are none: version, length, header")
def _():
    p = ours()
    s, good = p.session, echo(p.inner, INNER)
    src6, dst6 = harness.address(p.inner6), harness.address(INNER6)
    for what, plain, kind in (
            ("version 0", bytes([0x05]) + good[1:], "frame"),
            ("version 5", bytes([0x55]) + good[1:], "frame"),
            ("version 15", bytes([0xf5]) + good[1:], "frame"),
            ("all zeros", bytes(64), "frame"),
            ("all ones", b"\xff" * 64, "frame"),
            ("total length 0", inner4(total=1)[:2] + bytes(2) + good[4:],
             "length"),
            ("total length 19", inner4(total=19), "length"),
            ("total length one too big",
             inner4(total=33, payload=good[20:32]), "length"),
            ("total length 65535", inner4(total=65535), "length"),
            ("16 bytes of IPv4", good[:16], "length"),
            ("16 bytes of IPv6", bytes([0x60]) + bytes(15), "length"),
            ("32 bytes of IPv6",
             struct.pack("!IHBB", 6 << 28, 0, 59, 64) + src6 + dst6[:8],
             "length"),
            ("IPv6 payload too big",
             struct.pack("!IHBB", 6 << 28, 9, 59, 64) + src6 + dst6,
             "length"),
            ("IPv6 payload 65535",
             struct.pack("!IHBB", 6 << 28, 65535, 59, 64) + src6 + dst6,
             "length"),
            ("source of nobody", echo("10.77.0.1", INNER), "frame"),
            ("source of the device", echo(INNER, INNER), "frame"),
            ("source of another peer", echo(ours6().inner, INNER), "frame"),
            ("source 0.0.0.0", echo("0.0.0.0", INNER), "frame"),
            ("source of nobody, IPv6", echo("fd77::1", INNER6), "frame"),
            ("source of another peer, IPv6", echo(ours6().inner6, INNER6),
             "frame"),
            ("source ::", echo("::", INNER6), "frame"),
            ("IPv4-mapped source", echo("::ffff:" + p.inner, INNER6),
             "frame")):
        wanted = {kind: 1}
        if what[:2].isdigit():          # shorter than a header
            wanted = {"length": adit(1), "frame": adit(0)}
        with Silence(what, errors=1, **wanted):
            p.send(s.seal(plain))


@point("plain texts of 1 to 60 bytes, not a multiple of 16, unpadded")
def _():
    p = ours()
    h = host()
    good = echo(p.inner, INNER)
    for n in (1, 2, 3, 15, 17, 19):
        with Silence("%d bytes" % n, errors=1, length=adit(1),
                     frame=adit(0)):
            p.send(p.session.seal(good[:n], pad=1))
    with Silence("one zero byte", errors=1, frame=1):
        p.send(p.session.seal(b"\0", pad=1))
    q = Peer(h)
    q.handshake()
    for n in range(0, 34):
        q.seq += 1
        packet = echo(q.inner, INNER, q.port, q.seq, bytes(n))
        q.send(q.session.seal(packet, pad=1))
        wanted = echo(INNER, q.inner, q.port, q.seq, bytes(n), reply=True)
        plain = q.data(empty=False)
        equal("the answer to %d bytes" % n, wanted[20:],
              plain[20:len(wanted)])
        equal("its padding is zero", bytes(len(plain) - len(wanted)),
              plain[len(wanted):])
    # More padding than there should be is trimmed.
    for extra in (16, 17, 1000):
        q.seq += 1
        packet = echo(q.inner, INNER, q.port, q.seq) + b"\xee" * extra
        q.send(q.session.seal(packet, pad=1))
        plain = q.data(empty=False)
        # The identification and checksum of its IP header are any bytes.
        wanted = echo(INNER, q.inner, q.port, q.seq, reply=True)
        equal("the answer to %d bytes of padding" % extra, wanted[20:],
              plain[20:])


@point("headers that the stack behind must judge: ihl, options, extensions")
def _():
    p = ours()
    q = Peer(host())
    s = q.handshake()
    q.ping()
    src, dst = q.inner, INNER
    body = echo(src, dst)[20:]
    mine = Silence("headers for the stack", peer=p, icmp=True)

    def six(next_header, payload, length=None):
        return ip(q.inner6, INNER6, next_header, payload, total=length)

    ping6 = echo(q.inner6, INNER6)[40:]
    hostile = [
        bytes([0x44]) + echo(src, dst)[1:],             # ihl 4
        bytes([0x40]) + echo(src, dst)[1:],             # ihl 0
        bytes([0x4f]) + echo(src, dst)[1:],             # ihl beyond the end
        ip(src, dst, 1, b""),
        ip(src, dst, 1, body[:3]),
        ip(src, dst, 17, b""),
        ip(src, dst, 17, b"\0" * 7),
        ip(src, dst, 6, b"\0" * 10),
        ip(src, dst, 1, body, frag=0x2000),             # a first fragment
        ip(src, dst, 1, body, frag=0x1fff),             # beyond 65535
        ip(src, dst, 255, body),
        ip(src, dst, 1, body, options=b"\x07\xff\x04\x00"),  # record route
        ip(src, dst, 1, body, options=b"\x07\x00\x04\x00"),
        ip(src, dst, 1, body, options=b"\x44\xff\x05\x00"),
        ip(src, dst, 1, body, options=b"\x83\x03\xff\x00"),
        six(59, b""),
        six(0, b""),
        six(0, b"\x3a\xff" + bytes(6)),                 # too long
        six(0, bytes([0x3a, 0]) + b"\xc2\x04" + struct.pack("!I", 2 ** 17)
            + ping6),                                   # jumbogram, length set
        six(0, bytes([0x3a, 0]) + b"\xc2\x04" + struct.pack("!I", 2 ** 17),
            0),                                         # jumbogram
        six(43, b"\x3a\x02\x00\x01" + bytes(20)),       # routing type 0
        six(44, b"\x3a\x00\x00\x01" + bytes(4) + ping6),
        six(44, b"\x3a\x00\xff\xf9" + bytes(4) + ping6),
        six(60, b"\x3c\x00\x01\x04" + bytes(4)),        # ends in an extension
        six(58, ping6[:3]),
        six(17, b"\0" * 5),
    ]
    with mine:
        for packet in hostile:
            q.send(s.seal(packet))
        host().take(lambda x: False, 0.3)
        # What the host answers (errors) goes through the tunnel to q.
        q.ping()
        while q.maybe(w.DATA, 0.05):
            pass
    # Options and extensions that are right are passed on and answered.
    options = b"\x94\x04\x00\x00"                       # router alert
    q.send(s.seal(ip(src, dst, 1, body, options=options)))
    q.data(empty=False)
    q.send(s.seal(six(60, bytes([58, 0, 1, 4, 0, 0, 0, 0]) + ping6)))
    check("an echo behind a destination header",
          q.data(empty=False)[0] >> 4 == 6)
    q.ping()
    q.ping(v6=True)


@point("keepalives in any number, zero-length data on every session")
def _():
    p = ours()
    before = p.transfer()[0]
    for _ in range(50):
        p.send(p.session.seal())
    p.ping()
    equal("bytes received", before + 50 * 32 + 64, p.transfer()[0])
    p.quiet("nothing answers a keepalive", 0.2)


@point("random datagrams, with and without a right beginning")
def _():
    p = ours()
    n = 0
    with Silence("random datagrams"):
        for i in range(400):
            m = os.urandom(int.from_bytes(os.urandom(2), "big") % 300)
            if i & 1:
                m = bytes([1 + i // 2 % 4, 0, 0, 0]) + m
            if i & 2 and len(m) >= 8:
                m = m[:4] + struct.pack("<I", p.session.theirs) + m[8:]
            host().send(m, OUR6 if i & 4 else OUR4, STRANGER)
            n += 1
    equal("datagrams", 400, n)


if __name__ == "__main__":
    run("malformed messages")
