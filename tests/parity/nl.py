# SPDX-License-Identifier: GPL-2.0-only
"""Netlink by hand: attributes are built and taken apart as bytes, so that wrong ones can be made too."""

import errno
import struct

# The family's id is another after each load: in streams and answers it is this.
FAMILY = 0xff00

NLM_F_REQUEST, NLM_F_MULTI, NLM_F_ACK = 1, 2, 4
NLM_F_DUMP_INTR = 0x10
NLM_F_DUMP, NLM_F_EXCL, NLM_F_CREATE = 0x300, 0x200, 0x400
NLMSG_ERROR, NLMSG_DONE = 2, 3
RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
NLA_F_NESTED = 0x8000
NLA_TYPE_MASK = 0x3fff
GET, SET = 0, 1

AIP = {1: ('FAMILY', 'u16'), 2: ('IPADDR', 'hex'), 3: ('CIDR_MASK', 'u8'), 4: ('FLAGS', 'u32')}
PEER = {1: ('PUBLIC_KEY', 'hex'), 2: ('PRESHARED_KEY', 'hex'), 3: ('FLAGS', 'u32'),
        4: ('ENDPOINT', 'hex'), 5: ('PERSISTENT_KEEPALIVE_INTERVAL', 'u16'),
        6: ('LAST_HANDSHAKE_TIME', 'hex'), 7: ('RX_BYTES', 'u64'), 8: ('TX_BYTES', 'u64'),
        9: ('ALLOWEDIPS', ('array', AIP)), 10: ('PROTOCOL_VERSION', 'u32')}
DEVICE = {1: ('IFINDEX', 'u32'), 2: ('IFNAME', 'str'), 3: ('PRIVATE_KEY', 'hex'),
          4: ('PUBLIC_KEY', 'hex'), 5: ('FLAGS', 'u32'), 6: ('LISTEN_PORT', 'u16'),
          7: ('FWMARK', 'u32'), 8: ('PEERS', ('array', PEER))}
LINKINFO = {1: ('KIND', 'str'), 2: ('DATA', 'hex')}
LINK = {1: ('ADDRESS', 'hex'), 3: ('IFNAME', 'str'), 4: ('MTU', 'u32'), 13: ('TXQLEN', 'u32'),
        18: ('LINKINFO', LINKINFO), 28: ('NET_NS_FD', 'u32'), 31: ('NUM_TX_QUEUES', 'u32'),
        32: ('NUM_RX_QUEUES', 'u32'), 16: ('OPERSTATE', 'u8'), 17: ('LINKMODE', 'u8'), 27: ('GROUP', 'u32'),
        7: ('STATS', 'hex'), 23: ('STATS64', 'hex'), 6: ('QDISC', 'str'), 33: ('CARRIER', 'u8'),
        35: ('CARRIER_CHANGES', 'u32'), 50: ('MIN_MTU', 'u32'), 51: ('MAX_MTU', 'u32'),
        40: ('GSO_MAX_SEGS', 'u32'), 41: ('GSO_MAX_SIZE', 'u32'), 20: ('NUM_VF', 'u32')}
ACK = {1: ('MSG', 'str'), 2: ('OFFS', 'u32'), 3: ('COOKIE', 'hex'), 4: ('POLICY', 'hex'),
       5: ('MISS_TYPE', 'u32'), 6: ('MISS_NEST', 'u32')}


def attr(kind, data=b'', length=None):
    """An attribute; data may be a list of such. length: the one it claims."""
    if isinstance(data, (list, tuple)):
        data = b''.join(data)
    n = len(data) + 4 if length is None else length
    return struct.pack('=HH', n & 0xffff, kind) + data + b'\0' * (-len(data) % 4)


def u8(v): return struct.pack('=B', v & 0xff)
def u16(v): return struct.pack('=H', v & 0xffff)
def u32(v): return struct.pack('=I', v & 0xffffffff)
def nest(kind, items): return attr(kind | NLA_F_NESTED, items)


def message(kind, flags, seq, body):
    return struct.pack('=IHHII', 16 + len(body), kind, flags, seq, 0) + body


def genl(cmd, flags, seq, attrs, version=1):
    return message(FAMILY, flags | NLM_F_REQUEST, seq, struct.pack('=BBH', cmd, version, 0) + b''.join(attrs))


def rtnl(kind, flags, seq, attrs, index=0, ifi_flags=0, change=0):
    return message(kind, flags | NLM_F_REQUEST, seq,
                   struct.pack('=BBHiII', 0, 0, 0, index, ifi_flags, change) + b''.join(attrs))


def messages(data):
    """(type, flags, seq, pid, body) for each message in data."""
    at = 0
    while at + 16 <= len(data):
        n, kind, flags, seq, pid = struct.unpack_from('=IHHII', data, at)
        if n < 16 or at + n > len(data):
            yield kind, flags, seq, pid, data[at + 16:]
            return
        yield kind, flags, seq, pid, data[at + 16:at + n]
        at += (n + 3) & ~3


def attrs(data):
    """(raw type, payload, whole) for each attribute; what is left over comes as (None, rest, rest)."""
    at = 0
    while at + 4 <= len(data):
        n, kind = struct.unpack_from('=HH', data, at)
        if n < 4 or at + n > len(data):
            yield None, data[at:], data[at:]
            return
        yield kind, data[at + 4:at + n], data[at:at + ((n + 3) & ~3)]
        at += (n + 3) & ~3
    if at < len(data):
        yield None, data[at:], data[at:]


def value(how, data):
    size = {'u8': 1, 'u16': 2, 'u32': 4, 'u64': 8}.get(how)
    if size == len(data):
        return str(int.from_bytes(data, 'little'))
    if how == 'str':
        return repr(data.rstrip(b'\0').decode('latin1')) + ('' if data.endswith(b'\0') else ' (no NUL)')
    return data.hex()


def show(data, table, deep=0):
    """Lines of text for attributes."""
    pad = '  ' * deep
    for kind, payload, _ in attrs(data):
        if kind is None:
            yield f'{pad}rest {payload.hex()}'
            continue
        name, how = table.get(kind & NLA_TYPE_MASK, (f'attribute {kind & NLA_TYPE_MASK}', 'hex'))
        mark = ' nested' if kind & NLA_F_NESTED else ''
        mark += ' net-order' if kind & 0x4000 else ''
        if isinstance(how, tuple):
            yield f'{pad}{name}{mark}'
            for k, p, w in attrs(payload):
                if k is None:
                    yield f'{pad}  rest {p.hex()}'
                else:
                    yield f'{pad}  [{k & NLA_TYPE_MASK}{" nested" if k & NLA_F_NESTED else ""}]'
                    yield from show(p, how[1], deep + 2)
        elif isinstance(how, dict):
            yield f'{pad}{name}{mark}'
            yield from show(payload, how, deep + 1)
        else:
            yield f'{pad}{name}{mark} = {value(how, payload)}'


def error_name(code):
    return {95: 'EOPNOTSUPP'}.get(-code) or errno.errorcode.get(-code, str(-code)) if code else 'success'


def error_of(kind, flags, body):
    """(errno, extack attributes as a dict) of an ERROR or DONE, else None."""
    if kind not in (NLMSG_ERROR, NLMSG_DONE) or len(body) < 4:
        return None
    code = struct.unpack_from('=i', body)[0]
    at = 20 if kind == NLMSG_ERROR else 4
    return code, {k & NLA_TYPE_MASK: p for k, p, _ in attrs(body[at:]) if k is not None}


def show_messages(data):
    for kind, flags, seq, _, body in messages(data):
        err = error_of(kind, flags, body)
        if err:
            word = 'DONE' if kind == NLMSG_DONE else 'ERROR'
            yield f'{word} {error_name(err[0])} flags {flags:#x} seq {seq}'
            yield from show(body[20 if kind == NLMSG_ERROR else 4:], ACK, 1)
        elif kind == FAMILY:
            yield f'wireguard {["GET_DEVICE", "SET_DEVICE"][body[0]] if body[:1] in (b"0", bytes(1), bytes([1])) else body[:1].hex()}' \
                  f' version {body[1] if len(body) > 1 else "-"} flags {flags:#x} seq {seq}'
            yield from show(body[4:], DEVICE, 1)
        elif kind in (RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK) and len(body) >= 16:
            _, _, hw, index, fl, change = struct.unpack_from('=BBHiII', body)
            yield f'link message {kind} flags {flags:#x} seq {seq}: index {index} type {hw:#x} flags {fl:#x}/{change:#x}'
            yield from show(body[16:], LINK, 1)
        else:
            yield f'message {kind:#x} flags {flags:#x} seq {seq}: {body.hex()}'
