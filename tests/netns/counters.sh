#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Every error counter of `ip -s -s link`: what moves for which mishap, by how
# much, and that nothing else does.

. "$(dirname "$0")/lib.sh"

begin 8 "error counters, one by one" jq

pair
tunnel
wg_set a wg0 peer "${PUB[b]}" allowed-ips 10.9.0.2/32,fd09::2/128
addr b wg0 10.9.0.66/24 fd09::66/64
route a 10.30.0.0/16 dev wg0
route a fd30::/16 dev wg0
expect_ping "a session" a -c 1 10.9.0.2

# counters HOST: those of wg0 that are not 0, as NAME=VALUE, one a line. What
# `ip -s -s link` shows is the same, by other names (see the last point).
counters() {
	on "$1" grep -rv '^0$' /sys/class/net/wg0/statistics/ | sed 's,.*/,,; s/:/=/'
}
declare -A C0=()
# mark HOST: `moved` compares with now.
mark() {
	local l

	C0=()
	while IFS='=' read -r l v; do C0[$l]=$v; done <<< "$(counters "$1")"
}
# moved HOST: what moved since, as NAME+NUMBER, sorted; no packets and bytes.
moved() {
	local l v d=()

	while IFS='=' read -r l v; do
		case $l in
		?x_bytes | ?x_packets) continue ;;
		esac
		v=$((v - ${C0[$l]:-0}))
		[ "$v" -eq 0 ] || d+=("$l+$v")
	done <<< "$(counters "$1")"
	[ ${#d[@]} -eq 0 ] || printf '%s\n' "${d[@]}" | sort | paste -s -d ' '
}
# come HOST WANTED: moved is that.
come() {
	MOVED=$(moved "$1")
	[ "$MOVED" = "$2" ]
}
# expect_moved STEP HOST WANTED: comes to it, and stays.
expect_moved() {
	until_true 3 come "$2" "$3"
	expect_eq "$1: what moved on $2" "$3" "$(moved "$2")"
}

point "nothing but bytes and packets so far"
expect_eq "counters of a" "rx_bytes rx_packets tx_bytes tx_packets" \
	"$(counters a | sed 's/=.*//' | sort | paste -s -d ' ')"

point "an inner source that is not the peer's: rx_errors and rx_frame_errors"
mark a
expect_no_ping "IPv4" b -c 2 -i 0.05 -W 1 -I 10.9.0.66 10.9.0.1
expect_moved "IPv4" a "rx_errors+2 rx_frame_errors+2"
mark a
expect_no_ping "IPv6" b -c 3 -i 0.05 -W 1 -I fd09::66 fd09::1
expect_moved "IPv6" a "rx_errors+3 rx_frame_errors+3"

# IPv4 of 28 bytes and IPv6 of 48; $1 is the header's length field.
v4() {
	local sum

	sum=$((0x4500 + $1 + 0x4011 + 0x0a09 + 0x0002 + 0x0a09 + 0x0001))
	sum=$(((sum & 0xffff) + (sum >> 16)))
	printf '4500%04x000000004011%04x0a0900020a090001%s' "$1" $((0xffff - sum)) 04d2000900080000
}
v6() {
	printf '60000000%04x1140%s%s%s' "$1" fd090000000000000000000000000002 \
		fd090000000000000000000000000001 04d2000900080000
}
inject() { # PROTOCOL HEX
	expect_eq "a raw packet of b" 0 "$(on b "$LIB_DIR/wire" packet wg0 "$1" "$2")"
}
point "a length that is no good: rx_errors and rx_length_errors"
mark a
inject 0x0800 "$(v4 19)"	# less than a header
inject 0x0800 "$(v4 33)"	# padded to 32
expect_moved "IPv4" a "rx_errors+2 rx_length_errors+2"
mark a
inject 0x86dd "$(v6 9)"		# 49 in 48
inject 0x86dd "$(v6 65535)"
expect_moved "IPv6" a "rx_errors+2 rx_length_errors+2"
mark a
inject 0x0800 "$(v4 28)"
inject 0x86dd "$(v6 8)"
expect_ping "the right length: a ping behind them" b -c 1 10.9.0.1
expect_moved "the right length" a ""

send() { # TO COUNT
	# Errors are what is wanted.
	on a "$LIB_DIR/wire" udp-send "$1" 9 00 "$2" > /dev/null 2>&1
}
point "what cannot be sent: tx_errors"
mark a
send 10.30.0.1 1
send fd30::1 1
expect_moved "no peer" a "tx_errors+2"
nobody=$(wg genkey | wg pubkey)
wg_set a wg0 peer "$nobody" allowed-ips 10.30.0.0/16,fd30::/16
mark a
send 10.30.0.1 1
send fd30::1 1
expect_moved "no endpoint" a "tx_errors+2"
mark a
arp=0001080006040001000000000000c0000201000000000000c0000202
for p in "0x0806 $arp" "0x0800 65$(printf '%078d' 0)" "0x86dd 45$(printf '%078d' 0)" "0x88b5 $arp"; do
	# shellcheck disable=SC2086 # protocol and bytes
	expect_eq "neither IPv4 nor IPv6" EPROTONOSUPPORT "$(on a "$LIB_DIR/wire" packet wg0 $p)"
done
expect_moved "neither IPv4 nor IPv6" a "tx_errors+4"

point "staged packets: dropped over the limit, and when purged"
wg_set a wg0 peer "$nobody" endpoint 192.0.2.2:9
mark a
send 10.30.0.1 28
expect_moved "28 staged" a ""
send 10.30.0.1 110
# One driver keeps one more than the other.
if [ "$DRIVER" = adit ]; then over=10 kept=128; else over=9 kept=129; fi
expect_moved "138 in all" a "tx_dropped+$over"
mark a
wg_set a wg0 peer "$nobody" remove
expect_moved "the peer is removed" a "tx_dropped+$kept"

point "the interface goes down: what was staged is counted as dropped"
wg_set a wg0 peer "$nobody" allowed-ips 10.30.0.0/16,fd30::/16 endpoint 192.0.2.2:9
send 10.30.0.1 7
mark a
must "down" on a ip link set wg0 down
expect_moved "down" a "tx_dropped+7"
must "up" on a ip link set wg0 up
route a 10.30.0.0/16 dev wg0
expect_ping "the other peer" a -c 1 10.9.0.2

point "a message that the outer route refuses: none of its bytes are counted"
transfer a wg0 "${PUB[b]}"
tx=$TX
must "no route" on a ip route add unreachable 192.0.2.2/32
send 10.9.0.2 3
must "a route" on a ip route del unreachable 192.0.2.2/32
expect_ping "works again" a -c 1 10.9.0.2
transfer a wg0 "${PUB[b]}"
expect_eq "bytes sent: those of the ping" 128 $((TX - tx))

point "bytes: handshake, keepalive, data, in device and peer alike"
wg_set a wg0 peer "$nobody" remove
devices() { # sets D: rx and tx bytes and packets of the device
	D=$(on a ip -s -j link show wg0 | jq -r '.[0].stats64 |
		"\(.rx.bytes) \(.rx.packets) \(.tx.bytes) \(.tx.packets)"')
}
devices
read -r drb drp dtb dtp <<< "$D"
transfer a wg0 "${PUB[b]}"
rx=$RX tx=$TX
must "down" on a ip link set wg0 down
must "up" on a ip link set wg0 up
expect_ping "a handshake, a ping of 84 bytes" a -c 1 10.9.0.2
wg_set a wg0 peer "${PUB[b]}" persistent-keepalive 3600
sent() {
	transfer a wg0 "${PUB[b]}"
	[ $((TX - tx)) -eq $((148 + 128 + 32)) ]
}
expect_soon 3 "sent by the peer: 148, 96 + 32, 32" sent
transfer a wg0 "${PUB[b]}"
expect_eq "received: 92, 96 + 32" $((92 + 128)) $((RX - rx))
devices
read -r drb2 drp2 dtb2 dtp2 <<< "$D"
expect_eq "the device: received, sent" "$((92 + 128)) $((148 + 128 + 32))" \
	"$((drb2 - drb)) $((dtb2 - dtb))"
expect_eq "packets of the device: received, sent" "2 3" "$((drp2 - drp)) $((dtp2 - dtp))"

finish
