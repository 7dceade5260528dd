#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The system clock jumps, back and forward. See docs/clock.md."""

import functools
import sys
import time

sys.dont_write_bytecode = True
import wgpeer as w  # noqa: E402
from harness import (  # noqa: E402
    Host, Peer, b64, check, point, run, skip_all)

DAY = 86400
REAL = time.time() - time.monotonic()   # what the clock is, less monotonic


@functools.lru_cache()
def host():
    return Host()


def step(seconds):
    """The clock shows so much more or less than the right time."""
    time.clock_settime(time.CLOCK_REALTIME,
                       REAL + time.monotonic() + seconds)


def anew(p):
    """The driver begins a handshake: device down and up. Its stamp."""
    host().ip("link set wg0 down")
    host().ip("link set wg0 up")
    p.trigger()
    return p.initiation()


def right(stamp, offset):
    seconds, _ = w.from_tai64n(stamp)
    return abs(seconds - (REAL + time.monotonic() + offset)) < 30


def responds(p, stamp):
    time.sleep(0.05)
    hs = p.initiate(stamp)
    p.send(hs.message)
    message = p.maybe(w.RESPONSE, 1)
    return message and hs.finish(message)


def now(offset=0.0):
    """A stamp by a right clock (and so much more)."""
    t = REAL + time.monotonic() + offset
    return w.tai64n(int(t), int(t % 1 * 10 ** 9))


@point("as initiator: stamps follow the clock, back and forward")
def _():
    p = Peer(host())
    first = anew(p)
    check("the stamp before", right(first.stamp, 0))
    try:
        step(-DAY)
        back = anew(p)
        check("a day back", right(back.stamp, -DAY))
        check("a responder would refuse it", back.stamp < first.stamp)
        step(DAY)
        ahead = anew(p)
        check("a day ahead", right(ahead.stamp, DAY))
        check("a responder would accept it", ahead.stamp > first.stamp)
        # The epoch, as a machine without a battery has it at boot. The
        # kernel wants its own start to lie after 1970.
        epoch = time.clock_gettime(time.CLOCK_MONOTONIC) + 60
        time.clock_settime(time.CLOCK_REALTIME, epoch)
        seconds, _ = w.from_tai64n(anew(p).stamp)
        check("the epoch", epoch - 1 <= seconds < epoch + 100, seconds)
    finally:
        step(0)
    p.answer(anew(p))
    p.data()
    p.ping()


@point("as initiator: sessions go on, and handshakes complete")
def _():
    p = Peer(host())
    p.handshake()
    p.ping()
    q = Peer(host())
    q.trigger()
    opened = q.initiation()     # outstanding while the clock jumps
    try:
        for offset in (-DAY, DAY, -20 * 365 * DAY):
            step(offset)
            p.ping()
            p.trigger()
            p.data(empty=False)
        q.answer(opened)
        q.data()
        q.ping()
    finally:
        step(0)
    p.ping()
    q.ping()
    p.quiet("no handshake was begun for it", 0.3, w.INITIATION)


@point("as responder: its own clock does not matter")
def _():
    p = Peer(host())
    try:
        for offset in (-DAY, DAY, 0):
            step(offset)
            s = responds(p, now())
            check("an initiation by a right clock", s)
            p.send(s.seal())
            p.ping(s)
        # The 1/50 s between initiations runs by another clock.
        step(DAY)
        check("accepted", responds(p, now()))
        step(-DAY)
        check("accepted", responds(p, now()))
    finally:
        step(0)


@point("as responder: an initiator whose clock went back waits to catch up")
def _():
    p = Peer(host())
    s = responds(p, now())
    check("at first", s)
    p.send(s.seal())
    p.ping(s)
    greatest = now(3)
    check("3 s ahead of time", responds(p, greatest))
    begin = time.monotonic()
    check("set right again: refused", not responds(p, now(-1)))
    check("a day back: refused", not responds(p, now(-DAY)))
    check("the greatest itself: refused", not responds(p, greatest))
    p.ping(s)                   # the session goes on meanwhile
    while now() <= greatest:
        time.sleep(0.1)
    s = responds(p, now())
    check("caught up: accepted", s)
    check("that took a while", time.monotonic() - begin > 1)
    p.send(s.seal())
    p.ping(s)


@point("the way out: remove the peer on the responder and add it again")
def _():
    p = Peer(host())
    check("a stamp of next year", responds(p, now(366 * DAY)))
    check("set right: refused", not responds(p, now()))
    host().ip("link set wg0 down")
    host().ip("link set wg0 up")
    check("after down and up: refused", not responds(p, now()))
    host().wg("peer", b64(p.key.pub), "remove")
    p.add()
    s = responds(p, now())
    check("after removal: accepted", s)
    p.send(s.seal())
    p.ping(s)


@point("the other way out: let the side with the right clock begin")
def _():
    p = Peer(host())
    check("a stamp of next year", responds(p, now(366 * DAY)))
    check("set right: refused", not responds(p, now()))
    p.answer(anew(p))
    p.data()
    p.ping()


if __name__ == "__main__":
    try:
        step(0)
    except OSError:
        skip_all("the clock cannot be set")
    run("the system clock jumps")
