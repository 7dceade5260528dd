#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What the counters of the device and of the peers say.

. "$(dirname "$0")/lib.sh"

begin 5 "counters of device and peer" nft

pair
tunnel

# The device's counters, in S.
declare -A S=()
read_stats() {
	local c v

	S=()
	while read -r c v; do
		S[$c]=$v
	done <<< "$(on "$1" sh -c 'ip -s -s link show wg0' | paste -s -d ' ' |
		sed 's/.*RX: *bytes packets errors dropped *missed *mcast *\([0-9 ]*\) RX errors:.*TX: *bytes packets errors dropped carrier collsns *\([0-9 ]*\) TX errors.*/rx \1\ntx \2/')"
	read -r "S[rx_bytes]" "S[rx_packets]" "S[rx_errors]" "S[rx_dropped]" _ <<< "${S[rx]}"
	read -r "S[tx_bytes]" "S[tx_packets]" "S[tx_errors]" "S[tx_dropped]" _ <<< "${S[tx]}"
}

point "nothing has passed: all are 0"
for h in a b; do
	read_stats "$h"
	expect_eq "rx, tx of $h" "0 0 0 0 / 0 0 0 0" \
		"${S[rx_bytes]} ${S[rx_packets]} ${S[rx_errors]} ${S[rx_dropped]} / ${S[tx_bytes]} ${S[tx_packets]} ${S[tx_errors]} ${S[tx_dropped]}"
done

point "the device counts what its peer counts: handshake and pings"
expect_ping "10 pings" a -c 10 -i 0.02 -s 100 10.9.0.2
for h in a b; do
	[ "$h" = a ] && peer=${PUB[b]} || peer=${PUB[a]}
	transfer "$h" wg0 "$peer"
	read_stats "$h"
	expect_eq "bytes of the device of $h, as those of the peer" "$RX $TX" \
		"${S[rx_bytes]} ${S[tx_bytes]}"
done
read_stats a
expect_eq "bytes of a: sent, received" "$((148 + 1600)) $((92 + 1600))" \
	"${S[tx_bytes]} ${S[rx_bytes]}"

point "packets are counted one by one"
read_stats a
rx=${S[rx_packets]} tx=${S[tx_packets]}
expect_ping "7 pings" a -c 7 -i 0.02 10.9.0.2
read_stats a
expect_eq "packets sent, received" "7 7" "$((S[tx_packets] - tx)) $((S[rx_packets] - rx))"
expect_eq "errors and drops" "0 0 0 0" \
	"${S[rx_errors]} ${S[rx_dropped]} ${S[tx_errors]} ${S[tx_dropped]}"

point "a keepalive is 32 bytes on both sides"
transfer a wg0 "${PUB[b]}"
tx=$TX
transfer b wg0 "${PUB[a]}"
rx=$RX
must "a goes down" on a ip link set wg0 down
wg_set a wg0 peer "${PUB[b]}" persistent-keepalive 3600
must "a goes up" on a ip link set wg0 up
grown() {
	transfer b wg0 "${PUB[a]}"
	[ $((RX - rx)) -eq 180 ]
}
expect_soon 2 "b received a handshake and a keepalive: 148 + 32" grown
transfer a wg0 "${PUB[b]}"
expect_eq "a sent as much" 180 $((TX - tx))

point "bulk: the bytes of TCP, both ways, agree at both ends"
head -c 500000 /dev/urandom > "$TMP/sent"
transfer a wg0 "${PUB[b]}"
tx=$TX
start received b "$LIB_DIR/wire" tcp-listen 5001
listener=$PID
STEP="sending 500,000 bytes"
OUT=$(on a timeout "$(slow 20)" "$LIB_DIR/wire" tcp-send 10.9.0.2 5001 < "$TMP/sent" 2>&1) &&
	wait "$listener" || fail "the transfer ends" "$OUT"
# The last acknowledgements may be under way.
agree() {
	transfer a wg0 "${PUB[b]}"
	arx=$RX atx=$TX
	transfer b wg0 "${PUB[a]}"
	echo "a received $arx, sent $atx; b received $RX, sent $TX"
	[ "$RX $TX" = "$atx $arx" ]
}
expect_soon 5 "b received what a sent, a what b sent" agree
agree > /dev/null
read_stats a
expect_eq "the device of a says the same" "$arx $atx" "${S[rx_bytes]} ${S[tx_bytes]}"
# 500,000 bytes in packets of at most 1368 + 52 bytes.
expect_range "bytes sent for 500,000" 518000 560000 $((atx - tx))

finish
