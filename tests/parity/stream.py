#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Usage: stream.py SEED COUNT FILE
       stream.py lacks

Plays COUNT requests, all generated from SEED alone, to the WireGuard driver
that is loaded, in network namespaces of its own, and writes the answers to
FILE: a line a request, "NUMBER SOCKET HEX-REQUEST HEX-ANSWERS" (answers of
several receives parted by commas).

Sockets: A, in the namespace where devices are made; S, the same with a
small buffer, so that dumps come in many messages; B, in another; C, in a
third that belongs to a user namespace with no rights in the first two; D,
there too, of root; U, in the first, of a user with no rights.

The namespaces have no route at all, routers are not asked for, and no
keepalive comes due in the time a stream takes: nothing is ever sent, and no
counter moves by itself but that of handshakes that find no route.

lacks: prints what the driver that is loaded lacks of the newest one's
interface. With that in the environment as PARITY_LACKS, a stream is made so
that the two part seldom:

  remove-me     an allowed IP with flags is refused: none is asked for
  nested-policy what is wrong inside of a peer is found only when that peer's
                turn comes: such a request is marked as late
  get-policy    what only a SET understands is taken in a GET, too"""

import ctypes
import errno
import os
import random
import socket
import struct
import sys

import nl
from nl import attr, nest, u8, u16, u32

CLONE_NEWNET, CLONE_NEWUSER = 0x40000000, 0x10000000
NETLINK_GENERIC = 16
SOL_NETLINK, NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_STRICT = 270, 10, 11, 12
AUTO_PORTS = (50000, 59999)     # what port 0 picks from; never asked for by number
FD_A, FD_B, FD_C = 200, 201, 202

LACKS = frozenset(os.environ.get('PARITY_LACKS', '').split())

P = (1 << 255) - 19


def x25519_base(k):
    n = int.from_bytes(k, 'little') & ~7 & ~(1 << 255) | 1 << 254
    x2, z2, x3, z3, swap = 1, 0, 9, 1, 0
    for t in reversed(range(255)):
        bit = n >> t & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a % P, b * b % P, d * a % P, c * b % P
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P, 9 * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, 'little')


class Op:
    __slots__ = ('sock', 'data', 'tags', 'middle')

    def __init__(self, sock, data, tags=(), middle=None):
        self.sock, self.data, self.tags, self.middle = sock, data, frozenset(tags), middle


class Generator:
    NAMES = ['wg0', 'wg1', 'wg2', 'wg3']

    def __init__(self, seed):
        self.r = random.Random(f'adit parity {seed}')
        self.seq = 0
        rb = self.r.randbytes
        self.own = [rb(32) for _ in range(4)]
        self.peers = [rb(32) for _ in range(10)]
        self.peers += [x25519_base(k) for k in self.own]        # a peer can have the device's own key
        self.peers += [bytes(32), b'\1' + bytes(31), b'\xff' * 32]      # of low order, not canonical
        self.many = [rb(32) for _ in range(300)]
        self.queue = []

    # --- parts -------------------------------------------------------------

    def odds(self, one_in):
        return self.r.randrange(one_in) == 0

    def pick(self, *choices):
        return self.r.choice(choices)

    def ports(self):
        p = self.pick(0, 1100, 1100, 1101, 1102, 1103, 51820, self.r.randrange(65536))
        return 1104 if AUTO_PORTS[0] <= p <= AUTO_PORTS[1] else p

    def which(self, wrong=True):
        """Attributes that name a device."""
        n = self.r.randrange(4)
        if wrong and self.odds(40):
            return self.pick([], [attr(1, u32(self.r.randrange(60))), attr(2, b'wg0\0')],
                             [attr(2, b'lo\0')], [attr(1, u32(1))], [attr(2, b'none\0')],
                             [attr(2, b'\0')], [attr(2, b'wg0')], [attr(2, b'x' * 15 + b'\0')],
                             [attr(2, b'x' * 16 + b'\0')], [attr(1, u32(0))], [attr(1, u32(0xffffffff))])
        if self.odds(3):
            return [attr(1, u32(10 + n))]
        return [attr(2, self.NAMES[n].encode() + b'\0')]

    def allowed_ip(self):
        r, v6 = self.r, self.odds(2)
        if v6:
            a = bytes([0xfd, 0, r.randrange(2), 0] + [0] * 8 + [r.randrange(2) << 7, 0, r.randrange(4), r.randrange(256)])
            m = self.pick(0, 8, 16, 31, 32, 33, 63, 64, 65, 96, 97, 120, 124, 127, 128, 128, 128)
        else:
            a = bytes([10, r.randrange(2), r.randrange(4), r.randrange(256)])
            m = self.pick(0, 1, 7, 8, 9, 15, 16, 20, 23, 24, 25, 28, 30, 31, 32, 32, 32)
        if self.odds(8):
            a = r.randbytes(len(a))
        parts = [attr(1, u16(socket.AF_INET6 if v6 else socket.AF_INET)), attr(2, a), attr(3, u8(m))]
        if self.odds(6) and 'remove-me' not in LACKS:
            parts.append(attr(4, u32(1)))
        if self.odds(4):
            r.shuffle(parts)
        if self.odds(120):
            i = r.randrange(len(parts))
            bad = self.pick(attr(1, u16(self.pick(0, 1, 2, 10, 10, 3))), attr(2, r.randbytes(self.pick(4, 16, 5, 8, 3, 17))),
                            attr(3, u8(self.pick(33, 129, 128, 255))), attr(4, u32(self.pick(2, 3, 0x80000000))), b'',
                            attr(5, u32(1)), attr(3, u16(32)), attr(1, u32(2)))
            parts[i] = bad
        return nest(0 if self.odds(2) else r.randrange(5), parts)

    def endpoint(self):
        r = self.r
        v4 = struct.pack('=H', socket.AF_INET) + struct.pack('>H', self.ports()) + bytes([192, 0, 2, r.randrange(256)]) + bytes(8)
        v6 = struct.pack('=H', socket.AF_INET6) + struct.pack('>H', self.ports()) + u32(self.pick(0, 0, r.randrange(1 << 20))) + \
            self.pick(bytes.fromhex('20010db8') + bytes(11) + b'\1', bytes.fromhex('fe80') + bytes(13) + b'\2', bytes(10) + b'\xff\xff' + r.randbytes(4)) + \
            u32(self.pick(0, 0, 1, 10))
        good = self.pick(v4, v4, v6)
        if self.odds(8):
            return self.pick(v4[:12], v4 + bytes(4), v6[:24], v6 + bytes(8), v6 + bytes(100), struct.pack('=H', 7) + bytes(26),
                             u16(0) + v4[2:], v4[:8] + r.randbytes(8), v4 + bytes(12), v6[:16], u16(2) + v6[2:], u16(10) + v4[2:])
        return good

    def peer(self, key=None):
        r = self.r
        parts = [attr(1, key or r.choice(self.peers))]
        if self.odds(5):
            parts.append(attr(2, self.pick(bytes(32), r.randbytes(32), r.randbytes(32))))
        if self.odds(2):
            parts.append(attr(3, u32(self.pick(0, 0, 1, 2, 2, 4, 4, 5, 6, 7, 3))))
        if self.odds(150):
            parts.append(attr(3, u32(self.pick(8, 9, 0xffffffff, 16))))
        if self.odds(3):
            parts.append(attr(4, self.endpoint()))
        if self.odds(4):
            parts.append(attr(5, u16(self.pick(0, 0, 1800, 7200, 65535, 3600))))
        if self.odds(2):
            n = self.pick(0, 1, 1, 2, 3, 5, 8)
            parts.append(nest(9, [self.allowed_ip() for _ in range(n)]))
        if self.odds(8):
            parts.append(attr(10, u32(1)))
        if self.odds(200):
            parts.append(attr(10, u32(self.pick(0, 2, 0xffffffff))))
        if self.odds(30):
            parts.append(self.pick(attr(6, bytes(16)), attr(7, bytes(8)), attr(8, bytes(8)), attr(6, r.randbytes(16)), attr(0, b''), attr(0, bytes(4))))
        if self.odds(4):
            r.shuffle(parts)
        if self.odds(250):
            del parts[0]
        return nest(0 if self.odds(2) else r.randrange(12), parts)

    def set_body(self, wrong=True):
        r = self.r
        parts = self.which(wrong)
        if self.odds(8):
            parts.append(attr(3, self.pick(bytes(32), r.choice(self.own), r.choice(self.own), r.choice(self.own), r.randbytes(32), b'\xff' * 32)))
        if self.odds(12):
            parts.append(attr(5, u32(self.pick(0, 0, 1))))
        if self.odds(120):
            parts.append(attr(5, u32(self.pick(2, 3, 0x80000000))))
        if self.odds(8):
            parts.append(attr(6, u16(self.ports())))
        if self.odds(10):
            parts.append(attr(7, u32(self.pick(0, 1, 0xffffffff, r.randrange(1 << 32)))))
        if not self.odds(5):
            n = self.pick(0, 1, 1, 1, 2, 3, 6)
            parts.append(nest(8, [self.peer() for _ in range(n)]))
        if self.odds(30):
            parts.append(self.pick(attr(4, r.randbytes(32)), attr(0, b''), attr(9, b'xxxx'), attr(0, bytes(4)), attr(300, b'')))
        if self.odds(4):
            r.shuffle(parts)
        return parts

    # --- mutation ------------------------------------------------------------

    def mutate(self, data, deep=0):
        """Attributes of which one, at any depth, is changed."""
        r = self.r
        items = [[k, p, w] for k, p, w in nl.attrs(data)]
        if not items:
            return data
        i = r.randrange(len(items))
        k, p, w = items[i]
        if k is not None and k & nl.NLA_F_NESTED and len(p) >= 4 and not self.odds(3):
            items[i][2] = attr(k, self.mutate(p, deep + 1))
            return b''.join(x[2] for x in items)
        k = k or 0
        how = r.randrange(14)
        if how == 0:
            items[i][2] = b''
        elif how == 1:
            items.insert(r.randrange(len(items) + 1), [k, p, w])
        elif how == 2:
            r.shuffle(items)
        elif how == 3:
            items[i][2] = attr(k ^ nl.NLA_F_NESTED, p)
        elif how == 4:
            items[i][2] = attr(k ^ 0x4000, p)
        elif how == 5:
            items[i][2] = attr(self.pick(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 100, 0x3fff) | k & nl.NLA_F_NESTED, p)
        elif how == 6:
            items[i][2] = attr(k, p[:r.randrange(len(p) + 1)])
        elif how == 7:
            items[i][2] = attr(k, p + r.randbytes(r.randrange(1, 40)))
        elif how == 8:
            items[i][2] = attr(k, p, self.pick(0, 1, 3, 4, 5, len(p) + 3, len(p) + 5, len(p) + 8, 0xffff))
        elif how == 9:
            items[i][2] = attr(k, r.randbytes(len(p)))
        elif how == 10 and p:
            at = r.randrange(len(p))
            items[i][2] = attr(k, p[:at] + bytes([p[at] ^ 1 << r.randrange(8)]) + p[at + 1:])
        elif how == 11:
            items.insert(r.randrange(len(items) + 1), [0, b'', attr(self.pick(0, 11, 12, 13, 0x3fff, 5), r.randbytes(r.randrange(9)))])
        elif how == 12:
            items[-1][2] = items[-1][2] + r.randbytes(r.randrange(1, 5))
        else:
            items[i][2] = attr(k, b'')
        return b''.join(x[2] for x in items)

    # --- requests --------------------------------------------------------------

    def next_seq(self):
        self.seq += 1
        return self.seq

    def where(self):
        return self.pick(*'AAAAAAAAAAAAAAAABBCDU')

    def set(self):
        body = b''.join(self.set_body())
        flags, cmd, version = nl.NLM_F_ACK, nl.SET, 1
        if self.odds(5):
            for _ in range(self.pick(1, 1, 1, 2, 3)):
                body = self.mutate(body)
        if self.odds(150):
            cmd = self.pick(0, 2, 3, 255)
        if self.odds(200):
            version = self.pick(0, 2, 255)
        if self.odds(200):
            flags = self.pick(nl.NLM_F_ACK | nl.NLM_F_DUMP, nl.NLM_F_ACK | 0x100, nl.NLM_F_ACK | 0x400)
        if self.odds(250):
            body = body[:self.r.randrange(len(body) + 1)]
        # an answer must tell no port that was picked from one that was given
        data = nl.genl(cmd, flags, self.next_seq(), [body], version)
        return self.with_resync(Op(self.where(), data))

    def with_resync(self, op):
        """Where the drivers may part by a deliberate difference, the device is given a known state again. It is
        down meanwhile: else peers that one side takes and the other does not would stage keepalives, whose end is
        counted."""
        if not late_error(op.data):
            return [op]
        op = Op(op.sock, op.data, ('late', 'remove-me') if remove_me(op.data) else ('late',))
        body = next(nl.messages(op.data))[4]
        which = [w for k, p, w in nl.attrs(body[4:]) if k is not None and k & nl.NLA_TYPE_MASK in (1, 2)]
        link = self.link_of(which)
        ops = [op]
        if link:
            ops.insert(0, Op(op.sock, nl.rtnl(nl.RTM_NEWLINK, nl.NLM_F_ACK, self.next_seq(), link[0], link[1], 0, 1)))
        if self.odds(2):
            ops.append(Op(op.sock, nl.genl(nl.GET, nl.NLM_F_DUMP, self.next_seq(), which), ('after-late',)))
        n = self.r.randrange(1 << 16)
        port = 1000 + (n & 63)
        for w in which[-1:]:
            # by name and index both, whatever sits there: the port is its own
            port = 1000 + sum(w) % 97
        ops.append(Op(op.sock, nl.genl(nl.SET, nl.NLM_F_ACK, self.next_seq(),
                      which + [attr(5, u32(1)), attr(6, u16(port)), attr(7, u32(0)), attr(3, bytes(32))]), ('resync',)))
        if link and self.odds(2):
            ops.append(Op(op.sock, nl.rtnl(nl.RTM_NEWLINK, nl.NLM_F_ACK, self.next_seq(), link[0], link[1], 1, 1)))
        return ops

    def link_of(self, which):
        """For rtnetlink, the device that these attributes name for the family: (attributes, index), or None."""
        got = {k & nl.NLA_TYPE_MASK: p for w in which for k, p, _ in nl.attrs(w) if k is not None}
        if 2 in got and got[2].rstrip(b'\0').decode('latin1') in self.NAMES:
            return [attr(3, got[2].rstrip(b'\0') + b'\0')], 0
        if 1 in got and len(got[1]) >= 4 and 10 <= struct.unpack_from('=I', got[1])[0] < 14:
            return [], struct.unpack_from('=I', got[1])[0]
        return None

    def split(self):
        """One configuration over several SETs, in one send or in several."""
        which = self.which(False)
        key = self.r.choice(self.peers)
        n = self.pick(2, 3, 5)
        msgs = []
        for i in range(n):
            parts = [attr(1, key)] + ([attr(3, u32(self.pick(0, 2)))] if i == 0 else [attr(3, u32(self.pick(0, 4)))])
            parts.append(nest(9, [self.allowed_ip() for _ in range(self.pick(1, 10, 30))]))
            msgs.append(nl.genl(nl.SET, nl.NLM_F_ACK, self.next_seq(), which + [nest(8, [nest(0, parts)])]))
        sock = self.where()
        if any(late_error(m) for m in msgs):
            return [o for m in msgs for o in self.with_resync(Op(sock, m))]
        if self.odds(2):
            return [Op(sock, b''.join(msgs))]
        return [Op(sock, m) for m in msgs]

    def crowd(self):
        """Many peers or many allowed IPs at once."""
        r, peers = self.r, []
        if self.odds(2):
            peers = [self.peer(k) for k in r.sample(self.many, self.pick(20, 40, 80))]
        else:
            ips = [self.allowed_ip() for _ in range(self.pick(50, 150, 400))]
            peers = [nest(0, [attr(1, r.choice(self.peers)), attr(3, u32(self.pick(0, 2))), nest(9, ips)])]
        parts = self.which(False) + [nest(8, peers)]
        return self.with_resync(Op('A', nl.genl(nl.SET, nl.NLM_F_ACK, self.next_seq(), parts)))

    def get(self):
        which, flags, cmd, version = b''.join(self.which()), nl.NLM_F_DUMP, nl.GET, 1
        if self.odds(12):
            which = self.mutate(which)
        if self.odds(25):
            which += self.pick(attr(3, bytes(32)), attr(5, u32(0)), attr(8, b''), attr(4, bytes(32)), attr(20, b''), attr(0, b''), b'\0\0')
        if self.odds(25):
            flags = self.pick(nl.NLM_F_ACK, 0, nl.NLM_F_DUMP | nl.NLM_F_ACK, 0x100, 0x200 | nl.NLM_F_ACK)
        if self.odds(60):
            version = self.pick(0, 2, 255)
        if self.odds(60):
            which = which[:self.r.randrange(len(which) + 1)]
        sock = self.pick(*'AAAAAASSSSSSBBCDU')
        return [Op(sock, nl.genl(cmd, flags, self.next_seq(), [which], version))]

    def dump_and_set(self):
        """A SET between the messages of a dump. It adds no peer: that such a one is not part of the dump is a
        deliberate difference, which tests/uapi/changes.py looks at."""
        which = self.which(False)
        first = nl.genl(nl.GET, nl.NLM_F_DUMP, self.next_seq(), which)
        parts = which + ([nest(8, [nest(0, [attr(1, self.r.choice(self.peers)), attr(3, u32(self.pick(1, 4, 4, 6)))])])]
                         if not self.odds(4) else [])
        return [Op('S', first, (), nl.genl(nl.SET, nl.NLM_F_ACK, self.next_seq(), parts))]

    def link_add(self, n=None):
        r = self.r
        n = r.randrange(4) if n is None else n
        kind = [attr(1, b'wireguard')]
        parts = [attr(3, self.NAMES[n].encode() + b'\0')]
        index = 10 + n
        if self.odds(6):
            kind.append(nest(2, self.pick([], [attr(1, u32(1))], [attr(1, b'')], [attr(9, b'abc')])))
        if self.odds(6):
            parts.append(attr(4, u32(self.pick(0, 1, 67, 68, 1279, 1280, 1420, 1500, 9000, 65535, 65536, 0x7fffff9f, 0x7fffffa0, 2147483552, 2147483553, 0xffffffff))))
        if self.odds(15):
            parts.append(self.pick(attr(1, bytes(6)), attr(1, b''), attr(2, bytes(6)), attr(1, bytes(32))))
        if self.odds(15):
            parts.append(self.pick(attr(31, u32(1)), attr(31, u32(4)), attr(32, u32(2)), attr(31, u32(0))))
        if self.odds(15):
            parts.append(attr(13, u32(self.pick(0, 1, 1000))))
        if self.odds(12):
            parts.append(attr(28, u32(self.pick(FD_B, FD_C))))
        if self.odds(12):
            parts.append(attr(27, u32(5)))
        parts.append(nest(18, kind))
        flags = nl.NLM_F_ACK | nl.NLM_F_CREATE | (0 if self.odds(10) else nl.NLM_F_EXCL)
        up = 1 if self.odds(3) else 0
        return [Op(self.pick(*'AAAAAAAAAAAABCU'), nl.rtnl(nl.RTM_NEWLINK, flags, self.next_seq(), parts, index, up, up))]

    def link_change(self):
        r = self.r
        n = r.randrange(4)
        parts, flags, change = [], 0, 0
        by_name = self.odds(2)
        if by_name:
            parts.append(attr(3, self.NAMES[n].encode() + b'\0'))
        what = r.randrange(12)
        if what < 7:
            flags, change = (1 if self.odds(2) or self.odds(3) else 0), 1
        elif what == 7:
            parts.append(attr(4, u32(self.pick(0, 1, 67, 576, 1279, 1280, 1420, 1500, 65535, 65536, 2147483552, 2147483553, 0xffffffff))))
        elif what == 8:
            parts.append(attr(28, u32(self.pick(FD_A, FD_B, FD_B, FD_C))))
        elif what == 9:
            parts.append(self.pick(attr(1, bytes(6)), attr(13, u32(7)), attr(27, u32(3)), attr(16, u8(6)), attr(17, u8(1)), attr(33, u8(r.randrange(2))), attr(2, bytes(6))))
        elif what == 10:
            flags = change = self.pick(0x100, 0x80, 0x200, 0x1000, 0x8)
        else:
            parts.append(nest(18, [attr(1, b'wireguard'), nest(2, self.pick([], [attr(1, u32(1))]))]))
        return [Op(self.pick(*'AAAAAAAABBBCDU'), nl.rtnl(nl.RTM_NEWLINK, nl.NLM_F_ACK, self.next_seq(), parts, 0 if by_name else 10 + n, flags, change))]

    def link_back(self):
        """A device that was moved away comes back."""
        n = self.r.randrange(4)
        return [Op(self.pick('B', 'B', 'D', 'C'), nl.rtnl(nl.RTM_NEWLINK, nl.NLM_F_ACK, self.next_seq(), [attr(28, u32(FD_A))], 10 + n))]

    def link_delete(self):
        n = self.r.randrange(4)
        sock = self.pick(*'AAABCU')
        return [Op(sock, nl.rtnl(nl.RTM_DELLINK, nl.NLM_F_ACK, self.next_seq(), [], 10 + n))]

    def link_get(self):
        n = self.r.randrange(4)
        if self.odds(8):
            return [Op(self.pick(*'AB'), nl.rtnl(nl.RTM_GETLINK, nl.NLM_F_DUMP, self.next_seq(), []))]
        return [Op(self.pick(*'AAABCD'), nl.rtnl(nl.RTM_GETLINK, 0, self.next_seq(), [], 10 + n))]

    def start(self):
        ops = []
        for n in range(4):
            ops += [Op('A', nl.rtnl(nl.RTM_NEWLINK, nl.NLM_F_ACK | nl.NLM_F_CREATE | nl.NLM_F_EXCL, self.next_seq(),
                       [attr(3, self.NAMES[n].encode() + b'\0'), nest(18, [attr(1, b'wireguard')])], 10 + n))]
        return ops

    KINDS = (('set', 42), ('get', 26), ('split', 3), ('crowd', 3), ('dump_and_set', 4), ('link_add', 5),
             ('link_change', 9), ('link_back', 3), ('link_delete', 1), ('link_get', 4))

    def requests(self, count):
        names = [k for k, _ in self.KINDS]
        weights = [w for _, w in self.KINDS]
        queue = self.start()
        for _ in range(count):
            if not queue:
                queue = getattr(self, self.r.choices(names, weights)[0])()
            yield queue.pop(0)


def late_error(data):
    """True if a SET holds what only a look at the values of its peers shows to be wrong."""
    for kind, _, _, _, body in nl.messages(data):
        if kind != nl.FAMILY or body[:1] != b'\1':
            continue
        for k, p, _ in nl.attrs(body[4:]):
            if k is None or k & nl.NLA_TYPE_MASK != 8:
                continue
            if any(t is not None and not t & nl.NLA_F_NESTED or bad_peer(q) for t, q, _ in nl.attrs(p)):
                return True
    return False


def remove_me(data):
    """True if an allowed IP in it has flags."""
    for _, _, _, _, body in nl.messages(data):
        for k, p, _ in nl.attrs(body[4:]):
            if k is not None and k & nl.NLA_TYPE_MASK == 8:
                for _, peer, _ in nl.attrs(p):
                    for t, ips, _ in nl.attrs(peer):
                        if t is not None and t & nl.NLA_TYPE_MASK == 9 and \
                                any(n is not None and n & nl.NLA_TYPE_MASK == 4 for _, ip, _ in nl.attrs(ips) for n, _, _ in nl.attrs(ip)):
                            return True
    return False


def more_than_get(data):
    """True if a GET holds an attribute that only a SET understands."""
    return any(kind == nl.FAMILY and body[:1] == b'\0' and
               any(k is not None and 3 <= k & nl.NLA_TYPE_MASK <= 8 for k, _, _ in nl.attrs(body[4:]))
               for kind, _, _, _, body in nl.messages(data))


PLAIN_PEER = {1: (32,), 2: (32,), 3: (4,), 4: (16, 28), 5: (2,), 10: (4,)}
PLAIN_IP = {1: (2,), 2: (4, 16), 3: (1,)}


def plain(data):
    """True if a peer holds nothing that a policy could complain of."""
    for k, p, _ in nl.attrs(data):
        if k == 9 | nl.NLA_F_NESTED:
            if not all(t is not None and all(n in PLAIN_IP and len(q) in PLAIN_IP[n] for n, q, _ in nl.attrs(ip))
                       for t, ip, _ in nl.attrs(p)):
                return False
        elif k not in PLAIN_PEER or len(p) not in PLAIN_PEER[k]:
            return False
    return True


def bad_peer(data):
    got = {}
    if 'nested-policy' in LACKS and not plain(data):
        return True
    for k, p, _ in nl.attrs(data):
        if k is not None:
            got[k & nl.NLA_TYPE_MASK] = p
    if 1 not in got or got.get(10, u32(1)) != u32(1) or len(got.get(3, u32(0))) < 4:
        return True
    if struct.unpack_from('=I', got.get(3, u32(0)))[0] & ~7:
        return True
    for t, ip, _ in nl.attrs(got.get(9, b'')):
        if t is not None and not t & nl.NLA_F_NESTED:
            return True
        f = {}
        for k, p, _ in nl.attrs(ip):
            if k is not None:
                f[k & nl.NLA_TYPE_MASK] = p
        if not all(x in f for x in (1, 2, 3)) or len(f[1]) != 2 or len(f[3]) != 1:
            return True
        family, = struct.unpack('=H', f[1])
        if (family, len(f[2])) not in ((2, 4), (10, 16)) or f[3][0] > 8 * len(f[2]) or f.get(4, u32(0)) not in (u32(0), u32(1)):
            return True
    return False


# ------------------------------------------------------------------ playing

libc = ctypes.CDLL(None, use_errno=True)


def call(what, *args):
    if getattr(libc, what)(*args):
        e = ctypes.get_errno()
        raise OSError(e, f'{what}: {os.strerror(e)}')


class Pair:
    """A generic-netlink and an rtnl socket in the present namespace, by fixed port ids."""

    def __init__(self, room):
        self.room = room
        self.s = {}
        for proto in (NETLINK_GENERIC, socket.NETLINK_ROUTE):
            s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, proto)
            s.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
            s.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            s.setblocking(False)
            self.s[proto] = s

    def of(self, data):
        kind, = struct.unpack_from('=H', data, 4)
        return self.s[NETLINK_GENERIC if kind == nl.FAMILY else socket.NETLINK_ROUTE]

    def send(self, data, family):
        self.of(data).send(patched(data, nl.FAMILY, family))

    def receive(self, data, most=1000000):
        out, s = [], self.of(data)
        while len(out) < most:
            try:
                out.append(s.recv(self.room))
            except BlockingIOError:
                break
        return out

    def ask(self, data, family):
        self.send(data, family)
        return self.receive(data)


def patched(data, old, new):
    """Messages with another family id, and no port id."""
    if len(data) < 16:
        return data
    out, at = bytearray(data), 0
    while at + 16 <= len(out):
        n, kind = struct.unpack_from('=IH', out, at)
        if kind == old:
            struct.pack_into('=H', out, at + 4, new)
        if kind == nl.NLMSG_ERROR and len(out) >= at + 36:
            if struct.unpack_from('=H', out, at + 24)[0] == old:
                struct.pack_into('=H', out, at + 24, new)
        struct.pack_into('=I', out, at + 12, 0)
        if n < 16:
            break
        at += (n + 3) & ~3
    return bytes(out)


class Remote:
    """A Pair in a child process with a user namespace of its own."""

    def __init__(self):
        self.end, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for s in (self.end, far):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        self.pid = os.fork()
        if not self.pid:
            try:
                self.end.close()
                call('unshare', CLONE_NEWUSER | CLONE_NEWNET)
                pair = Pair(65536)
                far.send(b'ready')
                while True:
                    data = far.recv(1 << 20)
                    if not data:
                        break
                    got = pair.ask(data[2:], struct.unpack('=H', data[:2])[0])
                    far.send(struct.pack('=I', len(got)))
                    for g in got:
                        far.send(g)
            finally:
                os._exit(0)
        far.close()
        if self.end.recv(16) != b'ready':
            raise OSError('no user namespace')
        os.dup2(os.open(f'/proc/{self.pid}/ns/net', os.O_RDONLY), FD_C)

    def ask(self, data, family):
        self.end.send(struct.pack('=H', family) + data)
        n, = struct.unpack('=I', self.end.recv(16))
        return [self.end.recv(1 << 17) for _ in range(n)]


def set_up():
    """In a new namespace: the ports that port 0 picks from, and no questions for routers, which come when they like."""
    for name, value in (('ipv4/ip_local_port_range', '%d %d' % AUTO_PORTS), ('ipv6/conf/default/router_solicitations', '0')):
        with open('/proc/sys/net/' + name, 'w') as f:
            f.write(value)


def family_id():
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
    s.send(nl.message(16, nl.NLM_F_REQUEST, 1, struct.pack('=BBH', 3, 1, 0) + attr(2, b'wireguard\0')))
    for kind, _, _, _, body in nl.messages(s.recv(65536)):
        for k, p, _ in nl.attrs(body[4:]):
            if kind == 16 and k == 1:
                return struct.unpack('=H', p)[0]
    raise OSError('there is no family wireguard')


def play(seed, count, path):
    family = family_id()
    os.setgroups([])
    call('unshare', CLONE_NEWNET)
    set_up()
    os.dup2(os.open('/proc/self/ns/net', os.O_RDONLY), FD_B)
    socks = {'B': Pair(65536)}
    call('unshare', CLONE_NEWNET)
    set_up()
    os.dup2(os.open('/proc/self/ns/net', os.O_RDONLY), FD_A)
    socks['C'] = Remote()
    call('setns', FD_C, CLONE_NEWNET)
    set_up()
    socks['D'] = Pair(65536)
    call('setns', FD_A, CLONE_NEWNET)
    socks['A'], socks['S'] = Pair(65536), Pair(4096)
    os.seteuid(65534)
    socks['U'] = Pair(65536)
    os.seteuid(0)
    out = []
    for n, op in enumerate(Generator(seed).requests(count)):
        s = socks[op.sock]
        if op.middle:
            s.send(op.data, family)
            got = s.receive(op.data, 1)
            got += socks['A'].ask(op.middle, family)
            got += s.receive(op.data)
        else:
            got = s.ask(op.data, family)
        got = ','.join(patched(g, family, nl.FAMILY).hex() for g in got)
        out.append(f'{n} {op.sock} {(op.data + (op.middle or b"")).hex()} {got}\n')
    with open(path, 'w') as f:
        f.writelines(out)


def lacks():
    family = family_id()
    call('unshare', CLONE_NEWNET)
    pair = Pair(65536)
    pair.ask(nl.rtnl(nl.RTM_NEWLINK, nl.NLM_F_ACK | nl.NLM_F_CREATE, 1,
                     [attr(3, b'wg0\0'), nest(18, [attr(1, b'wireguard')])]), family)

    def error(seq, name, peer):
        got = pair.ask(nl.genl(nl.SET, nl.NLM_F_ACK, seq, [attr(2, name), nest(8, [nest(0, peer)])]), family)
        return [nl.error_of(*m[:2], m[4])[0] for g in got for m in nl.messages(g) if m[0] == nl.NLMSG_ERROR][0]

    if error(2, b'wg0\0', [attr(1, b'x' * 32)]):
        raise OSError('a peer is refused')
    flags = nest(0, [attr(1, u16(2)), attr(2, bytes(4)), attr(3, u8(32)), attr(4, u32(1))])
    if error(3, b'wg0\0', [attr(1, b'x' * 32), nest(9, [flags])]):
        print('remove-me')
    # the name is looked at first only where the peers' turn comes later
    if error(4, b'wg1\0', [attr(1, b'x' * 31)]) == -errno.ENODEV:
        print('nested-policy')
    got = pair.ask(nl.genl(nl.GET, nl.NLM_F_DUMP, 5, [attr(2, b'wg0\0'), attr(7, u32(0))]), family)
    if not any(m[0] == nl.NLMSG_ERROR for g in got for m in nl.messages(g)):
        print('get-policy')


if __name__ == '__main__':
    if sys.argv[1:] == ['lacks']:
        lacks()
        sys.exit()
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    play(sys.argv[1], int(sys.argv[2]), sys.argv[3])
