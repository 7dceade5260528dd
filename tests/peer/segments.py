#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What TCP hands down in one large packet arrives as if it had cut it itself.

The driver's host writes to a TCP connection whose other end is here: each
segment is looked at byte by byte, its checksums too, which no receiver behind a
tunnel would do. All of it with the driver's own segmentation ("outer-gso") and
without it.
"""

import collections
import functools
import os
import socket
import struct
import sys
import time

sys.dont_write_bytecode = True
import wgpeer as w  # noqa: E402
import harness  # noqa: E402
from harness import (  # noqa: E402
    Failed, Host, INNER, INNER6, Peer, SLOW, address, check, checksum, equal,
    ip, point, run, skip)

FIN, SYN, PSH, ACK, URG, ECE, CWR = 1, 2, 8, 16, 32, 64, 128
OPTIONS = b"\x94\x04\x00\x00"       # router alert

Segment = collections.namedtuple(
    "Segment", "counter size ident seq flags urgent options data tsval")


@functools.lru_cache()
def host():
    h = Host()
    with h:
        h._sysctl("net/ipv4/tcp_ecn", "1")
        h._sysctl("net/ipv4/tcp_no_metrics_save", "1")
        # also where a round trip takes long: packets of so many segments
        h._sysctl("net/ipv4/tcp_min_tso_segs", "8")
    return h


def own(on):
    """Switches the driver's own segmentation, where it has one."""
    if harness.DRIVER == "adit":
        host().sh(["ethtool", "--set-priv-flags", "wg0", "outer-gso",
                   "on" if on else "off"])


def counted():
    """(datagrams, messages) that left by it."""
    if harness.DRIVER != "adit":
        return 0, 0
    words = host().sh(["ethtool", "-S", "wg0"]).split()
    return tuple(int(words[words.index("tx_outer_gso_%s:" % x) + 1])
                 for x in ("datagrams", "messages"))


def padded(size, mtu):
    up = -(-size // 16) * 16
    return mtu if size <= mtu < up else up


class Far:
    """The far end of a connection: as much of TCP as it takes to read."""

    def __init__(self, peer, v6=False, mss=1300, stamps=True, ecn=False,
                 prepare=None, mtu=1420):
        self.peer, self.v6, self.mtu, self.stamps = peer, v6, mtu, stamps
        self.from_port = None
        # of all messages, and of all packets of this connection, as they came
        self.counters, self.idents = [], []
        # of those the ones that TCP sent once more: by a timer, perhaps on another
        # CPU, whose backlog of a veth is another, so they may pass others there
        self.again = {}
        self.sock = host().socket(socket.AF_INET6 if v6 else socket.AF_INET,
                                  socket.SOCK_STREAM)
        self.sock.setsockopt(socket.SOL_SOCKET, 32, 1 << 22)  # SNDBUFFORCE
        if prepare:
            prepare(self.sock)
        self.sock.setblocking(False)
        self.there, self.here = (INNER6, peer.inner6) if v6 else \
            (INNER, peer.inner)
        self.sock.connect_ex((self.here, 5000))
        syn = self.take(10)
        check("a SYN comes", syn and syn.flags == SYN | ECE | CWR, syn)
        self.port, self.seq, self.ack = self.from_port, 1000, syn.seq + 1
        self.tsval = syn.tsval
        options = struct.pack("!BBH", 2, 4, mss) + b"\x01\x03\x03\x07"
        self.send(SYN | ACK | (ECE if ecn else 0), options)
        self.seq += 1
        s = self.take(10)
        equal("the answer", ACK, s and s.flags)

    def send(self, flags=ACK, options=b""):
        """A segment without data."""
        if self.stamps:
            options += struct.pack("!BBBBII", 1, 1, 8, 10, 77, self.tsval)
        head = struct.pack("!HHIIBBHHH", 5000, self.port, self.seq,
                           self.ack & 0xffffffff, (20 + len(options)) << 2,
                           flags, 60000, 0, 0) + options
        pseudo = address(self.here) + address(self.there) + struct.pack(
            "!II", len(head), 6)
        head = head[:16] + struct.pack("!H", checksum(pseudo + head)) + \
            head[18:]
        p = self.peer
        p.send(p.session.seal(ip(self.here, self.there, 6, head)))

    def parse(self, counter, plain):
        """All that must hold for any packet; returns its Segment, or None
        where it is of an earlier connection."""
        if plain[0] >> 4 != (6 if self.v6 else 4):
            return None
        if self.v6:
            size, head = 40 + struct.unpack("!H", plain[4:6])[0], 40
            src, dst, ident = plain[8:24], plain[24:40], 0
            equal("next header", 6, plain[6])
        else:
            size, head = struct.unpack("!H", plain[2:4])[0], plain[0] % 16 * 4
            src, dst = plain[12:16], plain[16:20]
            ident = struct.unpack("!H", plain[4:6])[0]
            equal("protocol", 6, plain[9])
            equal("checksum of an IP header", 0, checksum(plain[:head]))
            if head > 20:
                equal("IP options", OPTIONS, plain[20:head])
        equal("addresses", (address(self.there), address(self.here)),
              (src, dst))
        equal("length with padding", padded(size, self.mtu), len(plain))
        equal("padding", bytes(len(plain) - size), plain[size:])
        tcp = plain[head:size]
        equal("checksum of TCP", 0, checksum(
            src + dst + struct.pack("!II", len(tcp), 6) + tcp))
        sport, dport, seq, _, off, flags, _, _, urgent = struct.unpack(
            "!HHIIBBHHH", tcp[:20])
        equal("port", 5000, dport)
        if self.from_port is None and flags & SYN:
            self.from_port = sport
        if self.from_port != sport:
            return None
        self.idents.append(ident)
        off = (off >> 4) * 4
        options, tsval = tcp[20:off], 0
        at = options.find(b"\x08\x0a")
        if at >= 0:
            tsval = struct.unpack("!I", options[at + 2:at + 6])[0]
        return Segment(counter, size, ident, seq, flags, urgent, options,
                       tcp[off:], tsval)

    def take(self, seconds):
        """The next segment, or None in time."""
        p = self.peer
        end = time.monotonic() + seconds * SLOW
        while True:
            got = host().take(
                lambda x: p.mine(x, w.DATA) and p.session.mine(x.payload),
                max(0, end - time.monotonic()) / SLOW)
            if not got:
                return None
            counter, plain = p.session.open(got.payload)
            self.counters.append(counter)
            segment = plain and self.parse(counter, plain)
            if segment:
                return segment

    def read(self, data, flags=ACK, finish=False):
        """All of data, which the host writes at once: its Segments."""
        got, segments = b"", []
        with_fin = False
        n = self.sock.send(data)
        equal("bytes that the socket takes", len(data), n)
        if finish:
            self.sock.shutdown(socket.SHUT_WR)
        end = time.monotonic() + 20 * SLOW
        while len(got) < len(data) or finish and not with_fin:
            s = self.take(0.02)
            if not s:
                # on a slow machine this is no hurry of ours
                check("the data comes", time.monotonic() < end,
                      "%d of %d bytes" % (len(got), len(data)))
                self.send(flags)
                flags = ACK
                continue
            if (self.ack - s.seq) % 2 ** 32 in range(1, len(data) + 1):
                self.again[s.counter] = s.ident     # a slow machine
                continue
            equal("it is the next segment", self.ack & 0xffffffff, s.seq)
            self.ack += len(s.data)
            got += s.data
            self.tsval = s.tsval
            with_fin = bool(s.flags & FIN)
            segments.append(s)
        check("the data is what was written", got == data)
        self.ack += with_fin
        self.send()
        return segments

    def close(self):
        # which resets the connection: nothing of it comes again
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
        self.sock.close()
        host().poll(0.05)
        host().box.clear()


def consecutive(what, numbers, modulus, again):
    """But for those that came once more, whenever."""
    numbers = [n for n in numbers if n not in again]
    for a, b in zip(numbers, numbers[1:]):
        a = (a + 1) % modulus
        while a != b and a in again:
            a = (a + 1) % modulus
        equal(what, a, b)


def judge(far, segments):
    """What holds for all segments of one write, and for all that came since the
    last."""
    consecutive("counters", far.counters, 2 ** 64, set(far.again))
    if not far.v6:
        consecutive("identifications", far.idents, 65536,
                    set(far.again.values()))
    # what came once more, and early, is passed later
    last = max(n for n in far.counters if n not in far.again)
    far.counters[:], far.idents[:] = [last], [
        n for n in far.idents if n not in far.again.values()][-1:]
    far.again = {n: i for n, i in far.again.items() if n > last}
    # TCP pushes at the end of each packet that it hands down: the last segment
    pushed = [i for i, s in enumerate(segments) if s.flags & PSH]
    check("the last segment has PSH", pushed and
          pushed[-1] == len(segments) - 1, pushed)
    check("not all segments have PSH", len(pushed) < len(segments),
          "%s of %d" % (pushed, len(segments)))
    equal("flags but PSH, FIN and CWR", {ACK},
          {s.flags & ~(PSH | FIN | CWR) for s in segments})


def both(function):
    """With the driver's own segmentation, which must be taken, and without."""
    for on in (True, False):
        own(on)
        try:
            before = counted()
            function(on)
            datagrams, messages = (b - a for a, b in zip(before, counted()))
        except Failed as e:
            raise Failed("outer-gso %s: %s" % ("on" if on else "off", e))
        finally:
            own(True)
        if harness.DRIVER != "adit":
            return
        if on:
            check("it is taken", 0 < 2 * datagrams <= messages,
                  "%d datagrams of %d messages" % (datagrams, messages))
        else:
            equal("it is not taken", (0, 0), (datagrams, messages))


@functools.lru_cache()
def peer():
    p = Peer(host())
    p.handshake()
    p.ping()
    return p


def plain_case(v6, **how):
    def function(_):
        far = Far(peer(), v6=v6, **how)
        # ten segments are what a new connection may send at once
        data = os.urandom(9 * 1200 + 77)
        judge(far, far.read(data))
        data = os.urandom(min(150000, 500 * how.get("mss", 1300)))
        judge(far, far.read(data))
        far.close()
    both(function)


@point("IPv4: every byte, length, identification, flag and checksum")
def _():
    plain_case(False)


@point("IPv6: the same")
def _():
    plain_case(True)


@point("without TCP's time stamps, with small and odd segments")
def _():
    for mss in (1301, 999, 536, 88):
        plain_case(False, stamps=False, mss=mss)
        plain_case(True, stamps=False, mss=mss)


@point("with IP options")
def _():
    plain_case(False, prepare=lambda s: s.setsockopt(
        socket.IPPROTO_IP, socket.IP_OPTIONS, OPTIONS))


@point("FIN is on the last segment alone")
def _():
    def function(_):
        for v6 in (False, True):
            far = Far(peer(), v6=v6)
            segments = far.read(os.urandom(40 * 1000), finish=True)
            equal("segments with FIN", [len(segments) - 1],
                  [i for i, s in enumerate(segments) if s.flags & FIN])
            check("which carries data", segments[-1].data)
            judge(far, segments)
            far.close()
    both(function)


@point("CWR is on one segment alone, the first of what is cut")
def _():
    def function(_):
        far = Far(peer(), ecn=True)
        far.read(os.urandom(9000))
        segments = far.read(os.urandom(120000), flags=ACK | ECE)
        equal("segments with CWR", 1,
              sum(1 for s in segments if s.flags & CWR))
        judge(far, segments)
        far.close()
    both(function)


@point("the urgent pointer stays")
def _():
    def function(_):
        far = Far(peer(), stamps=False)
        far.read(os.urandom(9000))
        far.sock.send(os.urandom(20000))
        far.sock.send(b"!", socket.MSG_OOB)
        got = 0
        flagged = []
        while got < 20001:
            s = far.take(1)
            if not s:
                far.send()
                continue
            got += len(s.data)
            far.ack += len(s.data)
            if s.flags & URG:
                # the pointer is behind the urgent byte, or on it
                flagged.append(s.seq + s.urgent)
        check("segments with URG", flagged)
        far.send()
        far.close()
    both(function)


@point("the identification of IPv4 passes 65535")
def _():
    # It begins at random, so the whole range is passed; no write is more than
    # what a veth's backlog holds.
    far = Far(peer(), mss=88, stamps=False)
    seen = []
    for _ in range(140):
        segments = far.read(os.urandom(88 * 500))
        judge(far, segments)
        seen += [s.ident for s in segments]
        if 65535 in seen and 0 in seen:
            break
    check("it did", 65535 in seen and 0 in seen, len(seen))
    far.close()


@point("routes whose MTU leaves no room for padding, and an odd one")
def _():
    p = peer()
    for mtu in (1408, 1412, 1411, 1281):
        for v6 in (False, True):
            to = p.inner6 if v6 else p.inner
            host().ip("route replace %s dev wg0 mtu lock %d" % (to, mtu))
            for on in (True, False):
                own(on)
                before = counted()
                far = Far(p, v6=v6, mss=1400, mtu=mtu)
                segments = far.read(os.urandom(9 * 1100))
                judge(far, segments)
                equal("the largest packet", mtu, max(s.size for s in segments))
                far.close()
                if mtu % 4 == 0 and harness.DRIVER == "adit":
                    equal("it is taken", on, counted() != before)
            own(True)
            host().ip("route del %s dev wg0 mtu lock %d" % (to, mtu))


@point("written while the tunnel has no session yet: staged, and nothing is lost")
def _():
    p = Peer(host())
    p.trigger()
    opened = p.initiation()
    p.answer(opened)
    p.data()
    far = Far(p)
    judge(far, far.read(os.urandom(30000)))
    # The session goes with the private key; what is written then waits.
    key = host().key
    host().wg_key(w.Static())
    host().wg_key(key)
    data = os.urandom(9000)
    far.sock.send(data)
    p.answer(p.initiation())
    got = b""
    while len(got) < len(data):
        s = far.take(5)
        check("what was staged comes", s is not None, len(got))
        if s.seq == far.ack & 0xffffffff:
            got += s.data
            far.ack += len(s.data)
            far.tsval = s.tsval
        far.send()
    check("the data is what was written", got == data)
    far.close()


if __name__ == "__main__":
    run("segments of TCP")
