#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A bad wire: packets that are doubled, out of order, lost, damaged.

. "$(dirname "$0")/lib.sh"

begin 5 "doubled, reordered, lost and damaged packets" tc nft

pair
tunnel
steer b eth0
spy a eth0
expect_ping "tunnel is up" a -c 1 10.9.0.2
on a tc qdisc add dev eth0 root netem delay 1ms > "$TMP/tc" 2>&1 || {
	for _ in 1 2 3 4 5; do
		point "bad wire"
		skip_point "tc cannot set up netem: $(cat "$TMP/tc")"
	done
	finish
}
wire=$LIB_DIR/wire

# Made anew each time: a change keeps what it does not name.
netem() {
	must "netem away" on a tc qdisc del dev eth0 root
	must "netem $*" on a tc qdisc add dev eth0 root netem limit 100000 "$@"
}

flow() { # COUNT SIZE RATE
	local sink

	start sink b "$wire" udp-sink 5002 "$1" 2
	sink=$PID
	ready sink ready
	expect_ok "sending $1 datagrams" on a timeout "$(slow 20)" "$wire" udp-flow \
		10.9.0.2 5002 "$1" "$2" "$3"
	wait "$sink"
	read -r received lost late twice corrupt <<< "$(tail -n 1 "$TMP/sink")"
}

point "each packet doubled: each arrives once"
netem delay 1ms duplicate 100%
flow 300 200 600
expect_eq "received lost late twice corrupt" "300 0 0 0 0" \
	"$received $lost $late $twice $corrupt"
netem delay 0ms

point "half of the packets overtaken: all arrive"
netem delay 15ms reorder 50%
flow 600 200 1000
expect_eq "received lost twice corrupt" "600 0 0 0" \
	"$received $lost $twice $corrupt"
expect_min "late ones (the wire did reorder)" 20 "$late"
netem delay 0ms

point "one in ten damaged: none is delivered damaged, the rest are"
netem corrupt 10%
flow 600 400 1000
expect_eq "late twice corrupt" "0 0 0" "$late $twice $corrupt"
expect_range "received of 600" 400 590 "$received"
netem delay 0ms
expect_ping "the tunnel still works" a -c 1 10.9.0.2

point "one in ten lost: TCP gets through, bytes intact"
netem loss 10% delay 1ms
head -c 300000 /dev/urandom > "$TMP/sent"
start received b "$wire" tcp-listen 5001
listener=$PID
STEP="sending 300,000 bytes"
OUT=$(on a timeout "$(slow 30)" "$wire" tcp-send 10.9.0.2 5001 < "$TMP/sent" 2>&1) &&
	wait "$listener" || fail "the transfer ends" "$OUT"
expect_ok "what came is what was sent" cmp "$TMP/sent" "$TMP/received"

point "a lost initiation is sent again after 5 s, with other contents"
netem loss 100%
must "down" on a ip link set wg0 down
must "up" on a ip link set wg0 up
must "counting at the wire" on a nft delete table inet spy
spy a eth0
begun=$(now)
must "a datagram" on a "$wire" udp-send 10.9.0.2 9 00
inits() {
	spy_read a && [ "${SPY[tx_init]}" -ge "$1" ]
}
expect_soon 2 "the first" inits 1
netem delay 0ms
expect_soon 8 "the second" inits 2
expect_range "milliseconds between them" 4900 $((6500 + 1000 * (ADIT_SLOW - 1))) \
	$(($(now) - begun))
waited() {
	spy_read a && [ "${SPY[tx_data]}" -ge 1 ]
}
expect_soon 2 "what waited is sent" waited
expect_spy "b answered once, a sent what waited" a rx_resp=1 tx_data=1

finish
