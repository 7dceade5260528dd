#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What the stack has tied to a packet stays on its side of the tunnel: marks,
# connection tracking, tunnel metadata.

. "$(dirname "$0")/lib.sh"

begin 4 "marks, conntrack and tunnel metadata stay on their side" nft tc conntrack

pair
tunnel
expect_ping "tunnel is up" a -c 1 10.9.0.2

point "marks of inner packets do not show outside"
nft_load a <<- 'END'
	table inet t {
		counter inner { }
		counter outer { }
		counter marked { }
		chain out {
			type route hook output priority -150
			oifname wg0 meta mark set 0x5
		}
		chain post {
			type filter hook postrouting priority 0
			oifname wg0 meta mark 0x5 counter name inner
			oifname eth0 udp sport 51820 counter name outer
			oifname eth0 udp sport 51820 meta mark != 0 counter name marked
		}
	}
END
expect_ping "IPv4" a -c 3 -i 0.1 10.9.0.2
expect_ping "IPv6" a -c 3 -i 0.1 fd09::2
expect_eq "inner packets marked, outer packets, outer packets marked" "6 6 0" \
	"$(nft_count a t inner) $(nft_count a t outer) $(nft_count a t marked)"

point "marks of outer packets do not show inside"
nft_load b <<- 'END'
	table inet t {
		counter outer { }
		counter inner { }
		counter marked { }
		chain c {
			type filter hook prerouting priority -290
			iifname eth0 udp dport 51820 meta mark set 0x7
			iifname eth0 meta mark 0x7 counter name outer
			iifname wg0 counter name inner
			iifname wg0 meta mark != 0 counter name marked
		}
	}
END
expect_ping "IPv4" a -c 3 -i 0.1 10.9.0.2
expect_ping "IPv6" a -c 3 -i 0.1 fd09::2
expect_eq "outer packets marked, inner packets, inner packets marked" "6 6 0" \
	"$(nft_count b t outer) $(nft_count b t inner) $(nft_count b t marked)"
for h in a b; do
	must "filter off" on "$h" nft delete table inet t
done

point "inner and outer packets are tracked as connections of their own"
for h in a b; do
	nft_load "$h" <<- 'END'
		table inet t {
			counter outer { }
			counter inner { }
			counter foreign { }
			chain pre {
				type filter hook prerouting priority -100
				iifname eth0 ct protocol udp ct mark set 0x9
				iifname eth0 ct mark 0x9 counter name outer
				iifname wg0 ct protocol icmp counter name inner
				iifname wg0 ct protocol udp counter name foreign
				iifname wg0 ct mark 0x9 counter name foreign
			}
			chain out {
				type filter hook output priority -100
				oifname wg0 ct mark set 0x4
				oifname eth0 ct mark 0x4 counter name foreign
				oifname eth0 ct protocol icmp counter name foreign
			}
		}
	END
done
expect_ping "IPv4" a -c 3 -i 0.1 10.9.0.2
for h in a b; do
	expect_eq "$h: outer, inner, mixed up" "3 3 0" \
		"$(nft_count $h t outer) $(nft_count $h t inner) $(nft_count $h t foreign)"
	tracked=$(on $h conntrack -L 2> /dev/null)
	expect_like "$h: the outer flow" "*udp*port=51820*" "$tracked"
	expect_like "$h: the inner flow" "*icmp*src=10.9.0.1 dst=10.9.0.2*" "$tracked"
	must "filter off" on "$h" nft delete table inet t
done

point "tunnel metadata on inner packets, set by tc"
tc_tunnel() { # HOST DIRECTION
	on "$1" tc qdisc replace dev wg0 clsact &&
		on "$1" tc filter add dev wg0 "$2" protocol all matchall action tunnel_key set \
			src_ip 10.77.0.1 dst_ip 10.77.0.2 id 7 dst_port 4789 pass
}
if ! { tc_tunnel a egress && tc_tunnel b egress; } > "$TMP/tc" 2>&1; then
	skip_point "tc has no tunnel_key here: $(tail -n 1 "$TMP/tc")"
else
	expect_ping "IPv4" a -c 3 -i 0.05 -s 1392 10.9.0.2
	expect_ping "IPv6" b -c 3 -i 0.05 -s 1000 fd09::1
	must "down" on a ip link set wg0 down
	must "up" on a ip link set wg0 up
	expect_ping "with a handshake first" a -c 1 10.9.0.2
	head -c 300000 /dev/urandom > "$TMP/sent"
	start received b "$LIB_DIR/wire" tcp-listen 5001
	listener=$PID
	STEP="sending 300,000 bytes by TCP"
	OUT=$(on a timeout "$(slow 20)" "$LIB_DIR/wire" tcp-send 10.9.0.2 5001 < "$TMP/sent" 2>&1) &&
		wait "$listener" || fail "the transfer ends" "$OUT"
	expect_ok "what came is what was sent" cmp "$TMP/sent" "$TMP/received"
	# A peer without an endpoint: the packet goes back by ICMP.
	wg_set a wg0 peer "$(wg genkey | wg pubkey)" allowed-ips 10.9.0.7/32
	expect_no_ping "nobody there" a -c 1 -W 1 10.9.0.8
	expect_no_ping "a peer without endpoint" a -c 1 -W 1 10.9.0.7
	must "on the way in as well" tc_tunnel b ingress
	expect_ok "still alive" on a ip link show wg0
fi

finish
