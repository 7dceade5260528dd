#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Peers that go while their packets, their handshakes and a dump are under way;
# queues that are filled to the brim. Everything ends in time and works after.

. "$(dirname "$0")/lib.sh"

begin 7 "removal races and overload"

pair
tunnel
expect_ping "a session" a -c 1 10.9.0.2

FLOWS=()
# flood HOST ADDRESS SIZE NUMBER: that many senders, each as fast as it goes.
flood() {
	local i

	for ((i = 0; i < $4; i++)); do
		start "flood-$1-$i" "$1" "$LIB_DIR/wire" udp-flood "$2" 9 "$3"
		FLOWS+=("$PID")
	done
}
calm() {
	local p

	for p in "${FLOWS[@]}"; do
		expect_ok "the senders never end by themselves" kill -0 "$p"
		stop "$p"
	done
	FLOWS=()
}
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

point "the private key taken, set and changed under traffic both ways"
# b knows both identities; it may send to the first only.
k_a=${KEY[a]} k_b=$(wg genkey)
wg_set b wg0 peer "$(wg pubkey <<< "$k_b")" allowed-ips 10.9.0.77/32 \
	endpoint 192.0.2.1:51820
printf '%s\n' "$k_a" > "$TMP/key-1"
printf '%s\n' "$k_b" > "$TMP/key-2"
printf '%s\n' AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= > "$TMP/key-0"
chmod 600 "$TMP"/key-?
again() {
	[ "$(wg_get b wg0 latest-handshakes "${PUB[a]}")" != "$T0" ]
}
flood a 10.9.0.2 64 1
flood b 10.9.0.1 64 1
for ((i = 0; i < ROUNDS; i++)); do
	quick "round $i: no key" on a wg set wg0 private-key "$TMP/key-0"
	expect_eq "round $i: the key as shown" "(none)" "$(on a wg show wg0 public-key)"
	for k in 2 1; do
		quick "round $i: key $k" on a wg set wg0 private-key "$TMP/key-$k"
		expect_eq "round $i: the key as shown" "$(wg pubkey < "$TMP/key-$k")" \
			"$(on a wg show wg0 public-key)"
	done
	[ $((i % 5)) -eq 4 ] || continue
	T0=$(wg_get b wg0 latest-handshakes "${PUB[a]}")
	quick "round $i: no key" on a wg set wg0 private-key "$TMP/key-0"
	sleep 1.1	# times are shown in seconds
	quick "round $i: key 1" on a wg set wg0 private-key "$TMP/key-1"
	expect_soon 10 "round $i: a handshake" again
done
calm
works "after it" 20
wg_set b wg0 peer "$(wg pubkey <<< "$k_b")" remove

point "the preshared key changed in the midst of handshakes"
: > "$TMP/none"
flood a 10.9.0.2 64 1
flood b 10.9.0.1 64 1
for ((i = 0; i < ROUNDS; i++)); do
	(umask 077; wg genpsk > "$TMP/psk")
	[ $((i % 3)) != 1 ] || cp "$TMP/none" "$TMP/psk"
	# Without a key and with one: the handshake begins at once.
	quick "round $i: no key" on a wg set wg0 private-key "$TMP/key-0"
	quick "round $i: the PSK of a" on a wg set wg0 peer "${PUB[b]}" preshared-key "$TMP/psk"
	quick "round $i: the key" on a wg set wg0 private-key "$TMP/key-1"
	quick "round $i: the PSK of b" on b wg set wg0 peer "${PUB[a]}" preshared-key "$TMP/psk"
	psk=$(cat "$TMP/psk")
	expect_eq "round $i: PSK of a and b as shown" "${psk:-(none)} ${psk:-(none)}" \
		"$(wg_get a wg0 preshared-keys "${PUB[b]}") $(wg_get b wg0 preshared-keys "${PUB[a]}")"
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
	"'$LIB_DIR/wire' udp-flood 10.9.0.2 9 64 > /dev/null 2>&1 & f=\$!; sleep 0.2; ip link del wg0; rc=\$?; kill \$f; exit \$rc"

finish
