#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Much of everything, the kernel's own driver and Adit in turn: what it costs in
# virtual time (tests/vm/run --virtual-time), in which only work takes time, and in
# memory.
#
#   SCALE_PEERS	how many peers on one device, one number after the other (default
#		"1000 20000"; "" for none)
#   SCALE_PREFIXES	how many allowed IPs of one peer (default none)
#   SCALE_MORE	not empty: idle devices, live sessions, and the first handshakes of
#		as many peers
#   BENCH_SIDES	in-kernel, adit
#   SCALE_QUICK	not empty: only setconf, memory, dump and a new key
#   SCALE_STAY	not empty: what was made is not taken away again, as the last thing
#		this guest does (the kernel's own driver would be at it for hours)
#
# Prints "# scale SIDE N WHAT VALUE UNIT". Memory is all that the system has less than
# before, once nothing waits to be freed: of every kind, per-CPU and slabs, too.

# shellcheck source=../netns/lib.sh
. "$(dirname "$0")/../netns/lib.sh"
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

dir=$(cd "$(dirname "$0")" && pwd)
: "${SCALE_PREFIXES:=}" "${SCALE_MORE:=}" "${BENCH_SIDES:=in-kernel adit}"
read -ra counts <<< "${SCALE_PEERS-1000 20000}"
read -ra prefixes <<< "$SCALE_PREFIXES"
read -ra more <<< "$SCALE_MORE"
read -ra sides <<< "$BENCH_SIDES"

# config N FILE: N peers with two allowed IPs each, the same in each run
config() {
	python3 - "$1" > "$2" << 'END'
import base64, hashlib, sys
print("[Interface]\nPrivateKey = %s\nListenPort = 51820" %
      base64.b64encode(hashlib.sha256(b"private").digest()).decode())
for i in range(int(sys.argv[1])):
    key = hashlib.sha256(b"peer %d" % i).digest()
    print("[Peer]\nPublicKey = %s\nAllowedIPs = 10.%d.%d.%d/32, fd09::%x:%x/128\nEndpoint = 192.0.2.2:51820" %
          (base64.b64encode(key).decode(), i >> 16, i >> 8 & 255, i & 255, i >> 16, i & 65535))
END
}

# A CPU keeps pages that were freed, which are not counted as free: as many as the low
# watermark has, which huge pages have raised to tens of MiB. So: a few hundred.
few_kept_pages() {
	echo never > /sys/kernel/mm/transparent_hugepage/enabled
	sysctl -qw vm.percpu_pagelist_high_fraction=100000 2> /dev/null ||
		sysctl -qw vm.percpu_pagelist_fraction=100000 ||
		say "the pages that each CPU keeps cannot be made few"
}

# free_memory: KiB, once two looks in succession find the same, so that nothing is on
# its way to be freed
free_memory() {
	local k v last=0 i

	for ((i = 0; i < 60; i++)); do
		sleep 3
		echo 3 > /proc/sys/vm/drop_caches
		sleep 1
		python3 -c 'b"x" * (64 << 20)'
		sleep 1
		while read -r k v _; do
			[ "$k" = MemFree: ] && break
		done < /proc/meminfo
		((v - last > 64 || last - v > 64)) || break
		last=$v
	done
	echo "$v"
}

# tell WHAT VALUE UNIT; taken WHAT BEFORE: bytes since $(free_memory) was BEFORE
tell() { say "scale $side $n $*"; }
taken() { tell "$1" $((($2 - $(free_memory)) * 1024)) bytes; }

# took WHAT COMMAND...: how long, of the guest's own clock
took() {
	local what=$1 t

	shift
	t=$(date +%s%N)
	must "$what" "$@"
	t=$(($(date +%s%N) - t))
	tell "$what" $t ns
}

# probed WHAT COMMAND...: for how long nobody else gets the rtnl lock meanwhile; a
# COMMAND "took ..." says its own time as well
probed() {
	local what=$1 pid

	shift
	"$dir/load" rtnl-probe "${NS[a]}" > "$TMP/probe" &
	pid=$!
	sleep 0.1
	if [ "$1" = took ]; then
		"$@"
	else
		must "$what" "$@"
	fi
	sleep 0.1
	kill "$pid"
	wait "$pid"
	tell "$what-rtnl" "$(sed 's/longest //' "$TMP/probe")" ns
}

all_gone() {
	local h

	for h in "${HOSTS[@]}"; do
		# here: with its namespace it would go in the background, the
		# kernel's own for minutes, and unloading would count as hung
		on "$h" ip -br link show type wireguard | while read -r i _; do
			must "deleting $i of $h" on "$h" ip link del "$i"
		done
		host_gone "$h"
	done
	HOSTS=()
}

many_peers() {
	local before

	config "$n" "$TMP/conf"
	wg genkey > "$TMP/key"
	printf '[Interface]\nPrivateKey = %s\n' "$(wg genkey)" > "$TMP/empty"
	awk '/PublicKey/ { if (n++ % 2) print "peer", $3, "remove" }' "$TMP/conf" > "$TMP/half"
	host_new a
	a="ip netns exec ${NS[a]}"
	# whatever a first device makes once
	wg_new a wg0
	must "deleting a device" on a ip link del wg0
	before=$(free_memory)
	wg_new a wg0
	took setconf $a wg setconf wg0 "$TMP/conf"
	taken memory "$before"
	expect_eq "peers that are there" "$n" "$(on a wg show wg0 peers | wc -l)"
	took dump $a sh -c 'wg show wg0 dump > /dev/null'
	took new-key $a wg set wg0 private-key "$TMP/key"
	[ -z "${SCALE_QUICK:-}" ] || return 0
	took remove-half $a xargs -s 2000000 -n 30000 wg set wg0 < "$TMP/half"
	expect_eq "peers that are left" $((n - n / 2)) "$(on a wg show wg0 peers | wc -l)"
	took remove-all $a wg setconf wg0 "$TMP/empty"
	taken memory-left "$before"
	probed setconf $a wg setconf wg0 "$TMP/conf"
	probed new-key $a wg set wg0 private-key "$TMP/key"
	probed dump $a sh -c 'wg show wg0 dump > /dev/null'
	# once: the kernel's own driver takes minutes
	[ -n "${SCALE_STAY:-}" ] || probed delete took delete on a ip link del wg0
}

# one peer with many allowed IPs, every sixteenth address from 10.0.0.8 on
many_prefixes() {
	local before units ns

	pair
	a="ip netns exec ${NS[a]}"
	tunnel
	expect_ok "the tunnel" on a ping -q -c 1 10.9.0.2
	{
		printf '[Peer]\nPublicKey = %s\nAllowedIPs = 10.9.0.2/32' "${PUB[b]}"
		awk -v n="$n" 'BEGIN {
			for (i = 8; n--; i += 16)
				printf "%s10.%d.%d.%d/32", i % 1024 == 8 ? "\nAllowedIPs = " : ",",
					i / 65536, i / 256 % 256, i % 256
			print ""
		}'
	} > "$TMP/conf"
	before=$(free_memory)
	took allowed-ips $a wg addconf wg0 "$TMP/conf"
	taken allowed-ips-memory "$before"
	expect_eq "allowed IPs that are there" $((n + 1)) \
		"$(on a wg show wg0 allowed-ips | wc -w | awk '{ print $1 - 1 }')"
	took allowed-ips-dump $a sh -c 'wg show wg0 dump > /dev/null'
	# who looks up an address while sending and, with the roles changed, while receiving
	expect_ok "datagrams" "$dir/load" udp "${NS[a]}" "${NS[b]}" 10.9.0.2 5001 1 64 500 4000 &&
		read -r _ units _ ns _ <<< "$OUT" && tell datagram-out $((ns / units)) ns
	expect_ok "datagrams back" "$dir/load" udp "${NS[b]}" "${NS[a]}" 10.9.0.1 5001 1 64 500 4000 &&
		read -r _ units _ ns _ <<< "$OUT" && tell datagram-in $((ns / units)) ns
	took allowed-ips-gone $a wg set wg0 peer "${PUB[b]}" allowed-ips 10.9.0.2/32
	taken allowed-ips-memory-left "$before"
}

# devices that nobody has set up
idle_devices() {
	local before i

	host_new a
	a="ip netns exec ${NS[a]}"
	wg_new a wg0
	for ((i = 1; i <= n; i++)); do echo "link add wg$i type wireguard"; done > "$TMP/batch"
	before=$(free_memory)
	took devices $a ip -batch "$TMP/batch"
	taken devices-memory "$before"
}

# peers that all have a session, first one that is used, then one that has ended
live_sessions() {
	local before fresh b

	pair
	a="ip netns exec ${NS[a]}" b="ip netns exec ${NS[b]}"
	wg_new a wg0
	echo "link set wg0 up
	addr add 10.9.0.254/32 dev wg0
	route add 10.9.1.0/24 dev wg0" > "$TMP/batch-a"
	: > "$TMP/batch-b"
	for ((i = 0; i < n; i++)); do
		echo "link add wg$i type wireguard
		addr add 10.9.1.$i/32 dev wg$i
		link set wg$i up"
	done > "$TMP/batch-b"
	must "devices on b" on b ip -batch "$TMP/batch-b"
	must "devices on a" on a ip -batch "$TMP/batch-a"
	on b sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
	rm -rf "$TMP/each"
	must "configurations" python3 "$dir/peers.py" peers "$n" "$TMP/each"
	# without the peers
	for i in "$TMP"/each/*; do sed '/^\[Peer\]/,$d' "$i" > "$i.none"; done
	set_all() { # SUFFIX
		must "configuring b" $b sh -c \
			'for i in $(seq 0 "$0"); do wg setconf "wg$i" "$1/b$i$2" || exit; done' \
			$((n - 1)) "$TMP/each" "$1"
		must "configuring a" $a wg setconf wg0 "$TMP/each/a0$1"
	}
	each() {
		expect_ok "a datagram to each" "$dir/load" udp "${NS[a]}" "${NS[b]}" 10.9.1.0 5001 "$n" \
			64 "$n" "$n"
		expect_eq "sessions" "$n" "$(on a wg show wg0 latest-handshakes | awk '$2' | wc -l)"
	}
	# once before, for what is made once and stays
	set_all ""
	each
	set_all .none
	before=$(free_memory)
	set_all ""
	taken quiet-memory "$before"
	fresh=$(free_memory)
	each
	taken session-memory "$fresh"
	sleep 600
	taken ended-session-memory "$fresh"
	set_all .none
	taken sessions-gone-memory "$before"
}

# the key that all peers' handshakes begin with is new; then all of them begin
first_handshakes() {
	local block sum=0 ns done_ from

	pair
	a="ip netns exec ${NS[a]}"
	config "$n" "$TMP/conf"
	wg genkey > "$TMP/key"
	wg_new a wg0
	must "$n peers" on a wg setconf wg0 "$TMP/conf"
	addr a wg0 10.255.0.1/32
	# once, for what is needed to reach b
	expect_ok "a way to b" on a ping -q -c 1 192.0.2.2
	took new-key-again $a wg set wg0 private-key "$TMP/key"
	# in blocks: what gets no answer is tried again after five seconds
	block=2000
	[ "$n" -ge $block ] || block=$n
	for ((from = 0; from < n; from += block)); do
		must "wg0 up" on a ip link set wg0 up
		must "route" on a ip route add 10.0.0.0/8 dev wg0
		expect_ok "a datagram to each" on a python3 "$dir/first.py" $from $((from + block))
		read -r ns done_ <<< "$OUT"
		sum=$((sum + ns))
		expect_min "initiations" $block "$done_"
		must "wg0 down" on a ip link set wg0 down
	done
	tell first-initiations $sum ns
}

begin $((${#sides[@]} * (${#counts[@]} + ${#prefixes[@]} + 3 * ${#more[@]}))) \
	"much of everything: ${counts[*]} peers; ${prefixes[*]} allowed IPs; ${more[*]}" python3
few_kept_pages
for side in "${sides[@]}"; do
	swap_driver "$side"
	for n in "${counts[@]}"; do
		point "$n peers, $side"
		many_peers
		[ -n "${SCALE_STAY:-}" ] || all_gone
	done
	for n in "${prefixes[@]}"; do
		point "$n allowed IPs, $side"
		many_prefixes
		all_gone
	done
	for handshakes in "${more[@]}"; do
		point "idle devices, $side"
		n=200
		idle_devices
		all_gone
		point "sessions, $side"
		n=256
		live_sessions
		all_gone
		point "first handshakes of $handshakes peers, $side"
		n=$handshakes
		first_handshakes
		all_gone
	done
done
if [ -n "${SCALE_STAY:-}" ]; then
	point_end
	# whoever runs this ends it
	say "scale over, $FAILED failed"
	sleep inf
fi
finish
