#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A peer that would keep a CPU busy is spread over several, and only such a one. A
# CPU that does not come to do its share keeps nobody up.

. "$(dirname "$0")/lib.sh"

begin 5 "work spread over the CPUs" ethtool taskset chrt
[ "$(nproc)" -gt 1 ] || skip_all "there is one CPU"
[ "$DRIVER" = adit ] || skip_all "the counters are Adit's"

HOG=
# scenario_cleanup: the CPU is given back
scenario_cleanup() {
	# shellcheck disable=SC2086 # a list
	[ -z "$HOG" ] || kill -9 $HOG 2> /dev/null
	[ -z "${RT_RUNTIME:-}" ] || echo "$RT_RUNTIME" > /proc/sys/kernel/sched_rt_runtime_us
}

pair
tunnel
expect_ping "tunnel is up" a -c 1 10.9.0.2
expect_ping "both ways" b -c 1 10.9.0.1
head -c 12000000 /dev/urandom > "$TMP/sent"

worker() { # HOST tx|rx batches|messages
	on "$1" ethtool -S wg0 | awk -v n="$2_worker_$3:" '$1 == n { print $2 }'
}
messages() { # both hosts, both ways
	echo $(($(worker a tx messages) + $(worker a rx messages) +
		$(worker b tx messages) + $(worker b rx messages)))
}
packets() { # HOST rx|tx
	devstat "$1" wg0 "$2_packets"
}
# What a peer with little to do sends and receives. A machine whose CPUs somebody
# else keeps busy takes little for much: so five times at most.
little() { # STEP
	local before did try

	if [ "$ADIT_SLOW" -gt 1 ]; then
		skip_point "what is little is much for a CPU of this kernel"
		return
	fi
	for try in 1 2 3 4 5; do
		sleep 0.1
		before=$(messages)
		expect_ping "$1: pings" a -c 20 -i 0.02 10.9.0.2
		start sink b "$LIB_DIR/wire" udp-sink 7000 500 3
		expect_ok "$1: a slow flow" on a "$LIB_DIR/wire" udp-flow 10.9.0.2 7000 500 400 200
		wait "$PID"
		did=$(($(messages) - before))
		[ "$did" -gt 100 ] || break
		say "$1: workers did $did (try $try)"
	done
	# of 2,160: while another CPU delivers what was sent before, as it may be
	expect_range "$1: messages that workers did" 0 100 "$did"
}

point "a peer with little to do needs no worker"
little "at first"

point "a transfer: most of it is done by workers, of both ends"
tx=$(worker a tx messages) rx=$(worker b rx messages) batches=$(worker b rx batches)
sent=$(packets a tx) received=$(packets b rx)
copy "12 MB" a b 10.9.0.2
sent=$(($(packets a tx) - sent)) received=$(($(packets b rx) - received))
tx=$(($(worker a tx messages) - tx)) rx=$(($(worker b rx messages) - rx))
batches=$(($(worker b rx batches) - batches))
say "sent $sent, by workers $tx; received $received, by workers $rx in $batches batches"
expect_min "of the messages sent, by workers" $((sent / 2)) "$tx"
expect_min "of the messages received, by workers" $((received / 2)) "$rx"
expect_min "received messages that came one by one are done several at once" \
	$((batches * 3 / 2)) "$rx"

point "UDP as fast as it can be sent: in order, none twice, none corrupt"
rx=$(worker b rx messages)
start sink b "$LIB_DIR/wire" udp-sink 7000 40000 2
on a "$LIB_DIR/wire" udp-flow 10.9.0.2 7000 40000 1300 1000000 16 > "$TMP/flow" 2>&1
wait "$PID"
read -r got _ late twice corrupt < <(tail -n1 "$TMP/sink")
expect_min "received" 1000 "$got"
expect_eq "late, twice, corrupt" "0 0 0" "$late $twice $corrupt"
expect_min "by workers" 500 $(($(worker b rx messages) - rx))

point "afterwards it needs none again"
little "afterwards"

point "a real-time task keeps a CPU, also the one that sent last: transfers do not wait for it"
head -c 3000000 /dev/urandom > "$TMP/sent"
all=$(taskset -p $$)
all=${all##* }
RT_RUNTIME=$(cat /proc/sys/kernel/sched_rt_runtime_us)
echo -1 > /proc/sys/kernel/sched_rt_runtime_us
# after a rest, what a and b send goes out by the last CPU
sleep 1.1
taskset -p "$(printf '%x' $((1 << ($(nproc) - 1))))" $$ > "$TMP/mask"
expect_ping "from the last CPU" a -c 1 10.9.0.2
taskset -p 1 $$ > "$TMP/mask" # this script and its children: the first CPU
for ((cpu = 1; cpu < $(nproc --all); cpu++)); do
	chrt -f 50 taskset -c $cpu sh -c 'while :; do :; done' &
	HOG="$HOG $!"
done
before=$(now)
copy "3 MB past the task" a b 10.9.0.2
took=$(($(now) - before))
# shellcheck disable=SC2086 # a list
{
	expect_ok "the task is still there" kill -0 $HOG
	kill -9 $HOG
	wait $HOG 2> /dev/null
}
HOG=
echo "$RT_RUNTIME" > /proc/sys/kernel/sched_rt_runtime_us
taskset -p "$all" $$ > "$TMP/mask"
say "it took $took ms"
expect_range "ms" 0 $(($(slow 5) * 1000)) "$took"
copy "3 MB without it" a b 10.9.0.2

finish
