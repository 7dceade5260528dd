#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Two drivers that begin at once, over a wire that loses, doubles, delays and
# reorders.

. "$(dirname "$0")/../netns/lib.sh"

begin 3 "handshakes over a bad wire" tc

pair
tunnel
on a tc qdisc add dev eth0 root netem delay 1ms > "$TMP/netem" 2>&1 ||
	skip_all "no netem: $(< "$TMP/netem")"

# Made anew each time: a change keeps what it does not name.
bad_wire() { # NETEM...
	local h

	for h in a b; do
		on "$h" tc qdisc del dev eth0 root 2> /dev/null
		must "netem on $h" on "$h" tc qdisc add dev eth0 root netem "$@"
	done
}

both_anew() {
	local h

	for h in a b; do
		must "wg0 of $h down" on "$h" ip link set wg0 down
	done
	for h in a b; do
		must "wg0 of $h up" on "$h" ip link set wg0 up
	done
	on a ping -q -n -c 1 -W 1 10.9.0.2 > /dev/null &
	on b ping -q -n -c 1 -W 1 10.9.0.1 > /dev/null
	wait $!
}

pings() { # FROM TO
	on "$1" ping -q -n -c 1 -W 1 "$2" > /dev/null
}

point "both at once, with delay and reordering"
for i in 1 2 3; do
	bad_wire delay 60ms 50ms reorder 50%
	both_anew
	expect_soon 20 "round $i: a reaches b" pings a 10.9.0.2
	expect_soon 20 "round $i: b reaches a" pings b 10.9.0.1
done

point "both at once, with a third lost and a third doubled"
for i in 1 2; do
	bad_wire loss 33% duplicate 33% delay 5ms 4ms
	both_anew
	expect_soon 60 "round $i: a reaches b" pings a 10.9.0.2
	expect_soon 60 "round $i: b reaches a" pings b 10.9.0.1
done

point "they have converged: over a good wire nothing is lost"
bad_wire delay 1ms
sleep 0.3
expect_ping "a pings b" a -c 10 -i 0.1 10.9.0.2
expect_ping "b pings a" b -c 10 -i 0.1 10.9.0.1

finish
