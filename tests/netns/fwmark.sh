#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The mark of outer packets, and what it is for: everything through the tunnel
# but the tunnel itself, by policy routing, by hand and as wg-quick does it.

. "$(dirname "$0")/lib.sh"

begin 7 "fwmark, policy routing, wg-quick with 0.0.0.0/0" nft wg-quick

# c is a client whose default route leads over r to the internet: s. The
# tunnel ends at s, which has the addresses of far-away places.
host_new c r s
link c eth0 r eth0
link s eth0 r eth1
addr c eth0 192.168.1.2/24 2001:db8:1::2/64
addr r eth0 192.168.1.1/24 2001:db8:1::1/64
addr r eth1 198.51.100.1/24 2001:db8:2::1/64
addr s eth0 198.51.100.2/24 2001:db8:2::2/64
addr s lo 203.0.113.77/32 2001:db8:77::1/128
forward r
route c default via 192.168.1.1
route c default via 2001:db8:1::1
route s default via 198.51.100.1
route s default via 2001:db8:2::1
route r 203.0.113.77/32 via 198.51.100.2
route r 2001:db8:77::1/128 via 2001:db8:2::2
keys c s
wg_new s wg0
wg_key s wg0
wg_set s wg0 listen-port 51820 peer "${PUB[c]}" allowed-ips 10.9.0.2/32,fd09::2/128
addr s wg0 10.9.0.1/24 fd09::1/64
must "wg0 of s up" on s ip link set wg0 up
# r sees who sends past the tunnel.
nft_load r <<- 'END'
	table inet t {
		counter tunnel { }
		counter plain { }
		chain c {
			type filter hook forward priority 0
			iifname eth0 udp dport 51820 counter name tunnel accept
			iifname eth0 counter name plain
		}
	}
END
nft_load c <<- 'END'
	table inet t {
		counter marked { }
		counter unmarked { }
		counter other { }
		chain c {
			type filter hook postrouting priority 0
			oifname != eth0 accept
			# "udp dport !=" alone lets go on what is no UDP,
			# as a report of multicast listeners
			meta l4proto != udp accept
			udp dport != 51820 accept
			meta mark 0x1234 counter name marked accept
			meta mark 0 counter name unmarked accept
			counter name other
		}
	}
END
zero() {
	must "clearing the counters of $1" on "$1" sh -c \
		'nft reset counters table inet t > /dev/null'
}

point "no mark by default, the set mark on data and handshakes"
wg_new c wg0
wg_key c wg0
wg_set c wg0 peer "${PUB[s]}" allowed-ips 0.0.0.0/0,::/0 endpoint 198.51.100.2:51820
addr c wg0 10.9.0.2/24 fd09::2/64
must "wg0 of c up" on c ip link set wg0 up
expect_eq "wg shows" off "$(on c wg show wg0 fwmark)"
expect_ping "c pings s" c -c 1 10.9.0.1
expect_eq "marked, unmarked, other" "0 2 0" \
	"$(nft_count c t marked) $(nft_count c t unmarked) $(nft_count c t other)"
zero c
wg_set c wg0 fwmark 0x1234
expect_eq "wg shows" 0x1234 "$(on c wg show wg0 fwmark)"
must "wg0 down" on c ip link set wg0 down
must "wg0 up" on c ip link set wg0 up
expect_ping "c pings s" c -c 1 10.9.0.1
expect_eq "marked, unmarked, other" "2 0 0" \
	"$(nft_count c t marked) $(nft_count c t unmarked) $(nft_count c t other)"

point "policy routing by mark: all through the tunnel, IPv4 and IPv6"
must "default route in table 77" on c ip route add default dev wg0 table 77
must "default route in table 77" on c ip -6 route add default dev wg0 table 77
must "rule" on c ip rule add not fwmark 0x1234 table 77
must "rule" on c ip -6 rule add not fwmark 0x1234 table 77
must "rule" on c ip rule add table main suppress_prefixlength 0
must "rule" on c ip -6 rule add table main suppress_prefixlength 0
zero r
expect_ping "c pings a far IPv4 address" c -c 2 -i 0.1 203.0.113.77
expect_ping "c pings a far IPv6 address" c -c 2 -i 0.1 2001:db8:77::1
expect_eq "r forwarded past the tunnel" 0 "$(nft_count r t plain)"
expect_min "r forwarded in the tunnel" 4 "$(nft_count r t tunnel)"

point "the mark is changed and taken away on a running device"
zero c
wg_set c wg0 fwmark 0x4321
must "the rule's mark" on c ip rule add not fwmark 0x4321 table 77 pref 10
must "the rule's mark" on c ip rule add fwmark 0x4321 table main pref 9
expect_ping "c pings a far IPv4 address" c -c 1 203.0.113.77
expect_eq "marked, unmarked, other" "0 0 1" \
	"$(nft_count c t marked) $(nft_count c t unmarked) $(nft_count c t other)"
wg_set c wg0 fwmark 0
must "a host route to the endpoint" on c ip rule add to 198.51.100.2 table main pref 8
expect_ping "c pings a far IPv4 address" c -c 1 203.0.113.77
expect_eq "marked, unmarked, other" "0 1 1" \
	"$(nft_count c t marked) $(nft_count c t unmarked) $(nft_count c t other)"
must "removing wg0" on c ip link del wg0
for f in -4 -6; do
	must "the rules go" on c ip $f rule flush
	must "the usual rules" on c ip $f rule add pref 32766 table main
done
must "the usual rules" on c ip rule add pref 32767 table default

mkdir "$TMP/conf"
cat > "$TMP/conf/wg0.conf" << END
[Interface]
PrivateKey = ${KEY[c]}
Address = 10.9.0.2/24, fd09::2/64

[Peer]
PublicKey = ${PUB[s]}
Endpoint = 198.51.100.2:51820
AllowedIPs = 0.0.0.0/0, ::/0
END
chmod 600 "$TMP/conf/wg0.conf"
state() {
	on c ip rule
	on c ip -6 rule
	on c ip route show table all
	on c ip -6 route show table all
	on c ip -br link
	on c nft list ruleset | grep -v packets
}
# The order and the addresses of a moment ago are of no interest.
state | sort > "$TMP/before"

point "wg-quick up"
expect_ok "wg-quick up" on c wg-quick up "$TMP/conf/wg0.conf"
expect_ne "mark as shown by wg" off "$(on c wg show wg0 fwmark)"

point "wg-quick: all through the tunnel, none past it"
zero r
expect_ping "c pings a far IPv4 address" c -c 2 -i 0.1 203.0.113.77
expect_ping "c pings a far IPv6 address" c -c 2 -i 0.1 2001:db8:77::1
expect_eq "r forwarded past the tunnel" 0 "$(nft_count r t plain)"
expect_min "r forwarded in the tunnel" 4 "$(nft_count r t tunnel)"

point "wg-quick: no routing loop, the bytes on the wire are bounded"
transfer c wg0 "${PUB[s]}"
tx=$TX
expect_ping "c pings a far IPv4 address" c -c 5 -i 0.1 -s 1000 203.0.113.77
transfer c wg0 "${PUB[s]}"
expect_eq "bytes sent for 5 pings of 1028 + 12 + 32" $((5 * 1072)) $((TX - tx))

point "wg-quick down leaves nothing behind"
expect_ok "wg-quick down" on c wg-quick down "$TMP/conf/wg0.conf"
state | sort > "$TMP/after"
expect_eq "rules, routes, links, packet filter: the difference" "" \
	"$(diff "$TMP/before" "$TMP/after")"
expect_ping "past the tunnel again" c -c 1 203.0.113.77

finish
