#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The device as packet filter, connection tracking, sniffers and routing see it.

. "$(dirname "$0")/lib.sh"

begin 7 "packet filters, conntrack, tcpdump, ip route get" nft tcpdump

pair
tunnel
# c is behind a.
host_new c
link c eth0 a lan
addr c eth0 10.8.0.3/24 fd08::3/64
addr a lan 10.8.0.1/24 fd08::1/64
forward a
route c default via 10.8.0.1
route c default via fd08::1
expect_ping "a session" a -c 1 10.9.0.2

count() { # TABLE NAME...: those counters of a
	local t=$1 n s=()

	shift
	for n; do s+=("$(nft_count a "$t" "$n")"); done
	echo "${s[*]}"
}
point "the name of the interface, in every hook"
nft_load a <<- 'END'
	table inet t {
		counter pre { }
		counter in { }
		counter out { }
		counter post { }
		counter fin { }
		counter fout { }
		counter byindex { }
		chain pre { type filter hook prerouting priority 0; iifname wg0 icmp type echo-reply counter name pre; iifname wg0 icmpv6 type echo-reply counter name pre; }
		chain in { type filter hook input priority 0; iifname wg0 icmp type echo-reply counter name in; iifname wg0 icmpv6 type echo-reply counter name in; }
		chain out { type filter hook output priority 0; oifname wg0 icmp type echo-request counter name out; oifname wg0 icmpv6 type echo-request counter name out; }
		chain post { type filter hook postrouting priority 0; oifname wg0 icmp type echo-request counter name post; oifname wg0 icmpv6 type echo-request counter name post; }
		chain through {
			type filter hook forward priority 0
			iifname lan oifname wg0 counter name fout
			iifname wg0 oifname lan counter name fin
		}
		chain byindex { type filter hook input priority 1; iif wg0 icmp type echo-reply counter name byindex; }
	}
END
expect_ping "a pings b" a -c 2 -i 0.05 10.9.0.2
expect_ping "a pings b" a -c 1 fd09::2
expect_eq "prerouting, input, output, postrouting" "3 3 3 3" "$(count t pre in out post)"
expect_eq "by index as well" 2 "$(count t byindex)"

point "forwarding with masquerade and connection tracking, both ways"
nft_load a <<- 'END'
	table inet nat {
		counter bare { }
		chain post {
			type nat hook postrouting priority 100
			oifname wg0 masquerade
		}
	}
	table inet state {
		chain through {
			type filter hook forward priority 1
			iifname wg0 ct state != { established, related } drop
		}
	}
END
expect_ping "c pings b, which does not know c" c -c 2 -i 0.05 10.9.0.2
expect_ping "IPv6" c -c 2 -i 0.05 fd09::2
expect_eq "forwarded out, in" "4 4" "$(count t fout fin)"
head -c 100000 /dev/urandom > "$TMP/sent"
start received b "$LIB_DIR/wire" tcp-listen 5001
listener=$PID
STEP="TCP from c to b"
OUT=$(on c timeout "$(slow 20)" "$LIB_DIR/wire" tcp-send 10.9.0.2 5001 < "$TMP/sent" 2>&1) &&
	wait "$listener" || fail "the transfer ends" "$OUT"
expect_ok "what came is what was sent" cmp "$TMP/sent" "$TMP/received"
route b 10.8.0.0/24 dev wg0
wg_set b wg0 peer "${PUB[a]}" allowed-ips 10.9.0.1/32,fd09::1/128,10.8.0.0/24
expect_no_ping "b begins: dropped by state" b -c 1 -W 1 10.8.0.3
must "no filter" on a nft delete table inet state
must "no NAT" on a nft delete table inet nat
expect_ping "b begins, without the filter" b -c 1 10.8.0.3

point "a filter that drops or rejects what goes into the device"
nft_load a <<- 'END'
	table inet d {
		counter refused { }
		chain out {
			type filter hook output priority 10
			oifname wg0 udp dport 9 drop
			oifname wg0 udp dport 10 counter name refused reject
		}
	}
END
packets=$(devstat a wg0 tx_packets)
expect_eq "dropped: errno" EPERM "$(on a "$LIB_DIR/wire" udp-errno 10.9.0.2)"
expect_eq "rejected: errno" EPERM "$(on a "$LIB_DIR/wire" udp-errno 10.9.0.2 10)"
expect_eq "by that rule" 1 "$(count d refused)"
expect_eq "packets sent" "$packets" "$(devstat a wg0 tx_packets)"
must "no filter" on a nft delete table inet d
expect_eq "errno without it" 0 "$(on a "$LIB_DIR/wire" udp-errno 10.9.0.2)"

point "mark and connection of inner packets stay inside, those of outer ones outside"
nft_load a <<- 'END'
	table inet m {
		counter outmark { }
		counter outall { }
		counter inmark { }
		counter inall { }
		counter inct { }
		chain raw {
			type filter hook prerouting priority -310
			iifname wg0 counter name inall
			iifname wg0 meta mark != 0 counter name inmark
			iifname wg0 ct state { established, new, untracked } counter name inct
			iifname eth0 udp dport 51820 meta mark set 0x55 notrack
		}
		chain mangle {
			type filter hook output priority -150
			oifname wg0 meta mark set 0x99
		}
		chain post {
			type filter hook postrouting priority 300
			oifname eth0 udp dport 51820 counter name outall
			oifname eth0 udp dport 51820 meta mark != 0 counter name outmark
		}
	}
END
expect_ping "a pings b" a -c 3 -i 0.05 10.9.0.2
expect_eq "outer packets sent, with a mark; inner ones received, with a mark, with a connection" \
	"3 0 3 0 0" "$(count m outall outmark inall inmark inct)"
must "no filter" on a nft delete table inet m

point "iptables"
if ! command -v iptables > /dev/null ||
	! on a sh -c 'iptables -I INPUT -i wg0 -p icmp && iptables -I OUTPUT -o wg0 -p icmp' > /dev/null 2>&1; then
	skip_point "no iptables here"
else
	expect_ping "a pings b" a -c 2 -i 0.05 10.9.0.2
	for chain in INPUT OUTPUT; do
		expect_like "packets of $chain" "*-c 2 168*" "$(on a iptables -v -S $chain | grep wg0)"
	done
	must "a rule that drops" on a iptables -I INPUT -i wg0 -j DROP
	expect_no_ping "dropped" a -c 1 -W 1 10.9.0.2
	must "flush" on a iptables -F
	expect_ping "a pings b" a -c 1 10.9.0.2
fi

point "tcpdump on the device: inner packets, raw IP"
capture inner a wg0 -c 4
expect_like "link type" "*link-type RAW*" "$(cat "$TMP/inner.log")"
expect_ping "a pings b" a -c 1 -s 500 10.9.0.2
expect_ping "b pings a" b -c 1 fd09::1
must_soon 5 "four packets were captured" grep -q '4 packets captured' "$TMP/inner.log"
expect_eq "LINKTYPE_RAW in the file" 101 "$(od -An -tu4 -j 20 -N 4 "$TMP/inner.pcap" | tr -d ' ')"
expect_eq "what was seen" "10.9.0.1 10.9.0.2 request
10.9.0.2 10.9.0.1 reply
fd09::2 fd09::1 request
fd09::1 fd09::2 reply" "$(captured inner | sed 's/^[^ ]* IP6* \([^ ]*\) > \([^ ]*\): .*echo \(re[a-z]*\).*/\1 \2 \3/')"
expect_eq "length of the first" "length 508" "$(captured inner | head -n 1 | grep -o 'length 508')"
capture out a wg0 -Q out -c 1
expect_ping "a pings b" a -c 2 -i 0.05 10.9.0.2
must_soon 5 "one packet was captured" grep -q '1 packet captured' "$TMP/out.log"
expect_like "the direction is known" "*10.9.0.1 > 10.9.0.2*request*" "$(captured out)"
# A socket of AF_PACKET that is bound to the device holds up nothing.
start hold a tcpdump -n -i wg0 -w "$TMP/hold.pcap"
hold=$PID
ready hold "listening on"
must "down" on a ip link set wg0 down
must "up" on a ip link set wg0 up
expect_ping "a pings b" a -c 1 10.9.0.2
stop "$hold"

point "ip route get, ip neigh, sockets bound to the device"
expect_like "IPv4" "10.9.0.2 dev wg0 src 10.9.0.1 *" "$(on a ip route get 10.9.0.2)"
expect_like "IPv6" "fd09::2 *dev wg0 *src fd09::1 *" "$(on a ip -6 route get fd09::2)"
expect_like "from c" "10.9.0.2 from 10.8.0.3 dev wg0*" \
	"$(on a ip route get 10.9.0.2 from 10.8.0.3 iif lan)"
expect_ping "bound" a -c 1 -I wg0 10.9.0.2
expect_ping "bound" a -c 1 -I wg0 fd09::2
expect_eq "neighbours" "" "$(on a ip neigh show dev wg0 | grep -v -e NOARP -e ff02:)"

finish
