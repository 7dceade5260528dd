#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Handshakes that cross, and handshake messages that are lost or late."""

from rig import *

SIZES = {"init": 148, "resp": 92}
GAP = REKEY_TIMEOUT + JITTER + wheel(REKEY_TIMEOUT) + LATE


def lose(host, kind, count):
    """So many messages of that kind to host are lost, the next ones."""
    kind = list(SIZES).index(kind) + 1, 28 + SIZES[kind]
    host.nft(f"""table inet lose {{
        chain c {{
            type filter hook prerouting priority 0
            iifname eth0 udp dport 51820 @th,64,32 0x{kind[0]:02x}000000 \\
                quota until {count * kind[1]} bytes drop
        }}
    }}""")


def drop(host, udp_length, count):
    """So many transport messages to host of that length are lost."""
    host.nft(f"""table inet confirm {{
        chain c {{
            type filter hook prerouting priority 0
            iifname eth0 udp dport 51820 udp length {udp_length} \\
                @th,64,32 0x04000000 \\
                quota until {count * (20 + udp_length)} bytes drop
        }}
    }}""")


def sent(r):
    """Who sent what: "a init, b resp, ..."."""
    return ", ".join(f"{'a' if m.host is r.a else 'b'} {m.kind}"
                     for m in r.messages())


@point("an initiation of the peer ends our own, and its session serves")
def _():
    with Rig() as r:
        p = r.peer
        p.answer = False
        r.send(3)
        r.wait("init", 1)
        mine = p.states[-1]
        r.run(0.05)
        state = p.initiate()
        raw = r.wait("resp", 1).raw
        late = p.make_response(mine)
        p._send(late[0])                    # the answer that crossed
        r.run(0.2)
        eq("it is refused", "", r.kinds())
        eq("latest handshake", "0", r.show("latest-handshakes"))
        s = p.join(state, raw)
        p.keepalive()
        r.run(0.2)
        eq("what was staged leaves once the peer's is confirmed",
           [(s, 1), (s, 2), (s, 3)],
           [(m.session, m.number) for m in r.messages("data")])
        r.run(8)
        eq("and our own is not tried again", "data data data", r.kinds())


@point("both begin at once: the next attempt succeeds, near or far")
def _():
    # Of the two one waits longer. The jitter alone would not do, which is a third
    # of a second, and coarse by the steps of the kernel's timers.
    for delay in ("10ms", "80ms", "400ms") if driver == "adit" else ("10ms",):
        with Pair(delay) as r:
            # neighbours are known first, or one side begins later
            r.a.run("ping", "-q", "-c", "1", r.b.outer)
            ta = r.send(r.a, b"from a")
            tb = r.send(r.b, b"from b")
            m = r.wait("data", 100)
            first = r.log.index(m)
            both = [x for x in r.log[:first] if x.kind == "init"]
            eq("both began", {r.a, r.b}, {x.host for x in both})
            say(f"delay {delay}: {len(both)} initiations, {m.t - ta:.3f} s")
            if driver == "adit":
                eq("initiations", 3, len(both))
                eq("the greater key begins anew",
                   max(r.a, r.b, key=lambda h: h.key.pub), both[2].host)
            r.run(2)
            eq("both packets arrive", ([b"from b"], [b"from a"]),
               (r.got(r.a), r.got(r.b)))
            must("they began at once", abs(ta - tb) < 0.02)
            out = r.ping("-c", "20", "-i", "0.5", "-W", "2")
            must("all pings are answered: " + out.splitlines()[-2],
                 "20 received" in out)
            eq("no further handshakes", [], [x for x in r.log[first:]
                                             if x.kind == "init"])


@point("a lost initiation costs one retry")
def _():
    with Pair() as r:
        lose(r.b, "init", 1)
        t = r.send(r.a, b"x")
        m = r.wait("data", 10)
        after("until the packet leaves", REKEY_TIMEOUT, m.t - t, JITTER)
        eq("initiations, responses", (2, 1),
           (len([m for m in r.log if m.kind == "init"]),
            len([m for m in r.log if m.kind == "resp"])))
        r.run(0.1)
        eq("it arrives", [b"x"], r.got(r.b))


@point("a lost response costs one retry")
def _():
    with Pair() as r:
        lose(r.a, "resp", 1)
        t = r.send(r.a, b"x")
        m = r.wait("data", 10)
        after("until the packet leaves", REKEY_TIMEOUT, m.t - t, JITTER)
        eq("initiations, responses", (2, 2),
           (len([m for m in r.log if m.kind == "init"]),
            len([m for m in r.log if m.kind == "resp"])))
        r.run(0.1)
        eq("it arrives", [b"x"], r.got(r.b))


@point("the confirmation is lost, a data message: the next one confirms")
def _():
    with Pair() as r:
        drop(r.b, 8 + 32 + 32, 1)               # 29 bytes within, padded
        r.send(r.a, b"1")
        r.run(1)
        eq("a thinks that all is well", "a init, b resp, a data", sent(r))
        eq("what b got", [], r.got(r.b))
        r.send(r.b, b"2")
        r.run(1)
        eq("b may not send yet, nor begin a handshake",
           "a init, b resp, a data", sent(r))
        r.send(r.a, b"3")
        r.run(1)
        eq("b is let go by it", "a init, b resp, a data, a data, b data",
           sent(r))
        eq("what b and a got", ([b"3"], [b"2"]), (r.got(r.b), r.got(r.a)))
        r.run(30)
        eq("that was all but for keepalives", {"keep"},
           {m.kind for m in r.messages()[5:]} | {"keep"})


@point("the confirmation is lost, a keepalive: the responder begins anew")
def _():
    with Pair() as r:
        drop(r.b, 8 + 32, 1)
        r.a.run("wg", "set", "wg0", "peer", b64(r.b.key.pub),
                "persistent-keepalive", "3600")
        r.run(1)
        eq("a thinks that all is well", "a init, b resp, a keep", sent(r))
        r.send(r.b, b"1")
        r.run(1)
        eq("b may not send", "a init, b resp, a keep", sent(r))
        r.run(REKEY_TIMEOUT)
        r.send(r.b, b"2")                       # draws what the first could not
        r.run(1)
        eq("b begins a handshake and sends both",
           "a init, b resp, a keep, b init, a resp, b data, b data", sent(r))
        eq("what a got", [b"1", b"2"], r.got(r.a))


@point("every message comes twice: one initiation answered, each packet once")
def _():
    with Pair() as r:
        for h in (r.a, r.b):
            h.run("tc", "qdisc", "add", "dev", "eth0", "root", "netem",
                  "duplicate", "100%")
        r.send(r.a, b"x")
        r.wait("data", 1)
        r.run(1)
        out = r.ping("-c", "5", "-i", "0.2")
        r.run(1)
        must("answered once each: " + out,
             "5 received" in out and "duplicates" not in out)
        eq("what b got", [b"x"], r.got(r.b))
        for who, kind, count in ((r.a, "init", 1), (r.b, "resp", 1),
                                 (r.a, "data", 6), (r.b, "data", 5),
                                 (r.a, "keep", 0), (r.b, "keep", 0),
                                 (r.b, "init", 0), (r.a, "resp", 0)):
            raw = [m.raw for m in r.log if m.host is who and m.kind == kind]
            eq(f"{kind} of {who.outer}: on the wire, different ones",
               (2 * count, count), (len(raw), len(set(raw))))
        r.run(20)
        eq("and no more handshakes", [], [m for m in r.log[6:]
                                          if m.kind in ("init", "resp")])


@point("four lost initiations cost four retries")
def _():
    with Pair() as r:
        lose(r.b, "init", 4)
        t = r.send(r.a, b"x")
        m = r.wait("data", 30)
        between("until the packet leaves", 4 * REKEY_TIMEOUT - EARLY, 4 * GAP, m.t - t)
        eq("initiations, responses", (5, 1),
           (len([m for m in r.log if m.kind == "init"]),
            len([m for m in r.log if m.kind == "resp"])))
        r.run(0.1)
        eq("it arrives", [b"x"], r.got(r.b))
        r.run(60)
        eq("and that was all", {"keep"}, {m.kind for m in r.messages()})


@point("the nineteenth retry may still succeed")
def _():
    with Rig() as r:
        r.peer.answer = False
        r.send(2)
        for _ in range(ATTEMPTS):
            m = r.wait("init", 6)
        r.run_until(m.t + 4)
        r.peer.respond(r.peer.states[-1])
        r.run(1)
        eq("what was staged a hundred seconds ago leaves", [1, 2],
           [m.number for m in r.messages("data")])


@point("a response to an initiation that was sent again is refused")
def _():
    with Rig() as r:
        p = r.peer
        p.answer = False
        r.send()
        r.wait("init", 1)
        r.wait("init", 6)
        p._send(p.make_response(p.states[0])[0])
        r.run(0.5)
        eq("the answer to the first", ("", "0"),
           (r.kinds(), r.show("latest-handshakes")))
        p.respond(p.states[1])
        eq("the answer to the second", (p.session, 1),
           (lambda m: (m.session, m.number))(r.wait("data", 1)))
        raw, _ = p.make_response(p.states[1])
        p._send(raw)
        r.run(0.5)
        eq("a second answer to that", "", r.kinds())
        t = r.send()
        m = r.wait("data", 1)
        at_once("the session goes on", m.t - t)
        eq("it is the same", p.session, m.session)


@point("a lost rekey in a session loses no packet")
def _():
    with Pair() as r:
        must("a session", " 1 received" in r.ping("-c", "1"))
        r.run(110)
        lose(r.b, "init", 5)                     # about 25 s of the 60 that there are
        out = r.ping("-c", "400", "-i", "0.2", "-W", "2")
        must("all answered: " + out.splitlines()[-2], "400 received" in out)
        eq("initiations, responses", (7, 2),
           (len([m for m in r.log if m.kind == "init"]),
            len([m for m in r.log if m.kind == "resp"])))


main("handshakes that cross or are lost")
