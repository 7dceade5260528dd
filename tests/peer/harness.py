# SPDX-License-Identifier: GPL-2.0-only
"""The driver on one side of a wire, this process on the other.

The driver lives in a network namespace with the addresses 192.0.2.1 and
2001:db8::1 on eth0. The other end of that wire has no address at all: this
process sends raw frames from whatever source it likes and sees every frame
that comes out. So no kernel answers for it, and nothing escapes it.

Points are functions:

    @point("a replayed initiation is refused")
    def _():
        ...check(...)...

    run("what this file is about")

KTAP, exit status and environment are those of tests/netns/lib.sh.
"""

import base64
import collections
import ctypes
import json
import os
import select
import shutil
import socket
import struct
import subprocess
import sys
import time
import traceback

import wgpeer as w

SLOW = float(os.environ.get("ADIT_SLOW", "1"))
V4, V6 = "192.0.2.1", "2001:db8::1"     # the driver's outer addresses
OUR4, OUR6 = "192.0.2.2", "2001:db8::2"
PORT = 51820
INNER = "10.9.0.1"      # the driver's inner addresses
INNER6 = "fd09::1"
MAC_D, MAC_P = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
CLONE_NEWNET = 0x40000000
SKIP = 4

os.environ["LC_ALL"] = "C"
os.environ["PATH"] += ":/usr/sbin:/sbin"
libc = ctypes.CDLL(None, use_errno=True)


# ---------------------------------------------------------------- KTAP

class Failed(Exception):
    pass


class Skipped(Exception):
    pass


points = []
DRIVER = None


def point(title):
    def add(function):
        points.append((title, function))
        return function
    return add


def say(text):
    for line in str(text).splitlines() or [""]:
        print("# " + line, flush=True)


def check(what, good, got=""):
    if not good:
        raise Failed("%s%s" % (what, " (got: %s)" % (got,) if got != ""
                               else ""))


def equal(what, wanted, got):
    if wanted != got:
        raise Failed("%s: expected %s, got %s" % (what, wanted, got))


def skip(reason):
    raise Skipped(reason)


def skip_all(reason):
    print("KTAP version 1\n1..0 # SKIP " + reason)
    sys.exit(SKIP)


def _driver():
    def read(name):
        try:
            with open("/sys/module/wireguard/" + name, encoding="ascii") as f:
                return f.read().strip()
        except OSError:
            return ""
    version = read("version")
    return ("in-kernel" if version in ("", "1.0.0") else "adit"), version


def run(title, tools=()):
    """Runs all points and ends the process."""
    global DRIVER

    if os.geteuid():
        skip_all("needs root")
    for tool in ("ip", "wg", "ethtool") + tuple(tools):
        if not shutil.which(tool):
            skip_all("needs the command " + tool)
    if not os.path.isdir("/sys/module/wireguard") and \
            subprocess.run(["modprobe", "-q", "wireguard"]).returncode:
        skip_all("no wireguard module is loaded and none can be")
    DRIVER, version = _driver()
    print("KTAP version 1\n1..%d" % len(points))
    say("%s: %s" % (os.path.basename(sys.argv[0]), title))
    say("driver: %s %s, kernel %s" % (DRIVER, version, os.uname().release))
    wanted = os.environ.get("ADIT_DRIVER") or DRIVER
    failed = 0
    only = os.environ.get("ADIT_POINT")     # some points, by hand
    for n, (name, function) in enumerate(points, 1):
        begin = time.monotonic()
        try:
            if wanted != DRIVER:
                raise Failed("the driver %s is loaded" % DRIVER)
            if only and str(n) not in only.split(","):
                skip("not asked for")
            function()
            result, note = "ok", ""
        except Skipped as e:
            result, note = "ok", " # SKIP %s" % e
        except Exception as e:
            failed += 1
            result, note = "not ok", ""
            say("FAILED: %s" % name)
            say("  %s: %s" % (type(e).__name__, e))
            for line in traceback.format_exc().splitlines()[:-1]:
                say("  " + line)
            for h in hosts:
                h.dump()
        if os.environ.get("ADIT_TIMES"):
            say("%.1f s" % (time.monotonic() - begin))
        print("%s %d %s%s" % (result, n, name, note), flush=True)
    for h in hosts:
        h.delete()
    sys.exit(1 if failed else 0)


def until(seconds, what, test):
    """Polls until test() is true, and returns what it returned."""
    end = time.monotonic() + seconds * SLOW
    while True:
        got = test()
        if got:
            return got
        if time.monotonic() > end:
            raise Failed("not within %g s: %s" % (seconds * SLOW, what))
        time.sleep(0.02)


# ---------------------------------------------------------------- packets

def checksum(data):
    if len(data) & 1:
        data += b"\0"
    s = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff


def address(text):
    return socket.inet_pton(
        socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def text_of(packed):
    return socket.inet_ntop(
        socket.AF_INET6 if len(packed) == 16 else socket.AF_INET, packed)


def udp(src, sport, dst, dport, payload, length=None, csum=None):
    s, d = address(src), address(dst)
    length = 8 + len(payload) if length is None else length
    head = struct.pack("!HHH", sport, dport, length & 0xffff)
    if csum is None:
        pseudo = s + d + struct.pack("!IHH", 8 + len(payload), 0, 17)
        csum = checksum(pseudo + head + b"\0\0" + payload) or 0xffff
    return head + struct.pack("!H", csum) + payload


_ident = [0]


def ip(src, dst, proto, payload, tos=0, ident=None, frag=0, total=None,
       version=None, ihl=5, ttl=64, options=b""):
    """An IPv4 or IPv6 packet, by its addresses; wrong fields on demand."""
    s, d = address(src), address(dst)
    if len(s) == 16:
        total = len(payload) if total is None else total
        return struct.pack("!IHBB", (6 if version is None else version) << 28
                           | tos << 20, total & 0xffff, proto, ttl) + s + d \
            + payload
    if ident is None:
        _ident[0] = ident = (_ident[0] + 1) & 0xffff
    total = 20 + len(options) + len(payload) if total is None else total
    first = ((4 if version is None else version) << 4) + ihl \
        + len(options) // 4
    head = struct.pack("!BBHHHBBH", first, tos, total & 0xffff, ident, frag,
                       ttl, proto, 0) + s + d + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def echo(src, dst, ident=1, seq=1, data=b"adit", reply=False):
    """An ICMP echo request (or reply) as a whole IP packet."""
    v6 = ":" in src
    kind = (129 if reply else 128) if v6 else (0 if reply else 8)
    body = struct.pack("!BBHHH", kind, 0, 0, ident, seq) + data
    pseudo = address(src) + address(dst) + struct.pack(
        "!II", len(body), 58) if v6 else b""
    body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
    return ip(src, dst, 58 if v6 else 1, body)


Packet = collections.namedtuple(
    "Packet", "time src sport dst dport tos payload")


# ---------------------------------------------------------------- the host

hosts = []


class Host:
    """The driver's side: a namespace, wg0 in it; and our end of the wire."""

    def __init__(self, port=PORT, up=True):
        hosts.append(self)
        self.name = "adit%d-%d" % (os.getpid(), len(hosts))
        self.box = []           # packets that nobody has taken yet
        self.other = []         # what was not UDP
        self.peers = 0
        self.sent = 0           # datagrams
        self.key = w.Static()
        self.home = os.open("/proc/self/ns/net", os.O_RDONLY)
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.ns = os.open("/run/netns/" + self.name, os.O_RDONLY)
        if libc.unshare(CLONE_NEWNET):
            raise OSError("unshare")
        self.out = os.open("/proc/self/ns/net", os.O_RDONLY)
        self._sh(["ip", "link", "add", "eth0", "address", MAC_P.hex(":"),
                  "type", "veth", "peer", "name", "eth0", "address",
                  MAC_D.hex(":"), "netns", self.name])
        for name in ("all", "default", "eth0"):
            self._sysctl("net/ipv6/conf/%s/disable_ipv6" % name, "1")
        self._sh(["ip", "link", "set", "eth0", "up"])
        # From here the wire is ours alone.
        self.ephemerals = set()     # of responses
        self.raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                 socket.htons(3))
        self.raw.bind(("eth0", 3))
        self.raw.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # RCVBUFFORCE
        self.raw.setsockopt(263, 23, 1)     # SOL_PACKET, PACKET_IGNORE_OUTGOING
        self.raw.setblocking(False)
        with self:
            for name in ("all", "default", "eth0"):
                self._sysctl("net/ipv6/conf/%s/accept_dad" % name, "0")
                self._sysctl("net/ipv6/conf/%s/router_solicitations" % name,
                             "0")
            batch = """
                link set lo up
                link set eth0 up
                addr add 192.0.2.1/24 dev eth0
                addr add 2001:db8::1/64 dev eth0
                neigh add 192.0.2.2 lladdr {0} nud permanent dev eth0
                neigh add 2001:db8::2 lladdr {0} nud permanent dev eth0
                route add default via 192.0.2.2
                route add default via 2001:db8::2
                link add wg0 type wireguard
                addr add {1}/16 dev wg0
                addr add {2}/64 dev wg0
            """.format(MAC_P.hex(":"), INNER, INNER6)
            self._sh(["ip", "-batch", "-"], batch)
            # else a datagram of many messages would come to us whole
            self._sh(["ethtool", "-K", "eth0", "tx-udp-segmentation", "off"])
            self.wg_key(self.key)
            self.wg("listen-port", port)
            if up:
                self.ip("link set wg0 up")

    # Inside `with host:` this process is in the driver's namespace.

    def __enter__(self):
        if libc.setns(self.ns, CLONE_NEWNET):
            raise OSError("setns")

    def __exit__(self, *_):
        if libc.setns(self.out, CLONE_NEWNET):
            raise OSError("setns")

    @staticmethod
    def _sysctl(name, value):
        try:
            with open("/proc/sys/" + name, "w", encoding="ascii") as f:
                f.write(value)
        except OSError:
            pass

    @staticmethod
    def _sh(command, text=None, fail=False):
        p = subprocess.run(command, input=text, capture_output=True,
                           text=True)
        if p.returncode and not fail:
            raise Failed("%s: %s" % (" ".join(command), p.stderr.strip()))
        return p.stdout

    def sh(self, command, text=None):
        """A command in the driver's namespace; its output."""
        with self:
            return self._sh(command, text)

    def ip(self, arguments):
        return self.sh(["ip"] + arguments.split())

    def wg(self, *arguments, text=None):
        return self.sh(["wg", "set", "wg0"] + [str(a) for a in arguments],
                       text)

    def wg_key(self, static):
        """Sets the private key (None: takes it away)."""
        self.wg("private-key", "/dev/stdin",
                text=b64(static.priv if static else bytes(32)))
        if static:
            self.key = static

    def psk(self, pub, psk):
        self.wg("peer", b64(pub), "preshared-key", "/dev/stdin",
                text=b64(psk))

    def show(self, field, pub):
        """The columns of `wg show wg0 FIELD` for one peer."""
        for line in self.sh(["wg", "show", "wg0", field]).splitlines():
            words = line.split()
            if words[0] == b64(pub):
                return words[1:]
        return None

    def stats(self):
        """Counters of wg0: {"rx": {...}, "tx": {...}} as ip -s -s says."""
        out = self.sh(["ip", "-s", "-s", "-j", "link", "show", "wg0"])
        return json.loads(out)[0]["stats64"]

    def socket(self, *what):
        """A socket that lives in the driver's namespace."""
        with self:
            return socket.socket(*what)

    def dump(self):
        try:
            for name in ("wg0", "eth0"):
                say(self.sh(["ip", "-s", "-s", "link", "show", name]))
            # what this end lost: veths' backlogs, then our socket
            with open("/proc/net/softnet_stat", encoding="ascii") as f:
                say("  backlogs dropped: %s" % [
                    int(line.split()[1], 16) for line in f])
            say("  our socket took, dropped: %s" % (struct.unpack(
                "II", self.raw.getsockopt(263, 6, 8)),))  # PACKET_STATISTICS
        except (Failed, OSError):
            pass
        for p in self.box[-8:]:
            say("  not taken: %s:%d to %s:%d, %d bytes %s..." % (
                p.src, p.sport, p.dst, p.dport, len(p.payload),
                p.payload[:16].hex()))

    def delete(self):
        subprocess.run(["ip", "netns", "del", self.name])

    # The wire.

    def frame(self, packet, kind=None):
        """Sends an IP packet to the driver's host."""
        if kind is None:
            kind = 0x86dd if packet[:1] and packet[0] >> 4 == 6 else 0x0800
        data = MAC_D + MAC_P + struct.pack("!H", kind) + packet
        while True:
            try:
                return self.raw.send(data)
            except (BlockingIOError, InterruptedError):
                select.select([], [self.raw], [], 0.1)
            except OSError as e:
                if e.errno != 105:      # ENOBUFS
                    raise
                time.sleep(0.001)

    def send(self, payload, src=OUR4, sport=PORT, dst=None, dport=PORT,
             tos=0):
        """Sends a datagram, in fragments where it does not fit."""
        self.sent += 1
        dst = dst or (V6 if ":" in src else V4)
        body = udp(src, sport, dst, dport, payload)
        if len(body) <= 1440:
            self.frame(ip(src, dst, 17, body, tos))
            return
        for f in fragments(src, dst, body):
            self.frame(f)

    def _parse(self, data, now):
        kind, p = struct.unpack("!H", data[12:14])[0], data[14:]
        if kind == 0x0800:
            size = (p[0] & 15) * 4
            src, dst, proto, tos = p[12:16], p[16:20], p[9], p[1]
            body = p[size:struct.unpack("!H", p[2:4])[0]]
        elif kind == 0x86dd:
            src, dst, proto = p[8:24], p[24:40], p[6]
            tos = struct.unpack("!H", p[:2])[0] >> 4 & 0xff
            body = p[40:40 + struct.unpack("!H", p[4:6])[0]]
        else:
            return None         # ARP and the like
        if proto == 17:
            sport, dport, n = struct.unpack("!HHH", body[:6])
            return Packet(now, text_of(src), sport, text_of(dst), dport, tos,
                          body[8:n])
        if len(src) == 16 and (proto == 0 or proto == 58 and
                               130 <= body[0] <= 137 or
                               proto == 58 and body[0] == 143):
            return None         # neighbours, multicast listeners
        return (proto, body)

    def deaf(self, on):
        """Whether what comes is thrown away in the kernel, at no cost."""
        nothing = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))
        program = struct.pack("HL", 1, ctypes.addressof(nothing))
        if on:              # SO_ATTACH_FILTER, SO_DETACH_FILTER
            self.raw.setsockopt(socket.SOL_SOCKET, 26, program)
        else:
            self.raw.setsockopt(socket.SOL_SOCKET, 27, 0)

    def poll(self, seconds=0.0):
        """Takes in what has come, waiting that long for the first."""
        if not select.select([self.raw], [], [], seconds)[0]:
            return False
        try:
            while True:
                data = self.raw.recv(65536)
                p = self._parse(data, time.monotonic())
                if isinstance(p, Packet):
                    self.box.append(p)
                elif p:
                    self.other.append(p)
        except BlockingIOError:
            return True

    def take(self, match, seconds=10.0, slow=SLOW):
        """The first packet for which match() is true, or None in time."""
        end = time.monotonic() + seconds * slow
        while True:
            for i, p in enumerate(self.box):
                if match(p):
                    return self.box.pop(i)
            left = end - time.monotonic()
            if left < 0:
                return None
            self.poll(left)

    def quiet(self, what, seconds=0.3, match=lambda p: True):
        """Nothing (that matches) comes for so long, or has come. Not longer
        where all is slow: timers are not."""
        p = self.take(match, seconds, slow=1)
        check("silence: " + what, p is None, p)

    def settled(self, peer):
        """All that was sent before has been dealt with: an initiation that
        is answered proves it for handshakes, an echo for data."""
        peer.handshake()
        peer.ping()


def fragments(src, dst, body, size=1440, first=0, ident=None):
    """IP fragments of a UDP (or other) body."""
    v6 = ":" in src
    ident = ident or w.random_index()
    for at in range(first, len(body), size):
        part = body[at:at + size]
        more = at + size < len(body)
        if v6:
            yield ip(src, dst, 44, struct.pack(
                "!BBHI", 17, 0, at | more, ident) + part)
        else:
            yield ip(src, dst, 17, part, ident=ident & 0xffff,
                     frag=at // 8 | more << 13)


def b64(data):
    return base64.b64encode(data).decode()


# ---------------------------------------------------------------- a peer

_stamp = [int(time.time()) - 10 ** 6]


def later():
    """A time stamp greater than all that were made before."""
    _stamp[0] += 1
    return w.tai64n(_stamp[0])


class Peer:
    """One of our peers: a key, an outer source, inner addresses, a PSK."""

    def __init__(self, host, psk=w.NO_PSK, endpoint=True, key=None, v6=False,
                 add=True):
        host.peers += 1
        n = host.peers
        self.host, self.psk = host, psk
        self.key = key or w.Static()
        self.inner = "10.9.%d.%d" % (1 + n // 250, 1 + n % 250)
        self.inner6 = "fd09::1:%x" % n
        self.src, self.port = (OUR6 if v6 else OUR4), 20000 + n
        self.session = None     # the newest
        self.seq = 0
        if add:
            self.add(endpoint)

    def add(self, endpoint=True):
        args = ["peer", b64(self.key.pub), "allowed-ips",
                "%s/32,%s/128" % (self.inner, self.inner6)]
        if endpoint:
            args += ["endpoint", "%s:%d" % (
                "[%s]" % self.src if ":" in self.src else self.src,
                self.port)]
        self.host.wg(*args)
        if self.psk != w.NO_PSK:
            self.host.psk(self.key.pub, self.psk)

    def send(self, message, sport=None, src=None):
        self.host.send(message, src or self.src, sport or self.port)

    def mine(self, p, kind=None):
        return p.dst == self.src and p.dport == self.port and \
            (kind is None or p.payload[0] == kind)

    def get(self, kind, seconds=10.0, what=""):
        """Bytes of the next message of that type for us."""
        p = self.maybe(kind, seconds)
        check("a message of type %d came%s" % (kind, what and ": " + what),
              p is not None)
        w.kind_of(p)
        return p

    def maybe(self, kind=None, seconds=0.3):
        p = self.host.take(lambda p: self.mine(p, kind), seconds)
        return p and p.payload

    def quiet(self, what, seconds=0.3, kind=None):
        self.host.quiet(what, seconds, lambda p: self.mine(p, kind))

    # As initiator.

    def initiate(self, stamp=None, **how):
        """A Handshake; nothing is sent."""
        return w.initiate(self.key, self.host.key, stamp or later(), **how)

    def response(self, hs, seconds=10.0, psk=None):
        """Takes the response to that handshake; its Session, current now."""
        while True:
            message = self.get(w.RESPONSE, seconds)
            if w.receiver_of(message) == hs.index:
                break
        check("mac2 of a response is zero", w.mac2_of(message) == bytes(16))
        check("a response has an ephemeral of its own",
              message[12:44] not in self.host.ephemerals)
        self.host.ephemerals.add(message[12:44])
        self.session = hs.finish(message, self.psk if psk is None else psk)
        return self.session

    def handshake(self, confirm=True, **how):
        """A whole one begun by us."""
        hs = self.initiate(**how)
        end = time.monotonic() + 10 * SLOW
        while True:
            self.send(hs.message)
            try:
                session = self.response(hs, 1)
                break
            except Failed:      # within 1/50 s of the last
                if time.monotonic() > end:
                    raise
                hs = self.initiate(**how)
        if confirm:
            self.send(session.seal())
        return session

    # As responder.

    def trigger(self, data=b"trigger"):
        """The driver's host sends a packet to us through the tunnel."""
        with self.host:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.setblocking(False)
                s.sendto(data, (self.inner, 9))

    def initiation(self, seconds=10.0):
        """Takes an initiation of the driver, opened."""
        message = self.get(w.INITIATION, seconds)
        opened = w.open_initiation(self.key, message)
        equal("static key of an initiation", self.host.key.pub.hex(),
              opened.static.pub.hex())
        return opened

    def newest(self, opened):
        """That initiation, or the last that came since: on a slow machine a retry
        may have ended the handshake of it."""
        self.host.poll()
        while True:
            message = self.maybe(w.INITIATION, 0)
            if not message:
                return opened
            opened = w.open_initiation(self.key, message)

    def answer(self, opened, **how):
        """Responds; the Session is current now."""
        how.setdefault("psk", self.psk)
        message, session = opened.respond(**how)
        self.send(message)
        self.session = session
        return session

    # Data.

    def data(self, session=None, seconds=10.0, empty=None):
        """The plain text of the next message on that session.
        empty: True for keepalives only, False for anything but them."""
        session = session or self.session
        end = time.monotonic() + seconds * SLOW
        while True:
            p = self.host.take(lambda p: self.mine(p, w.DATA) and
                               session.mine(p.payload),
                               (end - time.monotonic()) / SLOW)
            check("transport data came", p is not None)
            _, plain = session.open(p.payload)
            if empty is None or empty == (not plain):
                return plain

    def ping(self, session=None, answer_on=None, v6=False, packet=None,
             sport=None, counter=None, seconds=10.0, pad=16):
        """An echo request through the tunnel is answered."""
        session = session or self.session
        self.seq += 1
        src, dst = (self.inner6, INNER6) if v6 else (self.inner, INNER)
        request = packet or echo(src, dst, self.port, self.seq)
        self.send(session.seal(request, counter, pad), sport=sport)
        wanted = echo(dst, src, self.port, self.seq, reply=True)
        end = time.monotonic() + seconds * SLOW
        skip_to = 40 if v6 else 20
        while True:
            plain = self.data(answer_on or session,
                              (end - time.monotonic()) / SLOW, empty=False)
            if plain[skip_to:len(wanted)] == wanted[skip_to:]:
                return plain

    def no_ping(self, session, what, **how):
        """It is not answered: a second one, on a session that works, is."""
        self.seq += 1
        self.send(session.seal(echo(self.inner, INNER, self.port, self.seq)),
                  **how)
        self.quiet(what)

    def endpoint(self):
        return self.host.show("endpoints", self.key.pub)[0]

    def transfer(self):
        return [int(x) for x in self.host.show("transfer", self.key.pub)]
