#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What becomes of the large packets that a sender hands down: segments of which
# each has a nonce of its own and right checksums.

. "$(dirname "$0")/lib.sh"

begin 3 "segments of large packets" tcpdump

pair
tunnel
head -c 200000 /dev/urandom > "$TMP/sent"

# copy ADDRESS: 200,000 bytes by TCP from a to b
copy() {
	local listener

	start received b "$LIB_DIR/wire" tcp-listen 5001
	listener=$PID
	STEP="sending 200,000 bytes to $1"
	OUT=$(on a timeout "$(slow 20)" "$LIB_DIR/wire" tcp-send "$1" 5001 < "$TMP/sent" 2>&1) &&
		wait "$listener" || fail "the transfer ends" "$OUT"
	expect_ok "what came is what was sent" cmp "$TMP/sent" "$TMP/received"
}

expect_ping "the tunnel is up" a -c 1 10.9.0.2
capture outer a eth0 -Q out 'udp src port 51820 and udp[8] = 4'
capture inner b wg0 ip or ip6
dropped=$(devstat b wg0 rx_dropped)
copy 10.9.0.2
copy fd09::2
sent=$(devstat a wg0 tx_packets)
flushed() {
	[ "$(captured outer | wc -l)" -ge $((sent - 2)) ]
}
expect_soon 5 "the capture is there" flushed

point "no nonce is used twice"
# The eight bytes behind type and receiver, after 20 + 8 bytes of headers.
counters=$(captured outer -x | tr -d ' ' | sed -n 's/^\t0x0020:\(.\{16\}\).*/x\1/p;' |
	cut -c1-17 | wc -l)
expect_min "messages looked at" 200 "$counters"
expect_eq "nonces that were used again" "" \
	"$(captured outer -x | tr -d ' ' | awk '
		/^\t0x0010:/ { r = substr($0, length($0) - 7) }
		/^\t0x0020:/ { print r substr($0, 9, 24) }' | sort | uniq -d | head -n 3)"

point "b drops none of them"
expect_eq "rx_dropped" "$dropped" "$(devstat b wg0 rx_dropped)"

point "the checksums of what comes out are right"
expect_min "packets looked at" 100 "$(captured inner -vv | grep -c 'cksum 0x.* (correct)')"
expect_eq "wrong ones from a" "" \
	"$(captured inner -vv 'src host 10.9.0.1 or src host fd09::1' |
		grep 'incorrect' | head -n 3)"

finish
