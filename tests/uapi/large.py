#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
#
# Much of everything: one peer with 130,000 allowed IPs, 10,000 peers, set over
# many messages and dumped whole into buffers of any size.

import sys
sys.dont_write_bytecode = True
from genl import *
from ktap import *

unshare(CLONE_NEWNET)
rt = Route()
wg = Genl()
K1, K2, K3 = key(1), key(2), key(3)
LIST = 65535 - 4        # bytes that one nest can hold
MANY = 130000
PEERS = 10000


def fresh():
    rt.delete("wg0")
    need("wg0", rt.add("wg0"))


def addresses(n):
    """n addresses of 4 bytes, in an order that is no order."""
    return [(i * 2654435761 % 2 ** 32 >> 8 << 8).to_bytes(4, "big")
            for i in range(1, n + 1)]


class Run:
    """Allowed IPs of IPv4 as one run of bytes, all of one length."""

    def __init__(self, addrs, mask=24, remove=False):
        more = (u32(AIP.FLAGS, IP_REMOVE_ME),) if remove else ()
        element = ip(f"0.0.0.0/{mask}", *more)
        self.size = len(element)
        at = element.index(struct.pack("=HH", 8, AIP.IPADDR)) + 4
        self.data = bytearray(element * len(addrs))
        flat = b"".join(addrs)
        for i in range(4):
            self.data[at + i::self.size] = flat[i::4]

    def messages(self, k, first=()):
        """Sets them on peer k, as many messages as it takes."""
        room = (LIST - 200) // self.size * self.size
        for at in range(0, len(self.data), room):
            need(f"allowed IPs from byte {at}", wg.set(peers(peer(
                k, *(first if not at else ()),
                nest(PEER.ALLOWEDIPS, bytes(self.data[at:at + room]))))))


def dumped_addresses(data):
    """The addresses of a dumped list of IPv4 /24, all of one shape."""
    if not data:
        return []
    n = struct.unpack_from("=H", data)[0]
    size = n + -n % 4
    head = data[:size]
    equal("IPv4, /24", (2, 24),
          (number(one(head[4:n])[AIP.FAMILY]),
           number(one(head[4:n])[AIP.CIDR_MASK])))
    at = head.index(struct.pack("=HH", 8, AIP.IPADDR)) + 4
    count, rest = divmod(len(data), size)
    equal("bytes left over", 0, rest)
    for i in range(size):
        if not at <= i < at + 4:
            if data[i::size] != bytes([head[i]]) * count:
                raise ValueError(f"byte {i} of an element differs")
    flat = bytearray(4 * count)
    for i in range(4):
        flat[i::4] = data[at + i::size]
    return [bytes(flat[i:i + 4]) for i in range(0, len(flat), 4)]


def same(what, expected, got):
    """Two long lists."""
    step(what)
    if expected == got:
        return
    at = next((i for i, (a, b) in enumerate(zip(expected, got)) if a != b),
              min(len(expected), len(got)))
    fail(f"{len(expected)} elements", f"{len(got)}, the first difference at "
         f"{at}: {expected[at:at + 2]} {got[at:at + 2]}")


def dump(what, g, bound):
    """A dump by the socket g, in at most bound datagrams."""
    d = Device(ok(what, g.get(limit=bound)))
    say(f"{what}: {len(d.parts)} messages")
    for n, part in enumerate(d.parts):
        # 6.1's own driver repeats the device with each part of a first peer
        if n and ADIT and set(part) != {DEV.PEERS}:
            fail("PEERS alone in what follows the first message",
                 f"attributes {set(part)}")
            break
    return d


@point("one peer with 130,000 allowed IPs: set and dumped whole")
def _():
    fresh()
    addrs = addresses(MANY)
    equal("all different", MANY, len(set(addrs)))
    with within("set", 60):
        Run(addrs).messages(K1, (u16(PEER.KEEPALIVE, 7),))
    need("a second peer", wg.set(peers(peer(K2, ips("fd00::/8")))))
    with within("dump", 60):
        d = dump("big buffer", wg, 4000)
    equal("peers", [K1, K2], d.keys)
    same("allowed IPs, in order", addrs,
         dumped_addresses(d.peers[0][PEER.ALLOWEDIPS]))
    equal("K2", ["fd00::/8"], d.ips(K2))
    equal("interval, in the first part", 7, number(d.peers[0][PEER.KEEPALIVE]))


@point("the same, into a buffer of 4 kB")
def _():
    g = Genl(room=4096)
    with within("dump", 60):
        d = dump("4 kB", g, 4000)
    equal("peers", [K1, K2], d.keys)
    same("allowed IPs, in order", addresses(MANY),
         dumped_addresses(d.peers[0][PEER.ALLOWEDIPS]))
    true("it took many messages", len(d.parts) > 500, len(d.parts))
    g.close()


@point("the same, with the smallest receive buffer a socket can have")
def _():
    g = Genl(room=4096, rcvbuf=1)
    with within("dump", 60):
        d = dump("SO_RCVBUF 1", g, 4000)
    same("allowed IPs, in order", addresses(MANY),
         dumped_addresses(d.peers[0][PEER.ALLOWEDIPS]))
    equal("peers", [K1, K2], d.keys)
    g.close()


@point("what does not fit a reader's buffer is cut off, and the dump still ends")
def _():
    # A kernel never makes messages smaller than a page, whatever is read.
    g = Genl()
    g.send(g.family, NLM_F_DUMP, genl(GET_DEVICE, text(DEV.IFNAME, "wg0")))
    g.sock.setblocking(False)
    cut = n = 0
    while n < 6000:
        try:
            flags = g.sock.recvmsg(256)[2]
        except BlockingIOError:
            break       # reading is what makes the next message
        n += 1
        cut += bool(flags & socket.MSG_TRUNC)
    true("it ended", n < 6000, n)
    true("messages were cut", cut > 50, cut)
    g.sock.setblocking(True)
    ok("the socket is good for more", g.get())
    g.close()


@point("a dump that nobody reads on is dropped with its socket")
def _():
    for _ in range(20):
        g = Genl(room=4096)
        g.send(g.family, NLM_F_DUMP, genl(GET_DEVICE,
                                          text(DEV.IFNAME, "wg0")))
        g.datagram()
        g.close()
    ok("SET afterwards", wg.set(u32(DEV.FWMARK, 3)))


@point("the device goes in the midst of a dump")
def _():
    if not ADIT:
        skip("this driver's dump holds the device: deleting it waits for us")
    rt.delete("wg1")
    need("wg1", rt.add("wg1"))
    need("peers", wg.set(peers(*(peer(key(n)) for n in range(400))),
                         name="wg1"))
    g = Genl(room=4096)
    gone = []

    def between():
        if not gone:
            gone.append(rt.delete("wg1"))
    a = g.get(name="wg1", between=between, limit=100)
    equal("how it ends", "ENODEV", a.name)
    # a new one of the same name is another device
    need("wg1", rt.add("wg1"))
    need("peers", wg.set(peers(*(peer(key(n)) for n in range(400))),
                         name="wg1"))
    gone.clear()

    def replace():
        if not gone:
            gone.append(rt.delete("wg1"))
            need("wg1", rt.add("wg1"))
            need("peers", wg.set(peers(*(peer(key(1000 + n))
                                         for n in range(400))), name="wg1"))
    a = g.get(name="wg1", between=replace, limit=100)
    mixed = {k >= key(1000) for k in Device(a).keys}
    true("no peers of both", len(mixed) <= 1 or a.interrupted)
    equal("how it ends", "ENODEV", a.name)
    g.close()
    rt.delete("wg1")


@point("130,000 allowed IPs move to another peer, a message at a time")
def _():
    addrs = addresses(MANY)
    with within("set", 60):
        Run(addrs[::-1]).messages(K3)
    d = dump("big buffer", wg, 4000)
    equal("peers", [K1, K2, K3], d.keys)
    true("K1 has none", PEER.ALLOWEDIPS not in d.peers[0])
    same("K3 has all", addrs[::-1],
         dumped_addresses(d.peers[2][PEER.ALLOWEDIPS]))


@point("some of them removed, one by one; then all, with the peer")
def _():
    addrs = addresses(MANY)[::-1]
    if ADIT or KERNEL >= (6, 16):
        with within("removing every second", 60):
            Run(addrs[::2], remove=True).messages(K3)
        d = dump("big buffer", wg, 4000)
        same("the others are left", addrs[1::2],
             dumped_addresses(d.peer(K3)[PEER.ALLOWEDIPS]))
    with within("removing the peer", 10):
        ok("K3", wg.set(peers(peer(K3, u32(PEER.FLAGS, REMOVE_ME)))))
    d = dump("big buffer", wg, 10)
    equal("peers", [K1, K2], d.keys)
    equal("allowed IPs", [0, 1], [len(parse(p.get(PEER.ALLOWEDIPS, b"")))
                                  for p in d.peers])


def set_peers(n, what, **how):
    """n peers with an IPv4 and an IPv6 prefix each, by big messages."""
    items, size = [], 0
    for i in range(n):
        p = peer(key(i), nest(
            PEER.ALLOWEDIPS,
            nest(0, u16(AIP.FAMILY, 2), attr(AIP.IPADDR, i.to_bytes(4, "big")),
                 u8(AIP.CIDR_MASK, 32)),
            nest(0, u16(AIP.FAMILY, 10), attr(AIP.IPADDR, b"\xfd" * 12 +
                                              i.to_bytes(4, "big")),
                 u8(AIP.CIDR_MASK, 128))))
        if size + len(p) > LIST:
            need(what, wg.set(peers(*items), **how))
            items, size = [], 0
        items.append(p)
        size += len(p)
    need(what, wg.set(peers(*items), **how))


@point("10,000 peers: set, dumped into each size of buffer, in order")
def _():
    fresh()
    with within("set", 60):
        set_peers(PEERS, "peers")
    keys = [key(i) for i in range(PEERS)]
    for what, how, bound in (("big buffer", {}, 2000),
                             ("4 kB", {"room": 4096}, 2000),
                             ("SO_RCVBUF 1", {"room": 4096, "rcvbuf": 1},
                              2000)):
        g = Genl(**how)
        with within(what, 60):
            d = dump(what, g, bound)
        same("peers, in order", keys, d.keys)
        equal("allowed IPs of each", {2},
              {len(parse(p[PEER.ALLOWEDIPS])) for p in d.peers[::97]})
        equal("those of the last",
              [f"0.0.{PEERS - 1 >> 8}.{PEERS - 1 & 255}/32"],
              d.ips(keys[-1])[:1])
        g.close()


@point("set again, changed in part, replaced: it stays 10,000")
def _():
    with within("set again", 60):
        set_peers(PEERS, "peers")
    d = dump("big buffer", wg, 2000)
    same("peers, in order", [key(i) for i in range(PEERS)], d.keys)
    with within("replaced by one", 30):
        ok("replace", wg.set(u32(DEV.FLAGS, REPLACE_PEERS), peers(peer(K2))))
    d = dump("big buffer", wg, 10)
    equal("peers", [K2], d.keys)
    true("allowed IPs", PEER.ALLOWEDIPS not in d.peers[0])


@point("a device with 10,000 peers is deleted in bounded time")
def _():
    # 6.1's own driver takes more than a minute for all of them
    set_peers(PEERS if ADIT else PEERS // 20, "peers")
    with within("deleting", 30):
        ok("wg0", rt.delete("wg0"))
    equal("it is gone", "ENODEV", wg.get().name)


run("many peers and many allowed IPs")
