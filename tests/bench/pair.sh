#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# As counted.sh, between two machines with network cards (tests/vm/pair): marks at
# both ends, "# window SIDE WORKLOAD ..." of the first, "# window-b ..." of the second.
#
#   BENCH_WORK	of tcp, rr, udp64, forward; BENCH_ROUNDS, BENCH_SYMBOLS as there

export ADIT_IMPL_b=remote
# shellcheck source=../netns/lib.sh
. "$(dirname "$0")/../netns/lib.sh"
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

dir=$(cd "$(dirname "$0")" && pwd)
: "${BENCH_WORK:=tcp rr}" "${BENCH_ROUNDS:=1}"
read -ra work <<< "$BENCH_WORK"
sides=(in-kernel adit)

# The same in the second machine
swap_both() { # SIDE
	swap_driver "$1"
	must "another driver in the second machine" _remote sh -c '
		! [ -d /sys/module/wireguard ] || rmmod wireguard || exit
		[ "$0" = in-kernel ] || { modprobe wireguard; exit; }
		for f in /adit/in-kernel/wireguard.ko*; do
			for m in $(modinfo -F depends "$f" | tr , " "); do
				modprobe "$m" || exit
			done
			insmod "$f" || exit
		done' "$1"
	[ -z "${BENCH_SYMBOLS:-}" ] || _remote bash -c '. "$0"; symbols "$1-b" "	\\["' \
		"$dir/lib.sh" "$1"
}

both_ends() { # WORKLOAD
	local at to from=${NS[a]}

	case $1 in
	tcp) set -- tcp 10.9.0.2 5001 2000000 12000000 ;;
	rr) set -- rr 10.9.0.2 5001 64 100 2000 ;;
	udp64) set -- udp 10.9.0.2 5001 64 512 8192 ;;
	forward)
		c_behind_a
		b_reaches_c
		from=${NS[c]}
		set -- tcp 10.9.0.2 5001 2000000 12000000
		;;
	*) fail "a workload that there is" "$1"; exit 1 ;;
	esac
	at=$1-at to=$1-to
	shift
	_remote timeout 120 "$dir/load" "$at" "${NS[b]}" "$@" > "$TMP/at" 2>&1 < /dev/null &
	expect_ok "$to $*" timeout 120 "$dir/load" "$to" "$from" "$@"
	wait $! || { STEP="$at $*"; fail "success" "$(cat "$TMP/at")"; return 1; }
}

begin $((${#sides[@]} * BENCH_ROUNDS)) "between two machines: ${work[*]}" modinfo gzip base64
[ -z "${BENCH_SYMBOLS:-}" ] || symbols kernel '^[^	]*$'
for ((round = 1; round <= BENCH_ROUNDS; round++)); do
	for side in "${sides[@]}"; do
		point "round $round, $side"
		swap_both "$side"
		for w in "${work[@]}"; do
			pair
			tunnel
			both_ends "$w" && {
				say "window $side $w $OUT"
				say "window-b $side $w $(cat "$TMP/at")"
			}
			for h in "${HOSTS[@]}"; do
				host_gone "$h"
			done
			HOSTS=()
			sleep 0.5
		done
	done
done
finish
