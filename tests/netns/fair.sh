#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A peer that is flooded, or floods, does not starve another one of the same device.

. "$(dirname "$0")/lib.sh"

begin 2 "fairness between peers"

host_new a b c
link a eth0 b eth0
link a eth1 c eth0
addr a eth0 192.0.2.1/24
addr b eth0 192.0.2.2/24
addr a eth1 198.51.100.1/24
addr c eth0 198.51.100.2/24
keys a b c
for h in a b c; do
	wg_new $h wg0
	wg_key $h wg0
	wg_set $h wg0 listen-port 51820
done
wg_set a wg0 peer "${PUB[b]}" allowed-ips 10.9.0.2/32 endpoint 192.0.2.2:51820 \
	peer "${PUB[c]}" allowed-ips 10.9.0.3/32 endpoint 198.51.100.2:51820
wg_set b wg0 peer "${PUB[a]}" allowed-ips 10.9.0.1/32 endpoint 192.0.2.1:51820
wg_set c wg0 peer "${PUB[a]}" allowed-ips 10.9.0.1/32 endpoint 198.51.100.1:51820
addr a wg0 10.9.0.1/24
addr b wg0 10.9.0.2/24
addr c wg0 10.9.0.3/24
for h in a b c; do
	must "wg0 of $h up" on $h ip link set wg0 up
done
expect_ping "a reaches b" a -c 1 10.9.0.2
expect_ping "a reaches c" a -c 1 10.9.0.3
# a kernel full of checks takes its time
head -c $((2000000 / ADIT_SLOW)) /dev/urandom > "$TMP/sent"

# while FROM floods ADDRESS, 2 MB or less go between a and c, each way
beside() { # STEP FROM ADDRESS
	local flood before alone with

	before=$(now)
	copy "$1: alone" a c 10.9.0.3
	alone=$(($(now) - before))
	start flood "$2" "$LIB_DIR/wire" udp-flood "$3" 9 1200
	flood=$PID
	flooding() {
		transfer a wg0 "${PUB[b]}"
		[ $((RX + TX)) -gt $((before + 3000000)) ]
	}
	transfer a wg0 "${PUB[b]}"
	before=$((RX + TX))
	expect_soon 10 "$1: the flood goes" flooding
	before=$(now)
	copy "$1: there" a c 10.9.0.3
	with=$(($(now) - before))
	copy "$1: back" c a 10.9.0.1
	say "$1: alone it took $alone ms, beside the flood $with ms"
	transfer a wg0 "${PUB[b]}"
	before=$((RX + TX))
	expect_soon 10 "$1: the flood goes still" flooding
	stop "$flood"
}

point "one is flooded: the other gets on"
beside "a floods b" a 10.9.0.2

point "one floods: the other gets on"
beside "b floods a" b 10.9.0.1

finish
