#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Which local address a message leaves from: the one that the peer last reached,
# for as long as that can work, and no longer.

. "$(dirname "$0")/lib.sh"

begin 14 "the source address of outer packets" tcpdump ethtool

# Two wires. b has, besides, an address that a reaches over either.
host_new a b
link a eth0 b eth0
link a eth1 b eth1
for h in a b; do
	for i in eth0 eth1; do
		must "no other link-local address" on "$h" ip link set $i addrgenmode none
		must "no other link-local address" on "$h" ip -6 addr flush dev $i scope link
	done
done
addr a eth0 192.0.2.1/24 192.0.2.11/24 192.0.2.12/24 \
	2001:db8:1::1/64 2001:db8:1::11/64 fe80::1/64
addr a eth1 198.51.100.1/24 2001:db8:2::1/64 fe80::1/64
addr a lo 203.0.113.1/32 2001:db8:99::1/128
addr b eth0 192.0.2.2/24 2001:db8:1::2/64 fe80::2/64
addr b eth1 198.51.100.2/24 2001:db8:2::2/64 fe80::2/64
addr b lo 203.0.113.2/32 2001:db8:99::2/128
route b 203.0.113.1/32 via 192.0.2.1
route b 2001:db8:99::1/128 via 2001:db8:1::1
route a 203.0.113.2/32 via 192.0.2.2 metric 10
route a 2001:db8:99::2/128 via 2001:db8:1::2 metric 10
keys a b
for h in a b; do
	wg_new "$h" wg0
	wg_key "$h" wg0
	wg_set "$h" wg0 listen-port 51820
done
wg_set a wg0 peer "${PUB[b]}" allowed-ips 10.9.0.2/32
wg_set b wg0 peer "${PUB[a]}" allowed-ips 10.9.0.1/32
addr a wg0 10.9.0.1/24
addr b wg0 10.9.0.2/24
must "wg0 of a up" on a ip link set wg0 up
must "wg0 of b up" on b ip link set wg0 up
# Where b got each message of a, a line each, as
# "19:00:00.0 eth0 In IP 192.0.2.1.51820 > 192.0.2.2.51820: UDP, length 128"
start seen b tcpdump -n -l --immediate-mode -Q in -i any udp
ready seen "listening on"
LINES=0		# of that, of the past

fresh() {
	mapfile -t SEEN < "$TMP/seen"
	LINES=${#SEEN[@]}
}
# sources [BYTES]: sets SOURCES: interfaces and sources of a's messages since
# `fresh`, sorted, once one of BYTES has been seen.
sources() {
	local line end=$(($(now) + 3000 * ADIT_SLOW)) from done=
	local -A all=()

	while [ ! "$done" ] && [ "$(now)" -lt "$end" ]; do
		mapfile -t -s "$LINES" SEEN < "$TMP/seen"
		for line in "${SEEN[@]}"; do
			[[ $line =~ \ (eth[01])\ +In\ +IP6?\ ([0-9a-f.:]+)\.[0-9]+\ .*length\ ([0-9]+) ]] ||
				continue
			from="${BASH_REMATCH[1]} ${BASH_REMATCH[2]}"
			all[$from]=1
			[ "${BASH_REMATCH[3]}" != "${1:-128}" ] || done=1
		done
		[ "$done" ] || sleep 0.05
	done
	SOURCES=$(printf '%s\n' "${!all[@]}" | sort | paste -s -d ,)
}
# asks STEP ADDRESS [IF]: b reaches a at ADDRESS; all that a answers comes from
# there, on IF.
asks() {
	local at=$2

	[[ $at != *:* ]] || at="[$at]"
	wg_set b wg0 peer "${PUB[a]}" endpoint "$at:51820"
	fresh
	expect_ping "$1: b pings a" b -c 1 10.9.0.1
	sources
	expect_eq "$1: interface and source of a's messages" "${3:-eth0} ${2%\%*}" "$SOURCES"
}
# leaves STEP INTERFACE-AND-SOURCE: a, not asked, sends a ping from there.
leaves() {
	fresh
	expect_ping "$1: a pings b" a -c 1 10.9.0.2
	sources
	expect_eq "$1: interface and source of a's message" "$2" "$SOURCES"
}
# stays ENDPOINT: of b, as a shows it.
stays() {
	expect_eq "the endpoint of b as a shows it" "$1" "$(wg_get a wg0 endpoints "${PUB[b]}")"
}
# The source by which b sends to the addresses of a on its first wire.
b_sends_from() {
	must "b sends from $1" on b ip route change 192.0.2.0/24 dev eth0 src "$1"
	must "b sends from $2" on b ip -6 route replace 2001:db8:1::/64 dev eth0 metric 5 src "$2"
}

point "IPv4: each of several addresses answers for itself, the response too"
asks "the first, with a handshake" 192.0.2.1
must "the session goes" on b ip link set wg0 down
must "b is back" on b ip link set wg0 up
asks "the second, with a handshake" 192.0.2.11
leaves "not asked" "eth0 192.0.2.11"
asks "the third" 192.0.2.12
asks "on lo" 203.0.113.1
leaves "not asked" "eth0 203.0.113.1"
asks "the first again" 192.0.2.1

point "IPv6: the same"
asks "the first" 2001:db8:1::1
must "the session goes" on b ip link set wg0 down
must "b is back" on b ip link set wg0 up
asks "the second, with a handshake" 2001:db8:1::11
leaves "not asked" "eth0 2001:db8:1::11"
asks "on lo" 2001:db8:99::1
asks "the first again" 2001:db8:1::1

point "an address of the other interface, reached over this one"
must "b goes over eth0" on b ip route add 198.51.100.1/32 via 192.0.2.1 src 192.0.2.2
must "b goes over eth0" on b ip -6 route add 2001:db8:2::1/128 via 2001:db8:1::1 src 2001:db8:1::2
asks "IPv4" 198.51.100.1
asks "IPv6" 2001:db8:2::1
must "no more" on b ip route del 198.51.100.1/32 via 192.0.2.1
must "no more" on b ip -6 route del 2001:db8:2::1/128 via 2001:db8:1::1

point "two up-links: a rule on the source sends answers out the way that was asked"
must "a rule" on a ip rule add from 198.51.100.1 table 7
must "its table" on a ip route add default via 198.51.100.2 dev eth1 table 7
must "a rule" on a ip -6 rule add from 2001:db8:2::1 table 7
must "its table" on a ip -6 route add default via 2001:db8:2::2 dev eth1 table 7
# b sends from an address that a's main table reaches over eth0.
must "b's source" on b ip route change 198.51.100.0/24 dev eth1 src 203.0.113.2
must "b's source" on b ip -6 route replace 2001:db8:2::/64 dev eth1 metric 5 src 2001:db8:99::2
asks "IPv4, second up-link" 198.51.100.1 eth1
leaves "not asked" "eth1 198.51.100.1"
asks "IPv6, second up-link" 2001:db8:2::1 eth1
leaves "not asked" "eth1 2001:db8:2::1"

point "IPv4 without such a rule: forgotten, the route's own source"
must "no rule" on a ip rule del from 198.51.100.1 table 7
wg_set b wg0 peer "${PUB[a]}" endpoint 198.51.100.1:51820
fresh
expect_ping "b pings a" b -c 1 10.9.0.1
sources
expect_eq "where the answer came from" "eth0 192.0.2.1" "$SOURCES"
expect_eq "b follows" 192.0.2.1:51820 "$(wg_get b wg0 endpoints "${PUB[a]}")"

point "asymmetric routes; the way is looked up once, not for each packet"
lookups() { on a ethtool -S wg0 | awk '$1 == "tx_route_lookups:" { print $2 }'; }
b_sends_from 192.0.2.2 2001:db8:1::2
must "b reaches a by the other wire" on b ip route add 192.0.2.1/32 via 198.51.100.1 \
	dev eth1 src 192.0.2.2
asks "there by eth1, back by eth0" 192.0.2.1 eth0
expect_ping "b pings a" b -c 20 -i 0.02 10.9.0.1
stays 192.0.2.2:51820
must "a's way is the same one" on a ip route add 192.0.2.2/32 via 198.51.100.2 dev eth1
asks "there and back by eth1, from the address of eth0" 192.0.2.1 eth1
must "as it was" on a ip route del 192.0.2.2/32
must "as it was" on b ip route del 192.0.2.1/32
asks "both by eth0" 192.0.2.1 eth0
n=$(lookups)
expect_ping "b pings a" b -c 20 -i 0.02 10.9.0.1
[ "$DRIVER" != adit ] || expect_range "look-ups for 20 answers" 0 0 $(($(lookups) - n))

point "IPv6 without such a rule: kept while the address is local"
must "no rule" on a ip -6 rule del from 2001:db8:2::1 table 7
asks "over eth0 now" 2001:db8:2::1 eth0

point "the route moves to the other wire: IPv4 forgets, IPv6 keeps"
b_sends_from 203.0.113.2 2001:db8:99::2
asks "before" 192.0.2.11
must "another route" on a ip route add 203.0.113.2/32 via 198.51.100.2 metric 5
leaves "IPv4" "eth1 198.51.100.1"
stays 203.0.113.2:51820
asks "IPv6, before" 2001:db8:1::11
must "another route" on a ip -6 route add 2001:db8:99::2/128 via 2001:db8:2::2 metric 5
leaves "IPv6" "eth1 2001:db8:1::11"
must "as it was" on a ip route del 203.0.113.2/32 metric 5
must "as it was" on a ip -6 route del 2001:db8:99::2/128 metric 5

point "the address is removed: the next message has another"
asks "IPv4, before" 192.0.2.12
must "removing it" on a ip addr del 192.0.2.12/24 dev eth0
leaves "IPv4" "eth0 192.0.2.1"
asks "IPv6, before" 2001:db8:1::11
must "removing it" on a ip addr del 2001:db8:1::11/64 dev eth0
leaves "IPv6" "eth0 2001:db8:1::1"
stays "[2001:db8:99::2]:51820"
must "it is back" on a ip addr add 2001:db8:1::11/64 dev eth0

point "the link goes down: over to the other wire"
must "a worse route" on a ip route add 203.0.113.2/32 via 198.51.100.2 metric 50
must "a worse route" on a ip -6 route add 2001:db8:99::2/128 via 2001:db8:2::2 metric 50
must "addresses go with the link" on a sh -c \
	'echo 0 > /proc/sys/net/ipv6/conf/eth0/keep_addr_on_down
	 echo 0 > /proc/sys/net/ipv6/conf/all/keep_addr_on_down'
asks "IPv4, before" 192.0.2.11
must "eth0 down" on a ip link set eth0 down
leaves "IPv4" "eth1 198.51.100.1"
stays 203.0.113.2:51820
must "eth0 up" on a ip link set eth0 up
addr a eth0 2001:db8:1::1/64 2001:db8:1::11/64 fe80::1/64
must "route" on a ip route add 203.0.113.2/32 via 192.0.2.2 metric 10
must "route" on a ip -6 route replace 2001:db8:99::2/128 via 2001:db8:1::2 metric 10
asks "IPv6, before" 2001:db8:1::11
must "eth0 down" on a ip link set eth0 down
leaves "IPv6" "eth1 2001:db8:2::1"
must "eth0 up" on a ip link set eth0 up
addr a eth0 2001:db8:1::1/64 2001:db8:1::11/64 fe80::1/64

point "link-local addresses: the interface is part of the endpoint"
for i in eth1 eth0; do
	asks "$i" "fe80::1%$i" $i
	expect_eq "$i: the endpoint of b as a shows it" "[fe80::2%$i]:51820" \
		"$(wg_get a wg0 endpoints "${PUB[b]}")"
	leaves "$i" "$i fe80::1"
done

point "a changed port, a changed mark, a set endpoint: forgotten; the same port: not"
b_sends_from 192.0.2.2 2001:db8:1::2
asks "IPv4, before" 192.0.2.11
wg_set a wg0 listen-port 51820
leaves "the same port" "eth0 192.0.2.11"
wg_set a wg0 listen-port 51821
leaves "another port" "eth0 192.0.2.1"
wg_set a wg0 listen-port 51820
asks "IPv4, before" 192.0.2.11
wg_set a wg0 fwmark 99
leaves "another mark" "eth0 192.0.2.1"
asks "IPv4, before" 192.0.2.11
wg_set a wg0 peer "${PUB[b]}" endpoint 192.0.2.2:51820
leaves "the same endpoint set" "eth0 192.0.2.1"
# With a rule a source is seen to be forgotten by IPv6, too.
must "b's source" on b ip -6 route replace 2001:db8:2::/64 dev eth1 metric 5 src 2001:db8:2::2
asks "IPv6, before" 2001:db8:99::1
wg_set a wg0 listen-port 51821
fresh
expect_ping "IPv6, another port: a pings b" a -c 1 10.9.0.2
sources
expect_unlike "IPv6, another port: a's source" "*2001:db8:99::1*" "$SOURCES"
wg_set a wg0 listen-port 51820
asks "IPv6, before" 2001:db8:99::1
wg_set a wg0 fwmark 98
fresh
expect_ping "IPv6, another mark: a pings b" a -c 1 10.9.0.2
sources
expect_unlike "IPv6, another mark: a's source" "*2001:db8:99::1*" "$SOURCES"

point "a retry of the handshake forgets the source, the first try does not"
asks "before" 192.0.2.11
# b does not know this key, and is silent.
wg_key a wg0 "$(wg genkey)"
fresh
must "a sends to b" on a "$LIB_DIR/wire" udp-send 10.9.0.2 9 00
sources 148
expect_eq "the first initiation" "eth0 192.0.2.11" "$SOURCES"
fresh
# After 5 s and up to a third.
for _ in 1 2 3 4; do
	sources 148
	[ -z "$SOURCES" ] || break
done
expect_eq "the second initiation" "eth0 192.0.2.1" "$SOURCES"
expect_eq "the endpoint of b as a shows it" 192.0.2.2:51820 \
	"$(wg_get a wg0 endpoints "${PUB[b]}")"
wg_key a wg0

point "the last address that fits is gone and comes back: the endpoint stays"
must "b at its first wire" on b wg set wg0 peer "${PUB[a]}" endpoint 192.0.2.1:51820
expect_ping "b pings a" b -c 1 10.9.0.1
must "a's addresses go" on a ip addr flush dev eth0 scope global
must "the way over eth1, too" on a ip link set eth1 down
expect_no_ping "a has no way" a -c 1 -W 1 10.9.0.2
expect_eq "the endpoint of b as a shows it" 192.0.2.2:51820 \
	"$(wg_get a wg0 endpoints "${PUB[b]}")"
addr a eth0 192.0.2.11/24
leaves "another address came" "eth0 192.0.2.11"

finish
