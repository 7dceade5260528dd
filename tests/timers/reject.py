#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Rules 5 and 8: sessions end after 180 s, and are zeroed after 540 s."""

from rig import *


def ends(r, s, who):
    """Session s, which only keepalives of the peer keep in use, ends at 180 s."""
    p = r.peer
    p.answer = False
    r.run_until(s.born + REJECT_AFTER - 0.4)
    r.forget()
    p.data(b"good", s)
    r.run(0.1)
    eq(f"{who}: data of the peer at 179.6 s is taken", [b"good"], r.got())
    r.send()
    m = r.wait("data", 1)
    eq(f"{who}: data at 179.7 s leaves on it", s, m.session)
    r.run_until(s.born + REJECT_AFTER + 0.3)
    r.forget()
    rx = r.transfer()[0]
    p.data(b"late", s)
    r.run(0.1)
    eq(f"{who}: data of the peer at 180.3 s is not taken", [], r.got())
    eq(f"{who}: nor counted", rx, r.transfer()[0])
    r.send()
    r.run(6)
    eq(f"{who}: nothing is sent on it", {"init"}, {m.kind for m in r.messages()})
    at_least(f"{who}: but an initiation", 1, len(r.messages("init")))
    n = r.number
    p.respond(p.states[-1])
    m = r.wait("data", 1)
    eq(f"{who}: what waited leaves on the new session", (p.session, n),
       (m.session, m.number))


@point("rule 5: the responder's session ends after 180 s, both ways")
def _():
    with Rig() as r:
        s = r.peer.shake(initiator="peer")
        ends(r, s, "responder")


@point("rule 5: the initiator's session ends after 180 s, both ways")
def _():
    with Rig() as r:
        s = r.peer.shake()
        ends(r, s, "initiator")


@point("rule 5: the previous session receives until it is 180 s old itself")
def _():
    with Rig() as r:
        p = r.peer
        old = p.shake()
        r.run_until(old.born + 100)
        new = p.shake(initiator="peer")
        must("two sessions", old is not new)
        for age, good in ((100.5, True), (150, True), (REJECT_AFTER - 0.4, True),
                          (REJECT_AFTER + 0.3, False), (200, False)):
            r.run_until(old.born + age)
            p.data(b"old", old)
            r.run(0.1)
            eq(f"data on the old one at {age} s", [b"old"] if good else [], r.got())
        r.run_until(old.born + 201)
        p.data(b"new")
        r.run(0.1)
        eq("data on the new one then", [b"new"], r.got())


@point("rule 5: two drivers that are kept from a handshake fall silent after 180 s")
def _():
    with Pair() as r:
        out = r.ping("-c", "1")
        must("the tunnel is up", " 1 received" in out)
        first = r.by(r.b, "resp")[0].t
        for h in (r.a, r.b):
            h.nft("""table inet t {
                chain c {
                    type filter hook prerouting priority 0
                    iifname eth0 udp dport 51820 @th,64,32 0x01000000 drop
                }
            }""")
        p = r.a.popen("ping", "-n", "-i", "1", "-c", "190", "-W", "1", r.b.inner)
        while p.poll() is None:
            r.poll(0.5)
        out = p.stdout.read()
        last = max(m.t for m in r.messages("data"))
        between("the last data", REJECT_AFTER - 1.5, REJECT_AFTER + LATE, last - first)
        answered = out.count(" bytes from ")
        between("pings answered", 165, 180, answered)
        tries = [m for m in r.messages("init") if m.t > first + 1]
        between("the first try for a new session", REKEY_AFTER - EARLY,
                REKEY_AFTER + 1.1, tries[0].t - first)
        for h in (r.a, r.b):
            h.nft("delete table inet t")
        out = r.ping("-c", "10", "-i", "1", "-W", "1")
        must("once it is let through, pings are answered: " + out.splitlines()[-2],
             " 0 received" not in out)


COOKIE = bytes(range(16))


def holds(r, s, m):
    """Whether the driver still knows session s by its index: then it takes a cookie
    for the handshake message m, its last, and its next initiation shows that."""
    p = r.peer
    p.answer = False
    p.cookie_reply(m, COOKIE, s.remote)
    r.run(0.1)
    t = r.send()
    new = r.wait("init", 1)
    at_once("a packet makes an initiation", new.t - t)
    if new.mac2 == bytes(16):
        return False
    eq("mac2", MAC(COOKIE, new.raw[:-16]), new.mac2)
    return True


@point("rule 8: a session is zeroed 540 s after it began, the time of it stays")
def _():
    for age, there in ((ZERO - 10, True), (ZERO + wheel(ZERO) + 1, False)):
        with Rig() as r:
            s = r.peer.shake()
            m = [m for m in r.log if m.kind == "init"][-1]
            r.run_until(s.born + age)
            eq("idle until then", "", r.kinds())
            eq(f"the session is known after {age:.0f} s", there, holds(r, s, m))
            at_least("latest handshake, as wg shows it", int(s.born) - 1,
                     int(r.show("latest-handshakes")))


@point("rule 8: a new session begins the time anew, for both")
def _():
    # The first is the previous session then, and known as long as the second.
    for age, there in ((ZERO + 200 - 10, True),
                       (ZERO + 200 + wheel(ZERO) + 1, False)):
        with Rig() as r:
            first = r.peer.shake()
            r.run_until(first.born + 200)
            s = r.peer.shake()
            must("two sessions", s is not first)
            m = [m for m in r.log if m.kind == "init"][-1]
            r.run_until(first.born + age)
            eq(f"the session is known {age:.0f} s after the first", there,
               holds(r, s, m))


@point("rule 8: an unanswered handshake in a session is zeroed with it")
def _():
    for age, there in ((ZERO - 10, True), (ZERO + wheel(ZERO) + 1, False)):
        with Rig() as r:
            p = r.peer
            s = p.shake()
            p.answer = False
            r.run_until(s.born + 400)
            r.send()                    # 20 attempts, until about 505 s
            r.run_until(s.born + age)
            eq("attempts", ATTEMPTS, len(r.messages("init")))
            r.forget()
            p.respond(p.states[-1])
            r.run(1)
            eq(f"an answer after {age:.0f} s is taken", "keep" if there else "",
               r.kinds())


@point("rule 8: the responder's unconfirmed session is zeroed too")
def _():
    for age, there in ((ZERO - 10, True), (ZERO + wheel(ZERO) + 1, False)):
        with Rig() as r:
            p = r.peer
            state = p.initiate()
            resp = r.wait("resp", 1)
            s = p.join(state, resp.raw)
            eq("latest handshake: none before it is confirmed", "0",
               r.show("latest-handshakes"))
            r.run_until(resp.t + age)
            eq(f"the session is known after {age:.0f} s", there, holds(r, s, resp))


main("the end of sessions")
