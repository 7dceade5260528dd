# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What every scenario of this directory is written with: KTAP output, checks
# that say what was expected and what came, hosts made of network namespaces,
# wires between them, WireGuard devices in them. To be sourced by bash.
#
# A scenario:
#
#	. "$(dirname "$0")/lib.sh"
#	begin 2 "what this file is about" tcpdump
#	...
#	point "first thing that can fail by itself"
#	expect_eq "peers of a" 1 "$n"
#	point "second thing"
#	...
#	finish
#
# A point fails when any check made since it was opened failed. Set-up that
# nothing can go on without is run with `must`: if that fails, the open point
# and all later ones fail.
#
# Environment:
#   ADIT_DRIVER	"adit" or "in-kernel": the driver that must be under test
#   ADIT_IMPL_x	how the host named x in a scenario does WireGuard: "kernel"
#		(default), "go" (wireguard-go), "remote" (the host lives in a
#		second machine reached by the command vm-remote, on its driver)
#   ADIT_SLOW	a factor on every time limit, for slow machines (default 1)
#   ADIT_WIRE	the interface that reaches the second machine (default eth0)

set -u
export LC_ALL=C
unset CDPATH

LIB_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SCENARIO=${0##*/}
SCENARIO=${SCENARIO%.sh}
: "${ADIT_SLOW:=1}" "${ADIT_WIRE:=eth0}"
PATH=$PATH:/usr/sbin:/sbin

KSFT_SKIP=4

# ---------------------------------------------------------------- KTAP

PLAN=0		# points announced
POINTS=0	# points closed
FAILED=0	# points that failed
POINT=		# title of the open point
POINT_BAD=	# not empty once a check of the open point failed
POINT_SKIP=	# reason why the open point is skipped
STEP=		# what is being done, for messages
FINISHED=
DUMPED=
OUT=		# output of the last command run by a check

say() {
	local line

	while IFS= read -r line || [ -n "$line" ]; do
		printf '# %s\n' "$line"
	done <<< "$*"
}

# A word that is misspelt would else be passed over. In a process of its own.
command_not_found_handle() {
	printf '%s: no such command: %s\n' "$SCENARIO" "$1" >&2
	[ -z "${TMP:-}" ] || printf '%s ' "$1" >> "$TMP/unknown-commands"
	return 127
}

_close_point() {
	[ -n "$POINT" ] || return 0
	if [ -s "${TMP:-}/unknown-commands" ]; then
		STEP="running commands that there are"
		fail "nothing else" "$(cat "$TMP/unknown-commands")"
		rm "$TMP/unknown-commands"
	fi
	POINTS=$((POINTS + 1))
	if [ -n "$POINT_BAD" ]; then
		FAILED=$((FAILED + 1))
		printf 'not ok %d %s\n' "$POINTS" "$POINT"
	elif [ -n "$POINT_SKIP" ]; then
		printf 'ok %d %s # SKIP %s\n' "$POINTS" "$POINT" "$POINT_SKIP"
	else
		printf 'ok %d %s\n' "$POINTS" "$POINT"
	fi
	POINT='' POINT_BAD='' POINT_SKIP=''
}

# point TITLE: closes the open test point and opens the next.
point() {
	_close_point
	POINT=$1
	STEP=$1
}

# point_end: closes the open point before the next one is opened.
point_end() {
	_close_point
}

# skip_point REASON: the open point cannot be tested here.
skip_point() {
	POINT_SKIP=$1
}

# step TEXT: names what comes next in the messages of failed checks.
step() {
	STEP=$1
}

# slab: kB that the kernel's packets and objects take; what is only waiting
# for a grace period is not meant.
slab() {
	local name kb sum=0

	while read -r name kb _; do
		case $name in
		Slab: | KReclaimable:) [ "$name" = Slab: ] && sum=$((sum + kb)) || sum=$((sum - kb)) ;;
		esac
	done < /proc/meminfo
	echo "$sum"
}

# expect_no_leak: of the 8000 packets of 1300 bytes that COMMAND has the kernel make:
# 20 MB, if they were kept
expect_no_leak() { # STEP COMMAND...
	local step=$1 before after

	shift
	"$@" > /dev/null	# what is allocated once
	sync
	before=$(slab)
	"$@" > /dev/null
	small() {
		after=$(slab)
		echo "$((after - before)) kB"
		[ $((after - before)) -lt 6000 ]
	}
	expect_soon 10 "$step: memory is not kept" small
	say "$step: $OUT after 8000 packets"
}

# finish: closes the last point and ends the scenario.
finish() {
	_close_point
	if [ "$POINTS" -ne "$PLAN" ]; then
		say "$SCENARIO: $PLAN points were planned, $POINTS were run"
		FAILED=$((FAILED + 1))
	fi
	FINISHED=1
	[ "$FAILED" -eq 0 ]
	exit
}

# skip_all REASON: nothing of this scenario can be tested here.
skip_all() {
	printf 'KTAP version 1\n1..0 # SKIP %s\n' "$1"
	FINISHED=1
	exit "$KSFT_SKIP"
}

# fail EXPECTED GOT: the open point fails; says where and why.
fail() {
	[ -n "$POINT" ] || POINT="setting up"
	POINT_BAD=1
	say "FAILED: scenario $SCENARIO, point \"$POINT\""
	say "  step:     $STEP"
	say "  expected: $1"
	say "  got:      $2"
	if [ -z "$DUMPED" ]; then
		DUMPED=1
		_dump
	fi
}

# What may explain a failure. `wg show` prints no private or preshared key.
_dump() {
	local h text

	say "  state of the hosts at the first failure of $SCENARIO:"
	for h in "${HOSTS[@]}"; do
		text=$(
			# what was lost where: the list of devices may be long
			on "$h" sh -c 'cat /proc/net/dev /proc/net/softnet_stat' | awk '
				/:/ && $4 + $5 + $6 + $12 + $13 { print $1, "rx errs", $4, "drop", $5, "fifo", $6, "tx errs", $12, "drop", $13 }
				!/[:|]/ && NF > 10 && $2 !~ /^0*$/ { print "softnet dropped", $2 }'
			on "$h" sh -c 'cat /proc/net/snmp /proc/net/netstat' | awk '
				$1 in head { n = split(head[$1], k); for (i = 2; i <= n; i++) if ($i && k[i] ~ /Err|Drop|Discard|Full|Prune|Fail/) printf "%s %s, ", k[i], $i; next }
				{ head[$1] = $0 } END { print "" }'
			on "$h" wg show all
			on "$h" ip -s link show type wireguard
			on "$h" ip -br address show
			on "$h" ip route show
		) 2> /dev/null
		say "  --- host $h
$(head -n 60 <<< "$text")"
	done
	say "  --- end of state"
}

_exit() {
	local rc=$?

	trap - EXIT
	trap '' INT TERM HUP
	if [ -z "$FINISHED" ]; then
		[ -n "$POINT" ] || POINT="setting up"
		if [ -z "$POINT_BAD" ]; then
			say "FAILED: scenario $SCENARIO, point \"$POINT\""
			say "  step:     $STEP"
			say "  expected: the scenario goes on to its end"
			say "  got:      it was broken off (status $rc)"
		fi
		POINT_BAD=1
		_close_point
		while [ "$POINTS" -lt "$PLAN" ]; do
			POINT="not reached"
			POINT_BAD=1
			_close_point
		done
		rc=1
	fi
	_cleanup
	exit "$rc"
}

# Ours carries another version string than the driver of the kernel tree.
_driver_of() { # VERSION SRCVERSION
	case $1 in
	1.0.0) echo "in-kernel" ;;
	'') echo "in-kernel" ;;
	*) echo "adit" ;;
	esac
}

# load_driver SIDE: has "adit", the driver "in-kernel" or "none" loaded in place of
# what is. In a guest of tests/vm, which keeps the kernel's own aside.
load_driver() {
	local f m theirs=

	! [ -d /sys/module/wireguard ] || must_soon 10 "unloading the driver" rmmod wireguard
	case $1 in
	none) return ;;
	in-kernel)
		for f in /adit/in-kernel/wireguard.ko*; do
			[ ! -f "$f" ] || theirs=$f
		done
		STEP="finding the kernel's own driver"
		[ -n "$theirs" ] || { fail "a module below /adit/in-kernel" "nothing"; exit 1; }
		for m in $(modinfo -F depends "$theirs" | tr , ' '); do
			must "loading $m" modprobe "$m"
		done
		must "loading the kernel's own driver" insmod "$theirs"
		;;
	adit) must "loading Adit" modprobe wireguard ;;
	esac
	expect_eq "the driver that is loaded" "$1" \
		"$(_driver_of "$(cat /sys/module/wireguard/version 2> /dev/null)")"
}

# begin PLAN TITLE [TOOL...]: announces PLAN points, finds the driver, skips
# the scenario if a TOOL is missing.
begin() {
	local plan=$1 title=$2 t version='' src='' has

	shift 2
	exec < /dev/null
	[ "$(id -u)" -eq 0 ] || skip_all "needs root"
	for t in ip wg ping "$@"; do
		command -v "$t" > /dev/null || skip_all "needs the command $t"
	done
	for t in wire uapi-probe sockopt; do
		[ -x "$LIB_DIR/$t" ] ||
			skip_all "$t is not built: run make in tests/netns"
	done
	[ -e /proc/self/ns/net ] || skip_all "needs network namespaces"
	[ -d /sys/module/wireguard ] || modprobe -q wireguard ||
		skip_all "no wireguard module is loaded and none can be"
	[ -r /sys/module/wireguard/version ] &&
		read -r version < /sys/module/wireguard/version
	[ -r /sys/module/wireguard/srcversion ] &&
		read -r src < /sys/module/wireguard/srcversion
	has=$(_driver_of "$version")

	PLAN=$plan
	printf 'KTAP version 1\n1..%d\n' "$PLAN"
	say "$SCENARIO: $title"
	say "driver: $has ${version:-(no version)} ${src:+(srcversion $src)}, kernel $(uname -r)"
	TMP=$(mktemp -d "${TMPDIR:-/tmp}/adit-$SCENARIO.XXXXXX") || exit 1
	trap _exit EXIT
	trap 'exit 130' INT TERM HUP
	STEP="finding the driver"
	if [ -n "${ADIT_DRIVER:-}" ] && [ "$ADIT_DRIVER" != "$has" ]; then
		fail "the driver $ADIT_DRIVER" "the driver $has is loaded"
		exit 1
	fi
	DRIVER=$has
}

# ---------------------------------------------------------------- checks

# expect_eq STEP WANTED GOT
expect_eq() {
	STEP=$1
	[ "$2" = "$3" ] && return 0
	fail "$2" "$3"
	return 1
}

# expect_ne STEP UNWANTED GOT
expect_ne() {
	STEP=$1
	[ "$2" != "$3" ] && return 0
	fail "anything but $2" "$3"
	return 1
}

# expect_range STEP LOW HIGH GOT: LOW <= GOT <= HIGH, integers
expect_range() {
	STEP=$1
	[ "$4" -ge "$2" ] 2> /dev/null && [ "$4" -le "$3" ] && return 0
	fail "$2 to $3" "$4"
	return 1
}

# expect_min STEP LOW GOT
expect_min() {
	STEP=$1
	[ "$3" -ge "$2" ] 2> /dev/null && return 0
	fail "$2 or more" "$3"
	return 1
}

# expect_like STEP GLOB GOT
expect_like() {
	STEP=$1
	# shellcheck disable=SC2053 # a pattern is meant
	[[ $3 == $2 ]] && return 0
	fail "something like $2" "$3"
	return 1
}

# expect_unlike STEP GLOB GOT
expect_unlike() {
	STEP=$1
	# shellcheck disable=SC2053
	[[ $3 != $2 ]] && return 0
	fail "nothing like $2" "$3"
	return 1
}

# expect_ok STEP COMMAND...: exit status 0. Its output is left in OUT.
expect_ok() {
	local rc

	STEP=$1
	shift
	OUT=$("$@" 2>&1) && return 0
	rc=$?
	fail "success of: $*" "status $rc, output: $OUT"
	return 1
}

# expect_fail STEP COMMAND...: an exit status other than 0. Output in OUT.
expect_fail() {
	STEP=$1
	shift
	OUT=$("$@" 2>&1) || return 0
	fail "failure of: $*" "success, output: $OUT"
	return 1
}

# must STEP COMMAND...: as expect_ok, and the scenario ends if it fails.
must() {
	expect_ok "$@" || exit 1
}

# now: milliseconds of a clock that only runs forward.
now() {
	local up

	read -r up _ < /proc/uptime
	up=${up/./}
	echo $((10#$up * 10))
}

# until_true SECONDS COMMAND...: polls until COMMAND succeeds or the limit (times
# ADIT_SLOW) is over. Its last output is left in OUT.
until_true() {
	local end n=0

	end=$(($(now) + $1 * 1000 * ADIT_SLOW))
	shift
	while ! OUT=$("$@" 2>&1); do
		[ "$(now)" -lt "$end" ] || return 1
		# mostly it is a matter of a moment
		n=$((n + 1))
		[ "$n" -gt 4 ] && sleep 0.1 || sleep 0.02
	done
}

# expect_soon SECONDS STEP COMMAND...: COMMAND comes to succeed in time.
expect_soon() {
	local limit=$1

	STEP=$2
	shift 2
	until_true "$limit" "$@" && return 0
	fail "success within $((limit * ADIT_SLOW)) s of: $*" "still failing, last output: $OUT"
	return 1
}

# must_soon: as expect_soon, and the scenario ends if it fails.
must_soon() {
	expect_soon "$@" || exit 1
}

# slow N: N times ADIT_SLOW, for limits of commands.
slow() {
	echo $(($1 * ADIT_SLOW))
}

# ---------------------------------------------------------------- hosts

HOSTS=()	# names, in order of creation
declare -A NS=()	# host -> network namespace
declare -A IMPL=()	# host -> kernel, go, remote
declare -A KEY=() PUB=()	# host -> its key pair
PIDS=()		# background commands
declare -A STARTED=()	# their names -> hosts
LINKS=0		# wires that use a VLAN of $ADIT_WIRE
VLAN0=100
TMP=

# vm-remote runs a shell command line in the second machine, as ssh does.
_remote() {
	vm-remote "$(printf '%q ' "$@")"
}

# on HOST COMMAND...: runs COMMAND in HOST. Input, output, status pass.
on() {
	local h=$1

	shift
	case ${IMPL[$h]}:$1 in
	remote:ip)
		shift
		_remote ip -n "${NS[$h]}" "$@"
		;;
	remote:*)
		_remote ip netns exec "${NS[$h]}" "$@"
		;;
	*:ip)
		shift
		ip -n "${NS[$h]}" "$@"
		;;
	go:wg | go:wg-quick | go:wireguard-go)
		# The sockets of user space devices lie in one folder for all
		# namespaces; this host gets its own.
		ip netns exec "${NS[$h]}" sh -c 'mount --bind "$0" /var/run/wireguard && exec "$@"' \
			"$TMP/run-$h" "$@"
		;;
	kernel:wg | *:ping | *:nft | *:sh | *:tc | *:ss | *:timeout | *:*/wire | *:*/uapi-probe | *:*/sockopt)
		# Quicker than ip netns exec, but /sys is not that of the
		# namespace and there are no files of its own in /etc.
		"$LIB_DIR/wire" netns "${NS[$h]}" "$@"
		;;
	*)
		ip netns exec "${NS[$h]}" "$@"
		;;
	esac
}

# start NAME HOST COMMAND...: runs COMMAND in the background in HOST; its
# output goes to the file $TMP/NAME, its process id to PID.
start() {
	local file=$TMP/$1 h=$2 how

	STARTED[$1]=$h
	shift 2
	case ${IMPL[$h]} in
	remote) how=(vm-remote "$(printf '%q ' ip netns exec "${NS[$h]}" "$@")") ;;
	*) how=("$LIB_DIR/wire" netns "${NS[$h]}" "$@") ;;
	esac
	# here, for what an earlier command of that name said is not to be read
	: > "$file"
	(exec "${how[@]}") >> "$file" 2>&1 < /dev/null &
	PID=$!
	PIDS+=("$PID")
}

# ready NAME TEXT: waits until a command begun with start has said TEXT.
ready() {
	local h=${STARTED[$1]}

	if [ "${IMPL[$h]}" = remote ]; then
		sleep 1		# what it says comes when it has ended
	else
		must_soon 10 "$1 on $h is ready" grep -q "$2" "$TMP/$1"
	fi
}

# stop PID [SIGNAL]: ends a command begun with start, and waits for it.
stop() {
	kill -"${2:-TERM}" "$1" 2> /dev/null
	wait "$1" 2> /dev/null
}

# host_new NAME...: makes hosts. Their namespaces are named after this process.
host_new() {
	local h impl

	for h; do
		impl=ADIT_IMPL_$h
		impl=${!impl:-kernel}
		IMPL[$h]=$impl
		NS[$h]=adit$$-$h
		case $impl in
		remote)
			must "making host $h in the second machine" \
				_remote ip netns add "${NS[$h]}"
			say "host $h: in the second machine, driver $(_remote cat /sys/module/wireguard/version 2> /dev/null || echo in-kernel)"
			;;
		go)
			must "making host $h" ip netns add "${NS[$h]}"
			mkdir -p /var/run/wireguard "$TMP/run-$h"
			say "host $h: wireguard-go"
			;;
		kernel)
			must "making host $h" ip netns add "${NS[$h]}"
			;;
		*)
			STEP="making host $h"
			fail "ADIT_IMPL_$h is kernel, go or remote" "$impl"
			exit 1
			;;
		esac
		HOSTS+=("$h")
		case $impl in
		remote) must "setting up host $h" _remote "$LIB_DIR/wire" new-host "${NS[$h]}" ;;
		*) must "setting up host $h" "$LIB_DIR/wire" new-host "${NS[$h]}" ;;
		esac
	done
}

# is_kernel HOST: true if HOST runs the driver under test.
is_kernel() {
	[ "${IMPL[$1]}" = kernel ]
}

# host_file HOST NAME TEXT: /etc/NAME as processes of HOST see it.
host_file() {
	local dir=/etc/netns/${NS[$1]}

	if [ "${IMPL[$1]}" = remote ]; then
		printf '%s\n' "$3" | _remote sh -c 'mkdir -p "$0" && cat > "$0/$1"' \
			"$dir" "$2"
	else
		mkdir -p "$dir" && printf '%s\n' "$3" > "$dir/$2"
	fi
	[ -e "/etc/$2" ] || : > "/etc/$2"
}

# give HOST FILE: FILE, below $TMP, can be read by HOST under the same name.
give() {
	[ "${IMPL[$1]}" = remote ] || return 0
	STEP="copying ${2##*/} to $1"
	# shellcheck disable=SC2094 # two machines
	OUT=$(_remote sh -c 'umask 077 && mkdir -p "${0%/*}" && cat > "$0"' "$2" \
		< "$2" 2>&1) && return 0
	fail success "$OUT"
	exit 1
}

# host_gone HOST: deletes the namespace.
host_gone() {
	local h=$1 p

	if [ "${IMPL[$h]}" = remote ]; then
		_remote sh -c '
			for p in $(ip netns pids "$0"); do kill "$p"; done
			rm -rf "/etc/netns/$0" "$1"; ip netns del "$0"' \
			"${NS[$h]}" "${TMP:?}"
	else
		for p in $(ip netns pids "${NS[$h]}" 2> /dev/null); do
			kill "$p"
		done
		rm -rf "/etc/netns/${NS[$h]:?}"
		rmdir /etc/netns
		ip netns del "${NS[$h]}"
	fi 2> /dev/null
	return 0
}

_cleanup() {
	local h p

	for p in "${PIDS[@]}"; do
		kill "$p" 2> /dev/null
	done
	for p in "${PIDS[@]}"; do
		wait "$p" 2> /dev/null
	done
	if declare -F scenario_cleanup > /dev/null; then
		scenario_cleanup
	fi
	for h in "${HOSTS[@]}"; do
		host_gone "$h"
	done
	[ -z "$TMP" ] || rm -rf "$TMP"
}

# link HOST1 IF1 HOST2 IF2 [MTU]: a wire between two hosts, both ends up.
link() {
	local h1=$1 i1=$2 h2=$3 i2=$4 mtu=${5:-1500} r1 r2 vlan

	[ "${IMPL[$h1]}" = remote ] && r1=_remote || r1=
	[ "${IMPL[$h2]}" = remote ] && r2=_remote || r2=
	STEP="laying a wire from $h1 ($i1) to $h2 ($i2)"
	if [ "$r1" = "$r2" ]; then
		must "$STEP" $r1 ip -n "${NS[$h1]}" link add "$i1" up mtu "$mtu" \
			type veth peer name "$i2" mtu "$mtu" netns "${NS[$h2]}"
		must "$STEP" on "$h2" ip link set "$i2" up
	else
		LINKS=$((LINKS + 1))
		vlan=$((VLAN0 + LINKS))
		_vlan "$h1" "$i1" "$vlan" "$mtu"
		_vlan "$h2" "$i2" "$vlan" "$mtu"
	fi
}

_vlan() { # HOST IF ID MTU
	local r=

	[ "${IMPL[$1]}" = remote ] && r=_remote
	must "$STEP" $r ip link set "$ADIT_WIRE" up
	must "$STEP" $r ip link add link "$ADIT_WIRE" name "av$3" type vlan id "$3"
	must "$STEP" $r ip link set "av$3" netns "${NS[$1]}" name "$2"
	must "$STEP" on "$1" ip link set "$2" mtu "$4" up
}

# steer HOST IF: packets that come in on IF are all handled by the first CPU, so
# that the wire itself can bring none out of order. Not with PREEMPT_RT: before 6.9
# such a kernel warns of the interrupt between CPUs by which this is done
# (do_softirq_post_smp_call_flush()).
steer() {
	! on "$1" grep -qsx 1 /sys/kernel/realtime || return 0
	_write "$1" "/sys/class/net/$2/queues/rx-0/rps_cpus" 1
}

# A file below /sys of that host; no matter if there is none.
_write() { # HOST FILE TEXT
	on "$1" bash -c '[ ! -w "$0" ] || echo "$1" > "$0"' "$2" "$3"
}

# has_ipv6: not if it was left out of the kernel or by ipv6.disable=1
has_ipv6() {
	[ -e /proc/net/if_inet6 ]
}

# addr HOST IF ADDRESS/LENGTH...: those of IPv6 only where that is
addr() {
	local h=$1 i=$2 a

	shift 2
	if ! has_ipv6; then
		for a; do
			shift
			[[ $a == *:* ]] || set -- "$@" "$a"
		done
		[ $# -gt 0 ] || return 0
	fi
	STEP="giving $h the addresses $* on $i"
	OUT=$(printf "addr add %s dev $i\n" "$@" | on "$h" ip -batch - 2>&1) &&
		return 0
	fail success "$OUT"
	exit 1
}

# route HOST ROUTE...: ip route add
route() {
	local h=$1 f=-4

	shift
	[[ $* != *:* ]] || f=-6
	must "giving $h the route $*" on "$h" ip $f route add "$@"
}

# forward HOST: it routes IPv4 and IPv6.
forward() {
	must "making $1 a router" on "$1" sh -c '
		echo 1 > /proc/sys/net/ipv4/ip_forward
		[ ! -d /proc/sys/net/ipv6 ] ||
		echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'
}

# ---------------------------------------------------------------- WireGuard

# keys HOST...: a key pair each, in KEY and PUB.
keys() {
	local h

	for h; do
		KEY[$h]=$(wg genkey) && PUB[$h]=$(wg pubkey <<< "${KEY[$h]}")
	done
}

# wg_new HOST IF: a WireGuard device by the implementation of HOST.
wg_new() {
	case ${IMPL[$1]} in
	go)
		STEP="starting wireguard-go for $2 on $1"
		(
			exec < /dev/null > "$TMP/go-$1-$2.log" 2>&1
			export LOG_LEVEL=error
			on "$1" wireguard-go -f "$2"
		) &
		PIDS+=("$!")
		must_soon 5 "$STEP" on "$1" wg show "$2"
		;;
	*)
		must "making the WireGuard device $2 on $1" \
			on "$1" ip link add "$2" type wireguard
		;;
	esac
}

# wg_set HOST IF ARGUMENTS...: wg set, which must succeed.
wg_set() {
	local h=$1 i=$2

	shift 2
	must "wg set $i $* (on $h)" on "$h" wg set "$i" "$@"
}

# wg_key HOST IF [KEY]: sets the private key. It never gets onto a command line.
wg_key() {
	STEP="setting the private key of $2 on $1"
	OUT=$(on "$1" wg set "$2" private-key /proc/self/fd/0 \
		<<< "${3:-${KEY[$1]}}" 2>&1) && return 0
	fail success "$OUT"
	exit 1
}

# wg_psk HOST IF PUBLIC-KEY PSK: sets the preshared key of a peer.
wg_psk() {
	STEP="setting a preshared key on $2 of $1"
	OUT=$(on "$1" wg set "$2" peer "$3" preshared-key /proc/self/fd/0 \
		<<< "$4" 2>&1) && return 0
	fail success "$OUT"
	exit 1
}

# wg_get HOST IF FIELD PUBLIC-KEY: a column of `wg show IF FIELD` for one peer.
wg_get() {
	local k v

	while read -r k v; do
		[ "$k" != "$4" ] || printf '%s\n' "$v"
	done <<< "$(on "$1" wg show "$2" "$3")"
}

# transfer HOST IF PUBLIC-KEY: sets RX and TX, bytes.
transfer() {
	RX='' TX=''
	# shellcheck disable=SC2034 # for the scenarios
	read -r RX TX <<< "$(wg_get "$1" "$2" transfer "$3")"
}

# devstat HOST IF COUNTER: a counter of the network device.
devstat() {
	on "$1" cat "/sys/class/net/$2/statistics/$3"
}

# shaken HOST IF PUBLIC-KEY: true once a handshake with that peer completed.
shaken() {
	local t

	t=$(wg_get "$1" "$2" latest-handshakes "$3")
	[ "${t:-0}" -gt 0 ]
}

# pair: hosts a and b and a wire between them, eth0 at both ends.
pair() {
	host_new a b
	link a eth0 b eth0
	addr a eth0 192.0.2.1/24 2001:db8::1/64
	addr b eth0 192.0.2.2/24 2001:db8::2/64
}

# tunnel: on top of `pair`, wg0 at both ends, each the other's only peer, with
# addresses 10.9.0.x and fd09::x; port 51820; the outer packets are IPv4, or
# IPv6 if the argument is 6.
tunnel() {
	local a=192.0.2.1 b=192.0.2.2

	[ "${1:-4}" = 4 ] || { a="[2001:db8::1]" b="[2001:db8::2]"; }
	keys a b
	wg_new a wg0
	wg_new b wg0
	wg_key a wg0
	wg_key b wg0
	wg_set a wg0 listen-port 51820 peer "${PUB[b]}" \
		allowed-ips 10.9.0.2/32,fd09::2/128 endpoint "$b:51820"
	wg_set b wg0 listen-port 51820 peer "${PUB[a]}" \
		allowed-ips 10.9.0.1/32,fd09::1/128 endpoint "$a:51820"
	addr a wg0 10.9.0.1/24 fd09::1/64
	addr b wg0 10.9.0.2/24 fd09::2/64
	must "setting wg0 up on a" on a ip link set wg0 up
	must "setting wg0 up on b" on b ip link set wg0 up
}

# three: hosts a, b and c; a has a link of its own to each of the others.
three() {
	host_new a b c
	link a eth0 b eth0
	link a eth1 c eth0
	addr a eth0 192.0.2.1/24
	addr b eth0 192.0.2.2/24
	addr a eth1 198.51.100.1/24
	addr c eth0 198.51.100.2/24
}

# three_tunnels: on top of `three`, wg0 on each of them; a has two peers, 10.9.0.2
# and 10.9.0.3, and answers to pings of both.
three_tunnels() {
	local h

	keys a b c
	for h in a b c; do
		wg_new $h wg0
		wg_key $h wg0
		wg_set $h wg0 listen-port 51820
	done
	wg_set a wg0 peer "${PUB[b]}" allowed-ips 10.9.0.2/32 endpoint 192.0.2.2:51820 \
		peer "${PUB[c]}" allowed-ips 10.9.0.3/32 endpoint 198.51.100.2:51820
	wg_set b wg0 peer "${PUB[a]}" allowed-ips 10.9.0.1/32 endpoint 192.0.2.1:51820
	wg_set c wg0 peer "${PUB[a]}" allowed-ips 10.9.0.1/32 endpoint 198.51.100.1:51820
	addr a wg0 10.9.0.1/24
	addr b wg0 10.9.0.2/24
	addr c wg0 10.9.0.3/24
	for h in a b c; do
		must "wg0 of $h up" on $h ip link set wg0 up
	done
	expect_ping "a reaches b" a -c 1 10.9.0.2
	expect_ping "a reaches c" a -c 1 10.9.0.3
}

# copy STEP FROM TO ADDRESS: $TMP/sent goes by TCP, and comes as it was
copy() {
	local listener

	start received "$3" "$LIB_DIR/wire" tcp-listen 5001
	listener=$PID
	STEP=$1
	OUT=$(on "$2" timeout "$(slow 20)" "$LIB_DIR/wire" tcp-send "$4" 5001 \
		< "$TMP/sent" 2>&1) && wait "$listener" || fail "the transfer ends" "$OUT"
	expect_ok "$1: what came is what was sent" cmp "$TMP/sent" "$TMP/received"
}

# expect_ping STEP HOST ARGUMENTS...: every echo request of ping is answered.
# With -c the limit follows from the count.
expect_ping() {
	local step=$1 h=$2 before sent

	shift 2
	before=$(_echo_replies "$h")
	expect_ok "$step" on "$h" ping -q -n -W "$(slow 5)" "$@" || return
	expect_unlike "$step: bytes intact" "*wrong data*" "$OUT"
	case $OUT in *", 0% packet loss"*) return ;; esac
	# Once one was answered, ping waits for the last ones no longer than twice
	# the slowest. What comes after that has come.
	sent=$(sed -n 's/^\([0-9]*\) packets transmitted.*/\1/p' <<< "$OUT")
	until_true 5 _replied "$h" $((before + ${sent:-0})) ||
		expect_like "$step: none lost" "*, 0% packet loss*" "$OUT"
}

# _echo_replies HOST: that it has received, of both families
_echo_replies() {
	on "$1" cat /proc/net/snmp /proc/net/snmp6 2> /dev/null | awk '
		$1 == "Icmp:" && !col { for (i = 2; i <= NF; i++) if ($i == "InEchoReps") col = i; next }
		$1 == "Icmp:" { n += $col }
		$1 == "Icmp6InEchoReplies" { n += $2 }
		END { print n + 0 }'
}
_replied() { [ "$(_echo_replies "$1")" -ge "$2" ]; }

# expect_no_ping STEP HOST ARGUMENTS...: none is answered.
expect_no_ping() {
	local step=$1 h=$2

	shift 2
	expect_fail "$step" on "$h" ping -q -n "$@" &&
		expect_like "$step: none answered" "*, 100% packet loss*" "$OUT"
}

# ------------------------------------------------- WireGuard on the wire

declare -A SPY=()

# spy HOST IF: counts the WireGuard messages that pass IF of HOST, by direction
# and type: {tx,rx}_{init,resp,cookie,keep,data,other}. Other is any UDP packet
# that is none of these.
spy() {
	local d kind hook

	{
		echo "table inet spy {"
		for d in tx rx; do
			for kind in init resp cookie keep data other; do
				echo "counter ${d}_$kind { }"
			done
			[ "$d" = tx ] && hook=postrouting || hook=prerouting
			echo "chain $d {"
			echo "type filter hook $hook priority -450"
			[ "$d" = tx ] && echo "oifname != $2 return" ||
				echo "iifname != $2 return"
			echo "meta l4proto != udp return"
			echo "udp length 156 @th,64,32 0x01000000 counter name ${d}_init return"
			echo "udp length 100 @th,64,32 0x02000000 counter name ${d}_resp return"
			echo "udp length 72 @th,64,32 0x03000000 counter name ${d}_cookie return"
			echo "udp length 40 @th,64,32 0x04000000 counter name ${d}_keep return"
			echo "udp length > 40 @th,64,32 0x04000000 counter name ${d}_data return"
			echo "counter name ${d}_other"
			echo "}"
		done
		echo "}"
	} > "$TMP/spy-$1.nft"
	STEP="counting messages on $2 of $1"
	OUT=$(on "$1" nft -f - < "$TMP/spy-$1.nft" 2>&1) && return 0
	fail success "$OUT"
	exit 1
}

# spy_zero HOST: sets its counters to 0.
spy_zero() {
	must "clearing the message counters of $1" on "$1" sh -c \
		'nft reset counters table inet spy > /dev/null'
}

# spy_read HOST: reads its counters into SPY, by name.
spy_read() {
	local w x y name=

	SPY=()
	while read -r w x y _; do
		case $w in
		counter) name=$x ;;
		packets) SPY[$name]=$x ;;
		esac
	done <<< "$(on "$1" nft list counters table inet spy)"
	[ -n "${SPY[tx_init]:-}" ] && return 0
	STEP="reading the message counters of $1"
	fail "counters" "none"
	return 1
}

# expect_spy STEP HOST NAME=COUNT...: exact counts of messages.
expect_spy() {
	local step=$1 h=$2 p bad=0

	shift 2
	spy_read "$h" || return 1
	for p; do
		expect_eq "$step: ${p%%=*} seen at $h" "${p#*=}" \
			"${SPY[${p%%=*}]}" || bad=1
	done
	return $bad
}

# capture NAME HOST IF FILTER: tcpdump into $TMP/NAME.pcap, from now on.
# Long packets are cut: the ring has room for 900.
capture() {
	local name=$1 h=$2 i=$3

	shift 3
	start "$name.log" "$h" tcpdump -B 8192 -n -U --immediate-mode -s 9216 -i "$i" -w "$TMP/$name.pcap" "$@"
	CAPTURE=$PID
	must_soon 10 "starting tcpdump on $i of $h" grep -q "listening on" "$TMP/$name.log"
}

# nft_load HOST < RULES
nft_load() {
	STEP="loading packet filter rules into $1"
	OUT=$(on "$1" nft -f - 2>&1) && return 0
	fail success "$OUT"
	exit 1
}

# nft_count HOST TABLE COUNTER: packets of a named counter of an inet table.
nft_count() {
	local w x n=

	while read -r w x _; do
		[ "$w" != packets ] || n=$x
	done <<< "$(on "$1" nft list counter inet "$2" "$3" 2>&1)"
	printf '%s\n' "$n"
}

# captured NAME [OPTION...]: what tcpdump prints of that file.
captured() {
	local name=$1

	shift
	tcpdump -n -r "$TMP/$name.pcap" "$@" 2> /dev/null
}
