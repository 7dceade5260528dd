# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2154
#
# What the tests of installing share: root file systems of Debian releases, and
# the package at some version. To be sourced; sets $vm_top and what vm/lib.sh
# has.

# shellcheck source=../vm/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../vm/lib.sh"

# releases: with dkms 2.8.4, 3.0.10 and 3.2.2
package_releases=(bullseye bookworm trixie)

# A second kernel of each, by its name in tests/vm/kernels
later_kernel() { # RELEASE
	case $1 in
	bullseye) echo debian-5.10-rt ;;
	bookworm) echo debian-6.1-rt ;;
	trixie) echo debian-6.12-rt ;;
	*) die "unknown release \"$1\"; known: ${package_releases[*]}" ;;
	esac
}

# --- KTAP ------------------------------------------------------------------

n=0 passed=0 failed=0 bad=0

plan() { # POINT...
	points=("$@")
	echo "KTAP version 1"
	if [ "$(id -u)" != 0 ]; then
		echo "1..0 # SKIP needs root: it installs into a root of its own"
		echo "0 passed, 0 failed, 1 skipped"
		exit 0
	fi
	echo "1..${#points[@]}"
}
wrong() { # WHAT
	bad=1
	printf '# FAILED: %s\n# %s\n' "${points[n]}" "$1"
}
point() { # closes the open one
	if [ $bad = 0 ]; then
		echo "ok $((n + 1)) ${points[n]}"
		passed=$((passed + 1))
	else
		{
			tail -n 40 "$work/log"
			find "$work/root/var/lib/dkms" -name make.log -exec tail -n 20 {} +
		} | sed 's/^/# /'
		echo "not ok $((n + 1)) ${points[n]}"
		failed=$((failed + 1))
	fi
	n=$((n + 1)) bad=0
}
points_end() {
	echo "$passed passed, $failed failed, 0 skipped"
	[ $failed = 0 ]
}

# --- the root --------------------------------------------------------------

root_packages=(
	dkms linux-headers-amd64 linux-image-amd64 kmod initramfs-tools wireguard-tools
	make systemd-sysv udev dbus iproute2 iputils-ping
)

make_root_locked() { # RELEASE
	local key dir=$vm_cache/systems/package-$1
	apt_root "$1" "$1" amd64 "$1" security
	key="layout 2, $(apt_field dkms Version), $(apt_field linux-headers-amd64 Version)"
	done_is "$dir/.done" "$key" && return
	mkdir -p "$dir"
	say "making a root of $1 with dkms, a kernel and its headers (three minutes; the log: $dir/build.log)"
	mmdebstrap --variant=minbase --architectures=amd64 \
		--include="$(printf '%s\n' "${root_packages[@]}" | paste -sd,)" \
		--aptopt='APT::Install-Recommends "false"' \
		--format=tar "$1" "$dir/root.tar" - <"$apt_lists" >"$dir/build.log" 2>&1 ||
		die "mmdebstrap failed: see $dir/build.log"
	done_set "$dir/.done" "$key"
}

# open_root RELEASE: unpacked as $work/root; $KERNEL is its kernel, $work/log the
# log. All is gone when the script ends.
open_root() {
	need_packages debhelper dh-dkms dpkg-dev lintian mmdebstrap >/dev/null
	with_lock "package-$1" make_root_locked "$1" || exit
	work=$(mktemp -d "${TMPDIR:-/tmp}/adit-package-XXXXXX") || exit 1
	trap 'rm -rf "$work"' EXIT
	mkdir "$work/root"
	: >"$work/log"
	say "unpacking the root"
	tar -xpf "$vm_cache/systems/package-$1/root.tar" -C "$work/root" --exclude='./dev/*' ||
		die "cannot unpack the root"
	KERNEL=$(basename "$work"/root/lib/modules/*)
	export KERNEL
}

inside() { # COMMAND...: in the root, output to the log
	inside_out "$@" >>"$work/log" 2>&1
}
export inside_path=/usr/sbin:/usr/bin:/sbin:/bin
inside_out() {
	# shellcheck disable=SC2016 # for the inner shell
	unshare -m sh -c 'mount -t proc proc "$0/proc"; mount --rbind /dev "$0/dev"; root=$0
		exec env -i PATH="$inside_path" LC_ALL=C DEBIAN_FRONTEND=noninteractive \
			YES=1 KERNEL="$KERNEL" chroot "$root" "$@"' "$work/root" "$@"
}

is_ours() { # KERNEL VERSION
	local f v
	f=$(chroot "$work/root" modinfo -k "$1" -n wireguard)
	v=$(chroot "$work/root" modinfo -k "$1" -F version wireguard)
	[[ $f == */lib/modules/"$1"/updates/dkms/* ]] || wrong "of kernel $1, modinfo finds $f"
	[ "$v" = "$2" ] || wrong "of kernel $1, its version is $v, not $2"
	chroot "$work/root" modprobe -n -v -S "$1" wireguard | grep -q "updates/dkms/wireguard" ||
		wrong "of kernel $1, modprobe would load another"
}
is_theirs() { # KERNEL
	local f
	f=$(chroot "$work/root" modinfo -k "$1" -n wireguard)
	[[ $f == */lib/modules/"$1"/kernel/* ]] || wrong "of kernel $1, modinfo finds ${f:-nothing}"
}

# --- the package -----------------------------------------------------------

# source_of VERSION: a copy of the tree in $work/VERSION/adit, as that version
source_of() {
	mkdir -p "$work/$1"
	(cd "$vm_top" && git ls-files -c -- . ':!tests' | tar -c -T - 2>>"$work/log") |
		tar -x -C "$work/$1" --one-top-level=adit || die "cannot copy the sources"
	(
		cd "$work/$1/adit" || exit
		sed -i "s/^PACKAGE_VERSION=.*/PACKAGE_VERSION=\"$1\"/" dkms.conf
		sed -i "1s/(.*)/($1)/" debian/changelog
		echo "$1" >VERSION
	)
}
build() { # VERSION
	(cd "$work/$1/adit" && dpkg-buildpackage -b -us -uc) >>"$work/log" 2>&1 &&
		cp "$work/$1"/adit-{dkms,tools}"_$1_all.deb" "$work/root/tmp/"
}
