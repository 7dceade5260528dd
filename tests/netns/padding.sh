#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The padding of what goes out: zeros, to a multiple of 16, not beyond the MTU;
# for packets of every origin, with and without room at their ends. A peer in
# Python decrypts them.

. "$(dirname "$0")/lib.sh"

begin 7 "padding is zero and as long as it should be" python3 tc
python3 -c 'import cryptography' 2> /dev/null ||
	skip_all "needs Python's cryptography"

pair
keys a b
hex() {
	base64 -d <<< "$1" | od -An -v -tx1 | tr -d ' \n'
}
start peer b "$LIB_DIR/decrypt.py" 51820 "$(hex "${KEY[b]}")" "$(hex "${PUB[a]}")"
ready peer ready
wg_new a wg0
wg_key a wg0
wg_set a wg0 listen-port 51820 peer "${PUB[b]}" allowed-ips 0.0.0.0/0,::/0 \
	endpoint 192.0.2.2:51820
addr a wg0 10.9.0.1/24 fd09::1/64
must "wg0 up" on a ip link set wg0 up

came() { # COUNT: that many plaintexts beyond those seen before
	[ "$(($(grep -c '^[46]' "$TMP/peer") - SEEN))" -ge "$1" ]
}
SEEN=0
# expect_padding STEP COUNT [MTU]: COUNT plaintexts come; each is padded to a multiple
# of 16 or to the MTU, with zeros.
expect_padding() {
	local step=$1 bad

	expect_soon 20 "$step: $2 packets arrive" came "$2" || return
	bad=$(grep '^[46]' "$TMP/peer" | tail -n +$((SEEN + 1)) | awk -v mtu="${3:-1420}" '
		function num(s,	i, n) {
			n = 0
			for (i = 1; i <= length(s); i++)
				n = n * 16 + index("0123456789abcdef", substr(s, i, 1)) - 1
			return n
		}
		{
			len = length($0) / 2
			if (substr($0, 1, 1) == "4")
				inner = num(substr($0, 5, 4))
			else
				inner = num(substr($0, 9, 4)) + 40
			want = int((inner + 15) / 16) * 16
			if (want > mtu && inner <= mtu)
				want = mtu
			pad = substr($0, 2 * inner + 1)
			if (len != want)
				print "a packet of " inner " bytes came as " len ", not " want
			else if (pad ~ /[^0]/)
				print "a packet of " inner " bytes was padded with " pad
		}')
	expect_eq "$step: padding" "" "$(head -n 5 <<< "$bad")"
	SEEN=$(grep -c '^[46]' "$TMP/peer")
}

# Memory that is reused has anything but zeros in it.
dirt() {
	on a ping -q -n -f -c 50 -s 1400 -p ff -W 1 192.0.2.2 > /dev/null 2>&1
	on a ping -q -n -f -c 50 -s 30 -p ff -W 1 192.0.2.2 > /dev/null 2>&1
}

# v4 LENGTH [NET]: the hex of an IPv4 packet of that length from 10.NET.0.1, full of ff.
v4() {
	local sum net=${2:-9}

	sum=$((0x4500 + $1 + 0x40fd + 0x0a00 + net + 0x0001 + 0x0a09 + 0x0002))
	sum=$(((sum & 0xffff) + (sum >> 16)))
	printf '4500%04x0000000040fd%04x0a%02x00010a090002' "$1" $((0xffff - sum)) "$net"
	head -c $(($1 - 20)) /dev/zero | tr '\0' '\377' | od -An -v -tx1 | tr -d ' \n'
}
v6() { # LENGTH
	printf '60000000%04xfd40%s%s' $(($1 - 40)) fd090000000000000000000000000001 \
		fd090000000000000000000000000002
	head -c $(($1 - 40)) /dev/zero | tr '\0' '\377' | od -An -v -tx1 | tr -d ' \n'
}
LENGTHS="$(seq -s ' ' 41 57) 1280 $(seq -s ' ' 1403 1420)"
N=$(wc -w <<< "$LENGTHS")

point "datagrams of a local socket, IPv4 and IPv6"
dirt
for to in 10.9.0.2 fd09::2; do
	[ "$to" = 10.9.0.2 ] && head=28 || head=48
	n=0
	for len in $LENGTHS; do
		[ "$len" -ge "$head" ] || continue
		must "sending" on a "$LIB_DIR/wire" udp-send "$to" 9 "@$((len - head)):ff"
		n=$((n + 1))
	done
	expect_padding "to $to" "$n"
done

point "packets of an AF_PACKET socket"
dirt
for len in $LENGTHS; do
	must "sending" on a "$LIB_DIR/wire" packet wg0 0x0800 "$(v4 "$len")"
done
expect_padding "IPv4" "$N"
for len in $LENGTHS; do
	must "sending" on a "$LIB_DIR/wire" packet wg0 0x86dd "$(v6 "$len")"
done
expect_padding "IPv6" "$N"

point "forwarded from a TUN device: little room before and behind"
forward a
for len in $LENGTHS; do
	v4 "$len" 8
	echo
done > "$TMP/packets"
mkfifo "$TMP/fifo"
exec 7<> "$TMP/fifo"
"$LIB_DIR/wire" netns "${NS[a]}" "$LIB_DIR/sockopt" tun tun0 < "$TMP/fifo" 2> "$TMP/tun" &
PIDS+=("$!")
tun_pid=$!
tun_ready() {
	grep -q ready "$TMP/tun" || ! kill -0 "$tun_pid" 2> /dev/null
}
expect_soon 5 "TUN device" tun_ready
if grep -q "/dev/net/tun" "$TMP/tun"; then
	skip_point "no TUN here: $(cat "$TMP/tun")"
else
	addr a tun0 10.8.0.2/24
	must "tun0 up" on a ip link set tun0 up
	dirt
	cat "$TMP/packets" >&7
	expect_padding "from tun0" "$N"
fi
exec 7>&-

point "redirected from another device without a route"
host_new c
link c eth0 a lan
addr c eth0 10.7.0.2/24
on c ip neigh replace 10.7.0.1 lladdr 02:00:00:00:00:01 dev eth0
must "default route" on c ip route add default via 10.7.0.1
must "any MAC address" on a ip link set lan promisc on
if ! { on a tc qdisc add dev lan clsact &&
	on a tc filter add dev lan ingress protocol ip matchall action mirred egress redirect dev wg0; } > "$TMP/tc" 2>&1; then
	skip_point "tc cannot redirect: $(cat "$TMP/tc")"
else
	dirt
	n=0
	for len in $LENGTHS; do
		must "sending" on c "$LIB_DIR/wire" udp-send 10.9.0.2 9 "@$((len - 28)):ff"
		n=$((n + 1))
	done
	expect_padding "redirected" "$n"
fi

point "with MTU 0: padded without a limit, and nothing breaks"
if [ "$(wc -c < "$TMP/tc")" -gt 0 ]; then
	skip_point "tc cannot redirect: $(cat "$TMP/tc")"
else
	must "MTU 0" on a ip link set wg0 mtu 0
	n=0
	for len in 41 48 57 1280 1419; do
		must "sending" on c "$LIB_DIR/wire" udp-send 10.9.0.2 9 "@$((len - 28)):ff"
		n=$((n + 1))
	done
	expect_padding "redirected" "$n" 0
	must "MTU 1420" on a ip link set wg0 mtu 1420
	on a ip addr replace 10.9.0.1/24 dev wg0
	on a ip addr replace fd09::1/64 dev wg0
fi

point "while someone listens on the device: packets are shared"
capture seen a wg0 ip
dirt
n=0
for len in $LENGTHS; do
	must "sending" on a "$LIB_DIR/wire" udp-send 10.9.0.2 9 "@$((len - 28)):ff"
	n=$((n + 1))
done
expect_padding "captured" "$n"
stop "$CAPTURE"

point "route with an MTU of its own: the limit of the padding"
must "route" on a ip route add 10.9.0.2/32 dev wg0 mtu 1001
n=0
for len in 56 57 992 993 1000 1001; do
	must "sending" on a "$LIB_DIR/wire" udp-send 10.9.0.2 9 "@$((len - 28)):ff"
	n=$((n + 1))
done
expect_padding "limit of 1001" "$n" 1001

finish
