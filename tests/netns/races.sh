#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Peers that go while their packets, their handshakes and a dump are under way;
# queues that are filled to the brim. Everything ends in time and works after.

. "$(dirname "$0")/lib.sh"

begin 5 "removal races and overload"

pair
tunnel
expect_ping "a session" a -c 1 10.9.0.2

FLOWS=()
# flood HOST ADDRESS SIZE NUMBER: that many senders, each as fast as it goes.
flood() {
	local i

	for ((i = 0; i < $4; i++)); do
		start "flood-$1-$i" "$1" bash -c \
			'while :; do "$0" udp-flow "$1" 9 1000000 "$2" 1000000; done 2> /dev/null' \
			"$LIB_DIR/wire" "$2" "$3"
		FLOWS+=("$PID")
	done
}
calm() {
	local p

	for p in "${FLOWS[@]}"; do
		# Or it would begin another.
		kill -STOP "$p" 2> /dev/null
		pkill -P "$p" 2> /dev/null
		stop "$p" KILL
	done
	FLOWS=()
}
scenario_cleanup() { calm; }
answered() {
	on "$1" ping -q -c 1 -W 1 "$2"
}
works() { # STEP SECONDS
	expect_soon "$2" "$1: b answers a" answered a 10.9.0.2
	expect_soon "$2" "$1: a answers b" answered b 10.9.0.1
}
# quick STEP COMMAND...: succeeds within 10 s.
quick() {
	local step=$1 t

	shift
	t=$(now)
	expect_ok "$step" "$@"
	expect_range "$step: milliseconds" 0 $((10000 * ADIT_SLOW)) $(($(now) - t))
}
ROUNDS=15

# Always in the background: dumps of a, without end.
start dumps a bash -c 'n=0; trap "echo \$n; exit" TERM
	while :; do wg show wg0 dump > /dev/null || echo failed; n=$((n + 1)); sleep 0.02; done'
dumps=$PID

point "a peer removed and added under traffic both ways"
flood a 10.9.0.2 64 1
flood b 10.9.0.1 64 1
for ((i = 0; i < ROUNDS; i++)); do
	quick "round $i: removing b" on a wg set wg0 peer "${PUB[b]}" remove
	quick "round $i: adding b" on a wg set wg0 peer "${PUB[b]}" \
		allowed-ips 10.9.0.2/32,fd09::2/128 endpoint 192.0.2.2:51820
done
calm
works "after it" 20

point "removed in the midst of handshakes that both ends begin"
flood a 10.9.0.2 64 1
flood b 10.9.0.1 64 1
for ((i = 0; i < ROUNDS; i++)); do
	# Gone on one end, new on both: each forgets the other's time and session.
	quick "round $i: b forgets a" on b wg set wg0 peer "${PUB[a]}" remove
	quick "round $i: b knows a" on b wg set wg0 peer "${PUB[a]}" \
		allowed-ips 10.9.0.1/32,fd09::1/128 endpoint 192.0.2.1:51820
	quick "round $i: a forgets b" on a wg set wg0 peer "${PUB[b]}" remove
	quick "round $i: a knows b" on a wg set wg0 peer "${PUB[b]}" \
		allowed-ips 10.9.0.2/32,fd09::2/128 endpoint 192.0.2.2:51820
done
calm
works "after it" 20

point "all peers replaced under traffic"
conf() { # HOST OTHER NUMBER: that other peer, and NUMBER more
	local i n=2 a=192.0.2.2

	[ "$1" = a ] || n=1 a=192.0.2.1
	printf '[Interface]\nListenPort = 51820\nPrivateKey = %s\n' "${KEY[$1]}"
	printf '[Peer]\nPublicKey = %s\nAllowedIPs = 10.9.0.%s/32, fd09::%s/128\nEndpoint = %s:51820\n' \
		"${PUB[$2]}" $n $n $a
	for ((i = 0; i < $3; i++)); do
		printf '[Peer]\nPublicKey = peer%038d0=\nAllowedIPs = 10.77.%d.0/24\nEndpoint = %s:9\n' \
			"$i" "$i" $a
	done
}
for h in a b; do
	o=b
	[ $h = a ] || o=a
	conf $h $o 20 > "$TMP/$h-20"
	conf $h $o 0 > "$TMP/$h-0"
	chmod 600 "$TMP/$h-20" "$TMP/$h-0"
done
flood a 10.9.0.2 64 1
flood b 10.9.0.1 64 1
for ((i = 0; i < ROUNDS; i++)); do
	for n in 20 0; do
		quick "round $i: replacing those of a" on a wg setconf wg0 "$TMP/a-$n"
		quick "round $i: replacing those of b" on b wg setconf wg0 "$TMP/b-$n"
	done
done
calm
works "after it" 20

point "queues filled to the brim: traffic resumes at once, each time"
for ((i = 0; i < 3; i++)); do
	flood a 10.9.0.2 8 4
	flood b 10.9.0.1 8 4
	sleep 1
	calm
	expect_soon 3 "round $i: b answers a" answered a 10.9.0.2
	expect_ping "round $i: and goes on to" a -c 5 -i 0.02 10.9.0.2
done
# The same in large packets, through a receiver that is kept busy.
start sink b "$LIB_DIR/wire" udp-sink 5002 2000 3
sink=$PID
ready sink ready
flood a 10.9.0.2 1372 2
flood b 10.9.0.1 1372 2
sleep 1
calm
expect_ok "a flow behind it" on a "$LIB_DIR/wire" udp-flow 10.9.0.2 5002 2000 64 4000
wait "$sink"
read -r received lost _ twice corrupt <<< "$(tail -n 1 "$TMP/sink")"
expect_min "of 2000 datagrams received" 1900 "$received"
expect_eq "twice, corrupt" "0 0" "$twice $corrupt"

point "the dumps meanwhile"
stop "$dumps"
expect_unlike "none failed" "*failed*" "$(cat "$TMP/dumps")"
expect_min "dumps" 10 "$(tail -n 1 "$TMP/dumps")"
quick "deleting the device under traffic" on a sh -c \
	"'$LIB_DIR/wire' udp-flow 10.9.0.2 9 100000 64 1000000 2> /dev/null & sleep 0.2; ip link del wg0"

finish
