#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What a sender is told about a packet that cannot be sent.

. "$(dirname "$0")/lib.sh"

begin 7 "ICMP errors for what cannot be sent" nft

# c is behind a, d behind b.
host_new c a b d
link a eth0 b eth0
link c eth0 a lan
link d eth0 b lan
addr a eth0 192.0.2.1/24 2001:db8::1/64
addr b eth0 192.0.2.2/24 2001:db8::2/64
addr c eth0 198.51.100.3/24 fd51::3/64
addr a lan 198.51.100.1/24 fd51::1/64
addr d eth0 203.0.113.4/24 fd52::4/64
addr b lan 203.0.113.1/24 fd52::1/64
forward a
forward b
for g in 198.51.100.1 fd51::1; do route c default via $g; done
for g in 203.0.113.1 fd52::1; do route d default via $g; done
tunnel
wg_set a wg0 peer "${PUB[b]}" allowed-ips 10.9.0.2/32,fd09::2/128,203.0.113.0/24,fd52::/64
wg_set b wg0 peer "${PUB[a]}" allowed-ips 10.9.0.1/32,fd09::1/128,198.51.100.0/24,fd51::/64
for r in 203.0.113.0/24 10.30.0.0/16 10.40.0.0/16 fd52::/64 fd30::/16 fd40::/16; do
	route a "$r" dev wg0
done
for r in 198.51.100.0/24 fd51::/64; do route b "$r" dev wg0; done
# A peer that is nowhere; 10.30.0.0/16 and fd30::/16 belong to no peer.
wg_set a wg0 peer "$(wg genkey | wg pubkey)" allowed-ips 10.40.0.0/16,fd40::/16
# Errors are limited in rate, each kind to one destination.
for h in a b; do
	must "no rate limit" on "$h" sh -c 'echo 0 > /proc/sys/net/ipv4/icmp_ratelimit
		echo 0 > /proc/sys/net/ipv6/icmp/ratelimit'
done
nft_load c <<- 'END'
	table inet t {
		counter v4 { }
		counter v6 { }
		chain c {
			type filter hook input priority 0
			# The packet that it quotes is c's: source and destination.
			icmp type destination-unreachable icmp code 1 ip saddr 198.51.100.1 @th,160,32 0xc6336403 counter name v4
			icmpv6 type destination-unreachable icmpv6 code 3 ip6 saddr fd51::1 @th,128,128 0xfd510000000000000000000000000003 counter name v6
		}
	}
END

# told STEP v4|v6 ADDRESS: c sends, and is told by a.
told() {
	local n

	n=$(nft_count c t "$2")
	expect_fail "$1" on c ping -n -c 1 -W 2 "$3"
	expect_eq "$1: answers 'unreachable' that c got" $((n + 1)) "$(nft_count c t "$2")"
}

point "through the tunnel, with time exceeded on the way"
expect_ping "c pings d" c -c 1 203.0.113.4
expect_ping "c pings d" c -c 1 fd52::4
expect_fail "IPv4 with a TTL of 2" on c ping -n -c 1 -W 2 -t 2 203.0.113.4
expect_like "b says so" "*From 10.9.0.2*ime to live exceeded*" "$OUT"
expect_fail "IPv6 with a hop limit of 2" on c ping -n -c 1 -W 2 -t 2 fd52::4
expect_like "b says so" "*From fd09::2*ime exceeded*" "$OUT"

point "no peer has the destination: host unreachable, address unreachable"
told "IPv4" v4 10.30.0.1
told "IPv6" v6 fd30::1

point "the peer has no endpoint: the same"
told "IPv4" v4 10.40.0.1
told "IPv6" v6 fd40::1

point "the error goes to the sender from before a NAT"
nft_load a <<- 'END'
	table inet nat {
		chain post {
			type nat hook postrouting priority 100
			oifname wg0 masquerade
		}
	}
END
told "IPv4" v4 10.30.0.2
told "IPv6" v6 fd30::2
must "no more NAT" on a nft delete table inet nat

point "failed sends are counted"
errors=$(devstat a wg0 tx_errors)
told "IPv4" v4 10.30.0.3
told "no endpoint" v6 fd40::3
expect_eq "tx_errors" $((errors + 2)) "$(devstat a wg0 tx_errors)"

point "errors are limited in rate, as the stack's own are"
must "the usual limit" on a sh -c 'echo 1000 > /proc/sys/net/ipv4/icmp_ratelimit
	echo 1000 > /proc/sys/net/ipv6/icmp/ratelimit'
for f in "v4 10.30.0.4" "v6 fd30::4"; do
	read -r v to <<< "$f"
	n=$(nft_count c t "$v")
	# What came without a limit has left nothing in the bucket: a drop a second.
	one() {
		on c "$LIB_DIR/wire" udp-send "$to" 9 00 > /dev/null 2>&1
		[ "$(nft_count c t "$v")" -gt "$n" ]
	}
	expect_soon 5 "$v: with the limit, too, c is told" one
	n=$(nft_count c t "$v")
	errors=$(devstat a wg0 tx_errors)
	# The sender may be told of errors before it is done.
	on c sh -c 'for i in 1 2 3 4 5 6; do "$0" udp-send "$1" 9 00 10; done' "$LIB_DIR/wire" "$to" > /dev/null 2>&1
	failed() { [ "$(devstat a wg0 tx_errors)" -ge $((errors + 30)) ]; }
	expect_soon 3 "$v: a got them" failed
	expect_range "$v: errors for 30 packets or more" 0 15 $(($(nft_count c t "$v") - n))
done
must "no rate limit" on a sh -c 'echo 0 > /proc/sys/net/ipv4/icmp_ratelimit
	echo 0 > /proc/sys/net/ipv6/icmp/ratelimit'

point "a packet of neither IPv4 nor IPv6: EPROTONOSUPPORT, and no ICMP"
nft_load a <<- 'END'
	table inet t {
		counter out { }
		chain c {
			type filter hook output priority 0
			# errors only: neighbour discovery is ICMPv6, too
			icmp type { destination-unreachable, time-exceeded, parameter-problem } counter name out
			icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } counter name out
		}
	}
END
errors=$(devstat a wg0 tx_errors)
arp=0001080006040001000000000000c0000201000000000000c0000202
for packet in "0x0806 $arp" "0x0800 65$(printf '%078d' 0)" "0x86dd 45$(printf '%078d' 0)"; do
	# shellcheck disable=SC2086 # protocol and bytes
	got=$(on a "$LIB_DIR/wire" packet wg0 $packet)
	expect_eq "errno for protocol ${packet%% *}" EPROTONOSUPPORT "$got"
done
expect_eq "ICMP that a sent" 0 "$(nft_count a t out)"
expect_eq "tx_errors" $((errors + 3)) "$(devstat a wg0 tx_errors)"

finish
