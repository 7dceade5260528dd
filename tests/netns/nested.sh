#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# WireGuard inside WireGuard.

. "$(dirname "$0")/lib.sh"

begin 6 "a tunnel in a tunnel in a tunnel" nft

pair
tunnel
declare -A OUTER=([a]=${KEY[a]} [b]=${KEY[b]})
declare -A OUTER_PUB=([a]=${PUB[a]} [b]=${PUB[b]})

# inside N: the tunnel wgN, whose messages go through the one before it.
inside() {
	local n=$1

	keys a b
	for h in a b; do
		wg_new "$h" "wg$n"
		wg_key "$h" "wg$n"
		must "MTU" on "$h" ip link set "wg$n" mtu $((1420 - 80 * n))
	done
	wg_set a "wg$n" listen-port $((51820 + n)) peer "${PUB[b]}" \
		allowed-ips "10.$((9 + n)).0.0/16" \
		endpoint "10.$((8 + n)).0.2:$((51820 + n))"
	wg_set b "wg$n" listen-port $((51820 + n)) peer "${PUB[a]}" \
		allowed-ips "10.$((9 + n)).0.0/16"
	addr a "wg$n" "10.$((9 + n)).0.1/24"
	addr b "wg$n" "10.$((9 + n)).0.2/24"
	for h in a b; do
		must "wg$n of $h up" on "$h" ip link set "wg$n" up
	done
}

point "two deep: first contact shakes hands at both levels"
inside 1
spy a eth0
expect_ping "a pings b in wg1" a -c 1 10.10.0.2
expect_spy "on the wire: the outer handshake; the inner one, its answer, the ping and its answer as data" \
	a tx_init=1 rx_resp=1 tx_data=2 rx_data=2 tx_other=0 rx_other=0
declare -A INNER_PUB=([a]=${PUB[a]} [b]=${PUB[b]})

point "two deep: exact bytes at both levels"
transfer a wg0 "${OUTER_PUB[b]}"
o=$TX
transfer a wg1 "${INNER_PUB[b]}"
i=$TX
expect_ping "10 pings" a -c 10 -i 0.02 -s 100 10.10.0.2
transfer a wg1 "${INNER_PUB[b]}"
expect_eq "inner level: 10 packets of 128 + 32" 1600 $((TX - i))
transfer a wg0 "${OUTER_PUB[b]}"
expect_eq "outer level: 10 packets of 160 + 28, padded to 192, + 32" 2240 $((TX - o))

point "three deep"
inside 2
expect_ping "a pings b in wg2" a -c 3 -i 0.1 10.11.0.2
expect_ping "full packets" a -c 2 -i 0.1 -M 'do' -s $((1260 - 28)) 10.11.0.2

point "TCP three deep, both ways, bytes intact"
head -c 500000 /dev/urandom > "$TMP/sent"
for way in "a b 10.11.0.2" "b a 10.11.0.1"; do
	read -r from to address <<< "$way"
	start received "$to" "$LIB_DIR/wire" tcp-listen 5001
	listener=$PID
	STEP="from $from to $to"
	OUT=$(on "$from" timeout "$(slow 20)" "$LIB_DIR/wire" tcp-send "$address" 5001 \
		< "$TMP/sent" 2>&1) && wait "$listener" || fail "the transfer ends" "$OUT"
	expect_ok "from $from to $to: what came is what was sent" \
		cmp "$TMP/sent" "$TMP/received"
done

# flow TITLE FROM TO ADDRESS COUNT [HOP]: numbered datagrams, as fast as they go
flow() {
	local sink received late twice corrupt

	start sink "$3" "$LIB_DIR/wire" udp-sink 5002 "$5" 2
	sink=$PID
	ready sink ready
	expect_ok "$1" on "$2" timeout "$(slow 20)" "$LIB_DIR/wire" udp-flow \
		"$4" 5002 "$5" 1200 1000000 "${6:-0}"
	wait "$sink"
	read -r received _ late twice corrupt <<< "$(tail -n 1 "$TMP/sink")"
	expect_eq "$1: late twice corrupt" "0 0 0" "$late $twice $corrupt"
	expect_min "$1: received" 100 "$received"
}
steer a eth0
steer b eth0

point "UDP two deep as fast as it can be sent: in order, none twice, none corrupt"
flow "3000 datagrams" a b 10.10.0.2 3000
flow "2000 datagrams from one CPU after the other" b a 10.10.0.1 2000 50
expect_ping "the tunnel still works" a -c 1 10.10.0.2

point "the tunnel below goes down, comes back, goes for good"
must "wg0 down" on a ip link set wg0 down
expect_fail "a pings b in wg2" on a ping -q -c 1 -W 1 10.11.0.2
must "wg0 up" on a ip link set wg0 up
expect_ping "a pings b in wg2" a -c 1 10.11.0.2
start flow a "$LIB_DIR/wire" udp-flow 10.11.0.2 9 1000000 500 500
flow=$PID
sleep 0.3
expect_ok "deleting wg0 under the flow" on a ip link del wg0
expect_ok "deleting wg1 under the flow" on a ip link del wg1
expect_ok "deleting wg2 under the flow" on a ip link del wg2
stop "$flow"

finish
