# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# For benchmarks in guests, after tests/netns/lib.sh: where the functions are.

symbols() { # LABEL PATTERN
	echo "# symbols $1"
	# a function in each line: address and name
	grep -E "$2" /proc/kallsyms | sed -nE 's/^0*([0-9a-f]+) [tTwW] (.*)/\1 \2/p' |
		gzip -9 | base64 -w 3000 | sed 's/^/# + /'
}

# swap_driver SIDE: as load_driver, and says where its functions are
swap_driver() {
	load_driver "$1"
	[ "$1" = none ] || [ -z "${BENCH_SYMBOLS:-}" ] || symbols "$1" "	\\["
}
