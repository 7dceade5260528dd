#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# pyroute2's class WireGuard.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

client_begin 3 "pyroute2" python3

point "create, set, traffic"
doc_file pyroute2 "$TMP/make.py"
must "the program" /usr/bin/python3 "$TMP/make.py"
carries "pyroute2"
expect_eq "what wg sees" "${KEY[here]}	${PUB[here]}	51820	off
${PUB[b]}	$PSK	192.0.2.2:51820	10.9.0.2/32,fd09::2/128	25" \
	"$(wg show wg0 dump | cut -f1-4,8)"

point "dump"
cat > "$TMP/dump.py" << 'END'
from pyroute2 import WireGuard
for m in WireGuard().info("wg0"):
    print(m.get_attr("WGDEVICE_A_IFNAME"), m.get_attr("WGDEVICE_A_LISTEN_PORT"),
          m.get_attr("WGDEVICE_A_PUBLIC_KEY").decode())
    for p in m.get_attr("WGDEVICE_A_PEERS"):
        print(p.get_attr("WGPEER_A_PUBLIC_KEY").decode(),
              p.get_attr("WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL"),
              *[a["addr"] for a in p.get_attr("WGPEER_A_ALLOWEDIPS")])
END
expect_ok "the program" /usr/bin/python3 "$TMP/dump.py"
expect_eq "what it prints" "wg0 51820 ${PUB[here]}
${PUB[b]} 25 10.9.0.2/32 fd09::2/128" "$OUT"

point "removing the peer"
expect_ok "the program" /usr/bin/python3 -c '
import sys
from pyroute2 import WireGuard
WireGuard().set("wg0", peer={"public_key": sys.argv[1], "remove": True})' "${PUB[b]}"
expect_eq "peers" "" "$(wg show wg0 peers)"

finish
