#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Outer packets that are routed by more than their destination: marks of packet
# filter and device, routes that change under a cached one, wg-quick's scheme
# with strict reverse path filters.

. "$(dirname "$0")/lib.sh"

begin 8 "policy routing of outer packets" nft wg-quick

# Two wires; b can be reached at one address over both.
host_new a b
link a eth0 b eth0
link a eth1 b eth1
addr a eth0 192.0.2.1/24 2001:db8:1::1/64
addr b eth0 192.0.2.2/24 2001:db8:1::2/64
addr a eth1 198.51.100.1/24 2001:db8:2::1/64
addr b eth1 198.51.100.2/24 2001:db8:2::2/64
tunnel
wg_set a wg0 peer "${PUB[b]}" endpoint 192.0.2.2:51820
must "eth1 in a table" on a ip route add 192.0.2.2/32 via 198.51.100.2 dev eth1 table 5
must "eth1 in a table" on a ip -6 route add 2001:db8:1::2/128 via 2001:db8:2::2 dev eth1 table 5
must "for the mark 5" on a ip rule add fwmark 5 table 5
must "for the mark 5" on a ip -6 rule add fwmark 5 table 5
# b answers the way it knows.
must "a's addresses over eth0" on b ip route add 198.51.100.1/32 via 192.0.2.1
must "a's addresses over eth0" on b ip -6 route add 2001:db8:2::1/128 via 2001:db8:1::1
nft_load b <<- 'END'
	table inet t {
		counter eth0 { }
		counter eth1 { }
		chain c {
			type filter hook prerouting priority -450
			udp dport 51820 iifname eth0 counter name eth0
			udp dport 51820 iifname eth1 counter name eth1
		}
	}
END
# by STEP ETH0 ETH1: messages of a that b got by either wire since the last time.
by() {
	expect_eq "$1: messages by eth0, by eth1" "$2 $3" \
		"$(nft_count b t eth0) $(nft_count b t eth1)"
	must "clearing the counters of b" on b sh -c 'nft reset counters table inet t > /dev/null'
}
fresh() { # [ENDPOINT]: no session
	[ $# -eq 0 ] || wg_set a wg0 peer "${PUB[b]}" endpoint "$1"
	must "down" on a ip link set wg0 down
	must "up" on a ip link set wg0 up
}

point "a packet filter that marks outer packets reroutes them, handshakes too"
nft_load a <<- 'END'
	table inet m {
		chain c {
			type route hook output priority mangle
			oifname { eth0, eth1 } udp dport 51820 meta mark set 5
		}
	}
END
for e in 192.0.2.2:51820 "[2001:db8:1::2]:51820"; do
	fresh "$e"
	expect_ping "$e: a pings b" a -c 2 -i 0.05 10.9.0.2
	by "$e" 0 3
done

point "rerouting asks for the outer socket, not for the sender's"
# The sender's socket is bound to wg0 and has a mark of its own.
for e in 192.0.2.2:51820 "[2001:db8:1::2]:51820"; do
	fresh "$e"
	expect_ping "$e: a pings b, bound to wg0" a -c 2 -i 0.05 -I wg0 10.9.0.2
	by "$e, bound to wg0" 0 3
	expect_ping "$e: a pings b, marked" a -c 2 -i 0.05 -m 77 10.9.0.2
	by "$e, marked" 0 2
done
must "no filter" on a nft delete table inet m

point "the sender's own mark and binding do not reach the outer packet"
fresh 192.0.2.2:51820
expect_ping "a pings b with the mark 5" a -c 2 -i 0.05 -m 5 10.9.0.2
by "mark 5 inside" 3 0
expect_ping "a pings b, bound to wg0" a -c 2 -i 0.05 -I wg0 10.9.0.2
by "bound inside" 2 0

point "the device's mark: routes every message, at once when it is set"
for e in 192.0.2.2:51820 "[2001:db8:1::2]:51820"; do
	wg_set a wg0 fwmark 0
	fresh "$e"
	expect_ping "$e: no mark" a -c 2 -i 0.05 10.9.0.2
	by "$e: no mark" 3 0
	wg_set a wg0 fwmark 5
	expect_ping "$e: the mark 5, same session" a -c 2 -i 0.05 10.9.0.2
	by "$e: the mark 5" 0 2
	fresh
	expect_ping "$e: the mark 5, a handshake" a -c 1 10.9.0.2
	by "$e: the mark 5, a handshake" 0 2
	must "b begins" on b ip link set wg0 down
	must "b begins" on b ip link set wg0 up
	expect_ping "$e: b pings a" b -c 1 10.9.0.1
	by "$e: the mark 5, a response" 0 2
	wg_set a wg0 fwmark 0
	expect_ping "$e: no mark again" a -c 1 10.9.0.2
	by "$e: no mark again" 1 0
done

point "a rule, a route that changes takes effect on the next message"
fresh 192.0.2.2:51820
expect_ping "before" a -c 1 10.9.0.2
by "before" 2 0
must "a rule" on a ip rule add to 192.0.2.2 table 5 pref 100
expect_ping "with the rule" a -c 1 10.9.0.2
by "with the rule" 0 1
must "no rule" on a ip rule del pref 100
expect_ping "without it" a -c 1 10.9.0.2
by "without it" 1 0
must "a route" on a ip route add 192.0.2.2/32 via 198.51.100.2 dev eth1
expect_ping "with the route" a -c 1 10.9.0.2
by "with the route" 0 1
must "no route" on a ip route del 192.0.2.2/32
must "no way" on a ip route add prohibit 192.0.2.2/32
expect_no_ping "prohibited" a -c 1 -W 1 10.9.0.2
must "no route" on a ip route del prohibit 192.0.2.2/32
expect_ping "without it" a -c 1 10.9.0.2
by "without it" 1 0
fresh "[2001:db8:1::2]:51820"
expect_ping "IPv6, before" a -c 1 10.9.0.2
by "IPv6, before" 2 0
must "a route" on a ip -6 route add 2001:db8:1::2/128 via 2001:db8:2::2 dev eth1
expect_ping "IPv6, with the route" a -c 1 10.9.0.2
by "IPv6, with the route" 0 1
must "no route" on a ip -6 route del 2001:db8:1::2/128 via 2001:db8:2::2 dev eth1
expect_ping "IPv6, without it" a -c 1 10.9.0.2
by "IPv6, without it" 1 0

point "the hop limit is the route's: its own, else that of host or interface"
# hops STEP LIMIT: an initiation of a, a packet with another limit inside and a
# response of a reach b with that hop limit.
hops() {
	nft_load b <<- END
		table inet hops
		delete table inet hops
		table inet hops {
			counter right { }
			counter wrong { }
			chain c {
				type filter hook prerouting priority -450
				meta l4proto != udp return
				udp dport != 51820 return
				ip ttl $2 counter name right return
				ip6 hoplimit $2 counter name right return
				counter name wrong
			}
		}
	END
	fresh
	expect_ping "$1: a pings b" a -c 1 -t 7 10.9.0.2
	must "$1: b begins" on b ip link set wg0 down
	must "$1: b begins" on b ip link set wg0 up
	expect_ping "$1: b pings a" b -c 1 -t 9 10.9.0.1
	# initiation, echo; response, reply
	expect_eq "$1: messages with the limit $2, with others" "4 0" \
		"$(nft_count b hops right) $(nft_count b hops wrong)"
}
for f in 4 6; do
	[ $f = 4 ] && to=192.0.2.2 || to=2001:db8:1::2
	[ $f = 4 ] && e=$to:51820 || e="[$to]:51820"
	wg_set a wg0 peer "${PUB[b]}" endpoint "$e"
	hops "IPv$f, as it is" 64
	if [ $f = 4 ]; then
		must "the host's" on a sh -c 'echo 50 > /proc/sys/net/ipv4/ip_default_ttl'
	else
		must "the interface's" on a sh -c 'echo 50 > /proc/sys/net/ipv6/conf/eth0/hop_limit'
	fi
	hops "IPv$f, another default" 50
	must "a route" on a ip -$f route add "$to" dev eth0 metric 1 hoplimit 33
	hops "IPv$f, a route's own" 33
	must "no route" on a ip -$f route del "$to" dev eth0 metric 1
	hops "IPv$f, without it" 50
done
must "no table" on b nft delete table inet hops

# Everything of a through the tunnel, reverse paths looked at strictly.
must "wg0 goes" on a ip link del wg0
for f in -4 -6; do must "the rule goes" on a ip $f rule del fwmark 5 table 5; done
route a default via 192.0.2.2
# The tunnel ends at an address that is found by the default route alone.
addr b lo 203.0.113.7/32 203.0.113.8/32 2001:db8:7::7/128
must "b's source" on b ip route change 192.0.2.0/24 dev eth0 src 203.0.113.7
must "strict" on a sh -c 'for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 1 > $f; done'
wg_set b wg0 peer "${PUB[a]}" allowed-ips 10.9.0.1/32,fd09::1/128
mkdir "$TMP/conf"
cat > "$TMP/conf/wg0.conf" << END
[Interface]
PrivateKey = ${KEY[a]}
ListenPort = 51820
Address = 10.9.0.1/24, fd09::1/64

[Peer]
PublicKey = ${PUB[b]}
Endpoint = 203.0.113.7:51820
AllowedIPs = 0.0.0.0/0, ::/0
END
chmod 600 "$TMP/conf/wg0.conf"
point "wg-quick's default route, strict reverse paths: out"
expect_ok "wg-quick up" on a wg-quick up "$TMP/conf/wg0.conf"
must "strict" on a sh -c 'echo 1 > /proc/sys/net/ipv4/conf/wg0/rp_filter'
expect_eq "the packet's mark counts for the reverse path" 1 \
	"$(on a cat /proc/sys/net/ipv4/conf/all/src_valid_mark)"
expect_ping "a pings a far place" a -c 2 -i 0.05 203.0.113.8
expect_ping "a pings a far place" a -c 2 -i 0.05 2001:db8:7::7
expect_like "the way there" "*dev wg0*" "$(on a ip route get 203.0.113.8)"
expect_like "the tunnel's own way" "*dev eth0*" \
	"$(on a ip route get 203.0.113.7 mark "$(on a wg show wg0 fwmark)")"

point "wg-quick's default route, strict reverse paths: in, handshakes too"
expect_ping "b pings a in the tunnel" b -c 1 10.9.0.1
must "b's session goes" on b ip link set wg0 down
must "b is back" on b ip link set wg0 up
expect_ping "b pings a in the tunnel, with a handshake" b -c 1 10.9.0.1
expect_ping "b pings a beside the tunnel: its own net is not in it" b -c 1 -I 192.0.2.2 192.0.2.1
expect_ok "wg-quick down" on a wg-quick down "$TMP/conf/wg0.conf"

finish
