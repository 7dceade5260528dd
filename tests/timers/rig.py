# SPDX-License-Identifier: GPL-2.0-only
"""What the timer scenarios are written with: KTAP, one driver under test against
peers made here, and two drivers against each other.

The protocol is done here from its published description and shares nothing with
the driver, so a scenario can leave out an answer, keep an old session, or send
what no implementation would. All times are seconds of the kernel's clock, taken
when a packet reached the other end of the wire. Written for a guest in virtual
time, where waiting costs nothing; on any other machine it takes as long as it says.

A scenario is a file of points, each with hosts of its own:

    @point("what can fail by itself")
    def _():
        with Rig() as r:
            r.send()
            r.wait("init")
            ...
    main("what this file is about")

Environment: ADIT_DRIVER, "adit" or "in-kernel", the driver that must be under
test; ADIT_SLOW, a factor on the slack; ADIT_POINT, to run only the points whose
title has that text.
"""

import base64
import ctypes
import hashlib
import hmac
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time
import traceback

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey, X25519PublicKey)
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

os.environ["PATH"] += ":/usr/sbin:/sbin"

# The specification's constants, seconds.
REKEY_AFTER = 120
REJECT_AFTER = 180
REKEY_TIMEOUT = 5
JITTER = 1 / 3
KEEPALIVE = 10
SILENCE = KEEPALIVE + REKEY_TIMEOUT
LAST_MINUTE = REJECT_AFTER - KEEPALIVE - REKEY_TIMEOUT
ZERO = 3 * REJECT_AFTER
ATTEMPTS = 20
STAGED = 128

# Slack, all of it. EARLY: a deadline and the event it is counted from are both
# rounded to a tick. LATE: from the event in the kernel to the packet at the other
# end, the crypto and the scheduling of a slow machine included. On top of it a
# kernel timer may come later by the step of the timer wheel: see wheel().
SLOW = int(os.environ.get("ADIT_SLOW", "1"))
EARLY = 0.02
LATE = 0.08 * SLOW


def _measure_hz():
    def jiffies():
        with open("/proc/timer_list", encoding="ascii") as f:
            for line in f:
                if line.startswith("jiffies: "):
                    return int(line.split()[1])
        raise OSError("no jiffies in /proc/timer_list")
    try:
        t, j = time.monotonic(), jiffies()
        time.sleep(1)
        t, j = time.monotonic() - t, jiffies() - j
        return min((100, 250, 300, 1000), key=lambda hz: abs(hz - j / t))
    except OSError:
        return 100          # the coarsest


HZ = _measure_hz()


def wheel(delay):
    """By how much a timer armed for delay may come late: the wheel of the kernel
    rounds up, in steps that are 8 times as wide each time that the delay has
    outgrown 63 of them."""
    step = 1
    while delay * HZ >= 63 * step:
        step *= 8
    return step / HZ


# ------------------------------------------------------------------ KTAP

class Fail(Exception):
    """The point cannot go on."""


_points = []
_bad = None                 # what failed in the open point


def say(text):
    for line in str(text).splitlines():
        print("# " + line)


def point(title):
    def add(run):
        _points.append((title, run))
        return run
    return add


def fail(what, expected, got):
    _bad.append(what)
    say(f"FAILED: {what}\n  expected: {expected}\n  got:      {got}")


def eq(what, wanted, got):
    if wanted != got:
        fail(what, repr(wanted), repr(got))


def at_least(what, low, got):
    if not got >= low:
        fail(what, f"{low} or more", repr(got))


def between(what, low, high, got):
    if got is None or not low <= got <= high:
        fail(what, f"{low:.3f} to {high:.3f}", got)


def after(what, delay, got, jitter=0.0):
    """got, seconds, is delay as a kernel timer keeps it."""
    between(what, delay - EARLY, delay + jitter + wheel(delay + jitter) + LATE, got)


def at_once(what, got):
    between(what, 0, LATE, got)


def must(what, good):
    if not good:
        fail(what, "true", "false")
        raise Fail(what)


def _driver():
    if not os.path.isdir("/sys/module/wireguard"):
        subprocess.run(["modprobe", "-q", "wireguard"], check=False)
    try:
        with open("/sys/module/wireguard/version", encoding="ascii") as f:
            return "in-kernel" if f.read().strip() == "1.0.0" else "adit"
    except OSError:
        return "in-kernel"


driver = _driver()


def skip_all(reason):
    print(f"KTAP version 1\n1..0 # SKIP {reason}")
    sys.exit(4)


class Skip(Exception):
    """The open point cannot be tested here."""


def main(title):
    global _bad
    sys.stdout.reconfigure(line_buffering=True)
    if os.geteuid():
        skip_all("needs root")
    if not os.path.isdir("/sys/module/wireguard"):
        skip_all("no wireguard module is loaded and none can be")
    only = os.environ.get("ADIT_POINT", "")
    points = [p for p in _points if only in p[0]]
    print(f"KTAP version 1\n1..{len(points)}")
    name = os.path.basename(sys.argv[0])
    say(f"{name}: {title}")
    say(f"driver: {driver}, kernel {os.uname().release}, HZ {HZ}")
    failed = 0
    wanted = os.environ.get("ADIT_DRIVER")
    for n, (what, run) in enumerate(points, 1):
        _bad = []
        skip = None
        if wanted and wanted != driver:
            fail("finding the driver", wanted, driver)
        else:
            try:
                run()
            except Fail:
                pass
            except Skip as s:
                skip = str(s)
            except Exception:   # a point that breaks off has failed
                fail("the point runs to its end", "no exception",
                     traceback.format_exc())
        while _open:
            _open.pop().close()
        if _bad:
            failed += 1
            print(f"not ok {n} {what}")
        elif skip:
            print(f"ok {n} {what} # SKIP {skip}")
        else:
            print(f"ok {n} {what}")
    sys.exit(1 if failed else 0)


# ------------------------------------------------------------------ hosts

_libc = ctypes.CDLL(None, use_errno=True)


_open = []                  # hosts of the open point
_made = 0                   # hosts so far


class Host:
    """A network namespace. It goes when its point ends."""

    def __init__(self, name):
        global _made
        _made += 1
        self.name = f"adit{os.getpid()}-{name}{_made}"
        command("ip", "netns", "add", self.name)
        _open.append(self)
        self.fd = os.open("/run/netns/" + self.name, os.O_RDONLY)
        self.home = os.open("/proc/self/ns/net", os.O_RDONLY)
        self.ip("link set lo up")

    def __enter__(self):
        if _libc.setns(self.fd, 0x40000000):
            raise OSError(ctypes.get_errno(), "setns")

    def __exit__(self, *_):
        if _libc.setns(self.home, 0x40000000):
            raise OSError(ctypes.get_errno(), "setns")

    def run(self, *args, stdin=""):
        with self:
            return command(*args, stdin=stdin)

    def ip(self, *lines):
        return command("ip", "-n", self.name, "-batch", "-",
                       stdin="\n".join(lines) + "\n")

    def nft(self, rules):
        self.run("nft", "-f", "-", stdin=rules)

    def popen(self, *args):
        with self:
            return subprocess.Popen(args, stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, text=True)

    def udp(self, address, port):
        with self:
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, 35, 1)      # SO_TIMESTAMPNS
        s.bind((address, port))
        s.setblocking(False)
        return s

    def capture(self, interface):
        with self:
            s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        s.setsockopt(socket.SOL_SOCKET, 35, 1)
        s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
        s.bind((interface, 3))
        s.setblocking(False)
        return s

    def close(self):
        os.close(self.fd)
        os.close(self.home)
        subprocess.run(["ip", "netns", "del", self.name], check=False)


def command(*args, stdin=""):
    p = subprocess.run(args, input=stdin, capture_output=True, text=True,
                       check=False)
    if p.returncode:
        raise Fail(fail(" ".join(args), "success", p.stdout + p.stderr))
    return p.stdout


def now():
    return time.clock_gettime(time.CLOCK_REALTIME)


def _receive(s):
    data, anc, _, src = s.recvmsg(65536, 64)
    for level, kind, value in anc:
        if level == socket.SOL_SOCKET and kind == 35:
            sec, nsec = struct.unpack("qq", value[:16])
            return sec + nsec / 1e9, data, src
    return now(), data, src


# ------------------------------------------------------------------ protocol

CONSTRUCTION = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
IDENTIFIER = b"WireGuard v1 zx2c4 Jason@zx2c4.com"


def HASH(*x):
    return hashlib.blake2s(b"".join(x)).digest()


def MAC(key, x):
    return hashlib.blake2s(x, key=key, digest_size=16).digest()


def KDF(n, key, x):
    t0 = hmac.digest(key, x, hashlib.blake2s)
    out, t = [], b""
    for i in range(1, n + 1):
        t = hmac.digest(t0, t + bytes([i]), hashlib.blake2s)
        out.append(t)
    return out


def _nonce(n):
    return struct.pack("<4xQ", n)


def seal(key, n, plain, ad=b""):
    return ChaCha20Poly1305(key).encrypt(_nonce(n), plain, ad)


def unseal(key, n, sealed, ad=b""):
    return ChaCha20Poly1305(key).decrypt(_nonce(n), sealed, ad)


def xseal(key, nonce24, plain, ad):
    def quarter(a, b, c, d):
        for x, y, z, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            s[x] = (s[x] + s[y]) & 0xffffffff
            v = s[z] ^ s[x]
            s[z] = ((v << n) | (v >> (32 - n))) & 0xffffffff
    s = list(struct.unpack("<16I", b"expand 32-byte k" + key + nonce24[:16]))
    for _ in range(10):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    sub = struct.pack("<8I", *(s[:4] + s[12:]))
    return ChaCha20Poly1305(sub).encrypt(bytes(4) + nonce24[16:], plain, ad)


class Key:
    """A key pair."""

    def __init__(self):
        self.x = X25519PrivateKey.generate()
        self.priv = self.x.private_bytes(
            serialization.Encoding.Raw, serialization.PrivateFormat.Raw,
            serialization.NoEncryption())
        self.pub = self.x.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw)

    def dh(self, pub):
        return self.x.exchange(X25519PublicKey.from_public_bytes(pub))


KINDS = {(1, 148): "init", (2, 92): "resp", (3, 64): "cookie", (4, 32): "keep"}


def kind_of(raw):
    k = KINDS.get((raw[0] if raw else 0, len(raw)))
    return k or ("data" if raw[:1] == b"\4" and len(raw) > 32 else "other")


class Msg:
    """A message that came over the wire."""

    def __init__(self, t, raw, src, dst=None):
        self.t, self.raw, self.src, self.dst = t, raw, src, dst
        self.kind = kind_of(raw)
        self.session = None         # of a transport message that authenticates
        self.plain = None
        self.counter = None
        self.timestamp = None       # of an initiation that is valid

    @property
    def mac2(self):
        return self.raw[-16:]

    @property
    def sender(self):
        return self.raw[4:8]

    @property
    def ephemeral(self):
        return self.raw[8:40]

    @property
    def number(self):
        """What Rig.send wrote into the inner datagram."""
        return struct.unpack(">I", self.plain[28:32])[0]


class Session:
    """A session as its peer here holds it."""

    def __init__(self, local, remote, send, recv, initiator):
        self.local, self.remote = local, remote
        self.keys = send, recv
        self.initiator = initiator      # of us, not of the driver
        self.counter = 0
        self.born = now()


class Peer:
    """A peer of the driver that does only what it is told, apart from answering
    initiations at once while `answer` is set."""

    def __init__(self, rig, n):
        self.rig, self.n = rig, n
        self.key = Key()
        self.inner = f"10.9.0.{2 + n}"
        self.sock = rig.b.udp("192.0.2.2", 51820 + n)
        self.answer = True
        self.sessions = {}
        self.session = None             # the newest
        self.states = []                # of valid initiations, in order
        self.timestamp = bytes(12)
        self.to = ("192.0.2.1", 51820)

    # ---- what comes

    def take(self, t, raw, src):
        m = Msg(t, raw, src)
        m.peer = self
        if m.kind == "init":
            state = self.open_initiation(m)
            if state:
                self.states.append(state)
                if self.answer:
                    self.respond(state)
        elif m.kind in ("keep", "data"):
            s = self.sessions.get(raw[4:8])
            if s:
                m.counter = struct.unpack("<Q", raw[8:16])[0]
                try:
                    m.plain = unseal(s.keys[1], m.counter, raw[16:])
                    m.session = s
                except InvalidTag:
                    pass
        return m

    def open_initiation(self, m):
        raw, me = m.raw, self.key
        if raw[116:132] != MAC(HASH(b"mac1----", me.pub), raw[:116]):
            return None
        c = HASH(CONSTRUCTION)
        h = HASH(HASH(c, IDENTIFIER), me.pub)
        e = raw[8:40]
        c, = KDF(1, c, e)
        h = HASH(h, e)
        try:
            c, k = KDF(2, c, me.dh(e))
            static = unseal(k, 0, raw[40:88], h)
            h = HASH(h, raw[40:88])
            c, k = KDF(2, c, me.dh(static))
            m.timestamp = unseal(k, 0, raw[88:116], h)
        except InvalidTag:
            return None
        if static != self.rig.key.pub:
            return None
        return c, HASH(h, raw[88:116]), e, static, raw[4:8]

    # ---- what goes

    def _send(self, raw, mac=True):
        if mac:
            raw += MAC(HASH(b"mac1----", self.rig.key.pub), raw) + bytes(16)
        self.sock.sendto(raw, self.to)
        return raw

    def resend(self, raw):
        self.sock.sendto(raw, self.to)

    def _begin(self, *args):
        s = Session(*args)
        self.sessions[s.local] = self.session = s
        return s

    def respond(self, state):
        """Answers an initiation; the session counts from now on."""
        raw, args = self.make_response(state)
        self._send(raw)
        return self._begin(*args)

    def make_response(self, state):
        c, h, e_i, static, remote = state
        eph, local = Key(), os.urandom(4)
        c, = KDF(1, c, eph.pub)
        h = HASH(h, eph.pub)
        c, = KDF(1, c, eph.dh(e_i))
        c, = KDF(1, c, eph.dh(static))
        c, tau, k = KDF(3, c, bytes(32))
        h = HASH(h, tau)
        raw = b"\2\0\0\0" + local + remote + eph.pub + seal(k, 0, b"", h)
        recv, send = KDF(2, c, b"")
        return raw, (local, remote, send, recv, False)

    def initiate(self):
        """Sends an initiation and returns what join() needs."""
        them = self.rig.key.pub
        eph, local = Key(), os.urandom(4)
        c = HASH(CONSTRUCTION)
        h = HASH(HASH(c, IDENTIFIER), them)
        c, = KDF(1, c, eph.pub)
        h = HASH(h, eph.pub)
        c, k = KDF(2, c, eph.dh(them))
        static = seal(k, 0, self.key.pub, h)
        h = HASH(h, static)
        c, k = KDF(2, c, self.key.dh(them))
        t = now()
        stamp = seal(k, 0, struct.pack(">QI", 2 ** 62 + 10 + int(t),
                                       int(t % 1 * 1e9)), h)
        h = HASH(h, stamp)
        self.last_initiation = self._send(b"\1\0\0\0" + local + eph.pub + static +
                                          stamp)
        return c, h, eph, local

    def join(self, state, raw):
        """Takes the response to our initiation."""
        c, h, eph, local = state
        if raw[8:12] != local:
            raise Fail(fail("receiver of a response", local, raw[8:12]))
        e = raw[12:44]
        c, = KDF(1, c, e)
        h = HASH(h, e)
        c, = KDF(1, c, eph.dh(e))
        c, = KDF(1, c, self.key.dh(e))
        c, tau, k = KDF(3, c, bytes(32))
        unseal(k, 0, raw[44:60], HASH(h, tau))
        send, recv = KDF(2, c, b"")
        return self._begin(local, raw[4:8], send, recv, True)

    def transport(self, plain, session=None):
        s = session or self.session
        plain += bytes(-len(plain) % 16)
        raw = (b"\4\0\0\0" + s.remote + struct.pack("<Q", s.counter) +
               seal(s.keys[0], s.counter, plain))
        s.counter += 1
        t = now()
        self._send(raw, mac=False)
        return t

    def keepalive(self, session=None):
        return self.transport(b"", session)

    def data(self, text=b"hello", session=None):
        """A UDP datagram to port 7 of the driver's inner address."""
        src, dst = socket.inet_aton(self.inner), socket.inet_aton("10.9.0.1")
        udp = struct.pack(">HHHH", 9, 7, 8 + len(text), 0) + text
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + \
            src + dst
        total = sum(struct.unpack(">10H", ip))
        total = (total & 0xffff) + (total >> 16)
        total = (total & 0xffff) + (total >> 16)
        ip = ip[:10] + struct.pack(">H", ~total & 0xffff) + ip[12:]
        return self.transport(ip + udp, session)

    def cookie_reply(self, m, cookie, receiver):
        """An answer to the handshake message m, with that receiver index."""
        nonce = os.urandom(24)
        self._send(b"\3\0\0\0" + receiver + nonce +
                   xseal(HASH(b"cookie--", self.key.pub), nonce, cookie,
                         m.raw[-32:-16]), mac=False)

    # ---- together

    def shake(self, initiator="driver"):
        """A fresh session, confirmed. Afterwards no timer of the driver but
        zeroing is armed, as nothing but keepalives came and went since."""
        r = self.rig
        if initiator == "driver":
            r.send(peer=self)
            r.wait("init", 1, self)
            m = r.wait("data", 1, self)
            self.keepalive()        # so that the data does not stay unanswered
            r.run(0.05)
            must("the session works", m.session is self.session)
        else:
            state = self.initiate()
            self.join(state, r.wait("resp", 1, self).raw)
            self.keepalive()
            r.run(0.05)
        r.forget()
        return self.session


class Base:
    """What is common to the rigs: hosts a and b, a log of messages."""

    def __init__(self):
        self.log = []
        self.marks = 0
        self.start = now()
        self.a = Host("a")
        self.b = Host("b")
        self.a.ip("link add eth0 type veth peer name eth0 netns " + self.b.name,
                  "addr add 192.0.2.1/24 dev eth0",
                  "addr add 192.0.2.11/24 dev eth0", "link set eth0 up")
        self.b.ip("addr add 192.0.2.2/24 dev eth0", "link set eth0 up")

    def __enter__(self):
        return self

    def __exit__(self, kind, value, tb):
        if kind not in (None, Fail, Skip):
            fail("the point runs to its end", "no exception",
                 "".join(traceback.format_exception(kind, value, tb)))
        if _bad:
            self.dump()
        for s in self.sockets():
            s.close()
        return kind not in (None, Skip)

    def dump(self):
        say(f"  the messages, seconds since the start, until {now() - self.start:.3f}:")
        for m in self.log[-80:]:
            say(f"    {m.t - self.start:10.3f} {m.src[0]}:{m.src[1]} {m.kind} "
                f"{len(m.raw)}")

    def forget(self):
        """From now on messages() begins here."""
        self.marks = len(self.log)

    def run_until(self, t):
        while True:
            left = t - now()
            if left <= 0:
                break
            self.poll(left)
        self.poll(0)

    def run(self, seconds):
        self.run_until(now() + seconds)

    def messages(self, kind=None, **want):
        return [m for m in self.log[self.marks:]
                if (not kind or m.kind in kind.split()) and
                all(getattr(m, k) == v for k, v in want.items())]

    def kinds(self):
        return " ".join(m.kind for m in self.messages())

    def _wait(self, good, what, timeout):
        seen = self.marks
        end = now() + timeout
        while True:
            while seen < len(self.log):
                m = self.log[seen]
                seen += 1
                if good(m):
                    self.marks = seen
                    return m
            left = end - now()
            if left <= 0:
                raise Fail(fail("waiting for a message", f"{what} in {timeout:.3f} s",
                                self.kinds() or "nothing"))
            self.poll(left)


class Rig(Base):
    """The driver on host a, peers made here on host b.

    messages(), wait() and the rest tell of what the driver sent; messages that the
    peers sent are not in the log.
    """

    def __init__(self, peers=1):
        super().__init__()
        self.key = Key()
        self.number = 0
        self.peers = [Peer(self, n) for n in range(peers)]
        self.peer = self.peers[0]
        self.a.ip("link add wg0 type wireguard", "addr add 10.9.0.1/24 dev wg0")
        conf = f"[Interface]\nPrivateKey = {b64(self.key.priv)}\nListenPort = 51820\n"
        for p in self.peers:
            conf += (f"[Peer]\nPublicKey = {b64(p.key.pub)}\n"
                     f"AllowedIPs = {p.inner}/32\n"
                     f"Endpoint = 192.0.2.2:{51820 + p.n}\n")
        self.a.run("wg", "setconf", "wg0", "/dev/stdin", stdin=conf)
        self.a.ip("link set wg0 up")
        self.sock = self.a.udp("10.9.0.1", 7)
        self.fds = {p.sock: p for p in self.peers}

    def sockets(self):
        return [self.sock, *self.fds]

    def poll(self, timeout):
        ready, _, _ = select.select(list(self.fds), [], [], timeout)
        for s in ready:
            while True:
                try:
                    t, raw, src = _receive(s)
                except BlockingIOError:
                    break
                self.log.append(self.fds[s].take(t, raw, src))

    def wait(self, kind, timeout, peer=None):
        """The next message of that kind (of kinds, by spaces)."""
        return self._wait(lambda m: m.kind in kind.split() and
                          (not peer or m.peer is peer), kind, timeout)

    def send(self, count=1, peer=None):
        """Inner datagrams to a peer; returns the time of the last."""
        for _ in range(count):
            t = now()
            self.number += 1
            self.sock.sendto(struct.pack(">I", self.number),
                             ((peer or self.peer).inner, 9))
        return t

    def got(self):
        """The inner datagrams that came in since it was last asked."""
        out = []
        while True:
            try:
                out.append(self.sock.recv(65536))
            except BlockingIOError:
                return out

    def set(self, *args, peer=None, stdin=""):
        self.a.run("wg", "set", "wg0", "peer", b64((peer or self.peer).key.pub),
                   *args, stdin=stdin)

    def new_key(self):
        self.key = Key()
        self.a.run("wg", "set", "wg0", "private-key", "/dev/stdin",
                   stdin=b64(self.key.priv))

    def show(self, field, peer=None):
        want = b64((peer or self.peer).key.pub)
        for line in self.a.run("wg", "show", "wg0", field).splitlines():
            k, _, v = line.partition("\t")
            if k == want:
                return v
        return None

    def transfer(self):
        rx, tx = self.show("transfer").split()
        return int(rx), int(tx)

    def stat(self, name):
        text = self.a.run("ip", "-s", "-j", "link", "show", "wg0")
        stats = json.loads(text)[0]["stats64"]
        side, _, what = name.partition("_")
        return stats[side][what]


class Pair(Base):
    """The driver on both hosts; messages are seen on the wire, as a's end has it.
    What a drops before its wire is not seen, what b drops is."""

    def __init__(self, delay=None):
        super().__init__()
        self.keys = {}
        if delay:
            for h in (self.a, self.b):
                h.run("tc", "qdisc", "add", "dev", "eth0", "root", "netem", "delay",
                      delay)
        for n, h in ((1, self.a), (2, self.b)):
            h.key = Key()
            h.inner = f"10.9.0.{n}"
            h.outer = f"192.0.2.{n}"
        self.a.other, self.b.other = self.b, self.a
        for h in (self.a, self.b):
            h.ip("link add wg0 type wireguard", f"addr add {h.inner}/24 dev wg0")
            h.run("wg", "setconf", "wg0", "/dev/stdin", stdin=(
                f"[Interface]\nPrivateKey = {b64(h.key.priv)}\nListenPort = 51820\n"
                f"[Peer]\nPublicKey = {b64(h.other.key.pub)}\n"
                f"AllowedIPs = {h.other.inner}/32\n"
                f"Endpoint = {h.other.outer}:51820\n"))
            h.ip("link set wg0 up")
            h.sock = h.udp(h.inner, 7)
        self.cap = self.a.capture("eth0")

    def sockets(self):
        return [self.cap, self.a.sock, self.b.sock]

    def poll(self, timeout):
        select.select([self.cap], [], [], timeout)
        while True:
            try:
                t, raw, _ = _receive(self.cap)
            except BlockingIOError:
                return
            if len(raw) < 28 or raw[0] != 0x45 or raw[9] != 17:
                continue
            m = Msg(t, raw[28:], (socket.inet_ntoa(raw[12:16]), 51820))
            m.host = self.a if m.src[0] == self.a.outer else self.b
            self.log.append(m)

    def wait(self, kind, timeout, host=None):
        return self._wait(lambda m: m.kind in kind.split() and
                          (not host or m.host is host), kind, timeout)

    def send(self, host, text=b"x"):
        """A datagram that the other end takes and does not answer."""
        t = now()
        host.sock.sendto(text, (host.other.inner, 7))
        return t

    def got(self, host):
        out = []
        while True:
            try:
                out.append(host.sock.recv(65536))
            except BlockingIOError:
                return out

    def ping(self, *args, host=None):
        """ping to its end, while the messages are read."""
        h = host or self.a
        p = h.popen("ping", "-q", "-n", *args, h.other.inner)
        while p.poll() is None:
            self.poll(0.5)
        return p.stdout.read()

    def by(self, host, kind):
        return [m for m in self.messages(kind) if m.host is host]


def b64(raw):
    return base64.b64encode(raw).decode()


def gaps(messages):
    return [b.t - a.t for a, b in zip(messages, messages[1:])]
