#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What TCP sends leaves as few large datagrams that the stack cuts, and so do other
# packets of one flow that are there at once: the switch, the counters, and whatever
# an outer packet may go through on its way.

. "$(dirname "$0")/lib.sh"

begin 13 "segmentation of outer datagrams" ethtool nft tc tcpdump

# a -- r -- b: the tunnel between a and b goes through a router.
host_new a r b
link a eth0 r left
link r right b eth0
addr a eth0 192.0.2.1/24 2001:db8::1/64
addr r left 192.0.2.254/24 2001:db8::fe/64
addr r right 203.0.113.254/24 2001:db8:1::fe/64
addr b eth0 203.0.113.2/24 2001:db8:1::2/64
forward r
route a default via 192.0.2.254
route a default via 2001:db8::fe
route b default via 203.0.113.254
route b default via 2001:db8:1::fe
keys a b
for h in a b; do
	wg_new $h wg0
	wg_key $h wg0
done
wg_set a wg0 listen-port 51820 peer "${PUB[b]}" allowed-ips 10.9.0.2/32,fd09::2/128 \
	endpoint 203.0.113.2:51820
wg_set b wg0 listen-port 51820 peer "${PUB[a]}" allowed-ips 10.9.0.1/32,fd09::1/128
addr a wg0 10.9.0.1/24 fd09::1/64
addr b wg0 10.9.0.2/24 fd09::2/64
for h in a b; do must "wg0 up" on $h ip link set wg0 up; done
expect_ping "tunnel is up" a -c 1 10.9.0.2
head -c 600000 /dev/urandom > "$TMP/sent"

flag() { # HOST on|off
	must "outer-gso $2 on $1" on "$1" ethtool --set-priv-flags wg0 outer-gso "$2"
}
counter() { # HOST NAME
	on "$1" ethtool -S wg0 | awk -v n="$2:" '$1 == n { print $2 }'
}
count() { # HOST: datagrams that were sent as several messages
	counter "$1" tx_outer_gso_datagrams
}
refused() { # datagrams that UDP refused, of a and b
	local h

	for h in a b; do
		on "$h" cat /proc/net/snmp /proc/net/snmp6
	done | awk '
		/^Udp:/ {
			if (odd = !odd) { for (i = 2; i <= NF; i++) name[i] = $i }
			else for (i = 2; i <= NF; i++) if (name[i] == "InErrors") sum += $i
		}
		$1 == "Udp6InErrors" { sum += $2 }
		END { print sum + 0 }'
}
# Both ways, both families inside; taken is what was to be taken. TCP would get
# on without the large ones, by sending again.
both_ways() { # STEP
	local na nb bad

	na=$(count a) nb=$(count b) bad=$(refused)
	copy "$1, a to b" a b 10.9.0.2
	copy "$1, b to a over IPv6" b a fd09::1
	expect_min "$1: large datagrams of a" $((na + 5)) "$(count a)"
	expect_min "$1: large datagrams of b" $((nb + 5)) "$(count b)"
	expect_eq "$1: datagrams that UDP refused" "$bad" "$(refused)"
}
outer() { # 4|6
	local x=203.0.113.2

	[ "$1" = 4 ] || x="[2001:db8:1::2]"
	wg_set a wg0 peer "${PUB[b]}" endpoint "$x:51820"
	expect_ping "over IPv$1" a -c 1 10.9.0.2
}
offload() { # HOST IF FEATURE...
	local h=$1 i=$2

	shift 2
	must "ethtool -K $i $* (on $h)" on "$h" ethtool -K "$i" "$@"
}

point "on at first, can be switched off and on, counts what it did"
expect_like "private flags" "*outer-gso*: on*" "$(on a ethtool --show-priv-flags wg0)"
both_ways "on"
flag a off
expect_like "private flags" "*outer-gso*: off*" "$(on a ethtool --show-priv-flags wg0)"
before=$(count a)
copy "off, a to b" a b 10.9.0.2
expect_eq "large datagrams of a" "$before" "$(count a)"
flag a on
expect_fail "a flag that does not exist" on a ethtool --set-priv-flags wg0 inner-gso on

point "both families outside, through a router"
for f in 6 4; do
	outer $f
	both_ways "IPv$f outside"
done

point "the wire's devices cut nothing, sum nothing, gather nothing"
for what in "tx-udp-segmentation off" "tx off" "gso off" "sg off"; do
	# shellcheck disable=SC2086
	{
		offload a eth0 $what
		offload b eth0 $what
	}
	both_ways "$what"
	for f in 6 4; do
		outer $f
		copy "$what, IPv$f outside" a b fd09::2
	done
done
for h in a b; do offload $h eth0 sg on tx on gso on tx-udp-segmentation on; done

point "messages hang in a list, and none is copied to be opened"
for what in "as devices come" "tx-udp-segmentation off"; do
	for h in a b; do
		# shellcheck disable=SC2086
		[ "$what" = "as devices come" ] || offload $h eth0 $what
	done
	for f in 6 4; do
		outer $f
		n=$(count a) lists=$(counter a tx_outer_gso_lists)
		copied=$(counter b rx_copied_messages)
		copy "$what, IPv$f outside" a b fd09::2
		n=$(($(count a) - n))
		expect_min "$what, IPv$f: large datagrams" 5 $n
		expect_eq "$what, IPv$f: those with a list" $n \
			$(($(counter a tx_outer_gso_lists) - lists))
		expect_eq "$what, IPv$f: messages that were copied" "$copied" \
			"$(counter b rx_copied_messages)"
	done
done

point "a device that cuts and takes no lists gets pages, which the receiver copies"
if on a ethtool -K eth0 tx-udp-segmentation on > /dev/null 2>&1; then
	offload b eth0 tx-udp-segmentation on
	for h in a b; do offload $h eth0 tx-scatter-gather-fraglist off; done
	for f in 6 4; do
		outer $f
		n=$(count a) lists=$(counter a tx_outer_gso_lists)
		copied=$(counter b rx_copied_messages) bad=$(devstat b wg0 rx_dropped)
		copy "IPv$f outside" a b fd09::2
		expect_eq "IPv$f: messages that were refused" "$bad" \
			"$(devstat b wg0 rx_dropped)"
		n=$(($(count a) - n))
		expect_min "IPv$f: large datagrams" 5 $n
		expect_eq "IPv$f: those with a list" "$lists" "$(counter a tx_outer_gso_lists)"
		expect_min "IPv$f: messages that were copied" $((copied + 200)) \
			"$(counter b rx_copied_messages)"
		both_ways "IPv$f outside"
	done
	for h in a b; do offload $h eth0 tx-scatter-gather-fraglist on; done
else
	skip_point "this kernel's veth cuts no datagrams"
fi

point "on the wire: datagrams of one message, with right checksums"
for h in a b; do offload $h eth0 tx off tx-udp-segmentation off gso off; done
for f in 4 6; do
	outer $f
	capture "wire$f" r left -c 200 udp port 51820 and src port 51820
	copy "IPv$f" a b 10.9.0.2
	must_soon 10 "datagrams were captured" grep -q '200 packets captured' "$TMP/wire$f.log"
	out=$(captured "wire$f" -vv)
	expect_eq "IPv$f: with a right checksum" 200 "$(grep -c 'udp sum ok' <<< "$out")"
	expect_eq "IPv$f: larger than a message" 0 \
		"$(grep -oE 'UDP, length [0-9]+' <<< "$out" | awk '$3 > 1452' | wc -l)"
	expect_min "IPv$f: whole messages" 100 \
		"$(grep -oE 'UDP, length [0-9]+' <<< "$out" | awk '$3 >= 1420' | wc -l)"
done
for h in a b; do offload $h eth0 tx on gso on tx-udp-segmentation on; done

point "a path that is too narrow: each message in fragments"
for f in 4 6; do
	outer $f
	for x in "a eth0" "r left" "r right" "b eth0"; do
		read -r h i <<< "$x"
		must "MTU of $h" on "$h" ip link set "$i" mtu 1300
	done
	both_ways "IPv$f, MTU 1300"
	for x in "a eth0" "r left" "r right" "b eth0"; do
		read -r h i <<< "$x"
		must "MTU of $h" on "$h" ip link set "$i" mtu 1500
	done
done

point "NAT and connection tracking on the way"
must "rules" on r nft -f - <<- 'END'
	table ip nat {
		chain post {
			type nat hook postrouting priority 100;
			oifname "right" masquerade random
		}
	}
	table inet seen {
		chain f {
			type filter hook forward priority 0; policy drop;
			ct state new,established accept
		}
	}
END
outer 4
expect_ping "through NAT" a -c 1 10.9.0.2
both_ways "NAT"
must "no rules" on r nft flush ruleset
outer 4

point "queueing disciplines: netem, a token bucket, fair queueing, none"
tried=0
for q in "netem delay 2ms limit 10000" "tbf rate 400mbit burst 100k limit 10m" \
	"fq" "fq_codel" "pfifo_fast"; do
	# shellcheck disable=SC2086
	if on a tc qdisc replace dev eth0 root $q 2> /dev/null; then
		both_ways "$q"
		tried=$((tried + 1))
	else
		say "this kernel has no $q"
	fi
done
expect_min "disciplines that this kernel has" 1 "$tried"
on a tc qdisc del dev eth0 root 2> /dev/null

point "a VLAN, and a tunnel of another kind, around the datagrams"
made=0
if on a ip link add link eth0 name eth0.5 type vlan id 5 2> /dev/null; then
	made=1
	must "on r" on r ip link add link left name left.5 type vlan id 5
	addr a eth0.5 198.51.100.1/24 fd55::1/64
	addr r left.5 198.51.100.254/24 fd55::fe/64
	must "up" on a ip link set eth0.5 up
	must "up" on r ip link set left.5 up
	route a 203.0.113.2/32 via 198.51.100.254
	outer 4
	both_ways "VLAN"
	must "it goes" on a ip link del eth0.5
	outer 4
fi
if on a ip link add sit1 type ipip local 192.0.2.1 remote 192.0.2.254 2> /dev/null; then
	made=1
	must "on r" on r ip link add sit1 type ipip local 192.0.2.254 remote 192.0.2.1
	addr a sit1 198.18.0.1/24
	addr r sit1 198.18.0.2/24
	must "up" on a ip link set sit1 up
	must "up" on r ip link set sit1 up
	route a 203.0.113.2/32 via 198.18.0.2
	outer 4
	both_ways "IP in IP"
	must "it goes" on a ip link del sit1
	outer 4
fi
[ $made = 1 ] || skip_point "this kernel has neither"

point "large segments and small ones"
for mtu in 1280 1500 3000 9000; do
	for h in a b; do
		must "MTU of $h's wg0" on $h ip link set wg0 mtu $mtu
	done
	copy "MTU $mtu, a to b" a b fd09::2
	copy "MTU $mtu, b to a" b a 10.9.0.1
done

# datagrams STEP ADDRESS SIZE BURST [LAST]: 240 from a to b, in large packets of BURST,
# the last of each of LAST bytes
datagrams() {
	local sink got lost late twice corrupt step=$1

	shift
	start sink b "$LIB_DIR/wire" udp-sink 7000 240 3
	sink=$PID
	ready sink ready
	must "$step" on a timeout "$(slow 20)" "$LIB_DIR/sockopt" gso "$1" 7000 240 "${@:2}"
	wait "$sink"
	read -r got lost late twice corrupt <<< "$(tail -n 1 "$TMP/sink")"
	expect_eq "$step: received, lost, late, twice, corrupt" "240 0 0 0 0" \
		"$got $lost $late $twice $corrupt"
}
# together STEP DATAGRAMS MESSAGES DATAGRAMS'S-ARGUMENTS...: so they leave
together() {
	local n m lists copied step=$1 datagrams=$2 messages=$3

	shift 3
	n=$(count a) m=$(counter a tx_outer_gso_messages)
	lists=$(counter a tx_outer_gso_lists) copied=$(counter b rx_copied_messages)
	datagrams "$step" "$@"
	n=$(($(count a) - n))
	# older kernels cut a large packet before it comes to wg0
	if grep -q 'tx-udp-segmentation: on' <<< "$(on a ethtool -k wg0)"; then
		expect_eq "$step: messages in large datagrams" "$messages" \
			$(($(counter a tx_outer_gso_messages) - m))
	fi
	# fewer where one has waited for the next
	expect_range "$step: large datagrams" 0 "$datagrams" "$n"
	expect_eq "$step: those with a list" "$n" $(($(counter a tx_outer_gso_lists) - lists))
	expect_eq "$step: messages that were copied" "$copied" "$(counter b rx_copied_messages)"
}

point "a large packet of UDP leaves as one datagram"
for h in a b; do must "MTU of $h's wg0" on $h ip link set wg0 mtu 1420; done
for f in 4 6; do
	outer $f
	# the way to an endpoint is known once something has gone there
	expect_ping "the way is known" a -c 1 10.9.0.2
	together "IPv$f, 40 of 1,000 bytes" 6 240 10.9.0.2 1000 40
	together "IPv$f, 60 of 33 bytes" 4 240 fd09::2 33 60
	together "IPv$f, 4 of 1,300 bytes" 60 240 fd09::2 1300 4
	together "IPv$f, the last shorter" 8 240 10.9.0.2 700 30 50
	together "IPv$f, the last of one length with the others, when padded" 8 240 10.9.0.2 701 30 700
done
flag a off
together "switched off" 0 0 10.9.0.2 1000 40
flag a on
for h in a b; do offload $h eth0 tx off tx-udp-segmentation off gso off; done
capture small r left -c 100 udp port 51820 and src port 51820
together "the wire cuts nothing" 6 240 10.9.0.2 1000 40
must_soon 10 "datagrams were captured" grep -q '100 packets captured' "$TMP/small.log"
out=$(captured small -vv)
# 1,028 bytes padded to 1,040, header and tag
expect_eq "with a right checksum" 100 "$(grep -c 'udp sum ok' <<< "$out")"
# among a handshake, now and then
expect_min "of one message" 95 "$(grep -c 'UDP, length 1072' <<< "$out")"
for h in a b; do offload $h eth0 tx on gso on tx-udp-segmentation on; done

point "packets of a busy flow leave together where they wait together"
outer 4
if [ "$(nproc)" -gt 1 ]; then
	before=$(count a) got=$(counter a tx_outer_gso_messages)
	start flood a "$LIB_DIR/wire" udp-flood 10.9.0.2 7000 200
	flood=$PID
	some() { [ "$(count a)" -ge $((before + 5)) ]; }
	must_soon 15 "some leave together" some
	kill "$flood"
	wait "$flood"
	say "$(($(counter a tx_outer_gso_messages) - got)) messages in $(($(count a) - before)) large datagrams"
	# every fifth is shorter, and then one as long as the first follows
	start sink b "$LIB_DIR/wire" udp-sink 7000 6000 3
	sink=$PID
	ready sink ready
	must "of two lengths" on a timeout "$(slow 20)" "$LIB_DIR/sockopt" gso 10.9.0.2 7000 6000 700 5 50 0
	wait "$sink"
	read -r got lost late twice corrupt <<< "$(tail -n 1 "$TMP/sink")"
	expect_min "of two lengths: received" 500 "$got"
	expect_eq "of two lengths: late, twice, corrupt" "0 0 0" "$late $twice $corrupt"
	# Two flows that come through a; one has a mark, which is its own packets'
	# alone. (What two sockets of a have sent never goes together.)
	host_new c
	link a lan c eth0
	addr a lan 198.51.100.1/24
	addr c eth0 198.51.100.3/24
	forward a
	route c default via 198.51.100.1
	nft_load a <<- 'END'
		table inet marks {
			chain c {
				type filter hook forward priority 0
				oifname wg0 udp dport 7001 ip ecn set ect0
			}
		}
	END
	offload a eth0 tx-udp-segmentation off gso off
	nft_load r <<- 'END'
		table inet marks {
			counter long-marked { }
			counter long-other { }
			counter short-marked { }
			counter short-other { }
			chain c {
				type filter hook forward priority 0
				iifname != left return
				udp dport != 51820 return
				ip length 300 ip ecn ect0 counter name long-marked
				ip length 300 ip ecn not-ect counter name long-other
				ip length 188 ip ecn ect0 counter name short-marked
				ip length 188 ip ecn not-ect counter name short-other
			}
		}
	END
	on c timeout 3 "$LIB_DIR/wire" udp-flood 10.9.0.2 7000 100 > /dev/null 2>&1 &
	on c timeout 3 "$LIB_DIR/wire" udp-flood 10.9.0.2 7001 200 > /dev/null 2>&1
	wait $!
	expect_min "with a mark, of the flow that has it" 200 "$(nft_count r marks long-marked)"
	expect_min "without, of the other" 200 "$(nft_count r marks short-other)"
	expect_eq "with that of the other flow" "0 0" \
		"$(nft_count r marks long-other) $(nft_count r marks short-marked)"
	must "no table" on a nft delete table inet marks
	# what was made for one family may leave by the other
	on a timeout 4 "$LIB_DIR/wire" udp-flood 10.9.0.2 7000 200 > /dev/null 2>&1 &
	flood=$!
	for i in $(seq 40); do
		x=203.0.113.2
		[ $((i % 2)) = 0 ] || x="[2001:db8:1::2]"
		wg_set a wg0 peer "${PUB[b]}" endpoint "$x:51820"
	done
	wait $flood
	must "no table" on r nft delete table inet marks
	offload a eth0 gso on tx-udp-segmentation on
	copy "still well" a b fd09::2
else
	skip_point "one CPU: nothing waits for another"
fi

finish
