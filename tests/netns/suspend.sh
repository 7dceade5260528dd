#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Suspend, as far as pm_test takes it: sessions are gone, the tunnel is back by
# itself. Kernels that go to sleep by themselves keep sessions; Debian's are not
# such.

. "$(dirname "$0")/lib.sh"

begin 4 "suspend clears sessions, the tunnel recovers" nft
if [ ! -w /sys/power/pm_test ] || [ ! -w /sys/power/state ]; then
	skip_all "no pm_test in this kernel"
fi
state=
for s in freeze mem; do
	[ -n "$state" ] || ! grep -qw "$s" /sys/power/state || state=$s
done
[ -n "$state" ] || skip_all "no sleep state in this kernel"
delay=/sys/module/suspend/parameters/pm_test_delay
old_delay=$(cat "$delay" 2> /dev/null)
[ ! -w "$delay" ] || echo 1 > "$delay"
scenario_cleanup() {
	echo none > /sys/power/pm_test
	[ -z "$old_delay" ] || echo "$old_delay" > "$delay"
}
suspend() { # LEVEL
	local to=${2:-$state}

	STEP="suspend ($to), as far as $1"
	OUT=$({ echo "$1" > /sys/power/pm_test && echo "$to" > /sys/power/state; } 2>&1) ||
		fail success "$OUT"
}

pair
tunnel
spy a eth0
expect_ping "tunnel is up" a -c 1 10.9.0.2

point "sessions are cleared: the next packet begins with a handshake"
spy_zero a
expect_ping "a session is there" a -c 1 10.9.0.2
expect_spy "before" a tx_init=0 tx_data=1
# The time from the last handshake is over, so that a new one may go at once.
sleep 5.2
suspend freezer
spy_zero a
expect_ping "a pings b" a -c 1 10.9.0.2
spy_read a
expect_eq "initiations sent, responses received" "1 1" "${SPY[tx_init]} ${SPY[rx_resp]}"

point "from the other side"
# a's keepalive for the answer has gone, or it would be what begins
sleep 12
suspend freezer
spy_zero a
expect_ping "b pings a" b -c 1 10.9.0.1
expect_spy "a answers" a rx_init=1 tx_resp=1
expect_eq "the endpoint is kept" 192.0.2.2:51820 "$(wg_get a wg0 endpoints "${PUB[b]}")"

point "hibernation clears sessions as well"
if grep -qw disk /sys/power/state && ! grep -qx '\[disabled\]' /sys/power/disk; then
	sleep 12
	expect_ping "a session is there" a -c 1 10.9.0.2
	sleep 5.2
	suspend freezer disk
	spy_zero a
	expect_ping "a pings b" a -c 1 10.9.0.2
	spy_read a
	expect_eq "initiations sent, responses received" "1 1" "${SPY[tx_init]} ${SPY[rx_resp]}"
else
	skip_point "this kernel does not hibernate"
fi

point "under traffic, devices suspended too: it goes on by itself"
start flow a "$LIB_DIR/wire" udp-flow 10.9.0.2 9 100000000 800 200
flow=$PID
start flow-b b "$LIB_DIR/wire" udp-flow 10.9.0.1 9 100000000 800 200
flow_b=$PID
suspend devices
transfer b wg0 "${PUB[a]}"
rx=$RX
moving() {
	transfer b wg0 "${PUB[a]}"
	[ "$RX" -gt $((rx + 5000)) ]
}
expect_soon 20 "b receives again" moving
stop "$flow"
stop "$flow_b"
expect_ping "a pings b" a -c 1 10.9.0.2

finish
