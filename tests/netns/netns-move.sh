#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The sockets stay in the namespace where the device was made, wherever it goes.

. "$(dirname "$0")/lib.sh"

begin 7 "devices that move between namespaces" nft

# a has the wire; i is an inner namespace with nothing but the tunnel.
host_new i e
pair
keys i b
wg_new b wg0
wg_key b wg0
wg_set b wg0 listen-port 51820 peer "${PUB[i]}" allowed-ips 10.9.0.1/32
addr b wg0 10.9.0.2/24
must "wg0 of b up" on b ip link set wg0 up

sockets() { # HOST: sockets of port 51820
	on "$1" sh -c 'cat /proc/net/udp /proc/net/udp6' | grep -c ':CA6C '
}

configure() {
	wg_key i wg0
	wg_set i wg0 listen-port 51820 peer "${PUB[b]}" allowed-ips 10.9.0.2/32 \
		endpoint 192.0.2.2:51820
	addr i wg0 10.9.0.1/24
	must "wg0 of i up" on i ip link set wg0 up
}

point "made in a, moved to i: the wire of a carries it"
wg_new a wg0
must "moving it" on a ip link set wg0 netns "${NS[i]}"
configure
expect_eq "UDP sockets in a, in i" "2 0" "$(sockets a) $(sockets i)"
expect_ping "i pings b" i -c 2 -i 0.1 10.9.0.2

point "moved while up and configured: it comes back to work"
must "moving it to a" on i ip link set wg0 netns "${NS[a]}"
must "moving it to i" on a ip link set wg0 netns "${NS[i]}"
on i ip addr replace 10.9.0.1/24 dev wg0
must "wg0 of i up" on i ip link set wg0 up
expect_eq "peers" 1 "$(on i wg show wg0 peers | wc -l)"
expect_eq "UDP sockets in a, in i" "2 0" "$(sockets a) $(sockets i)"
expect_ping "i pings b" i -c 1 10.9.0.2
must "removing it" on i ip link del wg0
expect_eq "UDP sockets in a, in i" "0 0" "$(sockets a) $(sockets i)"

point "asked for from a, for i: a is the birth place"
must "making it" on a ip link add wg0 netns "${NS[i]}" type wireguard
configure
expect_eq "UDP sockets in a, in i" "2 0" "$(sockets a) $(sockets i)"
expect_ping "i pings b" i -c 1 10.9.0.2
must "removing it" on i ip link del wg0

point "link-netns: made from elsewhere for both"
must "making it" ip -n "${NS[e]}" link add wg0 netns "${NS[i]}" \
	link-netns "${NS[a]}" type wireguard
configure
expect_eq "UDP sockets in a, in i" "2 0" "$(sockets a) $(sockets i)"
expect_ping "i pings b" i -c 1 10.9.0.2

point "the birth place goes: the device stays, silent, and refuses to go up"
spy b eth0
host_gone a
gone() {
	! on b ip link show eth0 > /dev/null 2>&1
}
expect_soon 10 "the namespace is destroyed: the other end of its wire is gone" gone
carrier_off() {
	[[ $(on i ip link show wg0) == *NO-CARRIER* ]]
}
expect_soon 5 "carrier of wg0 goes off" carrier_off
expect_no_ping "i pings b" i -c 1 -W 1 10.9.0.2
must "down" on i ip link set wg0 down
expect_fail "up" on i ip link set wg0 up
expect_like "why" "*not on the network*" "$OUT"
expect_fail "setting the port" on i wg set wg0 listen-port 51999
expect_like "why" "*ot permitted*" "$OUT"
expect_ok "setting a peer" on i wg set wg0 peer "${PUB[b]}" persistent-keepalive 5
expect_ok "removing it" on i ip link del wg0

point "the place where a device lives goes: the device and its sockets go"
host_new x y z
link x eth0 z ex
link y eth0 z ey
wg_new x wg0
must "moving it" on x ip link set wg0 netns "${NS[y]}"
wg_set_port() {
	must "port" on y wg set wg0 listen-port 51820
	must "up" on y ip link set wg0 up
}
wg_set_port
expect_eq "UDP sockets in x" 2 "$(sockets x)"
host_gone y
ey_gone() {
	! on z ip link show ey > /dev/null 2>&1
}
expect_soon 10 "y is destroyed" ey_gone
expect_eq "UDP sockets in x" 0 "$(sockets x)"

point "two namespaces with each other's devices: both can go"
host_new y2
link y2 eth0 z ey2
wg_new x wg1
wg_new y2 wg2
must "moving wg1" on x ip link set wg1 netns "${NS[y2]}"
must "moving wg2" on y2 ip link set wg2 netns "${NS[x]}"
keys x y2
wg_key y2 wg1
wg_key x wg2
wg_set y2 wg1 peer "${PUB[b]}" allowed-ips 0.0.0.0/0 endpoint 192.0.2.2:51820
wg_set x wg2 peer "${PUB[b]}" allowed-ips 0.0.0.0/0 endpoint 192.0.2.2:51820
must "wg1 up" on y2 ip link set wg1 up
must "wg2 up" on x ip link set wg2 up
host_gone x
host_gone y2
both_gone() {
	! on z ip link show ex > /dev/null 2>&1 &&
		! on z ip link show ey2 > /dev/null 2>&1
}
expect_soon 10 "both are destroyed" both_gone

finish
