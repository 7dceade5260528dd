#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Namespaces that hold each other's devices, in use and under traffic; whichever
# goes first, everything is freed.

. "$(dirname "$0")/lib.sh"

begin 5 "crossed and moved devices: all is freed"

wire=$LIB_DIR/wire
host_new w	# holds the other end of a wire of each namespace: gone when that is
refs=$(cat /sys/module/wireguard/refcnt 2> /dev/null)

sockets() { # HOST PORT(hex)
	on "$1" sh -c 'cat /proc/net/udp /proc/net/udp6' | grep -c ":$2 "
}
# watched NAME...: new hosts whose end can be seen from w
watched() {
	local h

	host_new "$@"
	for h; do
		link "$h" watch w "w-$h"
	done
}
destroyed() { # NAME...
	local h

	for h; do
		! on w ip link show "w-$h" > /dev/null 2>&1 || return 1
	done
}

# crossed: x and y joined by a wire; wx is born in x and lives in y, wy is born in
# y and lives in x; they are each other's peers.
crossed() {
	watched x y
	link x eth0 y eth0
	addr x eth0 192.0.2.1/24 2001:db8::1/64
	addr y eth0 192.0.2.2/24 2001:db8::2/64
	wg_new x wx
	wg_new y wy
	must "wx to y" on x ip link set wx netns "${NS[y]}"
	must "wy to x" on y ip link set wy netns "${NS[x]}"
	keys x y
	wg_key y wx "${KEY[x]}"
	wg_key x wy "${KEY[y]}"
	wg_set y wx listen-port 51821 peer "${PUB[y]}" allowed-ips 10.9.0.0/24 \
		endpoint 192.0.2.2:51822
	wg_set x wy listen-port 51822 peer "${PUB[x]}" allowed-ips 10.9.0.0/24 \
		endpoint "[2001:db8::1]:51821"
	addr y wx 10.9.0.1/24
	addr x wy 10.9.0.2/24
	must "wx up" on y ip link set wx up
	must "wy up" on x ip link set wy up
	expect_ping "y pings x" y -c 1 10.9.0.2
	expect_ping "x pings y" x -c 1 10.9.0.1
	expect_eq "sockets of wx in x and y, of wy in x and y" "2 0 0 2" \
		"$(sockets x CA6D) $(sockets y CA6D) $(sockets x CA6E) $(sockets y CA6E)"
}
traffic() {
	start flow-x x "$wire" udp-flow 10.9.0.1 9 100000000 1200 300
	start flow-y y "$wire" udp-flow 10.9.0.2 9 100000000 1200 300
	sleep 0.2
}

# silent HOST DEVICE: it has no carrier (which the kernel notes by the way)
silent() {
	on "$1" ip link show "$2" | grep -q NO-CARRIER
}

point "a device moved from one to the next and home again works at every stop"
watched p q r
link p eth0 w eth0
addr p eth0 192.0.2.1/24
addr w eth0 192.0.2.2/24
keys p w
wg_new w wg0
wg_key w wg0
wg_set w wg0 listen-port 51820 peer "${PUB[p]}" allowed-ips 10.9.0.1/32
addr w wg0 10.9.0.2/24
must "up" on w ip link set wg0 up
wg_new p wg0
wg_key p wg0
wg_set p wg0 listen-port 51820 peer "${PUB[w]}" allowed-ips 10.9.0.2/32 \
	endpoint 192.0.2.2:51820
from=p
for to in q r p r q p; do
	must "from $from to $to" on "$from" ip link set wg0 netns "${NS[$to]}"
	addr "$to" wg0 10.9.0.1/24
	must "up" on "$to" ip link set wg0 up
	expect_ping "$to pings w" "$to" -c 1 10.9.0.2
	expect_eq "sockets in p, q, r" "2 0 0" \
		"$(sockets p CA6C) $(sockets q CA6C) $(sockets r CA6C)"
	from=$to
done
must "to q" on p ip link set wg0 netns "${NS[q]}"
for h in q r p; do
	host_gone "$h"
done
expect_soon 10 "p, q, r are destroyed" destroyed p q r
must "removing wg0 of w" on w ip link del wg0

point "crossed devices under traffic: the first namespace goes, then the second"
crossed
traffic
host_gone x
expect_soon 20 "x is destroyed" destroyed x
# wx had its sockets in x.
expect_soon 5 "wx has no carrier" silent y wx
must "wx down" on y ip link set wx down
expect_fail "wx up" on y ip link set wx up
expect_like "why" "*not on the network*" "$OUT"
expect_eq "sockets left in y" "0 0" "$(sockets y CA6D) $(sockets y CA6E)"
host_gone y
expect_soon 20 "y is destroyed" destroyed y

point "the second goes first; both at once"
crossed
traffic
host_gone y
expect_soon 20 "y is destroyed" destroyed y
expect_soon 5 "wy has no carrier" silent x wy
host_gone x
expect_soon 20 "x is destroyed" destroyed x
crossed
traffic
host_gone x &
one=$!
host_gone y
wait "$one"
expect_soon 20 "both are destroyed" destroyed x y

point "the outer namespace goes under a live peer with a cached route, IPv4 and IPv6"
for family in 4 6; do
	[ "$family" = 4 ] && to=192.0.2.2 || to="[2001:db8::2]"
	watched o i
	link o eth0 w "eth$family"
	addr o eth0 192.0.2.1/24 2001:db8::1/64
	addr w "eth$family" 192.0.2.2/24 2001:db8::2/64
	keys i w
	wg_new o wg0
	must "moving it" on o ip link set wg0 netns "${NS[i]}"
	wg_key i wg0
	wg_set i wg0 listen-port 51820 peer "${PUB[w]}" allowed-ips 10.9.0.2/32 \
		endpoint "$to:51820" persistent-keepalive 1
	wg_new w wg0
	wg_key w wg0
	wg_set w wg0 listen-port 51820 peer "${PUB[i]}" allowed-ips 10.9.0.1/32
	addr i wg0 10.9.0.1/24
	addr w wg0 10.9.0.2/24
	# i initiates as soon as it is up.
	must "up" on w ip link set wg0 up
	must "up" on i ip link set wg0 up
	expect_ping "i pings w" i -c 2 -i 0.1 10.9.0.2
	start flow i "$wire" udp-flow 10.9.0.2 9 100000000 1200 300
	flow=$PID
	sleep 0.2
	host_gone o
	expect_soon 10 "IPv$family: o is destroyed while i sends" destroyed o
	expect_soon 5 "it has no carrier" silent i wg0
	# Its keepalives, one each second, ask no queue and no carrier.
	transfer i wg0 "${PUB[w]}"
	tx=$TX
	sleep 2.2
	expect_ok "the flow goes on" kill -0 "$flow"
	transfer i wg0 "${PUB[w]}"
	expect_eq "bytes that it sent in more than two seconds" 0 $((TX - tx))
	if [ "$DRIVER" = adit ]; then
		expect_min "keepalives that could not go, of two: tx_errors" 1 \
			"$(devstat i wg0 tx_errors)"
	fi
	expect_eq "the peer is still configured" "$to:51820" \
		"$(wg_get i wg0 endpoints "${PUB[w]}")"
	stop "$flow"
	host_gone i
	expect_soon 10 "IPv$family: i is destroyed" destroyed i
	must "removing wg0 of w" on w ip link del wg0
done

point "twelve times: no namespace, no reference to the module stays"
for round in 1 2 3; do
	for n in 1 2 3 4; do
		a=${NS[w]}-$round$n-a b=${NS[w]}-$round$n-b
		ip -batch - <<- END || fail "setting up" "failure"
			netns add $a
			netns add $b
			link add t$round$n type veth peer name watch netns $a
			link add u$round$n type veth peer name watch netns $b
			link set t$round$n netns ${NS[w]}
			link set u$round$n netns ${NS[w]}
		END
		for pair in "$a $b" "$b $a"; do
			# older kernels look for the name in both namespaces
			dev=wg-${pair##*-}
			ip -n "${pair% *}" link add "$dev" netns "${pair#* }" type wireguard &&
				ip -n "${pair#* }" link set "$dev" up ||
				fail "setting up" "failure"
		done
		if [ $((n % 2)) = 0 ]; then
			ip netns del "$a"
			ip netns del "$b"
		else
			ip netns del "$b"
			ip netns del "$a"
		fi
	done
done
none() {
	! on w ip -br link | grep -E '^[tu][0-9]'
}
expect_soon 30 "all are destroyed" none
expect_eq "references to the module" "$refs" "$(cat /sys/module/wireguard/refcnt)"

finish
