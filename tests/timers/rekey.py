#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Rules 3, 4 and 7: what makes a new handshake while there is a session."""

from rig import *


def chat(r, until, step=1.0):
    """The driver sends and hears a keepalive, so that it misses no answer."""
    while now() + step < until:
        r.send()
        r.run(0.05)
        r.peer.keepalive()
        r.run(step - 0.05)
    r.run_until(until)


@point("rule 3: the initiator begins anew when it sends after 120 s, not by itself")
def _():
    with Rig() as r:
        s = r.peer.shake()
        chat(r, s.born + REKEY_AFTER - 0.3, 5.0)
        eq("before 120 s: data alone", set(), {m.kind for m in r.messages()} - {"data"})
        r.forget()
        r.run_until(s.born + REKEY_AFTER + 20)
        eq("idle, 20 s after that: nothing", "", r.kinds())
        r.peer.answer = False
        t = r.send()
        m = r.wait("init", 1)
        at_once("from the next packet to an initiation", m.t - t)
        eq("the packet itself leaves on the old session", [s],
           [m.session for m in r.log if m.kind == "data"][-1:])
        new = r.peer.respond(r.peer.states[-1])
        eq("nothing staged: a keepalive confirms the session", new,
           r.wait("keep", 1).session)
        r.peer.keepalive()
        r.forget()
        r.send()
        m = r.wait("data", 1)
        eq("the next packet leaves on the new session", (new, 1),
           (m.session, m.counter))
        r.run(1)
        eq("and needs no handshake", "", r.kinds())


@point("rule 3: a keepalive that is sent after 120 s does the same")
def _():
    with Rig() as r:
        s = r.peer.shake()
        r.run_until(s.born + REKEY_AFTER - 5)
        t = r.peer.data()
        m = r.wait("keep", 12)
        after("passive keepalive", KEEPALIVE, m.t - t)
        at_once("from it to an initiation", r.wait("init", 1).t - m.t)


@point("rule 3: the responder does not")
def _():
    with Rig() as r:
        s = r.peer.shake(initiator="peer")
        chat(r, s.born + REJECT_AFTER - 1, 3.0)
        eq("data alone until 179 s", {"data"}, {m.kind for m in r.messages()})
        at_least("of it", 50, len(r.messages("data")))


@point("rule 3: ten pings a second for ten minutes, none lost")
def _():
    with Pair() as r:
        out = r.ping("-c", "6000", "-i", "0.1", "-W", "3")
        must("all of 6000 answered: " + out.splitlines()[-2],
             "6000 received, 0% packet loss" in out)
        eq("a begins each handshake", [], r.by(r.b, "init"))
        inits = r.by(r.a, "init")
        # ping takes up to a tenth longer than asked for
        between("handshakes in 600 s", 5, 6, len(inits))
        eq("each is answered once", len(inits), len(r.by(r.b, "resp")))
        for n, gap in enumerate(gaps(inits), 1):
            # the first packet after 120 s
            between(f"from handshake {n} to {n + 1}", REKEY_AFTER - EARLY,
                    REKEY_AFTER + 0.11 + 2 * LATE, gap)
        # the first session is confirmed by the ping that waited for it
        eq("keepalives that confirm a session", (len(inits) - 1, 0),
           (len(r.by(r.a, "keep")), len(r.by(r.b, "keep"))))
        eq("sessions that a's data went on", len(inits),
           len({m.sender for m in r.by(r.a, "data")}))


@point("rule 4: the initiator begins anew when it receives after 165 s, once")
def _():
    with Rig() as r:
        p = r.peer
        for n in range(2):
            s = p.shake() if not n else p.session
            p.answer = False
            r.run_until(s.born + 130)
            for age in (130, 150, LAST_MINUTE - 0.5):
                r.run_until(s.born + age)
                p.keepalive(s)
            r.run_until(s.born + LAST_MINUTE + 0.5)
            eq(f"session {n}: at 130, 150, 164.5 s, and by itself", "", r.kinds())
            t = p.keepalive(s)
            m = r.wait("init", 1)
            at_once(f"session {n}: what comes after 165 s makes an initiation",
                    m.t - t)
            if n:
                break
            p.respond(p.states[-1])     # a second session, which does it again
            r.wait("keep", 1)
            p.keepalive()
            r.run(0.1)
            r.forget()
        # Were each packet a trigger, the count of attempts would begin anew.
        while now() < s.born + REJECT_AFTER + 2:
            p.keepalive(s)
            r.run(0.5)
        r.run(150)
        eq("initiations in all", ATTEMPTS - 1, len(r.messages("init")))
        eq("and nothing else", {"init"}, {m.kind for m in r.messages()})


@point("rule 4: the responder does not")
def _():
    with Rig() as r:
        s = r.peer.shake(initiator="peer")
        for age in (LAST_MINUTE + 0.5, 170, 175, REJECT_AFTER - 0.5):
            r.run_until(s.born + age)
            r.peer.keepalive()
        r.run(20)
        eq("what it sends", "", r.kinds())


@point("rule 7: data sent and nothing heard for 15 s")
def _():
    with Rig() as r:
        p = r.peer
        s = p.shake(initiator="peer")
        r.send()
        first = r.wait("data", 1).t     # the clock runs from the first of them
        r.run(5)
        r.send()
        r.run(5)
        r.send()
        p.answer = False
        m = r.wait("init", 7)
        after("from the first packet to an initiation", SILENCE, m.t - first, JITTER)
        eq("the session is not that old", True, m.t - s.born < 30)
        new = p.respond(p.states[-1])
        eq("a keepalive confirms the new session", new, r.wait("keep", 1).session)
        r.run(60)
        eq("that keepalive goes unanswered, and makes no handshake", "", r.kinds())


@point("rule 7: the delay is not the same each time")
def _():
    with Rig(peers=8) as r:
        for p in r.peers:
            p.shake(initiator="peer")
        spread = []
        for _ in range(6):
            sent, late = {}, []
            for p in r.peers:
                r.send(peer=p)
                sent[p] = r.wait("data", 1, p).t
            r.run(17)
            for p in r.peers:
                mine = [m for m in r.messages("init") if m.peer is p]
                eq("initiations", 1, len(mine))
                after("after the data", SILENCE, mine[0].t - sent[p], JITTER)
                late.append(mine[0].t - sent[p])
                p.keepalive()
            spread.append(max(late) - min(late))
            r.run(0.1)
            r.forget()
        # Eight peers at a time: the wheel rounds them to two of its steps. Without
        # jitter a step may fall between two sends, but not in most of the rounds.
        at_least("longest delay less shortest, in half of the rounds", 0.07,
                 sorted(spread)[3])


@point("rule 7: anything authenticated that comes is an answer")
def _():
    with Rig() as r:
        r.peer.shake(initiator="peer")
        r.send()
        r.run(14)
        r.peer.keepalive()
        r.run(40)
        eq("a keepalive after 14 s: no handshake", "data", r.kinds())
        r.forget()
        r.send()
        r.run(14)
        raw = r.peer.transport      # one that does not authenticate
        s = r.peer.session
        good, s.keys = s.keys, (bytes(32), s.keys[1])
        raw(b"")
        s.keys = good
        s.counter -= 1
        eq("a forged one: a handshake all the same", "init", r.wait("init", 3).kind)


@point("rule 7: keepalives that are sent do not need an answer")
def _():
    with Rig() as r:
        r.peer.shake(initiator="peer")
        r.peer.data()
        r.run(60)
        eq("a passive one", "keep", r.kinds())
        r.forget()
        r.set("persistent-keepalive", "5")
        r.run(61)
        eq("persistent ones", {"keep"}, {m.kind for m in r.messages()})
        at_least("of them", 11, len(r.messages("keep")))


@point("rule 7: the source address is forgotten")
def _():
    with Rig() as r:
        p = r.peer
        p.to = ("192.0.2.11", 51820)
        p.shake(initiator="peer")
        r.send()
        eq("data leaves from the address that was reached", p.to,
           r.wait("data", 1).src)
        r.run(14)
        r.send()
        eq("after 14 s too", p.to, r.wait("data", 1).src)
        eq("after 15 s no more", ("192.0.2.1", 51820), r.wait("init", 3).src)


main("new handshakes in a session")
