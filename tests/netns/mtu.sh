#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# MTUs from 0 to more than the wire carries, and what must be fragmented.

. "$(dirname "$0")/lib.sh"

begin 7 "MTU 0, 68, 1280, 1420, 9000 and more" nft tc

pair
tunnel

mtu() { # MTU: of wg0 at both ends
	for h in a b; do
		must "MTU $1 on $h" on "$h" ip link set wg0 mtu "$1"
	done
}

point "MTU 1280 and 1420: full packets, IPv4 and IPv6"
for m in 1280 1420; do
	mtu "$m"
	expect_ping "IPv4, $m bytes" a -c 1 -M 'do' -s $((m - 28)) 10.9.0.2
	expect_ping "IPv6, $m bytes" a -c 1 -M 'do' -s $((m - 48)) fd09::2
	expect_fail "IPv4, one more" on a ping -c 1 -W 1 -M 'do' -s $((m - 27)) 10.9.0.2
done

point "MTU 9000 over a wire of 1500: outer packets are fragmented"
mtu 9000
expect_ping "9000 bytes over IPv4" a -c 2 -i 0.1 -M 'do' -s 8972 10.9.0.2
wg_set a wg0 peer "${PUB[b]}" endpoint "[2001:db8::2]:51820"
expect_ping "first ping over IPv6" a -c 1 10.9.0.2
expect_ping "9000 bytes over IPv6" a -c 2 -i 0.1 -M 'do' -s 8972 10.9.0.2
wg_set a wg0 peer "${PUB[b]}" endpoint "192.0.2.2:51820"
expect_ping "back to IPv4" a -c 1 10.9.0.2

point "MTU 30000 over a wire of 1500"
mtu 30000
expect_ping "30000 bytes" a -c 1 -M 'do' -s 29972 10.9.0.2
expect_ping "30000 bytes of IPv6" a -c 1 -M 'do' -s 29952 fd09::2

point "MTU 68: the least that IPv4 can have"
mtu 68
expect_ping "68 bytes" a -c 1 -M 'do' -s 40 10.9.0.2
expect_ping "300 bytes in fragments" a -c 1 -s 272 10.9.0.2

point "MTU 0: packets that were waiting, and others, do no harm"
mtu 1420
must "b away" on b ip link set wg0 down
must "a forgets its session" on a ip link set wg0 down
must "a up" on a ip link set wg0 up
addr a wg0 10.9.0.77/32 2> /dev/null
must "5 datagrams that wait" on a "$LIB_DIR/wire" udp-send 10.9.0.2 9 @100:00 5
must "MTU 0 on a" on a ip link set wg0 mtu 0
must "b back" on b ip link set wg0 up
# b initiates, so that what waits at a is sent.
on b ping -q -c 1 -W 1 10.9.0.1 > /dev/null
expect_like "a raw packet of 4 bytes is refused" "E*" \
	"$(on a "$LIB_DIR/wire" packet wg0 0x0800 45000004)"
# What comes from another device by tc has no route: the limit of its padding is
# the device's MTU.
host_new d
link d eth0 a side
addr d eth0 10.7.0.2/24
on d ip neigh replace 10.7.0.1 lladdr 02:00:00:00:00:01 dev eth0
must "default route" on d ip route add default via 10.7.0.1
must "any MAC address" on a ip link set side promisc on
wg_set b wg0 peer "${PUB[a]}" allowed-ips 10.9.0.1/32,fd09::1/128,10.7.0.2/32
nft_load b <<- 'END'
	table inet t {
		counter zero { }
		chain c {
			type filter hook prerouting priority 0
			iifname wg0 ip saddr 10.7.0.2 udp dport 9 counter name zero
		}
	}
END
five() {
	[ "$(nft_count b t zero)" -eq 5 ]
}
must "a qdisc" on a tc qdisc add dev side clsact
must "from there into wg0" on a tc filter add dev side ingress protocol ip \
	matchall action mirred egress redirect dev wg0
for len in 0 1 30 1000 1400; do
	must "sending" on d "$LIB_DIR/wire" udp-send 10.9.0.2 9 "@$len:ff"
done
expect_soon 5 "five packets without a route arrive" five
must "no more" on a ip link del side
expect_eq "MTU as shown" 0 "$(on a cat /sys/class/net/wg0/mtu)"
must "MTU 1 on a" on a ip link set wg0 mtu 1
must "MTU 1420 on a" on a ip link set wg0 mtu 1420
on a ip addr replace 10.9.0.1/24 dev wg0
on a ip addr replace fd09::1/64 dev wg0
on b ip addr replace fd09::2/64 dev wg0
expect_ping "with MTU 1420 again" a -c 1 -M 'do' -s 1392 10.9.0.2

point "a router into the tunnel says what the MTU is"
host_new c
link c eth0 a lan
addr c eth0 198.51.100.3/24 fd51::3/64
addr a lan 198.51.100.1/24 fd51::1/64
forward a
route c default via 198.51.100.1
route c default via fd51::1
route b 198.51.100.0/24 dev wg0
route b fd51::/64 dev wg0
wg_set b wg0 peer "${PUB[a]}" allowed-ips 10.9.0.1/32,198.51.100.0/24,fd09::1/128,fd51::/64
expect_ping "c pings b" c -c 1 10.9.0.2
expect_fail "1421 bytes of IPv4 that must not be fragmented" \
	on c ping -c 1 -W 2 -M 'do' -s 1393 10.9.0.2
expect_like "ICMP with the MTU" "*mtu*1420*" "$OUT"
expect_fail "1421 bytes of IPv6" on c ping -c 1 -W 2 -M 'do' -s 1373 fd09::2
expect_like "ICMPv6 with the MTU" "*mtu*1420*" "$OUT"

point "TCP through a tunnel whose MTU is larger than the wire's"
mtu 4000
head -c 1000000 /dev/urandom > "$TMP/sent"
start received b "$LIB_DIR/wire" tcp-listen 5001
listener=$PID
STEP="sending 1,000,000 bytes"
OUT=$(on a timeout "$(slow 20)" "$LIB_DIR/wire" tcp-send 10.9.0.2 5001 < "$TMP/sent" 2>&1) &&
	wait "$listener" || fail "the transfer ends" "$OUT"
expect_ok "what came is what was sent" cmp "$TMP/sent" "$TMP/received"

finish
