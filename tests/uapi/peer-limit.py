#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
#
# The limit of peers a device, 2^20. Wants 4 GB and a kernel that is not
# emulated: it is a set of its own (tests/check peer-limit).

import sys
sys.dont_write_bytecode = True
from genl import *
from ktap import *

unshare(CLONE_NEWNET)
rt = Route()
wg = Genl()
LIMIT = 1 << 20
AT_ONCE = 1600          # as many as a nest of 64 kB holds


def some(first, n):
    """The nest of n peers that have nothing but a key."""
    head = peer(bytes(32))[:-32]
    return nest(DEV.PEERS, b"".join(head + key(i)
                                    for i in range(first, first + n)))


@point("2^20 peers can be added, and not one more")
def _():
    if ADIT_MEM < 3500:
        skip(f"{ADIT_MEM} MB of memory are too few (tests/vm/run --mem 4G)")
    need("wg0", rt.add("wg0"))
    with within("a million peers", 150):
        for first in range(0, LIMIT, AT_ONCE):
            n = min(AT_ONCE, LIMIT - first)
            need(f"peers from {first}", wg.set(some(first, n)))
    answer = wg.set(some(LIMIT, 1))
    equal("one more", "ENOMEM", answer.name)
    if ADIT:
        true("a text that says why", answer.text)


@point("at the limit a peer can be changed, and one can take another's place")
def _():
    if not rt.shown("wg0"):
        skip("the point above made no device")
    ok("a peer that is there", wg.set(peers(peer(
        key(LIMIT - 1), u16(PEER.KEEPALIVE, 9)))))
    ok("an unknown one that is not to be made", wg.set(peers(peer(
        key(LIMIT), u32(PEER.FLAGS, UPDATE_ONLY)))))
    equal("none was made", "ENOMEM", wg.set(some(LIMIT, 1)).name)
    ok("one goes", wg.set(peers(peer(key(7), u32(PEER.FLAGS, REMOVE_ME)))))
    ok("another comes", wg.set(some(LIMIT, 1)))
    equal("and no third", "ENOMEM", wg.set(some(LIMIT + 1, 1)).name)
    with within("deleting the device", 60):
        ok("delete", rt.delete("wg0"))


with open("/proc/meminfo") as f:
    ADIT_MEM = int(f.readline().split()[1]) >> 10
run("the limit of peers")
