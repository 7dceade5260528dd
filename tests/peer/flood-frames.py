#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""flood-frames.py PUBLIC-KEY SOURCE-MAC DESTINATION-MAC V4 V6 many|one COUNT

Writes to standard output what `flood` sends: initiations with a right mac1
for that key and nothing else right, to port 51820 of V4 and V6 by turns, from
many addresses or from one of each.
"""

import base64
import os
import struct
import sys

sys.dont_write_bytecode = True
import wgpeer as w  # noqa: E402
from harness import ip, udp  # noqa: E402


def main():
    key, smac, dmac, v4, v6, how, count = sys.argv[1:]
    them = w.Static(pub=base64.b64decode(key))
    macs = bytes.fromhex(dmac.replace(":", "") + smac.replace(":", ""))
    out = sys.stdout.buffer
    for i in range(int(count)):
        m = w.with_macs(b"\1\0\0\0" + os.urandom(112), them)
        n = 0 if how == "one" else i
        if i & 1:
            packet = ip("2001:db8:%x::1" % (n + 16 & 0xffff | 16), v6, 17,
                        udp("2001:db8:%x::1" % (n + 16 & 0xffff | 16), 999,
                            v6, 51820, m))
        else:
            src = "198.18.%d.%d" % (n >> 8, n & 255)
            packet = ip(src, v4, 17, udp(src, 999, v4, 51820, m))
        kind = b"\x86\xdd" if i & 1 else b"\x08\x00"
        frame = macs + kind + packet
        out.write(struct.pack("<H", len(frame)) + frame)


if __name__ == "__main__":
    main()
