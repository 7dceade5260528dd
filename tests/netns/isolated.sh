#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# CPUs that an administrator keeps free of the kernel's work (isolcpus=2,3 on the
# kernel's command line) do none of a busy peer's.

. "$(dirname "$0")/lib.sh"

begin 1 "isolated CPUs" ethtool
[ "$(cat /sys/devices/system/cpu/isolated)" = 2-3 ] || skip_all "CPUs 2 and 3 are not isolated"
[ "$DRIVER" = adit ] || skip_all "the counters are Adit's"

pair
tunnel
steer a eth0
steer b eth0
expect_ping "tunnel is up" a -c 1 10.9.0.2
head -c 12000000 /dev/urandom > "$TMP/sent"

worked() { # FIRST LAST: ticks that these CPUs have not been idle
	awk -v first="$1" -v last="$2" '$1 ~ /^cpu[0-9]/ && (n = substr($1, 4)) >= first && n <= last {
		sum += $2 + $3 + $4 + $7 + $8
	} END { print sum }' /proc/stat
}

point "isolated CPUs have none of it"
before=$(worked 0 1) isolated=$(worked 2 3)
copy "12 MB" a b 10.9.0.2
copy "12 MB back" b a 10.9.0.1
before=$(($(worked 0 1) - before)) isolated=$(($(worked 2 3) - isolated))
say "ticks at work: CPUs 0 and 1 $before, CPUs 2 and 3 $isolated"
expect_min "messages that workers did" 5000 "$(on a ethtool -S wg0 |
	awk '$1 == "tx_worker_messages:" || $1 == "rx_worker_messages:" { n += $2 } END { print n }')"
expect_range "ticks of the isolated CPUs" 0 $((before / 20)) "$isolated"

finish
