#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Sending that fails outside: no route, an unreachable one, IPv6 taken away.
# It is counted, nothing is leaked, and it works again once it can.

. "$(dirname "$0")/lib.sh"

begin 7 "failed sends are counted and leak nothing" nft

pair
tunnel
expect_ping "tunnel is up" a -c 1 10.9.0.2

# errors_of COMMAND...: by how much tx_errors of a's wg0 grows.
errors_of() {
	local before after

	before=$(devstat a wg0 tx_errors)
	"$@"
	after=$(devstat a wg0 tx_errors)
	ERRORS=$((after - before))
}
# expect_errors STEP COUNT [MORE]: the kernel tree's driver does not count sends that
# fail for want of a route.
expect_errors() {
	local low=$2

	[ "$DRIVER" = adit ] || low=0
	expect_range "$1" "$low" $(($2 + ${3:-0})) "$ERRORS"
}
# Where sending so many takes longer than 15 s, handshakes are tried in between.
tries=$((ADIT_SLOW > 1 ? 20 : 0))
three() {
	on a "$LIB_DIR/wire" udp-send 10.9.0.2 9 @100:00 3
}
works() {
	on a ping -q -n -c 1 -W 1 10.9.0.2
}

point "no route to the endpoint"
transfer a wg0 "${PUB[b]}"
sent=$TX
must "the wire down" on a ip link set eth0 down
errors_of three
expect_errors "tx_errors" 3
transfer a wg0 "${PUB[b]}"
expect_eq "bytes sent, as counted" "$sent" "$TX"
must "the wire up" on a ip link set eth0 up
expect_soon 10 "it works again" works

point "unreachable, blackhole, prohibit"
for kind in unreachable blackhole prohibit; do
	must "route" on a ip route add "$kind" 192.0.2.2/32
	errors_of three
	expect_errors "tx_errors with $kind" 3
	must "route" on a ip route del "$kind" 192.0.2.2/32
	expect_ping "it works again" a -c 1 10.9.0.2
done

point "a handshake that cannot be sent counts too"
must "down" on a ip link set wg0 down
must "up" on a ip link set wg0 up
must "route" on a ip route add unreachable 192.0.2.2/32
errors_of three
expect_errors "tx_errors" 1
must "route" on a ip route del unreachable 192.0.2.2/32
# What waits goes with the next try, 5 s later.
expect_soon 20 "it works again" works

point "dropped by a packet filter on the way out: not the device's error"
nft_load a <<- 'END'
	table inet t {
		counter dropped { }
		chain c {
			type filter hook output priority 0
			udp sport 51820 counter name dropped drop
		}
	}
END
errors_of three
expect_eq "dropped by the filter" 3 "$(nft_count a t dropped)"
expect_eq "tx_errors" 0 "$ERRORS"
must "filter off" on a nft delete table inet t
expect_ping "it works again" a -c 1 10.9.0.2

many() {
	on a "$LIB_DIR/wire" udp-send 10.9.0.2 9 @1300:00 8000
}

point "IPv4: 8000 failed sends keep no memory"
must "route" on a ip route add unreachable 192.0.2.2/32
errors_of many
expect_errors "tx_errors" 8000 "$tries"
expect_no_leak "unreachable" many
must "route" on a ip route del unreachable 192.0.2.2/32

point "IPv6 taken away under a live peer with an IPv6 endpoint"
if [ ! -e /proc/sys/net/ipv6 ]; then
	skip_point "no IPv6 here"
else
	wg_set a wg0 peer "${PUB[b]}" endpoint "[2001:db8::2]:51820"
	expect_ping "over IPv6" a -c 1 10.9.0.2
	must "IPv6 off" on a sh -c 'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6'
	errors_of many
	expect_errors "tx_errors" 8000 "$tries"
	expect_no_leak "IPv6 off" many
	must "IPv6 on" on a sh -c 'echo 0 > /proc/sys/net/ipv6/conf/all/disable_ipv6'
	on a ip addr replace 2001:db8::1/64 dev eth0
	on a ip addr replace fd09::1/64 dev wg0
	expect_soon 20 "it works again" works
fi

point "no session, and IPv6 is off: 8000 packets keep no more than 128"
if [ ! -e /proc/sys/net/ipv6 ]; then
	skip_point "no IPv6 here"
else
	must "down" on a ip link set wg0 down
	must "IPv6 off" on a sh -c 'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6'
	must "up" on a ip link set wg0 up
	expect_no_leak "IPv6 off, no session" many
	must "IPv6 on" on a sh -c 'echo 0 > /proc/sys/net/ipv6/conf/all/disable_ipv6'
	on a ip addr replace 2001:db8::1/64 dev eth0
	wg_set a wg0 peer "${PUB[b]}" endpoint "192.0.2.2:51820"
	# or the next try would come 5 s after the last
	must "down" on a ip link set wg0 down
	must "up" on a ip link set wg0 up
	expect_soon 20 "it works over IPv4" works
fi

finish
