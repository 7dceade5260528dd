#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
#
# Who may GET and SET: callers without rights, callers of user namespaces.

import sys
sys.dont_write_bytecode = True
import pickle
from genl import *
from ktap import *

unshare(CLONE_NEWNET)
rt = Route()
wg = Genl()
NOBODY = 65534
K1, K2 = key(1), key(2)
PRIVATE = clamp(bytes(range(0x40, 0x60)))
PSK = bytes(range(0x60, 0x80))


def fresh(name="wg0"):
    rt.delete(name)
    need(name, rt.add(name))
    need("settings", wg.set(
        attr(DEV.PRIVATE_KEY, PRIVATE), u16(DEV.LISTEN_PORT, 5000),
        peers(peer(K1, attr(PEER.PRESHARED_KEY, PSK))), name=name))


def child(work, before=None):
    """work() in another process; what it returns. before(pid) is done here
    once the child has called its own ready()."""
    up, down = socket.socketpair()
    pid = os.fork()
    if not pid:
        code = 1
        try:
            up.close()

            def ready():
                down.send(b"r")
                down.recv(1)
            data = pickle.dumps(work(ready))
            down.sendall(b"=" + data)
            code = 0
        except BaseException as e:
            down.sendall(b"=" + pickle.dumps(repr(e)))
        finally:
            os._exit(code)
    down.close()
    data = b""
    while True:
        part = up.recv(65536)
        if not part:
            break
        if part == b"r":
            try:
                before(pid)
            finally:
                up.send(b"g")
            continue
        data += part
    up.close()
    os.waitpid(pid, 0)
    return pickle.loads(data[1:])


def drop():
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def asked(g, *attrs, name="wg0"):
    """Errno names of a GET and of SETs."""
    return [g.get(name=name).name, g.set(name=name).name,
            g.set(u32(DEV.FWMARK, 9), name=name).name,
            g.set(peers(peer(K2)), name=name).name]


NONE = ["EPERM"] * 4


@point("an ordinary user may neither GET nor SET")
def _():
    fresh()
    before = [m[2] for m in wg.get().messages]

    def work(_):
        drop()
        g = Genl()
        return asked(g), asked(g, name="nosuch0"), asked(g, name="lo")
    for what, got in zip(("wg0", "no device", "another device"), child(work)):
        equal(what, NONE, got)
    equal("the device afterwards", before, [m[2] for m in wg.get().messages])


@point("no answer to an ordinary user has a secret in it")
def _():
    fresh()

    def work(_):
        drop()
        seen = b""
        g = Genl()
        seen += b"".join(m[2] for m in g.get().messages)
        r = Route()
        for ask in (r.link(RTM_GETLINK, 0, text(IFLA.IFNAME, "wg0")),
                    r.link(RTM_GETLINK, NLM_F_DUMP),
                    g.ask(GENL_ID_CTRL, 0, genl(CTRL_CMD_GETFAMILY,
                                                text(2, "wireguard"))),
                    g.ask(GENL_ID_CTRL, NLM_F_DUMP, genl(
                        CTRL_CMD_GETPOLICY, text(2, "wireguard")))):
            seen += b"".join(m[2] for m in ask.messages)
        return len(seen), PRIVATE in seen, PSK in seen, b"wg0" in seen
    size, private, psk, name = child(work)
    true("answers came", size > 500, size)
    true("the link is seen by all", name)
    equal("private key, preshared key", (False, False), (private, psk))
    d = wg.show()
    equal("the privileged get both", (PRIVATE, PSK),
          (d.attrs.get(DEV.PRIVATE_KEY), d.peers[0][PEER.PRESHARED_KEY]))


@point("rights are asked of who opened the socket and of who sends")
def _():
    fresh()

    def opened_before(_):
        g = Genl()
        drop()
        return asked(g)
    equal("opened as root, sent by a user", NONE, child(opened_before))
    ours, theirs = socket.socketpair(socket.AF_UNIX)

    def opened_by_user(_):
        drop()
        g = Genl()
        socket.send_fds(theirs, [b"x"], [g.sock.fileno()])
        return 0
    child(opened_by_user)
    fds = socket.recv_fds(ours, 1, 1)[1]
    g = Genl()
    g.sock = socket.socket(fileno=fds[0])
    g.sock.settimeout(30 * SLOW)
    equal("opened by a user, sent by root", NONE, asked(g))
    g.close()


@point("root without CAP_NET_ADMIN may not, a user with it may")
def _():
    fresh()
    CAP_NET_ADMIN = 12

    def caps(bits):
        head = struct.pack("=Ii", 0x20080522, 0)
        data = struct.pack("=6I", bits, bits, 0, 0, 0, 0)
        _call = libc.capset
        if _call(head, data):
            raise OSError(ctypes.get_errno(), "capset")

    def without(_):
        caps(0xffffffff & ~(1 << CAP_NET_ADMIN))
        return asked(Genl())

    def alone(_):
        PR_SET_KEEPCAPS = 8
        libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
        drop()
        caps(1 << CAP_NET_ADMIN)
        return os.geteuid(), asked(Genl())
    equal("root without it", NONE, child(without))
    equal("a user with nothing else", (NOBODY, ["0"] * 4), child(alone))


def maps(pid):
    """Root of the user namespace of pid is nobody outside."""
    with open(f"/proc/{pid}/uid_map", "w") as f:
        f.write(f"0 {NOBODY} 1\n")
    with open(f"/proc/{pid}/setgroups", "w") as f:
        f.write("deny")
    with open(f"/proc/{pid}/gid_map", "w") as f:
        f.write(f"0 {NOBODY} 1\n")


def in_userns(ready):
    """The rest of this child is root of a user namespace, and of a network
    namespace of its own."""
    drop()
    # /proc/self belongs to root after a change of rights
    libc.prctl(4, 1, 0, 0, 0)   # PR_SET_DUMPABLE
    unshare(CLONE_NEWUSER | CLONE_NEWNET)
    ready()
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def have_userns():
    try:
        with open("/proc/sys/user/max_user_namespaces") as f:
            if not int(f.read()):
                skip("no user namespaces here")
    except OSError:
        skip("no user namespaces here")
    clone = "/proc/sys/kernel/unprivileged_userns_clone"
    if os.path.exists(clone):
        with open(clone, "w") as f:
            f.write("1")


@point("a user namespace: a device of its own, created, set, shown, up")
def _():
    have_userns()

    def work(ready):
        in_userns(ready)
        r, g = Route(), Genl()
        out = [r.change("lo", up=True).name, r.add("wg0").name]
        out += [g.set(attr(DEV.PRIVATE_KEY, PRIVATE),
                      u16(DEV.LISTEN_PORT, 5001), u32(DEV.FWMARK, 5),
                      peers(peer(K1, attr(PEER.PRESHARED_KEY, PSK),
                                 ips("10.0.0.0/8")))).name,
                r.change("wg0", up=True).name,
                g.set(u16(DEV.LISTEN_PORT, 5002)).name]
        d = g.show()
        out += [d.num(DEV.LISTEN_PORT), d.num(DEV.FWMARK),
                d.attrs[DEV.PRIVATE_KEY] == PRIVATE,
                d.peers[0][PEER.PRESHARED_KEY] == PSK, d.ips(K1)]
        out += [r.delete("wg0").name]
        return out
    equal("answers, and what GET shows", [
        "0", "0", "0", "0", "0", 5002, 5, True, True, ["10.0.0.0/8"], "0"],
        child(work, maps))


@point("a user namespace sees and sets nothing outside")
def _():
    have_userns()
    fresh()
    outer = Netns.current()

    def work(ready):
        g = Genl()              # of the outer network namespace
        in_userns(ready)
        return asked(g), asked(Genl())
    there, here = child(work, maps)
    equal("by a socket of the outer namespace", NONE, there)
    equal("by its own socket", ["ENODEV"] * 4, here)
    outer.close()


@point("a device from outside: port and mark stay outside's, the rest is its own")
def _():
    have_userns()
    fresh("wg5")
    need("port", wg.set(u16(DEV.LISTEN_PORT, 5005), name="wg5"))

    def give(pid):
        maps(pid)
        ns = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
        need("moved", rt.change("wg5", attr(IFLA.NET_NS_FD,
                                            struct.pack("=I", ns))))
        os.close(ns)

    def work(ready):
        in_userns(ready)
        g, r = Genl(), Route()
        out = []
        for what, *attrs in (
                ("a peer", peers(peer(K2, u16(PEER.KEEPALIVE, 7)))),
                ("the key", attr(DEV.PRIVATE_KEY, PSK)),
                ("replace", u32(DEV.FLAGS, REPLACE_PEERS),
                 peers(peer(K2))),
                ("the port", u16(DEV.LISTEN_PORT, 5006)),
                ("the same port", u16(DEV.LISTEN_PORT, 5005)),
                ("the mark", u32(DEV.FWMARK, 1)),
                ("the mark with a peer and a key", u32(DEV.FWMARK, 1),
                 u32(DEV.FLAGS, REPLACE_PEERS), peers(peer(K1)),
                 attr(DEV.PRIVATE_KEY, bytes(32)))):
            a = g.set(*attrs, name="wg5")
            out.append((what, a.name, bool(a.text)))
        d = g.show("wg5")
        return out, (d.num(DEV.LISTEN_PORT), d.num(DEV.FWMARK), d.keys,
                     d.attrs[DEV.PRIVATE_KEY] == clamp(PSK))
    out, shown = child(work, give)
    for what, got, said in out:
        outside = "port" in what or "mark" in what
        equal(what, "EPERM" if outside else "0", got)
        if ADIT and outside:
            true(f"{what}: a text that says why", said)
    equal("afterwards: port, mark, peers, key", (5005, 0, [K2], True), shown)


@point("the birth namespace is gone: EPERM for root too, the rest goes on")
def _():
    birth = Netns()
    here = Netns.current()
    with birth:
        r = Route()
        need("made there", r.add("wg6"))
        need("moved here", r.change("wg6", attr(IFLA.NET_NS_FD,
                                                struct.pack("=I", here.fd))))
        r.close()
    ok("port, while it is there", wg.set(u16(DEV.LISTEN_PORT, 5010),
                                         name="wg6"))
    ok("mark, while it is there", wg.set(u32(DEV.FWMARK, 1), name="wg6"))
    birth.close()
    here.close()
    wait("it is gone", lambda: wg.set(u32(DEV.FWMARK, 2),
                                      name="wg6").name == "EPERM", 30)
    for what, *attrs in (("port", u16(DEV.LISTEN_PORT, 5011)),
                         ("the same port", u16(DEV.LISTEN_PORT, 5010)),
                         ("mark", u32(DEV.FWMARK, 3))):
        a = wg.set(*attrs, name="wg6")
        equal(what, "EPERM", a.name)
        if ADIT:
            true(f"{what}: a text that says why", a.text)
    ok("a peer and a key", wg.set(attr(DEV.PRIVATE_KEY, PRIVATE),
                                  peers(peer(K1)), name="wg6"))
    d = wg.show("wg6")
    equal("port and peers", (5010, [K1]), (d.num(DEV.LISTEN_PORT), d.keys))
    equal("up", "ENONET", rt.change("wg6", up=True).name)
    ok("deleting it", rt.delete("wg6"))


run("who may")
