#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Packets that wait for a session: how many, which, and what sets them going.

. "$(dirname "$0")/lib.sh"

begin 6 "packets staged for want of a session" nft tcpdump

pair
tunnel
nft_load b <<- 'END'
	table inet t {
		counter first { }
		counter rest { }
		counter whole { }
		chain c {
			type filter hook prerouting priority 0
			iifname wg0 udp sport 2001-2022 counter name first
			iifname wg0 udp sport 2023-2150 counter name rest
			iifname wg0 udp dport 10-11 counter name whole
		}
	}
END

# fill: 150 datagrams from ports 2001 to 2150
fill() {
	local port

	for port in $(seq 2001 2150); do
		must "a datagram" on a "$LIB_DIR/wire" udp-send 10.9.0.2 9 00 1 "$port"
	done
}
rest() {
	[ "$(nft_count b t rest)" -eq 128 ]
}

point "of too many the oldest are dropped, and the rest arrives in order"
capture inner b wg0 udp dst port 9
wg_set a wg0 private-key /dev/null
fill
expect_eq "what arrives without a key" "0 0" \
	"$(nft_count b t first) $(nft_count b t rest)"
wg_key a wg0
expect_soon 5 "the 128 newest arrive once there is a key" rest
expect_eq "of the 22 oldest" 0 "$(nft_count b t first)"
all_captured() {
	[ "$(captured inner | wc -l)" -ge 128 ]
}
expect_soon 5 "all are captured" all_captured
expect_eq "their order" "$(seq -s ' ' 2023 2150)" \
	"$(captured inner | sed -n 's/.*10\.9\.0\.1\.\([0-9]*\) > .*/\1/p' | paste -s -d ' ')"

point "the limit is applied before adding: a GSO packet drops none of its own"
wg_set a wg0 private-key /dev/null
dropped=$(devstat a wg0 tx_dropped)
must "120 datagrams" on a "$LIB_DIR/wire" udp-send 10.9.0.2 10 00 120
must "60 segments in one" on a "$LIB_DIR/sockopt" gso 10.9.0.2 11 60 100 60
expect_eq "tx_dropped with 180 staged" 0 $(($(devstat a wg0 tx_dropped) - dropped))
# Over the limit now: each one that is added makes it 127 before that.
must "one more" on a "$LIB_DIR/wire" udp-send 10.9.0.2 11 00 1
if [ "$DRIVER" = adit ]; then
	expect_eq "tx_dropped with one more" 53 $(($(devstat a wg0 tx_dropped) - dropped))
fi
must "none of them" on a ip link set wg0 down
must "up" on a ip link set wg0 up
must "120 datagrams" on a "$LIB_DIR/wire" udp-send 10.9.0.2 10 00 120
must "60 segments in one" on a "$LIB_DIR/sockopt" gso 10.9.0.2 11 60 100 60
expect_eq "what arrives without a key" 0 "$(nft_count b t whole)"
wg_key a wg0
whole() {
	[ "$(nft_count b t whole)" -eq 180 ]
}
expect_soon 5 "all 180 arrive once there is a key" whole

point "staged packets do not hold up the socket that sent them"
wg_set a wg0 private-key /dev/null
# Its send buffer has room for two or three of these.
expect_eq "of 128 datagrams sent without waiting" 128 \
	"$(on a "$LIB_DIR/sockopt" small-buffer 10.9.0.2 10 128 1200)"
wg_key a wg0
whole() {
	[ "$(nft_count b t whole)" -eq $((180 + 128)) ]
}
expect_soon 5 "they arrive" whole

point "an endpoint that is set sets them going"
must "down" on a ip link set wg0 down
must "b has nothing of the old session" on b ip link set wg0 down
must "b up" on b ip link set wg0 up
wg_set a wg0 peer "${PUB[b]}" remove
wg_set a wg0 peer "${PUB[b]}" allowed-ips 10.9.0.2/32 endpoint 192.0.2.99:1
must "up" on a ip link set wg0 up
must "clearing the counters" on b sh -c 'nft reset counters table inet t > /dev/null'
must "5 datagrams" on a "$LIB_DIR/wire" udp-send 10.9.0.2 9 00 5 2023
spy a eth0
sleep 0.5
expect_spy "nothing more is sent meanwhile" a tx_init=0
wg_set a wg0 peer "${PUB[b]}" endpoint 192.0.2.2:51820
five() {
	[ "$(nft_count b t rest)" -eq 5 ]
}
expect_soon 9 "they arrive" five

point "a peer that is removed takes them along, and they are counted"
must "down" on a ip link set wg0 down
wg_set a wg0 peer "${PUB[b]}" endpoint 192.0.2.99:1
must "up" on a ip link set wg0 up
dropped=$(devstat a wg0 tx_dropped)
must "5 datagrams" on a "$LIB_DIR/wire" udp-send 10.9.0.2 9 00 5 2023
wg_set a wg0 peer "${PUB[b]}" remove
expect_eq "tx_dropped" $((dropped + 5)) "$(devstat a wg0 tx_dropped)"

point "of all peers together no more than a part of the machine's memory"
if [ "$DRIVER" = adit ]; then
	total=$(awk '$1 == "MemTotal:" { print $2 }' /proc/meminfo)
	# as many as need twice of what is allowed, each with 128 of 60,000 bytes
	n=$((total / 32 * 2 / (128 * 60) + 1))
	must "room for such datagrams" on a ip link set wg0 mtu 65000
	wg_set a wg0 private-key /dev/null peer "${PUB[b]}" allowed-ips 10.9.0.2/32 \
		endpoint 192.0.2.2:51820
	for ((i = 1; i <= n + 1; i++)); do
		wg_set a wg0 peer "$(wg genkey | wg pubkey)" allowed-ips 10.9.0.$((100 + i))/32 \
			endpoint 192.0.2.99:1
	done
	dropped=$(devstat a wg0 tx_dropped)
	for ((i = 1; i <= n; i++)); do
		must "128 datagrams" on a "$LIB_DIR/wire" udp-send 10.9.0.$((100 + i)) 9 \
			@60000:00 128
	done
	dropped=$(($(devstat a wg0 tx_dropped) - dropped))
	# by what they take in truth, which is somewhat more
	expect_range "of $((n * 128)) datagrams are dropped" $((n * 128 / 3)) \
		$((n * 128 * 2 / 3)) $dropped
	# what room is left, by as little as the ping below needs
	dropped=$(devstat a wg0 tx_dropped)
	must "128 datagrams more" on a "$LIB_DIR/wire" udp-send 10.9.0.$((100 + n + 1)) 9 00 128
	expect_min "of these are dropped" $((dropped + 1)) "$(devstat a wg0 tx_dropped)"
	wg_key a wg0
	expect_soon 5 "another peer gets its session all the same" on a ping -q -c 1 -W 1 10.9.0.2
else
	skip_point "the kernel's own driver bounds their number"
fi

finish
