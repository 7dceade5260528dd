#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""wgpeer.py against tests/unit/vectors.h, which another implementation made.

Needs no root and no guest. Handshakes are checked from both ends.
"""

import os
import re
import struct
import sys

sys.dont_write_bytecode = True
import wgpeer as w  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))


def tables(path):
    """{table: [row]}, a row is {field: bytes, int or str}"""
    with open(path, encoding="ascii") as f:
        text = f.read()
    out = {}
    for name, body in re.findall(
            r"vectors_(\w+)\[\] = \{\n(.*?)\n\};", text, re.S):
        sizes = dict((f, int(n)) for f, n in re.findall(
            r"unsigned char (\w+)\[(\d+)\];", re.search(
                r"struct vector_%s \{(.*?)\};" % name, text, re.S).group(1)))
        rows = []
        for row in body.split("\n\t},\n"):
            values = {}
            for field, value in re.findall(
                    r"\.(\w+) = (\{.*?\}|\"[^\"]*\"|-?\d+)", row, re.S):
                if value[0] == "{":
                    numbers = [int(v, 0) for v in
                               re.findall(r"0x[0-9a-f]+|\d+", value)]
                    values[field] = bytes(numbers).ljust(sizes[field], b"\0")
                elif value[0] == '"':
                    values[field] = value[1:-1]
                else:
                    values[field] = int(value)
            rows.append(values)
        out[name] = rows
    return out


def handshakes(rows):
    for v in rows:
        si, sr = w.Static(v["si"]), w.Static(v["sr"])
        ei, er = w.Static(v["ei"]), w.Static(v["er"])
        assert (si.pub, sr.pub) == (v["si_pub"], v["sr_pub"])
        ci = v["cookie_i"] if v["has_cookies"] else None
        cr = v["cookie_r"] if v["has_cookies"] else None
        hs = w.initiate(si, sr, v["timestamp"], index=v["index_i"],
                        ephemeral=ei, cookie=cr)
        assert hs.message == v["initiation"], v["name"]
        assert (hs.noise.c, hs.noise.h) == (v["chain1"], v["hash1"])
        opened = w.open_initiation(sr, v["initiation"])
        assert opened.static.pub == si.pub
        assert opened.stamp == v["timestamp"]
        message, theirs = opened.respond(psk=v["psk"], index=v["index_r"],
                                         ephemeral=er, cookie=ci)
        assert message == v["response"], v["name"]
        ours = hs.finish(v["response"], psk=v["psk"])
        assert (ours.send, ours.receive) == \
            (v["initiator_key"], v["responder_key"])
        assert (theirs.send, theirs.receive) == (ours.receive, ours.send)
        assert w.mac2_good(message, ci) if ci else \
            w.mac2_of(message) == bytes(16)
        for x, y in ((ours, theirs), (theirs, ours)):
            for n in (0, 1, 16, 100):
                plain = os.urandom(n)
                counter, got = y.open(x.seal(plain))
                assert got == plain + bytes(-n % 16)
                assert counter == x.counter - 1
        for i in range(len(v["response"])):
            bent = bytearray(v["response"])
            bent[i] ^= 1
            if i in range(4, 8) or i >= 76:     # sender, mac2: not ours to see
                continue
            try:
                hs.finish(bytes(bent), psk=v["psk"])
            except w.Bad:
                continue
            raise AssertionError("response with byte %d bent" % i)


def cookies(rows):
    for v in rows:
        s = w.Static(pub=v["pub"])
        assert (s.mac1_key, s.cookie_key) == (v["mac1_key"], v["cookie_key"])
        n = v["source_len"] - 2
        port = struct.unpack(">H", v["source"][n:n + 2])[0]
        cookie = w.cookie_of(v["secret"], v["source"][:n], port)
        assert cookie == v["cookie"], v["name"]
        sent = struct.pack("<II", 1, v["receiver"]) + bytes(108) + v["mac1"] \
            + bytes(16)
        reply = w.cookie_reply(s, cookie, sent, nonce=v["nonce"])
        assert reply == v["reply"]
        assert w.open_cookie_reply(s, sent, reply) == cookie


def primitives(t):
    for v in t["kdf"]:
        got = w.kdf(v["n"], v["key"], v["input"][:v["input_len"]])
        assert got == [v["t1"], v["t2"], v["t3"]][:v["n"]]
    for v in t["aead"]:
        plain, ad = v["plain"][:v["len"]], v["ad"][:v["ad_len"]]
        sealed = v["sealed"][:v["len"] + 16]
        assert w.seal(v["key"], v["counter"], plain, ad) == sealed
        assert w.unseal(v["key"], v["counter"], sealed, ad) == plain
    for v in t["x25519"]:
        assert w.dh(v["priv"], v["pub"]) == v["out"]
    for v in t["timestamp"]:
        ns = v["nanoseconds"] - v["nanoseconds"] % 2 ** 24
        assert w.tai64n(v["seconds"], ns) == v["out"]
        assert w.from_tai64n(v["out"]) == (v["seconds"], ns)
    for point in w.LOW_ORDER:
        assert w.dh(os.urandom(32), point) == bytes(32)


def main():
    t = tables(os.path.join(HERE, "../unit/vectors.h"))
    points = (("primitives", lambda: primitives(t)),
              ("handshakes, from both ends", lambda: handshakes(t["handshake"])),
              ("cookies", lambda: cookies(t["cookie"])))
    print("KTAP version 1\n1..%d" % len(points))
    failed = 0
    for i, (title, run) in enumerate(points, 1):
        try:
            run()
            print("ok %d %s" % (i, title))
        except Exception as e:
            failed = 1
            print("# %s: %s" % (type(e).__name__, e))
            print("not ok %d %s" % (i, title))
    sys.exit(failed)


if __name__ == "__main__":
    main()
