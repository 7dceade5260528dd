#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Usage: outside.py SEED FILE

Writes what can be seen of the WireGuard driver that is loaded, as lines
"NAME: VALUE": its netlink family, its devices in sysfs, procfs and the
output of tools, the messages of a fixed traffic field by field, ICMP errors,
counters, a configuration of 1,000 peers. What is random is left out by
name: indices, keys and tags of messages, IP ids that are not 0 (as "id=x"),
flow labels that are not 0, socket inodes."""

import base64
import ctypes
import errno
import os
import random
import re
import select
import socket
import struct
import subprocess
import sys
import time

import nl
from stream import CLONE_NEWNET, call, family_id, x25519_base

SLOW = int(os.environ.get('ADIT_SLOW', '1'))
OUT = []
PRIV = {h: bytes([i + 1] * 32) for i, h in enumerate('abcd')}
PUB = {h: base64.b64encode(x25519_base(k)).decode() for h, k in PRIV.items()}
HOME = os.open('/proc/self/ns/net', os.O_RDONLY)
ADDRESS = {'a': '192.0.2.1', 'b': '192.0.2.2', 'c': '198.51.100.3', 'd': '198.51.100.4'}


def emit(name, text):
    for line in str(text).rstrip('\n').split('\n'):
        OUT.append(f'{name}: {line}')


def sh(*cmd, data=None):
    p = subprocess.run(cmd, input=data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return p.stdout if not p.returncode else f'status {p.returncode}: {p.stdout}'


def must(*cmd, data=None):
    p = subprocess.run(cmd, input=data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if p.returncode:
        raise OSError(f'{cmd}: {p.stdout}')
    return p.stdout


def ns(h): return f'parity-{h}'
def ip(h, *words): return must('ip', '-n', ns(h), *' '.join(words).split())
def on(h, *cmd, data=None): return sh('ip', 'netns', 'exec', ns(h), *cmd, data=data)


def enter(h):
    fd = HOME if h is None else os.open(f'/run/netns/{ns(h)}', os.O_RDONLY)
    call('setns', fd, CLONE_NEWNET)
    if h is not None:
        os.close(fd)


def inside(h, what, *args):
    enter(h)
    try:
        return what(*args)
    finally:
        enter(None)


def wg(h, dev, *words):
    """wg set; @x is the private key of x, as a file."""
    with open('/tmp/parity-key', 'w') as f:
        f.write(base64.b64encode(PRIV[h]).decode())
    words = [w.replace('@', '/tmp/parity-key') for w in ' '.join(words).split()]
    must('ip', 'netns', 'exec', ns(h), 'wg', 'set', dev, *words)
    os.unlink('/tmp/parity-key')


# --- the family ---------------------------------------------------------------------

def family():
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
    name = nl.attr(2, b'wireguard\0')
    s.send(nl.message(16, 1, 1, struct.pack('=BBH', 3, 1, 0) + name))
    for kind, _, _, _, body in nl.messages(s.recv(65536)):
        for k, p, _ in nl.attrs(body[4:]):
            if kind == 16 and k != 1:
                emit(f'family/{k & nl.NLA_TYPE_MASK}', p.hex())
    s.send(nl.message(16, 0x301, 2, struct.pack('=BBH', 10, 1, 0) + name))
    done = False
    while not done:
        for kind, _, _, _, body in nl.messages(s.recv(65536)):
            if kind != 16:
                done = True
                break
            for k, p, _ in nl.attrs(body[4:]):
                k &= nl.NLA_TYPE_MASK
                if k not in (8, 9):
                    continue
                for a, q, _ in nl.attrs(p):
                    for b, v, _ in nl.attrs(q):
                        v = v.hex() if k == 9 else ' '.join(f'{t & nl.NLA_TYPE_MASK}={x.hex()}' for t, x, _ in nl.attrs(v))
                        emit(f'policy/{k}/{a & nl.NLA_TYPE_MASK}/{b & nl.NLA_TYPE_MASK}', v)


# --- the device -------------------------------------------------------------------------

def snap(label, h, dev='wg0'):
    emit(f'{label}/ip-link', sh('ip', '-n', ns(h), '-s', '-s', '-d', 'link', 'show', dev))
    emit(f'{label}/ip-json', sh('ip', '-n', ns(h), '-j', '-s', '-d', 'addr', 'show', 'dev', dev))
    emit(f'{label}/ip-6', sh('ip', '-n', ns(h), '-6', '-d', 'addr', 'show', 'dev', dev))
    script = r'''
dev=$1; cd /sys/class/net/$dev || exit
echo "== sysfs"
grep -rs '' . | sort
echo "== sysfs-names"; find . | sort
echo "== links"; find . -type l -exec readlink {} + | sort
echo "== ethtool-i"; ethtool -i $dev
echo "== ethtool-k"; ethtool -k $dev
echo "== ethtool"; ethtool $dev 2>&1
for o in -l -T; do echo "== ethtool$o"; ethtool $o $dev 2>&1; done
echo "== proc-dev"; grep "$dev:" /proc/net/dev
echo "== conf4"; cd /proc/sys/net/ipv4/conf; grep -r . $dev all/send_redirects default/send_redirects | sort
echo "== conf6"; cd /proc/sys/net/ipv6/conf && grep -rs . $dev | grep -v stable_secret | sort
echo "== udp"; tail -n +2 -q /proc/net/udp /proc/net/udp6 | awk '{ print $2, $3, $4, $5, $6, $8 }' | sort
echo "== ss"; ss -uanmH 2>&1 | sort
echo "== netconf"; ip netconf show dev $dev; ip -6 netconf show dev $dev
echo "== routes"; ip route show table all | sort; ip -6 route show table all | sort
'''
    part = 'none'
    for line in on(h, 'sh', '-c', script, 'sh', dev).split('\n'):
        if line.startswith('== '):
            part = line[3:]
        elif part == 'sysfs':
            k, _, v = line.partition(':')
            emit(f'{label}/sysfs/{k[2:]}', v)
        else:
            emit(f'{label}/{part}', line)


def uevents(s, label):
    while select.select([s], [], [], 0)[0]:
        words = s.recv(65536).split(b'\0')
        emit(f'{label}/uevent', ' '.join(w.decode() for w in words if not w.startswith(b'SEQNUM=')))


def device():
    for h in 'ab':
        must('ip', 'netns', 'add', ns(h))
        ip(h, 'link set lo up')
    # its modules come with the first call, and would be events below
    on('a', 'ss', '-uanmH')
    s = inside('a', socket.socket, socket.AF_NETLINK, socket.SOCK_DGRAM, 15)
    s.bind((0, 1))
    must('ip', '-n', ns('a'), 'link', 'add', 'wg0', 'type', 'wireguard')
    uevents(s, 'new')
    snap('new', 'a')
    ip('a', 'link set wg0 up')
    wg('a', 'wg0', 'listen-port 4000 fwmark 0x10 private-key @ peer', PUB['b'], 'allowed-ips 10.9.0.2/32,fd09::/64 endpoint 127.0.0.1:9')
    ip('a', 'addr add 10.9.0.1/24 dev wg0')
    ip('a', 'addr add fd09::1/64 dev wg0 nodad')
    snap('set', 'a')
    emit('set/wg-dump', on('a', 'wg', 'show', 'wg0', 'dump'))
    ip('a', 'link set wg0 down')
    emit('down/link', sh('ip', '-n', ns('a'), '-s', '-d', 'link', 'show', 'wg0'))
    emit('down/wg-dump', on('a', 'wg', 'show', 'wg0', 'dump'))
    for mtu in (0, 1, 67, 68, 1279, 1280, 1420, 65535, 65536, 2147483552, 2147483553, 4294967295):
        emit(f'mtu/{mtu}', sh('ip', '-n', ns('a'), 'link', 'set', 'wg0', 'mtu', str(mtu)))
    ip('a', 'link set wg0 mtu 1420')
    uevents(s, 'before-move')
    ip('a', 'link set wg0 netns', ns('b'))
    uevents(s, 'move')
    ip('b', 'link set wg0 up')
    snap('moved-up', 'b')
    # before 6.2 an interface that is up cannot be renamed
    ip('b', 'link set wg0 down')
    ip('b', 'link set wg0 name wgx')
    ip('b', 'link set wgx up')
    emit('moved-up/udp-of-birth', on('a', 'sh', '-c', "tail -n +2 -q /proc/net/udp /proc/net/udp6 | awk '{ print $2, $3, $4 }' | sort"))
    for words in ('address 00:11:22:33:44:55', 'type wireguard', 'txqueuelen 5', 'promisc on', 'promisc off', 'multicast on', 'multicast off',
                  'arp on', 'arp off', 'allmulticast on', 'carrier off', 'carrier on', 'group 4', 'alias tunnel', 'dynamic on', 'vrf none', 'gso_max_size 1000', 'xdp off'):
        emit(f'change/{words}', sh('ip', '-n', ns('b'), 'link', 'set', 'wgx', *words.split()))
    for words in ('tso off', 'gso off', 'gro off', 'tx off', 'rx off', 'sg off', 'gso on', 'tx on sg on tso on'):
        emit(f'feature/{words}', on('b', 'ethtool', '-K', 'wgx', *words.split()))
    snap('changed', 'b', 'wgx')
    s.close()
    must('ip', 'netns', 'del', ns('a'))
    end = time.monotonic() + 20 * SLOW
    while 'NO-CARRIER' not in sh('ip', '-n', ns('b'), 'link', 'show', 'wgx') and time.monotonic() < end:
        time.sleep(0.05)
    snap('orphan', 'b', 'wgx')
    emit('orphan/port', on('b', 'wg', 'set', 'wgx', 'listen-port', '4001'))
    emit('orphan/mark', on('b', 'wg', 'set', 'wgx', 'fwmark', '1'))
    emit('orphan/peer', on('b', 'wg', 'set', 'wgx', 'peer', PUB['c']))
    emit('orphan/down', sh('ip', '-n', ns('b'), 'link', 'set', 'wgx', 'down'))
    emit('orphan/up', sh('ip', '-n', ns('b'), 'link', 'set', 'wgx', 'up'))
    for words in ('address 00:11:22:33:44:55', 'numtxqueues 4', 'mtu 9000', 'txqueuelen 10', 'index 99', 'mtu 4294967295', 'numrxqueues 3 numtxqueues 3'):
        emit(f'add/{words}', sh('ip', '-n', ns('b'), 'link', 'add', 'wga', *words.split(), 'type', 'wireguard'))
        emit(f'add/{words}/is', re.sub(r'^\d+:', 'N:', sh('ip', '-n', ns('b'), '-d', 'link', 'show', 'wga')))
        sh('ip', '-n', ns('b'), 'link', 'del', 'wga')
    emit('add/arguments', sh('ip', '-n', ns('b'), 'link', 'add', 'wga', 'type', 'wireguard', 'external'))
    emit('add/help', sh('ip', '-n', ns('b'), 'link', 'help', 'wireguard'))
    must('ip', 'netns', 'del', ns('b'))


# --- traffic ---------------------------------------------------------------------------------

def fields(data, way):
    """A packet, IP header first, as text; None if it is neither WireGuard's nor an ICMP error."""
    if data[0] >> 4 == 4:
        n = (data[0] & 15) * 4
        tos, total, ident, frag, ttl, proto = struct.unpack_from('>xBHHHBB', data)
        csum = sum(struct.unpack_from('>%dH' % (n // 2), data))
        csum = 'ok' if (csum & 0xffff) + (csum >> 16) in (0xffff, 0x1fffe) else 'bad'
        text = f'{way} v4 tos={tos:#x} len={total} id={"x" if ident else 0} df={frag >> 14 & 1} frag={frag & 0xbfff} ttl={ttl} sum={csum}'
        src, dst = data[12:16], data[16:20]
        data = data[n:total]
    else:
        word, total, proto, ttl = struct.unpack_from('>IHBB', data)
        text = f'{way} v6 class={word >> 20 & 255:#x} label={"x" if word & 0xfffff else 0} len={total} ttl={ttl}'
        src, dst = data[8:24], data[24:40]
        data = data[40:40 + total]
    fam = socket.AF_INET if len(src) == 4 else socket.AF_INET6
    text += f' {socket.inet_ntop(fam, src)}>{socket.inet_ntop(fam, dst)}'
    if proto == 17 and len(data) >= 8:
        sport, dport, length, csum = struct.unpack_from('>HHHH', data)
        text += f' udp {sport}>{dport} len={length} sum={"yes" if csum else "none"}'
        p = data[8:]
        if len(p) >= 4:
            text += f' type={p[0]} reserved={p[1:4].hex()} size={len(p)}'
            if p[0] == 4 and len(p) >= 16:
                text += ' counter=%d' % struct.unpack_from('<Q', p, 8)
            elif p[0] in (1, 2):
                text += f' mac2={"zero" if p[-16:] == bytes(16) else "x"}'
        return text
    if (proto == 1 and data[0] in (3, 11, 12)) or (proto == 58 and data[0] < 128):
        inner = data[8:]
        if proto == 1 and inner[9] == 17 and struct.unpack_from('>H', inner, 22)[0] == 51820:
            return text + f' icmp type={data[0]} code={data[1]} rest={data[4:8].hex()} holds={len(inner)} bytes of a message {inner[:4].hex()}..{inner[8:10].hex()}..{inner[12:26].hex()}'
        # an id of the inner packet that is not 0 is random
        return text + f' icmp type={data[0]} code={data[1]} rest={data[4:8].hex()} holds={len(inner)} bytes {inner[:4].hex()}..{inner[8:10].hex()}..{inner[12:].hex() if proto == 1 else inner[6:].hex()}'
    return None


class Wire:
    """A capture on an interface."""

    def __init__(self, h, dev):
        self.pause = 0      # the longest between two looks: of 0.5 s, if the machine keeps up
        self.s = inside(h, socket.socket, socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        inside(h, self.s.bind, (dev, 3))

    def take(self, name, count, seconds=10, grace=0.05):
        """Emits the packets of a stimulus: waits for so many, and a little for more that should not be."""
        end = time.monotonic() + seconds * SLOW
        got = []
        looked = time.monotonic()
        while (t := time.monotonic()) < end:
            self.pause, looked = max(self.pause, t - looked), t
            if not select.select([self.s], [], [], max(0, min(end - time.monotonic(), 0.5)))[0]:
                continue
            data, where = self.s.recvfrom(70000)
            if where[1] not in (0x800, 0x86dd):
                continue
            text = fields(data, 'out' if where[2] == 4 else 'in')
            if text:
                got.append(text)
                if len(got) == count:
                    end = min(end, time.monotonic() + grace * SLOW)
        self.pause = max(self.pause, time.monotonic() - looked)
        emit(name, '\n'.join(got) or 'nothing')
        return got


def counters(name, *hosts):
    for h in hosts:
        dump = on(h, 'wg', 'show', 'wg0', 'dump').split('\n')
        for line in dump[1:]:
            w = line.split('\t')
            if len(w) == 8:
                emit(f'{name}/{h}/peer', f'{w[0]} endpoint {w[2]} handshake {"yes" if w[4] != "0" else "never"} rx {w[5]} tx {w[6]} keepalive {w[7]}')
        emit(f'{name}/{h}/device', ' '.join(f'{f}={v}' for f, v in sorted(
            (f.split('/')[-1], v) for f, _, v in (x.partition(':') for x in on(
                h, 'sh', '-c', 'cd /sys/class/net/wg0/statistics && grep . *').split('\n') if x))))
        emit(f'{name}/{h}/proc', ' '.join(on(h, 'grep', 'wg0:', '/proc/net/dev').split()))


def cable(x, y, outer6):
    for h in (x, y):
        must('ip', 'netns', 'add', ns(h))
        ip(h, 'link set lo up')
        for f in ('all', 'default'):
            on(h, 'sh', '-c', f'echo 1 > /proc/sys/net/ipv6/conf/{f}/accept_dad; echo 0 > /proc/sys/net/ipv6/conf/{f}/accept_ra; echo 0 > /proc/sys/net/ipv6/conf/{f}/router_solicitations')
    ip(x, f'link add eth0 up address 02:00:00:00:00:01 type veth peer name eth0 address 02:00:00:00:00:02 netns {ns(y)}')
    ip(y, 'link set eth0 up')
    for h, mac in ((x, '02:00:00:00:00:02'), (y, '02:00:00:00:00:01')):
        other = y if h == x else x
        ip(h, f'addr add {ADDRESS[h]}/24 dev eth0')
        ip(h, f'neigh replace {ADDRESS[other]} lladdr {mac} dev eth0')
        ip(h, f'addr add {outer6[h]}/64 dev eth0 nodad')
        ip(h, f'neigh replace {outer6[other]} lladdr {mac} dev eth0')
    # As on a wire, no answer comes before its question was sent: the kernel's own driver
    # looks then as if there was none, and asks again after five seconds.
    must('ip', 'netns', 'exec', ns(y), 'tc', 'qdisc', 'add', 'dev', 'eth0', 'root', 'netem', 'delay', '2ms')


def tunnel(x, y, outer=ADDRESS, extra=''):
    for i, (h, other) in enumerate(((x, y), (y, x))):
        host = f'[{outer[other]}]' if ':' in outer[other] else outer[other]
        ip(h, 'link add wg0 type wireguard')
        wg(h, 'wg0', f'private-key @ listen-port 51820 peer {PUB[other]} endpoint {host}:51820 allowed-ips 10.9.0.{2 - i}/32,fd09::{2 - i}/128', extra)
        ip(h, f'addr add 10.9.0.{1 + i}/24 dev wg0')
        ip(h, f'addr add fd09::{1 + i}/64 dev wg0 nodad')
    for h in (x, y):
        ip(h, 'link set wg0 up')


def udp(h, address, port=0):
    fam = socket.AF_INET6 if ':' in address else socket.AF_INET
    s = inside(h, socket.socket, fam, socket.SOCK_DGRAM)
    s.bind((address, port))
    s.settimeout(10 * SLOW)
    if fam == socket.AF_INET:
        s.setsockopt(socket.SOL_IP, 11, 1)      # IP_RECVERR
        s.setsockopt(socket.SOL_IP, 13, 1)      # IP_RECVTOS
        s.setsockopt(socket.SOL_IP, 10, 0)      # no DF: fragments are seen too
    else:
        s.setsockopt(socket.IPPROTO_IPV6, 25, 1)
        s.setsockopt(socket.IPPROTO_IPV6, 66, 1)    # IPV6_RECVTCLASS
    return s


def send(s, data, to):
    try:
        return f'sent {s.sendto(data, to)}'
    except OSError as e:
        return errno.errorcode.get(e.errno)


def passing(tag, wire, outer):
    """What both sides do with packets of all sizes and marks."""
    for inner, to in (('10.9.0.1', '10.9.0.2'), ('fd09::1', 'fd09::2')):
        v = 6 if ':' in to else 4
        a, b = udp('a', inner, 7000), udp('b', to, 7000)
        if v == 4:
            a.sendto(b'first', (to, 7000))
            b.recv(2000)
            wire.take(f'{tag}/handshake', 3)
            b.sendto(b'answer', (inner, 7000))
            a.recv(2000)
            wire.take(f'{tag}/answer', 1)
        most = 1420 - (48 if v == 6 else 28)
        for n in sorted(set(list(range(0, 100, 7)) + list(range(100, 1500, 111)) + [most - 33, most - 17, most - 16, most - 1, most, most + 1, 1500])):
            emit(f'{tag}/size{v}/{n}/send', send(a, bytes(n), (to, 7000)))
            b.recv(2000)
            wire.take(f'{tag}/size{v}/{n}', 2 if n > most else 1, grace=0.002)
        for tos in [0, 1, 2, 3, 4, 0x10, 0x20, 0x88, 0xb8, 0xb9, 0xba, 0xbb, 0xe0, 0xff, 0xfe]:
            if v == 4:
                a.setsockopt(socket.SOL_IP, socket.IP_TOS, tos)
            else:
                a.setsockopt(socket.IPPROTO_IPV6, 67, tos)
            # the kernel takes no congestion marks from sockets of some kinds: what arrives is what counts
            a.sendto(b'marked', (to, 7000))
            _, anc, _, _ = b.recvmsg(2000, 1000)
            emit(f'{tag}/marks{v}/{tos:#x}/inner', ' '.join(f'{lv}/{ty}={d.hex()}' for lv, ty, d in anc))
            wire.take(f'{tag}/marks{v}/{tos:#x}', 1, grace=0.002)
        a.close()
        b.close()


def tcp(tag, wire):
    listener = inside('b', socket.socket)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(('10.9.0.2', 8000))
    listener.listen()
    s = inside('a', socket.socket)
    s.connect(('10.9.0.2', 8000))
    c = listener.accept()[0]
    emit(f'{tag}/mss', f'{s.getsockopt(socket.SOL_TCP, socket.TCP_MAXSEG)} {c.getsockopt(socket.SOL_TCP, socket.TCP_MAXSEG)}')
    wire.take(f'{tag}/syn', 3)
    s.sendall(b'question')
    c.recv(100)
    wire.take(f'{tag}/data', 2)
    s.close()
    c.recv(100)
    wire.take(f'{tag}/fin', 2)
    c.close()
    wire.take(f'{tag}/fin-back', 2)
    listener.close()


def errors(tag, wire):
    """Packets that cannot be sent."""
    ip('a', 'route add 10.10.0.0/16 dev wg0')
    ip('a', 'route add fd10::/64 dev wg0')
    wg('a', 'wg0', f'peer {PUB["c"]} allowed-ips 10.10.1.0/24,fd10::1/128')
    for inner, to in (('10.9.0.1', ('10.10.0.1', '10.10.1.1', '10.10.255.255')), ('fd09::1', ('fd10::2', 'fd10::1'))):
        for address in to:
            s = udp('a', inner)
            emit(f'{tag}/{address}/send', send(s, b'x' * 100, (address, 9)))
            try:
                data, anc, _, who = s.recvmsg(2000, 1000, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
                emit(f'{tag}/{address}/queue', f'{len(data)} bytes, {" ".join(x[2].hex() for x in anc if x[1] in (11, 25))}, {who[0]}')
            except OSError as e:
                emit(f'{tag}/{address}/queue', errno.errorcode.get(e.errno))
            emit(f'{tag}/{address}/again', send(s, b'x' * 100, (address, 9)))
            s.close()
            emit(f'{tag}/{address}/ping', re.sub(r'time[ =]\S+( ?ms)?', '', on('a', 'ping', '-n', '-c1', '-W1', address)))
    # a protocol that is no IP's
    s = inside('a', socket.socket, socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    for proto, data in ((0x88b5, b'x' * 60), (0x800, b'\x60' + bytes(50)), (0x86dd, b'\x45' + bytes(50)), (0x800, b'\x45'), (0x800, b'\x45' + bytes(10)), (0x86dd, b'\x60' + bytes(30)), (0x806, bytes(28))):
        enter('a')
        try:
            emit(f'{tag}/proto/{proto:#x}/{len(data)}', s.sendto(data, ('wg0', proto)))
        except OSError as e:
            emit(f'{tag}/proto/{proto:#x}/{len(data)}', errno.errorcode.get(e.errno))
        enter(None)
    s.close()
    # a router's packet: the error goes back by the wire
    on('a', 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding')
    wire.take(f'{tag}/no-messages', 0, 0.2)
    for v, via, inner, to in ((4, '192.0.2.1', '192.0.2.2', ('10.10.0.1', '10.10.1.1')), (6, '2001:db8::1', '2001:db8::2', ('fd10::2', 'fd10::1'))):
        s = udp('b', inner, 7100)
        for address in to:
            ip('b', f'route add {address} via {via}')
            for n in (0, 10, 600, 1300, 1450):
                for _ in range(3):      # an error of the packet before comes first
                    if send(s, b'r' * n, (address, 9)).startswith('sent'):
                        break
                got = [x for x in wire.take(f'{tag}/routed/{address}/{n}', 2, 3)]
                if not any('icmp' in x for x in got):
                    emit(f'{tag}/routed/{address}/{n}', 'no ICMP')
            try:
                s.recvmsg(2000, 1000, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
            except OSError:
                pass
            s.close()
            s = udp('b', inner, 7100)
            time.sleep(0.1)
        s.close()
    counters(f'{tag}/counters', 'a')


def strangers(wire):
    """Messages of nobody; a peer with another key; a peer that is down."""
    s = udp('b', '192.0.2.2', 7200)
    for data in (b'', b'\1', b'\1\0\0\0' + bytes(144), b'\1\0\0\0' + bytes(143), b'\2\0\0\0' + bytes(88), b'\3\0\0\0' + bytes(60), b'\4\0\0\0' + bytes(28),
                 b'\4\0\0\0' + bytes(27), b'\4\0\0\0' + b'\xff' * 60, b'\5\0\0\0' + bytes(60), b'\1\1\0\0' + bytes(144), b'\0' * 148, bytes(1400)):
        s.sendto(data, ('192.0.2.1', 51820))
        wire.take(f'strange/{len(data)}/{data[:4].hex()}', 1, grace=0.02)
    s.close()
    counters('strange/counters', 'a')
    # b forgets a: an initiation goes unanswered, nothing else is sent
    wg('b', 'wg0', f'peer {PUB["a"]} remove')
    ip('a', 'link set wg0 down')
    ip('a', 'link set wg0 up')
    a = udp('a', '10.9.0.1')
    emit('unknown/send', send(a, b'x', ('10.9.0.2', 9)))
    wire.take('unknown/messages', 1, grace=0.3)
    counters('unknown/counters', 'a', 'b')
    # b is down: ICMP port unreachable comes, and changes nothing
    ip('b', 'link set wg0 down')
    ip('a', 'link set wg0 down')
    ip('a', 'link set wg0 up')
    emit('closed/send', send(a, b'x', ('10.9.0.2', 9)))
    wire.take('closed/messages', 2, grace=0.1)
    counters('closed/counters', 'a')
    # 200 packets wait for a session that never comes
    ip('a', 'link set wg0 down')
    ip('a', 'link set wg0 up')
    for _ in range(200):
        send(a, b'staged', ('10.9.0.2', 9))
    counters('staged/counters', 'a')
    ip('a', 'link set wg0 down')
    counters('purged/counters', 'a')
    a.close()


def persistent():
    """A keepalive an interval, from the start; a handshake at once."""
    cable('a', 'b', {'a': '2001:db8::1', 'b': '2001:db8::2'})
    wire = Wire('a', 'eth0')
    for i, (h, other) in enumerate((('b', 'a'), ('a', 'b'))):
        ip(h, 'link add wg0 type wireguard')
        wg(h, 'wg0', f'private-key @ listen-port 51820 peer {PUB[other]} endpoint {ADDRESS[other]}:51820 allowed-ips 10.9.0.{1 + i}/32')
        ip(h, 'link set wg0 up')
    wire.take('persistent/off', 0, 0.2)
    wg('a', 'wg0', f'peer {PUB["b"]} persistent-keepalive 1')
    wire.take('persistent/on', 3, grace=0.3)
    wire.take('persistent/next', 1, grace=0.3)
    wg('a', 'wg0', f'peer {PUB["b"]} persistent-keepalive 0')
    wg('a', 'wg0', f'peer {PUB["b"]} persistent-keepalive 60')
    wire.take('persistent/again', 1, grace=0.3)
    wg('a', 'wg0', f'peer {PUB["b"]} persistent-keepalive 50')
    wire.take('persistent/changed', 0, 0.3)
    counters('persistent/counters', 'a', 'b')
    for h in 'ab':
        must('ip', 'netns', 'del', ns(h))


def traffic():
    outer6 = {'a': '2001:db8::1', 'b': '2001:db8::2', 'c': '2001:db8:1::3', 'd': '2001:db8:1::4'}
    for tag, outer in (('v4', ADDRESS), ('v6', outer6)):
        cable('a', 'b', outer6)
        wire = Wire('a', 'eth0')
        tunnel('a', 'b', outer)
        passing(tag, wire, outer)
        counters(f'{tag}/counters', 'a', 'b')
        tcp(f'{tag}/tcp', wire)
        if tag == 'v4':
            errors('error', wire)
            strangers(wire)
        for h in 'ab':
            must('ip', 'netns', 'del', ns(h))
    persistent()
    # a machine that stood still meanwhile had other timers than it would have had
    for _ in range(5):
        kept = len(OUT)
        if passive(outer6) < 2:
            break
        print('passive: the machine stood still; once more')
        del OUT[kept:]
    else:
        sys.exit('passive: the machine stood still each time')


def passive(outer6):
    """The answer that comes after 10 s when there is none. Returns for how long nothing was looked at."""
    cable('c', 'd', outer6)
    late = Wire('c', 'eth0')
    tunnel('c', 'd')
    c, d = udp('c', '10.9.0.1', 7000), udp('d', '10.9.0.2', 7000)
    t = time.monotonic()
    c.sendto(b'one way', ('10.9.0.2', 7000))
    d.recv(2000)
    late.pause = time.monotonic() - t
    late.take('passive', 4, 13)
    counters('passive/counters', 'c', 'd')
    c.close()
    d.close()
    for h in 'cd':
        must('ip', 'netns', 'del', ns(h))
    return late.pause


# --- a large configuration ------------------------------------------------------------------------

def large():
    seed = sys.argv[1]
    r = random.Random(f'adit parity config {seed}')

    def b64(): return base64.b64encode(r.randbytes(32)).decode()
    lines = ['[Interface]', f'PrivateKey = {b64()}', 'ListenPort = 5555', 'FwMark = 0x1234']
    for i in range(1000):
        lines += ['[Peer]', f'PublicKey = {b64()}']
        if r.random() < 0.3:
            lines.append(f'PresharedKey = {b64()}')
        ips = [f'10.{i >> 8}.{i & 255}.{r.randrange(256)}/{r.choice((24, 25, 28, 32, 16, 32))}' for _ in range(r.randrange(6))]
        ips += [f'fd00:{i:x}::{r.randrange(65536):x}/{r.choice((64, 128, 48, 32, 127))}' for _ in range(r.randrange(4))]
        if i % 100 == 0:
            ips += [f'172.16.{i // 100}.{k}/32' for k in range(250)]
        if ips:
            lines.append('AllowedIPs = ' + ', '.join(ips))
        if r.random() < 0.6:
            lines.append('Endpoint = ' + r.choice((f'192.0.2.{i % 256}:{1 + r.randrange(65535)}', f'[2001:db8::{i:x}]:{1 + r.randrange(65535)}')))
        if r.random() < 0.2:
            lines.append(f'PersistentKeepalive = {r.randrange(65536)}')
    text = '\n'.join(lines) + '\n'
    must('ip', 'netns', 'add', ns('a'))
    ip('a', 'link add wg0 type wireguard')
    for n, conf in enumerate((text, text, '\n'.join(lines[:4] + lines[-4000:-2000] if lines[-4000] == '[Peer]' else lines[:4]) + '\n')):
        with open('/tmp/parity-conf', 'w') as f:
            f.write(conf)
        emit(f'large/{n}/setconf', on('a', 'wg', 'setconf' if n != 1 else 'syncconf', 'wg0', '/tmp/parity-conf'))
        for i, line in enumerate(on('a', 'wg', 'showconf', 'wg0').split('\n')):
            emit(f'large/{n}/showconf/{i}', line)
        for i, line in enumerate(on('a', 'wg', 'show', 'wg0', 'dump').split('\n')):
            emit(f'large/{n}/dump/{i}', line)
    os.unlink('/tmp/parity-conf')
    must('ip', 'netns', 'del', ns('a'))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    for h in 'abcd':
        sh('ip', 'netns', 'del', ns(h))
    emit('module', ' '.join(sorted(os.listdir('/sys/module/wireguard/parameters'))) if os.path.isdir('/sys/module/wireguard/parameters') else 'no parameters')
    for what in (family, device, traffic, large):
        t = time.monotonic()
        what()
        print(f'{getattr(what, "__name__", what)}: {time.monotonic() - t:.1f} s')
    with open(sys.argv[2], 'w') as f:
        f.writelines(line + '\n' for line in OUT)


if __name__ == '__main__':
    main()
