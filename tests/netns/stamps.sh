#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Times and flows that belong to a packet: pacing and send times with fq outside
# and inside, timestamps of reception and sending, the flow hash at the outer
# queueing discipline.

. "$(dirname "$0")/lib.sh"

begin 6 "pacing, send times, timestamps, flow hash" tc

pair
tunnel
steer b eth0
expect_ping "tunnel is up" a -c 1 10.9.0.2
opt=$LIB_DIR/sockopt

# timed STEP CLOCK ADDRESS [LEAST]: 40 datagrams, one each 5 ms, the first in 5 ms;
# all come, the last not before LEAST ms.
timed() {
	local sink got lost rest begin

	# it waits for the first one without end
	start sink b timeout "$(slow 15)" "$LIB_DIR/wire" udp-sink 7000 40 3
	sink=$PID
	ready sink ready
	begin=$(now)
	must "$1" on a timeout "$(slow 15)" "$opt" txtime "$3" 7000 40 "$2" 5
	wait "$sink"
	read -r got lost rest <<< "$(tail -n 1 "$TMP/sink")"
	expect_eq "$1: received, lost; late, twice, corrupt" "40 0 0 0 0" "$got $lost $rest"
	expect_range "$1: milliseconds it took" "${4:-0}" $((5000 * ADIT_SLOW)) $(($(now) - begin))
}
fq=1
on a tc qdisc replace dev eth0 root fq > "$TMP/tc" 2>&1 || fq=

point "send times of inner sockets, fq outside: nothing stalls, nothing is dropped"
if [ -z "$fq" ]; then
	skip_point "tc cannot set up fq: $(cat "$TMP/tc")"
else
	timed "SO_TXTIME, monotonic clock" monotonic 10.9.0.2
	timed "SO_TXTIME, TAI" tai 10.9.0.2
	timed "SO_TXTIME, TAI, IPv6" tai fd09::2
fi

point "send times of inner sockets, fq on the tunnel's own device too"
if [ -z "$fq" ]; then
	skip_point "tc cannot set up fq: $(cat "$TMP/tc")"
else
	must "fq on wg0" on a tc qdisc replace dev wg0 root fq
	# /proc/uptime has steps of 10 ms
	timed "SO_TXTIME, monotonic clock" monotonic 10.9.0.2 180
	timed "SO_TXTIME, monotonic clock, IPv6" monotonic fd09::2 180
fi

point "paced TCP through fq inside and outside ends in time"
head -c 500000 /dev/urandom > "$TMP/sent"
# By the route, so that any sender is paced: 16 Mbit/s, 0.25 s.
copy() { # STEP
	local listener begin

	start received b "$LIB_DIR/wire" tcp-listen 5001
	listener=$PID
	STEP=$1
	begin=$(now)
	OUT=$(on a timeout "$(slow 20)" "$LIB_DIR/wire" tcp-send 10.9.0.2 5001 \
		< "$TMP/sent" 2>&1) && wait "$listener" || fail "the transfer ends" "$OUT"
	expect_ok "$1: what came is what was sent" cmp "$TMP/sent" "$TMP/received"
	# less what fq lets pass at once, a flow's first credit
	expect_range "$1: milliseconds it took" 200 $((10000 * ADIT_SLOW)) $(($(now) - begin))
}
if [ -z "$fq" ]; then
	skip_point "tc cannot set up fq: $(cat "$TMP/tc")"
elif ! on a tc qdisc replace dev wg0 root fq maxrate 16mbit > "$TMP/tc" 2>&1; then
	skip_point "tc cannot set up fq: $(cat "$TMP/tc")"
else
	copy "fq inside and outside"
	must "no fq inside" on a tc qdisc del dev wg0 root
	must "a slower fq outside" on a tc qdisc replace dev eth0 root fq maxrate 16mbit
	copy "fq outside alone"
fi
on a tc qdisc del dev wg0 root > /dev/null 2>&1
on a tc qdisc del dev eth0 root > /dev/null 2>&1

point "timestamps of reception on an inner socket"
for to in 10.9.0.2 fd09::2; do
	start stamps b "$opt" rx-stamps 7001 20 "$(slow 5)"
	stamps=$PID
	ready stamps ready
	must "sending" on a "$LIB_DIR/wire" udp-flow "$to" 7001 20 100 200
	wait "$stamps"
	expect_eq "to $to: came, had a timestamp" "20 20" "$(tail -n 1 "$TMP/stamps")"
done

point "timestamps of sending on an inner socket"
for to in 10.9.0.2 fd09::2; do
	expect_eq "to $to: timestamps of 20" 20 "$(on a "$opt" tx-stamps "$to" 9 20)"
done

point "inner flows are told apart outside: IPv4, IPv6 and segments alike"
# Behind a slow wire, so that packets wait in the classes of fq_codel.
if ! { on a tc qdisc replace dev eth0 root handle 1: tbf rate $((8000 / ADIT_SLOW))bit burst 2000 limit 1000000 &&
	on a tc qdisc replace dev eth0 parent 1:1 handle 2: fq_codel flows 4096 limit 10000; } > "$TMP/tc" 2>&1; then
	skip_point "tc cannot set up fq_codel: $(cat "$TMP/tc")"
else
	classes() {
		on a tc -s class show dev eth0 | grep -c 'class fq_codel'
	}
	# A datagram from each of fifty ports, from PORT on
	fifty() { # ADDRESS PORT
		# shellcheck disable=SC2016
		must "50 datagrams" on a sh -c 'for port in $(seq "$2" $(($2 + 49))); do
			"$0" udp-send "$1" 9 00 1 "$port" || exit; done' "$LIB_DIR/wire" "$1" "$2"
	}
	# What tbf lets pass at once goes to these.
	must "one flow of 100 segments" on a "$opt" gso 10.9.0.2 9 100 100 100
	before=$(classes)
	expect_range "flows by the segments of one, and the answers" 1 3 "$before"
	fifty 10.9.0.2 2001
	after=$(classes)
	expect_min "flows, with 50 more over IPv4" $((before + 35)) "$after"
	fifty fd09::2 3001
	expect_min "flows, with 50 more over IPv6" $((after + 35)) "$(classes)"
fi

finish
