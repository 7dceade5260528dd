#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A tunnel whose own packets are routed into it: it must end, and do no harm.

. "$(dirname "$0")/lib.sh"

begin 3 "a routing loop through the tunnel is bounded" nft

pair
tunnel
wg_set a wg0 peer "${PUB[b]}" allowed-ips 0.0.0.0/0,::/0

tx() {
	devstat a wg0 tx_packets
}
# bounded STEP: what a counts grows by little, and then no more.
bounded() {
	local n1 n2 n3

	n1=$(tx)
	on a timeout 5 "$LIB_DIR/wire" udp-send 10.9.0.2 9 @500:00 3 > /dev/null 2>&1
	sleep 1
	n2=$(tx)
	sleep 1
	n3=$(tx)
	expect_range "$1: packets sent in the first second" 0 200 $((n2 - n1))
	expect_range "$1: and in the next" 0 50 $((n3 - n2))
}

point "the endpoint is routed into the tunnel before any handshake"
must "the loop" on a ip route add 192.0.2.2/32 dev wg0
bounded "no session"

point "the endpoint is routed into the tunnel with a session up"
must "no loop" on a ip route del 192.0.2.2/32 dev wg0
must "down" on a ip link set wg0 down
must "up" on a ip link set wg0 up
expect_ping "a session" a -c 1 10.9.0.2
must "the loop" on a ip route add 192.0.2.2/32 dev wg0
if [ "$DRIVER" = in-kernel ]; then
	skip_point "this driver is known to loop for as long as the route stays"
else
	bounded "with a session"
fi

point "without the loop the tunnel works again"
must "no loop" on a ip route del 192.0.2.2/32 dev wg0
pings() {
	on a ping -q -c 1 -W 1 10.9.0.2
}
expect_soon 25 "a pings b" pings

finish
