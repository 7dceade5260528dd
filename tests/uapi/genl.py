# SPDX-License-Identifier: GPL-2.0-only
"""Raw netlink for the tests of this directory: messages made byte by byte,
well-formed or not, and answers taken apart, extended acks included.

The numbers are those of linux/netlink.h, linux/genetlink.h,
linux/rtnetlink.h, linux/if_link.h and linux/wireguard.h.
"""

import ctypes
import errno
import os
import socket
import struct

libc = ctypes.CDLL(None, use_errno=True)
SLOW = float(os.environ.get("ADIT_SLOW", "1"))

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000

NETLINK_ROUTE, NETLINK_KOBJECT_UEVENT, NETLINK_GENERIC = 0, 15, 16
SOL_NETLINK, NETLINK_CAP_ACK, NETLINK_EXT_ACK = 270, 10, 11

NLM_F_REQUEST, NLM_F_MULTI, NLM_F_ACK, NLM_F_DUMP_INTR = 1, 2, 4, 0x10
NLM_F_DUMP = 0x300
NLM_F_EXCL, NLM_F_CREATE = 0x200, 0x400
NLM_F_CAPPED, NLM_F_ACK_TLVS = 0x100, 0x200
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLA_F_NESTED = 0x8000
NLA_TYPE_MASK = 0x3fff

GENL_ID_CTRL = 16
CTRL_CMD_GETFAMILY, CTRL_CMD_GETPOLICY = 3, 10

GET_DEVICE, SET_DEVICE = 0, 1
REPLACE_PEERS = 1
REMOVE_ME, REPLACE_ALLOWEDIPS, UPDATE_ONLY = 1, 2, 4
IP_REMOVE_ME = 1


class DEV:
    (IFINDEX, IFNAME, PRIVATE_KEY, PUBLIC_KEY, FLAGS, LISTEN_PORT, FWMARK,
     PEERS) = range(1, 9)


class PEER:
    (PUBLIC_KEY, PRESHARED_KEY, FLAGS, ENDPOINT, KEEPALIVE, LAST_HANDSHAKE,
     RX_BYTES, TX_BYTES, ALLOWEDIPS, PROTOCOL_VERSION) = range(1, 11)


class AIP:
    FAMILY, IPADDR, CIDR_MASK, FLAGS = range(1, 5)


# ------------------------------------------------------------ attributes

def attr(kind, data=b""):
    n = 4 + len(data)
    return struct.pack("=HH", n, kind) + data + bytes(-n % 4)


def nest(kind, *items):
    return attr(kind | NLA_F_NESTED, b"".join(items))


def u8(kind, v):
    return attr(kind, struct.pack("=B", v))


def u16(kind, v):
    return attr(kind, struct.pack("=H", v))


def u32(kind, v):
    return attr(kind, struct.pack("=I", v))


def text(kind, s):
    return attr(kind, s.encode() + b"\0")


def parse(data):
    """The attributes of data: (type, flags, payload); ValueError if bad."""
    out = []
    at = 0
    while at < len(data):
        if len(data) - at < 4:
            raise ValueError("bytes left over after the last attribute")
        n, kind = struct.unpack_from("=HH", data, at)
        if n < 4 or at + n > len(data):
            raise ValueError(f"attribute of length {n} at {at}")
        out.append((kind & NLA_TYPE_MASK, kind & ~NLA_TYPE_MASK,
                    data[at + 4:at + n]))
        at += n + (-n % 4)
    return out


def one(data):
    """The same as a dictionary; an attribute that comes twice is an error."""
    out = {}
    for kind, _, payload in parse(data):
        if kind in out:
            raise ValueError(f"attribute {kind} comes twice")
        out[kind] = payload
    return out


# ------------------------------------------------------------ the socket

class Answer:
    """What came back: error is an errno, 0 for success."""

    def __init__(self):
        self.error = 0
        self.text = ""
        self.offset = None      # of the attribute that was wrong
        self.messages = []      # (type, flags, payload)
        self.sizes = []         # of the datagrams

    @property
    def name(self):
        if self.error == errno.EOPNOTSUPP:
            return "EOPNOTSUPP"     # Python knows the number as ENOTSUP
        return errno.errorcode.get(self.error, str(self.error))

    @property
    def interrupted(self):
        return any(f & NLM_F_DUMP_INTR for _, f, _ in self.messages)


class Netlink:
    def __init__(self, protocol=NETLINK_GENERIC, ext_ack=True, room=1 << 16,
                 rcvbuf=0):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        self.room = room
        self.seq = 0
        self.sent = b""         # the last request, to compare offsets with
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        if ext_ack:
            self.sock.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        self.sock.settimeout(60 * SLOW)
        self.sock.bind((0, 0))

    def close(self):
        self.sock.close()

    def send(self, kind, flags, payload):
        self.seq += 1
        self.sent = struct.pack("=IHHII", 16 + len(payload), kind,
                                NLM_F_REQUEST | flags, self.seq, 0) + payload
        self.sock.sendall(self.sent)
        return self.seq

    def datagram(self):
        """One datagram: its messages (type, flags, seq, whole payload)."""
        data, _, flags, _ = self.sock.recvmsg(self.room)
        if flags & socket.MSG_TRUNC:
            raise ValueError("an answer did not fit the buffer")
        out = []
        at = 0
        while at + 16 <= len(data):
            n, kind, flags, seq, _ = struct.unpack_from("=IHHII", data, at)
            if n < 16 or at + n > len(data):
                raise ValueError("an answer of a bad length")
            out.append((kind, flags, seq, data[at + 16:at + n]))
            at += n + (-n % 4)
        return len(data), out

    def _end(self, answer, kind, flags, payload):
        answer.error = -struct.unpack_from("=i", payload)[0]
        at = 4
        if kind == NLMSG_ERROR:
            at += 16
            if not flags & NLM_F_CAPPED:
                n = struct.unpack_from("=I", payload, 4)[0] - 16
                at += n + (-n % 4)
        if flags & NLM_F_ACK_TLVS:
            tlvs = one(payload[at:])
            answer.text = tlvs.get(1, b"").rstrip(b"\0").decode()
            if 2 in tlvs:
                answer.offset = struct.unpack("=I", tlvs[2])[0]

    def collect(self, seq, between=None, limit=0):
        """Reads the answer to its end. between() is called after each
        datagram of a dump; more than limit datagrams are an error."""
        answer = Answer()
        while True:
            size, messages = self.datagram()
            answer.sizes.append(size)
            for kind, flags, of, payload in messages:
                if of != seq:
                    continue
                if kind == NLMSG_ERROR or kind == NLMSG_DONE:
                    if kind == NLMSG_DONE:
                        answer.messages.append((kind, flags, payload))
                    self._end(answer, kind, flags, payload)
                    return answer
                answer.messages.append((kind, flags, payload))
            if limit and len(answer.sizes) >= limit:
                raise ValueError(f"no end after {limit} datagrams")
            if between:
                between()

    def ask(self, kind, flags, payload, **how):
        return self.collect(self.send(kind, flags | NLM_F_ACK, payload), **how)


def genl(cmd, *attrs, version=1):
    return struct.pack("=BBH", cmd, version, 0) + b"".join(attrs)


class Genl(Netlink):
    """A socket of the family "wireguard"."""
    ids = {}

    def __init__(self, **how):
        super().__init__(NETLINK_GENERIC, **how)
        if not self.ids:
            self.ids["wireguard"] = self.find("wireguard")
        self.family = self.ids["wireguard"]

    def find(self, name):
        seq = self.send(GENL_ID_CTRL, NLM_F_ACK,
                        genl(CTRL_CMD_GETFAMILY, text(2, name)))
        a = self.collect(seq)
        if a.error:
            raise OSError(a.error, f"family {name}: {os.strerror(a.error)}")
        return struct.unpack("=H", one(a.messages[0][2][4:])[1])[0]

    def set(self, *attrs, name="wg0", flags=0, **how):
        head = (text(DEV.IFNAME, name),) if name else ()
        return self.ask(self.family, flags, genl(SET_DEVICE, *head, *attrs),
                        **how)

    def get(self, *attrs, name="wg0", **how):
        head = (text(DEV.IFNAME, name),) if name else ()
        return self.ask(self.family, NLM_F_DUMP,
                        genl(GET_DEVICE, *head, *attrs), **how)

    def show(self, name="wg0", **how):
        a = self.get(name=name, **how)
        if a.error:
            raise OSError(a.error, f"get {name}: {os.strerror(a.error)}")
        return Device(a)


# ------------------------------------------------------------ a device shown

def number(data):
    return int.from_bytes(data, "little" if struct.pack("=H", 1)[0] else "big")


class Device:
    """The parts of a dump put together again, as linux/wireguard.h tells:
    the first message has the device; later ones IFNAME and more peers; a
    first peer with the key of the last one so far goes on with it."""

    def __init__(self, answer):
        self.parts = []         # attributes of each message
        self.peers = []         # dictionaries; [PEER.ALLOWEDIPS] is bytes
        for kind, _, payload in answer.messages:
            if kind == NLMSG_DONE:
                continue
            part = one(payload[4:])
            fresh = not self.parts
            self.parts.append(part)
            first = True
            for _, _, data in parse(part.get(DEV.PEERS, b"")):
                peer = one(data)
                if (first and not fresh and self.peers and
                        self.peers[-1][PEER.PUBLIC_KEY] ==
                        peer[PEER.PUBLIC_KEY]):
                    extra = set(peer) - {PEER.PUBLIC_KEY, PEER.ALLOWEDIPS}
                    if extra:
                        raise ValueError(f"a peer goes on with {extra}")
                    self.peers[-1].setdefault(PEER.ALLOWEDIPS, b"")
                    self.peers[-1][PEER.ALLOWEDIPS] += \
                        peer.get(PEER.ALLOWEDIPS, b"")
                else:
                    self.peers.append(peer)
                first = False
        self.attrs = self.parts[0] if self.parts else {}

    def num(self, kind):
        return number(self.attrs[kind])

    @property
    def keys(self):
        return [p[PEER.PUBLIC_KEY] for p in self.peers]

    def peer(self, key):
        for p in self.peers:
            if p[PEER.PUBLIC_KEY] == key:
                return p
        return None

    def ips(self, key):
        """The allowed IPs of a peer as "10.0.0.0/8", in the dump's order."""
        return [ip_text(e) for _, _, e in
                parse(self.peer(key).get(PEER.ALLOWEDIPS, b""))]


def ip_text(data):
    a = one(data)
    return "%s/%d" % (socket.inet_ntop(number(a[AIP.FAMILY]), a[AIP.IPADDR]),
                      number(a[AIP.CIDR_MASK]))


# ------------------------------------------------------------ what is sent

def ip(prefix, *more):
    """The nest of one allowed IP, from "10.0.0.0/8"."""
    addr, mask = prefix.split("/")
    family = socket.AF_INET6 if ":" in addr else socket.AF_INET
    return nest(0, u16(AIP.FAMILY, family),
                attr(AIP.IPADDR, socket.inet_pton(family, addr)),
                u8(AIP.CIDR_MASK, int(mask)), *more)


def unip(prefix):
    """The same, to be removed."""
    return ip(prefix, u32(AIP.FLAGS, IP_REMOVE_ME))


def ips(*prefixes):
    return nest(PEER.ALLOWEDIPS, *(ip(p) for p in prefixes))


def peer(key, *attrs):
    return nest(0, attr(PEER.PUBLIC_KEY, key), *attrs)


def peers(*items):
    return nest(DEV.PEERS, *items)


def in4(addr, port):
    return struct.pack("=H", socket.AF_INET) + struct.pack(">H", port) + \
        socket.inet_aton(addr) + bytes(8)


def in6(addr, port, flow=0, scope=0):
    return struct.pack("=H", socket.AF_INET6) + \
        struct.pack(">HI", port, flow) + \
        socket.inet_pton(socket.AF_INET6, addr) + struct.pack("=I", scope)


def key(n):
    """A public key like no other; any 32 bytes will do."""
    return b"key " + n.to_bytes(28, "big")


def clamp(priv):
    k = bytearray(priv)
    k[0] &= 248
    k[31] = k[31] & 127 | 64
    return bytes(k)


def public(priv):
    """X25519 of the base point, RFC 7748."""
    p = 2 ** 255 - 19
    k = int.from_bytes(clamp(priv), "little")
    x2, z2, x3, z3, swap = 1, 0, 9, 1, 0
    for t in range(254, -1, -1):
        bit = k >> t & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        da, cb = d * a % p, c * b % p
        x3, z3 = (da + cb) ** 2 % p, 9 * (da - cb) ** 2 % p
        aa, bb = a * a % p, b * b % p
        e = aa - bb
        x2, z2 = aa * bb % p, e * (aa + 121665 * e) % p
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, p - 2, p) % p).to_bytes(32, "little")


# ------------------------------------------------------------ links

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_NEWNSID = 16, 17, 18, 88
IFF_UP = 1


class IFLA:
    ADDRESS, BROADCAST, IFNAME, MTU = 1, 2, 3, 4
    TXQLEN, MASTER, LINKINFO, NET_NS_FD = 13, 10, 18, 28
    LINK_NETNSID = 37
    INFO_KIND, INFO_DATA = 1, 2


class Route(Netlink):
    def __init__(self, **how):
        super().__init__(NETLINK_ROUTE, **how)

    def link(self, kind, flags, *attrs, index=0, up=None, **how):
        head = struct.pack("=BxHiII", 0, 0, index, IFF_UP if up else 0,
                           0 if up is None else IFF_UP)
        return self.ask(kind, flags, head + b"".join(attrs), **how)

    def add(self, name, *attrs, kind="wireguard", info=()):
        head = (text(IFLA.IFNAME, name),) if name else ()
        return self.link(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, *head,
                         nest(IFLA.LINKINFO, text(IFLA.INFO_KIND, kind),
                              *info), *attrs)

    def delete(self, name):
        return self.link(RTM_DELLINK, 0, text(IFLA.IFNAME, name))

    def change(self, name, *attrs, up=None):
        return self.link(RTM_NEWLINK, 0, text(IFLA.IFNAME, name), *attrs,
                         up=up)

    def shown(self, name):
        """(ARPHRD type, index, flags, attributes) of a link, or None."""
        a = self.link(RTM_GETLINK, 0, text(IFLA.IFNAME, name))
        if a.error:
            return None
        data = a.messages[0][2]
        _, kind, index, flags, _ = struct.unpack_from("=BxHiII", data)
        return kind, index, flags, one(data[16:])


# ------------------------------------------------------------ namespaces

def _call(name, *args):
    if getattr(libc, name)(*args):
        e = ctypes.get_errno()
        raise OSError(e, f"{name}: {os.strerror(e)}")


def unshare(flags):
    _call("unshare", flags)


class Netns:
    """A network namespace: Netns() makes one, Netns.current() is ours.
    "with ns:" works in it."""

    def __init__(self, fd=-1):
        self.stack = []
        if fd < 0:
            old = Netns.current()
            unshare(CLONE_NEWNET)
            fd = Netns.current().fd
            _call("setns", old.fd, CLONE_NEWNET)
            old.close()
        self.fd = fd

    @staticmethod
    def current():
        return Netns(os.open("/proc/thread-self/ns/net", os.O_RDONLY))

    def __enter__(self):
        self.stack.append(Netns.current())
        _call("setns", self.fd, CLONE_NEWNET)
        return self

    def __exit__(self, *_):
        old = self.stack.pop()
        _call("setns", old.fd, CLONE_NEWNET)
        old.close()

    def close(self):
        os.close(self.fd)
