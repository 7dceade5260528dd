#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Congestion marks by RFC 6040 (normal mode, but nothing is dropped for its
# marks), out and in; the outer DSCP.

. "$(dirname "$0")/lib.sh"

begin 9 "ECN and DSCP of inner and outer packets" nft

MARKS=(not-ect ect1 ect0 ce)

pair
# What leaves a, by its outer mark; what comes out of the tunnel at b, by its
# inner length and mark; what a's messages are marked with on the way.
{
	echo "table inet t {"
	for m in not-ect ect0 ect1 ce; do
		echo "counter out_$m { }"
		for n in 100 101 102 103; do
			echo "counter in_${n}_$m { }"
		done
	done
	echo "counter dscp { }"
	echo "counter shake { }"
	echo "counter shake_other { }"
	echo "counter marked { }"
	echo "chain mangle { type filter hook prerouting priority -300; }"
	echo "chain marked { type filter hook prerouting priority -299; }"
	echo "chain out { type filter hook prerouting priority -310"
	echo "iifname != eth0 return"
	# or what is no UDP (multicast listener reports) goes on to the counters
	echo "meta l4proto != udp return"
	echo "udp sport != 51820 return"
	for v in ip ip6; do
		echo "$v dscp 0x22 $v ecn not-ect udp length { 156, 100 } counter name shake"
		echo "udp length { 156, 100 } $v dscp != 0x22 counter name shake_other"
		echo "udp length { 156, 100 } $v ecn != not-ect counter name shake_other"
	done
	echo "udp length { 156, 100, 40 } return"
	for v in ip ip6; do
		echo "$v dscp != cs0 counter name dscp"
		for m in "${MARKS[@]}"; do
			echo "$v ecn $m counter name out_$m"
		done
	done
	echo "}"
	echo "chain in { type filter hook prerouting priority -290"
	echo "iifname != wg0 return"
	for n in 100 101 102 103; do
		for m in "${MARKS[@]}"; do
			echo "ip length $n ip ecn $m counter name in_${n}_$m"
			# The length of IPv6 is that of its payload.
			echo "ip6 length $((n - 40)) ip6 ecn $m counter name in_${n}_$m"
		done
	done
	echo "}"
	echo "}"
} > "$TMP/rules"

counts() {
	local w x name=

	C=()
	while read -r w x _; do
		case $w in
		counter) name=$x ;;
		packets) C[$name]=$x ;;
		esac
	done <<< "$(on b nft list counters table inet t)"
}
declare -A C=()

# send FAMILY: one datagram each with the marks 0 to 3 and EF as DSCP, the inner
# packet being 100 bytes long plus the mark; and the counts once all are there.
send() {
	local to

	[ "$1" = 4 ] && to=10.9.0.2 || to=fd09::2
	expect_ok "sending" on a "$LIB_DIR/wire" udp-marks "$to" 9 46
	expect_soon 3 "four datagrams come out of the tunnel" arrived
	counts
}

arrived() {
	local n sum=0

	counts
	for n in "${!C[@]}"; do
		[[ $n != in_* ]] || sum=$((sum + C[$n]))
	done
	[ "$sum" -eq 4 ]
}

# What comes out, by outer and inner mark.
inside() {
	case $1:$2 in
	*:not-ect) echo not-ect ;;
	*:ce | ce:*) echo ce ;;
	ect1:ect0) echo ect1 ;;
	*) echo "$2" ;;
	esac
}

for combination in 4:4 6:4 6:6 4:6; do
	inner=${combination%:*} outer=${combination#*:}
	tunnel "$outer"
	nft_load b < "$TMP/rules"
	expect_ping "tunnel is up" a -c 1 10.9.0.2

	point "IPv$inner over IPv$outer: outer marks are those of the inner packets"
	must "clearing counters" on b sh -c 'nft reset counters table inet t > /dev/null'
	send "$inner"
	# What the kernel tree's driver does with CE is the older RFC 3168.
	[ "$DRIVER" = adit ] && want="1 1 1 1" || want="1 1 2 0"
	got=
	for m in "${MARKS[@]}"; do
		got+="${got:+ }${C[out_$m]}"
	done
	expect_eq "outer packets with ${MARKS[*]}" "$want" "$got"
	expect_eq "data packets with an outer DSCP other than 0" 0 "${C[dscp]}"

	point "IPv$inner over IPv$outer: outer marks are carried into the inner packets"
	[ "$outer" = 4 ] && v=ip || v=ip6
	for o in "${MARKS[@]}"; do
		must "clearing counters" on b sh -c 'nft reset counters table inet t > /dev/null'
		nft_load b <<- END
			flush chain inet t mangle
			flush chain inet t marked
			add rule inet t mangle iifname eth0 udp sport 51820 $v ecn set $o
			add rule inet t marked iifname eth0 udp sport 51820 $v ecn $o counter name marked
		END
		send "$inner"
		if [ "${C[marked]}" -lt 4 ]; then
			skip_point "nft of this machine does not mark IPv$outer on this kernel"
			break
		fi
		for e in 0 1 2 3; do
			want=$(inside "$o" "${MARKS[e]}")
			got=
			for m in "${MARKS[@]}"; do
				[ "${C[in_$((100 + e))_$m]}" -eq 0 ] || got+=$m
			done
			expect_eq "outer $o, inner ${MARKS[e]}: what comes out" "$want" "$got"
		done
	done
	nft_load b <<< "flush chain inet t mangle"
	if [ "$combination" != 4:6 ]; then
		must "next" on b nft delete table inet t
		for h in a b; do
			must "removing wg0 of $h" on "$h" ip link del wg0
		done
	fi
done

point "handshakes carry DSCP AF41, initiation and response, IPv4 and IPv6"
must "clearing counters" on b sh -c 'nft reset counters table inet t > /dev/null'
for family in 6 4; do
	[ "$family" = 4 ] && to=192.0.2.2 || to="[2001:db8::2]"
	[ "$family" = 4 ] && from=192.0.2.1 || from="[2001:db8::1]"
	wg_set a wg0 peer "${PUB[b]}" endpoint "$to:51820"
	wg_set b wg0 peer "${PUB[a]}" endpoint "$from:51820"
	# a initiates, then b does, so that a responds.
	for h in a b; do
		for i in a b; do
			must "down" on "$i" ip link set wg0 down
			must "up" on "$i" ip link set wg0 up
		done
		[ "$h" = a ] && expect_ping "a pings b" a -c 1 10.9.0.2 ||
			expect_ping "b pings a" b -c 1 10.9.0.1
	done
done
counts
expect_eq "handshake messages of a with 0x88, with anything else" "4 0" \
	"${C[shake]} ${C[shake_other]}"

finish
