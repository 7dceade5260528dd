# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2154 # variables of lib.sh
#
# Guests of other architectures than this machine's: the machine that QEMU
# makes, the programs (Debian's packages of that architecture, unpacked), the
# helpers of tests/netns. Sourced by lib.sh.

# foreign_row KERNEL: kernel_row, and $f_triplet
foreign_row() {
	kernel_row "$1" || die "tests/vm/kernels has no $1"
	case $d_arch in
	arm64) f_triplet=aarch64-linux-gnu ;;
	armhf) f_triplet=arm-linux-gnueabihf ;;
	armel) f_triplet=arm-linux-gnueabi ;;
	s390x) f_triplet=s390x-linux-gnu ;;
	*) die "there are no guests of the architecture $d_arch" ;;
	esac
}

need_foreign_packages() { # KERNEL
	foreign_row "$1"
	need_packages "qemu-system-$([ "$d_arch" = s390x ] && echo misc || echo arm)" cpio xz-utils kmod busybox-static binutils make device-tree-compiler \
		"gcc-12-$f_triplet" "libc6-dev-$d_arch-cross"
}

# foreign_board KERNEL: the machine that QEMU makes; run --board may want another
foreign_board() {
	foreign_row "$1"
	case ${vm_board:-}:$d_arch in
	:armel) echo raspi0 ;;		# a Raspberry Pi Zero
	:arm64 | :armhf) echo virt ;;
	:s390x) echo s390-ccw-virtio ;;	# big-endian
	raspi3b:arm64) echo raspi3b ;;	# a Raspberry Pi 3
	*) die "$1 has no board \"$vm_board\"" ;;
	esac
}

# foreign_machine: for start_qemu; sets $qemu, $machine, $console, $options, $c,
# $m, $n and $serial, where they differ. The results come by a second serial
# port: on the PCI bus, or the other one of a Raspberry Pi.
foreign_machine() {
	local board
	board=$(foreign_board "$kernel") || exit
	foreign_row "$kernel"
	qemu=qemu-system-arm console=ttyAMA0
	[ "$d_arch" != arm64 ] || qemu="qemu-system-aarch64"
	serial=(-serial chardev:con -device "pci-serial,chardev=tap" -device virtio-rng-pci)
	case $d_arch:$board in
	arm64:virt)
		machine=(-M virt)
		# pages of 16k came with later ones
		: "${c:=$([[ $d_flavour =~ 16k$|^pi- ]] && echo cortex-a76 || echo cortex-a72)}"
		;;
	armhf:virt)
		# the kernel has no LPAE: it reaches no PCI above 4 GB
		machine=(-M "virt,highmem=off")
		: "${c:=cortex-a15}"
		;;
	*:raspi0)
		machine=(-M raspi0 -dtb "$(foreign_dtb bcm2835-rpi-zero.dtb)") || exit
		n=1 m=512M
		: "${c:=arm1176}"
		;;
	*:raspi3b)
		machine=(-M raspi3b -dtb "$(foreign_dtb broadcom/bcm2837-rpi-3-b.dtb)") || exit
		n=4 m=1G
		: "${c:=cortex-a53}"
		;;
	esac
	if [ "$board" = s390-ccw-virtio ]; then
		qemu=qemu-system-s390x machine=(-M "$board") console=ttysclp0
		: "${c:=max}"
		serial=(-device "sclpconsole,chardev=con" -device virtio-serial-ccw
			-device "virtconsole,chardev=tap" -device virtio-rng-ccw)
	elif [ "$board" != virt ]; then
		serial=(-serial chardev:con -serial chardev:tap)
		options=initcall_blacklist=bcm2835_pm_driver_init
	fi
}

# foreign_dtb NAME: the kernel's device tree of a Raspberry Pi, with the second
# serial port on, and what the first random numbers come from
foreign_dtb() {
	local dir=$vm_cache/kernels/$kernel ver out=$vm_run_dir/dtb seed
	ver=$(cat "$dir/release")
	read -ra seed < <(od -An -N 32 -w32 -tx4 /dev/urandom)
	{
		cp "$dir/root/usr/lib/linux-image-$ver/$1" "$out" &&
		fdtput -t s "$out" /soc/serial@7e215040 status okay &&
		fdtput -t x "$out" /chosen rng-seed "${seed[@]}"
	} || die "cannot use the device tree $1 of $ver"
	echo "$out"
}

# guest_tap KERNEL: the device by which a guest gives its results
guest_tap() {
	case $(kernel_kind "$1") in
	uml) echo tty1 ;;
	qemu) echo ttyS1 ;;
	*)
		case $(foreign_board "$1") in
		virt) echo ttyS0 ;;
		s390-ccw-virtio) echo hvc0 ;;
		*) echo ttyS1 ;;
		esac
		;;
	esac
}

# guest_slow KERNEL: the factor on time limits that a guest needs
guest_slow() {
	case $(kernel_kind "$1") in
	qemu | uml) echo 1 ;;
	*) echo 3 ;;
	esac
}

# --- programs --------------------------------------------------------------------

# Debian 12's; python3 is left out for its size
foreign_packages=(
	bash dash coreutils sed grep mawk findutils diffutils procps util-linux
	bsdextrautils mount hostname busybox-static kmod libc-bin
	iproute2 iputils-ping wireguard-tools nftables iptables conntrack
	iperf3 tcpdump ethtool wireguard-go
)

# foreign_root: as it is when it was made once, else made now; prints its path
foreign_root() {
	local dir=$vm_cache/programs/$d_arch
	done_is "$dir/.packages" "${foreign_packages[*]}" ||
		with_lock "programs-$d_arch" unpacked_root "$dir" "bookworm-programs-$d_arch" \
			bookworm "$d_arch" "programs for $d_arch" "${foreign_packages[@]}" || exit
	echo "$dir"
}

foreign_key() {
	foreign_row "$kernel"
	cat "$(foreign_root)/.done" || exit
}

# foreign_file ROOT PATH: the file that this is in ROOT, where links may be
# absolute; prints its path
foreign_file() {
	local f=$1/$2 to
	while [ -L "$f" ]; do
		to=$(readlink "$f")
		case $to in
		/*) f=$1$to ;;
		*) f=${f%/*}/$to ;;
		esac
	done
	[ -f "$f" ] && echo "$f"
}

# foreign_needs FILE...: the libraries that these want, by name
foreign_needs() {
	LC_ALL=C readelf -d "$@" 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'
}

# foreign_programs_into DIR: the same for host_programs_into
foreign_programs_into() {
	local tmp=$1 root p name f d lib todo next
	foreign_row "$kernel"
	root=$(foreign_root) || exit
	cp "$root/usr/bin/busybox" "$tmp/bbin/busybox" || exit
	# this machine's busybox knows the names; one too many is no harm
	for p in $(busybox --list); do
		[ -e "$tmp/bbin/$p" ] || ln -s busybox "$tmp/bbin/$p"
	done
	for p in "${base_programs[@]}"; do
		name=$p
		case $p in
		# what packages' scripts would have linked
		sh) name=dash ;;
		ip6tables* | iptables | iptables-save | iptables-restore) name=xtables-nft-multi ;;
		esac
		for d in sbin bin; do
			f=$(foreign_file "$root" "usr/$d/$name") || continue
			cp "$f" "$tmp/usr/$d/$p"
			progs+=("$f")
			break
		done
	done
	lib=usr/lib/$f_triplet
	mkdir -p "$tmp/$lib"
	cp -r "$root/$lib/xtables" "$tmp/$lib/"
	# libraries, and what they need in turn
	mapfile -t todo < <(foreign_needs "${progs[@]}" "$root/$lib"/xtables/*.so | sort -u)
	while [ ${#todo[@]} -gt 0 ]; do
		next=()
		for p in "${todo[@]}"; do
			[ ! -e "$tmp/$lib/$p" ] || continue
			[ -e "$root/$lib/$p" ] || die "no package has the library $p"
			cp -L "$root/$lib/$p" "$tmp/$lib/"
			next+=("$root/$lib/$p")
		done
		todo=()
		[ ${#next[@]} = 0 ] || mapfile -t todo < <(foreign_needs "${next[@]}" | sort -u)
	done
	cp -L "$root"/usr/lib/ld*.so.[0-9] "$tmp/usr/lib/" || die "$root has no dynamic linker"
	# what base_fresh looks at
	progs=("$root/.done")
}

# foreign_helpers KERNEL: the C programs of tests/netns, built; prints where
foreign_helpers() {
	local out
	foreign_row "$1"
	out=$vm_top/build/helpers-$d_arch
	mkdir -p "$out"
	with_lock "helpers-$d_arch" \
		make -s -C "$vm_top/tests/netns" CC="$f_triplet-gcc-12" OUTPUT="$out" >&2 ||
		die "the helpers for $d_arch cannot be built"
	echo "$out"
}
