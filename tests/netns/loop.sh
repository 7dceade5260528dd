#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A tunnel whose own packets are routed into it: it must end, and do no harm.

. "$(dirname "$0")/lib.sh"

begin 6 "a routing loop through the tunnel is bounded" nft

pair
tunnel
wg_set a wg0 peer "${PUB[b]}" allowed-ips 0.0.0.0/0,::/0

tx() {
	local n i

	n=0
	for i in "${DEVICES[@]}"; do
		n=$((n + $(devstat a "$i" tx_packets)))
	done
	echo $n
}
DEVICES=(wg0)
# bounded STEP [COUNT]: what a counts grows by little for each of COUNT datagrams,
# and then no more. A loop sends thousands in half a second, here too.
bounded() {
	local n1 n2 n3 count=${2:-3}

	n1=$(tx)
	on a timeout 5 "$LIB_DIR/wire" udp-send 10.9.0.2 9 @500:00 "$count" > /dev/null 2>&1
	sleep 0.5
	n2=$(tx)
	sleep 0.5
	n3=$(tx)
	expect_range "$1: packets sent in the first half second" 0 $((67 * count)) $((n2 - n1))
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

point "IPv6: the endpoint is routed into the tunnel, without a session and with one"
wg_set a wg0 peer "${PUB[b]}" endpoint "[2001:db8::2]:51820"
must "down" on a ip link set wg0 down
must "up" on a ip link set wg0 up
must "the loop" on a ip -6 route add 2001:db8::2/128 dev wg0
bounded "no session"
must "no loop" on a ip -6 route del 2001:db8::2/128 dev wg0
must "down" on a ip link set wg0 down
must "up" on a ip link set wg0 up
expect_ping "a session" a -c 1 10.9.0.2
must "the loop" on a ip -6 route add 2001:db8::2/128 dev wg0
if [ "$DRIVER" = in-kernel ]; then
	skip_point "this driver is known to loop for as long as the route stays"
else
	bounded "with a session"
fi
must "no loop" on a ip -6 route del 2001:db8::2/128 dev wg0
expect_soon 25 "a pings b" pings

# A second tunnel between the same hosts, by other addresses.
addr a eth0 198.51.100.1/24
addr b eth0 198.51.100.2/24
wg_set a wg0 peer "${PUB[b]}" endpoint 192.0.2.2:51820
declare -A PUB0=([a]=${PUB[a]} [b]=${PUB[b]})
keys a b
for h in a b; do
	wg_new "$h" wg1
	wg_key "$h" wg1
done
wg_set a wg1 listen-port 51821 peer "${PUB[b]}" allowed-ips 0.0.0.0/0 endpoint 198.51.100.2:51821
wg_set b wg1 listen-port 51821 peer "${PUB[a]}" allowed-ips 0.0.0.0/0
addr a wg1 10.10.0.1/24
addr b wg1 10.10.0.2/24
for h in a b; do
	must "wg1 of $h up" on "$h" ip link set wg1 up
	must "wg0 of $h down" on "$h" ip link set wg0 down
	must "wg0 of $h up" on "$h" ip link set wg0 up
done
DEVICES=(wg0 wg1)

point "two tunnels routed into each other, without sessions"
must "one half of the loop" on a ip route add 192.0.2.2/32 dev wg1
must "the other half" on a ip route add 198.51.100.2/32 dev wg0
bounded "no session"
must "no loop" on a ip route del 192.0.2.2/32 dev wg1
must "no loop" on a ip route del 198.51.100.2/32 dev wg0

point "two tunnels routed into each other, with sessions"
for h in a b; do
	for i in wg0 wg1; do
		must "$i of $h down" on "$h" ip link set $i down
		must "$i of $h up" on "$h" ip link set $i up
	done
done
expect_ping "a session of wg0" a -c 1 10.9.0.2
expect_ping "a session of wg1" a -c 1 10.10.0.2
must "one half of the loop" on a ip route add 192.0.2.2/32 dev wg1
must "the other half" on a ip route add 198.51.100.2/32 dev wg0
if [ "$DRIVER" = in-kernel ]; then
	skip_point "this driver is known to loop for as long as the routes stay"
else
	bounded "with sessions"
	bounded "with sessions, a burst" 200
fi
must "no loop" on a ip route del 192.0.2.2/32 dev wg1
must "no loop" on a ip route del 198.51.100.2/32 dev wg0
expect_soon 25 "a pings b" pings

finish
