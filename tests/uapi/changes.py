#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
#
# Dumps while other clients change what is dumped; peers removed under traffic.

import sys
sys.dont_write_bytecode = True
import signal
from genl import *
from ktap import *

unshare(CLONE_NEWNET)
rt = Route()
wg = Genl()
need("lo up", rt.change("lo", up=True))
PRIVATE = [clamp(bytes([n]) * 32) for n in range(1, 3)]
PUBLIC = [public(p) for p in PRIVATE]
# The kernel's own driver takes 10 ms and more to add or remove a peer.
FEW = 1 if ADIT else 10


def fresh(name="wg0"):
    rt.delete(name)
    need(name, rt.add(name))


def some(n, first=0, ips_each=2):
    """The nest of n peers with allowed IPs."""
    return peers(*(
        peer(key(i), ips(*(f"10.{i >> 8 & 255}.{i & 255}.{j}/32"
                           for j in range(ips_each))))
        for i in range(first, first + n)))


REPLACE = u32(DEV.FLAGS, REPLACE_PEERS)


class Client:
    """Another process that works on the device until it is ended."""

    def __init__(self, work):
        read, write = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            try:
                os.close(read)
                g = Genl()
                n = 0
                while True:
                    work(g, n)
                    n += 1
                    if n == 1:
                        os.write(write, b"1")
            finally:
                os._exit(1)
        os.close(write)
        os.read(read, 1)        # it has worked once, or is dead
        os.close(read)

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        equal("the other client worked to its end", signal.SIGKILL,
              os.WTERMSIG(status))


def changed(what, *attrs):
    a = wg.set(*attrs)
    if a.error:
        ok(what, a)


def quiet():
    """Messages of a dump into 4 kB while nothing changes."""
    g = Genl(room=4096)
    n = len(need("quiet dump", g.get()).sizes)
    g.close()
    return n


def sane(what, d, known):
    """Each peer once, whole, and of those that there ever were."""
    seen = d.keys
    equal(f"{what}: no peer twice", len(seen), len(set(seen)))
    true(f"{what}: no peer that never was", set(seen) <= known,
         [k.hex() for k in set(seen) - known][:3])
    first = {}
    for p in d.peers:
        first.setdefault(p[PEER.PUBLIC_KEY], p)
    true(f"{what}: each with what is its own",
         all(PEER.PRESHARED_KEY in p for p in first.values()))


@point("all peers are replaced between each two messages: the dump ends")
def _():
    fresh()
    n = 600 // min(FEW, 3)
    changed("peers", some(n))
    bound = 3 * quiet() + 20
    g = Genl(room=4096)
    a = g.get(limit=bound, between=lambda: changed("replace", REPLACE,
                                                   some(n)))
    ok("GET", a)
    say(f"{len(a.sizes)} datagrams, at most {bound}")
    true("it is marked as interrupted", a.interrupted)
    g.close()


@point("peers are added between each two messages: the dump ends")
def _():
    if not ADIT:
        skip("this driver's dump goes on with what is added")
    fresh()
    changed("peers", some(300))
    bound = 3 * quiet() + 20
    g = Genl(room=4096)
    n = [1000]

    def between():
        changed("add", some(300, n[0]))
        n[0] += 300
    a = g.get(limit=bound, between=between)
    ok("GET", a)
    say(f"{len(a.sizes)} datagrams, at most {bound}")
    true("it is marked as interrupted", a.interrupted)
    d = Device(a)
    equal("those of before, in order", [key(i) for i in range(300)],
          d.keys[:300])
    g.close()


@point("the peer being dumped is removed between each two messages")
def _():
    fresh()
    changed("peers", some(10, ips_each=200))
    g = Genl(room=4096)
    n = [0]

    def between():
        if n[0] < 9:
            changed("remove", peers(peer(key(n[0]), u32(PEER.FLAGS,
                                                        REMOVE_ME))))
        n[0] += 1
    a = ok("GET", g.get(limit=200, between=between))
    true("it is marked as interrupted", a.interrupted)
    d = Device(a)
    sane("dump", d, {key(i) for i in range(10)})
    g.close()


@point("the allowed IPs of the peer being dumped come and go")
def _():
    fresh()
    mine = [f"10.0.{i >> 8}.{i & 255}/32" for i in range(1500)]
    # what a list can hold is 64 kB: in two messages, here and below
    whole = u32(PEER.FLAGS, REPLACE_ALLOWEDIPS), ips(*mine[:1000])
    rest = ips(*mine[1000:])

    def reset():
        changed("all", peers(peer(key(1), *whole)))
        changed("the rest", peers(peer(key(1), rest), peer(key(2))))
    for what, make in (
            ("replaced by fewer", lambda: [
                peer(key(1), u32(PEER.FLAGS, REPLACE_ALLOWEDIPS),
                     ips(*mine[:700]))]),
            ("replaced by none", lambda: [
                peer(key(1), u32(PEER.FLAGS, REPLACE_ALLOWEDIPS))]),
            ("replaced by the same", lambda: [peer(key(1), *whole)]),
            ("the first ones moved to another", lambda: [
                peer(key(2), ips(*mine[:500]))]),
            ("the first ones set again", lambda: [
                peer(key(1), ips(*mine[:500]))]),
            ("the peer replaced by one of the same key", lambda: [
                peer(key(1), u32(PEER.FLAGS, REMOVE_ME)),
                peer(key(1), ips(*mine[:500]))])):
        reset()
        step(what)
        bound = 3 * quiet() + 20
        g = Genl(room=4096)
        try:
            a = g.get(limit=bound,
                      between=lambda: changed(what, peers(*make())))
        except ValueError as e:
            fail(f"an end within {bound} datagrams", e)
            g.close()
            continue
        ok(what, a)
        true(f"{what}: interrupted", a.interrupted)
        d = Device(a)
        true(f"{what}: peers", set(d.keys) <= {key(1), key(2)})
        true(f"{what}: allowed IPs that there ever were",
             {p for k in set(d.keys) for p in d.ips(k)} <= set(mine))
        g.close()
    reset()
    equal("afterwards, allowed IPs", mine, wg.show().ips(key(1)))


@point("many dumps while another client replaces all peers, without end")
def _():
    fresh()
    n = 400 // FEW
    changed("peers", some(n))
    known = {key(i) for i in range(n)}
    messages = some(n)
    other = Client(lambda g, i: g.set(REPLACE, messages))
    marked = 0
    try:
        with within("60 dumps", 60):
            for i in range(60):
                g = Genl(**({}, {"room": 4096},
                            {"room": 4096, "rcvbuf": 1})[i % 3])
                a = ok("GET", g.get(limit=4000))
                marked += a.interrupted
                true("no peer that never was",
                     set(Device(a).keys) <= known)
                g.close()
        say(f"{marked} of 60 were interrupted")
        true("some were", marked)
    finally:
        other.end()
    equal("peers afterwards", n, len(set(wg.show().keys)))


@point("the same, by three clients: peers, keys and a device that is remade")
def _():
    fresh()
    messages = some(200 // FEW)
    other = [
        Client(lambda g, i: g.set(REPLACE, messages)),
        Client(lambda g, i: g.set(attr(DEV.PRIVATE_KEY, PRIVATE[i % 2]),
                                  peers(peer(PUBLIC[0]), peer(PUBLIC[1])))),
        Client(remake)]
    ends = {}
    try:
        with within("100 dumps and more, until 5 found the device", 60):
            i = 0
            end = time.monotonic() + 50 * SLOW
            while i < 100 or ends.get("0", 0) < 5 and time.monotonic() < end:
                g = Genl(**({}, {"room": 4096})[i % 2])
                a = g.get(limit=4000)
                ends[a.name] = ends.get(a.name, 0) + 1
                g.close()
                i += 1
    finally:
        for c in other:
            c.end()
    say(f"ends: {ends}")
    true("success and ENODEV alone", set(ends) <= {"0", "ENODEV"}, ends)
    true("5 successes", ends.get("0", 0) >= 5)


def remake(g, n):
    r = Route()
    r.add("wg0")
    r.change("wg0", up=True)
    time.sleep(0.02)
    r.delete("wg0")
    r.add("wg0")
    r.close()


# Two devices, one of them in another namespace, joined over lo.
def tunnel(extra=0):
    for n in range(2):
        fresh(f"wg{n}")
    inner = Netns()
    for n in range(2):
        need("settings", wg.set(
            attr(DEV.PRIVATE_KEY, PRIVATE[n]), u16(DEV.LISTEN_PORT, 5100 + n),
            peers(peer(PUBLIC[1 - n], attr(PEER.ENDPOINT,
                                           in4("127.0.0.1", 5101 - n)),
                       ips(f"10.200.0.{2 - n}/32"))), name=f"wg{n}"))
    for first in range(0, extra, extra // 2 or 1):
        need("more peers", wg.set(some(extra // 2, first, 2), name="wg0"))
    need("moved", rt.change("wg1", attr(IFLA.NET_NS_FD,
                                        struct.pack("=I", inner.fd))))
    need_sh("ip addr add 10.200.0.1/24 dev wg0 && ip link set wg0 up")
    with inner:
        need_sh("ip addr add 10.200.0.2/24 dev wg1 && ip link set wg1 up")
        g = Genl()
    return inner, g


def need_sh(command):
    if os.system(command):
        raise RuntimeError(command)


class Flood(Client):
    """Datagrams through the tunnel, as fast as it takes them."""

    def __init__(self):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.connect(("10.200.0.2", 9))

        def work(g, n):
            for _ in range(100):
                try:
                    s.send(b"x" * 1000)
                except OSError:
                    pass
        super().__init__(work)
        s.close()


def received(g):
    return number(g.show("wg1").peers[0][PEER.RX_BYTES])


def flows(g):
    before = received(g)
    return wait("traffic flows", lambda: received(g) > before + 100000, 30)


@point("a peer is removed and added under traffic, again and again")
def _():
    inner, g = tunnel()
    flood = Flood()
    try:
        flows(g)
        for side, s, name, n in ((0, wg, "wg0", 1), (1, g, "wg1", 0)):
            with within(f"25 times, on {name}", 60):
                for _ in range(25):
                    ok("remove", s.set(peers(peer(
                        PUBLIC[n], u32(PEER.FLAGS, REMOVE_ME))), name=name))
                    ok("add", s.set(peers(peer(
                        PUBLIC[n], attr(PEER.ENDPOINT,
                                        in4("127.0.0.1", 5100 + n)),
                        u16(PEER.KEEPALIVE, 25), ips(f"10.200.0.{n + 1}/32"))), name=name))
            equal("peers", [PUBLIC[n]], s.show(name).keys)
            flows(g)
    finally:
        flood.end()
        g.close()
        inner.close()


@point("1,000 peers are removed at once under traffic, in bounded time")
def _():
    n = 1000 // FEW
    half = n // 2
    inner, g = tunnel(extra=n)
    flood = Flood()
    try:
        flows(g)
        d = wg.show()
        equal("peers", n + 1, len(d.keys))
        equal("allowed IPs", 2 * n + 1, sum(
            len(parse(p.get(PEER.ALLOWEDIPS, b""))) for p in d.peers))
        gone = [peer(key(i), u32(PEER.FLAGS, REMOVE_ME)) for i in range(n)]
        with within(f"removing {n} by name", 20):
            ok("remove", wg.set(peers(*gone)))
        d = wg.show()
        equal("peers", [PUBLIC[1]], d.keys)
        equal("allowed IPs", ["10.200.0.2/32"], d.ips(PUBLIC[1]))
        flows(g)
        for first in range(0, n, half):
            ok("add", wg.set(some(half, first)))
        with within(f"replacing {n + 1} by one", 20):
            ok("replace", wg.set(REPLACE, peers(peer(
                PUBLIC[1], attr(PEER.ENDPOINT, in4("127.0.0.1", 5101)),
                ips("10.200.0.2/32")))))
        equal("peers", [PUBLIC[1]], wg.show().keys)
        flows(g)
        for first in range(0, n, half):
            ok("add", wg.set(some(half, first)))
        with within("deleting the device", 20 if ADIT else 100):
            ok("wg0", rt.delete("wg0"))
    finally:
        flood.end()
        g.close()
        inner.close()


def nodes():
    """What the nodes of allowed IPs take: objects where /proc/slabinfo tells
    (it does not where the kernel has merged the caches), else bytes of slab."""
    try:
        with open("/proc/slabinfo") as f:
            have = [line.split() for line in f
                    if line.startswith("wg_allowedips")]
    except OSError:
        have = []
    if len(have) == 2:
        return "nodes", sum(int(h[1]) for h in have)
    with open("/proc/meminfo") as f:
        return "SUnreclaim", next(int(line.split()[1]) * 1024 for line in f
                                  if line.startswith("SUnreclaim:"))


@point("nodes come back to where they were, 2,000 prefixes ten times over")
def _():
    fresh()
    base = some(20, 5000, 3)
    changed("base", base)
    before = [m[2] for m in wg.get().messages]
    n = 1000 // FEW
    rounds = 10 if ADIT else 2
    memory = None
    for i in range(1 + rounds):
        for first in range(0, n, n // 2):
            changed("add", some(n // 2, first, 2))
        changed("remove", peers(*(peer(key(j), u32(PEER.FLAGS, REMOVE_ME))
                                  for j in range(n))))
        if not equal("the dump", before, [m[2] for m in wg.get().messages]):
            return
        if not i:       # what a first round leaves in caches is no leak
            memory = nodes()
    # two prefixes a peer: one that does not come back of each peer is ten
    # times as much as the caches of two CPUs keep back
    what, first = memory
    limit = (rounds * n // 2) * (1 if what != "SUnreclaim" else 64)
    say(f"{what}: {first} after one round, {nodes()[1]} after {rounds} more")
    wait(f"{what} is as before, within {limit}",
         lambda: nodes()[1] < first + limit, 20)


run("changes while others look, and under traffic")
