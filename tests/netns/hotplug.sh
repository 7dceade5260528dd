#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# CPUs that go and come under load: traffic goes on, in both directions.

. "$(dirname "$0")/lib.sh"

begin 3 "CPU hotplug under load" taskset
cpus=
for f in /sys/devices/system/cpu/cpu[1-9]*/online; do
	[ ! -w "$f" ] || cpus="$cpus $f"
done
[ -n "$cpus" ] || skip_all "no CPU can be taken offline here"

# scenario_cleanup: all CPUs are back
scenario_cleanup() {
	local f

	for f in $cpus; do
		echo 1 > "$f"
	done 2> /dev/null
}

pair
tunnel
expect_ping "tunnel is up" a -c 1 10.9.0.2
toggle() { # 0|1
	local f

	for f in $cpus; do
		echo "$1" > "$f" || fail "CPU to $1" "refused"
	done
}
flows() {
	start sink-b b "$LIB_DIR/wire" udp-sink 7000 100000000 3
	start sink-a a "$LIB_DIR/wire" udp-sink 7000 100000000 3
	# whoever sends after a rest of a second is the CPU that sends from then on:
	# one that is going to be taken away, of both ends
	sleep 1.2
	must "a ping by CPU 1" on a taskset 2 ping -q -n -c 1 -W 1 10.9.0.2
	start flow-a a "$LIB_DIR/wire" udp-flow 10.9.0.2 7000 100000000 1000 400 5
	FLOWS=("$PID")
	start flow-b b "$LIB_DIR/wire" udp-flow 10.9.0.1 7000 100000000 1400 400 5
	FLOWS+=("$PID")
}
# advancing: both directions carry data now
advancing() {
	local rx tx

	transfer a wg0 "${PUB[b]}"
	rx=$RX tx=$TX
	sleep 0.1
	transfer a wg0 "${PUB[b]}"
	[ "$RX" -gt $((rx + 2000)) ] && [ "$TX" -gt $((tx + 2000)) ]
}

point "five times off and on under load: both directions go on each time"
flows
expect_soon 5 "traffic" advancing
for round in 1 2 3 4 5; do
	toggle 0
	expect_soon 5 "round $round: traffic with a CPU less" advancing
	toggle 1
	expect_soon 5 "round $round: traffic with all CPUs" advancing
done

point "pings are answered meanwhile"
toggle 0
expect_ping "with a CPU less" a -c 5 -i 0.1 10.9.0.2
toggle 1
expect_ping "with all CPUs" a -c 5 -i 0.1 10.9.0.2
for p in "${FLOWS[@]}"; do
	stop "$p"
done

point "large transfers and handshakes with a CPU less"
head -c 1000000 /dev/urandom > "$TMP/sent"
copy() { # STEP
	local listener

	start received b "$LIB_DIR/wire" tcp-listen 5001
	listener=$PID
	STEP=$1
	OUT=$(on a timeout "$(slow 30)" "$LIB_DIR/wire" tcp-send 10.9.0.2 5001 \
		< "$TMP/sent" 2>&1) && wait "$listener" || fail "the transfer ends" "$OUT"
	expect_ok "$1: what came is what was sent" cmp "$TMP/sent" "$TMP/received"
}
toggle 0
for h in a b; do
	must "down" on "$h" ip link set wg0 down
	must "up" on "$h" ip link set wg0 up
done
copy "a CPU less"
(sleep 0.1; toggle 1; toggle 0; toggle 1) &
toggler=$!
copy "while CPUs come and go"
wait "$toggler"

finish
