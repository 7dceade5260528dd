#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Allowed IPs: the routing table on the way out, the access list on the way in.

. "$(dirname "$0")/lib.sh"

begin 9 "allowed IPs as routing table and as access list" nft

# a has the peers b and c.
host_new a b c
link a ethb b eth0
link a ethc c eth0
addr a ethb 192.0.2.1/25
addr b eth0 192.0.2.2/25
addr a ethc 192.0.2.129/25
addr c eth0 192.0.2.130/25
keys a b c
for h in a b c; do
	wg_new "$h" wg0
	wg_key "$h" wg0
	wg_set "$h" wg0 listen-port 51820
done
wg_set a wg0 peer "${PUB[b]}" endpoint 192.0.2.2:51820 \
	allowed-ips 10.9.0.2/32,10.20.0.0/16,fd09::2/128,fd20::/16
wg_set a wg0 peer "${PUB[c]}" endpoint 192.0.2.130:51820 \
	allowed-ips 10.9.0.3/32,10.20.30.0/24,fd09::3/128,fd20:30::/32
for h in b c; do
	wg_set "$h" wg0 peer "${PUB[a]}" allowed-ips 0.0.0.0/0,fc00::/7
done
addr a wg0 10.9.0.1/24 fd09::1/64
addr b wg0 10.9.0.2/24 fd09::2/64 10.20.1.1/32 10.20.30.1/32 10.20.29.255/32 \
	fd20:1::1/128 fd20:30::1/128
addr c wg0 10.9.0.3/24 fd09::3/64 10.20.1.1/32 10.20.30.1/32 10.40.0.1/32 \
	fd20:1::1/128 fd20:30::1/128
for h in a b c; do
	must "wg0 of $h up" on "$h" ip link set wg0 up
done
route a 10.20.0.0/16 dev wg0
route a 10.30.0.0/16 dev wg0
route a fd20::/16 dev wg0
route a fd30::/16 dev wg0

# Echo requests that came out of the tunnel, by host.
for h in b c; do
	nft_load "$h" <<- 'END'
		table inet in {
			counter echo { }
			chain in {
				type filter hook prerouting priority 0
				iifname wg0 icmp type echo-request counter name echo
				iifname wg0 icmpv6 type echo-request counter name echo
			}
		}
	END
done
echoes() {
	nft_count "$1" in echo
}

# goes_to STEP HOST ADDRESS: a ping of ADDRESS from a comes out at HOST alone.
goes_to() {
	local b c

	b=$(echoes b) c=$(echoes c)
	expect_ping "$1" a -c 1 "$3"
	b=$(($(echoes b) - b)) c=$(($(echoes c) - c))
	expect_eq "$1: which host got it" "$2" \
		"$([ $b -eq 0 ] || printf b)$([ $c -eq 0 ] || printf c)"
}

point "longest prefix wins, IPv4"
goes_to "in the /16 only" b 10.20.1.1
goes_to "in the /24 inside the /16" c 10.20.30.1
goes_to "last address before the /24" b 10.20.29.255
goes_to "a host prefix" c 10.9.0.3

point "longest prefix wins, IPv6"
goes_to "in the /16 only" b fd20:1::1
goes_to "in the /32 inside the /16" c fd20:30::1
goes_to "a host prefix" b fd09::2

point "a prefix given to another peer moves"
wg_set a wg0 peer "${PUB[b]}" allowed-ips 10.9.0.2/32,10.20.0.0/16,10.20.30.0/24,fd09::2/128,fd20::/16
expect_eq "prefixes left to c" "10.9.0.3/32 fd09::3/128 fd20:30::/32" \
	"$(wg_get a wg0 allowed-ips "${PUB[c]}")"
goes_to "in the moved /24" b 10.20.30.1

point "a prefix is taken away, the shorter one takes over"
wg_set a wg0 peer "${PUB[c]}" allowed-ips 10.9.0.3/32,fd09::3/128
goes_to "in the /32 that is gone" b fd20:30::1
wg_set a wg0 peer "${PUB[b]}" allowed-ips 10.9.0.2/32,fd09::2/128,fd20::/16
wg_set a wg0 peer "${PUB[c]}" allowed-ips 10.9.0.3/32,fd09::3/128,0.0.0.0/0
goes_to "with 0.0.0.0/0 of c only" c 10.20.1.1
wg_set a wg0 peer "${PUB[c]}" allowed-ips 10.9.0.3/32,fd09::3/128

point "host bits of a prefix are masked off"
wg_set a wg0 peer "${PUB[b]}" allowed-ips 10.9.0.2/32,10.20.77.99/16,fd09::2/128,fd20:1:2:3::4/16
expect_eq "prefixes of b" "10.9.0.2/32 10.20.0.0/16 fd09::2/128 fd20::/16" \
	"$(wg_get a wg0 allowed-ips "${PUB[b]}")"
goes_to "in the masked /16" b 10.20.1.1

point "a source that is not the peer's is dropped and counted, IPv4"
errors=$(devstat a wg0 rx_errors) frame=$(devstat a wg0 rx_frame_errors)
packets=$(devstat a wg0 rx_packets)
expect_no_ping "c sends from b's address" c -c 2 -i 0.1 -W 1 -I 10.20.1.1 10.9.0.1
expect_eq "rx_errors, rx_frame_errors, rx_packets of a" \
	"$((errors + 2)) $((frame + 2)) $packets" \
	"$(devstat a wg0 rx_errors) $(devstat a wg0 rx_frame_errors) $(devstat a wg0 rx_packets)"
expect_no_ping "c sends from nobody's address" c -c 1 -W 1 -I 10.40.0.1 10.9.0.1
expect_eq "rx_frame_errors of a" $((frame + 3)) "$(devstat a wg0 rx_frame_errors)"
expect_ping "c's own address still passes" c -c 1 -I 10.9.0.3 10.9.0.1

point "a source that is not the peer's is dropped and counted, IPv6"
errors=$(devstat a wg0 rx_errors) frame=$(devstat a wg0 rx_frame_errors)
expect_no_ping "c sends from b's address" c -c 2 -i 0.1 -W 1 -I fd20:1::1 fd09::1
expect_eq "rx_errors, rx_frame_errors of a" "$((errors + 2)) $((frame + 2))" \
	"$(devstat a wg0 rx_errors) $(devstat a wg0 rx_frame_errors)"
expect_ping "c's own address still passes" c -c 1 -I fd09::3 fd09::1

point "no peer for the destination: ENOKEY"
expect_eq "errno of a UDP send, IPv4" ENOKEY "$(on a "$LIB_DIR/wire" udp-errno 10.30.0.1)"
expect_eq "errno of a UDP send, IPv6" ENOKEY "$(on a "$LIB_DIR/wire" udp-errno fd30::1)"

point "a peer without an endpoint: EDESTADDRREQ"
wg_set a wg0 peer "$(wg genkey | wg pubkey)" allowed-ips 10.30.0.0/16,fd30::/16
expect_eq "errno of a UDP send, IPv4" EDESTADDRREQ "$(on a "$LIB_DIR/wire" udp-errno 10.30.0.1)"
expect_eq "errno of a UDP send, IPv6" EDESTADDRREQ "$(on a "$LIB_DIR/wire" udp-errno fd30::1)"

finish
