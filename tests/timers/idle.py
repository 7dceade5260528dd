#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Two peers with nothing to say are silent; docs/testing.md, idle peers."""

from rig import *


def quiet(r, begun, a, b, what):
    """After begun at most these keepalives came, after 10 s, and nothing else."""
    for seconds in (60, 600):
        r.run_until(begun + seconds)
        eq(f"{what}, {seconds} s: keepalives of a and b", (a, b),
           (len(r.by(r.a, "keep")), len(r.by(r.b, "keep"))))
        eq(f"{what}, {seconds} s: anything else", [],
           [m.kind for m in r.messages() if m.kind != "keep"])
    for m in r.messages("keep"):
        after(f"{what}: the keepalive", KEEPALIVE, m.t - begun)


@point("after a ping: one keepalive for its answer, 10 s later")
def _():
    with Pair() as r:
        must("a ping is answered", " 1 received" in r.ping("-c", "1"))
        r.poll(0)
        last = r.messages("data")[-1]
        eq("b's answer is the last", r.b, last.host)
        r.forget()
        quiet(r, last.t, 1, 0, "ping")


@point("after data one way: one keepalive of the receiver")
def _():
    with Pair() as r:
        r.send(r.a)
        m = r.wait("data", 1)
        quiet(r, m.t, 0, 1, "one datagram")


@point("after a handshake alone: nothing")
def _():
    with Pair() as r:
        r.a.run("wg", "set", "wg0", "peer", b64(r.b.key.pub), "persistent-keepalive",
                "25")
        m = r.wait("keep", 1)
        r.a.run("wg", "set", "wg0", "peer", b64(r.b.key.pub), "persistent-keepalive",
                "0")
        quiet(r, m.t, 0, 0, "handshake")


@point("after traffic both ways until after the rekey: one keepalive at most")
def _():
    with Pair() as r:
        out = r.ping("-c", "130", "-i", "1", "-W", "1")
        must("all answered: " + out.splitlines()[-2], "130 received" in out)
        eq("handshakes", 2, len(r.messages("init")))
        last = r.messages("data")[-1]
        r.forget()
        quiet(r, last.t, 1, 0, "pings")


@point("persistent keepalives of one side wake the other for handshakes alone")
def _():
    with Pair() as r:
        r.a.run("wg", "set", "wg0", "peer", b64(r.b.key.pub), "persistent-keepalive",
                "25")
        r.run(600)
        eq("data", [], r.messages("data"))
        eq("keepalives of b", [], r.by(r.b, "keep"))
        eq("initiations of b", [], r.by(r.b, "init"))
        eq("as many responses as initiations", len(r.by(r.a, "init")),
           len(r.by(r.b, "resp")))
        # at 0, and with the first keepalive after 120 s of each session
        between("initiations of a", 4, 5, len(r.by(r.a, "init")))


main("idle peers")
