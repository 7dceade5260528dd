#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Rule 2: an initiation without an answer is sent again, and for how long."""

from rig import *

LAST = ATTEMPTS - 1
# From an initiation to the next, or to the end of the wait for an answer, at most.
GAP = REKEY_TIMEOUT + JITTER + wheel(REKEY_TIMEOUT) + LATE


@point("a retry every 5 s and up to a third, 20 initiations, then silence")
def _():
    with Rig(peers=4) as r:
        for p in r.peers:
            p.answer = False
            r.send(peer=p)
        r.run(300)
        every = []
        for p in r.peers:
            mine = [m for m in r.messages() if m.peer is p]
            eq(f"peer {p.n}: kinds of messages", {"init"}, {m.kind for m in mine})
            eq(f"peer {p.n}: initiations in all", ATTEMPTS, len(mine))
            between(f"peer {p.n}: from first to last",
                    LAST * REKEY_TIMEOUT - EARLY, LAST * GAP, mine[-1].t - mine[0].t)
            for n, gap in enumerate(gaps(mine), 1):
                after(f"peer {p.n}: from {n} to {n + 1}", REKEY_TIMEOUT, gap, JITTER)
            # all but the first begin at a step of the timer wheel
            every += gaps(mine)[1:]
            eq(f"peer {p.n}: each valid", ATTEMPTS, len(p.states))
            eq(f"peer {p.n}: each has an ephemeral of its own", ATTEMPTS,
               len({m.ephemeral for m in mine}))
            stamps = [m.timestamp for m in mine]
            eq(f"peer {p.n}: timestamps rise", sorted(set(stamps)), stamps)
        # The wheel rounds 5 to 5 1/3 s up to two or more of its steps.
        at_least("longest delay less shortest", 0.07, max(every) - min(every))


@point("after the last attempt staged packets are dropped and counted")
def _():
    with Rig() as r:
        r.peer.answer = False
        r.send(7)
        for n in range(ATTEMPTS):
            m = r.wait("init", 6)
        eq("tx_dropped while the last may be answered", 0, r.stat("tx_dropped"))
        r.run_until(m.t + REKEY_TIMEOUT - 0.1)
        eq("tx_dropped just before the end", 0, r.stat("tx_dropped"))
        r.run_until(m.t + GAP)
        eq("tx_dropped after it", 7, r.stat("tx_dropped"))
        r.run(60)
        eq("nothing is sent", "", r.kinds())
        r.peer.answer = True
        t = r.send()
        at_once("a new packet makes a new initiation", r.wait("init", 1).t - t)
        m = r.wait("data", 1)
        r.run(1)
        eq("it arrives, and is the first", (0, 8), (m.counter, m.number))
        eq("and alone", "", r.kinds())


@point("a packet after the last attempt starts all 20 anew")
def _():
    with Rig() as r:
        r.peer.answer = False
        for _ in range(2):
            r.send()
            r.run(130)
            eq("initiations", ATTEMPTS, len(r.messages()))
            r.forget()


@point("a packet meanwhile starts the count anew")
def _():
    with Rig() as r:
        r.peer.answer = False
        r.send()
        for _ in range(12):
            m = r.wait("init", 6)
        r.run(2)
        r.send()            # within 5 s of the twelfth: no initiation of its own
        r.run(200)
        inits = r.messages("init")
        eq("initiations after that packet", LAST, len(inits))
        after("from the twelfth to the next", REKEY_TIMEOUT, inits[0].t - m.t, JITTER)
        for n, gap in enumerate(gaps(inits), 13):
            after(f"from {n} to {n + 1}", REKEY_TIMEOUT, gap, JITTER)


@point("a persistent keepalive tries for ever")
def _():
    with Rig() as r:
        r.peer.answer = False
        r.set("persistent-keepalive", "3")
        r.run(600)
        inits = r.messages("init")
        at_least("initiations in 600 s", 600 // GAP, len(inits))
        for n, gap in enumerate(gaps(inits), 1):
            after(f"from {n} to {n + 1}", REKEY_TIMEOUT, gap, JITTER)
        r.peer.answer = True
        m = r.wait("keep", 6)
        eq("it comes once there is an answer", 0, m.counter)


@point("a persistent keepalive that is longer than a retry begins again by itself")
def _():
    with Rig() as r:
        r.peer.answer = False
        r.set("persistent-keepalive", "25")
        r.run(600)
        inits = r.messages("init")
        for n, gap in enumerate(gaps(inits), 1):
            # 20 attempts; the next keepalive is 25 s after the last of them
            if n % ATTEMPTS:
                after(f"from {n} to {n + 1}", REKEY_TIMEOUT, gap, JITTER)
            else:
                after(f"from {n} to {n + 1}", 25, gap)
        at_least("initiations", 4 * ATTEMPTS, len(inits))


@point("each retry forgets the source address")
def _():
    with Rig() as r:
        p = r.peer
        p.to = ("192.0.2.11", 51820)        # the driver's second address
        s = p.shake(initiator="peer")
        r.send()
        eq("an answer leaves from the address that was reached", p.to,
           r.wait("data", 1).src)
        # No answer to that, so a handshake begins, which is not answered either.
        p.answer = False
        first = r.wait("init", 16)
        for n in range(3):
            r.run(1)
            p.keepalive(s)                  # the second address is known again
            r.run(0.1)
            r.send()
            m = r.wait("data", 1)
            eq(f"{n}: what it sends meanwhile comes from there", p.to, m.src)
            m = r.wait("init", 6)
            eq(f"retry {n} comes from the first address", ("192.0.2.1", 51820), m.src)
            after(f"retry {n}", REKEY_TIMEOUT, m.t - first.t, JITTER)
            first = m


@point("giving up cancels the passive keepalive")
def _():
    with Rig() as r:
        p = r.peer
        s = p.shake(initiator="peer")
        p.answer = False
        r.send()                            # unanswered: a handshake after 15 s
        for _ in range(ATTEMPTS):
            m = r.wait("init", 16)
        must("the session is still good", m.t < s.born + REJECT_AFTER - 30)
        r.run_until(m.t + 1)
        p.data()
        r.run(0.1)
        eq("the data arrives", [b"hello"], r.got())
        r.forget()
        r.run(40)
        eq("no keepalive for it", "", r.kinds())


@point("giving up arms zeroing of the handshake itself")
def _():
    for delay, zeroed in ((ZERO - 10, False), (ZERO + wheel(ZERO) + 2, True)):
        with Rig() as r:
            p = r.peer
            p.answer = False
            r.send()
            for _ in range(ATTEMPTS):
                m = r.wait("init", 6)
            r.run_until(m.t + GAP + delay)
            eq("nothing was sent", "", r.kinds())
            p.respond(p.states[-1])
            r.run(1)
            if zeroed:
                eq("an answer after 540 s means nothing", "", r.kinds())
                eq("latest handshake", "0", r.show("latest-handshakes"))
            else:
                eq("an answer before is taken", "keep", r.kinds())


main("retries of the initiation")
