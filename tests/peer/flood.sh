#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A flood of initiations with a right mac1: a tunnel that is there goes on, a
# peer that is not yet there gets in by a cookie. Throughput is measured, so this
# wants virtual time, where a second is always so many instructions.

PEER_DIR=$(cd "$(dirname "$0")" && pwd)
. "$PEER_DIR/../netns/lib.sh"

begin 5 "a flood of handshakes" nft python3
[ -x "$PEER_DIR/flood" ] || skip_all "flood is not built: run make in tests/peer"

host_new a b r
link a eth0 b eth0
link r eth0 b eth1
addr a eth0 192.0.2.1/24 2001:db8::1/64
addr b eth0 192.0.2.2/24 2001:db8::2/64
addr r eth0 198.51.100.1/24 2001:db8:2::1/64
addr b eth1 198.51.100.2/24 2001:db8:2::2/64
route b default via 198.51.100.1
route b default via 2001:db8:2::1
tunnel
spy r eth0
mac_of() {
	on "$1" cat "/sys/class/net/$2/address"
}
rmac=$(mac_of r eth0)
bmac=$(mac_of b eth1)
must "b knows r" on b ip neigh replace 198.51.100.1 lladdr "$rmac" nud permanent dev eth1
must "b knows r" on b ip neigh replace 2001:db8:2::1 lladdr "$rmac" nud permanent dev eth1
for how in many one; do
	# shellcheck disable=SC2016 # for that shell
	must "frames from $how" bash -c '"$1" "${@:3}" > "$2"' - \
		"$PEER_DIR/flood-frames.py" "$TMP/$how" "${PUB[b]}" "$rmac" "$bmac" \
		198.51.100.2 2001:db8:2::2 "$how" 2000
done

# flood_start FROM: bursts that are more than the 512 that make the load.
flood_start() {
	# shellcheck disable=SC2016
	start flood r bash -c '
		while "$0" eth0 "$1" 1500; do sleep 0.4; done' \
		"$PEER_DIR/flood" "$TMP/$1"
	FLOOD=$PID
}

# flow COUNT RATE: DELIVERED of COUNT datagrams at RATE a second, from a to b, and
# the milliseconds MS until the last was sent.
flow() {
	local sink begun

	start sink b "$LIB_DIR/wire" udp-sink 7000 "$1" "$(slow 3)"
	sink=$PID
	ready sink ready
	begun=$(now)
	must "sending" on a "$LIB_DIR/wire" udp-flow 10.9.0.2 7000 "$1" 1000 "$2"
	MS=$(($(now) - begun))
	wait "$sink"
	read -r DELIVERED _ <<< "$(grep -v ready "$TMP/sink")"
	: "${DELIVERED:=0}"
}

cookies() {
	spy_read r
	COOKIES=${SPY[rx_cookie]}
}

point "without a flood 85 % of what the tunnel can carry is carried"
expect_ping "a pings b" a -c 1 10.9.0.2
flow 2000 1000000	# warms up
flow 8000 1000000
say "as fast as it goes: $DELIVERED of 8000 delivered in $MS ms"
# datagrams a second
CAN=$((DELIVERED * 1000 / (MS + 1)))
expect_min "datagrams a second that it can carry" 100 "$CAN"
RATE=$((CAN * 85 / 100))
SECONDS_OF_IT=3
COUNT=$((RATE * SECONDS_OF_IT))
flow "$COUNT" "$RATE"
say "$RATE a second: $DELIVERED of $COUNT delivered in $MS ms"
expect_min "delivered" $((COUNT * 95 / 100)) "$DELIVERED"
UNFLOODED=$MS

for how in many one; do
	# the tunnel over IPv4, then over IPv6
	[ $how = many ] || wg_set a wg0 peer "${PUB[b]}" endpoint "[2001:db8::2]:51820"
	expect_ping "a pings b" a -c 1 10.9.0.2
	point "under a flood from $how: 80 % of what it can carry is carried, or more"
	spy_zero r
	flood_start "$how"
	sleep 0.5
	flow "$COUNT" "$RATE"
	expect_ok "the flood went on" kill -0 "$FLOOD"
	stop "$FLOOD"
	cookies
	say "$DELIVERED of $COUNT delivered in $MS ms, $COOKIES cookie replies seen"
	expect_min "b was under load: cookie replies" 500 "$COOKIES"
	expect_min "delivered" $((CAN * SECONDS_OF_IT * 80 / 100)) "$DELIVERED"
	# a sender that is held up offers less
	expect_range "milliseconds" 1 $((UNFLOODED * 85 / 80)) "$MS"
	sleep 1.5
done

point "a new handshake succeeds under a flood, by a cookie"
must "wg0 of a down" on a ip link set wg0 down
spy a eth0
flood_start many
sleep 1
must "wg0 of a up" on a ip link set wg0 up
before=$(wg_get a wg0 latest-handshakes "${PUB[b]}")
on a ping -q -n -c 1 -W 1 10.9.0.2 > /dev/null
anew() {
	[ "$(wg_get a wg0 latest-handshakes "${PUB[b]}")" != "$before" ]
}
expect_soon 40 "a handshake" anew
spy_read a
say "a sent ${SPY[tx_init]} initiations, got ${SPY[rx_cookie]} cookies, ${SPY[rx_resp]} responses"
expect_min "cookies that a got" 1 "${SPY[rx_cookie]}"
expect_ok "the flood went on" kill -0 "$FLOOD"
expect_ping "a pings b" a -c 3 -i 0.2 10.9.0.2
stop "$FLOOD"

point "afterwards all is as before"
expect_ping "a pings b" a -c 3 -i 0.2 10.9.0.2
must "wg0 of a down" on a ip link set wg0 down
sleep 1.5
spy_zero a
must "wg0 of a up" on a ip link set wg0 up
expect_ping "a pings b" a -c 1 10.9.0.2
expect_spy "a handshake without a cookie" a tx_init=1 rx_resp=1 rx_cookie=0

finish
