#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Keepalives, counted on the wire: persistent ones and the passive one.

. "$(dirname "$0")/lib.sh"

begin 7 "keepalives on the wire" nft

pair
tunnel
spy a eth0

point "no keepalive configured: silence before the first packet"
sleep 1
expect_spy "nothing was sent" a tx_init=0 rx_init=0 tx_keep=0 rx_keep=0

point "set from 0 on a running device: a handshake and a keepalive at once"
wg_set a wg0 peer "${PUB[b]}" persistent-keepalive 1
keeps() {
	spy_read a && [ "${SPY[tx_keep]}" -ge "$1" ]
}
expect_soon 3 "a keepalive" keeps 1
expect_spy "one handshake" a tx_init=1 rx_resp=1 rx_init=0
expect_spy "b has no reason to send anything" a rx_keep=0 rx_data=0 tx_data=0

point "then one each second"
begun=$(now)
spy_zero a
sleep 3.2
spy_read a
# By a slow machine's clock it may have been longer.
ms=$(($(now) - begun))
expect_range "keepalives in $ms ms" 2 $((ms / 1000 + 1)) "${SPY[tx_keep]}"
expect_eq "b does not answer them" "0 0 0" \
	"${SPY[rx_keep]} ${SPY[rx_data]} ${SPY[rx_init]}"
transfer b wg0 "${PUB[a]}"
rx=$RX
expect_soon 3 "another one" keeps $((SPY[tx_keep] + 1))
sleep 0.1
transfer b wg0 "${PUB[a]}"
expect_eq "a keepalive is 32 bytes: b counts a multiple of that" 0 $(((RX - rx) % 32))

point "none while authenticated packets pass"
wg_set a wg0 peer "${PUB[b]}" persistent-keepalive 3
expect_ping "first ping" a -c 1 10.9.0.2
spy_zero a
expect_ping "pings every 0.5 s for 4.5 s" a -c 10 -i 0.5 10.9.0.2
spy_read a
expect_eq "keepalives meanwhile" "0 0" "${SPY[tx_keep]} ${SPY[rx_keep]}"

point "off: no more of them"
wg_set a wg0 peer "${PUB[b]}" persistent-keepalive 0
expect_eq "as wg shows it" off "$(wg_get a wg0 persistent-keepalive "${PUB[b]}")"
# One whose timer was armed before may still come.
sleep 3.2
spy_zero a
sleep 3.3
expect_spy "more than three seconds" a tx_keep=0

point "up: a keepalive to each peer with an interval"
must "down" on a ip link set wg0 down
wg_set a wg0 peer "${PUB[b]}" persistent-keepalive 3600
spy_zero a
sleep 0.3
expect_spy "while it is down" a tx_init=0 tx_keep=0
must "up" on a ip link set wg0 up
expect_soon 3 "one at once" keeps 1
expect_spy "one handshake, one keepalive" a tx_init=1 tx_keep=1
wg_set a wg0 peer "${PUB[b]}" persistent-keepalive 0

point "passive: data that stays unanswered is acknowledged after 10 s"
expect_ping "a and b have a session, and b has nothing to answer" a -c 1 10.9.0.2
spy_zero a
must "b drops what it gets" on b sh -c 'nft add table inet d
	nft add chain inet d c "{ type filter hook prerouting priority 0; }"
	nft add rule inet d c iifname wg0 drop'
must "the datagram" on a "$LIB_DIR/wire" udp-send 10.9.0.2 9 00 1
begun=$(now)
answered() {
	spy_read a && [ "${SPY[rx_keep]}" -ge 1 ]
}
expect_soon 13 "a keepalive from b" answered
expect_range "milliseconds until then" 9500 $((13000 + 1000 * (ADIT_SLOW - 1))) \
	$(($(now) - begun))
sleep 0.5
expect_spy "one data message, one keepalive, nothing else" a tx_data=1 rx_keep=1 \
	tx_keep=0 rx_data=0 tx_init=0 rx_init=0

finish
