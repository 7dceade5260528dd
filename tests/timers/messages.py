#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
# module: tests/timers/messages
"""Rules 3 and 5, by messages rather than time: the driver built with 200 in place of
2^60 and 400 in place of 2^64 - 2^13 - 1."""

import atexit
import glob
import os
import subprocess

from rig import *

REKEY, REJECT = 200, 400


def small_limits():
    """That driver in place of the one under test, until the end."""
    here = os.path.dirname(os.path.abspath(__file__))
    small = glob.glob(here + "/../../build/*-messages/wireguard.ko")
    if driver != "adit":
        skip_all("only of Adit there is such a build")
    if not small:
        skip_all("there is no module with small limits for this kernel")
    command("rmmod", "wireguard")
    command("insmod", small[0])

    def back():
        subprocess.run(["rmmod", "wireguard"], check=True)
        subprocess.run(["modprobe", "wireguard"], check=True)
    atexit.register(back)


def counters(r):
    return [m.counter for m in r.messages("data keep") if m.session]


@point("rule 3: a new handshake at that many messages, by whoever is initiator")
def _():
    for who in ("driver", "peer"):
        with Rig() as r:
            s = r.peer.shake(who)
            r.run(6)            # else rule 1 is in the way
            sent = 1 if who == "driver" else 0
            r.peer.answer = False
            while sent < REKEY - 1:
                r.send(min(20, REKEY - 1 - sent))
                sent += min(20, REKEY - 1 - sent)
                r.run(0.01)
            eq(f"{who}: up to message {REKEY - 1}", {"data"},
               {m.kind for m in r.messages()})
            eq(f"{who}: the last counter", REKEY - 2, counters(r)[-1])
            t = r.send()
            m = r.wait("init", 1)
            at_once(f"{who}: an initiation with message {REKEY}", m.t - t)
            r.run(0.1)
            r.forget()
            t = r.send()
            eq(f"{who}: the session goes on", s, r.wait("data", 1).session)
            r.peer.respond(r.peer.states[-1])
            m = r.wait("keep data", 1)
            eq(f"{who}: until there is another", r.peer.session, m.session)


@point("rule 5: never more than that on one session, not even in a batch")
def _():
    with Rig() as r:
        s = r.peer.shake(initiator="peer")
        r.run(6)
        r.peer.answer = False
        for _ in range(10):
            r.send(41)
            r.run(0.02)
        mine = counters(r)
        eq("counters", list(range(REJECT)), mine)
        eq("all on that session", {s}, {m.session for m in r.messages("data")})
        dropped = r.stat("tx_dropped")
        eq("the others wait", 0, dropped)
        state = r.peer.states[-1]
        r.forget()
        r.peer.respond(state)
        r.run(0.5)
        eq("and go on the next", [(r.peer.session, n) for n in range(10)],
           [(m.session, m.counter) for m in r.messages("data")])
        eq("in order", list(range(REJECT + 1, 411)),
           [m.number for m in r.messages("data")])


@point("rule 5: what comes with such a counter is refused")
def _():
    with Rig() as r:
        s = r.peer.shake()
        for counter, good in ((REJECT - 1, True), (REJECT, False),
                              (REJECT + 1, False), (REJECT - 2, True)):
            s.counter = counter
            r.peer.data(b"%d" % counter)
            r.run(0.1)
            eq(f"counter {counter}", [b"%d" % counter] if good else [], r.got())


small_limits()
main("limits of messages")
