#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
#
# What SET does and GET shows: each attribute at its bounds, each flag in each
# combination, the order in which a message is applied, what a dump has.

import sys
sys.dont_write_bytecode = True
import itertools
import os
from genl import *
from ktap import *

unshare(CLONE_NEWNET)
rt = Route()
wg = Genl()
need("lo up", rt.change("lo", up=True))
K1, K2, K3 = key(1), key(2), key(3)
PRIVATE = bytes(range(0xe0, 0x100))     # not clamped
HAS_REMOVE = ADIT or KERNEL >= (6, 16)


def fresh():
    rt.delete("wg0")
    need("wg0", rt.add("wg0"))


def set_ok(what, *attrs, **how):
    return ok(what, wg.set(*attrs, **how))


def flags(n):
    return u32(PEER.FLAGS, n)


def unprivileged(*attrs):
    """The errno of a SET by an ordinary user."""
    down, up = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            os.write(up, Genl().set(*attrs).name.encode())
        finally:
            os._exit(0)
    os.close(up)
    os.waitpid(pid, 0)
    with os.fdopen(down) as f:
        return f.read()


def remove(prefixes):
    return nest(PEER.ALLOWEDIPS, *(unip(p) for p in prefixes))


@point("a new device: what GET shows of it")
def _():
    fresh()
    a = ok("GET", wg.get())
    equal("messages, and the end", [wg.family, NLMSG_DONE],
          [m[0] for m in a.messages])
    true("all are marked as parts", all(m[1] & NLM_F_MULTI for m in a.messages))
    true("none is marked as interrupted", not a.interrupted)
    head = a.messages[0][2][:2]
    equal("command, version", bytes([GET_DEVICE, 1]), head)
    d = Device(a)
    equal("attributes", {DEV.IFINDEX, DEV.IFNAME, DEV.LISTEN_PORT,
                         DEV.FWMARK}, set(d.attrs))
    equal("index", rt.shown("wg0")[1], d.num(DEV.IFINDEX))
    equal("name, with its end", b"wg0\0", d.attrs[DEV.IFNAME])
    equal("port, 2 bytes", bytes(2), d.attrs[DEV.LISTEN_PORT])
    equal("mark, 4 bytes", bytes(4), d.attrs[DEV.FWMARK])


@point("a new peer: what GET shows of it")
def _():
    fresh()
    set_ok("a peer of a key alone", peers(peer(K1)))
    a = wg.get()
    d = Device(a)
    equal("attributes", {
        PEER.PUBLIC_KEY, PEER.PRESHARED_KEY, PEER.LAST_HANDSHAKE,
        PEER.KEEPALIVE, PEER.RX_BYTES, PEER.TX_BYTES, PEER.PROTOCOL_VERSION},
        set(d.peers[0]))
    p = d.peers[0]
    equal("preshared key: zeros", bytes(32), p[PEER.PRESHARED_KEY])
    equal("last handshake: a zero __kernel_timespec", bytes(16),
          p[PEER.LAST_HANDSHAKE])
    equal("rx bytes, 8 bytes", bytes(8), p[PEER.RX_BYTES])
    equal("tx bytes, 8 bytes", bytes(8), p[PEER.TX_BYTES])
    equal("interval, 2 bytes", bytes(2), p[PEER.KEEPALIVE])
    equal("protocol version 1, 4 bytes", struct.pack("=I", 1),
          p[PEER.PROTOCOL_VERSION])


@point("elements of lists have type 0, and are marked as nests")
def _():
    fresh()
    set_ok("two peers, with two allowed IPs",
           peers(peer(K1, ips("10.1.0.0/16", "fd00::/8")), peer(K2)))
    part = one(wg.get().messages[0][2][4:])
    elements = parse(part[DEV.PEERS])
    equal("peers", [(0, NLA_F_NESTED)] * 2, [e[:2] for e in elements])
    inner = parse(one(elements[0][2])[PEER.ALLOWEDIPS])
    equal("allowed IPs", [(0, NLA_F_NESTED)] * 2, [e[:2] for e in inner])
    equal("attributes of one", {AIP.FAMILY: 2, AIP.IPADDR: 4,
                                AIP.CIDR_MASK: 1},
          {k: len(v) for k, v in one(inner[0][2]).items()})
    equal("attributes of one, IPv6", {AIP.FAMILY: 2, AIP.IPADDR: 16,
                                      AIP.CIDR_MASK: 1},
          {k: len(v) for k, v in one(inner[1][2]).items()})


@point("elements of a SET may have any type")
def _():
    fresh()
    set_ok("types 5, 7", nest(DEV.PEERS, nest(
        5, attr(PEER.PUBLIC_KEY, K1), nest(
            PEER.ALLOWEDIPS,
            nest(7, u16(AIP.FAMILY, 2), attr(AIP.IPADDR, b"\x0a\0\0\0"),
                 u8(AIP.CIDR_MASK, 8))))))
    equal("its allowed IPs", ["10.0.0.0/8"], wg.show().ips(K1))


@point("numbers at their bounds")
def _():
    fresh()
    set_ok("a peer", peers(peer(K1)))
    for n in 1, 65535, 0x1234, 0:
        set_ok(f"port {n}", u16(DEV.LISTEN_PORT, n))
        equal("port", n, wg.show().num(DEV.LISTEN_PORT))
        set_ok(f"interval {n}", peers(peer(K1, u16(PEER.KEEPALIVE, n))))
        equal("interval", n, number(wg.show().peers[0][PEER.KEEPALIVE]))
    for n in 1, 0xffffffff, 0x80000000, 0x12345678, 0:
        set_ok(f"mark {n:#x}", u32(DEV.FWMARK, n))
        equal("mark", n, wg.show().num(DEV.FWMARK))


@point("an attribute that comes twice: the last one counts")
def _():
    fresh()
    set_ok("two marks, two intervals", u32(DEV.FWMARK, 1),
           peers(peer(K1, u16(PEER.KEEPALIVE, 1), u16(PEER.KEEPALIVE, 2))),
           u32(DEV.FWMARK, 2))
    d = wg.show()
    equal("mark, interval", (2, 2),
          (d.num(DEV.FWMARK), number(d.peers[0][PEER.KEEPALIVE])))


@point("the private key: clamped, its public key, none")
def _():
    fresh()
    set_ok("a key", attr(DEV.PRIVATE_KEY, PRIVATE))
    d = wg.show()
    equal("private key", clamp(PRIVATE), d.attrs.get(DEV.PRIVATE_KEY))
    equal("public key", public(PRIVATE), d.attrs.get(DEV.PUBLIC_KEY))
    set_ok("none of it", u32(DEV.FWMARK, 1))
    equal("private key", clamp(PRIVATE), wg.show().attrs.get(DEV.PRIVATE_KEY))
    for other in (b"\xff" * 32, bytes(31) + b"\x01", b"\x07" + bytes(31)):
        set_ok("another", attr(DEV.PRIVATE_KEY, other))
        d = wg.show()
        equal("private key", clamp(other), d.attrs.get(DEV.PRIVATE_KEY))
        equal("public key", public(other), d.attrs.get(DEV.PUBLIC_KEY))
    set_ok("all-zero", attr(DEV.PRIVATE_KEY, bytes(32)))
    d = wg.show()
    true("no private key", DEV.PRIVATE_KEY not in d.attrs)
    true("no public key", DEV.PUBLIC_KEY not in d.attrs)


@point("the preshared key: kept, changed, removed by zeros")
def _():
    fresh()
    psk = bytes(range(100, 132))

    def now():
        return wg.show().peer(K1)[PEER.PRESHARED_KEY]
    set_ok("new peer with one", peers(peer(K1, attr(PEER.PRESHARED_KEY, psk))))
    equal("it", psk, now())
    set_ok("another setting", peers(peer(K1, u16(PEER.KEEPALIVE, 5))))
    equal("kept", psk, now())
    set_ok("another", peers(peer(K1, attr(PEER.PRESHARED_KEY, psk[::-1]))))
    equal("it", psk[::-1], now())
    set_ok("zeros", peers(peer(K1, attr(PEER.PRESHARED_KEY, bytes(32)))))
    equal("zeros", bytes(32), now())


@point("endpoints: both families, kept, changed")
def _():
    fresh()
    for data in (in4("192.0.2.1", 1), in4("255.255.255.255", 65535),
                 in4("127.0.0.1", 51820), in6("2001:db8::1", 65535),
                 in6("fe80::1", 7, scope=1), in6("::ffff:192.0.2.1", 9)):
        set_ok(data.hex(), peers(peer(K1, attr(PEER.ENDPOINT, data))))
        equal(data.hex(), data, wg.show().peer(K1).get(PEER.ENDPOINT))
        set_ok("another setting", peers(peer(K1, u16(PEER.KEEPALIVE, 5))))
        equal("kept", data, wg.show().peer(K1).get(PEER.ENDPOINT))


@point("the device's own key is no peer")
def _():
    fresh()
    own = public(PRIVATE)
    set_ok("a key", attr(DEV.PRIVATE_KEY, PRIVATE))
    set_ok("own key between others", peers(
        peer(K1), peer(own, ips("10.1.0.0/16"), u16(PEER.KEEPALIVE, 9)),
        peer(K2)))
    equal("peers", [K1, K2], wg.show().keys)
    for f in range(8):
        set_ok(f"flags {f}", peers(peer(own, flags(f))))
    equal("peers", [K1, K2], wg.show().keys)


@point("a private key whose public key is a peer's removes that peer")
def _():
    fresh()
    own = public(PRIVATE)
    set_ok("peers", peers(peer(K1), peer(own, ips("10.1.0.0/16")), peer(K2)))
    set_ok("the key", attr(DEV.PRIVATE_KEY, PRIVATE))
    d = wg.show()
    equal("peers", [K1, K2], d.keys)
    equal("private key", clamp(PRIVATE), d.attrs.get(DEV.PRIVATE_KEY))
    set_ok("no key, and it may be a peer again",
           attr(DEV.PRIVATE_KEY, bytes(32)), peers(peer(own)))
    equal("peers", [K1, K2, own], wg.show().keys)


@point("peers of the all-zero key and of other low orders are taken")
def _():
    fresh()
    low = [bytes(32), b"\1" + bytes(31),
           bytes.fromhex("ecffffffffffffffffffffffffffffff"
                         "ffffffffffffffffffffffffffffff7f")]
    set_ok("a key", attr(DEV.PRIVATE_KEY, PRIVATE))
    set_ok("peers", peers(*(peer(k, ips(f"10.{i}.0.0/16"))
                            for i, k in enumerate(low))))
    d = wg.show()
    equal("peers", low, d.keys)
    equal("an allowed IP", ["10.0.0.0/16"], d.ips(low[0]))
    set_ok("removed", peers(peer(low[0], flags(REMOVE_ME))))
    equal("peers", low[1:], wg.show().keys)


@point("peer flags in every combination, on a known and an unknown peer")
def _():
    for f in range(8):
        fresh()
        set_ok("K1", peers(peer(K1, ips("10.1.0.0/16"),
                                u16(PEER.KEEPALIVE, 5))))
        a = (flags(f), ips("10.2.0.0/16"), u16(PEER.KEEPALIVE, 6),
             attr(PEER.ENDPOINT, in4("192.0.2.1", 5)))
        set_ok(f"flags {f}, known", peers(peer(K1, *a)))
        d = wg.show()
        if f & REMOVE_ME:
            equal(f"flags {f}: gone", [], d.keys)
        else:
            equal(f"flags {f}: allowed IPs",
                  ["10.2.0.0/16"] if f & REPLACE_ALLOWEDIPS else
                  ["10.1.0.0/16", "10.2.0.0/16"], d.ips(K1))
            equal(f"flags {f}: interval", 6, number(d.peers[0][PEER.KEEPALIVE]))
            true(f"flags {f}: endpoint", PEER.ENDPOINT in d.peers[0])
        before = d.keys
        set_ok(f"flags {f}, unknown", peers(peer(K2, *a)))
        d = wg.show()
        if f & (REMOVE_ME | UPDATE_ONLY):
            equal(f"flags {f}, unknown: nothing done", before, d.keys)
        else:
            equal(f"flags {f}, unknown: created", before + [K2], d.keys)
            equal(f"flags {f}, unknown: allowed IPs", ["10.2.0.0/16"],
                  d.ips(K2))


@point("REPLACE_PEERS, with and without peers")
def _():
    fresh()
    old = peers(peer(K1, u16(PEER.KEEPALIVE, 5), ips("10.1.0.0/16")), peer(K2))
    set_ok("peers", old)
    set_ok("flags 0: added to", u32(DEV.FLAGS, 0), peers(peer(K3)))
    equal("peers", [K1, K2, K3], wg.show().keys)
    set_ok("replaced", u32(DEV.FLAGS, REPLACE_PEERS), peers(peer(K2), peer(K1)))
    d = wg.show()
    equal("peers, in the new order", [K2, K1], d.keys)
    equal("nothing of the old one", (0, []),
          (number(d.peer(K1)[PEER.KEEPALIVE]), d.ips(K1)))
    set_ok("an empty list", u32(DEV.FLAGS, REPLACE_PEERS), peers())
    equal("peers", [], wg.show().keys)
    set_ok("peers", old)
    set_ok("no list", u32(DEV.FLAGS, REPLACE_PEERS))
    equal("peers", [], wg.show().keys)
    true("no list of peers in the dump", DEV.PEERS not in wg.show().attrs)


@point("REPLACE_ALLOWEDIPS, with and without allowed IPs")
def _():
    fresh()
    set_ok("K1", peers(peer(K1, ips("10.1.0.0/16", "fd01::/16")),
                       peer(K2, ips("10.2.0.0/16"))))
    set_ok("replaced", peers(peer(K1, flags(REPLACE_ALLOWEDIPS),
                                  ips("fd03::/16", "10.3.0.0/16"))))
    d = wg.show()
    equal("K1", ["fd03::/16", "10.3.0.0/16"], d.ips(K1))
    equal("K2", ["10.2.0.0/16"], d.ips(K2))
    set_ok("an empty list", peers(peer(K1, flags(REPLACE_ALLOWEDIPS), ips())))
    equal("K1", [], wg.show().ips(K1))
    set_ok("no list", peers(peer(K2, flags(REPLACE_ALLOWEDIPS))))
    equal("K2", [], wg.show().ips(K2))
    true("no list of allowed IPs in the dump",
         all(PEER.ALLOWEDIPS not in p for p in wg.show().peers))


@point("allowed IPs: every mask, host bits off")
def _():
    fresh()
    v4 = [f"255.170.85.129/{n}" for n in range(33)]
    v6 = [f"ffff:aaaa:5555:8181:ffff:aaaa:5555:8181/{n}" for n in range(129)]
    set_ok("all", peers(peer(K1, ips(*v4, *v6))))

    def masked(prefix):
        addr, n = prefix.split("/")
        family = socket.AF_INET6 if ":" in addr else socket.AF_INET
        raw = socket.inet_pton(family, addr)
        bits = len(raw) * 8 - int(n)
        raw = (int.from_bytes(raw, "big") >> bits << bits).to_bytes(
            len(raw), "big")
        return f"{socket.inet_ntop(family, raw)}/{n}"
    equal("allowed IPs", [masked(p) for p in v4 + v6], wg.show().ips(K1))


@point("a prefix of another peer moves; one set again goes to the end")
def _():
    fresh()
    set_ok("peers", peers(peer(K1, ips("10.1.0.0/16", "10.2.0.0/16",
                                       "fd01::/16")),
                          peer(K2, ips("10.3.0.0/16"))))
    set_ok("two of K1 to K2", peers(peer(K2, ips("10.1.5.5/16", "fd01::1/16"))))
    d = wg.show()
    equal("K1", ["10.2.0.0/16"], d.ips(K1))
    equal("K2", ["10.3.0.0/16", "10.1.0.0/16", "fd01::/16"], d.ips(K2))
    set_ok("the first of K2 again", peers(peer(K2, ips("10.3.0.0/16"))))
    equal("K2", ["10.1.0.0/16", "fd01::/16", "10.3.0.0/16"],
          wg.show().ips(K2))
    set_ok("longer and shorter ones are others",
           peers(peer(K1, ips("10.0.0.0/8", "10.1.1.0/24"))))
    d = wg.show()
    equal("K1", ["10.2.0.0/16", "10.0.0.0/8", "10.1.1.0/24"], d.ips(K1))
    equal("K2", ["10.1.0.0/16", "fd01::/16", "10.3.0.0/16"], d.ips(K2))


@point("WGALLOWEDIP_F_REMOVE_ME: own, absent, another peer's")
def _():
    if not HAS_REMOVE:
        skip("this kernel's driver does not know it")
    fresh()
    set_ok("peers", peers(
        peer(K1, ips("10.1.0.0/16", "0.0.0.0/0", "fd01::/16", "::/0",
                     "10.1.0.1/32")),
        peer(K2, ips("10.2.0.0/16"))))
    for what, prefix, left in (
            ("absent", "10.9.0.0/16", 5), ("absent, IPv6", "fd09::/16", 5),
            ("another's", "10.2.0.0/16", 5),
            ("a longer one", "10.1.0.0/17", 5),
            ("a shorter one", "10.0.0.0/8", 5),
            ("a node between that holds nothing", "10.0.0.0/7", 5),
            ("own, host bits set", "10.1.99.99/16", 4),
            ("again", "10.1.0.0/16", 4),
            ("own, default route", "0.0.0.0/0", 3),
            ("own, IPv6", "fd01::/16", 2),
            ("own, IPv6 default route", "::/0", 1)):
        set_ok(what, peers(peer(K1, remove([prefix]))))
        d = wg.show()
        equal(f"{what}: left of K1", left, len(d.ips(K1)))
        equal(f"{what}: K2", ["10.2.0.0/16"], d.ips(K2))
    equal("K1", ["10.1.0.1/32"], wg.show().ips(K1))
    set_ok("the last", peers(peer(K1, remove(["10.1.0.1/32"]))))
    true("no list in the dump", PEER.ALLOWEDIPS not in wg.show().peer(K1))
    set_ok("flags 0 adds", peers(peer(K1, nest(
        PEER.ALLOWEDIPS, ip("10.1.0.0/16", u32(AIP.FLAGS, 0))))))
    equal("K1", ["10.1.0.0/16"], wg.show().ips(K1))


@point("WGALLOWEDIP_F_REMOVE_ME: in a list, in order; a new peer's")
def _():
    if not HAS_REMOVE:
        skip("this kernel's driver does not know it")
    fresh()
    set_ok("added, removed, added", peers(peer(K1, nest(
        PEER.ALLOWEDIPS, ip("10.1.0.0/16"), ip("10.2.0.0/16"),
        unip("10.1.0.0/16"), ip("10.3.0.0/16"), unip("10.3.0.0/16"),
        ip("10.1.0.0/16")))))
    equal("K1", ["10.2.0.0/16", "10.1.0.0/16"], wg.show().ips(K1))
    set_ok("replaced, then removed", peers(peer(
        K1, flags(REPLACE_ALLOWEDIPS), nest(
            PEER.ALLOWEDIPS, ip("10.4.0.0/16"), unip("10.1.0.0/16"),
            ip("10.5.0.0/16"), unip("10.4.0.0/16")))))
    equal("K1", ["10.5.0.0/16"], wg.show().ips(K1))
    set_ok("of a peer that is new", peers(peer(K2, remove(["10.5.0.0/16"]))))
    d = wg.show()
    equal("peers", [K1, K2], d.keys)
    equal("K1", ["10.5.0.0/16"], d.ips(K1))
    set_ok("of an unknown peer, update only",
           peers(peer(K3, flags(UPDATE_ONLY), remove(["10.5.0.0/16"]))))
    equal("K1", ["10.5.0.0/16"], wg.show().ips(K1))


@point("peers are shown in order of creation")
def _():
    fresh()
    order = [key(n) for n in (5, 3, 9, 1, 7, 2)]
    set_ok("six", peers(*(peer(k) for k in order)))
    equal("peers", order, wg.show().keys)
    set_ok("settings of two", peers(peer(order[3], u16(PEER.KEEPALIVE, 1)),
                                    peer(order[0], ips("10.0.0.0/8"))))
    equal("peers", order, wg.show().keys)
    set_ok("one removed and added in one message",
           peers(peer(order[1], flags(REMOVE_ME)), peer(order[1])))
    equal("peers", order[:1] + order[2:] + order[1:2], wg.show().keys)


@point("one peer more than once in a message")
def _():
    fresh()
    set_ok("three times", peers(
        peer(K1, ips("10.1.0.0/16"), u16(PEER.KEEPALIVE, 1)),
        peer(K2, ips("10.1.0.0/16")),
        peer(K1, ips("10.2.0.0/16")),
        peer(K1, u16(PEER.KEEPALIVE, 3))))
    d = wg.show()
    equal("peers", [K1, K2], d.keys)
    equal("K1", ["10.2.0.0/16"], d.ips(K1))
    equal("K2", ["10.1.0.0/16"], d.ips(K2))
    equal("interval", 3, number(d.peers[0][PEER.KEEPALIVE]))


@point("applied in order: replace, then the key, then peers")
def _():
    own = public(PRIVATE)
    # whatever their order in the message
    parts = (u32(DEV.FLAGS, REPLACE_PEERS), attr(DEV.PRIVATE_KEY, PRIVATE),
             peers(peer(own), peer(K2)))
    for order in itertools.permutations(parts):
        fresh()
        set_ok("a peer to be replaced", peers(peer(K1), peer(own)))
        set_ok("all at once", *order)
        d = wg.show()
        equal("key before peers: own key is none, replaced before", [K2],
              d.keys)
        equal("the key", clamp(PRIVATE), d.attrs.get(DEV.PRIVATE_KEY))


@point("applied in order: mark, then port; what follows a failure is not")
def _():
    fresh()
    rt.delete("wg1")
    need("wg1", rt.add("wg1"))
    ok("port of wg1", wg.set(u16(DEV.LISTEN_PORT, 6001), name="wg1"))
    ok("wg1 up", rt.change("wg1", up=True))
    set_ok("settings", u16(DEV.LISTEN_PORT, 6000), u32(DEV.FWMARK, 1),
           peers(peer(K1)))
    ok("wg0 up", rt.change("wg0", up=True))
    a = wg.set(peers(peer(K2)), attr(DEV.PRIVATE_KEY, PRIVATE),
               u32(DEV.FLAGS, REPLACE_PEERS), u16(DEV.LISTEN_PORT, 6001),
               u32(DEV.FWMARK, 2))
    equal("a port in use", "EADDRINUSE", a.name)
    if ADIT:
        true("a text that says why", a.text)
    d = wg.show()
    equal("the mark is set, there is no roll-back", 2, d.num(DEV.FWMARK))
    equal("the port is kept", 6000, d.num(DEV.LISTEN_PORT))
    equal("peers are not replaced", [K1], d.keys)
    true("the key is not set", DEV.PRIVATE_KEY not in d.attrs)
    ok("wg1 down", rt.change("wg1", up=False))
    set_ok("the port once it is free", u16(DEV.LISTEN_PORT, 6001))
    equal("port", 6001, wg.show().num(DEV.LISTEN_PORT))
    equal("wg1 up again", "EADDRINUSE", rt.change("wg1", up=True).name)
    rt.delete("wg1")


@point("applied in order: replace before the allowed IPs of the same peer")
def _():
    fresh()
    set_ok("K1", peers(peer(K1, ips("10.1.0.0/16"))))
    set_ok("the flag last in the message",
           peers(peer(K1, ips("10.2.0.0/16"), flags(REPLACE_ALLOWEDIPS))))
    equal("K1", ["10.2.0.0/16"], wg.show().ips(K1))


@point("the port: 0 before the first up, a free one then, kept over down")
def _():
    fresh()
    equal("new", 0, wg.show().num(DEV.LISTEN_PORT))
    ok("up", rt.change("wg0", up=True))
    port = wg.show().num(DEV.LISTEN_PORT)
    true("a free one was taken", port)
    ok("down", rt.change("wg0", up=False))
    equal("down", port, wg.show().num(DEV.LISTEN_PORT))
    ok("up", rt.change("wg0", up=True))
    equal("up again", port, wg.show().num(DEV.LISTEN_PORT))
    set_ok("0 while up", u16(DEV.LISTEN_PORT, 0))
    true("another free one", wg.show().num(DEV.LISTEN_PORT))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        try:
            other.bind(("127.0.0.1", port))
            taken = None
        except OSError as e:
            taken = e
    equal("the old one is free", None, taken)
    ok("down", rt.change("wg0", up=False))
    set_ok("0 while down", u16(DEV.LISTEN_PORT, 0))
    equal("down", 0, wg.show().num(DEV.LISTEN_PORT))


@point("a SET of nothing is a success, and marks a dump as interrupted")
def _():
    fresh()
    # 4 kB a message: the dump of these takes several
    set_ok("200 peers", peers(*(peer(key(n)) for n in range(100, 300))))
    small = Genl(room=4096)
    ok("another device", rt.add("wg1"))
    ok("up", rt.change("wg1", up=True))
    ok("its port", wg.set(u16(DEV.LISTEN_PORT, 6001), name="wg1"))
    ok("up", rt.change("wg0", up=True))
    # between messages each of these changes nothing
    own = public(PRIVATE)
    set_ok("a key", attr(DEV.PRIVATE_KEY, PRIVATE))
    for what, marked, *attrs in (
            ("no SET", False), ("nothing but the name", True),
            ("flags 0", True, u32(DEV.FLAGS, 0)),
            ("the same key", True, attr(DEV.PRIVATE_KEY, PRIVATE)),
            ("own key", True, peers(peer(own))),
            ("unknown, remove", True, peers(peer(K3, flags(REMOVE_ME)))),
            ("the mark", True, u32(DEV.FWMARK, 4)),
            # It passed the check of rights, so it may have applied something.
            ("a port that is taken", True, u16(DEV.LISTEN_PORT, 6001)),
            # This one did not.
            ("a SET without rights", False, u32(DEV.FWMARK, 5))):
        did = []

        def between():
            if did or what == "no SET":
                pass
            elif what == "a port that is taken":
                equal(what, "EADDRINUSE", wg.set(*attrs).name)
            elif what == "a SET without rights":
                equal(what, "EPERM", unprivileged(*attrs))
            else:
                set_ok(what, *attrs)
            did.append(1)
        a = ok("GET", small.get(between=between))
        true(f"{what}: several messages", len(a.messages) > 4)
        equal(f"{what}: interrupted", marked, a.interrupted)
        equal(f"{what}: peers", 200, len(Device(a).keys))
    small.close()
    rt.delete("wg1")


run("settings and what is shown of them")
