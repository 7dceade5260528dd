#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The table of allowed IPs at its extremes: as deep as it can be, moved about
# under traffic, and with very many prefixes.

. "$(dirname "$0")/lib.sh"

begin 6 "deep, moving and large tables of allowed IPs" awk

pair
link a eth1 b eth1
keys a b
wg_new a wg0
wg_key a wg0
addr a wg0 10.9.0.1/24 fd09::1/64
must "wg0 of a up" on a ip link set wg0 up

# A peer for each prefix length of one address; the file holds the peers. $1 is
# 4 or 6, $2 the step between lengths.
nested() {
	awk -v six=$(($1 == 6)) -v by="$2" 'BEGIN {
		bits = six ? 128 : 32
		for (n = 0; n <= bits; n += by) {
			printf "[Peer]\nPublicKey = peer%038d0=\nEndpoint = 192.0.2.2:%d\n", n, 40000 + n
			printf "AllowedIPs = %s/%d\n", six ? "2aaa:5555:aaaa:5555:aaaa:5555:aaaa:5555" : "85.170.85.170", n
		}
	}'
}
# addresses 4|6: for each length the address that fits it and no longer one: with
# the bit after the prefix turned over.
addresses() {
	awk -v six=$(($1 == 6)) 'BEGIN {
		bits = six ? 128 : 32
		for (n = 0; n <= bits; n++) {
			s = ""
			for (w = 0; w < bits / 8; w++) {
				v = six ? (w % 4 == 0 || w % 4 == 1 ? 170 : 85) : (w % 2 ? 170 : 85)
				if (six && w == 0) v = 42
				if (n < bits && int(n / 8) == w) {
					b = 2 ^ (7 - n % 8)
					v += int(v / b) % 2 ? -b : b
				}
				s = s (six ? sprintf(w && w % 2 == 0 ? ":%02x" : "%02x", v) : (w ? "." : "") v)
			}
			print s
		}
	}'
}
# spread 4|6: one datagram to each of those addresses.
spread() {
	addresses "$1" > "$TMP/to"
	must "down" on a ip link set wg0 down
	must "up" on a ip link set wg0 up
	must "all of it into wg0" on a ip "-$1" route add default dev wg0
	must "a datagram to each" on a sh -c \
		'while read -r to; do "$0" udp-send "$to" 9 00 || exit 1; done < "$1"' \
		"$LIB_DIR/wire" "$TMP/to"
}
# sent: peers and what they sent, as NUMBER:BYTES of those with a number.
sent() {
	on a wg show wg0 transfer | sed -n 's/^peer0*\([0-9]*\)0=\t[0-9]*\t/\1:/p' |
		sed 's/^:/0:/' | sort -n | paste -s -d ' '
}
wanted() { # BITS STEP BYTES
	awk -v bits="$1" -v by="$2" -v bytes="$3" 'BEGIN {
		for (n = 0; n <= bits; n += by) printf "%s%d:%d", n ? " " : "", n, bytes
		print "" }'
}
spread_is() {
	[ "$(sent)" = "$1" ]
}

# load FILE: these peers and no others.
load() {
	printf '[Interface]\nPrivateKey = %s\n' "${KEY[a]}" > "$TMP/conf"
	cat "$1" >> "$TMP/conf"
	must "wg setconf" on a wg setconf wg0 "$TMP/conf"
}
point "128 nested IPv6 prefixes and ::/0: each is found"
nested 6 1 > "$TMP/six"
load "$TMP/six"
expect_eq "prefixes" 129 "$(on a wg show wg0 allowed-ips | grep -c /)"
spread 6
until_true 5 spread_is "$(wanted 128 1 148)"
expect_eq "peer and bytes sent: an initiation each" "$(wanted 128 1 148)" "$(sent)"

point "32 nested IPv4 prefixes and 0.0.0.0/0: each is found"
nested 4 1 > "$TMP/four"
load "$TMP/four"
spread 4
until_true 5 spread_is "$(wanted 32 1 148)"
expect_eq "peer and bytes sent: an initiation each" "$(wanted 32 1 148)" "$(sent)"

point "every second one taken away, inner nodes too: the shorter one takes over"
args=()
for ((n = 1; n <= 32; n += 2)); do
	args+=(peer "$(printf 'peer%038d0=' "$n")" allowed-ips "")
done
wg_set a wg0 "${args[@]}"
spread 4
want=$(awk 'BEGIN { for (n = 0; n <= 32; n++) printf "%s%d:%d", n ? " " : "", n, n % 2 ? 148 : 296; print "" }')
until_true 5 spread_is "$want"
expect_eq "peer and bytes sent: another initiation for the even ones" "$want" "$(sent)"
# And from the other end: the rest, from the shortest on; all sends fail then.
args=()
for ((n = 0; n <= 32; n += 2)); do
	args+=(peer "$(printf 'peer%038d0=' "$n")" allowed-ips "")
done
wg_set a wg0 "${args[@]}"
expect_eq "errno" ENOKEY "$(on a "$LIB_DIR/wire" udp-errno 85.170.85.170)"
expect_eq "prefixes" 0 "$(on a wg show wg0 allowed-ips | grep -c /)"

point "a prefix moved between two peers under traffic: no packet finds none"
# Both peers are on b, by wg0 and wg1, and both take it.
keys_b0=$(wg genkey) keys_b1=$(wg genkey)
P0=$(wg pubkey <<< "$keys_b0") P1=$(wg pubkey <<< "$keys_b1")
for i in 0 1; do
	wg_new b wg$i
	k=keys_b$i
	wg_key b wg$i "${!k}"
	wg_set b wg$i listen-port $((51820 + i)) peer "${PUB[a]}" allowed-ips 0.0.0.0/0,::/0
	must "up" on b ip link set wg$i up
done
addr b lo 10.20.0.1/32
printf '[Peer]\nPublicKey = %s\nEndpoint = 192.0.2.2:51820\nAllowedIPs = 10.20.0.0/16,10.21.0.1/32\n[Peer]\nPublicKey = %s\nEndpoint = 192.0.2.2:51821\nAllowedIPs = 10.22.0.1/32\n' \
	"$P0" "$P1" > "$TMP/two"
load "$TMP/two"
must "down" on a ip link set wg0 down
must "up" on a ip link set wg0 up
must "into wg0" on a ip route add 10.20.0.0/14 dev wg0
for t in 21 22; do must "a handshake" on a "$LIB_DIR/wire" udp-send 10.$t.0.1 9 00; done
must_soon 5 "a session with the first" shaken a wg0 "$P0"
must_soon 5 "a session with the second" shaken a wg0 "$P1"
start sink b "$LIB_DIR/wire" udp-sink 5002 1000000 1
sink=$PID
ready sink ready
errors=$(devstat a wg0 tx_errors)
r0=$(devstat b wg0 rx_packets) r1=$(devstat b wg1 rx_packets)
start flow a "$LIB_DIR/wire" udp-flow 10.20.0.1 5002 1000000 100 500
flow=$PID
by0() {
	[ "$(devstat b wg0 rx_packets)" -ge "$1" ]
}
expect_soon 5 "the flow has begun" by0 $((r0 + 10))
for ((i = 0; i < 15; i++)); do
	wg_set a wg0 peer "$P1" allowed-ips 10.22.0.1/32,10.20.0.0/16
	wg_set a wg0 peer "$P0" allowed-ips 10.21.0.1/32,10.20.0.0/16
done
expect_soon 5 "the flow goes on" by0 $(($(devstat b wg0 rx_packets) + 30))
expect_ok "the flow was never refused" kill -0 "$flow"
stop "$flow"
wait "$sink"
read -r received lost _ twice corrupt <<< "$(tail -n 1 "$TMP/sink")"
expect_min "received" 40 "$received"
expect_eq "lost, twice, corrupt" "0 0 0" "$lost $twice $corrupt"
expect_eq "tx_errors" "$errors" "$(devstat a wg0 tx_errors)"
expect_min "by the first peer" $((r0 + 10)) "$(devstat b wg0 rx_packets)"
expect_min "by the second peer" $((r1 + 1)) "$(devstat b wg1 rx_packets)"

# 1000 peers; a slow machine gets fewer prefixes for each.
case ${ADIT_KERNEL:-} in
uml*) each=250 ;;
*) each=30 ;;
esac
point "1000 peers with very many prefixes: added, then removed, in bounded time"
say "$each prefixes for each of 1000 peers: $((each * 1000)) leaves, about twice as many nodes"
# nodes: objects in the cache that the nodes of IPv4 come from; nothing if the
# kernel does not tell. It may share it with others of that size.
nodes() {
	local n

	read -r n _ < /sys/kernel/slab/wg_allowedips4/objects && echo "$n"
} 2> /dev/null
wg_new a wg2
before=$(nodes)
awk -v each=$each 'BEGIN {
	for (p = 0; p < 1000; p++) {
		printf "[Peer]\nPublicKey = peer%038d0=\n", p
		for (i = 0; i < each; i++) {
			# Neighbours in the table belong to different peers.
			n = i * 1000 + p
			printf "AllowedIPs = 10.%d.%d.%d/32\n", int(n / 65536), int(n / 256) % 256, n % 256
		}
	}
}' > "$TMP/many"
t=$(now)
must "wg setconf" on a wg setconf wg2 "$TMP/many"
say "added in $(($(now) - t)) ms"
expect_range "milliseconds" 0 $((60000 * ADIT_SLOW)) $(($(now) - t))
if [ -n "$before" ]; then
	say "nodes: $before before, $(nodes) with them"
	expect_min "nodes" $((before + each * 1000)) "$(nodes)"
fi
for ((p = 0; p < 1000; p++)); do
	printf 'peer peer%038d0= remove\n' "$p"
done > "$TMP/remove"
t=$(now)
expect_ok "all of them removed, 100 at a time" on a sh -c \
	'xargs -n 300 wg set wg2 < "$0"' "$TMP/remove"
t=$(($(now) - t))
say "removed in $t ms"
expect_range "milliseconds" 0 $((20000 * ADIT_SLOW)) "$t"
expect_eq "peers left" 0 "$(on a wg show wg2 peers | wc -l)"
if [ -n "$before" ]; then
	# Freed after a grace period. Others come and go, but not so many.
	back() {
		n=$(nodes)
		echo "$n, $before before"
		[ "$n" -le $((before + each * 100)) ]
	}
	expect_soon 20 "no node is left" back
	say "nodes: $OUT"
else
	say "this kernel does not tell of the nodes"
fi

point "the table works afterwards, and the device is deleted at once"
printf '[Interface]\nPrivateKey = %s\n[Peer]\nPublicKey = %s\nEndpoint = 192.0.2.2:51821\nAllowedIPs = 10.0.0.0/8\n' \
	"${KEY[a]}" "$P1" > "$TMP/one"
must "wg0 goes" on a ip link del wg0
must "wg setconf" on a wg setconf wg2 "$TMP/one"
addr a wg2 10.9.0.1/24
must "up" on a ip link set wg2 up
must "into wg2" on a ip route add 10.20.0.0/16 dev wg2
must "back" on b ip route add 10.9.0.0/24 dev wg1
expect_ping "through it" a -c 1 10.20.0.1
t=$(now)
expect_ok "filled again" on a wg addconf wg2 "$TMP/many"
say "filled again in $(($(now) - t)) ms"
expect_range "milliseconds" 0 $((60000 * ADIT_SLOW)) $(($(now) - t))
t=$(now)
expect_ok "deleted" on a ip link del wg2
t=$(($(now) - t))
say "deleted in $t ms"
expect_range "milliseconds" 0 $((15000 * ADIT_SLOW)) "$t"

finish
