#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Sessions change in the middle of what is spread over CPUs.

Packets of a busy peer join others that wait for a worker, which knows one key. So
much is sent and received here, in bursts, while one session takes another's place:
each message must belong to the session it names, with counters that leave none out.
"""

import atexit
import collections
import ctypes
import functools
import os
import socket
import struct
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
import wgpeer as w  # noqa: E402
import harness  # noqa: E402
from harness import (  # noqa: E402
    Host, INNER, MAC_D, MAC_P, Peer, SLOW, V4, check, equal, ip, point, run,
    udp)

ROUNDS = 10
SIZE = 1200             # of a datagram inside
AT_ONCE = 10            # of them in one packet of the host
SENDS = 150             # of those: fewer messages than an order takes
BURST = 1000            # messages that come to the host
UDP_SEGMENT = 103
BACKLOG = "/proc/sys/net/core/netdev_max_backlog"


def backlog(value):
    # that of the first namespace; this process is in another by now
    subprocess.run(["nsenter", "--net=/proc/1/ns/net", "sh", "-c",
                    "echo %s >%s" % (value.strip(), BACKLOG)], check=True)


@functools.lru_cache()
def host():
    # a veth's backlog is no place to lose any of this; for all namespaces
    with open(BACKLOG, "r+", encoding="ascii") as f:
        atexit.register(backlog, f.read())
    backlog("20000")
    h = Host()
    h.raw.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)   # RCVBUFFORCE
    return h


@functools.lru_cache()
def peer():
    p = Peer(host())
    p.handshake()
    p.ping()
    return p


def worker(way):
    """(batches, messages) that workers did."""
    words = host().sh(["ethtool", "-S", "wg0"]).split()
    return tuple(int(words[words.index("%s_worker_%s:" % (way, x)) + 1])
                 for x in ("batches", "messages"))


def spread(way, before):
    """Much of it was done by workers. How much joins depends on how soon they come."""
    if harness.DRIVER != "adit" or os.cpu_count() < 2:
        return
    batches, messages = (b - a for a, b in zip(before, worker(way)))
    harness.say("%d messages in %d batches of workers" % (messages, batches))
    check("what came was spread", messages > ROUNDS * 100, messages)


def far_session():
    """A session that the driver has made and may not use yet."""
    p = peer()
    time.sleep(0.03)            # two initiations within 1/50 s are one too many
    return p.handshake(confirm=False)


class Sender(threading.Thread):
    """Sends SENDS packets of many datagrams as fast as it goes."""

    def __init__(self):
        super().__init__()
        self.sent = 0
        self.sock = host().socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, SIZE)
        self.sock.setsockopt(socket.SOL_SOCKET, 32, 64 << 20)  # SNDBUFFORCE
        self.sock.connect((peer().inner, 9))

    def run(self):
        data = bytes(SIZE * AT_ONCE)
        for _ in range(SENDS):
            self.sock.send(data)
            self.sent += 1
        self.sock.close()


def messages(sessions, wanted):
    """All of our data, as (session, counter), opened, until so many carried any."""
    got = []
    end = time.monotonic() + 20 * SLOW
    full = 0
    while full < wanted and time.monotonic() < end:
        host().poll(0.1)
        box, host().box = host().box, []
        for p in box:
            if not peer().mine(p, w.DATA):
                continue
            mine = [s for s in sessions if s.mine(p.payload)]
            check("a message of a session that is there", mine)
            counter, plain = mine[0].open(p.payload)
            check("it opens with that session's key", plain is not None,
                  "counter %d" % counter)
            full += bool(plain)
            got.append((mine[0], counter))
    equal("messages with data", wanted, full)
    return got


@point("a session takes another's place while much is sent: each message is of its own")
def _():
    p = peer()
    sys.setswitchinterval(0.0002)
    both = 0
    before = worker("tx") if harness.DRIVER == "adit" else None
    for n in range(ROUNDS):
        old, new = p.session, far_session()
        host().poll()
        host().box.clear()
        confirm = new.seal()
        sender = Sender()
        sender.start()
        while sender.sent < SENDS * (n % 5 + 1) // 8:
            time.sleep(0)
        p.send(confirm)
        sender.join()
        got = messages((old, new), SENDS * AT_ONCE)
        counters = collections.defaultdict(list)
        for session, counter in got:
            counters[session].append(counter)
        for session, of in counters.items():
            equal("round %d: counters of the %s session, in order" %
                  (n, "new" if session is new else "old"),
                  list(range(of[0], of[0] + len(of))), of)
        equal("round %d: no message of the old session follows the new one's" % n,
              sorted(got, key=lambda x: x[0] is new), got)
        both += len(counters) == 2
    check("the session changed in the middle, some times", both > 1,
          "%d of %d" % (both, ROUNDS))
    if before:
        spread("tx", before)


class IoVec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_char_p), ("len", ctypes.c_size_t)]


class MMsgHdr(ctypes.Structure):
    # struct mmsghdr: a msghdr, and a length
    _fields_ = [("name", ctypes.c_void_p), ("namelen", ctypes.c_uint),
                ("iov", ctypes.POINTER(IoVec)), ("iovlen", ctypes.c_size_t),
                ("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t),
                ("flags", ctypes.c_int), ("len", ctypes.c_uint)]


def burst(frames):
    """Sends them with few system calls."""
    vectors = (IoVec * len(frames))(*[IoVec(f, len(f)) for f in frames])
    headers = (MMsgHdr * len(frames))()
    for i in range(len(frames)):
        headers[i].iov = ctypes.pointer(vectors[i])
        headers[i].iovlen = 1
    done = 0
    host().raw.setblocking(True)
    while done < len(frames):
        n = harness.libc.sendmmsg(host().raw.fileno(),
                                  ctypes.byref(headers, done *
                                               ctypes.sizeof(MMsgHdr)),
                                  len(frames) - done, 0)
        check("frames are sent", n > 0, os.strerror(ctypes.get_errno()))
        done += n
    host().raw.setblocking(False)


@point("messages of two sessions in turn while much is received: none is lost")
def _():
    p = peer()
    sink = host().socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)    # RCVBUFFORCE
    sink.bind((INNER, 7000))
    sink.settimeout(5 * SLOW)
    before = worker("rx") if harness.DRIVER == "adit" else None
    for n in range(ROUNDS):
        old, new = p.session, far_session()
        frames = []
        for i in range(BURST):
            inner = ip(p.inner, INNER, 17, udp(p.inner, 9, INNER, 7000,
                                               struct.pack("!II", n, i) +
                                               bytes(SIZE - 8)))
            message = (old, new)[i // (n + 1) % 2].seal(inner)
            outer = ip(p.src, V4, 17, udp(p.src, p.port, V4, harness.PORT,
                                          message))
            frames.append(MAC_D + MAC_P + b"\x08\x00" + outer)
        # a veth queues at the CPU of whoever sends: two of them mix up the order
        cpus = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(cpus)})
        burst(frames)
        os.sched_setaffinity(0, cpus)
        got = []
        try:
            while len(got) < BURST:
                got.append(struct.unpack("!II", sink.recv(2000)[:8]))
        except socket.timeout:
            pass
        wanted = [(n, i) for i in range(BURST)]
        equal("round %d: datagrams that do not come" % n, [],
              sorted(set(wanted) - set(got)))
        equal("round %d: the first out of order" % n, None, next(
            (x for x in zip(wanted, got) if x[0] != x[1]), None))
    if before:
        spread("rx", before)
    sink.close()


if __name__ == "__main__":
    run("sessions that change under load", ("nsenter",))
