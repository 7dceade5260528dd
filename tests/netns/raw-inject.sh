#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Packets put onto the device by a raw socket: with and without a protocol, cut
# short, lying about their length. None may harm, the well-formed must arrive.

. "$(dirname "$0")/lib.sh"

begin 6 "packets from AF_PACKET sockets" nft

pair
tunnel
expect_ping "tunnel is up" a -c 1 10.9.0.2
nft_load b <<- 'END'
	table inet t {
		counter four { }
		counter six { }
		chain c {
			type filter hook prerouting priority 0
			iifname wg0 ip saddr 10.9.0.1 udp dport 9 counter name four
			iifname wg0 ip6 saddr fd09::1 udp dport 9 counter name six
		}
	}
END
inject() { # PROTOCOL HEX
	on a "$LIB_DIR/wire" packet wg0 "$1" "$2"
}
# UDP from 10.9.0.1 to 10.9.0.2, port 9, 4 bytes; the same for IPv6. $1 is the
# length field of the IP header.
v4() {
	local sum

	# Header checksum: what the other words of this header add up to.
	sum=$((0x4500 + $1 + 0x4011 + 0x0a09 + 0x0001 + 0x0a09 + 0x0002))
	sum=$(((sum & 0xffff) + (sum >> 16)))
	printf '4500%04x000000004011%04x0a0900010a090002%s' "$1" $((0xffff - sum)) \
		"04d20009000c00006162""6364"
}
v6() {
	printf '60000000%04x1140%s%s%s' "$1" fd090000000000000000000000000001 \
		fd090000000000000000000000000002 "04d20009000c$SUM6""61626364"
}
# The checksum of UDP over IPv6 must be right: pseudo header, header, data.
sum=$((0xfd09 + 1 + 0xfd09 + 2 + 12 + 17 + 0x04d2 + 9 + 12 + 0x6162 + 0x6364))
while [ $((sum >> 16)) -ne 0 ]; do sum=$(((sum & 0xffff) + (sum >> 16))); done
SUM6=$(printf %04x $((0xffff - sum)))

arrived() { # COUNTER NUMBER
	[ "$(nft_count b t "$1")" -eq "$2" ]
}

point "IPv4 and IPv6 with their protocol"
expect_eq "IPv4" 0 "$(inject 0x0800 "$(v4 32)")"
expect_soon 2 "IPv4 arrives" arrived four 1
expect_eq "IPv6" 0 "$(inject 0x86dd "$(v6 12)")"
expect_soon 2 "IPv6 arrives" arrived six 1

point "IPv4 and IPv6 without a protocol"
expect_eq "IPv4" 0 "$(inject 0 "$(v4 32)")"
expect_soon 2 "IPv4 arrives" arrived four 2
expect_eq "IPv6" 0 "$(inject 0 "$(v6 12)")"
expect_soon 2 "IPv6 arrives" arrived six 2

point "garbage is refused"
errors=$(devstat a wg0 tx_errors)
refused=0
for bytes in 00 45 4500 60 600000 "$(printf '%080d' 0)" "$(printf 'f%.0s' {1..120})" \
	"45$(printf '%036d' 0)" "60$(printf '%076d' 0)"; do
	for protocol in 0 0x0800 0x86dd 0x88b5; do
		[ "$(inject $protocol "$bytes")" = 0 ] || refused=$((refused + 1))
	done
done
expect_eq "refused of 36" 36 "$refused"
expect_ping "the tunnel still works" a -c 1 10.9.0.2

point "what is refused draws no ICMP error, whatever its ethertype says"
nft_load a <<- 'END'
	table inet t {
		counter told { }
		chain out {
			type filter hook output priority 0
			icmp type destination-unreachable counter name told
			icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } counter name told
		}
		chain in {
			type filter hook input priority 0
			icmp type destination-unreachable counter name told
			icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } counter name told
		}
	}
END
errors=$(devstat a wg0 tx_errors)
# Whole packets under an ethertype that is not theirs: the other family, ARP,
# MPLS, VLAN, none that is known.
n=0
for protocol in 0x86dd 0x0806 0x8847 0x8100 0x88b5 0x0001; do
	expect_eq "IPv4 as $protocol" EPROTONOSUPPORT "$(inject $protocol "$(v4 32)")"
	n=$((n + 1))
done
for protocol in 0x0800 0x0806 0x8847 0x8100 0x88b5 0x0001; do
	expect_eq "IPv6 as $protocol" EPROTONOSUPPORT "$(inject $protocol "$(v6 12)")"
	n=$((n + 1))
done
# Whole but for the version, which is that of the other family.
packet=$(v6 12)
expect_eq "version 4 in an IPv6 header" EPROTONOSUPPORT "$(inject 0x86dd "4${packet:1}")"
packet=$(v4 32)
expect_eq "version 6 in an IPv4 header" EPROTONOSUPPORT "$(inject 0x0800 "6${packet:1}")"
n=$((n + 2))
expect_eq "tx_errors" $((errors + n)) "$(devstat a wg0 tx_errors)"
# What goes to nobody does draw one, of a raw socket too.
expect_eq "ICMP errors" 0 "$(nft_count a t told)"
told() { # NUMBER
	[ "$(nft_count a t told)" -ge "$1" ]
}
packet=$(v6 12)
expect_eq "IPv6 to nobody" ENOKEY "$(inject 0x86dd "${packet/fd090000000000000000000000000002/fd090000000000000000000000000099}")"
expect_soon 2 "ICMP errors, as they leave and come in" told 2
on a "$LIB_DIR/wire" udp-errno 10.9.0.99 > /dev/null
expect_soon 2 "ICMP errors with those of IPv4" told 4

point "a length field beyond the packet: dropped by the receiver, and counted"
errors=$(devstat b wg0 rx_errors) length=$(devstat b wg0 rx_length_errors)
dropped() {
	[ "$(devstat b wg0 rx_length_errors)" -eq $((length + $1)) ]
}
expect_eq "IPv4, says 200 bytes" 0 "$(inject 0x0800 "$(v4 200)")"
expect_soon 2 "counted by b" dropped 1
expect_eq "IPv4, says 19 bytes" 0 "$(inject 0x0800 "$(v4 19)")"
expect_soon 2 "counted by b" dropped 2
expect_eq "IPv6, says 2000 bytes" 0 "$(inject 0x86dd "$(v6 2000)")"
expect_soon 2 "counted by b" dropped 3
expect_eq "rx_errors of b" $((errors + 3)) "$(devstat b wg0 rx_errors)"
expect_eq "what came out" "2 2" "$(nft_count b t four) $(nft_count b t six)"

point "a length field short of the packet: the rest is cut off"
expect_eq "IPv4 with 100 bytes behind it" 0 \
	"$(inject 0x0800 "$(v4 32)$(printf '%0200d' 0)")"
expect_soon 2 "it arrives" arrived four 3
expect_ping "the tunnel still works" a -c 1 10.9.0.2

finish
