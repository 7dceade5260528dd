#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A persistent keepalive keeps the mapping of a NAT router open; without it the
# mapping dies (the negative control).

. "$(dirname "$0")/lib.sh"

begin 4 "persistent keepalive against a NAT router that forgets after 4 s" nft

host_new a r b
link a eth0 r wan
link b eth0 r lan
addr a eth0 203.0.113.1/24
addr r wan 203.0.113.2/24
addr r lan 192.168.1.1/24
addr b eth0 192.168.1.2/24
forward r
route b default via 192.168.1.1
nft_load r <<- 'END'
	table ip nat {
		chain post {
			type nat hook postrouting priority 100
			oifname wan masquerade fully-random
		}
	}
	table ip filter {
		chain in {
			type filter hook input priority 0
			iifname wan ct state new drop
		}
		chain forward {
			type filter hook forward priority 0
			iifname wan ct state new drop
		}
	}
END
must "short timeouts on r" on r sh -c '
	cd /proc/sys/net/netfilter &&
	echo 4 > nf_conntrack_udp_timeout &&
	echo 4 > nf_conntrack_udp_timeout_stream'
keys a b
for h in a b; do
	wg_new "$h" wg0
	wg_key "$h" wg0
done
wg_set a wg0 listen-port 51820 peer "${PUB[b]}" allowed-ips 10.9.0.2/32
wg_set b wg0 peer "${PUB[a]}" allowed-ips 10.9.0.1/32 endpoint 203.0.113.1:51820
addr a wg0 10.9.0.1/24
addr b wg0 10.9.0.2/24
must "wg0 of a up" on a ip link set wg0 up
must "wg0 of b up" on b ip link set wg0 up

point "through the NAT: b is seen at the address of its router"
expect_ping "b pings a" b -c 1 10.9.0.1
expect_like "endpoint of b as a shows it" "203.0.113.2:*" \
	"$(wg_get a wg0 endpoints "${PUB[b]}")"
first=$(wg_get a wg0 endpoints "${PUB[b]}")
expect_ping "a pings b" a -c 1 10.9.0.2

point "control: without a keepalive b is out of reach after the timeout"
# wireguard-go now and then sends an initiation again 5 s after one that was
# answered at once; then that is no silence
for try in 1 2 3; do
	shaken=$(wg_get a wg0 latest-handshakes "${PUB[b]}")
	sleep 4.5
	reached=0
	! on a ping -q -n -c 2 -i 0.3 -W 1 10.9.0.2 > /dev/null || reached=1
	if [ $reached = 0 ] ||
	   [ "$shaken" = "$(wg_get a wg0 latest-handshakes "${PUB[b]}")" ]; then
		break
	fi
	say "b shook hands by itself (try $try)"
done
expect_eq "a reaches b after 4.5 s of silence" 0 $reached

point "a keepalive opens a new mapping, which a follows"
wg_set b wg0 peer "${PUB[a]}" persistent-keepalive 1
moved() {
	[ "$(wg_get a wg0 endpoints "${PUB[b]}")" != "$first" ]
}
expect_soon 6 "a shows b at another port of the router" moved
expect_ping "a pings b" a -c 1 10.9.0.2

point "with a keepalive of 1 s b stays within reach"
second=$(wg_get a wg0 endpoints "${PUB[b]}")
sleep 6
expect_ping "a pings b after 6 s of silence" a -c 1 10.9.0.2
expect_eq "endpoint of b as a shows it" "$second" \
	"$(wg_get a wg0 endpoints "${PUB[b]}")"

finish
