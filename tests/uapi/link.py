#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
#
# The side of rtnetlink: links made, changed, refused, moved and announced.

import sys
sys.dont_write_bytecode = True
from genl import *
from ktap import *

unshare(CLONE_NEWNET)
rt = Route()
wg = Genl()
need("lo up", rt.change("lo", up=True))
ARPHRD_NONE = 0xfffe
IFF_POINTOPOINT, IFF_NOARP, IFF_BROADCAST, IFF_MULTICAST = 0x10, 0x80, 2, 0x1000


def mtu(name="wg0"):
    return number(rt.shown(name)[3][IFLA.MTU])


def num(kind, n):
    return u32(kind, n)


@point("a link of kind wireguard, and what is told of it")
def _():
    ok("add", rt.add("wg0"))
    kind, index, flags, a = rt.shown("wg0")
    equal("ARPHRD_NONE", ARPHRD_NONE, kind)
    true("an index", index > 0)
    equal("POINTOPOINT and NOARP, neither BROADCAST nor UP",
          IFF_POINTOPOINT | IFF_NOARP,
          flags & (IFF_POINTOPOINT | IFF_NOARP | IFF_BROADCAST | IFF_UP))
    equal("kind", b"wireguard", one(a[IFLA.LINKINFO])[IFLA.INFO_KIND]
          .rstrip(b"\0"))
    true("no data of its own", IFLA.INFO_DATA not in one(a[IFLA.LINKINFO]))
    equal("MTU", 1420, mtu())
    true("no hardware address", IFLA.ADDRESS not in a)
    true("no broadcast address", IFLA.BROADCAST not in a)
    IFLA_MIN_MTU, IFLA_MAX_MTU = 50, 51
    equal("least and greatest MTU", (0, 2147483552),
          (number(a[IFLA_MIN_MTU]), number(a[IFLA_MAX_MTU])))
    ok("delete", rt.delete("wg0"))
    equal("gone", None, rt.shown("wg0"))
    equal("gone for the family", "ENODEV", wg.get().name)


@point("names: taken, chosen by the kernel, too long, changed")
def _():
    ok("wg0", rt.add("wg0"))
    equal("wg0 again", "EEXIST", rt.add("wg0").name)
    equal("the name of another link", "EEXIST", rt.add("lo").name)
    ok("wg0 is as good as before", wg.get())
    ok("a pattern", rt.add("wg%d"))
    true("wg1 has come of it", rt.shown("wg1"))
    ok("no name", rt.add(None))
    true("wireguard0 has come of it", rt.shown("wireguard0"))
    for what, name in ("too long", "sixteen-letters-"), ("a slash", "a/b"), \
            ("a space", "a b"), ("a dot", "."):
        true(what, rt.add(name).error)
    ok("renamed", rt.link(RTM_NEWLINK, 0, text(IFLA.IFNAME, "other"),
                          index=rt.shown("wg1")[1]))
    equal("the old name", "ENODEV", wg.get(name="wg1").name)
    equal("the new name", b"other\0",
          Device(ok("GET", wg.get(name="other"))).attrs[DEV.IFNAME])
    for name in "wg0", "other", "wireguard0":
        ok(name, rt.delete(name))
    equal("twice", "ENODEV", rt.delete("wg0").name)


@point("an MTU given at birth, and at its bounds")
def _():
    # signed, and the core keeps some room below 2^31
    for n in 0, 1, 68, 1280, 1500, 9000, 65535, 2147483552:
        ok(f"add, {n}", rt.add("wg0", num(IFLA.MTU, n)))
        equal("MTU", n, mtu())
        ok("another", rt.change("wg0", num(IFLA.MTU, 1400)))
        equal("MTU", 1400, mtu())
        ok(f"change, {n}", rt.change("wg0", num(IFLA.MTU, n)))
        equal("MTU", n, mtu())
        rt.delete("wg0")
    ok("add", rt.add("wg0"))
    for n in 2147483553, 0x7fffffff, 0x80000000, 0xffffffff:
        equal(f"change, {n}", "EINVAL",
              rt.change("wg0", num(IFLA.MTU, n)).name)
        equal("MTU", 1420, mtu())
    rt.delete("wg0")
    for n in 2147483553, 0xffffffff:
        equal(f"add, {n}", "EINVAL", rt.add("wg0", num(IFLA.MTU, n)).name)
        equal("nothing came of it", None, rt.shown("wg0"))


@point("attributes that make no sense here are refused, nothing is left behind")
def _():
    for what, error, attrs in (
            ("a master that there is not", "EINVAL", [u32(IFLA.MASTER, 9999)]),
            ("an MTU of 2 bytes", None, [attr(IFLA.MTU, b"\0\5")]),
            ("a namespace that is none", "EBADF",
             [u32(IFLA.NET_NS_FD, 9999)]),
            ("link-netns that is none", "EINVAL",
             [u32(IFLA.LINK_NETNSID, 77)])):
        a = rt.add("wg0", *attrs)
        if error:
            equal(what, error, a.name)
        else:
            true(what, a.error)
        equal(f"{what}: nothing came of it", None, rt.shown("wg0"))
    ok("it works without", rt.add("wg0"))
    rt.delete("wg0")


@point("a kind that only looks alike")
def _():
    for kind in "wireguar", "wireguardx", "WireGuard":
        equal(kind, "EOPNOTSUPP", rt.add("wg0", kind=kind).name)


@point("no hardware address can be set")
def _():
    ok("add", rt.add("wg0"))
    for n in 1, 4, 6, 8, 16:
        true(f"address of {n} bytes", rt.change(
            "wg0", attr(IFLA.ADDRESS, b"\2" * n)).error)
    true("none afterwards", IFLA.ADDRESS not in rt.shown("wg0")[3])
    rt.delete("wg0")


class Uevents:
    """What the kernel tells udev, of this network namespace."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW,
                                  NETLINK_KOBJECT_UEVENT)
        self.sock.bind((0, 1))
        self.sock.settimeout(10 * SLOW)

    def next(self, action, name):
        while True:
            fields = self.sock.recv(8192).split(b"\0")
            d = dict(f.split(b"=", 1) for f in fields if b"=" in f)
            if d.get(b"ACTION") == action and d.get(b"INTERFACE") == name:
                return d


@point("the uevent says DEVTYPE=wireguard")
def _():
    u = Uevents()
    ok("add", rt.add("wg0"))
    d = u.next(b"add", b"wg0")
    equal("DEVTYPE", b"wireguard", d.get(b"DEVTYPE"))
    equal("SUBSYSTEM", b"net", d.get(b"SUBSYSTEM"))
    equal("IFINDEX", str(rt.shown("wg0")[1]).encode(), d.get(b"IFINDEX"))
    rt.delete("wg0")
    d = u.next(b"remove", b"wg0")
    equal("DEVTYPE, at removal", b"wireguard", d.get(b"DEVTYPE"))


@point("link changes are told to who listens, with the kind")
def _():
    r = Netlink(NETLINK_ROUTE)
    r.sock.close()
    r.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_ROUTE)
    r.sock.bind((0, 1))     # RTMGRP_LINK
    r.sock.settimeout(10 * SLOW)

    def heard(what):
        for _ in range(20):
            for kind, _, _, data in r.datagram()[1]:
                a = one(data[16:])
                if kind == what and a.get(IFLA.IFNAME) == b"wg0\0":
                    return one(a[IFLA.LINKINFO])[IFLA.INFO_KIND].rstrip(b"\0")
    ok("add", rt.add("wg0"))
    equal("new", b"wireguard", heard(RTM_NEWLINK))
    ok("up", rt.change("wg0", up=True))
    equal("up", b"wireguard", heard(RTM_NEWLINK))
    ok("delete", rt.delete("wg0"))
    equal("deleted", b"wireguard", heard(RTM_DELLINK))
    r.close()


def ports(n):
    """Sockets of UDP port n in the present namespace, IPv4 and IPv6."""
    found = 0
    for f in "udp", "udp6":
        with open(f"/proc/thread-self/net/{f}") as lines:
            found += sum(1 for line in lines if f":{n:04X} " in line)
    return found


@point("link-netns is the birth namespace; else that of the socket that asked")
def _():
    far, birth, third = Netns(), Netns(), Netns()
    NSID, NSFD = 1, 3
    with far:       # link-netns is a number of the namespace of the link
        r = Route()
        ok("a number for it", r.ask(RTM_NEWNSID, 0, struct.pack("=B3x", 0) +
                                    u32(NSID, 5) + u32(NSFD, birth.fd)))
        r.close()
    ok("add", rt.add("wg0", u32(IFLA.LINK_NETNSID, 5),
                     attr(IFLA.NET_NS_FD, struct.pack("=I", far.fd))))
    equal("not here", None, rt.shown("wg0"))

    def bound(port):
        with far:
            r, g = Route(), Genl()
            ok("port", g.set(u16(DEV.LISTEN_PORT, port)))
            ok("up", r.change("wg0", up=True))
            out = [ports(port)]
        with birth:
            out.append(ports(port))
        with third:
            out.append(ports(port))
        out.append(ports(port))
        with far:
            ok("delete", r.delete("wg0"))
            r.close()
            g.close()
        return out
    equal("sockets there, in link-netns, elsewhere, here", [0, 2, 0, 0],
          bound(5300))
    ok("add, without it", rt.add("wg0", attr(IFLA.NET_NS_FD,
                                             struct.pack("=I", far.fd))))
    equal("sockets there, in link-netns, elsewhere, here", [0, 0, 0, 2],
          bound(5301))
    far.close()
    birth.close()
    third.close()


def udp_ports():
    """The UDP ports that are taken in this namespace."""
    out = set()
    for family in "udp", "udp6":
        with open(f"/proc/thread-self/net/{family}") as f:
            out |= {int(line.split()[1].split(":")[1], 16)
                    for line in f.readlines()[1:]}
    return out


@point("many links at once, with settings, deleted by their namespace")
def _():
    before = [m for m in rt.link(RTM_GETLINK, NLM_F_DUMP).messages]
    taken = udp_ports()
    ns = Netns()
    # half of them are born here, where their sockets stay: those tell from
    # outside when the links are gone
    for i in range(1, 50, 2):
        need("add", rt.add(f"wg{i}"))
        need("move", rt.change(f"wg{i}", u32(IFLA.NET_NS_FD, ns.fd)))
    with ns:
        r, g = Route(), Genl()
        for i in range(50):
            if not i % 2:
                need("add", r.add(f"wg{i}"))
            need("set", g.set(peers(peer(key(i), ips("10.0.0.0/8"))),
                              name=f"wg{i}"))
            if i % 4:
                need("up", r.change(f"wg{i}", up=True))
        ports = {g.show(f"wg{i}").num(DEV.LISTEN_PORT)
                 for i in range(1, 50, 2)}
        equal("those up have ports", 25, len(ports))
        r.close()
        g.close()
    equal("which are taken here", ports, udp_ports() - taken)
    link = os.readlink(f"/proc/self/fd/{ns.fd}")
    ns.close()
    true("the namespace had a name", link.startswith("net:"), link)
    wait("the links are gone: their ports are free",
         lambda: udp_ports() == taken, 30)
    ok("links are made as before", rt.add("wg0"))
    rt.delete("wg0")
    equal("links here", len(before),
          len(rt.link(RTM_GETLINK, NLM_F_DUMP).messages))


@point("the module's aliases, by which it is loaded; no parameters")
def _():
    f = os.popen("modinfo -F alias wireguard")
    aliases = set(f.read().split())
    f.close()
    for want in "rtnl-link-wireguard", "net-pf-16-proto-16-family-wireguard":
        true(f"alias {want}", want in aliases, aliases)
    true("no module parameters",
         not os.path.isdir("/sys/module/wireguard/parameters"))


@point("the module loads by the alias of the link, and by that of the family")
def _():
    def unload():
        # an idle module may be held for a moment by what was just deleted
        wait("unloaded", lambda: not os.system("rmmod wireguard 2>/dev/null")
             or not os.path.isdir("/sys/module/wireguard"), 30)
        return not os.path.isdir("/sys/module/wireguard")
    rt.delete("wg0")
    wg.close()
    if not unload():
        return
    try:
        ok("a link", rt.add("wg0"))
        true("it is loaded", os.path.isdir("/sys/module/wireguard"))
        true("the link is there", rt.shown("wg0"))
        rt.delete("wg0")
        if not unload():
            return
        n = Netlink()
        a = n.ask(GENL_ID_CTRL, 0, genl(CTRL_CMD_GETFAMILY,
                                        text(2, "wireguard")))
        ok("the family", a)
        true("it is loaded", os.path.isdir("/sys/module/wireguard"))
        n.close()
    finally:
        os.system("modprobe wireguard")


run("links of kind wireguard")
