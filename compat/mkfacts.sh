#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What does this kernel's API look like? Compiles one probe a fact with the
# kernel's own kbuild and writes compat/facts.h.
#
#   mkfacts.sh KDIR [make arguments, such as ARCH=... CROSS_COMPILE=...]
#
# Nothing happens where facts.h already belongs to this kernel, configuration,
# compiler and set of probes.
set -u

here=$(cd "$(dirname "$0")" && pwd)
kdir=${1:?usage: mkfacts.sh KDIR [make arguments]}
shift
facts=$here/facts.h

die() { echo "adit: $*" >&2; exit 1; }

[ -e "$kdir/Makefile" ] || die "no kernel build directory at $kdir; install the headers of this kernel (Debian: apt install linux-headers-\$(uname -r)) or say KDIR=..."
conf=$kdir/include/generated/autoconf.h
[ -e "$conf" ] || die "$kdir is not configured: include/generated/autoconf.h is missing"
release=$(cat "$kdir/include/config/kernel.release" 2>/dev/null) || die "$kdir has no include/config/kernel.release"

# Debian's headers have upstream's release there; what the user knows is their name
dir=$(basename "$(readlink -f "$kdir")")
case $dir in
linux-headers-"$release") kernel=$release ;;
linux-headers-*) kernel="${dir#linux-headers-} ($release)" ;;
*) kernel=$release ;;
esac

for option in NET INET NET_UDP_TUNNEL CRYPTO_LIB_CHACHA20POLY1305 CRYPTO_LIB_CURVE25519; do
	grep -Eq "^#define CONFIG_$option(_MODULE)? 1\$" "$conf" ||
		die "kernel $kernel lacks CONFIG_$option, which this driver needs"
done

key=$( { echo "$release" "$@"; cat "$conf" "$here"/probe/*.c "$here/mkfacts.sh" "$here/facts.expect"
	cat "$kdir/include/generated/compile.h" 2>/dev/null
	[ -e "$kdir/Module.symvers" ] && cksum <"$kdir/Module.symvers"; } | cksum)
key="$release $key"
[ -e "$facts" ] && [ "$(sed -n 's/^ \* key: //p' "$facts")" = "$key" ] && exit 0

echo "adit: looking at the API of kernel $kernel" >&2
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
cp "$here"/probe/*.c "$dir" || exit 1

names=
objects=
for f in "$dir"/*.c; do
	n=$(basename "$f" .c)
	names="$names $n"
	objects="$objects $n.o"
done
# every probe is an object of its own; none is linked
{
	echo "obj-m :=$objects"
	echo 'ccflags-y := -Wno-missing-prototypes -Wno-missing-declarations'
} >"$dir/Kbuild"
: >"$dir/Makefile"

jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
# shellcheck disable=SC2086
env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS LC_ALL=C make -k -j"$jobs" -C "$kdir" \
	M="$dir" "$@" $objects >"$dir/log" 2>&1

[ -e "$dir/control_good.o" ] || {
	grep -v '^make' "$dir/log" | grep -A3 -m1 control_good >&2 || tail -n 3 "$dir/log" >&2
	die "nothing can be built against kernel $kernel; are its compiler and all parts of its headers installed?"
}
[ ! -e "$dir/control_bad.o" ] || die "the compiler accepts a broken probe; cannot tell what kernel $kernel offers"

# A probe that does not compile says why: a compiler that was killed, or a full
# disk, is no answer.
for n in $names; do
	[ -e "$dir/$n.o" ] || grep -q "$n\.c:.*error: " "$dir/log" || {
		tail -n 3 "$dir/log" >&2
		die "the compiler says nothing about the probe $n of kernel $kernel; is there memory and room on the disk?"
	}
done

holds() { # PROBE: it compiles, and what it needs is exported
	[ -e "$dir/$1.o" ] || return 1
	[ -e "$kdir/Module.symvers" ] || return 0
	for s in $(sed -n 's|^/\* export: \(.*\) \*/$|\1|p' "$dir/$1.c"); do
		awk -v s="$s" '$2 == s { found = 1 } END { exit !found }' "$kdir/Module.symvers" || return 1
	done
}

{
	echo '/* SPDX-License-Identifier: GPL-2.0-only */'
	echo '/*'
	echo ' * Made by compat/mkfacts.sh, do not edit.'
	echo " * key: $key"
	echo " * kernel: $kernel"
	echo ' */'
	for n in $names; do
		case $n in control_*) continue ;; esac
		if holds "$n"; then v=1; else v=0; fi
		echo "#define WG_FACT_$(echo "$n" | tr '[:lower:]' '[:upper:]') $v"
	done
} >"$dir/facts.h"

fact() { # NAME
	grep -q "^#define WG_FACT_$(echo "$1" | tr '[:lower:]' '[:upper:]') 1\$" "$dir/facts.h"
}

# of each group of signatures exactly one fits
for g in $(sed -n 's|^/\* one-of: \(.*\) \*/$|\1|p' "$dir"/*.c | sort -u); do
	n=0
	for f in $(grep -l "^/\* one-of: $g \*/\$" "$dir"/*.c); do
		fact "$(basename "$f" .c)" && n=$((n + 1))
	done
	[ "$n" = 1 ] || die "kernel $kernel has a form of $g that is not known here ($n forms fit); please report this line (see README.md, \"Help\")"
done

# tripwires
while read -r name since; do
	case $name in '#'* | '') continue ;; esac
	older=$(printf '%s\n%s\n' "$since" "${release%%[!0-9.]*}" | sort -V | head -n1)
	[ "$older" = "$since" ] || continue
	fact "$name" || die "kernel $kernel was expected to have $name (since $since), but its probe fails; please report this line (see README.md, \"Help\")"
done <"$here/facts.expect"

mv "$dir/facts.h" "$facts"
