#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A peer that is flooded, or floods, does not starve another one of the same device.

. "$(dirname "$0")/lib.sh"

begin 2 "fairness between peers"

three
three_tunnels
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
