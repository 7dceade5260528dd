#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Two peers that lie about their inner source, in turns with the truth, in a
# burst, wrapped in another tunnel: each packet is looked at by itself.

. "$(dirname "$0")/lib.sh"

begin 5 "the inner source is checked for every packet" nft

# a has the peers b and c; b and c use each other's addresses.
host_new a b c
link a ethb b eth0
link a ethc c eth0
addr a ethb 192.0.2.1/25
addr b eth0 192.0.2.2/25
addr a ethc 192.0.2.129/25
addr c eth0 192.0.2.130/25
keys a b c
declare -A A=([b]=192.0.2.1 [c]=192.0.2.129) N=([b]=2 [c]=3) OTHER=([b]=c [c]=b)
for h in a b c; do
	wg_new "$h" wg0
	wg_key "$h" wg0
	wg_set "$h" wg0 listen-port 51820
done
for h in b c; do
	wg_set a wg0 peer "${PUB[$h]}" allowed-ips "10.9.0.${N[$h]}/32,fd09::${N[$h]}/128"
	wg_set "$h" wg0 peer "${PUB[a]}" allowed-ips 0.0.0.0/0,::/0 endpoint "${A[$h]}:51820"
	addr "$h" wg0 "10.9.0.${N[$h]}/24" "fd09::${N[$h]}/64"
done
addr a wg0 10.9.0.1/24 fd09::1/64
for h in a b c; do
	must "wg0 of $h up" on "$h" ip link set wg0 up
done
for h in b c; do
	expect_ping "$h is there" "$h" -c 1 10.9.0.1
done
# UDP to port 9, by what it says of its source.
nft_load a <<- 'END'
	table inet t {
		counter b4 { }
		counter b6 { }
		counter c4 { }
		counter c6 { }
		counter nested { }
		chain c {
			type filter hook prerouting priority -450
			iifname wg1 counter name nested return
			iifname != wg0 return
			ip saddr 10.9.0.2 udp dport 9 counter name b4
			ip6 saddr fd09::2 udp dport 9 counter name b6
			ip saddr 10.9.0.3 udp dport 9 counter name c4
			ip6 saddr fd09::3 udp dport 9 counter name c6
		}
	}
END
# packets SOURCE: UDP from there to a, port 9, without data, as IPv4 and IPv6.
v4() {
	local sum

	sum=$((0x4500 + 28 + 0x4011 + 0x0a09 + $1 + 0x0a09 + 1))
	sum=$(((sum & 0xffff) + (sum >> 16)))
	printf '4500001c000000004011%04x0a09%04x0a09000104d2000900080000' \
		$((0xffff - sum)) "$1"
}
v6() {
	local sum

	sum=$((0xfd09 + $1 + 0xfd09 + 1 + 8 + 17 + 0x04d2 + 9 + 8))
	while [ $((sum >> 16)) -ne 0 ]; do sum=$(((sum & 0xffff) + (sum >> 16))); done
	printf '6000000000081140%s%s04d200090008%04x' "$(printf 'fd09%024d%04x' 0 "$1")" \
		"$(printf 'fd09%024d%04x' 0 1)" $((0xffff - sum))
}
frames() {
	devstat a wg0 rx_frame_errors
}
counts() {
	echo "$(nft_count a t b4) $(nft_count a t b6) $(nft_count a t c4) $(nft_count a t c6)"
}
expect_counts() { # STEP WANTED ERRORS
	local errors=$3

	errors_are() { [ "$(frames)" -eq "$errors" ]; }
	arrived() { [ "$(counts)" = "$1" ]; }
	until_true 5 errors_are
	until_true 5 arrived "$2"
	expect_eq "$1: from b, IPv4 and IPv6, from c" "$2" "$(counts)"
	expect_eq "$1: rx_frame_errors" "$errors" "$(frames)"
	expect_eq "$1: rx_errors" "$errors" "$(devstat a wg0 rx_errors)"
}

point "each peer in turns with its own and the other's source"
for h in b c; do
	own=${N[$h]} other=${N[${OTHER[$h]}]}
	must "five rounds of $h" on "$h" sh -c '
		w=$0; for i in 1 2 3 4 5; do
			$w packet wg0 0x0800 $1; $w packet wg0 0x0800 $2
			$w packet wg0 0x86dd $3; $w packet wg0 0x86dd $4
		done' "$LIB_DIR/wire" "$(v4 "$own")" "$(v4 "$other")" "$(v6 "$own")" "$(v6 "$other")"
done
expect_counts "own ones only" "5 5 5 5" 20

point "bursts of both at once, by both peers: exact counts"
# Three lies to two truths, all at the same time.
jobs=()
for h in b c; do
	for what in "v4 ${N[$h]} 40 0x0800" "v4 ${N[${OTHER[$h]}]} 60 0x0800" \
		"v6 ${N[$h]} 40 0x86dd" "v6 ${N[${OTHER[$h]}]} 60 0x86dd"; do
		read -r make n count protocol <<< "$what"
		start "burst-$h-$make-$n" "$h" "$LIB_DIR/wire" packet wg0 "$protocol" \
			"$($make "$n")" "$count"
		jobs+=("$PID")
	done
done
wait "${jobs[@]}"
expect_counts "own ones only" "45 45 45 45" 260

point "no source at all, one of a, of the whole net: the same"
for s in 0 1 255 9; do
	expect_eq "c sends" 0 "$(on c "$LIB_DIR/wire" packet wg0 0x0800 "$(v4 $s)")"
	expect_eq "c sends" 0 "$(on c "$LIB_DIR/wire" packet wg0 0x86dd "$(v6 $s)")"
done
expect_counts "none of them" "45 45 45 45" 268

point "in a tunnel inside the tunnel: that tunnel checks for itself"
declare -A OUTER=([a]=${PUB[a]} [b]=${PUB[b]} [c]=${PUB[c]})
keys a b c
for h in a b c; do
	wg_new "$h" wg1
	wg_key "$h" wg1
	wg_set "$h" wg1 listen-port 51821
done
for h in b c; do
	wg_set a wg1 peer "${PUB[$h]}" allowed-ips "10.10.0.${N[$h]}/32"
	wg_set "$h" wg1 peer "${PUB[a]}" allowed-ips 0.0.0.0/0 endpoint 10.9.0.1:51821
	addr "$h" wg1 "10.10.0.${N[$h]}/24"
done
addr a wg1 10.10.0.1/24
for h in a b c; do
	must "wg1 of $h up" on "$h" ip link set wg1 up
done
for h in b c; do
	expect_ping "$h in wg1" "$h" -c 1 10.10.0.1
done
addr c wg1 10.10.0.2/32
nested=$(nft_count a t nested)
expect_no_ping "c as b inside the inner tunnel" c -c 2 -i 0.05 -W 1 -I 10.10.0.2 10.10.0.1
expect_eq "rx_errors, rx_frame_errors of wg1" "2 2" \
	"$(devstat a wg1 rx_errors) $(devstat a wg1 rx_frame_errors)"
# An address of the tunnel below is none of this one.
addr c wg1 10.9.0.2/32
expect_no_ping "c as b of the outer tunnel, in the inner one" c -c 2 -i 0.05 -W 1 -I 10.9.0.2 10.10.0.1
expect_eq "rx_frame_errors of wg1" 4 "$(devstat a wg1 rx_frame_errors)"
expect_eq "packets that came out of wg1" "$nested" "$(nft_count a t nested)"
must "c is itself" on c ip addr del 10.9.0.2/32 dev wg1

point "the inner tunnel's messages from another's outer address are dropped below"
before=$(frames)
must "c sends the inner tunnel's messages as b" on c ip addr add 10.9.0.2/32 dev wg0
must "c sends the inner tunnel's messages as b" on c ip route add 10.9.0.1/32 dev wg0 src 10.9.0.2
wg_set c wg1 peer "${PUB[a]}" endpoint 10.9.0.1:51821
must "down" on c ip link set wg1 down
must "up" on c ip link set wg1 up
expect_no_ping "c in wg1" c -c 1 -W 1 10.10.0.1
expect_min "rx_frame_errors of wg0" $((before + 1)) "$(frames)"
expect_eq "where a has c in wg1" "10.9.0.3:51821" "$(wg_get a wg1 endpoints "${PUB[c]}")"
expect_ping "b is as before" b -c 1 10.10.0.1
expect_eq "b's endpoint in wg0" "192.0.2.2:51820" "$(wg_get a wg0 endpoints "${OUTER[b]}")"

finish
