#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# TCP and UDP in bulk: in parallel, both ways, in order, bytes intact.

. "$(dirname "$0")/lib.sh"

begin 6 "TCP and UDP in bulk, both ways" iperf3 sha256sum

pair
tunnel
wire=$LIB_DIR/wire
expect_ping "tunnel is up" a -c 1 10.9.0.2

# iperf TITLE ARGUMENTS...: a two second run from a to b; the receivers' totals
# must exceed 100 kB each.
iperf() {
	local title=$1 server line n=0

	shift
	start iperf-server b iperf3 --forceflush -s -1
	server=$PID
	ready iperf-server "Server listening"
	expect_ok "$title" on a timeout "$(slow 20)" iperf3 -c "$@" -t 2 -i 0 -f k
	while read -r line; do
		[[ $line == *receiver* && $line != *SUM* ]] || continue
		n=$((n + 1))
		expect_unlike "$title: stream $n moved data" "* 0.00 Bytes*" "$line"
	done <<< "$OUT"
	STREAMS=$n
	stop "$server"
}

point "TCP from a to b, 2 streams over IPv4"
iperf "iperf3 -P 2" 10.9.0.2 -P 2
expect_eq "streams received" 2 "$STREAMS"

point "TCP from b to a over IPv6"
iperf "iperf3 -R" fd09::2 -R
expect_eq "streams received" 1 "$STREAMS"

point "TCP both ways at once, 4 streams each"
iperf "iperf3 --bidir -P 4" 10.9.0.2 --bidir -P 4
expect_eq "streams received" 8 "$STREAMS"

point "two transfers crossing each other: sha256 the same at both ends"
size=$((ADIT_SLOW > 2 ? 1000000 : 6000000))
for h in a b; do
	head -c "$size" /dev/urandom > "$TMP/from-$h"
	start "to-$h" "$h" "$wire" tcp-listen 5001
done
on b timeout "$(slow 20)" "$wire" tcp-send 10.9.0.1 5001 < "$TMP/from-b" &
PIDS+=("$!")
expect_ok "a sends $size bytes" on a timeout "$(slow 20)" sh -c \
	'"$0" tcp-send 10.9.0.2 5001 < "$1"' "$wire" "$TMP/from-a"
same() {
	[ "$(sha256sum < "$TMP/$1")" = "$(sha256sum < "$TMP/$2")" ]
}
expect_soon 5 "what b got is what a sent" same from-a to-b
expect_soon 20 "what a got is what b sent" same from-b to-a

# flow TITLE FROM TO ADDRESS COUNT SIZE RATE [HOP]: numbered datagrams one way.
flow() {
	local sink

	start sink "$3" "$wire" udp-sink 5002 "$5" 2
	sink=$PID
	ready sink ready
	expect_ok "$1" on "$2" timeout "$(slow 20)" "$wire" udp-flow "$4" 5002 \
		"$5" "$6" "$7" "${8:-0}"
	wait "$sink"
	read -r received lost late twice corrupt <<< "$(tail -n 1 "$TMP/sink")"
}
steer a eth0
steer b eth0

point "UDP at a moderate rate: all there, in order, none twice"
flow "1000 datagrams of 1000 bytes, 1000 a second" a b 10.9.0.2 1000 1000 1000
expect_eq "received lost late twice corrupt" "1000 0 0 0 0" \
	"$received $lost $late $twice $corrupt"
flow "400 fragmented datagrams of 5000 bytes" b a fd09::1 400 5000 400
expect_eq "received lost late twice corrupt" "400 0 0 0 0" \
	"$received $lost $late $twice $corrupt"

point "UDP as fast as it can be sent: in order, none twice, none corrupt"
flow "4000 datagrams of 1300 bytes" a b 10.9.0.2 4000 1300 1000000
expect_eq "late twice corrupt" "0 0 0" "$late $twice $corrupt"
expect_min "received of 4000" 100 "$received"
flow "2000 from one CPU after the other" b a 10.9.0.1 2000 1300 1000000 50
expect_eq "late twice corrupt" "0 0 0" "$late $twice $corrupt"
expect_min "received of 2000" 100 "$received"
expect_ping "the tunnel still works" a -c 1 10.9.0.2

finish
