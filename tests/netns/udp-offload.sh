#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# UDP segmentation inside, every kind of receive aggregation and checksum offload
# outside, forwarding of what was decrypted: all bytes arrive as they were sent.

. "$(dirname "$0")/lib.sh"

begin 6 "UDP segmentation, receive aggregation, checksums, forwarding" ethtool nft taskset

# a ==wg== b -- c; a second tunnel leads from c into the first one.
pair
tunnel
host_new c
link b lan c eth0
addr b lan 198.51.100.1/24 fd51::1/64
addr c eth0 198.51.100.3/24 fd51::3/64
# what a router of several CPUs receives and sends on, a veth would mix up
steer a eth0
steer b eth0
steer b lan
steer c eth0
forward b
route c default via 198.51.100.1
route c default via fd51::1
route a 198.51.100.0/24 dev wg0
route a fd51::/64 dev wg0
wg_set a wg0 peer "${PUB[b]}" allowed-ips 10.9.0.2/32,198.51.100.0/24,fd09::2/128,fd51::/64
expect_ping "a pings c" a -c 1 198.51.100.3
expect_ping "a pings c over IPv6" a -c 1 fd51::3
head -c 400000 /dev/urandom > "$TMP/sent"

# offload WHAT...: on the outer wire, as ethtool -K takes it; not every kernel
# knows every one.
offload() {
	local h

	for h in a b; do
		if ! on "$h" ethtool -K eth0 "$@" > "$TMP/ethtool" 2>&1; then
			say "ethtool -K eth0 $*: $(cat "$TMP/ethtool")"
			return 1
		fi
	done
}
# datagrams STEP FROM TO ADDRESS SIZE BURST: 240 of them, which the ring of a veth can hold, in bursts
datagrams() {
	local sink got lost late twice corrupt

	start sink "$3" "$LIB_DIR/wire" udp-sink 7000 240 3
	sink=$PID
	ready sink ready
	must "$1" on "$2" timeout "$(slow 20)" "$LIB_DIR/sockopt" gso "$4" 7000 240 "$5" "$6"
	wait "$sink"
	read -r got lost late twice corrupt <<< "$(tail -n 1 "$TMP/sink")"
	expect_eq "$1: received, lost, late, twice, corrupt" "240 0 0 0 0" \
		"$got $lost $late $twice $corrupt"
}
# in_order, the same: 4000, of which a slow receiver may lose some
in_order() {
	local sink got lost late twice corrupt

	start sink "$3" "$LIB_DIR/wire" udp-sink 7000 4000 3
	sink=$PID
	ready sink ready
	# by one CPU: a veth would mix up what comes from several
	must "$1" on "$2" timeout "$(slow 60)" taskset 1 "$LIB_DIR/sockopt" gso "$4" 7000 4000 "$5" "$6"
	wait "$sink"
	read -r got lost late twice corrupt <<< "$(tail -n 1 "$TMP/sink")"
	expect_min "$1: received of 4000" 1000 "$got"
	expect_eq "$1: late, twice, corrupt" "0 0 0" "$late $twice $corrupt"
}
all() { # STEP
	datagrams "$1, UDP a to b" a b 10.9.0.2 1000 40
	datagrams "$1, UDP b to a over IPv6" b a fd09::1 1200 20
	datagrams "$1, UDP a to c" a c 198.51.100.3 500 100
	datagrams "$1, UDP c to a over IPv6" c a fd09::1 1300 30
	copy "$1, TCP a to c over IPv6" a c fd51::3
	copy "$1, TCP c to a" c a 10.9.0.1
}

point "as devices come"
all "default"

point "receive aggregation outside and on the way on, of UDP as well"
for h in b c; do
	i=lan
	[ "$h" = b ] || i=eth0
	on "$h" ethtool -K "$i" gro on > /dev/null 2>&1
done
if offload gro on rx-gro-list on rx-udp-gro-forwarding on; then
	all "GRO lists outside"
	on b ethtool -K wg0 rx-gro-list on rx-udp-gro-forwarding on > /dev/null 2>&1
	on a ethtool -K wg0 rx-gro-list on rx-udp-gro-forwarding on > /dev/null 2>&1
	all "GRO lists outside and inside"
	offload rx-gro-list off
	on b ethtool -K wg0 rx-gro-list off > /dev/null 2>&1
	on a ethtool -K wg0 rx-gro-list off > /dev/null 2>&1
	# Bursts that are too large for one CPU, from a softirq: what the CPUs send
	# must leave by one of them, which may change after a rest of a second.
	nft_load b <<- 'END'
		table inet cpus {
			counter first { }
			counter others { }
			chain c {
				type filter hook output priority 0
				udp dport 51820 udp length > 1000 meta cpu 0 counter name first
				udp dport 51820 udp length > 1000 meta cpu != 0 counter name others
			}
		}
	END
	for i in 1 2 3; do
		sleep 1.2
		in_order "bursts $i, UDP c to a over IPv6" c a fd09::1 1300 30
		first=$(nft_count b cpus first) others=$(nft_count b cpus others)
		expect_min "bursts $i: messages that left" 100 $((first + others))
		expect_eq "bursts $i: messages that left by a second CPU" 0 \
			$((first < others ? first : others))
		must "clearing the counters of b" on b sh -c \
			'nft reset counters table inet cpus > /dev/null'
	done
	must "no table" on b nft delete table inet cpus
	copy "UDP forwarding without lists, TCP a to c" a c 198.51.100.3
	datagrams "UDP forwarding without lists, UDP a to c" a c 198.51.100.3 1000 40
else
	skip_point "GRO lists cannot be set here: $(cat "$TMP/ethtool")"
fi

point "no checksums by the wire: all are computed and checked"
if offload tx off && offload rx off; then
	all "tx, rx off"
	offload rx on
	offload tx on
else
	skip_point "no switch for checksums: $(cat "$TMP/ethtool")"
fi

point "no segmentation by the wire: gso, tso, tx-udp-segmentation off"
if offload gso off tso off; then
	offload tx-udp-segmentation off
	datagrams "UDP a to b" a b 10.9.0.2 1000 40
	copy "TCP a to c" a c 198.51.100.3
	offload gso on tso on
	offload sg off
	datagrams "no scatter-gather, UDP b to a" b a 10.9.0.1 1000 40
	copy "no scatter-gather, TCP c to a over IPv6" c a fd09::1
	offload sg on gso on tso on tx-udp-segmentation on
else
	skip_point "no switch for segmentation: $(cat "$TMP/ethtool")"
fi

point "inside without checksum offload or segmentation: the stack does it before"
for h in a b; do
	must "wg0 of $h" on "$h" ethtool -K wg0 tx off
done
# Older kernels refuse to segment UDP without checksums: EIO at the sender.
copy "TCP a to b" a b 10.9.0.2
copy "TCP c to a" c a 10.9.0.1
for h in a b; do
	must "wg0 of $h" on "$h" ethtool -K wg0 tx on sg on gso on tso on tx-udp-segmentation on
done
datagrams "on again, UDP a to b" a b fd09::2 1000 40

point "what leaves the tunnel has right checksums: a receiver that trusts nobody"
# c's end verifies each itself: a bad one would be counted and dropped.
bad() {
	on c sh -c 'cat /proc/net/snmp /proc/net/snmp6' | awk '
		/^Udp:|^Tcp:/ {
			if (!n[$1]++) { for (i = 2; i <= NF; i++) name[$1, i] = $i }
			else for (i = 2; i <= NF; i++)
				if (name[$1, i] ~ /InCsumErrors|InErrs/) sum += $i
		}
		$1 ~ /InCsumErrors/ { sum += $2 }
		END { print sum + 0 }'
}
on c ethtool -K eth0 rx off > /dev/null 2>&1
on b ethtool -K lan tx off > /dev/null 2>&1
before=$(bad)
# Nor are they only believed to be right, as what the tunnel authenticated may be.
capture sums c eth0 -c 100 udp dst port 7000
datagrams "UDP a to c" a c 198.51.100.3 1000 40
must_soon 10 "datagrams were captured" grep -q '100 packets captured' "$TMP/sums.log"
expect_eq "of 100 with a right checksum" 100 "$(captured sums -vv | grep -c 'udp sum ok')"
datagrams "UDP a to c over IPv6" a c fd51::3 1000 40
copy "TCP a to c" a c 198.51.100.3
expect_eq "checksum errors at c" "$before" "$(bad)"

finish
