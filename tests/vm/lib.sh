# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034 # read by the tools
#
# What prepare, run and pair share: the cache, downloads, host packages,
# kernels, the guests' base file system. To be sourced.

vm_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
vm_top=$(cd "$vm_dir/../.." && pwd -P)
vm_cache=${XDG_CACHE_HOME:-$HOME/.cache}/adit
vm_kernels=(debian-6.1 uml-7.3 debug-6.1 kcsan-6.1)	# what most tests run on
vm_lists_days=7	# package lists older than this are fetched again

# --- messages: all on stderr, stdout belongs to results -------------------

say() { printf '%s\n' "$*" >&2; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# usage_of FILE: the comment block at the head of a tool is its manual
usage_of() {
	awk 'NR > 1 && !/^#/ { exit } NR > 2 { sub(/^# ?/, ""); print }' "$1"
}

mib() { echo "$((($1 + 524288) / 1048576)) MB"; }

# --- processes of their own ------------------------------------------------

# new_session COMMAND...: becomes the leader of a session. A kernel may share time
# by sessions (autogroup): one of an idle_session is idle as well.
new_session() {
	# shellcheck disable=SC2016 # for the inner shell
	exec setsid sh -c '[ -z "${ADIT_IDLE:-}" ] || echo 19 2>/dev/null >/proc/self/autogroup
		exec "$@"' sh "$@"
}

# idle_session COMMAND...: a session that has the time that others leave
idle_session() {
	export ADIT_IDLE=1
	new_session chrt -i 0 "$@"
}

# lesser_session COMMAND...: one that others are preferred to, but that goes on
# beside them; in an idle one idle as well
lesser_session() {
	# shellcheck disable=SC2016 # for the inner shell
	exec setsid sh -c 'if [ -n "${ADIT_IDLE:-}" ]; then n=19; else n=10; fi
		echo $n 2>/dev/null >/proc/self/autogroup
		exec nice -n 10 "$@"' sh "$@"
}

# --- locks and finish markers ---------------------------------------------

# with_lock NAME COMMAND...: one run at a time builds NAME
with_lock() {
	local name=$1 rc
	shift
	mkdir -p "$vm_cache" || die "cannot create the cache $vm_cache"
	(
		exec 9>"$vm_cache/.lock-$name"
		if ! flock -n 9; then
			say "another run is preparing $name: waiting for it"
			flock 9
		fi
		"$@" 9>&-
	)
	rc=$?
	return $rc
}

# A step is finished when its marker file holds its key.
done_is() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }
done_set() { printf '%s\n' "$2" >"$1.tmp.$$" && mv -f "$1.tmp.$$" "$1"; }

# --- packages of the host --------------------------------------------------

# is_interactive: may a question be asked?
is_interactive() {
	[ "${YES:-}" = 1 ] && return 1
	[ "${CI:-}" = true ] && return 1
	[ -t 0 ] && [ -t 2 ]
}

# need_packages PACKAGE...: install what is missing, after saying so.
# "a|b" means any of the two; the first is the one to install.
need_packages() {
	local p alt missing=() sudo=() answer get
	for p; do
		for alt in ${p//|/ }; do
			case $(dpkg-query -W -f '${Status}' "$alt" 2>/dev/null) in
			"install ok installed") continue 2 ;;
			esac
		done
		missing+=("${p%%|*}")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	command -v apt-get >/dev/null ||
		die "this machine has no apt-get; install the equivalents of: ${missing[*]}"
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null ||
			die "packages are missing; as root: apt-get install --no-install-recommends ${missing[*]}"
		sudo=(sudo)
	fi
	say "These Debian packages are missing and will be installed${sudo:+ with sudo}: ${missing[*]}"
	if is_interactive; then
		read -r -p "Install them now? [Y/n] " answer
		case $answer in
		[nN]*) die "needed: apt-get install --no-install-recommends ${missing[*]}" ;;
		esac
	elif [ ${#sudo[@]} -gt 0 ]; then
		sudo=(sudo -n)
	fi
	# another run of this may be installing just now
	get=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive
		apt-get -o DPkg::Lock::Timeout=900)
	"${get[@]}" install -y --no-install-recommends "${missing[@]}" >&2 ||
		{ "${get[@]}" update >&2 &&
		  "${get[@]}" install -y --no-install-recommends "${missing[@]}" >&2; } ||
		die "could not install; as root: apt-get update && apt-get install --no-install-recommends ${missing[*]}"
}

# What runs inside the guests comes from the host, so scenarios see the
# same tools everywhere.
guest_packages=(
	bash coreutils grep sed gawk\|mawk findutils procps util-linux mount
	hostname busybox-static kmod iproute2 iputils-ping wireguard-tools
	wireguard-go nftables iptables conntrack iperf3 tcpdump ethtool ncat
	netcat-openbsd python3 python3-cryptography python3-pyroute2 python3-yaml jq
)
need_guest_packages() { need_packages "${guest_packages[@]}"; }
need_qemu_packages() { need_packages qemu-system-x86 cpio xz-utils "${guest_packages[@]}"; }
need_vm_packages() { # KERNEL
	case $(kernel_kind "$1") in
	qemu) need_qemu_packages ;;
	uml) need_guest_packages ;;
	*) need_foreign_packages "$1" ;;
	esac
}
need_build_packages() {
	need_packages make gcc-12\|gcc libc6-dev libelf-dev libssl-dev \
		flex bison bc xz-utils bzip2 kmod perl-base
}

# shellcheck source=debian.sh
. "$vm_dir/debian.sh"
# shellcheck source=foreign.sh
. "$vm_dir/foreign.sh"

# --- uml-7.3 ----------------------------------------------------------------

uml_cc() { command -v gcc-12 >/dev/null && echo gcc-12 || echo gcc; }

# source_tree DIR VERSION: unpacks linux-source-VERSION into DIR, named by its
# package; sets $src and $src_version
source_tree() {
	local dir=$1 pkg=linux-source-$2
	src=$dir/$pkg
	src_version=$(apt_field "$pkg" Version)
	[ -n "$src_version" ] || die "the archive has no $pkg any more"
	done_is "$dir/.source" "$src_version" && return
	fetch_debs "$pkg"
	say "unpacking the source of $pkg $src_version"
	rm -rf "$src" "$dir/unpack"
	mkdir -p "$dir/unpack"
	dpkg-deb --fsys-tarfile "$(deb_file "$pkg")" |
		tar -xO --wildcards "*/$pkg.tar.xz" |
		tar -xJ -C "$dir/unpack" || die "cannot unpack $pkg"
	mv "$dir/unpack/$pkg" "$src"
	rmdir "$dir/unpack"
	done_set "$dir/.source" "$src_version"
}

# build_kernel NAME DIR BASE FRAGMENT... -- MAKE-ARGUMENT...: configures (BASE
# is a make target, then the fragments), dies where one of the last was not taken, builds, and
# installs the modules below DIR/root
build_kernel() {
	local name=$1 dir=$2 base=$3 frags=() out opt
	shift 3
	while [ "$1" != -- ]; do
		frags+=("$vm_dir/$1")
		shift
	done
	shift
	set -- make "$@"
	out=$src
	[ ! -d "$dir/build" ] || out=$dir/build
	{
		"$@" "$base" &&
		(cd "$src" && scripts/kconfig/merge_config.sh -m -O "$out" "$out/.config" "${frags[@]}") &&
		"$@" olddefconfig
	} >"$dir/config.log" 2>&1 || die "cannot configure $name: see $dir/config.log"
	# only the last fragment is this kernel's own
	while read -r opt; do
		case $opt in
		*=[!n]*) grep -qxF "$opt" "$out/.config" ;;
		*) ! grep -q "^${opt%=n}=" "$out/.config" ;;
		esac || die "the kernel $name did not take $opt; see $out/.config"
	done < <(sed -nE 's/^(CONFIG_[^ ]*).*/\1/p; s/^# (CONFIG_[^ ]*) is not set/\1=n/p' "${frags[-1]}")
	nice "$@" -j"$(nproc)" 2>&1 | tee "$dir/build.log" |
		awk '{ n++ } n % 100 == 0 { printf "\r%d files built", n > "/dev/stderr" }
		     END { printf "\r%d files built\n", n > "/dev/stderr" }'
	[ "${PIPESTATUS[0]}" = 0 ] || die "the build of $name failed: see $dir/build.log"
	rm -rf "$dir/root"
	"$@" INSTALL_MOD_PATH="$dir/root" modules_install \
		>>"$dir/build.log" 2>&1 || die "modules_install failed: see $dir/build.log"
	"$@" -s kernelrelease | tail -n 1 >"$dir/release"
}

prepare_uml() { # NAME RELEASE VERSION
	local name=$1 release=$2 dir=$vm_cache/kernels/$1 src src_version key
	[ "$(uname -m)" = x86_64 ] || die "$name can be built on x86_64 only"
	need_build_packages
	apt_root "$release-source" "$release" amd64 "$release-backports"
	key="linux-source-$3 $(apt_field "linux-source-$3" Version), config $(cd "$vm_dir" && cat "$name.config" uml-gcov.config | sha256sum | cut -c1-16), $($(uml_cc) -dumpfullversion), layout 1"
	done_is "$dir/.done" "$key" && return
	mkdir -p "$dir"
	source_tree "$dir" "$3"
	rm -f "$dir/.done"
	say "building the User Mode Linux kernel (13 minutes on one core; the log: $dir/build.log)"
	build_kernel "$name" "$dir" defconfig "$name.config" uml-gcov.config -- -C "$src" ARCH=um CC="$(uml_cc)"
	ln -f "$src/linux" "$dir/linux" 2>/dev/null || cp "$src/linux" "$dir/linux"
	ln -sfn "linux-source-$3" "$dir/kdir"
	done_set "$dir/.done" "$key"
}

# --- kernels of tests/vm/own-kernels: Debian's source, for QEMU ----------------

# own_row NAME: its row; sets $d_release, $d_suites, $d_arch, as debian_row does,
# $d_flavour, which is the name, and $o_version, $o_compiler, $o_config
own_row() {
	local name
	while read -r name d_release d_suites o_version d_arch o_compiler o_config; do
		d_flavour=$name
		[ "$name" != "$1" ] || return 0
	done < <(grep -v '^#' "$vm_dir/own-kernels")
	return 1
}

own_names() { awk '!/^#/ { print $1 }' "$vm_dir/own-kernels"; }

# built_own NAME: without a look at whether it is the newest
built_own() { [ -f "$vm_cache/kernels/$1/.done" ]; }

# kernel_row NAME: of either list
kernel_row() { debian_row "$1" || own_row "$1"; }

# own_make: sets make_args[], what make wants to know for the row at hand
own_make() {
	case $d_arch in
	amd64) make_args=(ARCH=x86_64) ;;
	arm64) make_args=(ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu-) ;;
	esac
	case $o_compiler:$d_arch in
	gcc:amd64) make_args+=(CC="$(uml_cc)") ;;
	gcc:arm64) make_args+=(CC=aarch64-linux-gnu-gcc-12) ;;
	clang-*) make_args+=(LLVM="-${o_compiler#clang-}") ;;
	esac
}

need_own_packages() {
	need_build_packages
	case $o_compiler:$d_arch in
	gcc:arm64) need_packages gcc-12-aarch64-linux-gnu ;;
	clang-*) need_packages "$o_compiler" "lld-${o_compiler#clang-}" "llvm-${o_compiler#clang-}" ;;
	esac
}

# sanitized SOURCE: of a kernel whose instrumented code is the module's, what is
# instrumented all the same, for it handles what the module gives it: the network,
# and what keeps timers, work, tables and callbacks
sanitized() {
	{
		(cd "$1/net" && ls core/*.c ipv4/*.c ipv6/*.c netlink/*.c sched/*.c xfrm/*.c netfilter/*.c)
		printf '%s\n' veth.c loopback.c tun.c timer.c workqueue.c tree.c xarray.c rhashtable.c
	} | sed -n 's|^\(.*/\)\?\([^/]*\)\.c$|KASAN_SANITIZE_\2.o=y|p' | sort -u
}

prepare_own() { # NAME
	local name=$1 dir=$vm_cache/kernels/$1 src src_version key frags make_args
	local layout=1 version image compiler
	[ "$(uname -m)" = x86_64 ] || die "$name can be built on x86_64 only"
	own_row "$name"
	version=$o_version
	need_own_packages
	own_make
	# Of all that is instrumented, KCSAN watches one access in some hundreds:
	# let it be the module's.
	[ "$name" != kcsan-6.1 ] || { make_args+=(KCSAN_SANITIZE=n); layout=2; }
	# The checks of KASAN in every file were half of all that such a kernel did,
	# also those of the other checkers' own memory.
	[ "$name" != debug-6.1 ] || layout=2
	if [ "$d_suites" = security ]; then
		apt_root "$d_release" "$d_release" amd64 "$d_release" security
	else
		apt_root "$d_release-source" "$d_release" amd64 "$d_suites"
	fi
	IFS=, read -ra frags <<<"$o_config"
	frags=("${frags[@]/%/.config}")
	compiler=$o_compiler
	[ "$compiler" != gcc ] || compiler=$($(uml_cc) -dumpfullversion)
	key="linux-source-$version $(apt_field "linux-source-$version" Version), config $(cd "$vm_dir" && cat "${frags[@]}" | sha256sum | cut -c1-16), $compiler, layout $layout"
	done_is "$dir/.done" "$key" && return
	mkdir -p "$dir/build" "$vm_cache/kernels/source-$version"
	with_lock "source-$version" source_tree "$vm_cache/kernels/source-$version" "$version" || exit
	src=$vm_cache/kernels/source-$version/linux-source-$version
	[ "$name" != debug-6.1 ] || {
		mapfile -t -O "${#make_args[@]}" make_args < <(sanitized "$src")
		make_args+=(KASAN_SANITIZE=n UBSAN_SANITIZE=n)
	}
	rm -f "$dir/.done"
	say "building the kernel $name (15 minutes on one core; the log: $dir/build.log)"
	build_kernel "$name" "$dir" tinyconfig "${frags[@]}" -- -C "$src" O="$dir/build" "${make_args[@]}"
	case $d_arch in
	amd64) image=x86/boot/bzImage ;;
	arm64) image=arm64/boot/Image ;;
	esac
	cp "$dir/build/arch/$image" "$dir/vmlinux" || die "there is no arch/$image"
	ln -sfn build "$dir/kdir"
	done_set "$dir/.done" "$key"
}

# --- any kernel ---------------------------------------------------------------

kernel_kind() {
	case $1 in
	uml-7.3) echo uml ;;
	*)
		kernel_row "$1" || return
		[ "$d_arch" = amd64 ] && echo qemu || echo "qemu-$d_arch"
		;;
	esac
}

check_kernel() {
	kernel_kind "$1" >/dev/null ||
		die "unknown kernel \"$1\"; known: ${vm_kernels[*]}, and those of tests/vm/kernels and own-kernels"
}

prepare_locked() {
	case $1 in
	uml-7.3) prepare_uml "$1" trixie 7.3 ;;
	*) if own_row "$1"; then prepare_own "$1"; else prepare_debian "$1"; fi ;;
	esac
}

# prepare_kernel NAME: up to date
prepare_kernel() {
	check_kernel "$1"
	with_lock "$1" prepare_locked "$1" || exit
}

# have_kernel NAME: as it is when it was made once, else made now
have_kernel() {
	check_kernel "$1"
	[ -f "$vm_cache/kernels/$1/.done" ] || prepare_kernel "$1"
}

# --- the base file system of QEMU guests ---------------------------------------

base_programs=(
	bash sh
	# coreutils
	'[' b2sum base64 basename cat chmod chown cksum comm cp csplit cut date dd
	df dirname du echo env expand expr false fmt fold head id install join ln ls
	md5sum mkdir mkfifo mknod mktemp mv nice nl nohup nproc numfmt od paste
	printenv printf pwd readlink realpath rm rmdir seq sha1sum sha256sum
	shuf sleep sort split stat stdbuf stty sync tac tail tee test timeout touch tr
	true truncate tty uname uniq unlink wc whoami yes
	# text, files, processes
	grep egrep sed awk find xargs cmp diff hexdump xxd jq bc
	ps pgrep pkill kill free sysctl uptime watch pidof
	# util-linux and friends
	mount umount mountpoint findmnt unshare nsenter setsid dmesg flock hostname
	taskset chrt lscpu script logger getopt prlimit setpriv rev column
	# modules
	kmod modprobe insmod rmmod lsmod modinfo depmod
	# network
	ip ss tc bridge nstat rtmon ping ping6 arping traceroute tracepath
	wg wg-quick wireguard-go nft conntrack ethtool tcpdump iperf3 netperf netserver
	iptables iptables-save iptables-restore ip6tables ip6tables-save
	ip6tables-restore iptables-nft iptables-legacy ip6tables-nft ip6tables-legacy
	nc nc.openbsd ncat socat getent openssl python3
	strace perf gdb ltrace trace-cmd bpftrace
)
# Left out on purpose: anything big that no scenario needs.
base_leave_out=' perf gdb ltrace bpftrace trace-cmd '

base_module_dirs=(
	net/netfilter net/ipv4 net/ipv6 net/sched net/bridge net/8021q net/core
)
base_modules=(
	wireguard udp_tunnel ip6_udp_tunnel libchacha20poly1305 libcurve25519
	libblake2s curve25519-x86_64 chacha-x86_64 poly1305-x86_64 blake2s-x86_64
	libcurve25519-generic curve25519-generic chacha_generic
	veth dummy ifb vrf bridge 8021q bonding tun macvlan ipvlan vxlan nlmon
	virtio_pci virtio_net virtio_rng virtio_console e1000 overlay af_packet_diag
	xfrm_user esp4 esp6 authenc crypto_null echainiv seqiv chacha20poly1305
	drbg jitterentropy_rng hmac sha256_generic sha512_generic ctr cryptomgr
	inet_diag udp_diag tcp_diag raw_diag packet_diag unix_diag netlink_diag
	nfnetlink nf_conntrack_netlink xt_mark xt_connmark xt_comment xt_addrtype
	nf_tables nft_masq nft_nat nft_ct nft_chain_nat nft_fib_inet nft_compat
)

find_program() { PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH:/usr/local/sbin type -P "$1"; }

# base_python: the files of Debian's Python that guests get
base_python() {
	local d v
	v=$(/usr/bin/python3 -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
	d=/usr/lib/python3/dist-packages
	find "/usr/lib/$v" "$d/cryptography" "$d/pyroute2" "$d/yaml" \
		"$d"/_cffi_backend.*.so \
		\( -name 'config-*' -o -name test -o -name tests -o -name lib2to3 -o \
		   -name distutils -o -name idlelib -o -name tkinter -o -name ensurepip -o \
		   -name pydoc_data \) -prune -o -type f -print
	find /usr/lib/x86_64-linux-gnu/ossl-modules -name '*.so'	# cryptography wants it
}

# base_key: what the base depends on, in a few lines
base_key() {
	local p f
	echo "layout 7 ${base_programs[*]} ${base_modules[*]} ${base_module_dirs[*]}"
	cat "$vm_cache/kernels/$1/.done"
	if [ "$(kernel_kind "$1")" != qemu ]; then
		foreign_key
		return
	fi
	for p in "${base_programs[@]}"; do
		case $base_leave_out in *" $p "*) continue ;; esac
		f=$(find_program "$p") && echo "$f"
	done
}

# base_image KERNEL: prints the path of its base cpio, made when absent.
# Named by the hash of base_key; beside it lies the list of all host files
# that went in with size and time: a change there makes it anew.
base_image() {
	local kernel=$1 key img
	key=$(base_key "$kernel" | sha256sum | cut -c1-16)
	img=$vm_cache/base/$kernel-$key.cpio
	if [ ! -f "$img" ] || ! base_fresh "$img"; then
		with_lock "base-$kernel" base_make "$kernel" "$img" || exit
	fi
	echo "$img"
}

base_fresh() {
	[ -f "$1.inputs" ] &&
	cut -d' ' -f1 "$1.inputs" | xargs -d '\n' stat -Lc '%n %s %Y' 2>/dev/null |
		cmp -s - "$1.inputs"
}

# base_modules_into DIR KERNEL [MODULE...]: the modules that guests get, those
# given and all that they depend on
base_modules_into() {
	local tmp=$1 kdir=$vm_cache/kernels/$2 ver m f
	shift 2
	ver=$(cat "$kdir/release")
	mkdir -p "$tmp/usr/lib/modules/$ver"
	{
		for m in "${base_module_dirs[@]}"; do
			find "$kdir/root/lib/modules/$ver/kernel/$m" -name '*.ko*' 2>/dev/null
		done | sed 's,.*/,,; s,\.ko.*,,'
		printf '%s\n' "${base_modules[@]}" "$@"
	} | sort -u | while read -r m; do
		PATH=$PATH:/sbin:/usr/sbin modprobe -S "$ver" -d "$kdir/root" --show-depends "$m" 2>/dev/null
	done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | sort -u | while read -r f; do
		f=${f#"$kdir"/root/lib/modules/"$ver"/}
		install -D -m 644 "$kdir/root/lib/modules/$ver/$f" "$tmp/usr/lib/modules/$ver/$f"
	done
	cp "$kdir/root/lib/modules/$ver/"modules.{order,builtin*} "$tmp/usr/lib/modules/$ver/"
	PATH=$PATH:/sbin:/usr/sbin depmod -b "$tmp" "$ver" || die "depmod failed"
}

# host_programs_into DIR: this machine's programs, with their libraries; all that
# went in is in progs[]
host_programs_into() {
	local tmp=$1 p f d lib
	cp "$(find_program busybox)" "$tmp/bbin/busybox"
	for p in $("$tmp/bbin/busybox" --list); do
		[ -e "$tmp/bbin/$p" ] || ln -s busybox "$tmp/bbin/$p"
	done
	for p in "${base_programs[@]}"; do
		case $base_leave_out in *" $p "*) continue ;; esac
		f=$(find_program "$p") || continue
		progs+=("$f")
		case $f in
		*/sbin/*) d=$tmp/usr/sbin ;;
		*) d=$tmp/usr/bin ;;
		esac
		cp -L "$f" "$d/$p"
	done
	# libraries, also those that iptables loads by itself
	while read -r lib; do
		progs+=("$lib")
	done < <(find /usr/lib/x86_64-linux-gnu/xtables -name '*.so' 2>/dev/null)
	for lib in "${progs[@]}"; do
		case $lib in */xtables/*.so) install -D "$lib" "$tmp/${lib#/}" ;; esac
	done
	# Debian's python3: the standard library, and the modules that tests use
	while read -r f; do
		install -D -m 644 "$f" "$tmp/$f"
		case $f in *.so) progs+=("$f") ;; esac
	done < <(base_python)
	while read -r lib; do
		progs+=("$lib")
		f=$tmp/usr/${lib#/}
		f=${f/usr\/usr/usr}
		mkdir -p "${f%/*}"
		cp -L "$lib" "$f"
	done < <(ldd "${progs[@]}" 2>/dev/null |
		sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^[ \t]*\(\/[^ :]*ld-linux[^ ]*\) .*/\1/p' | sort -u)
}

base_make() { # KERNEL IMAGE
	local kernel=$1 img=$2 tmp progs=()
	[ -f "$img" ] && base_fresh "$img" && return
	say "making the base file system for $kernel"
	tmp=$vm_cache/base/.tmp-$kernel
	rm -rf "$tmp"
	mkdir -p "$tmp"/{usr/{bin,sbin,lib,lib64},bbin,etc,dev,proc,sys,run,tmp,root,var/lib,adit}
	ln -s usr/bin "$tmp/bin"
	ln -s usr/sbin "$tmp/sbin"
	ln -s usr/lib "$tmp/lib"
	ln -s usr/lib64 "$tmp/lib64"
	ln -s ../run "$tmp/var/run"
	if [ "$(kernel_kind "$kernel")" = qemu ]; then
		host_programs_into "$tmp"
	else
		foreign_programs_into "$tmp"
	fi
	base_modules_into "$tmp" "$kernel"
	# /etc
	cp /etc/protocols /etc/services "$tmp/etc/" 2>/dev/null
	cp -r /etc/iproute2 /usr/share/iproute2 "$tmp/etc/" 2>/dev/null
	mkdir -p "$tmp/usr/share"
	[ ! -d /usr/share/iproute2 ] || cp -r /usr/share/iproute2 "$tmp/usr/share/"
	cp /etc/ethertypes "$tmp/etc/" 2>/dev/null
	printf 'root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/bin/false\ntcpdump:x:100:100::/:/bin/false\n' >"$tmp/etc/passwd"
	printf 'root:x:0:\nnogroup:x:65534:\ntcpdump:x:100:\n' >"$tmp/etc/group"
	cat >"$tmp/kvm-trial" <<-'END'
		#!/bbin/busybox sh
		/bbin/busybox mount -t devtmpfs devtmpfs /dev
		echo adit-kvm-trial-passed >/dev/ttyS0
		/bbin/busybox sleep 1
		/bbin/busybox poweroff -f
	END
	chmod 755 "$tmp/kvm-trial"
	(cd "$tmp" && find . | cpio --quiet -o -H newc -R 0:0) >"$img.tmp" || die "cpio failed"
	# of sixteen digits: others' names begin in the same way
	rm -f "$vm_cache/base/$kernel-"????????????????.cpio{,.inputs}
	printf '%s\n' "${progs[@]}" | sort -u | xargs -d '\n' stat -Lc '%n %s %Y' >"$img.inputs"
	mv "$img.tmp" "$img"
	rm -rf "$tmp"
}

# --- KVM or TCG ----------------------------------------------------------------

# have_kvm KERNEL BASE: does a guest really run under KVM here? Tried once a
# boot of this machine, with the guest ended after ten seconds.
have_kvm() {
	local mark out pid i
	[ -c /dev/kvm ] && [ -w /dev/kvm ] || return 1
	mark=$vm_cache/kvm-$(cat /proc/sys/kernel/random/boot_id)-$(id -u)
	if [ ! -f "$mark" ]; then
		rm -f "$vm_cache"/kvm-*
		out=$(mktemp)
		{
			qemu-system-x86_64 -M q35 -accel kvm -cpu max -m 512M -nodefaults \
				-display none -no-reboot -kernel "$vm_cache/kernels/$1/vmlinux" \
				-initrd "$2" -append "console=ttyS0 panic=-1 quiet rdinit=/kvm-trial" \
				-serial "file:$out" </dev/null >/dev/null &
			pid=$!
			for ((i = 0; i < 100; i++)); do
				kill -0 "$pid" || break
				grep -q adit-kvm-trial-passed "$out" && break
				sleep 0.1
			done
			kill -9 "$pid"
			wait "$pid"
		} 2>/dev/null
		if grep -q adit-kvm-trial-passed "$out"; then
			echo yes >"$mark"
		else
			echo no >"$mark"
			say "/dev/kvm is there, but a trial guest did not start on it: using emulation"
		fi
		rm -f "$out"
	fi
	[ "$(cat "$mark")" = yes ]
}
