#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Segmentation offloads inside and outside, GRO, queueing disciplines.

. "$(dirname "$0")/lib.sh"

begin 7 "offloads inside and outside, fair queueing of inner flows" ethtool tc

pair
tunnel
expect_ping "tunnel is up" a -c 1 10.9.0.2
head -c 1500000 /dev/urandom > "$TMP/sent"


both_ways() {
	copy "$1, a to b" a b 10.9.0.2
	copy "$1, b to a over IPv6" b a fd09::1
}

offload() { # HOST IF FEATURE... as ethtool -K takes them
	local h=$1 i=$2

	shift 2
	must "ethtool -K $i $* (on $h)" on "$h" ethtool -K "$i" "$@"
}

point "features: segmentation offload, checksums and scatter-gather are on"
features=$(on a ethtool -k wg0)
for f in tx-checksum-ip-generic rx-checksumming scatter-gather \
	generic-segmentation-offload tcp-segmentation-offload highdma; do
	expect_like "feature $f" "*$f: on*" "$features"
done
expect_like "driver name" "*driver: wireguard*" "$(on a ethtool -i wg0)"

point "all offloads on"
both_ways "everything on"

point "no segmentation offload inside"
for h in a b; do offload "$h" wg0 gso off tso off; done
both_ways "gso, tso off inside"
for h in a b; do offload "$h" wg0 gso on tso on; done

point "a wire without offloads"
for h in a b; do offload "$h" eth0 gso off tso off gro off tx off rx off sg off; done
both_ways "everything off outside"

point "a wire with GRO, no segmentation offload"
for h in a b; do offload "$h" eth0 gro on sg on tx on rx on; done
both_ways "GRO on outside"

point "no checksum offload, no scatter-gather, no GRO inside"
for h in a b; do
	offload "$h" eth0 gso on tso on gro on
	offload "$h" wg0 tx off sg off gro off
done
both_ways "checksums and scatter-gather off inside"
for h in a b; do offload "$h" wg0 tx on sg on gso on tso on gro on; done

point "inner flows are told apart by the fair queueing of the outer device"
# Behind a slow wire, so that packets wait: newer kernels sort no packet into
# flows that need not wait, nor the first eight that do.
if ! { on a tc qdisc replace dev eth0 root handle 1: tbf rate 8kbit burst 2000 limit 100000 &&
	on a tc qdisc replace dev eth0 parent 1:1 handle 2: fq; } 2> "$TMP/tc"; then
	skip_point "tc cannot set up fq: $(cat "$TMP/tc")"
else
	for port in $(seq 2001 2150); do
		must "a datagram" on a "$LIB_DIR/wire" udp-send 10.9.0.2 9 00 1 "$port"
	done
	stats=$(on a tc -s qdisc show dev eth0)
	[[ $stats =~ flows\ ([0-9]+) ]]
	# Of 150, some have left by then, and some may share a place in its table.
	expect_min "flows that fq knows" 12 "${BASH_REMATCH[1]:-0}" || say "$stats"
fi

finish
