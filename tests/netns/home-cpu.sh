#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What two CPUs send, the queues of the outer device would mix up: one CPU sends
# for a peer, its home, and where that goes offline another one, alone.

. "$(dirname "$0")/lib.sh"

begin 2 "the CPU that sends for a busy peer goes offline" nft taskset
CPUS=$(grep -c ^processor /proc/cpuinfo)
home=/sys/devices/system/cpu/cpu1/online
[ "$DRIVER" = adit ] || skip_all "the kernel's own driver sends by any CPU"
[ "$CPUS" -ge 3 ] || skip_all "it takes three CPUs"
[ -w "$home" ] || skip_all "no CPU can be taken offline here"

# scenario_cleanup: the CPU is back
scenario_cleanup() {
	echo 1 > "$home"
}

pair
tunnel
expect_ping "tunnel is up" a -c 1 10.9.0.2
{
	echo "table inet cpus {"
	for ((i = 0; i < CPUS; i++)); do echo "counter c$i { }"; done
	echo "chain c { type filter hook output priority 0"
	for ((i = 0; i < CPUS; i++)); do
		echo "udp sport 51820 udp length > 1000 meta cpu $i counter name c$i"
	done
	printf '}\n}\n'
} | nft_load a

# advancing: a sends now
advancing() {
	local tx

	transfer a wg0 "${PUB[b]}"
	tx=$TX
	sleep 0.1
	transfer a wg0 "${PUB[b]}"
	[ "$TX" -gt $((tx + 10000)) ]
}
# by_cpu: of the messages that left within a second: $SENT in all, by CPU $FIRST
# most, by other ones $OTHERS
by_cpu() {
	local i n most=0

	must "clearing the counters" on a sh -c \
		'nft reset counters table inet cpus > /dev/null'
	sleep 1
	FIRST='' SENT=0
	for ((i = 0; i < CPUS; i++)); do
		n=$(nft_count a cpus "c$i")
		SENT=$((SENT + n))
		[ "$n" -lt "$most" ] || { most=$n FIRST=$i; }
	done
	OTHERS=$((SENT - most))
	say "CPU $FIRST sends; by others $OTHERS of $SENT"
}

point "a flow that keeps several CPUs busy: the one that it began on sends"
sleep 1.2	# the peer rests
start sink b "$LIB_DIR/wire" udp-sink 7000 100000000 3
start flow a taskset 2 "$LIB_DIR/wire" udp-flow 10.9.0.2 7000 100000000 1300 1000000
flow=$PID
expect_soon 5 "traffic" advancing
by_cpu
expect_eq "the CPU that sends" 1 "$FIRST"
expect_min "messages that left" 100 "$SENT"
expect_range "messages that others send" 0 $((SENT / 50)) "$OTHERS"

point "it goes offline: from then on one other sends, alone"
echo 0 > "$home" || fail "CPU 1 goes" "refused"
expect_soon 5 "traffic without it" advancing
by_cpu
expect_ne "the CPU that sends" 1 "$FIRST"
expect_min "messages that left" 100 "$SENT"
expect_range "messages that others send" 0 $((SENT / 50)) "$OTHERS"
stop "$flow"

finish
