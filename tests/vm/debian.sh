# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2154 # variables of lib.sh
#
# Debian's archive: packages of any release and architecture, without touching
# what this system has installed, and the kernels of tests/vm/kernels. Sourced
# by lib.sh.

# --- downloads from the Debian archive ------------------------------------

# apt_sources: "URI SUITE KEYRING" of each archive this system itself uses,
# from one-line and deb822 files.
apt_sources() {
	local f
	for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -r "$f" ] || continue
		awk '
			$1 != "deb" { next }
			{
				key = "-"
				i = 2
				if ($2 ~ /^\[/)
					for (;; i++) {
						o = $i
						gsub(/[][]/, "", o)
						if (o ~ /^signed-by=/)
							key = substr(o, 11)
						if ($i ~ /\]$/ || i > NF) {
							i++
							break
						}
					}
				print $i, $(i + 1), key
			}' "$f"
	done
	for f in /etc/apt/sources.list.d/*.sources; do
		[ -r "$f" ] || continue
		awk '
			function flush(	i, j, n, m, u, s) {
				if (on && types ~ /(^| )deb( |$)/) {
					n = split(uris, u, " ")
					m = split(suites, s, " ")
					for (i = 1; i <= n; i++)
						for (j = 1; j <= m; j++)
							print u[i], s[j], key
				}
				types = uris = suites = field = ""
				key = "-"
				on = 1
			}
			BEGIN { flush() }
			/^#/ { next }
			/^[ \t]*$/ { flush(); next }
			/^[^ \t]+:/ {
				field = tolower($1)
				sub(/^[^:]*:[ \t]*/, "")
			}
			field == "types:" { types = types " " $0 }
			field == "uris:" { uris = uris " " $0 }
			field == "suites:" { suites = suites " " $0 }
			field == "signed-by:" && $1 ~ /^\// { key = $1 }
			field == "enabled:" && tolower($1) ~ /^(no|false|0)$/ { on = 0 }
			END { flush() }' "$f"
	done
}

# apt_root NAME RELEASE ARCHS SUITE...: write the private apt configuration
# apt/NAME and refresh its lists if they are old. ARCHS are parted by commas,
# the first is native. "security" stands for the release's security suite; the
# last suite is preferred. Sets $apt_conf and $apt_lists.
apt_root() {
	local release=$2 archs=$3 root=$vm_cache/apt/$1 main='' security='' key='' suite s
	local last=${*: -1}
	shift 3
	command -v apt-get >/dev/null ||
		die "kernels are fetched with apt-get, which this machine does not have"
	while read -r uri suite k; do
		case $uri in cdrom:*) continue ;; esac
		case $suite in
		*-security | */updates) : "${security:=$uri}" ;;
		*-backports | *-updates | *-proposed*) ;;
		stable | oldstable | oldoldstable | testing | unstable | sid | bullseye | bookworm | trixie | forky | duke)
			: "${main:=$uri}"
			[ "$k" = - ] || : "${key:=$k}"
			;;
		esac
	done < <(apt_sources)
	main=${ADIT_DEBIAN_MIRROR:-$main}
	security=${ADIT_DEBIAN_SECURITY_MIRROR:-$security}
	[ -n "$main" ] ||
		die "no Debian archive in /etc/apt; set ADIT_DEBIAN_MIRROR to the address of one"
	[ -r "$key" ] || key=/usr/share/keyrings/debian-archive-keyring.gpg
	[ -r "$key" ] || die "no Debian archive key; as root: apt-get install debian-archive-keyring"
	mkdir -p "$root/etc" "$root/state/lists/partial" "$root/cache/archives/partial" "$vm_cache/debs"
	[ -f "$root/status" ] || : >"$root/status"
	for s; do
		case $s in
		security)
			[ -n "$security" ] || continue
			echo "deb [arch=$archs signed-by=$key] $security $release-security main"
			;;
		*) echo "deb [arch=$archs signed-by=$key] $main $s main" ;;
		esac
	done >"$root/etc/sources.list.new"
	# The system's own settings (proxies) stay, its hooks do not run.
	cat >"$root/apt.conf" <<-END
		#clear APT::Update;
		#clear DPkg::Pre-Invoke;
		#clear DPkg::Post-Invoke;
		#clear DPkg::Pre-Install-Pkgs;
		#clear APT::Architectures;
		Dir::Etc::sourcelist "$root/etc/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "/dev/null";
		Dir::State "$root/state";
		Dir::State::status "$root/status";
		Dir::Cache "$root/cache";
		APT::Architecture "${archs%%,*}";
		$(printf 'APT::Architectures:: "%s"; ' ${archs//,/ })
		APT::Sandbox::User "$(id -un)";
		Acquire::Languages "none";
		Acquire::Retries "3";
		$(case $last in *-backports | experimental) echo "APT::Default-Release \"$last\";" ;; esac)
	END
	apt_conf=$root/apt.conf
	apt_lists=$root/etc/sources.list
	if cmp -s "$root/etc/sources.list.new" "$root/etc/sources.list" &&
	   [ -f "$root/updated" ] &&
	   [ -n "$(find "$root/updated" -mtime "-$vm_lists_days")" ] &&
	   [ "${vm_update:-0}" = 0 ]; then
		rm -f "$root/etc/sources.list.new"
		return
	fi
	mv -f "$root/etc/sources.list.new" "$root/etc/sources.list"
	say "fetching the package lists of Debian $release"
	if apt-get -c "$apt_conf" -qq update >&2; then
		: >"$root/updated"
	elif [ ! -f "$root/updated" ] && grep -q -e -security "$root/etc/sources.list" &&
	     sed -i /-security/d "$root/etc/sources.list" &&
	     apt-get -c "$apt_conf" -qq update >&2; then
		# asked again with the next run: the lists wanted are others
		say "could not fetch the lists of security updates; going on without them"
	elif [ -f "$root/updated" ]; then
		say "could not refresh the package lists; going on with those at hand"
	else
		die "could not fetch the package lists of Debian $release (is there a network?)"
	fi
}

# apt_field PACKAGE[:ARCH] FIELD: of the candidate version
apt_field() {
	apt-cache -c "$apt_conf" show --no-all-versions "$1" 2>/dev/null |
		sed -n "s/^$2: //p" | head -n 1
}

# apt_dep PACKAGE REGEX: the first package in Depends that matches
apt_dep() {
	apt_field "$1" Depends | tr '|' ',' | tr ',' '\n' | sed 's/^ *//; s/[ (:].*//' |
		grep -E -m1 "^$2\$"
}

deb_file() {
	local v
	v=$(apt_field "$1" Version)
	echo "$vm_cache/debs/${1%:*}_${v//:/%3a}_$(apt_field "$1" Architecture).deb"
}

deb_good() {
	[ -f "$1" ] && [ "$(sha256sum <"$1" | cut -d' ' -f1)" = "$2" ]
}

# resume_deb PACKAGE FILE: go on with what is there of FILE, if a tool can
resume_deb() {
	local uri
	[ "$(stat -c %s "$2")" -lt "$(apt_field "$1" Size)" ] || return 1
	uri=$(cd "$vm_cache" && apt-get -c "$apt_conf" --print-uris download "$1" 2>/dev/null |
		sed -n "s/^'\(http[^']*\)'.*/\1/p" | head -n 1)
	[ -n "$uri" ] || return 1
	say "going on with $1"
	if command -v curl >/dev/null; then
		curl -fL -# -C - -o "$2" "$uri" >&2
	elif command -v wget >/dev/null; then
		wget -q --show-progress -c -O "$2" "$uri" >&2
	else
		return 1
	fi
}

# fetch_debs PACKAGE...: into debs/, verified; says how much first
fetch_debs() {
	local p f sum todo=() bytes=0
	for p; do
		sum=$(apt_field "$p" SHA256)
		[ -n "$sum" ] || die "the archive has no package $p"
		deb_good "$(deb_file "$p")" "$sum" && continue
		todo+=("$p")
		bytes=$((bytes + $(apt_field "$p" Size)))
	done
	[ ${#todo[@]} -gt 0 ] || return 0
	say "downloading $(mib "$bytes"): ${todo[*]}"
	# "apt-get download" begins a broken-off file from its start
	for p in "${todo[@]}"; do
		f=$(deb_file "$p")
		[ -s "$f" ] || continue
		resume_deb "$p" "$f" || rm -f "$f"
		deb_good "$f" "$(apt_field "$p" SHA256)" || rm -f "$f"
	done
	local rest=()
	for p in "${todo[@]}"; do
		[ -f "$(deb_file "$p")" ] || rest+=("$p")
	done
	todo=("${rest[@]}")
	[ ${#todo[@]} -gt 0 ] || return 0
	(cd "$vm_cache/debs" && apt-get -c "$apt_conf" download "${todo[@]}" >&2) ||
		die "the download broke off; run this again to go on with it"
	for p in "${todo[@]}"; do
		f=$(deb_file "$p")
		deb_good "$f" "$(apt_field "$p" SHA256)" ||
			die "$f does not have the archive's checksum"
	done
}

# --- kernels of Debian ------------------------------------------------------

# extract_vmlinux BZIMAGE: the ELF image within, as the boot protocol
# (Documentation/arch/x86/boot.rst, payload_offset) says
extract_vmlinux() {
	local sects offset length magic un
	u() { od -An -t "u$2" -j "$1" -N "$2" "$3" | tr -d ' '; }
	sects=$(u $((0x1f1)) 1 "$1")
	offset=$(u $((0x248)) 4 "$1")
	length=$(u $((0x24c)) 4 "$1")
	offset=$(((sects + 1) * 512 + offset))
	magic=$(od -An -tx1 -j "$offset" -N 4 "$1" | tr -d ' ')
	case $magic in
	fd377a58) un='xz -dc' ;;
	1f8b*) un='gzip -dc' ;;
	28b52ffd) un='zstd -dc' ;;
	02214c18) un='lz4 -dc' ;;
	*) die "$1: unknown compression ($magic)" ;;
	esac
	command -v "${un%% *}" >/dev/null || die "needed to unpack the kernel: ${un%% *}"
	# the last four bytes are the length, not part of the stream
	tail -c +$((offset + 1)) "$1" | head -c $((length - 4)) | $un
}

# debian_row NAME: the row of tests/vm/kernels; sets $d_release, $d_suites,
# $d_arch, $d_flavour, $d_tools
debian_row() {
	local name
	while read -r name d_release d_suites d_arch d_flavour d_tools; do
		[ "$name" != "$1" ] || return 0
	done < <(grep -v '^#' "$vm_dir/kernels")
	return 1
}

debian_names() { awk '!/^#/ { print $1 }' "$vm_dir/kernels"; }

# debian_root: apt_root for the row at hand. amd64 comes along for the tools
# that build modules.
debian_root() {
	local name=$d_release archs=amd64 last=${d_suites##*,}
	case $last in
	"$d_release" | security) ;;
	*) name=$d_release-${last#"$d_release-"} ;;
	esac
	if [ "$d_arch" != amd64 ]; then
		name=$name-$d_arch
		archs=amd64,$d_arch
	fi
	# shellcheck disable=SC2086 # a list of words
	apt_root "$name" "$d_release" "$archs" ${d_suites//,/ }
}

# debian_packages [IMAGE]: what the metapackage names, or what belongs to this
# image; sets $headers, $common, $kbuild, $ver
debian_packages() {
	if [ $# = 1 ]; then
		headers=linux-headers-${1#linux-image-}
	else
		headers=$(apt_dep "linux-headers-$d_flavour:$d_arch" "linux-headers-[0-9].*-$d_flavour") ||
			die "the archive's linux-headers-$d_flavour of $d_release names no headers"
	fi
	common=$(apt_dep "$headers:$d_arch" 'linux-headers-.*-common.*') ||
		die "$headers names no common headers"
	kbuild=$(apt_dep "$headers:$d_arch" 'linux-kbuild-.*') ||
		die "$headers names no kbuild package"
	ver=${headers#linux-headers-}
}

# unpack_headers DIR: kdir and release in it
unpack_headers() {
	local dir=$1 p
	rm -rf "$dir/headers"
	mkdir -p "$dir/headers"
	for p in "$headers:$d_arch" "$common" "$kbuild:amd64"; do
		dpkg-deb --fsys-tarfile "$(deb_file "$p")" |
			tar -x -C "$dir/headers" || die "cannot unpack $p"
	done
	ln -sfn "headers/usr/src/$headers" "$dir/kdir"
	sed -i "s,/usr/src/,$dir/headers/usr/src/,g" "$dir/kdir/Makefile"
	echo "$ver" >"$dir/release"
}

# prepare_headers NAME: all that a build of the module needs
prepare_headers() {
	local dir=$vm_cache/kernels/$1 headers common kbuild key ver
	debian_row "$1" || die "tests/vm/kernels has no $1"
	need_packages xz-utils
	debian_root
	debian_packages
	key="$headers $(apt_field "$headers:$d_arch" Version) at $dir, layout 1"
	done_is "$dir/.headers" "$key" && return
	fetch_debs "$headers:$d_arch" "$common" "$kbuild:amd64"
	say "unpacking the headers of $ver"
	unpack_headers "$dir"
	done_set "$dir/.headers" "$key"
}

prepare_debian() { # NAME
	local name=$1 dir=$vm_cache/kernels/$1 image headers common kbuild key ver p images
	debian_row "$name"
	need_packages kmod xz-utils
	debian_root
	image=$(apt_dep "linux-image-$d_flavour:$d_arch" "linux-image-[0-9].*-$d_flavour") ||
		die "the archive's linux-image-$d_flavour of $d_release names no kernel"
	key="$image $(apt_field "$image:$d_arch" Version) at $dir, layout 1"
	if ! done_is "$dir/.done" "$key"; then
		# An archive may have lost the file that its lists name, and
		# have an older one of that version.
		[[ $image =~ ^linux-image-[0-9]+\.[0-9]+ ]]
		for image in "$image" $(apt-cache -c "$apt_conf" pkgnames "${BASH_REMATCH[0]}." |
			grep -xE "[^-]*-image-[^-]*(-[0-9]+)?-$d_flavour" | grep -vxF "$image" |
			sort -Vr | head -n 4); do
			# newer ones come in two parts
			images=("$image:$d_arch")
			for p in binary modules; do
				p=$(apt_dep "$image:$d_arch" "linux-$p-[0-9].*") && images+=("$p:$d_arch")
			done
			debian_packages "$image"
			if (fetch_debs "${images[@]}" "$headers:$d_arch" "$common" "$kbuild:amd64"); then
				key="$image $(apt_field "$image:$d_arch" Version) at $dir, layout 1"
				break
			fi
			say "could not get $image; trying an older one"
			image=''
		done
		[ -n "$image" ] || die "no kernel for $name could be downloaded"
		! done_is "$dir/.done" "$key" || return 0
		say "unpacking $ver"
		rm -rf "$dir"
		mkdir -p "$dir/root"
		for p in "${images[@]}"; do
			dpkg-deb --fsys-tarfile "$(deb_file "$p")" |
				tar -x -C "$dir/root" || die "cannot unpack $p"
		done
		# where /lib is /usr/lib
		[ -e "$dir/root/lib" ] || ln -s usr/lib "$dir/root/lib"
		unpack_headers "$dir"
		p=$dir/root/boot/vmlinuz-$ver
		[ -e "$p" ] || p=$dir/root/lib/modules/$ver/vmlinuz
		if [ "$d_arch" = amd64 ]; then
			extract_vmlinux "$p" >"$dir/vmlinux"
		else
			cp "$p" "$dir/vmlinux"
		fi || die "cannot unpack the kernel image of $image"
		# newer ones come without these, which depmod warns of
		touch -a "$dir/root/lib/modules/$ver/"modules.{order,builtin,builtin.modinfo}
		PATH=$PATH:/sbin:/usr/sbin depmod -b "$dir/root" "$ver" ||
			die "depmod failed for $ver"
		done_set "$dir/.done" "$key"
	fi
}

# have_headers NAME: for a build of the module
have_headers() {
	local dir=$vm_cache/kernels/$1
	if debian_row "$1"; then
		[ -f "$dir/.done" ] || [ -f "$dir/.headers" ] ||
			with_lock "$1" prepare_headers "$1" || exit
	else
		have_kernel "$1"
	fi
}

# --- compilers of other releases ------------------------------------------------

# unpacked_root DIR APT RELEASE ARCH TEXT PACKAGE...: DIR holds those packages of
# that release and architecture and all that they depend on, unpacked, not
# installed. APT names the private apt configuration, TEXT says what it is.
unpacked_root() {
	local dir=$1 release=$3 text=$5 key install f p
	apt_root "$2" "$3" "$4" "$3" security
	shift 5
	# into a root where nothing is installed: with all they depend on
	install=(apt-get -c "$apt_conf" -y -qq --no-install-recommends -o "Dir::Cache::archives=$dir/debs" install)
	key=$("${install[@]}" --print-uris "$@") ||
		die "the archive of $release has not all of: $*"
	key="$(sed "s/^'[^']*' //" <<<"$key" | sort | sha256sum | cut -c1-16) at $dir, layout 1"
	if ! done_is "$dir/.done" "$key"; then
		say "downloading $text"
		rm -rf "$dir"
		mkdir -p "$dir"/{debs/partial,proc,dev,tmp,usr/{bin,sbin,lib,lib64}}
		"${install[@]}" --download-only "$@" >&2 ||
			die "the download broke off; run this again"
		say "unpacking them"
		for p in bin sbin lib lib64; do
			ln -s "usr/$p" "$dir/$p"
		done
		for f in "$dir"/debs/*.deb; do
			dpkg-deb --fsys-tarfile "$f" |
				tar -x --keep-directory-symlink -C "$dir" || die "cannot unpack $f"
			rm -f "$f"
		done
		# what the packages' scripts would have done
		[ -e "$dir/usr/bin/awk" ] || ln -s mawk "$dir/usr/bin/awk"
		done_set "$dir/.done" "$key"
	fi
	done_set "$dir/.packages" "$*"
}

# prepare_tools RELEASE: a root with that release's make, compilers and libc,
# and what kbuild's programs need. It is used by chroot. Prints its path.
prepare_tools() {
	set_tools_packages "$1"
	unpacked_root "$vm_cache/tools/$1" "$1-tools" "$1" amd64 \
		"the compilers of Debian $1 (about 100 MB)" "${tools_packages[@]}"
	echo "$vm_cache/tools/$1"
}

# have_tools RELEASE: as they are when they were made once, else made now
have_tools() {
	set_tools_packages "$1"
	if done_is "$vm_cache/tools/$1/.packages" "${tools_packages[*]}"; then
		echo "$vm_cache/tools/$1"
	else
		with_lock "tools-$1" prepare_tools "$1"
	fi
}

# set_tools_packages RELEASE: sets tools_packages[], with the compiler that the
# headers of that release's kernels want
set_tools_packages() {
	local gcc
	case $1 in
	trixie) gcc=gcc-14 ;;
	forky) gcc=gcc-16 ;;
	*) die "tests/vm/debian.sh knows no compiler of Debian $1" ;;
	esac
	tools_packages=(
		make "$gcc" "$gcc-aarch64-linux-gnu" libc6-dev libelf1t64 libssl3t64 zlib1g
		dash bash coreutils mawk sed grep findutils diffutils perl pahole xz-utils kmod cpio
	)
}

# in_tools RELEASE COMMAND...: as it would be in that release; build/ of the
# checkout and the cache's kernels are where they are outside
in_tools() {
	local root
	root=$(have_tools "$1") || exit
	shift
	mkdir -p "$vm_top/build" "$root$vm_top/build" "$root$vm_cache/kernels" || exit
	# shellcheck disable=SC2016 # for the inner shell
	unshare "$([ "$(id -u)" = 0 ] && echo -m || echo -mr)" sh -c '
		mount -t proc proc "$0/proc" 2>/dev/null || mount --rbind /proc "$0/proc"
		mount --rbind /dev "$0/dev" &&
		mount --bind "$1" "$0$1" &&
		mount --bind "$2" "$0$2" &&
		cd / && root=$0 && shift 2 &&
		exec env -i PATH=/usr/bin:/usr/sbin LC_ALL=C HOME=/tmp chroot "$root" "$@"' \
		"$root" "$vm_top/build" "$vm_cache/kernels" "$@"
}
