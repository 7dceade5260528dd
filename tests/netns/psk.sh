#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Preshared keys: set, changed while a session lives, removed, one a peer.

. "$(dirname "$0")/lib.sh"

begin 5 "preshared keys" nft

pair
tunnel
spy a eth0
p1=$(wg genpsk) p2=$(wg genpsk)

# again: both ends forget their sessions.
again() {
	for h in a b; do
		must "wg0 of $h down" on "$h" ip link set wg0 down
		must "wg0 of $h up" on "$h" ip link set wg0 up
	done
}

point "the same preshared key on both sides"
wg_psk a wg0 "${PUB[b]}" "$p1"
wg_psk b wg0 "${PUB[a]}" "$p1"
expect_ping "a pings b" a -c 1 10.9.0.2
expect_eq "shown by wg" "$p1" "$(wg_get a wg0 preshared-keys "${PUB[b]}")"

point "a changed key leaves the living session alone"
wg_psk a wg0 "${PUB[b]}" "$p2"
spy_zero a
expect_ping "a pings b" a -c 2 -i 0.1 10.9.0.2
expect_ping "b pings a" b -c 2 -i 0.1 10.9.0.1
expect_spy "the old session goes on" a tx_init=0 rx_init=0

point "a changed key counts from the next handshake on"
again
expect_no_ping "a pings b, keys differ" a -c 1 -W 1 10.9.0.2
wg_psk b wg0 "${PUB[a]}" "$p2"
again
expect_ping "a pings b, both changed" a -c 1 10.9.0.2

point "a removed key: handshakes without it"
for h in a b; do
	[ "$h" = a ] && peer=${PUB[b]} || peer=${PUB[a]}
	wg_set "$h" wg0 peer "$peer" preshared-key /dev/null
done
expect_eq "shown by wg" "(none)" "$(wg_get a wg0 preshared-keys "${PUB[b]}")"
again
expect_ping "a pings b" a -c 1 10.9.0.2

point "the keys of two peers are kept apart"
host_new c
link a ethc c eth0
addr a ethc 198.51.100.1/24
addr c eth0 198.51.100.3/24
keys c
wg_new c wg0
wg_key c wg0
wg_set c wg0 peer "${PUB[a]}" allowed-ips 10.9.0.1/32 endpoint 198.51.100.1:51820
wg_set a wg0 peer "${PUB[c]}" allowed-ips 10.9.0.3/32
wg_psk c wg0 "${PUB[a]}" "$p1"
wg_psk a wg0 "${PUB[c]}" "$p1"
wg_psk b wg0 "${PUB[a]}" "$p2"
wg_psk a wg0 "${PUB[b]}" "$p2"
addr c wg0 10.9.0.3/24
must "wg0 of c up" on c ip link set wg0 up
again
# wireguard-go may miss a short down, and goes on with its old session until
# it has had no answer for 15 s.
[ "${IMPL[b]}" = go ] && limit=25 || limit=8
reached() {
	on "$1" ping -q -c 1 -W 1 10.9.0.1
}
expect_soon "$limit" "c pings a" reached c
expect_soon "$limit" "b pings a" reached b

finish
