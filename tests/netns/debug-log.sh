#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The kernel's log: silent as long as nobody asks; with dynamic debug it tells
# what an administrator wants to follow, by device and peer, never a key.

. "$(dirname "$0")/lib.sh"

begin 5 "messages by dynamic debug" dmesg tcpdump
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

point "what is dropped is told, with the reason"
# All that b drops of what a puts on the wire, and of what a sends in the tunnel.
hex() { # NAME: the payload of the one datagram captured as NAME
	local h

	h=$(captured "$1" -x | sed -n 's/^[[:space:]]*0x[0-9a-f]*:[[:space:]]*//p' | tr -d ' \n')
	echo "${h:56}"
}
one() {
	[ -n "$(captured "$1")" ]
}
if [ "$DRIVER" != adit ]; then
	skip_point "the lines of this driver are its own"
else
	mark
	: > "$TMP/all"
	# told STEP REGEX: the kernel has said it since the mark.
	told() {
		said_it() { lines > "$TMP/all"; grep -qE "$1" "$TMP/all"; }
		until_true 10 said_it "$2" && return
		STEP=$1
		fail "a line like $2" "$(tail -n 30 "$TMP/all")"
	}
	strange() { # HEX [COUNT]
		must "a datagram for b" on a "$LIB_DIR/wire" udp-send 192.0.2.2 51820 "$@"
	}
	strange 00
	told "no message" 'wg0: datagram that is no message'
	strange @148:01
	told "wrong mac1" 'wg0: handshake message with a wrong mac1'

	capture init b eth0 -Q in -c 1 'udp dst port 51820 and udp[8] = 1 and udp[4:2] = 156'
	capture data b eth0 -Q in -c 1 'udp dst port 51820 and udp[8] = 4 and udp[4:2] > 40'
	must "down" on a ip link set wg0 down
	must "up" on a ip link set wg0 up
	expect_ping "a handshake and a message" a -c 1 10.9.0.2
	expect_soon 5 "the initiation is captured" one init
	expect_soon 5 "the message is captured" one data
	strange "$(hex init)"
	told "an old initiation" 'wg0: initiation of peer [0-9]+ refused'
	strange "$(hex data)"
	told "an old message" 'wg0: message of peer [0-9]+ is a replay or does not authenticate'
	# A header that says 19 bytes.
	expect_eq "a raw packet of a" 0 "$(on a "$LIB_DIR/wire" packet wg0 0x0800 \
		4500001300000000401100000a0900010a09000204d2000900080000)"
	told "wrong length" 'wg0: peer [0-9]+ sent a packet of a wrong length'

	# b answers, by another preshared key.
	wg_psk b wg0 "${PUB[a]}" "$(wg genpsk)"
	must "down" on a ip link set wg0 down
	must "up" on a ip link set wg0 up
	must "a begins" on a "$LIB_DIR/wire" udp-send 10.9.0.2 9 00
	told "another preshared key" 'wg0: response of peer [0-9]+ refused'
	wg_psk b wg0 "${PUB[a]}" "$PSK"
	# And nobody does.
	wg_set a wg0 peer "${PUB[b]}" endpoint 192.0.2.2:9
	must "down" on a ip link set wg0 down
	must "up" on a ip link set wg0 up
	must "a begins" on a "$LIB_DIR/wire" udp-send 10.9.0.2 9 00
	told "no answer" 'wg0: no response of peer [0-9]+, attempt 2$'
	wg_set a wg0 peer "${PUB[b]}" endpoint 192.0.2.2:51820

	# Right but old initiations, faster than they can be looked at.
	echo 5 > /proc/sys/net/core/message_cost
	floods=()
	for n in 1 2 3 4; do
		start "flood$n" a "$LIB_DIR/wire" udp-send 192.0.2.2 51820 "$(hex init)" 1000000
		floods+=("$PID")
	done
	full() {
		dmesg | grep -q 'wg0: the queue of handshakes is full'
	}
	expect_soon 60 "a full queue is told" full
	for p in "${floods[@]}"; do
		stop "$p"
	done
	said+=$(lines)
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
sleep 5.5	# the span that what was said before belongs to
mark
t=$(now)
on a timeout 30 ping -q -f -c 2000 10.9.0.99 > /dev/null 2>&1
# 10 in each span of 5 s, of which the first may have begun before, and the last be
# one that the look falls into.
expect_range "lines" 1 $((10 * (($(now) - t) / 5000 + 3))) "$(lines | grep -c wg0)"

finish
