#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Cookies grow old: for --virtual-time, where waiting costs nothing."""

import os
import sys
import time

sys.dont_write_bytecode = True
import wgpeer as w  # noqa: E402
from harness import Peer, check, equal, point, run  # noqa: E402
import cookies  # noqa: E402
import harness  # noqa: E402

harness.points.clear()
host = cookies.host


def until(begin, seconds):
    time.sleep(max(0.0, begin + seconds - time.monotonic()))


def answer(p):
    """The driver's response to an initiation of p."""
    hs = p.initiate()
    p.send(hs.message)
    return p.get(w.RESPONSE)


@point("a cookie that was got is used for 115 s and no longer")
def _():
    p = Peer(host())
    message = answer(p)
    cookie = os.urandom(16)
    begin = time.monotonic()
    p.send(w.cookie_reply(p.key, cookie, message))
    for age in (1, 60, 110, 114):
        until(begin, age)
        check("mac2 after %d s" % age, w.mac2_good(answer(p), cookie))
    for age in (116, 119, 125):
        until(begin, age)
        equal("mac2 after %d s" % age, bytes(16), w.mac2_of(answer(p)))


@point("an initiator forgets it as well")
def _():
    p = Peer(host())
    harness.hosts[0].wg("peer", harness.b64(p.key.pub),
                        "persistent-keepalive", 1)
    first = p.initiation()
    cookie = os.urandom(16)
    begin = time.monotonic()
    p.send(w.cookie_reply(p.key, cookie, first.message))
    seen = {True: 0, False: 0}
    while time.monotonic() - begin < 140:
        opened = p.initiation(20)
        age = time.monotonic() - begin
        if age < 114.5:
            check("mac2 after %.1f s" % age,
                  w.mac2_good(opened.message, cookie))
            seen[True] += 1
        elif age > 115.5:
            equal("mac2 after %.1f s" % age, bytes(16),
                  w.mac2_of(opened.message))
            seen[False] += 1
    check("many of both", seen[True] > 15 and seen[False] > 2, seen)
    harness.hosts[0].wg("peer", harness.b64(p.key.pub), "remove")


@point("the secret that cookies are made of lasts 120 s")
def _():
    source = [(harness.OUR4, 7000)]
    first = cookies.cookies_of(source)
    begin = time.monotonic()
    until(begin, 60)
    equal("the cookie after 60 s", first, cookies.cookies_of(source))
    until(begin, 121)
    check("another after 121 s", first != cookies.cookies_of(source))


if __name__ == "__main__":
    if not os.access(cookies.HERE + "/flood", os.X_OK):
        harness.skip_all("flood is not built: run make in tests/peer")
    run("cookies grow old")
