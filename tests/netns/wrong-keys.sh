#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# To whoever does not hold the right keys a device is silent.

. "$(dirname "$0")/lib.sh"

begin 8 "wrong keys, strangers, low-order points: silence" nft

pair
keys a b x
for h in a b; do
	wg_new "$h" wg0
	wg_key "$h" wg0
	wg_set "$h" wg0 listen-port 51820
done
addr a wg0 10.9.0.1/24
addr b wg0 10.9.0.2/24
must "wg0 of a up" on a ip link set wg0 up
must "wg0 of b up" on b ip link set wg0 up
spy a eth0

# b knows a, a knows b: what goes wrong is told by the scenario.
peers() {
	on a wg set wg0 peer "${PUB[b]}" remove
	on b wg set wg0 peer "${PUB[a]}" remove
	on a wg set wg0 peer "${PUB[x]}" remove
	on b wg set wg0 peer "${PUB[x]}" remove
	spy_zero a
}

# silent STEP [INITIATIONS]: nothing at all came back to a.
silent() {
	local k

	expect_spy "$1" a rx_init=0 rx_resp=0 rx_cookie=0 rx_keep=0 rx_data=0 \
		rx_other=0 "tx_init=${2:-1}" tx_data=0 tx_keep=0
}

point "a stranger: b does not know a's key"
peers
wg_set a wg0 peer "${PUB[b]}" allowed-ips 10.9.0.2/32 endpoint 192.0.2.2:51820
expect_no_ping "a pings b" a -c 2 -i 0.3 -W 1 10.9.0.2
silent "b"

point "a wrong public key for b"
peers
wg_set a wg0 peer "${PUB[x]}" allowed-ips 10.9.0.2/32 endpoint 192.0.2.2:51820
wg_set b wg0 peer "${PUB[a]}" allowed-ips 10.9.0.1/32
expect_no_ping "a pings b" a -c 2 -i 0.3 -W 1 10.9.0.2
silent "b"
transfer b wg0 "${PUB[a]}"
expect_eq "bytes b counts for a: received, sent" "0 0" "$RX $TX"

point "different preshared keys: a response, but no session"
peers
wg_set a wg0 peer "${PUB[b]}" allowed-ips 10.9.0.2/32 endpoint 192.0.2.2:51820
wg_set b wg0 peer "${PUB[a]}" allowed-ips 10.9.0.1/32
wg_psk a wg0 "${PUB[b]}" "$(wg genpsk)"
wg_psk b wg0 "${PUB[a]}" "$(wg genpsk)"
expect_no_ping "a pings b" a -c 2 -i 0.3 -W 1 10.9.0.2
expect_spy "no session" a tx_init=1 rx_resp=1 tx_data=0 tx_keep=0 rx_data=0 \
	rx_keep=0
expect_eq "latest handshake: a with b, b with a" "0 0" \
	"$(wg_get a wg0 latest-handshakes "${PUB[b]}") $(wg_get b wg0 latest-handshakes "${PUB[a]}")"

point "a preshared key on one side only: no session"
peers
wg_set a wg0 peer "${PUB[b]}" allowed-ips 10.9.0.2/32 endpoint 192.0.2.2:51820
wg_set b wg0 peer "${PUB[a]}" allowed-ips 10.9.0.1/32
wg_psk b wg0 "${PUB[a]}" "$(wg genpsk)"
expect_no_ping "a pings b" a -c 2 -i 0.3 -W 1 10.9.0.2
expect_spy "no session" a tx_data=0 tx_keep=0 rx_data=0 rx_keep=0
expect_eq "latest handshake of b with a" 0 \
	"$(wg_get b wg0 latest-handshakes "${PUB[a]}")"

point "low-order public keys are accepted and never cause a message"
peers
n=0
# Points of small order on the curve and on its twist, and what reduces to them.
for hex in \
	0000000000000000000000000000000000000000000000000000000000000000 \
	0100000000000000000000000000000000000000000000000000000000000000 \
	e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800 \
	5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157 \
	ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f \
	edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f \
	eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f; do
	n=$((n + 1))
	# shellcheck disable=SC2001 # each pair of digits
	key=$(printf '%b' "\\x${hex:0:2}$(sed 's/../\\x&/g' <<< "${hex:2}")" | base64)
	expect_ok "adding the peer $key" on a wg set wg0 peer "$key" \
		allowed-ips "10.10.0.$n/32" endpoint "192.0.2.2:51820" \
		persistent-keepalive 1
	on a ip route add "10.10.0.$n/32" dev wg0
	expect_eq "errno of a send to it" 0 "$(on a "$LIB_DIR/wire" udp-errno "10.10.0.$n")"
done
expect_eq "peers of a" 7 "$(on a wg show wg0 peers | wc -l)"
sleep 1.5
expect_spy "low-order peers" a tx_init=0 tx_data=0 tx_keep=0 tx_other=0 rx_resp=0
for key in $(on a wg show wg0 peers); do
	wg_set a wg0 peer "$key" remove
done

point "the device's own key as a peer is not created"
expect_ok "adding a's own key" on a wg set wg0 peer "${PUB[a]}" allowed-ips 10.9.0.9/32
expect_eq "peers of a" "" "$(on a wg show wg0 peers)"
wg_set a wg0 peer "${PUB[x]}" allowed-ips 10.9.0.8/32
wg_key a wg0 "${KEY[x]}"
expect_eq "peers of a once its key is that peer's" "" "$(on a wg show wg0 peers)"
wg_key a wg0

point "messages that are no messages get no answer"
peers
wg_set b wg0 peer "${PUB[a]}" allowed-ips 10.9.0.1/32
for msg in 00 01 0100 01000000 04000000 @148:01 @147:01 @149:01 @92:02 @91:02 \
	@64:03 @63:03 @32:04 @31:04 @48:04 @148:00 @148:05 @1400:ff @65507:01 \
	@65507:02 @65507:03 @65507:04; do
	must "sending $msg" on a "$LIB_DIR/wire" udp-send 192.0.2.2 51820 "$msg"
done
for msg in 01 02 03 04; do	# a reserved byte that is not zero
	must "sending ${msg}010000..." on a "$LIB_DIR/wire" udp-send 192.0.2.2 \
		51820 "${msg}010000$(printf '%0296d' 0)"
done
sleep 0.5
expect_spy "strange messages" a rx_init=0 rx_resp=0 rx_cookie=0 rx_keep=0 \
	rx_data=0 rx_other=0
transfer b wg0 "${PUB[a]}"
expect_eq "bytes b counts for a" "0 0" "$RX $TX"

point "control: with the right keys b answers at once"
peers
wg_set a wg0 peer "${PUB[b]}" allowed-ips 10.9.0.2/32 endpoint 192.0.2.2:51820
wg_set b wg0 peer "${PUB[a]}" allowed-ips 10.9.0.1/32
expect_ping "a pings b" a -c 1 10.9.0.2
expect_spy "the right keys" a tx_init=1 rx_resp=1 tx_data=1 rx_data=1

finish
