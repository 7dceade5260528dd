#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What the outer packets may go through besides a plain wire, and where the
# device itself may be put.

. "$(dirname "$0")/lib.sh"

begin 8 "VLAN, bridge, macvlan, bond, VRF, dummy" nft

pair
# A second and a third wire, for bridge and bond.
link a p0 b t0
link a p1 b t1
tunnel

# needs KIND: can such a device be made here?
needs() {
	on a ip link add link eth0 name probe0 type "$@" > /dev/null 2>&1 || {
		skip_point "this kernel has no device of kind $1"
		return 1
	}
	on a ip link del probe0
}
# carried STEP A4 B4 A6 B6: the tunnel works between these outer addresses, with
# a handshake begun at either end.
carried() {
	local x y

	for x in "$2 $3" "[$4] [$5]"; do
		read -r x y <<< "$x"
		must "$1: down" on a ip link set wg0 down
		wg_set a wg0 peer "${PUB[b]}" endpoint "$y:51820"
		wg_set b wg0 peer "${PUB[a]}" endpoint "$x:51820"
		must "$1: up" on a ip link set wg0 up
		expect_ping "$1: a pings b at $y" a -c 1 -s 1300 10.9.0.2
		must "$1: b down" on b ip link set wg0 down
		must "$1: b up" on b ip link set wg0 up
		expect_ping "$1: b pings a at $x" b -c 1 fd09::1
		expect_eq "$1: the endpoint of b as a shows it" "$y:51820" \
			"$(wg_get a wg0 endpoints "${PUB[b]}")"
	done
}

point "VLAN"
if needs vlan id 5; then
	must "on the wire" on a ip link add link eth0 name eth0.5 type vlan id 5
	must "the same on b" on b ip link add link eth0 name eth0.5 type vlan id 5
	addr a eth0.5 203.0.113.1/24 2001:db8:5::1/64
	addr b eth0.5 203.0.113.2/24 2001:db8:5::2/64
	for h in a b; do must "up" on $h ip link set eth0.5 up; done
	carried "VLAN" 203.0.113.1 203.0.113.2 2001:db8:5::1 2001:db8:5::2
	for h in a b; do must "it goes" on $h ip link del eth0.5; done
fi

point "macvlan"
if needs macvlan; then
	must "on top of the wire" on a ip link add mac0 link eth0 type macvlan mode bridge
	addr a mac0 203.0.113.1/24 2001:db8:5::1/64
	must "up" on a ip link set mac0 up
	addr b eth0 203.0.113.2/24 2001:db8:5::2/64
	carried "macvlan" 203.0.113.1 203.0.113.2 2001:db8:5::1 2001:db8:5::2
	must "it goes" on a ip link del mac0
	must "b's address goes" on b ip addr del 203.0.113.2/24 dev eth0
	must "b's address goes" on b ip addr del 2001:db8:5::2/64 dev eth0
fi

point "a port of a bridge"
if needs bridge; then
	for h in a b; do
		must "a bridge" on $h ip link add br0 up type bridge
	done
	must "its port" on a ip link set p0 master br0
	must "its port" on b ip link set t0 master br0
	addr a br0 203.0.113.1/24 2001:db8:5::1/64
	addr b br0 203.0.113.2/24 2001:db8:5::2/64
	carried "bridge" 203.0.113.1 203.0.113.2 2001:db8:5::1 2001:db8:5::2
	expect_fail "a WireGuard device cannot be a port itself" on a ip link set wg0 master br0
	for h in a b; do must "it goes" on $h ip link del br0; done
fi

point "a bond, whose active link is cut under traffic"
if needs bond; then
	must "bond" on a ip link add bond0 type bond mode active-backup miimon 50
	for i in p0 p1; do
		must "down first" on a ip link set $i down
		must "a link of it" on a ip link set $i master bond0
		must "up" on a ip link set $i up
	done
	must "up" on a ip link set bond0 up
	must "b's switch" on b ip link add sw0 up type bridge
	for i in t0 t1; do must "its port" on b ip link set $i master sw0 up; done
	addr a bond0 203.0.113.1/24 2001:db8:5::1/64
	addr b sw0 203.0.113.2/24 2001:db8:5::2/64
	carried "bond" 203.0.113.1 203.0.113.2 2001:db8:5::1 2001:db8:5::2
	start sink b "$LIB_DIR/wire" udp-sink 5002 1000000 2
	sink=$PID
	ready sink ready
	start flow a "$LIB_DIR/wire" udp-flow 10.9.0.2 5002 1000000 200 200
	flow=$PID
	for i in 0 1; do
		sleep 0.5
		must "cutting link $i" on b ip link set t$i down
		active() { [ "$(on a cat /sys/class/net/bond0/bonding/active_slave)" = "$1" ]; }
		expect_soon 5 "the other link takes over" active p$((1 - i))
		expect_ping "it works over that one" a -c 1 10.9.0.2
		must "mending link $i" on b ip link set t$i up
		sleep 0.3
	done
	stop "$flow"
	wait "$sink"
	read -r received lost _ twice corrupt <<< "$(tail -n 1 "$TMP/sink")"
	expect_min "datagrams that arrived" 200 "$received"
	# Two cuts, seen within 50 ms each.
	expect_range "datagrams lost, of 200 a second" 0 $((200 * ADIT_SLOW)) "$lost"
	expect_eq "twice, corrupt" "0 0" "$twice $corrupt"
	expect_eq "the endpoint of b as a shows it" "[2001:db8:5::2]:51820" \
		"$(wg_get a wg0 endpoints "${PUB[b]}")"
	must "it goes" on a ip link del bond0
	must "it goes" on b ip link del sw0
	for i in p0 p1; do must "up" on a ip link set $i up; done
fi

vrf_new() { # NAME TABLE
	must "a VRF" on a ip link add "$1" up type vrf table "$2"
	must "what is not there is not looked for elsewhere" \
		on a ip route replace unreachable default metric 4278198272 table "$2"
	must "the same for IPv6" \
		on a ip -6 route replace unreachable default metric 4278198272 table "$2"
}
point "the outer device in a VRF, reached by mark"
if needs vrf table 9; then
	vrf_new out 100
	must "p0 into it" on a ip link set p0 master out
	addr a p0 203.0.113.1/24 2001:db8:5::1/64
	addr b t0 203.0.113.2/24 2001:db8:5::2/64
	must "sockets of no VRF take what comes in one" on a sh -c \
		'echo 1 > /proc/sys/net/ipv4/udp_l3mdev_accept'
	wg_set a wg0 fwmark 0x77
	must "rule" on a ip rule add fwmark 0x77 table 100
	must "rule" on a ip -6 rule add fwmark 0x77 table 100
	expect_fail "main does not know b there" on a ip route get 203.0.113.2
	carried "outer VRF" 203.0.113.1 203.0.113.2 2001:db8:5::1 2001:db8:5::2
	must "no rule" on a ip rule del fwmark 0x77 table 100
	must "no rule" on a ip -6 rule del fwmark 0x77 table 100
	wg_set a wg0 fwmark 0
	must "it goes" on a ip link del out
	must "the addresses go" on a ip addr flush dev p0 scope global
	must "the addresses go" on b ip addr flush dev t0 scope global
fi

point "the WireGuard device in a VRF, the wire outside"
if needs vrf table 9; then
	vrf_new in 101
	must "wg0 into it" on a ip link set wg0 master in
	wg_set a wg0 peer "${PUB[b]}" endpoint 192.0.2.2:51820
	expect_like "its route is there" "*dev wg0*" "$(on a ip route show table 101)"
	expect_fail "and not in main" on a ip route get 10.9.0.2
	must "down" on a ip link set wg0 down
	must "up" on a ip link set wg0 up
	expect_ping "a pings b from the VRF" a -I in -c 1 10.9.0.2
	expect_ping "IPv6" a -I in -c 1 fd09::2
	expect_ping "b pings a" b -c 1 10.9.0.1
	expect_ping "IPv6" b -c 1 fd09::1
	must "wg0 out of it" on a ip link set wg0 nomaster
	must "it goes" on a ip link del in
	expect_ping "as before" a -c 1 10.9.0.2
fi

point "both in VRFs of their own"
if needs vrf table 9; then
	vrf_new out 100
	vrf_new in 101
	must "p0 into one" on a ip link set p0 master out
	must "wg0 into the other" on a ip link set wg0 master in
	addr a p0 203.0.113.1/24
	addr b t0 203.0.113.2/24
	wg_set a wg0 fwmark 0x77 peer "${PUB[b]}" endpoint 203.0.113.2:51820
	must "rule" on a ip rule add fwmark 0x77 table 100
	must "down" on a ip link set wg0 down
	must "up" on a ip link set wg0 up
	expect_ping "a pings b from the VRF" a -I in -c 1 10.9.0.2
	expect_ping "b pings a" b -c 1 10.9.0.1
	must "no rule" on a ip rule del fwmark 0x77 table 100
	wg_set a wg0 fwmark 0
	must "wg0 out of it" on a ip link set wg0 nomaster
	must "it goes" on a ip link del in
	must "it goes" on a ip link del out
fi

point "a dummy that swallows all, then the wire again"
wg_set a wg0 peer "${PUB[b]}" endpoint 192.0.2.2:51820
must "down" on a ip link set wg0 down
must "up" on a ip link set wg0 up
expect_ping "over the wire" a -c 1 10.9.0.2
must "a dummy" on a ip link add dum0 up type dummy
must "the way leads there" on a ip route add 192.0.2.2/32 dev dum0
transfer a wg0 "${PUB[b]}"
tx=$TX
expect_no_ping "into it" a -c 2 -i 0.05 -W 1 10.9.0.2
transfer a wg0 "${PUB[b]}"
expect_eq "bytes sent" $((2 * 128)) $((TX - tx))
must "it goes, under a cached route" on a ip link del dum0
expect_ping "over the wire again, at once" a -c 1 10.9.0.2

finish
