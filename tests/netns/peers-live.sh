#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Peers that are added, changed and removed while traffic flows.

. "$(dirname "$0")/lib.sh"

begin 8 "configuration changes under traffic"

pair
tunnel
steer b eth0
expect_ping "tunnel is up" a -c 1 10.9.0.2
PUBS=()
for i in $(seq 30); do
	PUBS+=("$(head -c 32 /dev/urandom | base64)")
done

# more PACKETS: so many came out of b's tunnel since RX0.
more() {
	[ $(($(devstat b wg0 rx_packets) - RX0)) -ge "$1" ]
}

# A flow of datagrams, RATE or 100 a second, that must lose none while $1 runs.
undisturbed() {
	local title=$1 sink flow

	shift
	start sink b "$LIB_DIR/wire" udp-sink 5002 100000 1
	sink=$PID
	ready sink ready
	start flow a "$LIB_DIR/wire" udp-flow 10.9.0.2 5002 100000 200 "${RATE:-100}"
	flow=$PID
	RX0=$(devstat b wg0 rx_packets)
	expect_soon 5 "$title: the flow has begun" more 5
	"$@"
	RX0=$(devstat b wg0 rx_packets)
	expect_soon 5 "$title: the flow goes on" more 20
	expect_ok "$title: no datagram of it was refused" kill -0 "$flow"
	stop "$flow"
	wait "$sink"
	read -r received lost late twice corrupt <<< "$(tail -n 1 "$TMP/sink")"
	expect_min "$title: datagrams meanwhile" 20 "$received"
	# Its socket overflows where the other end is a program.
	[ -z "${ADIT_IMPL_b:-}" ] || [ -z "${RATE:-}" ] || lost=0
	expect_eq "$title: lost late twice corrupt" "0 0 0 0" \
		"$lost $late $twice $corrupt"
}

add_all() {
	local i

	for i in $(seq 30); do
		echo "[Peer]"
		echo "PublicKey = ${PUBS[i - 1]}"
		echo "AllowedIPs = 10.77.$i.0/24, fd77:$i::/32"
		echo "Endpoint = 192.0.2.99:$i"
	done > "$TMP/add"
	expect_ok "wg addconf with 30 peers" on a wg addconf wg0 "$TMP/add"
}
point "30 peers added: the flow goes on"
undisturbed "adding" add_all
expect_eq "peers of a" 31 "$(on a wg show wg0 peers | wc -l)"

change_all() {
	local i

	for i in $(seq 10); do
		expect_ok "changing a peer" on a wg set wg0 peer "${PUBS[i]}" \
			allowed-ips "10.78.$i.0/24,10.77.0.0/16" \
			persistent-keepalive "$i" endpoint "192.0.2.98:$i"
	done
}
point "peers changed: the flow goes on"
undisturbed "changing" change_all
expect_eq "who has 10.77.0.0/16" "${PUBS[10]}" \
	"$(on a wg show wg0 allowed-ips | grep -F 10.77.0.0/16 | cut -f 1)"

remove_all() {
	local i

	for i in $(seq 0 9); do
		expect_ok "removing a peer" on a wg set wg0 peer "${PUBS[i]}" remove
	done
}
point "peers removed: the flow goes on"
undisturbed "removing" remove_all
expect_eq "peers of a" 21 "$(on a wg show wg0 peers | wc -l)"

sync() {
	printf '[Interface]\nListenPort = 51820\nPrivateKey = %s\n' "${KEY[a]}"
	printf '[Peer]\nPublicKey = %s\nAllowedIPs = 10.9.0.2/32, fd09::2/128\nEndpoint = 192.0.2.2:51820\n' "${PUB[b]}"
}
sync_it() {
	sync > "$TMP/sync"
	expect_ok "wg syncconf" on a wg syncconf wg0 "$TMP/sync"
}
point "wg syncconf down to the one peer: the flow goes on"
undisturbed "syncing" sync_it
expect_eq "peers of a" 1 "$(on a wg show wg0 peers | wc -l)"

point "the peer's own allowed IPs and endpoint set again: the flow goes on"
again() {
	local i

	for i in 1 2 3 4 5; do
		expect_ok "setting it" on a wg set wg0 peer "${PUB[b]}" \
			allowed-ips 10.9.0.2/32,fd09::2/128 endpoint 192.0.2.2:51820
		expect_ok "setting it" on b wg set wg0 peer "${PUB[a]}" \
			persistent-keepalive $((i * 10))
	done
}
undisturbed "setting again" again

# What is in use comes last, so that a table that is emptied first and then
# filled shows; the kernel's own driver does it like that. All fit one message.
replace_all() {
	local i list=

	for i in $(seq 100); do
		list+="10.80.$i.0/24,"
	done
	for i in $(seq 30); do
		expect_ok "setting them" on a wg set wg0 peer "${PUB[b]}" \
			allowed-ips "${list}10.9.0.2/32"
	done
}
point "101 allowed IPs replaced 30 times: not one packet finds the table empty"
if [ "$DRIVER" = adit ]; then
	errors=$(devstat a wg0 tx_errors)
	RATE=2000 undisturbed "replacing" replace_all
	expect_eq "tx_errors" "$errors" "$(devstat a wg0 tx_errors)"
	expect_eq "allowed IPs of b" 101 "$(wg_get a wg0 allowed-ips "${PUB[b]}" | wc -w)"
else
	skip_point "the kernel's own driver empties the table first"
fi
must "as it was" on a wg set wg0 peer "${PUB[b]}" allowed-ips 10.9.0.2/32,fd09::2/128

point "the peer removed and added in mid-flow, ten times: it comes back"
start flow a "$LIB_DIR/wire" udp-flood 10.9.0.2 9 500 2000
flow=$PID
for _ in $(seq 10); do
	expect_ok "removing b" on a wg set wg0 peer "${PUB[b]}" remove
	expect_ok "adding b" on a wg set wg0 peer "${PUB[b]}" \
		allowed-ips 10.9.0.2/32,fd09::2/128 endpoint 192.0.2.2:51820
done
stop "$flow"
# b accepts a new handshake at once; the flow has drawn one.
answered() {
	on a ping -q -c 1 -W 1 10.9.0.2
}
expect_soon 10 "b answers again" answered

point "a dump while peers come and go ends, and lists b each time"
churn() {
	local i

	for i in $(seq 15); do
		wg set wg0 peer "$1" allowed-ips 10.78.0.0/16
		wg set wg0 peer "$1" remove
	done
}
start churn a bash -c "$(declare -f churn); churn ${PUBS[0]}"
churn=$PID
n=0
while kill -0 "$churn" 2> /dev/null && [ "$n" -lt 100 ]; do
	n=$((n + 1))
	OUT=$(on a timeout "$(slow 5)" wg show wg0 dump 2>&1) ||
		fail "a dump" "status $?: $OUT"
	expect_like "dump $n" "*${PUB[b]}*10.9.0.2/32,fd09::2/128*" "$OUT" || break
done
wait "$churn"
expect_eq "what the changes said" "" "$(cat "$TMP/churn")"
expect_min "dumps meanwhile" 2 "$n"

finish
