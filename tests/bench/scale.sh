#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Many peers on one device, the kernel's own driver and Adit in turn: what
# configuration costs, in virtual time (tests/vm/run --virtual-time), and in
# memory.
#
#   SCALE_PEERS	how many, one after the other (default "1000 20000")
#   BENCH_SIDES	in-kernel, adit
#   SCALE_QUICK	not empty: only setconf, memory, dump and a new key
#
# Prints "# scale SIDE PEERS WHAT VALUE UNIT".

# shellcheck source=../netns/lib.sh
. "$(dirname "$0")/../netns/lib.sh"
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

dir=$(cd "$(dirname "$0")" && pwd)
: "${SCALE_PEERS:=1000 20000}" "${BENCH_SIDES:=in-kernel adit}"
read -ra counts <<< "$SCALE_PEERS"
read -ra sides <<< "$BENCH_SIDES"

# config N FILE: N peers with two allowed IPs each, the same in each run
config() {
	python3 - "$1" > "$2" << 'END'
import base64, hashlib, sys
print("[Interface]\nPrivateKey = %s\nListenPort = 51820" %
      base64.b64encode(hashlib.sha256(b"private").digest()).decode())
for i in range(int(sys.argv[1])):
    key = hashlib.sha256(b"peer %d" % i).digest()
    print("[Peer]\nPublicKey = %s\nAllowedIPs = 10.%d.%d.%d/32, fd09::%x/128\nEndpoint = 192.0.2.2:51820" %
          (base64.b64encode(key).decode(), i >> 16, i >> 8 & 255, i & 255, i))
END
}

# free_memory: KiB, with what is on its way to be freed
free_memory() {
	local k v

	sleep 3
	echo 3 > /proc/sys/vm/drop_caches
	sleep 1
	while read -r k v _; do
		[ "$k" != MemFree: ] || echo "$v"
	done < /proc/meminfo
}

# took WHAT COMMAND...: how long, of the guest's own clock
took() {
	local what=$1 t

	shift
	t=$(date +%s%N)
	must "$what" "$@"
	t=$(($(date +%s%N) - t))
	say "scale $side $n $what $t ns"
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
	say "scale $side $n $what-rtnl $(sed 's/longest //' "$TMP/probe") ns"
}

begin $((${#sides[@]} * ${#counts[@]})) "many peers: ${counts[*]}" python3
for side in "${sides[@]}"; do
	swap_driver "$side"
	for n in "${counts[@]}"; do
		point "$n peers, $side"
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
		say "scale $side $n memory $(((before - $(free_memory)) * 1024)) bytes"
		expect_eq "peers that are there" "$n" "$(on a wg show wg0 peers | wc -l)"
		took dump $a sh -c 'wg show wg0 dump > /dev/null'
		took new-key $a wg set wg0 private-key "$TMP/key"
		if [ -n "${SCALE_QUICK:-}" ]; then
			# here: with its namespace it would go in the background, the
			# kernel's own for minutes, and unloading would count as hung
			must "deleting the device" on a ip link del wg0
			host_gone a
			HOSTS=()
			continue
		fi
		took remove-half $a xargs -s 2000000 -n 30000 wg set wg0 < "$TMP/half"
		expect_eq "peers that are left" $((n - n / 2)) "$(on a wg show wg0 peers | wc -l)"
		took remove-all $a wg setconf wg0 "$TMP/empty"
		say "scale $side $n memory-left $(((before - $(free_memory)) * 1024)) bytes"
		probed setconf $a wg setconf wg0 "$TMP/conf"
		probed new-key $a wg set wg0 private-key "$TMP/key"
		probed dump $a sh -c 'wg show wg0 dump > /dev/null'
		# once: the kernel's own driver takes minutes
		probed delete took delete on a ip link del wg0
		host_gone a
		HOSTS=()
	done
done
finish
