#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The module is removed, devices are deleted, namespaces go: under traffic.

. "$(dirname "$0")/lib.sh"

begin 6 "device deletion, namespace deletion, module removal under traffic"

wire=$LIB_DIR/wire
pair

# Traffic in both directions, until the devices under it are gone.
flows() {
	start flow-a a "$wire" udp-flood 10.9.0.2 9 1200 500
	FLOWS=("$PID")
	start flow-b b "$wire" udp-flood 10.9.0.1 9 700 500
	FLOWS+=("$PID")
	if has_ipv6; then
		start flow-c a "$wire" udp-flood fd09::2 9 4000 100
		FLOWS+=("$PID")
	fi
	sleep 0.2
}
flows_end() {
	local p

	for p in "${FLOWS[@]}"; do
		stop "$p"
	done
}
sockets() {
	on "$1" sh -c 'cat /proc/net/udp*' | grep -c ':CA6C '
}

point "a device is deleted under traffic, three times"
for _ in 1 2 3; do
	tunnel
	flows
	expect_ok "deleting wg0 of a" on a timeout "$(slow 20)" ip link del wg0
	expect_ok "deleting wg0 of b" on b timeout "$(slow 20)" ip link del wg0
	flows_end
done
expect_eq "sockets left at a, b" "0 0" "$(sockets a) $(sockets b)"

point "a device goes down and up under traffic, six times"
tunnel
flows
for _ in 1 2 3 4 5 6; do
	expect_ok "wg0 of a down" on a ip link set wg0 down
	expect_ok "wg0 of a up" on a ip link set wg0 up
done
flows_end
pings() {
	on a ping -q -c 1 -W 1 10.9.0.2
}
expect_soon 10 "the tunnel works" pings

point "the namespace of a device is deleted under traffic"
host_new x z
link x eth0 b ethx
link x up z ex
addr x eth0 198.51.100.1/24
addr b ethx 198.51.100.2/24
keys x
wg_new x wg0
wg_key x wg0
wg_set x wg0 listen-port 51820 peer "${PUB[b]}" allowed-ips 10.9.0.2/32 \
	endpoint 198.51.100.2:51820
wg_set b wg0 peer "${PUB[x]}" allowed-ips 10.9.0.3/32
addr x wg0 10.9.0.3/24
must "wg0 of x up" on x ip link set wg0 up
expect_ping "x pings b" x -c 1 10.9.0.2
start flow b "$wire" udp-flow 10.9.0.3 9 100000000 1200 500
flow=$PID
start flow-x x "$wire" udp-flow 10.9.0.2 9 100000000 1200 500
sleep 0.3
host_gone x
gone() {
	! on z ip link show ex > /dev/null 2>&1
}
expect_soon 10 "the namespace is destroyed" gone
stop "$flow"

if [ -z "${ADIT_GUEST:-}" ]; then
	why="the module is removed only in a test guest (ADIT_GUEST)"
else
	why=
fi
# load: the module that was there before.
load() {
	if [ -n "${ADIT_MODULE:-}" ]; then
		insmod "$ADIT_MODULE"
	else
		modprobe wireguard
	fi
}
version=$(cat /sys/module/wireguard/srcversion 2> /dev/null)

point "the module is removed with devices up and traffic in them"
if [ -n "$why" ]; then
	skip_point "$why"
else
	flows
	expect_ok "rmmod wireguard" timeout "$(slow 30)" rmmod wireguard
	flows_end
	expect_fail "wg0 of a is gone" on a ip link show wg0
	expect_fail "wg0 of b is gone" on b ip link show wg0
	expect_eq "sockets left at a, b" "0 0" "$(sockets a) $(sockets b)"
	expect_eq "module in /sys" "" "$(ls -d /sys/module/wireguard 2> /dev/null)"
fi

point "it is removed while devices are made, listed and set, under traffic"
if [ -n "$why" ]; then
	skip_point "$why"
else
	for round in 1 2; do
		load 2> /dev/null
		tunnel
		expect_ping "a pings b" a -c 1 10.9.0.2
		flows
		loops=()
		enough=$TMP/enough
		rm -f "$enough"
		start dumps a sh -c 'while [ ! -e "$0" ]; do wg show all dump; wg show wg0 peers; done' "$enough"
		loops+=("$PID")
		start links b sh -c 'while [ ! -e "$0" ]; do
			ip link add wg7 type wireguard && ip link set wg7 up; ip link del wg7; done' "$enough"
		loops+=("$PID")
		start sets a sh -c 'while [ ! -e "$0" ]; do
			wg set wg0 listen-port 51820 peer "$1" persistent-keepalive 1
			wg set wg0 peer "$1" persistent-keepalive 0; done' "$enough" "${PUB[b]}"
		loops+=("$PID")
		sleep 0.5
		# Who adds a link holds the module for that moment: then it is in use.
		expect_soon 30 "rmmod wireguard, round $round" timeout "$(slow 30)" rmmod wireguard
		# Each comes to the end of its round: an `ip link add` that was left
		# behind would bring the module back at any time.
		touch "$enough"
		wait "${loops[@]}"
		flows_end
		expect_fail "wg0 of a is gone" on a ip link show wg0
		# ip link add may have brought it back.
		if [ -d /sys/module/wireguard ]; then
			expect_soon 10 "removing what came back" rmmod wireguard
		fi
		expect_eq "sockets left at a, b" "0 0" "$(sockets a) $(sockets b)"
		expect_eq "module in /sys" "" "$(ls -d /sys/module/wireguard 2> /dev/null)"
	done
fi

point "it is loaded again by its name and works, twice"
if [ -n "$why" ]; then
	skip_point "$why"
else
	for _ in 1 2; do
		expect_ok "loading it" load
		expect_eq "the same module as before" "$version" \
			"$(cat /sys/module/wireguard/srcversion)"
		tunnel
		expect_ping "a pings b" a -c 2 -i 0.05 10.9.0.2
		expect_ok "rmmod wireguard" timeout "$(slow 30)" rmmod wireguard
	done
	expect_ok "ip link add loads it" on a ip link add wg0 type wireguard
	expect_eq "the same module as before" "$version" \
		"$(cat /sys/module/wireguard/srcversion)"
fi

finish
