#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# IPsec around the tunnel and in it: policies on the outer packets, and on the
# inner ones.

. "$(dirname "$0")/lib.sh"

begin 6 "IPsec below and above WireGuard" nft

pair
# esp HOST MINE HIS SPI-OUT SPI-IN: states of that pair of addresses.
esp() {
	local auth=0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f

	on "$1" ip xfrm state add src "$2" dst "$3" proto esp spi "$4" mode transport \
		auth-trunc 'hmac(sha256)' $auth 128 enc 'ecb(cipher_null)' '' &&
	on "$1" ip xfrm state add src "$3" dst "$2" proto esp spi "$5" mode transport \
		auth-trunc 'hmac(sha256)' $auth 128 enc 'ecb(cipher_null)' ''
}
# policy HOST add|del MINE HIS PROTOCOL
policy() {
	local dir

	for dir in "out $3 $4" "in $4 $3"; do
		# shellcheck disable=SC2086 # direction and two addresses
		set -- "$1" "$2" "$3" "$4" "$5" $dir
		# shellcheck disable=SC2046 # words
		must "policy" on "$1" ip xfrm policy "$2" src "$7" dst "$8" proto "$5" dir "$6" \
			$([ "$2" = del ] || echo tmpl proto esp mode transport level required)
	done
}
if ! OUT=$(esp a 192.0.2.1 192.0.2.2 0x101 0x102 2>&1); then
	say "$OUT"
	for p in "IPv4 outside" "IPv6 outside" "while up" "full size" "inside" "no mixing"; do
		point "$p"
		skip_point "this kernel has no IPsec"
	done
	finish
fi
must "IPsec of b" esp b 192.0.2.2 192.0.2.1 0x102 0x101
must "IPsec of a, IPv6" esp a 2001:db8::1 2001:db8::2 0x201 0x202
must "IPsec of b, IPv6" esp b 2001:db8::2 2001:db8::1 0x202 0x201
tunnel
nft_load b <<- 'END'
	table inet t {
		counter wrapped { }
		counter bare { }
		counter inner { }
		counter plain { }
		chain c {
			type filter hook prerouting priority -450
			iifname eth0 meta l4proto esp counter name wrapped
			iifname eth0 meta ipsec missing meta l4proto udp counter name bare
			iifname wg0 meta l4proto esp counter name inner
			iifname wg0 meta ipsec missing meta l4proto { icmp, icmpv6 } counter name plain
		}
	}
END
zero() {
	must "clearing the counters of b" on b sh -c 'nft reset counters table inet t > /dev/null'
}
seen() { # STEP ESP UDP
	expect_eq "$1: ESP, bare UDP that b got" "$2 $3" "$(nft_count b t wrapped) $(nft_count b t bare)"
}

point "IPv4: every message, handshakes too, goes as ESP"
policy a add 192.0.2.1 192.0.2.2 udp
policy b add 192.0.2.2 192.0.2.1 udp
zero
expect_ping "a pings b" a -c 3 -i 0.05 10.9.0.2
seen "an initiation and three pings" 4 0

point "the policy goes and comes while the tunnel is up"
policy a del 192.0.2.1 192.0.2.2 udp
policy b del 192.0.2.2 192.0.2.1 udp
zero
expect_ping "without it" a -c 2 -i 0.05 10.9.0.2
seen "without it" 0 2
policy a add 192.0.2.1 192.0.2.2 udp
policy b add 192.0.2.2 192.0.2.1 udp
zero
expect_ping "with it" a -c 2 -i 0.05 10.9.0.2
seen "with it" 2 0

point "packets of full size and a stream"
expect_ping "full size" a -c 2 -i 0.05 -M 'do' -s 1392 10.9.0.2
expect_ping "full size, back" b -c 2 -i 0.05 -M 'do' -s 1392 10.9.0.1
head -c 200000 /dev/urandom > "$TMP/sent"
start received b "$LIB_DIR/wire" tcp-listen 5001
listener=$PID
STEP="TCP"
OUT=$(on a timeout "$(slow 20)" "$LIB_DIR/wire" tcp-send 10.9.0.2 5001 < "$TMP/sent" 2>&1) &&
	wait "$listener" || fail "the transfer ends" "$OUT"
expect_ok "what came is what was sent" cmp "$TMP/sent" "$TMP/received"
expect_eq "bare UDP" 0 "$(nft_count b t bare)"

point "IPv6"
policy a add 2001:db8::1 2001:db8::2 udp
policy b add 2001:db8::2 2001:db8::1 udp
wg_set a wg0 peer "${PUB[b]}" endpoint "[2001:db8::2]:51820"
must "down" on a ip link set wg0 down
must "up" on a ip link set wg0 up
zero
expect_ping "a pings b" a -c 3 -i 0.05 10.9.0.2
seen "an initiation and three pings" 4 0
expect_ping "full size" a -c 1 -M 'do' -s 1392 10.9.0.2

point "on the inner packets: ESP in the tunnel"
must "IPsec inside" esp a 10.9.0.1 10.9.0.2 0x301 0x302
must "IPsec inside" esp b 10.9.0.2 10.9.0.1 0x302 0x301
must "IPsec inside" esp a fd09::1 fd09::2 0x401 0x402
must "IPsec inside" esp b fd09::2 fd09::1 0x402 0x401
policy a add 10.9.0.1 10.9.0.2 icmp
policy b add 10.9.0.2 10.9.0.1 icmp
policy a add fd09::1 fd09::2 ipv6-icmp
policy b add fd09::2 fd09::1 ipv6-icmp
zero
expect_ping "IPv4" a -c 2 -i 0.05 10.9.0.2
expect_ping "IPv6" a -c 2 -i 0.05 fd09::2
expect_ping "large" a -c 1 -s 3000 10.9.0.2
expect_min "ESP that came out of the tunnel" 5 "$(nft_count b t inner)"
expect_eq "bare echoes that did" 0 "$(nft_count b t plain)"

point "IPsec around the tunnel is none of the packets inside"
policy a del 10.9.0.1 10.9.0.2 icmp
zero
expect_no_ping "bare inside, ESP outside" a -c 2 -i 0.05 -W 1 10.9.0.2
expect_eq "bare echoes that came out of the tunnel" 2 "$(nft_count b t plain)"
policy a add 10.9.0.1 10.9.0.2 icmp
expect_ping "ESP inside again" a -c 1 10.9.0.2

finish
