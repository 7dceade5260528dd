#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Every size of packet around the padding and the MTU, with exact byte counts:
# a data message is the IP packet padded to 16 (but not beyond the MTU) plus 32.

. "$(dirname "$0")/lib.sh"

begin 6 "packet sizes around padding and MTU, exact byte counters"

pair
tunnel

# On the wire for an IP packet of $1 bytes on a device with the MTU $2.
message() {
	local padded=$((($1 + 15) / 16 * 16))

	[ "$padded" -le "$2" ] || padded=$2
	echo $((padded + 32))
}

# What a and b count, in ARX, ATX, BRX, BTX.
totals() {
	transfer a wg0 "${PUB[b]}"
	ARX=$RX ATX=$TX
	transfer b wg0 "${PUB[a]}"
	BRX=$RX BTX=$TX
}

point "a handshake and one ping: 148 + 92 bytes and two data messages"
expect_ping "first ping" a -c 1 -s 56 10.9.0.2
m=$(message 84 1420)
totals
expect_eq "a sent, received; b sent, received" \
	"$((148 + m)) $((92 + m)) $((92 + m)) $((148 + m))" \
	"$ATX $ARX $BTX $BRX"

# sweep HEADER ADDRESS SIZE...: pings of those IP packet sizes; what a counts
# is looked at after each, what b counts at the end.
sweep() {
	local header=$1 to=$2 size want sum=0 arx atx brx btx

	shift 2
	# a session of its own: one that is two minutes old is renewed
	must "down" on a ip link set wg0 down
	must "up" on a ip link set wg0 up
	expect_ping "a new session" a -c 1 "$to"
	totals
	brx=$BRX btx=$BTX
	RX=$ARX TX=$ATX
	for size; do
		arx=$RX atx=$TX
		expect_ping "ping with IP packets of $size bytes" a -c 1 \
			-M 'do' -s $((size - header)) "$to" || continue
		want=$(message "$size" 1420)
		sum=$((sum + want))
		transfer a wg0 "${PUB[b]}"
		expect_eq "bytes for packets of $size: a sent, received" \
			"$want $want" "$((TX - atx)) $((RX - arx))"
	done
	totals
	expect_eq "bytes for all of them: b sent, received" "$sum $sum" \
		"$((BTX - btx)) $((BRX - brx))"
}

point "IPv4: small packets around multiples of 16"
# shellcheck disable=SC2046
sweep 28 10.9.0.2 28 29 31 32 33 $(seq 46 50) $(seq 62 66)

point "IPv4: the last sizes up to the MTU, padding clamped to it"
# shellcheck disable=SC2046
sweep 28 10.9.0.2 1391 1392 1393 $(seq 1406 1420)

point "IPv6: sizes around multiples of 16 and the MTU"
sweep 48 fd09::2 48 49 63 64 65 80 81 1279 1280 1407 1408 1409 1419 1420

point "one byte over the MTU is refused where it may not be fragmented"
expect_fail "1421 bytes of IPv4" on a ping -c 1 -W 1 -M 'do' -s 1393 10.9.0.2
expect_like "ping says why" "*essage too long*" "$OUT"
expect_fail "1421 bytes of IPv6" on a ping -c 1 -W 1 -M 'do' -s 1373 fd09::2

point "packets that are fragmented inside the tunnel"
totals
arx=$ARX atx=$ATX
expect_ping "IPv4, 3 fragments" a -c 1 -p 5a -s 3000 10.9.0.2
want=$(($(message 1420 1420) * 2 + $(message 228 1420)))
totals
expect_eq "bytes of 3 fragments: a sent, received" "$want $want" \
	"$((ATX - atx)) $((ARX - arx))"
expect_ping "IPv4, the largest" a -c 1 -p a5 -s 65507 10.9.0.2
expect_ping "IPv6, 3 fragments" a -c 1 -p 5a -s 3000 fd09::2
expect_ping "IPv6, large" a -c 1 -p a5 -s 60000 fd09::2

finish
