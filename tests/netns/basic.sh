#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Two hosts, one tunnel: IPv4 and IPv6 inside, over IPv4 and over IPv6.

. "$(dirname "$0")/lib.sh"

begin 12 "IPv4 and IPv6 over IPv4 and IPv6" nft sha256sum

pair
spy a eth0
head -c 300000 /dev/urandom > "$TMP/sent"
sum=$(sha256sum < "$TMP/sent")

# tcp_copy TITLE FROM TO ADDRESS: 300,000 random bytes arrive as they were.
tcp_copy() {
	local listener

	start received "$3" "$LIB_DIR/wire" tcp-listen 5001
	listener=$PID
	STEP=$1
	OUT=$(on "$2" timeout "$(slow 10)" "$LIB_DIR/wire" tcp-send "$4" 5001 \
		< "$TMP/sent" 2>&1) || fail "the transfer ends in time" "$OUT"
	expect_soon 5 "$1: the receiver ends" gone "$listener" || stop "$listener"
	cmp "$TMP/sent" "$TMP/received" > "$TMP/cmp" 2>&1 ||
		say "$(wc -c < "$TMP/received") bytes came; $(cat "$TMP/cmp")"
	expect_eq "$1: sha256" "$sum" "$(sha256sum < "$TMP/received")"
}

gone() {
	! kill -0 "$1" 2> /dev/null
}

# no_ipv6 INNER...: the points that are skipped for want of it
no_ipv6() {
	for inner; do
		for title in "${points[@]}"; do
			point "IPv$inner over IPv$outer: $title"
			skip_point "no IPv6 here"
		done
	done
}
points=("ping both ways" "TCP both ways, bytes intact"
	"handshake and endpoint as shown by wg")

for outer in 4 6; do
	if [ $outer = 6 ] && ! has_ipv6; then
		no_ipv6 4 6
		break
	fi
	tunnel "$outer"
	# Nothing but the tunnel may carry IP of the hosts' own on the wire.
	for inner in 4 6; do
		if [ $inner = 6 ] && ! has_ipv6; then
			no_ipv6 6
			break
		fi
		if [ "$inner" = 4 ]; then
			a=10.9.0.1 b=10.9.0.2
		else
			a=fd09::1 b=fd09::2
		fi

		point "IPv$inner over IPv$outer: ${points[0]}"
		spy_zero a
		expect_ping "a pings b" a -c 3 -i 0.1 "$b"
		expect_ping "b pings a" b -c 3 -i 0.1 "$a"
		spy_read a
		expect_eq "data messages a sent for 6 pings" 6 "${SPY[tx_data]}"
		expect_eq "data messages a received" 6 "${SPY[rx_data]}"
		expect_eq "other UDP packets" "0 0" "${SPY[tx_other]} ${SPY[rx_other]}"

		point "IPv$inner over IPv$outer: ${points[1]}"
		tcp_copy "from a to b" a b "$b"
		tcp_copy "from b to a" b a "$a"

		point "IPv$inner over IPv$outer: ${points[2]}"
		shaken a wg0 "${PUB[b]}"
		expect_eq "a shows a handshake with b" 0 $?
		shaken b wg0 "${PUB[a]}"
		expect_eq "b shows a handshake with a" 0 $?
		if [ "$outer" = 4 ]; then
			want=192.0.2.2:51820
		else
			want='[2001:db8::2]:51820'
		fi
		expect_eq "endpoint of b as a shows it" "$want" \
			"$(wg_get a wg0 endpoints "${PUB[b]}")"
		spy_read a
		expect_eq "initiations of this inner family" \
			$((inner == 4 ? 1 : 0)) "$((SPY[tx_init] + SPY[rx_init]))"
	done
	for h in a b; do
		must "removing wg0 of $h" on "$h" ip link del wg0
	done
done

finish
