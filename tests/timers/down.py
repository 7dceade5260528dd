#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
# module: tests/timers/machine
"""Rule 10: what an interface that goes down, and a machine that sleeps or is
cloned, forgets."""

import glob
import multiprocessing
import os

from rig import *


def down(r):
    r.a.ip("link set wg0 down")


def up(r):
    r.a.ip("link set wg0 up")


@point("while down nothing is sent, whatever was pending")
def _():
    with Rig(peers=4) as r:
        persistent, passive, retry, silence = r.peers
        for p in r.peers:
            p.shake(initiator="peer")
        r.set("persistent-keepalive", "2", peer=persistent)
        r.wait("keep", 1, persistent)
        passive.data()
        r.send(peer=silence)
        r.run(16)
        eq("a handshake for the one, before", 1,
           len([m for m in r.messages("init") if m.peer is silence]))
        r.send(peer=retry)
        passive.data()
        retry.answer = False
        r.run(1)
        down(r)
        r.run(0.1)
        r.forget()
        r.run(600)
        eq("while down", "", r.kinds())
        up(r)
        m = r.wait("init", 1)
        eq("up: the one with an interval at once", persistent, m.peer)
        r.wait("keep", 1)
        r.run(1.9)
        r.forget()
        r.set("persistent-keepalive", "0", peer=persistent)
        r.run(600)
        eq("no old timer goes on after up", "", r.kinds())


@point("down purges what is staged, and counts it")
def _():
    with Rig() as r:
        r.peer.answer = False
        r.send(9)
        r.wait("init", 1)
        eq("tx_dropped before", 0, r.stat("tx_dropped"))
        down(r)
        eq("tx_dropped after", 9, r.stat("tx_dropped"))
        up(r)
        r.peer.answer = True
        r.run(60)
        eq("nothing wants to be sent", "", r.kinds())
        r.send()
        r.wait("data", 1)
        r.run(1)
        eq("but what comes then", [10], [m.number for m in r.log if m.plain])


@point("an answer to an initiation from before is not taken")
def _():
    with Rig() as r:
        r.peer.answer = False
        r.send()
        r.wait("init", 1)
        down(r)
        up(r)
        r.peer.respond(r.peer.states[-1])
        r.run(1)
        eq("it means nothing", ("", "0"), (r.kinds(), r.show("latest-handshakes")))


@point("sessions from before are gone, both ways")
def _():
    for who in ("driver", "peer"):
        with Rig() as r:
            s = r.peer.shake(who)
            down(r)
            up(r)
            r.peer.data(b"old", s)
            r.run(0.2)
            eq(f"initiator {who}: data on the old one", [], r.got())
            t = r.send()
            m = r.wait("init data", 1)
            eq(f"initiator {who}: sending needs a handshake", "init", m.kind)
            at_once("at once", m.t - t)
            eq(f"initiator {who}: and goes on the new one", r.peer.session,
               r.wait("data", 1).session)
            must("which is another", r.peer.session is not s)


@point("port, endpoint, counters and the time of the last handshake stay")
def _():
    with Rig() as r:
        r.peer.sock.close()
        del r.fds[r.peer.sock]
        r.peer.sock = r.b.udp("192.0.2.2", 50000)   # roams: not the one configured
        r.fds[r.peer.sock] = r.peer
        r.peer.shake(initiator="peer")

        def state():
            return (r.a.run("wg", "show", "wg0", "listen-port").strip(),
                    r.show("endpoints"), r.show("transfer"),
                    r.show("latest-handshakes"))
        before = state()
        eq("endpoint", "192.0.2.2:50000", before[1])
        at_least("time of the handshake", 1, int(before[3]))
        down(r)
        eq("when down", before, state())
        r.run(100)
        up(r)
        eq("when up again", before, state())
        r.send()
        r.wait("init", 1)
        eq("and it is used", "data", r.wait("data", 1).kind)


@point("the greatest timestamp stays: an initiation from before is refused")
def _():
    with Rig() as r:
        p = r.peer
        p.shake(initiator="peer")
        old = p.last_initiation
        down(r)
        up(r)
        r.run(1)
        p.resend(old)
        r.run(1)
        eq("the old one again", "", r.kinds())
        p.initiate()
        r.wait("resp", 1)


@point("zeroing too stops: nothing happens later to a new session")
def _():
    with Rig() as r:
        s = r.peer.shake()
        r.run_until(s.born + 400)
        down(r)
        up(r)
        r.run_until(s.born + 500)
        new = r.peer.shake()
        must("a new session", new is not s)
        r.run_until(s.born + ZERO + wheel(ZERO) + 5)
        r.peer.data(b"new")
        r.run(0.1)
        eq("it works when the old one's time is over", [b"new"], r.got())


def sleep_of(kind):
    """Suspends to idle as far as the kernel's own test of it goes."""
    try:
        with open("/sys/power/pm_test", encoding="ascii") as f:
            if kind not in f.read():
                raise Skip(f"/sys/power/pm_test does not know {kind}")
        with open("/sys/power/state", encoding="ascii") as f:
            if "freeze" not in f.read():
                raise Skip("this kernel cannot suspend to idle")
    except OSError as e:
        raise Skip(f"this kernel has no test of suspend: {e}") from e
    for delay in glob.glob("/sys/module/suspend/parameters/pm_test_delay"):
        with open(delay, "w", encoding="ascii") as f:
            f.write("0")
    with open("/sys/power/pm_test", "w", encoding="ascii") as f:
        f.write(kind)
    try:
        with open("/sys/power/state", "w", encoding="ascii") as f:
            f.write("freeze")
    finally:
        with open("/sys/power/pm_test", "w", encoding="ascii") as f:
            f.write("none")


@point("suspend forgets sessions and handshakes")
def _():
    with Rig(peers=2) as r:
        p, q = r.peers
        s = p.shake(initiator="peer")
        q.answer = False
        r.send(peer=q)
        r.wait("init", 1, q)
        before = r.show("endpoints"), r.show("latest-handshakes")
        sleep_of("freezer")
        r.run(0.3)
        r.forget()
        eq("endpoint and time of the last handshake stay", before,
           (r.show("endpoints"), r.show("latest-handshakes")))
        p.data(b"old", s)
        r.run(0.3)
        eq("data on the session from before", [], r.got())
        q.respond(q.states[-1])
        r.run(0.3)
        eq("an answer to the initiation from before", "0",
           r.show("latest-handshakes", peer=q))
        r.run(5)                # rule 1: the response counts still
        r.forget()
        r.send(peer=p)
        m = r.wait("init data", 1, p)
        eq("sending needs a handshake", "init", m.kind)
        r.wait("data", 1, p)


class Machine:
    """The module adit-machine while it is loaded, see machine/machine.c."""

    def __init__(self, *parameters):
        here = os.path.dirname(os.path.abspath(__file__))
        modules = glob.glob(here + "/../../build/*-machine/adit-machine.ko")
        if not modules:
            raise Skip("there is no module adit-machine for this kernel")
        command("insmod", modules[0], *parameters)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        command("rmmod", "adit_machine")


@point("no session begins while the machine is about to sleep")
def _():
    with Rig(peers=3) as r, Machine("slow=3000"):
        for p in r.peers:
            p.shake(initiator="peer")
        r.run(6)                # rule 1 would not be in the way
        r.forget()
        sleeper = multiprocessing.Process(target=sleep_of, args=("freezer",))
        sleeper.start()
        r.run(0.5)              # it is told now, and nothing is stopped yet
        r.forget()
        old = [p.session for p in r.peers]
        end = now() + 2
        while now() < end:
            r.send(peer=r.peers[0])
            r.peers[1].data(b"on an old session", old[1])
            r.peers[2].initiate()
            r.run(0.2)
        must("it was going to sleep all the time", sleeper.is_alive())
        eq("what was sent meanwhile", "", r.kinds())
        eq("what was received", [], r.got())
        eq("the times of the handshakes are those from before", True,
           all(now() - int(r.show("latest-handshakes", peer=p)) > 6 for p in r.peers))
        while sleeper.is_alive():
            r.run(0.2)
        sleeper.join()
        eq("it slept", 0, sleeper.exitcode)
        # awake: at the next packet, or 5 s after the last that found no way
        r.send(peer=r.peers[0])
        r.wait("init", 1, r.peers[0])
        r.wait("data", 1, r.peers[0])
        state = r.peers[2].initiate()
        r.peers[2].join(state, r.wait("resp", 1, r.peers[2]).raw)
        r.peers[2].data(b"new")
        r.run(0.2)
        eq("what is received on the new session", [b"new"], r.got())


@point("a cloned machine sends no more on its sessions, which two of it have now")
def _():
    # what the kernel calls for that is found by a kprobe
    with open("/proc/kallsyms", encoding="ascii") as f:
        if " register_kprobe\n" not in f.read():
            raise Skip("this kernel has no kprobes")
    with Rig(peers=2) as r:
        p, q = r.peers
        s = p.shake(initiator="peer")
        q.answer = False
        r.send(peer=q)
        r.wait("init", 1, q)
        with Machine("clone=1"):
            pass
        r.run(0.2)
        eq("by itself it sends nothing", "", r.kinds())
        p.data(b"old", s)
        r.run(0.2)
        eq("what a peer sends on one is received", [b"old"], r.got())
        q.respond(q.states[-1])
        r.run(0.2)
        eq("an answer to the initiation from before", "0",
           r.show("latest-handshakes", peer=q))
        t = r.send(peer=p)
        m = r.wait("init data", 1, p)
        eq("sending needs a handshake", "init", m.kind)
        at_once("and has it at once", m.t - t)
        m = r.wait("data", 1, p)
        must("on another session", m.session is p.session and m.session is not s)
        q.answer = True
        t = r.send(peer=q)
        at_once("the other peer's too", r.wait("init", 1, q).t - t)


main("down and up, suspend, a cloned machine")
