#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Cookies: what the driver does under load, and with cookies that it gets."""

import functools
import os
import re
import struct
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
import wgpeer as w  # noqa: E402
import harness  # noqa: E402
from harness import (  # noqa: E402
    Failed, Host, MAC_D, MAC_P, OUR4, OUR6, Peer, SLOW, V4, V6, address,
    check, equal, ip, point, run, say, udp)

FLOOD_PORT = 999
HERE = os.path.dirname(os.path.abspath(__file__))


@functools.lru_cache()
def host():
    return Host()


def new(**how):
    return Peer(host(), **how)


def frame(message, src, sport):
    v6 = ":" in src
    dst = V6 if v6 else V4
    return MAC_D + MAC_P + (b"\x86\xdd" if v6 else b"\x08\x00") + \
        ip(src, dst, 17, udp(src, sport, dst, harness.PORT, message))


@functools.lru_cache()
def frames(n=2000):
    """A file of initiations with a right mac1 and nothing else right, each
    from an address of its own, IPv4 and IPv6 by turns."""
    f = tempfile.NamedTemporaryFile(prefix="adit-flood-")
    made = []
    for i in range(n):
        m = w.with_macs(b"\1\0\0\0" + os.urandom(112), host().key)
        src = "2001:db8:%x::1" % (i + 16) if i & 1 else \
            "198.18.%d.%d" % (i >> 8, i & 255)
        made.append(frame(m, src, FLOOD_PORT))
    record(f, made)
    return f


def record(f, made):
    """Writes frames as flood reads them."""
    for data in made:
        f.write(struct.pack("<H", len(data)) + data)
    f.flush()


def flood(f, count):
    p = subprocess.run([HERE + "/flood", "eth0", f.name, str(count)],
                       stdout=subprocess.PIPE, check=True)
    equal("frames that the wire took", count, int(p.stdout))


def load(count=1500):
    """Makes the driver be under load, and for a second after its backlog."""
    frames()
    host().poll()
    flood(frames(), count)


def sweep():
    """Forgets what came for the sources of the flood; how many messages."""
    h = host()
    h.poll()
    n = len(h.box)
    h.box[:] = [p for p in h.box if p.dport != FLOOD_PORT]
    return n - len(h.box)


nonces = set()


def cookie_in(message, reply):
    """The cookie of a reply to that message, whose nonce is a new one."""
    check("a cookie reply has a nonce of its own", reply[8:32] not in nonces)
    nonces.add(reply[8:32])
    return w.open_cookie_reply(host().key, message, reply)


def cookie_for(message, src, port, seconds=5):
    """The cookie of the reply to that message, which is sent from there."""
    h = host()
    h.send(message, src, port)
    p = h.take(lambda p: (p.dst, p.dport) == (src, port) and
               p.payload[0] in (w.RESPONSE, w.COOKIE_REPLY), seconds)
    if p is None or p.payload[0] != w.COOKIE_REPLY:
        return None
    equal("DSCP of a cookie reply", 0, p.tos >> 2)
    return cookie_in(message, p.payload)


def cookies_of(sources):
    """{source: cookie} for a list of (address, port), in one load."""
    h, q = host(), new()
    for _ in range(5):
        sweep()
        # made before the load, which lasts for a second only
        sent = {s: q.initiate().message for s in sources}
        load()
        for (src, port), m in sent.items():
            h.send(m, src, port)
        got = {}
        for s in sources:
            p = h.take(lambda p: (p.dst, p.dport) == s, 5)
            if p and p.payload[0] == w.COOKIE_REPLY:
                got[s] = cookie_in(sent[s], p.payload)
        sweep()
        if len(got) == len(sources):
            return got
        say("%d of %d cookies, again" % (len(got), len(sources)))
        time.sleep(0.1)
    raise Failed("cookies for all of %s" % (sources,))


# One retry after 5 s is waited for by several at once.

begun = {}


@point("cookie replies for initiations that are outstanding")
def _():
    for name in ("good", "index", "mac1", "key", "two", "short", "mac2"):
        begun[name] = p = new()
        p.trigger()
        p.first = p.initiation()
        check("mac2 is zero without a cookie",
              w.mac2_of(p.first.message) == bytes(16))
        p.cookie = os.urandom(16)
    stranger = w.Static()
    m = begun["good"].first.message
    begun["rx"] = host().stats()["rx"]["bytes"]
    p = begun["good"]
    p.send(w.cookie_reply(p.key, p.cookie, m))
    begun["when"] = time.monotonic()
    p = begun["index"]
    p.send(w.cookie_reply(p.key, p.cookie, p.first.message,
                          receiver=p.first.sender ^ 1))
    p = begun["mac1"]
    bad = bytearray(p.first.message)
    bad[-20] ^= 1
    p.send(w.cookie_reply(p.key, p.cookie, bytes(bad)))
    p.send(w.cookie_reply(p.key, p.cookie, m, receiver=p.first.sender))
    p = begun["key"]
    p.send(w.cookie_reply(stranger, p.cookie, p.first.message))
    p = begun["two"]
    p.send(w.cookie_reply(p.key, p.cookie, p.first.message))
    p.send(w.cookie_reply(p.key, os.urandom(16), p.first.message))
    p = begun["short"]
    p.send(w.cookie_reply(p.key, p.cookie, p.first.message)[:-1])
    p.send(w.cookie_reply(p.key, p.cookie, p.first.message) + b"\0")
    p = begun["mac2"]
    p.send(w.cookie_reply(p.key, p.cookie, p.first.message,
                          receiver=begun["good"].first.sender))
    host().quiet("nothing is sent again at once", 0.5)


@point("a cookie for a response is carried by the next response")
def _():
    p = new()
    hs = p.initiate()
    p.send(hs.message)
    message = p.get(w.RESPONSE)
    cookie = os.urandom(16)
    p.send(w.cookie_reply(p.key, cookie, message))
    p.quiet("nothing is sent again at once")
    hs = p.initiate()
    p.send(hs.message)
    message = p.get(w.RESPONSE)
    check("mac2 of the next response", w.mac2_good(message, cookie))
    s = hs.finish(message)
    p.send(s.seal())
    p.ping(s)
    # One cookie for each mac1: this one has its own.
    other = os.urandom(16)
    p.send(w.cookie_reply(p.key, other, message))
    p.send(w.cookie_reply(p.key, os.urandom(16), message))
    p.ping(s)
    time.sleep(0.05)
    hs = p.initiate()
    p.send(hs.message)
    check("mac2 of the one after", w.mac2_good(p.get(w.RESPONSE), other))


@point("not under load, mac2 is not looked at")
def _():
    p = new()
    hs = p.initiate(cookie=os.urandom(16))
    p.send(hs.message)
    p.response(hs)
    # Nor is there a limit for a source.
    many = [new() for _ in range(12)]
    sent = [(q, q.initiate()) for q in many]
    for q, hs in sent:
        host().send(hs.message, q.src, q.port)
    for q, hs in sent:
        q.response(hs)


@point("the next retry carries mac2 by the cookie, others do not")
def _():
    for name in ("good", "two"):
        p = begun[name]
        opened = p.initiation(8)
        check("mac1 too", w.mac1_good(opened.message, p.key))
        check("mac2 of " + name, w.mac2_good(opened.message, p.cookie))
        p.answer(p.newest(opened))
        p.data()
    check("not at once", time.monotonic() - begun["when"] > 4)
    for name in ("index", "mac1", "key", "short", "mac2"):
        p = begun[name]
        opened = p.initiation(8)
        check("mac2 is zero: " + name,
              w.mac2_of(opened.message) == bytes(16))
        p.answer(p.newest(opened))
        p.data()


@point("cookie replies that come count nowhere as received")
def _():
    p = new()
    p.trigger()
    first = p.initiation()
    before = host().stats()["rx"]["bytes"]
    p.send(w.cookie_reply(p.key, os.urandom(16), first.message))
    q = begun["good"]
    q.ping()
    host().settled(new())
    equal("bytes received from the peer", 0, p.transfer()[0])
    # An echo (64), an initiation, a keepalive and another echo.
    equal("bytes received by the device", before + 64 + 148 + 32 + 64,
          host().stats()["rx"]["bytes"])
    p.answer(p.newest(first))
    p.data()


@point("under load, initiations draw cookies for their address and port")
def _():
    sources = [(OUR4, 5000), (OUR4, 5001), ("203.0.113.77", 5000),
               (OUR6, 5000), (OUR6, 5001), ("2001:db8:f::77", 5000)]
    got = cookies_of(sources)
    equal("all differ", len(sources), len(set(got.values())))
    again = cookies_of(sources)
    equal("they are the same for the same source", got, again)
    begun["cookies"] = got


@point("with a right mac2 they are answered, with a wrong one they are not")
def _():
    for src in (OUR4, OUR6):
        p = new(v6=src == OUR6)
        right = cookies_of([(src, p.port), (src, 5001)])
        for _ in range(5):
            load()
            other = w.cookie_of(os.urandom(32), address(src), p.port)
            wrong = [cookie_for(p.initiate(cookie=c).message, src, p.port)
                     for c in (right[(src, 5001)], other)]
            hs = p.initiate(cookie=right[(src, p.port)])
            p.send(hs.message)
            message = p.maybe(w.RESPONSE, 5)
            sweep()
            if None not in wrong:
                break
        equal("wrong mac2 draws the same cookie again",
              [right[(src, p.port)]] * 2, wrong)
        check("a right mac2 is answered", message is not None)
        s = hs.finish(message)
        p.send(s.seal())
        p.ping(s)


@point("under load, a response draws a cookie, and is taken with it")
def _():
    p = new()
    p.trigger()
    opened = p.initiation()
    message, session = opened.respond()
    for _ in range(5):
        load()
        p.send(message)
        reply = p.maybe(None, 5)
        sweep()
        if reply and reply[0] == w.COOKIE_REPLY:
            break
        p = new()
        p.trigger()
        opened = p.initiation()
        message, session = opened.respond()
    cookie = cookie_in(message, reply)
    load()
    p.send(opened.respond()[0])         # without, once more
    p.maybe(w.COOKIE_REPLY, 5)
    p.send(w.renew_macs(message, host().key, cookie))
    p.session = session
    p.data()
    sweep()
    p.ping()


@point("a wrong mac1 draws no cookie under load")
def _():
    p = new()
    for _ in range(5):
        sweep()
        # made before the load, which lasts for a second only
        bad = bytearray(p.initiate().message)
        bad[-20] ^= 1
        message = p.initiate().message
        load()
        host().send(bytes(bad), OUR4, 5003)
        good = cookie_for(message, OUR4, 5004)
        host().quiet("a wrong mac1", 0.2, lambda q: q.dport == 5003)
        if good:
            break
        say("no longer under load, again")
    check("the driver was under load", good is not None)
    sweep()


def burst(sources, peers):
    """How many initiations with right cookies are answered, and how many
    can be by the time that passed."""
    h = host()
    got = cookies_of(sources)
    time.sleep(0.5)
    for _ in range(5):
        sent = []
        for i, q in enumerate(peers):
            s = sources[i % len(sources)]
            q.src, q.port = s
            sent.append((q, q.initiate(cookie=got[s])))
        # one file, that they all go within the second of the load
        burst_of = tempfile.NamedTemporaryFile(prefix="adit-burst-")
        record(burst_of, [frame(hs.message, q.src, q.port)
                          for q, hs in sent])
        probes = [new().initiate().message for _ in range(2)]
        load()
        probe = cookie_for(probes[0], OUR4, 5005)
        begin = time.monotonic()
        flood(burst_of, len(sent))
        # By one more from elsewhere, all have been dealt with.
        last = cookie_for(probes[1], OUR4, 5006)
        end = time.monotonic()
        indices = set(hs.index for _, hs in sent)
        n = len([p for p in h.box if p.payload[0] == w.RESPONSE and
                 w.receiver_of(p.payload) in indices])
        c = len([p for p in h.box if p.payload[0] == w.COOKIE_REPLY and
                 w.receiver_of(p.payload) in indices])
        h.box.clear()
        if probe and last:
            return n, c, 5 + int((end - begin) * 20) + 1
        say("no longer under load after the burst, again")
        time.sleep(1)
    raise Failed("the driver stays under load for a second")


@point("under load, a source gets 20 a second with a burst of 5")
def _():
    peers = [new() for _ in range(40)]
    for name, sources in (
            ("one IPv4 address", [("203.0.113.88", 6000)]),
            ("one IPv4 address, two ports",
             [("203.0.113.89", 6000), ("203.0.113.89", 6001)]),
            ("one IPv6 /64", [("2001:db8:f::88:%x" % i, 6000)
                              for i in range(8)])):
        time.sleep(0.1)
        n, cookies, limit = burst(sources, peers)
        say("%s: %d of 40 answered, the limit is %d" % (name, n, limit))
        equal(name + ": cookie replies over the limit", 0, cookies)
        check("%s: 5 to %d answers" % (name, limit), 5 <= n <= limit, n)
        check("%s: the limit is below 40" % name, limit < 40, limit)
    n, _, _ = burst([("203.0.113.%d" % i, 6000) for i in range(100, 120)],
                    peers[:20])
    equal("answers to 20 sources, one each", 20, n)
    n, _, _ = burst([("2001:db8:0:%x::1" % i, 6000) for i in range(1, 13)],
                    peers[20:32])
    equal("answers to 12 IPv6 /64, one each", 12, n)


@point("cookie replies count in the device's tx, and in no peer's")
def _():
    h, p = host(), new()

    def still():
        """What the device has sent, once all of it is in the box."""
        sent = h.stats()["tx"]["bytes"]
        came = h.poll(0.05)
        return not came and sent == h.stats()["tx"]["bytes"] and sent

    for _ in range(5):
        before = harness.until(10, "all is quiet before", still)
        h.box.clear()
        message = p.initiate().message
        load()
        p.send(message)
        if h.take(lambda q, p=p: p.mine(q, w.COOKIE_REPLY), 5):
            break
        # one that was answered is a peer's
        say("no longer under load, again")
        p = new()
    else:
        raise Failed("a cookie reply")
    sent = harness.until(10, "all is quiet after", still) - before
    n = len([q for q in h.box if q.payload[0] == w.COOKIE_REPLY])
    equal("bytes sent to the peer", 0, p.transfer()[1])
    check("%d cookie replies" % n, n > 10)
    # Of earlier points' timers there may be some messages more.
    equal("bytes sent by the device, and seen on the wire",
          64 + sum(len(q.payload) for q in h.box), sent)
    h.box.clear()


def memory():
    """kB that the kernel has in use by itself, not for processes."""
    with open("/proc/meminfo", encoding="ascii") as f:
        return sum(int(line.split()[1]) for line in f
                   if line.split(":")[0] in ("SUnreclaim", "VmallocUsed",
                                             "Percpu"))


def kept_by_kasan():
    """kB of freed memory that KASAN may keep back: 1/32 of all."""
    if harness.SLOW == 1:
        return 0            # no debug kernel; the list is long
    with open("/proc/kallsyms", encoding="ascii") as f:
        if not any("kasan_quarantine_put" in line for line in f):
            return 0
    with open("/proc/meminfo", encoding="ascii") as f:
        return int(f.readline().split()[1]) // 32


def counted():
    """Messages that the driver dropped, cookie replies that it sent; where
    nothing but the flood comes."""
    stats = host().stats()
    return stats["rx"]["dropped"], stats["tx"]["bytes"] // 64


@point("memory stays bounded however much comes")
def _():
    h = host()
    sweep()
    harness.until(10, "all is quiet before", lambda: not h.poll(0.3))
    kept = kept_by_kasan()
    before = high = memory()
    dropped, replies = counted()
    h.deaf(True)            # the answers would take memory, and time
    p = subprocess.Popen([HERE + "/flood", "eth0", frames().name, "40000"],
                         stdout=subprocess.PIPE)
    looks = 0
    while p.poll() is None:
        high = max(high, memory())
        looks += 1
        time.sleep(0.01)
    high = max(high, memory())
    p.communicate()
    h.deaf(False)
    harness.until(60, "all is quiet after", lambda: not h.poll(0.3))
    h.box.clear()
    after = memory()
    now = counted()
    came, replies = now[0] - dropped, now[1] - replies
    say("kernel memory before, highest of %d looks, after: %d %d %d kB"
        % (looks, before, high, after))
    say("%d messages came, %d were answered" % (came, replies))
    check("at most 16 MB in use meanwhile", high - before < 16384)
    check("at most 4 MB in use afterwards",
          after - before < 4096 + kept)
    if harness.DRIVER == "adit":
        # The full queue is seen, so it was looked at while it was full.
        check("more than 1 MB in use meanwhile", high - before > 1024)
        # They come faster than they are answered. The queue has room for
        # 4096, so what is beyond is dropped, and draws nothing.
        check("most of them came", came > 20000, came)
        check("some are not answered", came - replies > 1000, came - replies)


def draws(q=None):
    """The type of the answer to a good initiation without mac2."""
    p = q or new()
    p.send(p.initiate().message)
    message = p.maybe(None, 5)
    return message and message[0]


@point("the load passes: after a second all is as before")
def _():
    harness.until(15, "an initiation without mac2 is answered", calm)
    sweep()
    # made before, the time counts
    probes, soon, after, end = [new() for _ in range(5)], new(), new(), new()
    for p in probes:
        begin = time.monotonic()
        load()
        # Answered behind all of the flood, so a second runs from here.
        loaded = draws(p)
        passed = time.monotonic()
        if loaded == w.COOKIE_REPLY:
            break
        say("the load did not come about, again")
    equal("an answer under load", w.COOKIE_REPLY, loaded)
    time.sleep(0.4)
    kind = draws(soon)
    # The second has not begun before the flood did.
    if time.monotonic() - begin < 0.95:
        equal("answer 0.4 s later", w.COOKIE_REPLY, kind)
    else:
        say("too slow to look at it within the second")
    time.sleep(max(0, passed + 1.1 - time.monotonic()))
    equal("answer after a second", w.RESPONSE, draws(after))
    sweep()
    end.handshake()
    end.ping()
    host().settled(new())


@point("a backlog below 512 asks for no cookie")
def _():
    harness.until(15, "an initiation without mac2 is answered", calm)
    sweep()
    for _ in range(3):
        load(400)
        equal("answer behind 400 others", w.RESPONSE, draws())
        equal("answers to those", 0, sweep())


def calm():
    p = new()
    hs = p.initiate()
    p.send(hs.message)
    message = p.maybe(None, 2)
    return message and message[0] == w.RESPONSE


def asked_at(src, at):
    """The local address that a cookie reply to a message to `at` has."""
    h, p = host(), new(v6=":" in src)
    for _ in range(5):
        message = p.initiate().message
        sweep()
        load()
        h.send(message, src, p.port, dst=at)
        got = h.take(lambda q: (q.dst, q.dport) == (src, p.port), 5)
        sweep()
        if got and got.payload[0] == w.COOKIE_REPLY:
            check("it opens", cookie_in(message, got.payload))
            return got.src, got.sport
        p = new(v6=":" in src)
    raise Failed("a cookie reply from " + at)


@point("a cookie reply leaves from the address that was asked")
def _():
    more = ()
    for where, prefix, dev, src in (
            ("192.0.2.77", 24, "eth0", OUR4),
            ("198.51.100.77", 32, "lo", OUR4),
            ("2001:db8::77", 64, "eth0", OUR6),
            ("2001:db8:77::1", 128, "lo", OUR6)):
        host().ip("addr add %s/%d dev %s" % (where, prefix, dev))
        more += ((where, src),)
    for where, src in ((V4, OUR4), (V6, OUR6)) + more:
        equal("asked at %s: where the reply comes from" % where,
              (where, harness.PORT), asked_at(src, where))


@point("a cookie reply carries the device's mark")
def _():
    h = host()
    h.sh(["nft", "-f", "-"], """table inet fwm {
        counter marked { }
        counter bare { }
        chain out {
            type filter hook output priority 0
            udp sport %d udp length 72 meta mark 7 counter name marked
            udp sport %d udp length 72 meta mark 0 counter name bare
        }
    }""" % (harness.PORT, harness.PORT))

    def counts():
        return [int(re.search(r"packets (\d+)", h.sh(
            ["nft", "list", "counter", "inet", "fwm", name])).group(1))
            for name in ("marked", "bare")]
    for src, mark in ((OUR4, 7), (OUR6, 7), (OUR4, 0), (OUR6, 0)):
        h.wg("fwmark", str(mark))
        before = counts()
        asked_at(src, V6 if ":" in src else V4)
        marked, bare = [n - b for n, b in zip(counts(), before)]
        if mark:
            check("%s: marked %d, bare %d" % (src, marked, bare),
                  marked > 0 and not bare)
        else:
            check("%s, no mark: marked %d, bare %d" % (src, marked, bare),
                  bare > 0 and not marked)
    h.sh(["nft", "delete", "table", "inet", "fwm"])


if __name__ == "__main__":
    if not os.access(HERE + "/flood", os.X_OK):
        harness.skip_all("flood is not built: run make in tests/peer")
    run("cookies", ["nft"])
