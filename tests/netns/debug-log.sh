#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The kernel's log: silent as long as nobody asks; with dynamic debug it tells
# what an administrator wants to follow, by device and peer, never a key.

. "$(dirname "$0")/lib.sh"

begin 4 "messages by dynamic debug" dmesg
control=/sys/kernel/debug/dynamic_debug/control
[ -w "$control" ] || control=/proc/dynamic_debug/control
[ -w "$control" ] || skip_all "no dynamic debug in this kernel"
echo 'module wireguard -p' > "$control" || skip_all "no dynamic debug in this kernel"
limit=/proc/sys/net/core/message_burst
burst=$(cat "$limit")
scenario_cleanup() {
	echo 'module wireguard -p' > "$control"
	echo "$burst" > "$limit"
}
# lines: what the kernel has said since the last call of mark
mark() {
	MARK="adit-debug-$RANDOM$RANDOM"
	echo "<6>$MARK" > /dev/kmsg
}
lines() {
	dmesg | sed "1,/$MARK/d" | grep -v 'adit-debug-'
}
# All that happens to a device: handshake, keepalive, drops, roaming.
events() {
	for h in a b; do
		must "down" on "$h" ip link set wg0 down
		must "up" on "$h" ip link set wg0 up
	done
	expect_ping "handshake" a -c 1 10.9.0.2
	wg_set a wg0 peer "${PUB[b]}" persistent-keepalive 25
	wg_set a wg0 peer "${PUB[b]}" persistent-keepalive 0
	on a ping -q -n -c 1 -W 1 10.9.0.99 > /dev/null
	on a ping -q -n -c 1 -W 1 10.9.0.7 > /dev/null
	must "another source" on b ip addr replace 10.9.0.66/32 dev wg0
	on b ping -q -n -c 1 -W 1 -I 10.9.0.66 10.9.0.1 > /dev/null
	must "another port" on a wg set wg0 listen-port 51830
	expect_ping "roaming" a -c 1 10.9.0.2
	must "the port of before" on a wg set wg0 listen-port 51820
	expect_ping "roaming" a -c 1 10.9.0.2
}

pair
tunnel
extra=$(wg genkey | wg pubkey)
wg_set a wg0 peer "$extra" allowed-ips 10.9.0.7/32
PSK=$(wg genpsk)
wg_psk a wg0 "${PUB[b]}" "$PSK"
wg_psk b wg0 "${PUB[a]}" "$PSK"
echo 0 > /proc/sys/net/core/message_cost 2> /dev/null

point "nothing is said as long as nobody asks"
mark
events
expect_eq "lines that name the device" "" "$(lines | grep -E 'wg0|wireguard')"

point "handshakes, keepalives, drops and roaming are told, with device and peer"
echo 1000 > "$limit"
must "dynamic debug on" sh -c 'echo "module wireguard +p" > "$0"' "$control"
mark
events
said=$(lines)
tell() { # STEP REGEX
	grep -qE "$2" <<< "$said" || {
		STEP=$1
		fail "a line like $2" "$(head -n 40 <<< "$said")"
	}
}
if [ "$DRIVER" = adit ]; then
	tell "initiation sent" 'wg0: initiation to peer [0-9]+'
	tell "initiation received" 'wg0: initiation of peer [0-9]+'
	tell "response sent" 'wg0: response to peer [0-9]+'
	tell "response received" 'wg0: response of peer [0-9]+'
	tell "keepalive received" 'wg0: keepalive from peer [0-9]+'
	tell "keepalive sent" 'wg0: keepalive to peer [0-9]+'
	tell "no allowed IP" 'wg0: no peer has the destination'
	tell "no endpoint" 'wg0: peer [0-9]+ has no endpoint'
	tell "foreign source" 'wg0: peer [0-9]+ sent from an address that is not'
	tell "roaming" 'wg0: peer [0-9]+ has a new endpoint'
	expect_eq "lines of the driver without a device" "" \
		"$(grep -i 'wireguard' <<< "$said" | grep -v wg0)"
else
	tell "handshake" 'wg0: .*[Hh]andshake initiation'
	tell "keepalive" 'wg0: .*[Kk]eepalive'
fi

point "no key is ever told"
bad=
for k in "${KEY[a]}" "${KEY[b]}" "$PSK"; do
	h=$(base64 -d <<< "$k" | od -An -v -tx1 | tr -d ' \n')
	for form in "$k" "$h" "${k:0:12}" "${h:0:16}"; do
		! grep -qiF -- "$form" <<< "$said" || bad="$bad $form"
	done
done
expect_eq "keys found in the log" "" "$bad"

point "a flood is limited"
echo 5 > /proc/sys/net/core/message_cost
echo 10 > "$limit"
sleep 1
mark
on a timeout 30 ping -q -f -c 2000 10.9.0.99 > /dev/null 2>&1
# 10 in 5 s, and what the kernel says of those it left out.
expect_range "lines" 1 $((60 * ADIT_SLOW)) "$(lines | grep -c wg0)"

finish
