# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# For benchmarks in guests, after tests/netns/lib.sh: where the functions are, and
# how hosts lie.

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

# c_behind_a: on top of `pair`, a router in front of c
c_behind_a() {
	host_new c
	link c eth0 a eth1
	addr c eth0 10.7.0.2/24
	addr a eth1 10.7.0.1/24
	forward a
	route c default via 10.7.0.1
}

# b_reaches_c: through the tunnel of a and b
b_reaches_c() {
	wg_set b wg0 peer "${PUB[a]}" allowed-ips 10.9.0.1/32,10.7.0.0/24
	route b 10.7.0.0/24 dev wg0
}
