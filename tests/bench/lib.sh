# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# For benchmarks in guests, after tests/netns/lib.sh: one driver after the other.

# The driver of the kernel, which this guest keeps aside
theirs=
for f in /adit/in-kernel/wireguard.ko*; do
	[ ! -f "$f" ] || theirs=$f
done

symbols() { # LABEL PATTERN
	echo "# symbols $1"
	# a function in each line: address and name
	grep -E "$2" /proc/kallsyms | sed -nE 's/^0*([0-9a-f]+) [tTwW] (.*)/\1 \2/p' |
		gzip -9 | base64 -w 3000 | sed 's/^/# + /'
}

load_driver() { # SIDE
	local m

	! [ -d /sys/module/wireguard ] || must_soon 10 "unloading the driver" rmmod wireguard
	case $1 in
	none) return ;;
	in-kernel)
		[ -n "$theirs" ] || { fail "the kernel's own module" "nothing below /adit/in-kernel"; exit 1; }
		for m in $(modinfo -F depends "$theirs" | tr , ' '); do
			must "loading $m" modprobe "$m"
		done
		must "loading the kernel's own driver" insmod "$theirs"
		;;
	adit) must "loading Adit" modprobe wireguard ;;
	esac
	expect_eq "the driver that is loaded" "$1" \
		"$(_driver_of "$(cat /sys/module/wireguard/version 2> /dev/null)")"
	[ -z "${BENCH_SYMBOLS:-}" ] || symbols "$1" "	\\["
}
