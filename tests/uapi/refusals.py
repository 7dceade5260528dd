#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
#
# What SET and GET refuse: the errno, a text that says why, the place of what
# was wrong in the request, and a device that is as it was.

import sys
sys.dont_write_bytecode = True
from genl import *
from ktap import *

unshare(CLONE_NEWNET)
rt = Route()
wg = Genl()
K1, K2 = key(1), key(2)
PRIVATE = clamp(bytes(range(32)))
NET = ip("10.99.0.0/16")
# Older kernels' own driver checks a nested attribute when it gets there.
WHOLE = ADIT or KERNEL >= (7, 0)


def snapshot():
    """The messages of a whole dump, byte by byte."""
    return [m[2] for m in wg.get().messages]


def fresh():
    rt.delete("wg0")
    need("wg0", rt.add("wg0"))
    need("its settings", wg.set(
        attr(DEV.PRIVATE_KEY, PRIVATE), u16(DEV.LISTEN_PORT, 5000),
        u32(DEV.FWMARK, 7),
        peers(peer(K1, u16(PEER.KEEPALIVE, 77), ips("10.1.0.0/16"),
                   attr(PEER.ENDPOINT, in4("192.0.2.1", 99))))))


def judge(what, error, answer, at=None):
    equal(f"{what}: errno", error, answer.name)
    if not ADIT or not answer.error:
        return
    request = struct.unpack_from("=H", wg.sent, 6)[0]
    if request & NLM_F_DUMP == NLM_F_DUMP and KERNEL < (7, 0):
        return      # older kernels have no room for more where a dump begins
    true(f"{what}: a text that says why", answer.text)
    if at is not None:
        step(f"{what}: the place of what was wrong")
        off = answer.offset
        dump = answer.messages and answer.messages[-1][0] == NLMSG_DONE
        if off is None and dump and KERNEL < (7, 0):
            pass    # older kernels end a dump with the text alone
        elif off is None:
            fail("an offset", "none")
        elif wg.sent[off:off + len(at)] != at:
            fail(f"{at.hex()} is pointed at",
                 wg.sent[off:off + max(len(at), 8)].hex())


def refused(what, error, *attrs, at=None, name="wg0", partly=False):
    """A SET of attrs fails with error; at: the bytes to be pointed at.
    partly: what came before the bad one may have been applied."""
    before = snapshot()
    judge(what, error, wg.set(*attrs, name=name), at)
    if not partly:
        equal(f"{what}: the device afterwards", before, snapshot())


def get_refused(what, error, *attrs, at=None, name="wg0"):
    judge(what, error, wg.get(*attrs, name=name), at)


def of_peer(*attrs, k=K1):
    return peers(peer(k, *attrs))


def of_ip(*attrs):
    return of_peer(nest(PEER.ALLOWEDIPS, nest(0, *attrs)))


@point("a device is named by exactly one of index and name")
def _():
    fresh()
    index = u32(DEV.IFINDEX, rt.shown("wg0")[1])
    refused("SET, neither", "EBADR", name=None)
    refused("SET, neither, with settings", "EBADR", u16(DEV.LISTEN_PORT, 1),
            name=None)
    refused("SET, both", "EBADR", index)
    refused("SET, both, of different devices", "EBADR", u32(DEV.IFINDEX, 1))
    get_refused("GET, neither", "EBADR", name=None)
    get_refused("GET, both", "EBADR", index)
    ok("SET by name", wg.set())
    ok("SET by index", wg.set(index, name=None))
    equal("GET by index is GET by name", snapshot(),
          [m[2] for m in ok("GET", wg.get(index, name=None)).messages])


@point("a device that is not there")
def _():
    for n in 0, 99999, 0x7fffffff, 0x80000000, 0xffffffff:
        a = u32(DEV.IFINDEX, n)
        refused(f"SET, index {n:#x}", "ENODEV", a, at=a, name=None)
        get_refused(f"GET, index {n:#x}", "ENODEV", a, at=a, name=None)
    for n in "nosuch0", "", "wg", "wg00", "fifteen-letters":
        a = text(DEV.IFNAME, n)
        refused(f"SET, {n!r}", "ENODEV", a, at=a, name=None)
        get_refused(f"GET, {n!r}", "ENODEV", a, at=a, name=None)


@point("a device that is no WireGuard device")
def _():
    need("dummy0", rt.add("dummy0", kind="dummy"))
    for n in "lo", "dummy0":
        refused(f"SET, {n}", "EOPNOTSUPP", name=n, at=text(DEV.IFNAME, n))
        get_refused(f"GET, {n}", "EOPNOTSUPP", name=n,
                    at=text(DEV.IFNAME, n))
    a = u32(DEV.IFINDEX, 1)
    refused("SET, lo by index", "EOPNOTSUPP", a, name=None, at=a)
    get_refused("GET, lo by index", "EOPNOTSUPP", a, name=None, at=a)
    rt.delete("dummy0")


@point("names that are too long or have no end")
def _():
    for what, error, data in (
            ("16 letters", "EINVAL", b"abcdefghijklmnop\0"),
            ("40 letters", "EINVAL", b"w" * 40 + b"\0"),
            ("no end", "EINVAL", b"wg0"),
            ("15 letters, no end", "EINVAL", b"w" * 15),
            ("nothing at all", "EINVAL", b"")):
        a = attr(DEV.IFNAME, data)
        refused(f"SET, {what}", error, a, at=a, name=None)
        get_refused(f"GET, {what}", error, a, at=a, name=None)
    # what follows the first NUL of a name is not looked at
    ok("SET, NUL within", wg.set(attr(DEV.IFNAME, b"wg0\0\0"), name=None))


@point("keys of a wrong length")
def _():
    fresh()
    for n in 0, 1, 16, 31, 33, 64, 1000:
        for what, a, make in (
                ("private key", attr(DEV.PRIVATE_KEY, bytes(n)), lambda a: a),
                ("public key of the device", attr(DEV.PUBLIC_KEY, bytes(n)),
                 lambda a: a),
                ("public key", attr(PEER.PUBLIC_KEY, bytes(n)),
                 lambda a: peers(nest(0, a))),
                ("preshared key", attr(PEER.PRESHARED_KEY, bytes(n)),
                 of_peer)):
            refused(f"{what} of {n} bytes", "ERANGE", make(a), at=a)


@point("numbers of a wrong size")
def _():
    for what, kind, size, make in (
            ("index", DEV.IFINDEX, 4, None),
            ("port", DEV.LISTEN_PORT, 2, lambda a: a),
            ("mark", DEV.FWMARK, 4, lambda a: a),
            ("device flags", DEV.FLAGS, 4, lambda a: a),
            ("peer flags", PEER.FLAGS, 4, of_peer),
            ("interval", PEER.KEEPALIVE, 2, of_peer),
            ("protocol version", PEER.PROTOCOL_VERSION, 4, of_peer),
            ("family", AIP.FAMILY, 2,
             lambda a: of_ip(a, attr(AIP.IPADDR, bytes(4)),
                             u8(AIP.CIDR_MASK, 8))),
            ("mask", AIP.CIDR_MASK, 1,
             lambda a: of_ip(a, attr(AIP.IPADDR, bytes(4)),
                             u16(AIP.FAMILY, 2)))):
        for n in 0, 1, 2, 3, 4, 5, 8, 40:
            if n == size:
                continue
            error = "EINVAL"
            a = attr(kind, bytes(n))
            if make:
                refused(f"{what} of {n} bytes", error, make(a), at=a)
            else:
                refused(f"{what} of {n} bytes", error, a, at=a, name=None)
                get_refused(f"{what} of {n} bytes, get", error, a, at=a,
                            name=None)


@point("read-only attributes are checked for their size")
def _():
    for what, kind, size, error in (
            ("last handshake", PEER.LAST_HANDSHAKE, 16, "ERANGE"),
            ("rx bytes", PEER.RX_BYTES, 8, "EINVAL"),
            ("tx bytes", PEER.TX_BYTES, 8, "EINVAL")):
        before = snapshot()
        ok(f"{what} of {size} bytes is ignored",
           wg.set(of_peer(attr(kind, b"\x55" * size))))
        equal("the device afterwards", before, snapshot())
        for n in 0, size - 1:
            a = attr(kind, bytes(n))
            refused(f"{what} of {n} bytes", error, of_peer(a), at=a)
    before = snapshot()
    ok("a public key of the device is ignored",
       wg.set(attr(DEV.PUBLIC_KEY, key(9))))
    equal("the device afterwards", before, snapshot())


@point("unknown flags")
def _():
    # 7.x checks them by the family's policy, older kernels in the driver
    error = "EINVAL" if KERNEL >= (7, 0) else "EOPNOTSUPP"
    for n in 2, 3, 4, 0x80000000, 0xfffffffe, 0xffffffff:
        a = u32(DEV.FLAGS, n)
        refused(f"of the device, {n:#x}", error, a, at=a)
    for n in 8, 9, 0x10, 0x80000000, 0xfffffff8, 0xffffffff:
        a = u32(PEER.FLAGS, n)
        refused(f"of a peer, {n:#x}", error, of_peer(a), at=a)
        refused(f"of an unknown peer, {n:#x}", error, of_peer(a, k=K2), at=a)
    for n in 2, 3, 0x80, 0x80000000, 0xffffffff:
        a = u32(AIP.FLAGS, n)
        refused(f"of an allowed IP, {n:#x}", "EINVAL",
                of_peer(nest(PEER.ALLOWEDIPS, ip("10.99.0.0/16", a))), at=a)


@point("unknown attributes, at each level")
def _():
    for what, kinds, make in (
            ("of a device", (0, 9, 200, 0x3fff), lambda a: a),
            ("of a peer", (0, 11, 200, 0x3fff), of_peer),
            ("of an allowed IP", (0, 5 if ADIT or KERNEL >= (6, 16) else 4,
                                  200, 0x3fff),
             lambda a: of_peer(nest(PEER.ALLOWEDIPS,
                                    ip("10.99.0.0/16", a))))):
        for kind in kinds:
            a = u32(kind, 0)
            refused(f"{what}, {kind}", "EINVAL", make(a), at=a)
    for kind in 0, 9, 200:
        a = u32(kind, 0)
        get_refused(f"of a GET, {kind}", "EINVAL", a, at=a)


@point("GET takes nothing but index and name")
def _():
    if not ADIT and KERNEL < (7, 0):
        skip("this kernel's driver checks a GET like a SET")
    for kind, data in ((DEV.PRIVATE_KEY, PRIVATE), (DEV.PUBLIC_KEY, PRIVATE),
                       (DEV.FLAGS, bytes(4)), (DEV.LISTEN_PORT, bytes(2)),
                       (DEV.FWMARK, bytes(4))):
        a = attr(kind, data)
        get_refused(f"attribute {kind}", "EINVAL", a, at=a)
    a = peers()
    get_refused("peers", "EINVAL", a, at=a)


@point("a nest that is not marked as one, at each level")
def _():
    inner = attr(PEER.PUBLIC_KEY, K1)
    a = attr(DEV.PEERS, peer(K1))
    refused("the list of peers", "EINVAL", a, at=a)
    a = attr(0, inner)
    refused("a peer", "EINVAL", nest(DEV.PEERS, a), at=a)
    a = attr(PEER.ALLOWEDIPS, NET)
    refused("the list of allowed IPs", "EINVAL", of_peer(a), at=a)
    a = attr(0, NET[4:])
    refused("an allowed IP", "EINVAL", of_peer(nest(PEER.ALLOWEDIPS, a)),
            at=a)
    a = attr(0, inner)
    both = nest(DEV.PEERS, peer(K2, u16(PEER.KEEPALIVE, 3)), a)
    if ADIT:
        refused("the second peer", "EINVAL", both, at=a)
    else:
        # differences.md: the kernel's driver has applied the first by then
        equal("the second peer", "EINVAL", wg.set(both).name)
        equal("peers afterwards", [K1, K2], wg.show().keys)


@point("a plain attribute that is marked as a nest")
def _():
    fresh()
    a = u16(DEV.LISTEN_PORT | NLA_F_NESTED, 5001)
    refused("a port", "EINVAL", a, at=a)


@point("lists whose elements are cut short")
def _():
    fresh()
    for n in 1, 2, 3:
        a = attr(NLA_F_NESTED, bytes(n))
        error = "ERANGE" if WHOLE else "EINVAL"
        refused(f"a peer of {n} bytes", error, nest(DEV.PEERS, a), at=a)
        refused(f"an allowed IP of {n} bytes", error,
                of_peer(nest(PEER.ALLOWEDIPS, a)), at=a)
    whole = attr(PEER.PUBLIC_KEY, K2)
    for what, bad in (("a length past the end", struct.pack("=HH", 60, 3)),
                      ("a length of 3", struct.pack("=HH", 3, 3)),
                      ("two bytes left over", b"\0\0")):
        refused(f"in a peer: {what}", "EINVAL",
                nest(DEV.PEERS, nest(0, whole, bad)))
        refused(f"in an allowed IP: {what}", "EINVAL",
                of_peer(nest(PEER.ALLOWEDIPS, nest(0, NET[4:], bad)), k=K2),
                partly=not WHOLE)
        refused(f"at the end of a message: {what}", "EINVAL", bad)


@point("a peer without a public key")
def _():
    fresh()
    for what, a in (("empty", nest(0)), ("interval", nest(0, u16(PEER.KEEPALIVE, 5))),
                    ("REMOVE_ME", nest(0, u32(PEER.FLAGS, REMOVE_ME))),
                    ("allowed IP", nest(0, ips("10.99.0.0/16")))):
        refused(what, "EINVAL", peers(a), at=a)
    a = nest(0)
    refused("the second", "EINVAL", peers(peer(K1), a), at=a)


@point("the protocol version")
def _():
    for n in 0, 2, 3, 0x100, 0x01000000, 0xffffffff:
        a = u32(PEER.PROTOCOL_VERSION, n)
        refused(f"{n}", "EPFNOSUPPORT", of_peer(a, u16(PEER.KEEPALIVE, 5)),
                at=a)
        refused(f"{n}, new peer", "EPFNOSUPPORT", of_peer(a, k=K2), at=a)
    ok("1", wg.set(of_peer(u32(PEER.PROTOCOL_VERSION, 1))))


@point("endpoints shorter than a struct sockaddr")
def _():
    for n in 0, 1, 2, 4, 8, 15:
        a = attr(PEER.ENDPOINT, in4("192.0.2.7", 7)[:n])
        refused(f"{n} bytes", "ERANGE", of_peer(a), at=a)
        refused(f"{n} bytes, new peer", "ERANGE", of_peer(a, k=K2), at=a)


@point("endpoints of a wrong family or size are ignored")
def _():
    fresh()
    v4, v6 = in4("192.0.2.7", 7), in6("2001:db8::7", 7)
    for what, data in (
            ("family 0", bytes(16)), ("family 1", b"\1" + bytes(27)),
            ("family 7", b"\7\0" + v4[2:]),
            ("family 0xffff", b"\xff\xff" + v6[2:]),
            ("IPv4 of 17 bytes", v4 + b"\0"), ("IPv4 of 28", v4 + bytes(12)),
            ("IPv4 of 128", v4 + bytes(112)), ("IPv6 of 16", v6[:16]),
            ("IPv6 of 24", v6[:24]), ("IPv6 of 27", v6[:27]),
            ("IPv6 of 29", v6 + b"\0"), ("IPv6 of 128", v6 + bytes(100))):
        before = snapshot()
        ok(what, wg.set(of_peer(attr(PEER.ENDPOINT, data))))
        equal(f"{what}: the device afterwards", before, snapshot())
    ok("for a new peer", wg.set(of_peer(attr(PEER.ENDPOINT, v6[:16]),
                                        u16(PEER.KEEPALIVE, 3), k=K2)))
    p = wg.show().peer(K2)
    equal("it has its interval", 3, number(p[PEER.KEEPALIVE]))
    true("it has no endpoint", PEER.ENDPOINT not in p)


@point("allowed IPs that lack something")
def _():
    fresh()
    parts = {"family": u16(AIP.FAMILY, 2),
             "address": attr(AIP.IPADDR, b"\x0a\x63\0\0"),
             "mask": u8(AIP.CIDR_MASK, 16)}
    for n in range(7):
        have = [p for i, p in enumerate(parts) if n >> i & 1]
        a = nest(0, *(parts[p] for p in have))
        refused(f"only {' and '.join(have) or 'nothing'}", "EINVAL",
                of_peer(nest(PEER.ALLOWEDIPS, a)), at=a)
    for n in range(7):
        have = [p for i, p in enumerate(parts) if n >> i & 1]
        refused(f"only {' and '.join(have) or 'nothing'}, to be removed",
                "EINVAL", of_ip(*(parts[p] for p in have),
                                u32(AIP.FLAGS, IP_REMOVE_ME)))


def an_ip(family, addr, mask, *more):
    return of_ip(u16(AIP.FAMILY, family), attr(AIP.IPADDR, addr),
                 u8(AIP.CIDR_MASK, mask), *more)


@point("allowed IPs whose mask is too long")
def _():
    fresh()
    for n in 33, 64, 128, 129, 255:
        refused(f"IPv4, {n}", "EINVAL", an_ip(2, b"\x0a\x63\0\0", n),
                at=u8(AIP.CIDR_MASK, n))
    for n in 129, 130, 255:
        refused(f"IPv6, {n}", "EINVAL", an_ip(10, bytes(16), n),
                at=u8(AIP.CIDR_MASK, n))
    if ADIT or KERNEL >= (6, 16):
        refused("33, to be removed", "EINVAL",
                an_ip(2, b"\x0a\1\0\0", 33, u32(AIP.FLAGS, IP_REMOVE_ME)),
                at=u8(AIP.CIDR_MASK, 33))


@point("allowed IPs whose length does not fit their family")
def _():
    fresh()
    for family, size in (2, 4), (10, 16):
        for n in 0, 1, 3, 4, 5, 8, 15, 16, 17, 32:
            if n == size:
                continue
            a = attr(AIP.IPADDR, bytes(n))
            # under 4 bytes the policy finds it, as out of range
            refused(f"family {family}, {n} bytes",
                    "EINVAL" if n >= 4 else "ERANGE",
                    an_ip(family, bytes(n), 4), at=a)
    for family in 0, 1, 7, 0x0200, 0xffff:
        for n in 4, 16:
            refused(f"family {family} of {n} bytes", "EINVAL",
                    an_ip(family, bytes(n), 4), at=u16(AIP.FAMILY, family))


@point("commands and ways of asking that there are not")
def _():
    fresh()
    name = text(DEV.IFNAME, "wg0")
    for what, cmd, flags, error in (
            ("GET that is no dump", GET_DEVICE, 0, "EOPNOTSUPP"),
            ("SET as a dump", SET_DEVICE, NLM_F_DUMP, "EOPNOTSUPP"),
            ("command 2", 2, 0, "EOPNOTSUPP"),
            ("command 2 as a dump", 2, NLM_F_DUMP, "EOPNOTSUPP"),
            ("command 255", 255, 0, "EOPNOTSUPP")):
        a = wg.ask(wg.family, flags, genl(cmd, name))
        equal(what, error, a.name)
    ok("SET of version 0", wg.ask(wg.family, 0, genl(SET_DEVICE, name,
                                                     version=0)))


@point("a peer of a message that is refused does not come to be")
def _():
    # documented in differences.md: Adit looks at the whole message first
    fresh()
    bad = peer(key(3), nest(PEER.ALLOWEDIPS, ip("10.98.0.0/33")))
    message = (u16(DEV.LISTEN_PORT, 5999), u32(DEV.FWMARK, 99),
               u32(DEV.FLAGS, REPLACE_PEERS), attr(DEV.PRIVATE_KEY, bytes(32)),
               peers(peer(K1, u16(PEER.KEEPALIVE, 5)),
                     peer(K2, ips("10.97.0.0/16")), bad))
    if ADIT:
        refused("the last of three is bad", "EINVAL", *message,
                at=u8(AIP.CIDR_MASK, 33))
        return
    a = wg.set(*message)
    equal("errno", "EINVAL", a.name)
    d = wg.show()
    equal("port and mark are applied", (5999, 99),
          (d.num(DEV.LISTEN_PORT), d.num(DEV.FWMARK)))
    true("so is the key", DEV.PRIVATE_KEY not in d.attrs)
    equal("so are the peers before", [K1, K2], d.keys[:2])


@point("what the policy finds deep in a message stops all of it")
def _():
    if not WHOLE:
        skip("this kernel's driver finds out about it when it gets there")
    fresh()
    for what, error, a in (
            ("a short key", "ERANGE", peer(key(3)[:31])),
            ("an unknown attribute", "EINVAL", peer(key(3), u32(200, 1))),
            ("a short endpoint", "ERANGE",
             peer(key(3), attr(PEER.ENDPOINT, bytes(15))))):
        refused(what, error, u16(DEV.LISTEN_PORT, 5999),
                u32(DEV.FWMARK, 99), u32(DEV.FLAGS, REPLACE_PEERS),
                attr(DEV.PRIVATE_KEY, bytes(32)),
                peers(peer(K1, u16(PEER.KEEPALIVE, 5)), peer(K2), a))


run("refusals of GET and SET")
