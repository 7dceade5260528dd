# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2154,SC2016
#
# Whole Debian systems with systemd as guests: the image of the root file
# system, and the initrd that boots into it. To be sourced after lib.sh.
#
# The image holds no kernel: the initrd brings the modules of the kernel that
# QEMU boots, the tests and the job. Guests write to a snapshot.

vm_systems=(system-bookworm)

# Most services are there but not started at boot: a script starts what it is
# about.
system_packages=(
	# a system
	systemd systemd-sysv libpam-systemd dbus udev kmod procps login passwd
	e2fsprogs mount util-linux less hostname
	ca-certificates
	# the network and its managers
	iproute2 iputils-ping ifupdown systemd-resolved network-manager
	nftables iptables conntrack ethtool
	# what tests work with
	wireguard-tools tcpdump iperf3 ncat netcat-openbsd
	gawk python3 python3-pyroute2 python3-cryptography
)
system_disabled=(
	NetworkManager.service NetworkManager-wait-online.service
	NetworkManager-dispatcher.service wpa_supplicant.service
	systemd-networkd.service systemd-networkd-wait-online.service
	systemd-resolved.service systemd-timesyncd.service networking.service
	e2scrub_reap.service
	apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer
	e2scrub_all.timer fstrim.timer getty@tty1.service
)

is_system() {
	local s
	for s in "${vm_systems[@]}"; do
		[ "$1" != "$s" ] || return 0
	done
	return 1
}

system_image() { echo "$vm_cache/systems/$1/root.ext4"; }

# system_key RELEASE: the packages with all they depend on, as the archive has
# them, and how the image is laid out
system_key() {
	local debs
	debs=$(apt-get -c "$apt_conf" -qq --print-uris -y --no-install-recommends \
		install "${system_packages[@]}" 2>/dev/null | awk '{ print $2, $3, $4 }' | LC_ALL=C sort)
	[ -n "$debs" ] || die "the archive of Debian $1 lacks one of: ${system_packages[*]}"
	echo "layout 1, $1, $(sha256sum <<<"$debs ${system_packages[*]} ${system_disabled[*]}" | cut -c1-16)"
}

prepare_system_locked() { # NAME RELEASE
	local name=$1 release=$2 dir=$vm_cache/systems/$1 key include fake=()
	apt_root "$release" "$release" amd64 "$release" security
	key=$(system_key "$release") || exit
	done_is "$dir/.done" "$key" && return
	need_packages mmdebstrap e2fsprogs
	if [ "$(id -u)" != 0 ]; then
		need_packages fakeroot uidmap
		fake=(fakeroot)
	fi
	mkdir -p "$dir"
	rm -f "$dir/.done"
	rm -rf "$dir/tree"
	include=$(printf '%s\n' "${system_packages[@]}" | paste -sd,)
	say "making the system $name: about 200 packages, two minutes (the log: $dir/build.log)"
	mmdebstrap --variant=minbase --architectures=amd64 --include="$include" \
		--aptopt='APT::Install-Recommends "false"' \
		--customize-hook='chroot "$1" systemctl disable '"${system_disabled[*]} || true" \
		--format=tar "$release" "$dir/root.tar" - \
		<"$apt_lists" 2>&1 | tee "$dir/build.log" |
		awk '/^I: /{ print; fflush() }' >&2
	[ "${PIPESTATUS[0]}" = 0 ] || die "mmdebstrap failed: see $dir/build.log"
	say "writing the file system"
	"${fake[@]}" sh -euc '
		mkdir -p "$1/tree"
		cd "$1/tree"
		tar -xpf ../root.tar --xattrs --xattrs-include="*" --exclude="./dev/*"
		echo adit >etc/hostname
		printf "127.0.0.1 localhost adit\n::1 localhost\n" >etc/hosts
		echo "/dev/vda / ext4 defaults 0 0" >etc/fstab
		echo ad17ad17ad17ad17ad17ad17ad17ad17 >etc/machine-id
		rm -f etc/network/interfaces
		printf "auto lo\niface lo inet loopback\n\nsource /etc/network/interfaces.d/*\n" >etc/network/interfaces
		ln -sfn ../run/systemd/resolve/stub-resolv.conf etc/resolv.conf
		ln -sfn /usr/share/zoneinfo/Etc/UTC etc/localtime
		# or the first boot brings caches up to date
		touch etc/.updated var/.updated
		rm -f ../root.ext4.new
		PATH=$PATH:/sbin:/usr/sbin
		mkfs.ext4 -q -O ^has_journal -E lazy_itable_init=0 -L adit-root \
			-d . ../root.ext4.new 3G
		mv ../root.ext4.new ../root.ext4
		cd ..
		rm -rf tree root.tar' sh "$dir" >>"$dir/build.log" 2>&1 ||
		die "cannot write the file system: see $dir/build.log"
	done_set "$dir/.done" "$key"
}

# prepare_system NAME: up to date
prepare_system() {
	case $1 in
	system-bookworm) with_lock "$1" prepare_system_locked "$1" bookworm || exit ;;
	*) die "unknown system \"$1\"; known: ${vm_systems[*]}" ;;
	esac
}

# have_system NAME: as it is when it was made once, else made now
have_system() {
	[ -f "$vm_cache/systems/$1/.done" ] || prepare_system "$1"
}

# system_initrd KERNEL: prints the path of the cpio that boots a system on
# KERNEL: busybox, guest/switch-root and modules
system_initrd() {
	local kernel=$1 key img
	key=$({
		echo "layout 3 ${base_modules[*]} ${base_module_dirs[*]}"
		cat "$vm_cache/kernels/$kernel/.done" "$vm_dir/guest/switch-root"
	} | sha256sum | cut -c1-16)
	img=$vm_cache/base/system-$kernel-$key.cpio
	[ -f "$img" ] || with_lock "initrd-$kernel" system_initrd_make "$kernel" "$img" || exit
	echo "$img"
}

system_initrd_make() { # KERNEL IMAGE
	local kernel=$1 img=$2 tmp=$vm_cache/base/.tmp-system-$1
	[ ! -f "$img" ] || return 0
	say "making the initrd of systems for $kernel"
	rm -rf "$tmp"
	mkdir -p "$tmp"/{bbin,dev,proc,sys,sysroot,usr/lib}
	ln -s usr/lib "$tmp/lib"
	cp "$(find_program busybox)" "$tmp/bbin/busybox"
	install -m 755 "$vm_dir/guest/switch-root" "$tmp/init"
	base_modules_into "$tmp" "$kernel" virtio_blk ext4 crc32c_generic crc32c-intel \
		autofs4 binfmt_misc efivarfs configfs loop
	(cd "$tmp" && find . | cpio --quiet -o -H newc -R 0:0) >"$img.tmp" || die "cpio failed"
	rm -f "$vm_cache/base/system-$kernel-"*.cpio
	mv "$img.tmp" "$img"
	rm -rf "$tmp"
}
