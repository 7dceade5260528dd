#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A peer that changes its address, its port, its address family is found again
# by what it sends; by nothing else.

. "$(dirname "$0")/lib.sh"

begin 6 "the endpoint follows the peer" nft

host_new a r b
link a eth0 r eth0
link b eth0 r eth1
addr a eth0 192.0.2.1/24 192.0.2.11/24 2001:db8:1::1/64
addr r eth0 192.0.2.254/24 2001:db8:1::fe/64
addr r eth1 198.51.100.254/24 2001:db8:2::fe/64
addr b eth0 198.51.100.2/24 198.51.100.3/24 2001:db8:2::2/64
forward r
route a default via 192.0.2.254
route a default via 2001:db8:1::fe
route b default via 198.51.100.254 src 198.51.100.2
route b default via 2001:db8:2::fe
keys a b
for h in a b; do
	wg_new "$h" wg0
	wg_key "$h" wg0
	wg_set "$h" wg0 listen-port 51820
done
# a learns where b is from b alone.
wg_set a wg0 peer "${PUB[b]}" allowed-ips 10.9.0.2/32
wg_set b wg0 peer "${PUB[a]}" allowed-ips 10.9.0.1/32 endpoint 192.0.2.1:51820
addr a wg0 10.9.0.1/24
addr b wg0 10.9.0.2/24
must "wg0 of a up" on a ip link set wg0 up
must "wg0 of b up" on b ip link set wg0 up

# found STEP ENDPOINT: b sends one ping; then a has that endpoint and uses it.
found() {
	expect_ping "$1: b pings a" b -c 1 10.9.0.1
	expect_eq "$1: endpoint of b as a shows it" "$2" \
		"$(wg_get a wg0 endpoints "${PUB[b]}")"
	expect_ping "$1: a pings b" a -c 1 10.9.0.2
}

point "a peer without a configured endpoint is known by its first message"
expect_eq "endpoint before" "(none)" "$(wg_get a wg0 endpoints "${PUB[b]}")"
found "first contact" 198.51.100.2:51820

point "b gets another address"
must "b's other address" on b ip route change default via 198.51.100.254 src 198.51.100.3
must "the old one goes" on b ip addr del 198.51.100.2/24 dev eth0
on b ip addr replace 198.51.100.3/24 dev eth0
on b ip route replace default via 198.51.100.254 src 198.51.100.3
found "new address" 198.51.100.3:51820

point "b gets another port; a keepalive alone tells a"
wg_set b wg0 listen-port 51999 peer "${PUB[a]}" persistent-keepalive 1
at() {
	[ "$(wg_get a wg0 endpoints "${PUB[b]}")" = "$1" ]
}
expect_soon 4 "a shows b at port 51999" at 198.51.100.3:51999
expect_ping "a pings b" a -c 1 10.9.0.2
wg_set b wg0 peer "${PUB[a]}" persistent-keepalive 0

point "from IPv4 to IPv6 and back"
wg_set b wg0 peer "${PUB[a]}" endpoint "[2001:db8:1::1]:51820"
found "over IPv6" "[2001:db8:2::2]:51999"
wg_set b wg0 peer "${PUB[a]}" endpoint 192.0.2.1:51820
found "over IPv4 again" 198.51.100.3:51999

point "what does not authenticate moves nothing"
before=$(wg_get a wg0 endpoints "${PUB[b]}")
nft_load a <<- 'END'
	table inet t {
		counter forged { }
		chain c {
			type filter hook input priority 0
			ip saddr 192.0.2.254 udp dport 51820 counter name forged
		}
	}
END
for hex in 0400000001000000 @148:01 @92:02 @64:03 @32:04 @128:04; do
	must "r sends a forged message ($hex)" \
		on r "$LIB_DIR/wire" udp-send 192.0.2.1 51820 "$hex"
done
# A real message, seen on the wire and sent again by another host.
capture replay r eth1 -Q in -c 1 'udp[8] = 4 and udp[4:2] > 40'
expect_ping "b pings a" b -c 1 10.9.0.1
captured_one() {
	[ -n "$(captured replay)" ]
}
must_soon 5 "a message of b was captured" captured_one
# All of the packet in hex, without the 20 + 8 bytes of its headers.
hex=$(captured replay -x | sed -n 's/^[[:space:]]*0x[0-9a-f]*:[[:space:]]*//p' |
	tr -d ' \n')
hex=${hex:56}
expect_like "payload of the captured message" "04000000*" "$hex"
transfer a wg0 "${PUB[b]}"
rx=$RX
must "r sends it again, twice" \
	on r "$LIB_DIR/wire" udp-send 192.0.2.1 51820 "$hex" 2
forged() {
	[ "$(nft_count a t forged)" -eq 8 ]
}
expect_soon 5 "8 messages of r reach a" forged
sleep 0.3
expect_eq "endpoint of b as a shows it" "$before" \
	"$(wg_get a wg0 endpoints "${PUB[b]}")"
transfer a wg0 "${PUB[b]}"
expect_eq "bytes a received from b" "$rx" "$RX"
expect_ping "a pings b" a -c 1 10.9.0.2

point "an answer leaves from the address that the peer reached"
wg_set b wg0 peer "${PUB[a]}" endpoint 192.0.2.11:51820
nft_load r <<- 'END'
	table inet t {
		counter right { }
		counter wrong { }
		chain c {
			type filter hook forward priority 0
			iifname eth0 udp sport 51820 ip saddr 192.0.2.11 counter name right
			iifname eth0 udp sport 51820 ip saddr 192.0.2.1 counter name wrong
		}
	}
END
expect_ping "b pings a at its second address" b -c 3 -i 0.1 10.9.0.1
expect_ping "a pings b" a -c 1 10.9.0.2
expect_eq "messages from 192.0.2.11, from 192.0.2.1" "4 0" \
	"$(nft_count r t right) $(nft_count r t wrong)"
expect_eq "endpoint of a as b shows it" 192.0.2.11:51820 \
	"$(wg_get b wg0 endpoints "${PUB[a]}")"

finish
