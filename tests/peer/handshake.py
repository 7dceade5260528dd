#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Handshakes in every order, the slots of sessions, roaming, keys."""

import functools
import os
import struct
import sys
import time

sys.dont_write_bytecode = True
import wgpeer as w  # noqa: E402
import harness  # noqa: E402
from harness import (  # noqa: E402
    Failed, Host, INNER, Peer, SLOW, V4, b64, check, echo, equal, later,
    point, run, skip, until)


@functools.lru_cache()
def host():
    return Host()


@functools.lru_cache()
def second():
    """Another, for what would disturb the handshakes begun below."""
    return Host()


def new(on=None, **how):
    return Peer(on or host(), **how)


def bent(message, at=-1, by=1):
    m = bytearray(message)
    m[at] ^= by
    return bytes(m)


# What takes a while is begun here, and looked at in later points.

begun = {}
BEGUN = ("stale", "anew", "third")     # wait for a response


@point("an initiation to each of many peers, as they should be")
def _():
    for name in BEGUN:
        begun[name] = p = new()
        p.trigger(b"for " + name.encode())
    for name in ("next", "current", "confirm"):
        begun[name] = new()
    # "confirm": an unconfirmed session, so that 5 s from now an initiation
    # can be had of the driver, and what is queued taken by that session.
    begun["confirm"].handshake(confirm=False)
    begun["confirm-began"] = time.monotonic()
    # "next": a session that is never confirmed, and a packet staged.
    begun["next"].handshake(confirm=False)
    # "current": a session on which we fall silent.
    begun["current"].handshake()
    begun["current"].ping()
    begun["current"].trigger()
    begun["current"].data(empty=False)
    begun["began"] = time.monotonic()
    unix = time.time()
    stamps = []
    for name in BEGUN:
        p = begun[name]
        p.first = p.initiation()
        seconds, nanoseconds = w.from_tai64n(p.first.stamp)
        check("the time stamp is the time of day",
              abs(seconds - unix) < 20 * SLOW, seconds - unix)
        check("nanoseconds below 10^9", nanoseconds < 10 ** 9, nanoseconds)
        equal("nanoseconds modulo 2^24", 0, nanoseconds % 2 ** 24)
        stamps.append(nanoseconds)
        check("mac2 is zero", w.mac2_of(p.first.message) == bytes(16))
    check("the stamps are not whole seconds", any(stamps))


@point("responder: no data on a new session before a valid message came on it")
def _():
    p = new()
    s = p.handshake(confirm=False)
    p.trigger(b"staged")
    p.quiet("an unconfirmed session, a packet staged", 0.5)
    p.send(bent(s.seal()))
    p.quiet("a keepalive with a wrong tag confirms nothing")
    p.send(s.seal())
    plain = p.data(s)
    check("the staged packet comes first", plain[28:34] == b"staged", plain)
    # With a current session, that one sends until the next is confirmed.
    t = p.handshake(confirm=False)
    p.trigger(b"second")
    plain = p.data(s)
    check("the current session still sends", plain[28:34] == b"second", plain)
    p.send(t.seal())
    p.trigger(b"third")
    check("the new one sends once confirmed",
          p.data(t)[28:33] == b"third")


@point("responder: data confirms too, and is delivered")
def _():
    p = new()
    s = p.handshake(confirm=False)
    p.ping(s)


@point("initiator: a keepalive at once after the response")
def _():
    # With nothing queued: what asked for the initiation goes on a session
    # that was there before the response comes.
    p = begun["confirm"]
    s = p.session
    while time.monotonic() - begun["confirm-began"] < 5.5:
        time.sleep(0.1)
    p.trigger(b"first")
    opened = p.initiation()
    p.send(s.seal())
    check("what was queued", p.data(s)[28:33] == b"first")
    p.quiet("nothing else is queued", 0.1)
    begin = time.monotonic()
    t = p.answer(opened)
    message = p.get(w.DATA)
    took = time.monotonic() - begin
    equal("counter and plain text", (0, b""), t.open(message))
    check("at once", took < 2 * SLOW, took)
    p.ping(t)
    p.ping(s, answer_on=t)
    # A keepalive that waited for the session is the one that confirms it.
    p = new()
    host().wg("peer", b64(p.key.pub), "persistent-keepalive", 300)
    opened = p.initiation()
    s = p.answer(opened)
    equal("counter and plain text", (0, b""), s.open(p.get(w.DATA)))
    p.quiet("no other besides")
    p.ping(s)
    host().wg("peer", b64(p.key.pub), "persistent-keepalive", 0)


@point("initiator: queued packets go at once in its place, in order")
def _():
    p = new()
    for i in range(5):
        p.trigger(b"%d" % i)
    s = p.answer(p.initiation())
    got = []
    for i in range(5):
        counter, plain = s.open(p.get(w.DATA))
        got.append((counter, plain[28:29]))
    equal("counters and data", [(i, b"%d" % i) for i in range(5)], got)
    p.quiet("no keepalive besides")


@point("replayed, equal and older initiations are refused")
def _():
    p = new()
    stamps = [later() for _ in range(3)]
    p.send(p.initiate(stamps[1]).message)
    hs = p.initiate(stamps[1])
    p.host.take(lambda q: p.mine(q, w.RESPONSE))
    time.sleep(0.05)
    p.send(hs.message)
    p.quiet("an equal stamp")
    p.send(p.initiate(stamps[0]).message)
    p.quiet("an older stamp")
    hs = p.initiate(stamps[2])
    p.send(hs.message)
    s = p.response(hs)
    time.sleep(0.05)
    p.send(hs.message)
    p.quiet("a replay")
    p.send(s.seal())
    p.ping(s)
    time.sleep(0.05)
    p.send(hs.message)
    p.send(p.initiate(stamps[1]).message)
    p.quiet("a replay once the session is there")
    p.ping(s)


@point("the greatest time stamp outlives down and up")
def _():
    h = second()
    p = new(h)
    stamps = [later(), later()]
    hs = p.initiate(stamps[1])
    p.send(hs.message)
    p.response(hs)
    h.ip("link set wg0 down")
    h.ip("link set wg0 up")
    for stamp in stamps:
        p.send(p.initiate(stamp).message)
    p.quiet("an equal stamp after down and up")
    p.handshake()
    p.ping()


@point("the last bit of a time stamp counts, nanoseconds too")
def _():
    p = new()
    seconds, _ = w.from_tai64n(later())
    hs = p.initiate(w.tai64n(seconds, 2 ** 24))
    p.send(hs.message)
    p.response(hs)
    for ns, good in ((2 ** 24, False), (2 ** 24 - 1, False), (0, False),
                     (2 ** 24 + 1, True)):
        time.sleep(0.05)
        hs = p.initiate(w.tai64n(seconds, ns))
        p.send(hs.message)
        if good:
            p.response(hs)
        else:
            p.quiet("nanoseconds %d" % ns)


@point("at most one initiation in 1/50 s is accepted")
def _():
    p = new()
    many = [p.initiate().message for _ in range(40)]
    begin = time.monotonic()
    for m in many:
        p.send(m)
    host().settled(new())
    took = time.monotonic() - begin
    host().poll()
    n = 0
    while p.maybe(w.RESPONSE, 0):
        n += 1
    limit = int(took / 0.02) + 1
    print("# %d of 40 were answered, in %.3f s" % (n, took))
    check("some were", n >= 1)
    check("at most %d of 40 answers in %.3f s" % (limit, took), n <= limit, n)
    if limit >= 40:
        skip("this machine is too slow to tell")
    time.sleep(0.05)
    p.handshake()


@point("a bad response leaves the outstanding handshake as it was")
def _():
    p = new(psk=os.urandom(32))
    p.trigger()
    opened = p.initiation()
    stranger = w.Static()
    good, session = opened.respond(psk=p.psk)
    bad = [
        ("wrong psk", opened.respond()[0]),
        ("wrong tag", w.renew_macs(bent(good, 59), host().key)),
        ("wrong mac1", bent(good, -20)),
        ("other ephemeral",
         w.renew_macs(good[:12] + stranger.pub + good[44:], host().key)),
        ("mac1 for another receiver", w.renew_macs(good, stranger)),
        ("other receiver index", w.renew_macs(
            good[:8] + bytes([good[8] ^ 1]) + good[9:], host().key)),
        ("reserved byte", w.renew_macs(bent(good, 2), host().key)),
    ]
    for point_ in w.LOW_ORDER:
        bad.append(("low-order ephemeral", opened.respond(
            psk=p.psk, ephemeral=w.Static(pub=point_))[0]))
    before = host().stats()["rx"]["bytes"]
    for _, message in bad:
        p.send(message)
    host().settled(new())
    p.quiet("%d bad responses" % len(bad))
    rx, _ = p.transfer()
    equal("bytes received from the peer", 0, rx)
    check("the device counted the other peer alone",
          0 < host().stats()["rx"]["bytes"] - before < 1000)
    p.send(good)
    p.session = session
    check("then the good one is taken", p.data(session)[28:35] == b"trigger")
    p.send(good)
    host().settled(new())
    p.quiet("the same response twice")
    p.ping(session)


@point("an initiation with low-order points or of a stranger is silence")
def _():
    p = new()
    for low in w.LOW_ORDER:
        p.send(p.initiate(ephemeral=w.Static(pub=low)).message)
    host().settled(new())
    p.quiet("low-order ephemerals")
    q = Peer(host(), add=False)
    for key in (w.Static(), host().key):
        q.key = key
        q.send(q.initiate().message)
    for low in w.LOW_ORDER:
        q.key = w.Static(pub=low)
        q.key.priv = w.Static().priv
        q.send(q.initiate().message)
    host().settled(p)
    q.quiet("a stranger, the device's own key, low-order statics")


@point("accepting an initiation ends the one that we had begun: one slot")
def _():
    p = new()
    p.trigger(b"queued")
    opened = p.initiation()
    s = p.handshake(confirm=False)
    message, other = opened.respond()
    p.send(message)
    host().settled(new())
    p.quiet("a response to the handshake that was ended")
    p.send(s.seal())
    check("what was queued goes on the session",
          p.data(s)[28:34] == b"queued")
    p.ping(s)


@point("both begin at once and converge, whichever message comes first")
def _():
    p = new()       # theirs is answered, then ours comes
    p.trigger(b"queued")
    opened = p.initiation()
    hs = p.initiate()
    a = p.answer(opened)
    p.send(hs.message)
    check("queued data on the session that was first",
          p.data(a)[28:34] == b"queued")
    b = p.response(hs)
    p.ping(a, answer_on=a)
    p.send(b.seal())
    p.ping(b)
    p.ping(a, answer_on=b)      # previous still receives

    p = new()       # ours comes, then the answer to theirs
    p.trigger(b"queued")
    opened = p.initiation()
    hs = p.initiate()
    p.send(hs.message)
    p.send(opened.respond()[0])
    b = p.response(hs)
    p.send(b.seal())
    check("queued data", p.data(b)[28:34] == b"queued")
    p.ping(b)


@point("session slots, as responder: previous, current, next")
def _():
    p = new()
    s1 = p.handshake()
    p.ping(s1)
    time.sleep(0.03)
    s2 = p.handshake()
    p.ping(s2)
    p.ping(s1, answer_on=s2)
    time.sleep(0.03)
    s3 = p.handshake(confirm=False)
    p.no_ping(s1, "previous goes when a next one comes")
    p.ping(s2)
    time.sleep(0.03)
    s4 = p.handshake(confirm=False)
    p.no_ping(s3, "an old next goes when a new one comes")
    p.ping(s2)
    p.send(s4.seal())
    p.ping(s4)
    p.ping(s2, answer_on=s4)
    p.no_ping(s3, "and does not come back")


@point("indices are random and unique among all that live")
def _():
    seen = []
    for _ in range(40):
        p = new(endpoint=False)
        for _ in range(2):
            time.sleep(0.025)
            s = p.handshake()
            seen.append(s.theirs)
    equal("distinct indices", len(seen), len(set(seen)))
    for bit in range(32):
        n = sum(i >> bit & 1 for i in seen)
        check("bit %d is set in some and clear in others" % bit,
              10 <= n <= 70, n)
    steps = set(b - a for a, b in zip(seen, seen[1:]))
    check("they follow no step", len(steps) > 70, len(steps))


@point("the endpoint follows a valid initiation, response, data, keepalive")
def _():
    p = new()

    def at(port):
        until(5, "endpoint at port %d" % port,
              lambda: p.endpoint() == "%s:%d" % (p.src, port))

    home = p.port
    p.port = 30001
    hs = p.initiate()
    p.send(hs.message)
    s = p.response(hs)          # it comes to the new port
    at(30001)
    p.port = 30002
    p.send(s.seal())
    at(30002)
    p.port = 30003
    p.ping(s)
    at(30003)
    # An inner source that is not the peer's: dropped, but it authenticates.
    p.send(s.seal(echo("10.8.0.1", INNER)), sport=30004)
    at(30004)
    # As initiator.
    q = new()
    q.trigger()
    opened = q.initiation()
    message, t = opened.respond()
    q.port = 30005
    q.send(message)
    q.data(t)                   # to the new port
    until(5, "endpoint at port 30005",
          lambda: q.endpoint() == "%s:30005" % q.src)
    check("home was another", home != 30001)


@point("the endpoint follows nothing that does not authenticate")
def _():
    p = new()
    old = p.initiate()
    time.sleep(0.001)
    s = p.handshake()
    p.ping(s)
    where = p.endpoint()
    forged = [bent(s.seal()), s.seal(b"", counter=0), s.seal(b"x", counter=1),
              old.message, bent(p.initiate().message, -20),
              w.renew_macs(bent(p.initiate().message, 110), host().key)]
    # A message that was delivered, again.
    replay = s.seal(echo(p.inner, INNER))
    p.send(replay)
    p.data(s, empty=False)
    forged.append(replay)
    for m in forged:
        p.send(m, sport=31000)
    host().settled(new())
    host().quiet("nothing goes to the forger", 0.3,
                 lambda q: q.dport == 31000)
    equal("endpoint", where, p.endpoint())
    # Cookie replies: a good one to an initiation, to a session's index.
    q = new()
    q.trigger()
    opened = q.initiation()
    where = q.endpoint()
    reply = w.cookie_reply(q.key, os.urandom(16), opened.message)
    q.send(reply, sport=31000)
    for m in (opened.respond(psk=os.urandom(32))[0],
              bent(opened.respond()[0], -20)):
        q.send(m, sport=31000)
    host().settled(new())
    equal("endpoint after a cookie reply and bad responses", where,
          q.endpoint())
    q.answer(opened)
    q.data()
    equal("endpoint", where, q.endpoint())


@point("the preshared key changes in the middle")
def _():
    p = new(psk=os.urandom(32))
    p.handshake()
    p.ping()
    s = p.session
    old, p.psk = p.psk, os.urandom(32)
    host().psk(p.key.pub, p.psk)
    p.ping(s)                   # the session goes on
    time.sleep(0.03)
    hs = p.initiate()
    p.send(hs.message)
    message = p.get(w.RESPONSE)
    try:
        hs.finish(message, old)
        raise Failed("the response was made with the old key")
    except w.Bad:
        pass
    t = hs.finish(message, p.psk)
    p.send(t.seal())
    p.ping(t)
    # As initiator: changed before, and while one is outstanding.
    q = new(psk=os.urandom(32))
    q.trigger()
    opened = q.initiation()
    old, q.psk = q.psk, os.urandom(32)
    host().psk(q.key.pub, q.psk)
    q.send(opened.respond(psk=old)[0])
    host().settled(new())
    q.quiet("a response with the key from before the change")
    q.answer(opened)
    q.data()
    q.ping()
    # Removed.
    host().psk(q.key.pub, w.NO_PSK)
    q.psk = w.NO_PSK
    time.sleep(0.03)
    q.handshake()
    q.ping()


@point("no private key: silence; queue, then set it: the staged packets go")
def _():
    h = second()
    key = h.key
    p = new(h)
    p.handshake()
    p.ping()
    h.wg_key(None)
    h.key = key
    p.send(p.initiate().message)
    p.send(p.session.seal(echo(p.inner, INNER)))
    p.quiet("no key, an initiation and data", 0.5)
    q = new(h)
    for i in range(3):
        q.trigger(b"%d" % i)
    p.trigger(b"old")
    h.quiet("no key, packets queued", 0.5,
            lambda x: p.mine(x) or q.mine(x))
    h.wg_key(key)
    t = q.answer(q.initiation(2))
    for i in range(3):
        equal("staged packet", b"%d" % i, q.data(t)[28:29])
    u = p.answer(p.initiation(2))
    # The session received to the last: the answer to that echo was staged.
    until(5, "staged packet of a peer from before",
          lambda: p.data(u)[28:31] == b"old")
    p.ping()
    q.ping()


@point("another private key under traffic: sessions receive and do not send")
def _():
    h = second()
    p, q = new(h, psk=os.urandom(32)), new(h)
    s = p.handshake()
    p.ping()
    t = q.handshake(confirm=False)      # a next one
    where = p.endpoint()
    old = h.key
    h.wg_key(w.Static())
    equal("endpoint", where, p.endpoint())
    h.wg_key(h.key)                     # the same again: nothing happens
    rx = p.transfer()[0]
    p.send(s.seal(echo(p.inner, INNER, 7, 7)))
    opened = p.initiation(2)            # at once, whatever the 5 s say
    equal("the current session received", rx + 32 + 32 + 16 * 0,
          p.transfer()[0])
    p.quiet("the current session sends nothing", 0.3, w.DATA)
    u = p.answer(opened)                # with the PSK from before
    plain = p.data(u)
    check("the answer comes on the new session", plain[20] == 0, plain)
    p.ping(s, answer_on=u)
    q.send(t.seal(echo(q.inner, INNER, 7, 7)))
    opened = q.initiation(2)
    q.quiet("the next session sends nothing", 0.3, w.DATA)
    q.answer(opened)
    q.data()
    # A handshake with the old key is refused.
    hs = w.initiate(p.key, old, later())
    p.send(hs.message)
    h.settled(new(h))
    p.quiet("an initiation to the old key")


@point("peers with low-order keys are accepted and never cause a packet")
def _():
    h = second()
    n = 0
    dropped = h.stats()["tx"]["dropped"]
    for low in w.LOW_ORDER:
        p = Peer(h, key=w.Static(pub=low))
        n += 1
        check("the peer is there", p.endpoint() is not None)
        h.wg("peer", b64(low), "persistent-keepalive", 1)
        p.trigger()
        p.key.priv = w.Static().priv
        p.send(w.initiate(p.key, h.key, later()).message)
    h.settled(new(h))
    ports = range(20001 + h.peers - 1 - n, 20001 + h.peers - 1)
    h.quiet("no packet to a low-order peer", 1.2,
            lambda x: x.dport in ports)
    if harness.DRIVER == "adit":
        check("what was for them does not wait",
              h.stats()["tx"]["dropped"] - dropped >= n)
    for low in w.LOW_ORDER:
        h.wg("peer", b64(low), "remove")


@point("a peer with the device's own key is not made, or goes")
def _():
    h = second()
    p = Peer(h, key=h.key)
    equal("a peer with our own key", None, h.show("endpoints", h.key.pub))
    p.send(p.initiate().message)
    h.settled(new(h))
    p.quiet("an initiation of ourselves")
    q = new(h)
    q.handshake()
    old = h.key
    h.wg_key(q.key)
    equal("the peer whose key became ours", None,
          h.show("endpoints", q.key.pub))
    h.box.clear()
    q.send(w.initiate(q.key, h.key, later()).message)
    h.settled(new(h))
    q.quiet("an initiation of ourselves")
    h.wg_key(old)


# ------------------------------------------------ what was begun at the top

def retry(p):
    """The next initiation to that peer, just come: 5 s to do anything."""
    p.host.poll()
    p.host.box = [q for q in p.host.box if not p.mine(q, w.INITIATION)]
    p.retry = p.initiation(8)


@point("no response: an initiation anew after 5 s, with new everything")
def _():
    for name in BEGUN:
        p = begun[name]
        retry(p)
        took = time.monotonic() - begun["began"]
        check("a retry after 5 s", took > 4, took)
        check("a new ephemeral", p.retry.e != p.first.e)
        check("a new index", p.retry.sender != p.first.sender)
        check("a later stamp", p.retry.stamp > p.first.stamp)


@point("a response to an older initiation than the last is refused")
def _():
    p = begun["stale"]
    retry(p)
    before = p.retry
    retry(p)                    # the one after that
    second = p.retry
    stale, _ = p.first.respond()
    p.send(stale)
    p.send(before.respond()[0])
    # By index of the new one, with the content of the old.
    p.send(p.first.respond(receiver=second.sender)[0])
    host().settled(new())
    p.quiet("the stale response")
    s = p.answer(second)
    equal("what was queued", b"for stale", p.data(s)[28:37])
    p.send(stale)
    host().settled(new())
    p.quiet("the stale response once a session is there")
    p.ping(s)


@point("a new session as initiator: a pending next becomes the previous one")
def _():
    p = begun["next"]
    s = p.session
    while time.monotonic() - begun["began"] < 5.5:
        time.sleep(0.1)
    p.trigger()
    opened = p.initiation()
    t = p.answer(opened)
    p.data(t)
    p.ping(s, answer_on=t)
    p.ping(t)


@point("a new session as initiator: else the current one does")
def _():
    p = begun["current"]
    s = p.session
    first = host().take(lambda q: p.mine(q, w.INITIATION), 20)
    check("an initiation", first is not None)
    took = first.time - begun["began"]
    check("15 s after data without an answer", took > 13, took)
    retry(p)
    t = p.answer(p.retry)
    p.data(t)
    p.ping(s, answer_on=t)
    p.ping(t)
    # One slot: the next one ends it.
    time.sleep(0.03)
    u = p.handshake()
    p.ping(u)
    p.no_ping(s, "the session before the previous one")
    p.ping(t, answer_on=u)


def retried(text):
    """A peer, something queued for it, and two initiations to it, the second
    just come. One peer at a time: an emulated machine with much to do needs
    most of the 5 s for one."""
    p = new()
    p.trigger(text)
    p.first = p.initiation()
    retry(p)
    return p


def queued(p, text, session):
    """What was queued comes on that session."""
    equal("queued", text, p.data(session)[28:28 + len(text)])


@point("an initiation or a response is lost, late or comes twice")
def _():
    # The first initiation was lost: the second is answered.
    p = retried(b"for lost-init")
    s = p.answer(p.retry)
    queued(p, b"for lost-init", s)
    p.ping()
    # The response was lost: likewise, and ours to the first is void.
    p = retried(b"for lost-resp")
    p.first.respond()
    s = p.answer(p.retry)
    queued(p, b"for lost-resp", s)
    p.ping()
    # The first initiation is late, comes after the second was answered: we
    # answer it too, which the driver refuses.
    p = retried(b"for late-init")
    s = p.answer(p.retry)
    p.send(p.first.respond()[0])
    queued(p, b"for late-init", s)
    p.ping(s)
    # The same initiation twice: two responses, the first one counts.
    p = retried(b"for twice")
    a = p.answer(p.retry)
    p.send(p.retry.respond()[0])
    queued(p, b"for twice", a)
    host().settled(new())
    p.quiet("the second response to one initiation")
    p.ping(a)
    # Our keepalive overtakes the response: of a session not there yet.
    p = retried(b"for order")
    message, s = p.retry.respond()
    p.send(s.seal())
    p.send(message)
    p.send(s.seal())
    p.session = s
    queued(p, b"for order", s)
    p.ping(s)
    # A response that comes after we began one ourselves.
    p = retried(b"for old-resp")
    hs = p.initiate()
    p.send(hs.message)
    t = p.response(hs)
    p.send(p.retry.respond()[0])
    host().settled(new())
    p.quiet("a response after our own initiation")
    p.send(t.seal())
    queued(p, b"for old-resp", t)
    p.ping(t)


@point("as responder: initiation, response, confirmation lost or late")
def _():
    p = new()       # the response is lost, we begin anew
    p.handshake(confirm=False)
    time.sleep(0.03)
    s = p.handshake()
    p.ping(s)
    # The confirmation is lost; data that follows confirms as well.
    time.sleep(0.03)
    t = p.handshake(confirm=False)
    t.seal()
    p.ping(t)
    p.ping(s, answer_on=t)
    # Out of order: data of the new session, then of the old.
    time.sleep(0.03)
    u = p.handshake(confirm=False)
    one = t.seal(echo(p.inner, INNER, 1, 1))
    two = u.seal(echo(p.inner, INNER, 1, 2))
    p.send(two)
    p.send(one)
    for n in (2, 1):
        equal("answer on the newest", n,
              struct.unpack("!H", p.data(u, empty=False)[26:28])[0])
    # The initiation is delayed beyond a newer one.
    a, b = p.initiate(), p.initiate()
    time.sleep(0.03)
    p.send(b.message)
    v = p.response(b)
    time.sleep(0.03)
    p.send(a.message)
    p.quiet("an initiation that a newer one overtook")
    p.ping(v)


@point("a packet with a wrong inner source confirms, and is heard by the timers")
def _():
    # Confirmation, and timers, come before the checks of the inner packet.
    p = new()
    s = p.handshake(confirm=False)
    p.trigger(b"staged")
    p.quiet("an unconfirmed session, a packet staged")
    p.send(s.seal(echo("10.8.0.1", INNER)))
    plain = p.data(s)
    check("the staged packet comes", plain[28:34] == b"staged", plain)
    # Another that needs an answer, and gets none of the host: rule 6.
    p.send(s.seal(echo("10.8.0.1", INNER)))
    p.data(s, 14, empty=True)


@point("an initiation that waited when the device went down is not answered")
def _():
    h = second()
    new(h).handshake()
    # Each of these costs the driver a key agreement, and then does not open.
    junk = new(h).initiate().message
    junk = [w.renew_macs(bent(junk, 120, 1 + n % 250), h.key)
            for n in range(400)]
    for _ in range(5):
        peers = [new(h) for _ in range(3)]
        begun_here = [p.initiate() for p in peers]
        for m in junk:
            h.send(m)
        for p, hs in zip(peers, begun_here):
            p.send(hs.message)
        h.sh(["ip", "link", "set", "wg0", "down"])
        h.poll()
        early = [p for p in peers if p.maybe(w.RESPONSE, 0)]
        h.sh(["ip", "link", "set", "wg0", "up"])
        if not early:
            break
    check("they still waited when it went down", not early)
    # What had waited before this one would have had its turn.
    h.settled(new(h))
    for p in peers:
        p.quiet("the answer to what waited", 0, w.RESPONSE)
    for p in peers:
        time.sleep(0.03)
        p.handshake()
        p.ping()


@point("nothing else came out in all that time")
def _():
    # Only ICMP errors that the host itself would send: there should be none.
    equal("packets that are not UDP", [], host().other)
    for p in host().box:
        check("a well-formed message of %s:%d" % (V4, 51820),
              p.sport == 51820 and w.kind_of(p.payload), p)


if __name__ == "__main__":
    run("handshakes against a peer in user space")
