#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Every allocation of a request fails once, and nothing is left half made.

The kernel's fault injection (CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC) lets
the N-th allocation of this task fail: /proc/thread-self/fail-nth. Each
operation is tried with N = 1, 2, 3, ... until no fault came any more, so that
each allocation on its way has failed once. After each try the answer must be
success or a lack of memory, what is there must be a part of what was asked
for, and the same request without a fault must then succeed and give the whole.
Handshakes are made by workers of the kernel, /proc/PID/fail-nth of which is set
in the same way; so is that of this task while it loads the module. What works in
interrupts (decryption) gets faults at random, until some hit it. The kernel prints the stack of
each fault; a fault counts as one in the module if a function of it is there, so
that a point cannot pass because faults only hit others.
Leaks are looked for by kmemleak, on a kernel that has it.
"""
import collections
import ctypes
import errno
import glob
import os
import re
import select
import socket
import struct
import subprocess
import sys
import threading
import time

NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 1, 4, 0x300
NLM_F_CREATE, NLM_F_EXCL = 0x400, 0x200
NLMSG_ERROR, NLMSG_DONE = 2, 3
RTM_NEWLINK, RTM_DELLINK = 16, 17
IFLA_IFNAME, IFLA_LINKINFO, IFLA_INFO_KIND = 3, 18, 1
NETLINK_GENERIC = 16
NESTED = 0x8000
IFF_UP = 1
# a socket that cannot be made answers ENFILE
LACK = (errno.ENOMEM, errno.ENOBUFS, errno.ENFILE)

# linux/wireguard.h
GET_DEVICE, SET_DEVICE = 0, 1
DEV_IFNAME, DEV_PRIVATE_KEY, DEV_PUBLIC_KEY, DEV_FLAGS, DEV_PORT, DEV_FWMARK, \
    DEV_PEERS = 2, 3, 4, 5, 6, 7, 8
PEER_PUBLIC_KEY, PEER_PSK, PEER_FLAGS, PEER_ENDPOINT, PEER_INTERVAL = 1, 2, 3, 4, 5
PEER_LAST_HANDSHAKE, PEER_TX_BYTES, PEER_ALLOWEDIPS = 6, 8, 9
IP_FAMILY, IP_ADDR, IP_MASK = 1, 2, 3
REPLACE_PEERS, PEER_REMOVE, REPLACE_IPS = 1, 1, 2

DEBUGFS = "/sys/kernel/debug"
SLOW = float(os.environ.get("ADIT_SLOW", "1"))
libc = ctypes.CDLL(None, use_errno=True)


def attr(kind, data):
    if isinstance(data, int):
        data = struct.pack("=I", data)
    elif isinstance(data, str):
        data = data.encode() + b"\0"
    size = 4 + len(data)
    return struct.pack("=HH", size, kind) + data + b"\0" * (-size % 4)


def nest(kind, *parts):
    return attr(kind | NESTED, b"".join(parts))


def attrs(data):
    """A list, as kinds repeat in arrays."""
    out = []
    while len(data) >= 4:
        size, kind = struct.unpack_from("=HH", data)
        out.append((kind & 0x3fff, data[4:size]))
        data = data[(size + 3) & ~3:]
    return out


class Netlink:
    def __init__(self, protocol):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        self.sock.bind((0, 0))
        self.sock.settimeout(60 * SLOW)
        self.seq = 0

    def message(self, kind, flags, payload):
        self.seq += 1
        return struct.pack("=IHHII", 16 + len(payload), kind,
                           flags | NLM_F_REQUEST, self.seq, 0) + payload

    def answers(self):
        """Payloads of all answers; an errno ends them (raised as OSError)."""
        out = []
        while True:
            data = self.sock.recv(1 << 17)
            while data:
                size, kind, flags, seq, _ = struct.unpack_from("=IHHII", data)
                body, data = data[16:size], data[(size + 3) & ~3:]
                if seq != self.seq:
                    continue
                if kind in (NLMSG_ERROR, NLMSG_DONE):
                    err = struct.unpack_from("=i", body)[0] if len(body) >= 4 else 0
                    if err:
                        raise OSError(-err, os.strerror(-err))
                    return out
                out.append(body)

    def drain(self):
        self.sock.setblocking(False)
        try:
            while True:
                try:
                    self.sock.recv(1 << 17)
                except BlockingIOError:
                    break
                except OSError:
                    continue
        finally:
            self.sock.settimeout(60 * SLOW)


rt = Netlink(socket.NETLINK_ROUTE)
ge = Netlink(NETLINK_GENERIC)
nth = os.open("/proc/thread-self/fail-nth", os.O_RDWR) \
    if os.path.exists("/proc/thread-self/fail-nth") else -1


def arm(n):
    os.pwrite(nth, b"%d" % n, 0)


def disarm():
    """True if the armed fault came."""
    left = int(os.pread(nth, 16, 0).split(b"\0")[0] or 0)
    os.pwrite(nth, b"0", 0)
    return left == 0


class Kmsg:
    """What the kernel prints from now on."""

    def __init__(self):
        self.fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self.fd, 0, os.SEEK_END)

    def lines(self):
        while True:
            try:
                yield os.read(self.fd, 8192).decode(errors="replace")
            except BlockingIOError:
                return
            except BrokenPipeError:     # some were overwritten
                continue

    def stacks(self):
        """One list a fault: the functions of the module it came through, the
        innermost first."""
        out = []
        for line in self.lines():
            if "FAULT_INJECTION: forcing a failure" in line:
                out.append([])
            m = re.search(r";.*?(\? )?([\w.]+)\+0x[0-9a-f]+/0x[0-9a-f]+ \[wireguard\]", line)
            if m and not m[1] and out:
                out[-1].append(m[2].split(".")[0])
        return out


kmsg = Kmsg()


def request(nl, kind, flags, payload, fault=0):
    """Errno of the request (0: success, None: the answer itself was lost), its
    answers, and whether the fault came."""
    msg = nl.message(kind, flags, payload)
    err, out, came = 0, [], False
    if fault:
        arm(fault)
    try:
        nl.sock.send(msg)
        # a dump goes on while it is read
        if not flags & NLM_F_DUMP == NLM_F_DUMP and fault:
            came = disarm()
            fault = 0
        out = nl.answers()
    except OSError as e:
        err = e.errno
    if fault:
        came = disarm()
    if err == errno.ENOBUFS:
        # either the request never reached the kernel or its answer was lost
        err = None
        nl.drain()
    return err, out, came


def resolve(name):
    err, out, _ = request(ge, 16, NLM_F_ACK, struct.pack("=BBH", 3, 1, 0) + attr(2, name))
    assert not err, os.strerror(err)
    return struct.unpack("=H", dict(attrs(out[0][4:]))[1])[0]


def link_add(name, fault=0, kind="wireguard"):
    return request(rt, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
                   struct.pack("=BBHiII", 0, 0, 0, 0, 0, 0) + attr(IFLA_IFNAME, name) +
                   nest(IFLA_LINKINFO, attr(IFLA_INFO_KIND, kind)), fault)


def link_del(name, fault=0):
    return request(rt, RTM_DELLINK, NLM_F_ACK,
                   struct.pack("=BBHiII", 0, 0, 0, 0, 0, 0) + attr(IFLA_IFNAME, name), fault)


def link_set(name, up, fault=0, nl=None):
    return request(nl or rt, RTM_NEWLINK, NLM_F_ACK,
                   struct.pack("=BBHiII", 0, 0, 0, 0, IFF_UP if up else 0, IFF_UP) +
                   attr(IFLA_IFNAME, name), fault)


def wg_set(name, *parts, fault=0):
    return request(ge, family, NLM_F_ACK, struct.pack("=BBH", SET_DEVICE, 1, 0) +
                   attr(DEV_IFNAME, name) + b"".join(parts), fault)


def wg_get(name, fault=0, nl=None):
    return request(nl or ge, family, NLM_F_DUMP | NLM_F_ACK,
                   struct.pack("=BBH", GET_DEVICE, 1, 0) + attr(DEV_IFNAME, name), fault)


def peers_of(name):
    """{public key: list of allowed IPs}, from a dump without faults."""
    err, out, _ = wg_get(name)
    assert err == 0, f"dump: {err}"
    got = {}
    for body in out:
        for kind, data in attrs(body[4:]):
            if kind != DEV_PEERS:
                continue
            for _, peer in attrs(data):
                a = dict(attrs(peer))
                ips = got.setdefault(a[PEER_PUBLIC_KEY], [])
                for _, ip in attrs(a.get(PEER_ALLOWEDIPS, b"")):
                    b = dict(attrs(ip))
                    ips.append((b[IP_ADDR], b[IP_MASK][0]))
    return got


def endpoints_of(name):
    """{public key: socket address or None}"""
    return {a[PEER_PUBLIC_KEY]: a.get(PEER_ENDPOINT)
            for body in wg_get(name)[1]
            for kind, data in attrs(body[4:]) if kind == DEV_PEERS
            for a in (dict(attrs(peer)) for _, peer in attrs(data))}


def key(n):
    return bytes([n, 7] * 16)


def ip_attrs(prefixes):
    out = []
    for text in prefixes:
        addr, mask = text.split("/")
        fam = socket.AF_INET6 if ":" in addr else socket.AF_INET
        out.append(nest(0, attr(IP_FAMILY, struct.pack("=H", fam)),
                        attr(IP_ADDR, socket.inet_pton(fam, addr)),
                        attr(IP_MASK, bytes([int(mask)]))))
    return b"".join(out)


def ip_values(prefixes):
    return [(socket.inet_pton(socket.AF_INET6 if ":" in t else socket.AF_INET, t.split("/")[0]),
             int(t.split("/")[1])) for t in prefixes]


def peer_attrs(n, prefixes, endpoint=None, flags=0):
    parts = [attr(PEER_PUBLIC_KEY, key(n)), attr(PEER_PSK, key(n + 100))]
    if flags:
        parts.append(attr(PEER_FLAGS, flags))
    if endpoint:
        host, port = endpoint
        if ":" in host:
            sa = struct.pack("=H", socket.AF_INET6) + struct.pack(">HI", port, 0) + \
                socket.inet_pton(socket.AF_INET6, host) + struct.pack("=I", 0)
        else:
            sa = struct.pack("=H", socket.AF_INET) + struct.pack(">H", port) + \
                socket.inet_pton(socket.AF_INET, host) + bytes(8)
        parts.append(attr(PEER_ENDPOINT, sa))
    parts.append(nest(PEER_ALLOWEDIPS, ip_attrs(prefixes)))
    return nest(0, *parts)


# --- KTAP --------------------------------------------------------------------

points, failed = 0, 0


def point(title, problems, note=""):
    global points, failed
    points += 1
    for p in problems[:10]:
        print("\n".join(f"# {line}" for line in p.splitlines()))
    if problems:
        failed += 1
    if note:
        print(f"# {note}")
    print(f"{'not ok' if problems else 'ok'} {points} {title}", flush=True)


def sh(*command, check=True):
    return subprocess.run(command, check=check, capture_output=True, text=True).stdout


def every_fault(title, before, operation, after, least, inside, others=()):
    """BEFORE() sets up, OPERATION(fault) -> (errno, answers, came), AFTER(errno)
    yields problems and cleans up. At least LEAST faults must have come, INSIDE
    of them in the module; OTHERS are errors that are fine as well.
    What is allocated beside (kmemleak's own) is not the same each time, so that
    an allocation can be missed: up to three rounds."""
    problems, n, rounds, refused, ours = [], 0, 1, 0, collections.Counter()
    while True:
        n += 1
        if n > 2000:
            problems.append("no end of faults")
            break
        before()
        kmsg.stacks()
        err, _, came = operation(n)
        ours.update(s[0] for s in kmsg.stacks() if s)
        if err not in (0, None) and err not in LACK and err not in others:
            problems.append(f"fault {n}: {os.strerror(err)}")
        if not came and err != 0:
            problems.append(f"no fault any more, but {err}")
        refused += err != 0
        problems += [f"fault {n}: {p}" for p in after(err)]
        if not came:
            if sum(ours.values()) >= inside or rounds == 3:
                break
            n, rounds = 0, rounds + 1
    if n - 1 < least:
        problems.append(f"only {n - 1} faults came, expected {least} and more")
    if sum(ours.values()) < inside:
        problems.append(f"only {sum(ours.values())} faults came in the module, "
                        f"expected {inside} and more")
    point(title, problems, f"{n - 1} allocations failed in turn, {refused} times with an error; "
          f"in the module: {functions(ours)}")


def functions(counter):
    return ", ".join(f"{k} {v}" for k, v in sorted(counter.items())) or "none"


def least_order(n):
    """Pages that a cache takes for itself, mostly single ones, come at any
    time: were they counted, the N-th allocation would be another each time."""
    with open(f"{DEBUGFS}/fail_page_alloc/min-order", "w") as out:
        out.write(str(n))


def present(name):
    return os.path.exists(f"/sys/class/net/{name}")


def main():
    global family
    if nth < 0 or not os.path.isdir(f"{DEBUGFS}/failslab"):
        print("1..0 # SKIP this kernel has no fault injection")
        sys.exit(4)
    print("1..15")
    for d in ("failslab", "fail_page_alloc"):
        for f, v in (("ignore-gfp-wait", "N"), ("verbose", "2"), ("task-filter", "N"),
                     ("probability", "0"), ("times", "-1")):
            with open(f"{DEBUGFS}/{d}/{f}", "w") as out:
                out.write(v)
    least_order(2)
    family = resolve("wireguard")

    # some allocations on the way are answered with other errors by the kernel
    # itself; a dummy device shows which
    # (device_add() says EINVAL where it has no memory for the name)
    strange, n, came = {errno.EINVAL}, 0, True
    while came:
        n += 1
        err, _, came = link_add("wgd", n, "dummy")
        strange.add(err)
        link_del("wgd")
    print(f"# a dummy device: {n - 1} allocations, errors {strange - {0, None}}")

    # 1: a device
    def after(err):
        if err is None:
            # the answer was lost: either way must be whole
            if present("wgf"):
                link_del("wgf")
            return
        if err and present("wgf"):
            yield "refused, and yet there"
        if err == 0:
            if peers_of("wgf") != {}:
                yield "a new device has peers"
            if link_del("wgf")[0]:
                yield "cannot be deleted"
    every_fault("creating a device", lambda: None, lambda n: link_add("wgf", n), after, 8, 3,
                strange - {0, None})

    # 2: peers with everything
    want = {1: ["10.1.0.0/16", "10.1.2.0/24", "fd00:1::/32", "fd00:1:2::/48"],
            2: ["10.1.2.3/32", "10.128.0.0/9", "fd00:1:2:3::/64", "::/0"],
            3: ["10.1.2.2/31", "0.0.0.0/0", "fd00:8000::/17", "fd00:1:2:3::1/128"]}
    ends = {1: ("192.0.2.1", 51820), 2: ("2001:db8::1", 51820), 3: None}
    config = [attr(DEV_PRIVATE_KEY, key(9)), attr(DEV_PORT, struct.pack("=H", 7777)),
              nest(DEV_PEERS, *(peer_attrs(n, want[n], ends[n]) for n in want))]
    whole = {key(n): ip_values(want[n]) for n in want}
    link_add("wgf")
    wg_set("wgf", *config)
    whole_ends = endpoints_of("wgf")
    link_del("wgf")

    def part(got):
        for k, ips in got.items():
            if k not in whole:
                yield "a peer that nobody asked for"
            elif ips != whole[k][:len(ips)]:
                yield f"allowed IPs that nobody asked for: {ips}"

    def again(err):
        got = peers_of("wgf")
        yield from part(got)
        if err == 0 and got != whole:
            yield "success, but not the whole"
        if err == 0 and endpoints_of("wgf") != whole_ends:
            yield "success, but an endpoint is missing"
        if wg_set("wgf", *config)[0] != 0:
            yield "the same request without a fault is refused"
        if peers_of("wgf") != whole:
            yield "the same request without a fault does not give the whole"
        link_del("wgf")
    every_fault("setting key, port and peers", lambda: link_add("wgf"),
                lambda n: wg_set("wgf", *config, fault=n), again, 20, 8)

    # 3: allowed IPs of peers that are there
    more = {1: ["10.1.2.3/32", "172.16.0.0/12", "fd00:1:2:3::/64", "172.31.255.1/32"],
            2: ["172.16.8.0/21", "10.1.0.0/16"]}
    extra = nest(DEV_PEERS, *(peer_attrs(n, more[n], flags=REPLACE_IPS if n == 2 else 0)
                              for n in more))

    def fresh():
        link_add("wgf")
        wg_set("wgf", *config)

    final = None

    def moved(err):
        nonlocal final
        if wg_set("wgf", extra)[0] != 0:
            yield "the same request without a fault is refused"
        got = {k: sorted(v) for k, v in peers_of("wgf").items()}
        final = final or got
        if got != final:
            yield "the end depends on the fault"
        if (ip_values(["10.1.0.0/16"])[0]) not in got[key(2)]:
            yield "a prefix has not moved"
        link_del("wgf")
    fresh()
    wg_set("wgf", extra)
    final = {k: sorted(v) for k, v in peers_of("wgf").items()}
    link_del("wgf")
    every_fault("adding and moving allowed IPs", fresh,
                lambda n: wg_set("wgf", extra, fault=n), moved, 4, 3)

    # 4: a new private key, peers removed and replaced
    other = [attr(DEV_PRIVATE_KEY, key(11)), attr(DEV_FLAGS, REPLACE_PEERS),
             nest(DEV_PEERS, peer_attrs(2, want[2], ends[2]))]

    def replaced(err):
        if err == 0 and set(peers_of("wgf")) != {key(2)}:
            yield "success, but other peers are there"
        if wg_set("wgf", *other)[0] != 0 or set(peers_of("wgf")) != {key(2)}:
            yield "the same request without a fault does not give the whole"
        link_del("wgf")
    every_fault("a new key and replaced peers", fresh,
                lambda n: wg_set("wgf", *other, fault=n), replaced, 3, 1)

    # 5: up: the sockets
    def sockets():
        text = open("/proc/net/udp").read() + open("/proc/net/udp6").read()
        return len(re.findall(r":1E61 ", text))

    def is_up(err):
        flags = int(open("/sys/class/net/wgf/flags").read(), 16)
        if err and flags & IFF_UP:
            yield "refused, and yet up"
        if not flags & IFF_UP and sockets():
            yield "down, and yet a socket is open"
        if flags & IFF_UP and sockets() != 2:
            yield f"up with {sockets()} sockets"
        if link_set("wgf", True)[0] or sockets() != 2:
            yield "cannot be set up without a fault"
        link_del("wgf")
        if sockets():
            yield "a socket stays"
    every_fault("setting a device up", fresh, lambda n: link_set("wgf", True, n), is_up, 6, 3)

    # 6: another port while up
    def up():
        fresh()
        link_set("wgf", True)

    def port(err):
        text = open("/proc/net/udp").read() + open("/proc/net/udp6").read()
        old, new = text.count(":1E61 "), text.count(":1E62 ")
        if (old, new) not in ((2, 0), (0, 2)):
            yield f"{old} sockets on the old port, {new} on the new one"
        if err == 0 and new != 2:
            yield "success, but not on the new port"
        if err and old != 2:
            yield "refused, but the old port is gone"
        link_del("wgf")
    every_fault("another port while up", up,
                lambda n: wg_set("wgf", attr(DEV_PORT, struct.pack("=H", 7778)), fault=n), port, 4, 4)

    # 7: a dump
    many = nest(DEV_PEERS, *(peer_attrs(n, [f"10.{n}.{i}.0/24" for i in range(60)])
                             for n in range(1, 11)))
    link_add("wgf")
    wg_set("wgf", attr(DEV_PRIVATE_KEY, key(9)), many)

    def dumped(err):
        ge.drain()
        got = peers_of("wgf")
        if len(got) != 10 or any(len(v) != 60 for v in got.values()):
            yield "the dump after it is not whole"
    every_fault("a dump", lambda: None, lambda n: wg_get("wgf", n), dumped, 2, 0)
    link_del("wgf")

    # 8: deletion cannot fail
    def gone(err):
        if present("wgf"):
            if err == 0:
                yield "deleted, and yet there"
            link_del("wgf")
        if sockets():
            yield "a socket stays"
    every_fault("deleting a device that is up", up, lambda n: link_del("wgf", n), gone, 4, 0)

    # two hosts
    for h in ("fa", "fb"):
        sh("ip", "netns", "add", h)
    sh("ip", "link", "add", "va", "netns", "fa", "type", "veth", "peer", "name", "vb", "netns", "fb")
    keys = {h: sh("wg", "genkey").strip() for h in ("fa", "fb")}
    public = {h: subprocess.run(["wg", "pubkey"], input=keys[h], check=True, capture_output=True,
                                text=True).stdout.strip() for h in keys}
    for h, o, n in (("fa", "fb", 1), ("fb", "fa", 2)):
        ns = ["ip", "-n", h]
        dev = "va" if h == "fa" else "vb"
        sh(*ns, "addr", "add", f"192.0.2.{n}/24", "dev", dev)
        sh(*ns, "link", "set", dev, "up")
        sh(*ns, "link", "add", "wg0", "type", "wireguard")
        with open(f"/tmp/key.{h}", "w") as out:
            out.write(keys[h])
        sh("ip", "netns", "exec", h, "wg", "set", "wg0", "listen-port", "1", "private-key",
           f"/tmp/key.{h}", "peer", public[o], "allowed-ips", f"10.9.0.{3 - n}/32",
           "endpoint", f"192.0.2.{3 - n}:1")
        sh(*ns, "addr", "add", f"10.9.0.{n}/24", "dev", "wg0")
        sh(*ns, "link", "set", "wg0", "up")

    def ping(count=1, wait=2):
        return subprocess.run(["ip", "netns", "exec", "fa", "ping", "-q", "-c", str(count), "-i",
                               "0.05", "-W", str(wait), "10.9.0.2"], capture_output=True).returncode == 0

    def recovers():
        end = time.monotonic() + 60 * SLOW
        while time.monotonic() < end:
            if ping():
                return []
        return ["the tunnel does not come back"]

    # 9: sending, with a session and without one, allocation by allocation
    problems = recovers()
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    inner = os.open("/run/netns/fa", os.O_RDONLY)
    there = os.open("/run/netns/fb", os.O_RDONLY)
    links = {}
    for h, ns in (("fb", there), ("fa", inner)):
        libc_setns(ns)
        links[h] = Netlink(socket.NETLINK_ROUTE), Netlink(NETLINK_GENERIC)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    total, ours = 0, collections.Counter()
    kmsg.stacks()
    for state in ("with a session", "without a session"):
        for size in (1, 1300, 5000):
            n, came = 0, True
            while came and n < 500:
                n += 1
                if state == "without a session":
                    # down and up forget the session
                    link_set("wg0", False, nl=links["fa"][0])
                    link_set("wg0", True, nl=links["fa"][0])
                arm(n)
                try:
                    udp.sendto(b"x" * size, ("10.9.0.2", 9))
                except OSError as e:
                    if e.errno not in LACK:
                        problems.append(f"{state}, {size} bytes, fault {n}: {e}")
                came = disarm()
                ours.update(s[0] for s in kmsg.stacks() if s)
            print(f"# {state}, {size} bytes: {n - 1}")
            total += n - 1
    libc_setns(home)
    udp.close()
    if total < 15:
        problems.append(f"only {total} faults came")
    if not ours["wg_batch_keep"]:
        problems.append("no allocation failed in wg_batch_keep()")
    problems += recovers()
    point("sending", problems, f"{total} allocations failed in turn; in the module: "
          f"{functions(ours)}")

    # 10 to 12: handshakes. They are made by workers of the kernel. The wire is
    # slow, so that those of one message can be chosen: the initiation, the
    # response, the first message on the new session.
    for h, dev, n, other, back in (("fa", "va", 1, "fb", "vb"), ("fb", "vb", 2, "fa", "va")):
        mac = sh("ip", "-n", h, "-br", "link", "show", "dev", dev).split()[2]
        sh("ip", "-n", other, "neigh", "replace", f"192.0.2.{n}", "lladdr", mac, "nud",
           "permanent", "dev", back)
        sh("ip", "netns", "exec", h, "tc", "qdisc", "add", "dev", dev, "root", "netem", "delay",
           "1s")
    libc_setns(there)
    target = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    target.bind(("10.9.0.2", 9))
    target.setblocking(False)
    libc_setns(inner)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    libc_setns(home)

    def state(h):
        """Time of the last handshake, bytes sent."""
        for body in wg_get("wg0", nl=links[h][1])[1]:
            for kind, data in attrs(body[4:]):
                if kind == DEV_PEERS:
                    peer = dict(attrs(attrs(data)[0][1]))
                    return peer[PEER_LAST_HANDSHAKE], \
                        struct.unpack("=Q", peer[PEER_TX_BYTES])[0]
        raise ValueError("no peer")

    def reaches():
        """Data comes through within some tries."""
        end, n = time.monotonic() + 60 * SLOW, 0
        while time.monotonic() < end:
            n += 1
            udp.sendto(b"%d" % n, ("10.9.0.2", 9))
            if select.select([target], [], [], 1)[0]:
                while select.select([target], [], [], 0)[0]:
                    target.recv(100)
                return []
        return ["the tunnel does not come back"]

    def anew():
        for up in (False, True):
            for h in ("fb", "fa"):
                link_set("wg0", up, nl=links[h][0])

    def until(test):
        end = time.monotonic() + 10 * SLOW
        while not test() and time.monotonic() < end:
            time.sleep(0.02)
        return test()

    stages = (("an initiation", ("wg_index_create", "wg_socket_send_handshake")),
              ("a response", ("wg_index_create", "wg_session_begin", "wg_socket_send_handshake")),
              ("the end of a handshake", ("wg_session_begin",)))
    for stage, (what, wanted) in enumerate(stages):
        problems, ours, k, misses = [], collections.Counter(), 1, 0
        # a worker that was made after the others were armed gets no fault: the
        # end is where none came three times
        while misses < 3 and k < 40:
            anew()
            before = {h: state(h) for h in ("fa", "fb")}
            kmsg.stacks()
            armed = arm_workers(k) if stage == 0 else []
            udp.sendto(b"0", ("10.9.0.2", 9))
            if stage:
                until(lambda: state("fa")[1] > before["fa"][1])
            if stage == 2:
                until(lambda: state("fb")[1] > before["fb"][1])
            if stage:
                armed = arm_workers(k)
            # one step on, or a fault
            done = (lambda: state("fa")[1] > before["fa"][1],
                    lambda: state("fb")[1] > before["fb"][1],
                    lambda: state("fa")[0] != before["fa"][0])[stage]
            until(lambda: done() or any(worker_left(t) == 0 for t in armed))
            time.sleep(0.5)
            came = any(worker_left(t) == 0 for t in armed)
            for task in armed:
                worker_nth(task, 0)
            ours.update(f for s in kmsg.stacks() for f in set(s))
            problems += [f"fault {k}: {p}" for p in reaches()]
            k, misses = (k + 1, 0) if came else (k, misses + 1)
        for f in wanted:
            if not ours[f]:
                problems.append(f"no allocation failed in {f}()")
        if k == 40:
            problems.append("no end of faults")
        point(f"handshakes: {what}", problems,
              f"{k - 1} allocations failed in turn, on the way: {functions(ours)}")
    udp.close()
    target.close()
    for h, dev in (("fa", "va"), ("fb", "vb")):
        sh("ip", "netns", "exec", h, "tc", "qdisc", "del", "dev", dev, "root")

    # 13, 14: anything anywhere, at random
    def randomly(on):
        for d in ("failslab", "fail_page_alloc"):
            with open(f"{DEBUGFS}/{d}/probability", "w") as out:
                out.write("20" if on else "0")

    def injected():
        """faults are traced by the count of what is left of `times`"""
        return 100000 - int(open(f"{DEBUGFS}/failslab/times").read())

    least_order(0)
    # only allocations that may not wait: those of interrupts and of packets on
    # their way, not those of processes
    for d in ("failslab", "fail_page_alloc"):
        with open(f"{DEBUGFS}/{d}/ignore-gfp-wait", "w") as out:
            out.write("Y")

    # TCP in large packets, which are cut; and what each wire carries towards the
    # other is cloned for a socket that nobody reads
    taps, streams = [], []
    for ns, dev in ((inner, "va"), (there, "vb")):
        libc_setns(ns)
        taps.append(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)))
        taps[-1].bind((dev, 3))
    listener = socket.create_server(("10.9.0.2", 10))
    libc_setns(home)

    def stream():
        """A task that sends without end, and one that reads"""
        code = ("import socket\n"
                "while True:\n"
                "    try:\n"
                "        s = socket.create_connection(('10.9.0.2', 10), 5)\n"
                "        while True: s.sendall(bytes(1 << 20))\n"
                "    except OSError: pass\n")
        return subprocess.Popen(["ip", "netns", "exec", "fa", "python3", "-c", code])

    def reader():
        while True:
            try:
                s = listener.accept()[0]
                s.settimeout(5)
                while s.recv(1 << 20):
                    pass
            except socket.timeout:
                pass
            except OSError:
                return

    threading.Thread(target=reader, daemon=True).start()

    def storm(title, action, rounds, wanted):
        problems, ours = recovers(), collections.Counter()
        streams.append(stream())
        kmsg.stacks()
        with open(f"{DEBUGFS}/failslab/times", "w") as out:
            out.write("100000")
        sender = subprocess.Popen(
            ["ip", "netns", "exec", "fa", "ping", "-q", "-f", "-s", "1000", "10.9.0.2"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        back = subprocess.Popen(
            ["ip", "netns", "exec", "fb", "ping", "-q", "-f", "-s", "100", "10.9.0.1"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(1)
        done, end = 0, time.monotonic() + 30 * SLOW
        while done < rounds or time.monotonic() < end and \
                (injected() < 50 or not all(ours[f] for f in wanted)):
            randomly(True)
            action()
            # on a slow machine it takes longer until something is done at all
            time.sleep(0.5 * (1 + done / 10))
            randomly(False)
            done += 1
            ours.update(f for s in kmsg.stacks() for f in set(s))
        count = injected()
        for p in (sender, back, streams.pop()):
            p.kill()
            p.wait()
        with open(f"{DEBUGFS}/failslab/times", "w") as out:
            out.write("-1")
        if count < 50:
            problems.append(f"only {count} faults came")
        for f in wanted:
            if not ours[f]:
                problems.append(f"no allocation failed in {f}()")
        problems += recovers()
        point(title, problems, f"{count} slab allocations failed, in {done} rounds; on the way: "
              f"{functions(ours)}")

    storm("traffic both ways while allocations fail at random", lambda: None, 10,
          ("wg_rx_decrypt", "wg_segment_seal"))

    def restart():
        """Whose handshake begins while allocations fail"""
        for up in (False, True):
            for _ in range(100):
                if link_set("wg0", up, nl=links["fb"][0])[0] == 0:
                    break
    storm("handshakes while allocations fail at random", restart, 10,
          ("wg_rx_decrypt", "wg_handshake_work"))
    for s in taps + [listener]:
        s.close()

    for h in ("fa", "fb"):
        sh("ip", "netns", "del", h)
    for d in ("failslab", "fail_page_alloc"):
        with open(f"{DEBUGFS}/{d}/ignore-gfp-wait", "w") as out:
            out.write("N")
    least_order(2)
    loading()
    sys.exit(1 if failed else 0)


def worker_nth(task, n):
    """Faults in the context of a worker; false if it is gone."""
    try:
        with open(f"/proc/{task}/fail-nth", "w") as out:
            out.write(str(n))
        return True
    except OSError:
        return False


def worker_left(task):
    """What is left until its fault: 0 when it came; None if it is gone."""
    try:
        with open(f"/proc/{task}/fail-nth") as f:
            return int(f.read().strip("\0\n"))
    except OSError:
        return None


def arm_workers(n):
    """All workers that belong to no CPU, in which handshakes are made."""
    out = []
    for path in glob.glob("/proc/[0-9]*/comm"):
        try:
            with open(path) as f:
                if f.read().startswith("kworker/u") and worker_nth(path.split("/")[2], n):
                    out.append(path.split("/")[2])
        except OSError:
            pass
    return out


def load(path, fault=0):
    """Errno of loading the module, and whether the fault came."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    if fault:
        arm(fault)
    err = ctypes.get_errno() if libc.syscall(313, fd, b"", 0) else 0
    came = disarm() if fault else False
    os.close(fd)
    return err, came


def unload():
    return ctypes.get_errno() if libc.syscall(176, b"wireguard", os.O_NONBLOCK) else 0


def caches():
    """Slab caches of the module that are there."""
    with open("/proc/slabinfo") as f:
        return [line.split()[0] for line in f if line.startswith("wg_")]


def leaks():
    """What kmemleak finds, as texts, and forgets then. Where a cache cannot be
    shown in sysfs, the kernel (6.1, sysfs_slab_add()) leaks its name: that is
    left out."""
    path = f"{DEBUGFS}/kmemleak"
    if not os.path.exists(path):
        return []
    with open("/dev/kmsg", "w") as f:
        f.write("adit-leaks begin")
    time.sleep(6)       # younger ones are not reported
    for command in ("scan", "scan"):
        with open(path, "w") as f:
            f.write(command)
        time.sleep(1)
    with open(path) as f:
        found = f.read().split("unreferenced object ")[1:]
    with open(path, "w") as f:
        f.write("clear")
    with open("/dev/kmsg", "w") as f:
        f.write("adit-leaks end")
    return [x for x in found if "sysfs_slab_add+" not in x]


def loading():
    """15: the module's init, with each of its allocations failing in turn."""
    global family
    problems, ours, n, errors = [], collections.Counter(), 0, collections.Counter()
    path = sh("modinfo", "-n", "wireguard").strip()
    left = time.monotonic() + 10 * SLOW
    while unload():
        if time.monotonic() > left:
            point("loading the module", ["it cannot be unloaded"])
            return
        time.sleep(0.1)
    # how many allocations there are at all; those of the init come last, and
    # only a few of the kernel's own after them
    arm(1000000)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    if libc.syscall(313, fd, b"", 0):
        problems.append("it cannot be loaded")
    total = 1000000 - int(os.pread(nth, 16, 0).split(b"\0")[0])
    os.close(fd)
    disarm()
    n, without = total + 3, 0
    while n > 0 and (without < 30 or not ours):
        unload()
        kmsg.stacks()
        err, came = load(path, n)
        stack = [s for s in kmsg.stacks() if s]
        without = 0 if stack else without + 1
        if stack:
            ours[stack[0][0]] += 1
            errors[err] += 1
            # some are not needed: then it is loaded
            if err and err not in LACK:
                problems.append(f"fault {n} in {stack[0][0]}(): {os.strerror(err)}")
        if err and caches():
            problems.append(f"fault {n}: caches stay: {caches()}")
        n -= 1
    unload()
    for text in leaks():
        problems += ["leaked: " + text]
    if load(path)[0]:
        problems.append("it cannot be loaded without a fault")
    family = resolve("wireguard")
    if link_add("wgf")[0] or peers_of("wgf") != {} or link_del("wgf")[0]:
        problems.append("no device can be made with it")
    if sum(ours.values()) < 8:
        problems.append(f"only {sum(ours.values())} faults came in the module")
    point("loading the module", problems, f"{total} allocations; in the module: {functions(ours)}; "
          f"errors: {dict(errors)}")


def libc_setns(fd):
    if libc.setns(fd, 0x40000000):
        raise OSError(ctypes.get_errno(), "setns")


family = 0
if __name__ == "__main__":
    main()
