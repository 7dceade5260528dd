# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2154
#
# What run and pair share: the job handed to a guest, starting guests, and
# judging what comes back. To be sourced after lib.sh.

# Anything of this in a guest's kernel log is a failure, whatever a script says.
vm_splat='BUG: |BUG kmalloc|kernel BUG at|WARNING: |Oops|[Gg]eneral protection|Call Trace|UBSAN: |blocked for more than|detected stall|self-detected stall|detected expedited stalls|soft lockup|hard LOCKUP|hung task|refcount_t|unregister_netdevice: waiting|INFO: possible|INFO: inconsistent|INFO: trying to register non-static|suspicious RCU|DEBUG_LOCKS_WARN_ON|Kernel panic|Unable to handle kernel|Internal error: |scheduling while atomic|sleeping function called|new suspected memory leaks|list_(add|del) corruption|nested lock was not taken|bad unlock balance|unreferenced object 0x|segfault at .* in wireguard'

vm_run_dir=''
vm_pids=()

# new_run: a private directory, and its removal with all that was started
new_run() {
	vm_run_dir=$(mktemp -d "${TMPDIR:-/tmp}/adit-XXXXXX") || die "cannot make a temporary directory"
	case $vm_run_dir in *[[:space:]]*) die "TMPDIR must not have spaces in its name" ;; esac
	vm_stty=''
	trap end_run EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

# Guests are leaders of sessions of their own: the process group is theirs.
kill_guest() {
	local i
	kill -KILL -- "-$1" 2>/dev/null || kill -KILL "$1" 2>/dev/null
	for ((i = 0; i < 100; i++)); do
		kill -0 "$1" 2>/dev/null || break
		sleep 0.05
	done
}

end_run() {
	local pid rc=$?
	trap - EXIT
	trap '' HUP INT TERM
	for pid in "${vm_pids[@]}"; do
		kill_guest "$pid"
	done
	[ -z "$vm_stty" ] || stty "$vm_stty" 2>/dev/null
	[ -z "$vm_run_dir" ] || rm -rf "$vm_run_dir"
	exit "$rc"
}

# The release a module is for
module_release() { PATH=$PATH:/sbin:/usr/sbin modinfo -F vermagic "$1" 2>/dev/null | cut -d' ' -f1; }

# find_module KERNEL PATH: sets $module; PATH empty: the one built for KERNEL
find_module() {
	local kernel=$1 release m
	release=$(cat "$vm_cache/kernels/$kernel/release")
	module=$2
	if [ -n "$module" ]; then
		[ -f "$module" ] || die "there is no module $module"
		m=$(module_release "$module")
		[ "$m" = "$release" ] ||
			die "$module is for Linux ${m:-(unreadable)}, not for $release"
		return
	fi
	for m in "$vm_top/wireguard.ko" "$vm_top/build/$kernel/wireguard.ko"; do
		if [ -f "$m" ] && [ "$(module_release "$m")" = "$release" ]; then
			module=$m
			return
		fi
	done
	die "no wireguard.ko for $kernel; build it: make KDIR=\"\$(tests/vm/prepare --print-kdir $kernel)\"$([ "$(kernel_kind "$kernel")" != uml ] || echo ' ARCH=um') modules"
}

# script_names ARG...: fills scripts[] (paths below /adit in the guest) and
# names[]; a script outside the checkout is copied into the guest.
script_names() {
	local s f
	scripts=()
	names=()
	extra=()
	for s; do
		if [ -f "$s" ]; then
			f=$(readlink -f "$s")
		elif [ -f "$vm_top/$s" ]; then
			f=$(readlink -f "$vm_top/$s")
		else
			die "there is no script $s"
		fi
		case $f in
		*[[:space:]]*) die "the name of a script must not have spaces: $s" ;;
		"$vm_top"/tests/*) scripts+=("${f#"$vm_top"/}") ;;
		*)
			extra+=("$f")
			scripts+=("extra/${f##*/}")
			;;
		esac
		names+=("${scripts[-1]}")
	done
}

# write_job DIR MODE MODULE: what guest/init reads; envs[], scripts[], extra[],
# with[] are used
write_job() {
	local job=$1 e x
	mkdir -p "$job"
	echo "$2" >"$job/mode"
	echo "$vm_token" >"$job/token"
	printf '%s\n' "$vm_top" >"$job/top"
	echo "${TERM:-dumb}" >"$job/term"
	guest_tap "$kernel" >"$job/tap"
	: >"$job/scripts"
	: >"$job/with"
	: >"$job/size"
	[ ${#scripts[@]} = 0 ] || printf '%s\n' "${scripts[@]}" >"$job/scripts"
	[ ${#with[@]} = 0 ] || printf '%s\n' "${with[@]}" >"$job/with"
	for e in "${envs[@]}"; do
		printf '%s=%q\n' "${e%%=*}" "${e#*=}"
	done >"$job/env"
	[ -z "$3" ] || cp "$3" "$job/module.ko"
	for x in "${extra[@]}"; do
		mkdir -p "$job/extra"
		cp "$x" "$job/extra/"
	done
}

# make_initrd JOB BASE OUT: the base, then the tests and the job
make_initrd() {
	local t=$3.tree x
	rm -rf "$t"
	mkdir -p "$t/adit"
	(cd "$vm_top" && find tests -name build -prune -o -name '*.o' -prune -o -print0 |
		cpio --quiet -0 -pdm "$t/adit") || die "cannot copy the tests"
	for x in "${with[@]}"; do
		mkdir -p "$t/adit/$(dirname "$x")"
		cp -r "$vm_top/$x" "$t/adit/$x" || die "cannot copy $x"
	done
	[ -z "${vm_helpers-}" ] || cp "$vm_helpers"/* "$t/adit/tests/netns/"
	cp -r "$1" "$t/adit/job"
	[ ! -d "$1/extra" ] || cp -r "$1/extra" "$t/adit/extra"
	(
		cat "$2"
		cd "$t" && find . | cpio --quiet -o -H newc -R 0:0
	) >"$3" || die "cannot write the guest's file system"
	rm -rf "$t"
}

# spawn COMMAND...: in a session of its own; sets $vm_pid
spawn() {
	new_session "$@" &
	vm_pid=$!
	disown "$vm_pid"	# or bash announces its death
	vm_pids+=("$vm_pid")
}

# attend COMMAND...: on our terminal, until it ends; signals are still heeded
attend() {
	"$@" <&0 &
	vm_pid=$!
	vm_pids+=("$vm_pid")
	wait "$vm_pid"
}

# start_qemu KERNEL INITRD LOG TAP QEMU-ARGUMENT...: TAP is a FIFO or "stdio".
# Uses $cpu, $smp, $mem, $virtual_time, $append; $vm_disk is the disk of a system.
start_qemu() {
	local kernel=$1 initrd=$2 log=$3 tap=$4 accel c=$cpu first=rdinit=/adit/tests/vm/guest/init
	local qemu=qemu-system-x86_64 console=ttyS0 options='' machine=(-M q35) m=$mem n=$smp
	local serial=(-serial chardev:con -serial chardev:tap -device virtio-rng-pci)
	shift 4
	[ "$(kernel_kind "$kernel")" = qemu ] || foreign_machine
	if [ -n "${vm_disk-}" ]; then
		first="rdinit=/init systemd.show_status=0 systemd.getty_auto=0"
		set -- "$@" -device virtio-blk-pci,drive=root \
			-drive "if=none,id=root,format=raw,snapshot=on,file=$vm_disk"
	fi
	if [ "$virtual_time" = 1 ]; then
		accel=(-accel "tcg,thread=single" -icount 'shift=0,sleep=off')
	elif [ "$qemu" = qemu-system-x86_64 ] && have_kvm "$kernel" "$vm_base"; then
		accel=(-accel kvm)
		: "${c:=max}"
	else
		accel=(-accel "tcg,thread=multi")
	fi
	: "${c:=qemu64}"
	if [ "$tap" = stdio ]; then
		set -- "$@" -chardev stdio,id=tap,signal=off
	else
		set -- "$@" -chardev "file,id=tap,path=$tap"
	fi
	set -- $qemu -name adit "${machine[@]}" "${accel[@]}" -cpu "$c" -smp "$n" -m "$m" \
		-nodefaults -display none -no-reboot -kernel "$vm_cache/kernels/$kernel/vmlinux" \
		-initrd "$initrd" \
		-append "console=$console panic=-1 nokaslr mitigations=off quiet printk.devkmsg=on net.ifnames=0 $options ${append-} $first" \
		-chardev "file,id=con,path=$log" "${serial[@]}" "$@"
	if [ "$tap" = stdio ]; then
		attend "$@" 2>>"$log"
	else
		spawn "$@" </dev/null >"$vm_run_dir/vmm.err" 2>&1
	fi
}

# start_uml KERNEL JOB LOG TAP
start_uml() {
	local kernel=$1 job=$2 log=$3 tap=$4 dir=$vm_cache/kernels/$1 con1=null,fd:8
	ln -sfn "$vm_dir" "$vm_run_dir/vm"
	ln -sfn "$dir" "$vm_run_dir/kernel"
	printf '%s\n' "$dir/root" >"$job/modules"
	[ "$tap" != stdio ] || con1=fd:0,fd:1
	set -- "$dir/linux" mem="$mem" ncpus="$smp" seccomp=on uml_dir="$vm_run_dir/" umid=guest \
		rootfstype=hostfs root=/ rw init="$vm_run_dir/vm/guest/init" \
		panic=-1 quiet printk.devkmsg=on con=null con0=null,fd:9 con1="$con1" \
		adit_job="$job"
	if [ "$tap" = stdio ]; then
		attend "$@" 9>"$log" 2>>"$log"
	else
		spawn "$@" </dev/null 8>"$tap" 9>"$log" >"$vm_run_dir/vmm.err" 2>&1
	fi
}

# --- judging ---------------------------------------------------------------------

passed=0
failed=0
skipped=0
state=boot	# boot, idle, script, finished, dead
current=0
logs=()		# console logs of all guests, their names in log_names[]
log_names=()

note() { printf '# %s\n' "$*"; }

# Left out of what is judged: the stacks that sysctl, fault injection and
# kmem_cache_create() print where an allocation was made to fail; and KCSAN's
# reports of races that are none of the module's. A race is the module's if one
# of its functions is among the six innermost of a stack, on this side of an
# interrupt: lists, queues, timers, work are within that. What the stack does
# deeper down with a packet it was given is its own. "others" counts those.
# A script that takes leaks apart itself says so (adit-leaks begin, end).
# shellcheck disable=SC2016 # a program of awk
vm_filter='
	{ sub(/\r$/, "") }
	held != "" {
		held = held "\n" $0
		lines++
		if (/ bytes by |Reported by/) depth = 0
		if (/ asm_/) depth = 99
		if (/\+0x/ && ++depth <= 6 && /\[wireguard\]/) ours = 1
		if (/==========/ || lines > 100 || $0 ~ splat && !/BUG: KCSAN/) {
			if (ours || !/==========/) out(held)
			else others++
			held = ""
		}
		next
	}
	/adit-leaks begin/ { leaks = 1 }
	/adit-leaks end/ { leaks = 0 }
	leaks && /new suspected memory leaks/ { next }
	/BUG: KCSAN/ { held = $0; lines = depth = 0; ours = /\[wireguard\]/; next }
	# two CPUs may tell of theirs at once: as many ends as beginnings
	/sysctl could not get directory|FAULT_INJECTION: forcing a failure|kmem_cache_create.*failed with error -/ { quiet++ }
	quiet && (/adit-mark/ || $0 ~ splat) { quiet = 0 }
	quiet { if (/<\/TASK>/) quiet--; next }
	{ out($0) }'

# log_slice LOG FROM TO: the lines between two marks
log_slice() {
	awk -v a="adit-mark $2" -v b="adit-mark $3" '
		{ sub(/\r$/, "") }
		substr($0, length($0) - length(a) + 1) == a { on = 1; next }
		substr($0, length($0) - length(b) + 1) == b { exit }
		on || a == "adit-mark start" { print }' "$1" |
		awk -v splat="${vm_splat/|Call Trace/}" '
			function out(text) { print text }
			'"$vm_filter"'
			END { if (held != "") out(held) }'
}

# others_races: notes how many races KCSAN saw that are none of the module's
others_races() {
	local i n
	for i in "${!logs[@]}"; do
		n=$(awk -v splat="${vm_splat/|Call Trace/}" 'function out(text) { }
			'"$vm_filter"'
			END { print others + 0 }' "${logs[i]}")
		[ "$n" = 0 ] || note "KCSAN: $n data races without the module in the kernel of ${log_names[i]}"
	done
}

# splats FROM TO: prints the first lines of what the kernels complained about
splats() {
	local i slice hit rc=1
	for i in "${!logs[@]}"; do
		slice=$(log_slice "${logs[i]}" "$1" "$2")
		hit=$(grep -nE -m1 "$vm_splat" <<<"$slice" | cut -d: -f1)
		[ -n "$hit" ] || continue
		note "the kernel of ${log_names[i]} complained:"
		sed -n "$hit,$((hit + 48))p" <<<"$slice" |
			awk 'NR > 1 && /========/ { exit } NR <= 25 || race; /KCSAN/ { race = 1 }' |
			sed 's/^/#   /'
		rc=0
	done
	return $rc
}

# wait_mark MARK: until all consoles show it
wait_mark() {
	local i n
	for i in "${!logs[@]}"; do
		for ((n = 0; n < 200; n++)); do
			grep -q "adit-mark $1"$'\r*$' "${logs[i]}" && continue 2
			guests_alive || break
			sleep 0.05
		done
	done
}

guests_alive() {
	local pid
	for pid in "${vm_pids[@]}"; do
		kill -0 "$pid" 2>/dev/null || return 1
	done
}

# died_early: whether the guest's kernel panicked before its first process, and so
# before any module was loaded. Waits until that is known.
died_early() {
	local end=$((SECONDS + limit)) mark="adit-mark init"$'\r*$'
	while ! grep -q "$mark" "$log"; do
		guests_alive || {
			# it may have got there since, and died of our module
			! grep -q "$mark" "$log" &&
				grep -q 'Kernel panic - not syncing' "$log"
			return
		}
		((SECONDS < end)) || return
		sleep 0.2
	done
	return 1
}

# stale_int3: whether the first that a dead guest's kernel complained of is a
# breakpoint that is not in its memory, outside our module. The kernel puts one at
# the place of a static key while it switches that. A CPU cannot run it later; an
# emulator can that kept what it translated at that moment (QEMU 7.2 translates a
# page without a lock against who writes it).
stale_int3() {
	tr -d '\r' <"$log" | awk -v splat="$vm_splat" '
		!seen && /int3: 0000/ { seen = 1 }
		!seen && $0 ~ splat { exit }
		seen && /RIP: [0-9]*:/ && rip == "" { rip = $0 }
		seen && /\] Code: / && code == "" { code = $0 }
		/Kernel panic - not syncing: Fatal exception/ { panic = 1 }
		END {
			exit !(seen && panic && rip != "" && rip !~ /\[wireguard\]/ &&
				code ~ / [0-9a-f][0-9a-f] <[0-9a-f][0-9a-f]>/ &&
				code !~ / cc <[0-9a-f][0-9a-f]>/)
		}'
}

tails() {
	local i
	for i in "${!logs[@]}"; do
		note "the last lines on the console of ${log_names[i]}:"
		tail -n 30 "${logs[i]}" | tr -d '\r' | sed 's/^/#   /'
	done
	if [ -s "$vm_run_dir/vmm.err" ]; then
		note "the virtual machine itself said:"
		tail -n 10 "$vm_run_dir/vmm.err" | sed 's/^/#   /'
	fi
}

# point LINE: counts one line of a script's own KTAP
point() {
	case $1 in
	1..*[0-9]* | 1..[0-9]*)
		[[ $1 =~ ^1\.\.([0-9]+) ]] && plan=${BASH_REMATCH[1]}
		;;
	"not ok"*)
		points=$((points + 1))
		if [[ $1 =~ \#[[:space:]]*[Ss][Kk][Ii][Pp] ]]; then
			skipped=$((skipped + 1))
		else
			failed=$((failed + 1))
			bad=$((bad + 1))
		fi
		;;
	"ok" | "ok "*)
		points=$((points + 1))
		if [[ $1 =~ \#[[:space:]]*[Ss][Kk][Ii][Pp] ]]; then
			skipped=$((skipped + 1))
		else
			passed=$((passed + 1))
		fi
		;;
	"Bail out!"*)
		bad=$((bad + 1))
		failed=$((failed + 1))
		;;
	esac
	case $1 in *"# SKIP "*) reason=${1#*# SKIP } ;; esac
}

# close_script STATUS [WHY]: the verdict over script $current
close_script() {
	local rc=$1 why=${2-} name=${names[current - 1]} more=0 rest=''
	[ -n "$why" ] && more=1
	if [ -z "$why" ] && splats "$((current == 1 ? 0 : current - 1))" "$current"; then
		why="the kernel complained"
		more=1
	fi
	if [ -z "$why" ]; then
		if [ "$rc" = 4 ] && [ "$bad" = 0 ]; then
			[ "$points" -gt 0 ] || skipped=$((skipped + 1))
			rest=" # SKIP ${reason:-the script said so}"
		elif [ "$plan" != - ] && [ "$plan" != "$points" ]; then
			why="$points of $plan planned tests ended"
			more=1
		elif [ "$rc" != 0 ]; then
			why="exit status $rc"
			[ "$bad" -gt 0 ] || more=1
		elif [ "$bad" != 0 ]; then
			why="$bad of its tests failed, although its exit status is 0"
		elif [ "$points" = 0 ]; then
			passed=$((passed + 1))
		fi
	fi
	failed=$((failed + more))
	if [ -n "$why" ]; then
		note "$name: $why"
		echo "not ok $current $name"
	else
		echo "ok $current $name$rest"
	fi
	note "$name took $((SECONDS - began)) s"
	state=idle
}

# remaining WHY: all that did not come to run
remaining() {
	local i
	[ "$state" != script ] || close_script 1 "$1"
	for ((i = current + 1; i <= ${#names[@]}; i++)); do
		note "not run: $1"
		echo "not ok $i ${names[i - 1]}"
		failed=$((failed + 1))
	done
	if [ "$current" -ge "${#names[@]}" ] && [ "$state" = idle ]; then
		note "after the last script: $1"
		failed=$((failed + 1))
	fi
	current=${#names[@]}
	state=dead
}

# frame WORD...: one report of the guest
on_frame() {
	local word=$1 arg=${2-}
	case $word in
	hello)
		release=$arg
		note "Linux $release, driver $driver, started in $((SECONDS - started)) s"
		wait_mark 0
		if splats start 0; then
			note "the kernel complained before the first script"
			failed=$((failed + 1))
		fi
		state=idle
		;;
	fatal)
		shift
		tails
		remaining "$*"
		;;
	begin)
		current=$arg
		points=0 bad=0 plan=- reason=''
		began=$SECONDS
		state=script
		note "Subtest: ${names[current - 1]}"
		;;
	end)
		wait_mark "$arg"
		close_script "$3"
		;;
	note)
		shift
		note "$*"
		;;
	coverage)
		printf '%s\n' "$arg" >>"$coverage.base64"
		;;
	stuck)
		shift
		note "$*"
		failed=$((failed + 1))
		;;
	finished)
		wait_mark end
		if splats "$current" end; then
			note "the kernel complained while the module was unloaded"
			failed=$((failed + 1))
		fi
		state=finished
		;;
	esac
	deadline=$((SECONDS + limit))
}

# collect FIFO-FD: reads the guest's reports to their end
collect() {
	local lines line buf='' held=0 dying=0
	exec {lines}< <(exec "$vm_dir/lines" "@$vm_token tick" <&"$1")
	: "${started:=$SECONDS}"
	deadline=$((SECONDS + limit))
	echo "KTAP version 1"
	echo "1..${#names[@]}"
	while [ $state != finished ] && [ $state != dead ]; do
		if [ -n "${pair_tap-}" ] && IFS= read -r -t 0 -u "$pair_tap" &&
		   IFS= read -r -t 0.1 -u "$pair_tap" line &&
		   [[ $line == "@$vm_token fatal "* ]]; then
			tails
			remaining "guest B: ${line#* fatal }"
			break
		fi
		if ((SECONDS >= deadline)); then
			[ -z "$buf" ] || echo "  $buf"
			note "no end within the limit of $limit s (--timeout): the guest is killed"
			splats "$((current > 0 ? current - 1 : 0))" never
			tails
			remaining "no end within the limit of $limit s"
			break
		fi
		IFS= read -r -u "$lines" line || die "tests/vm/lines ended"
		if [[ $line == "@$vm_token tick "* ]]; then
			buf=${line#* tick }
			if guests_alive; then continue; fi
			# what it said last has come when two have passed
			if [ $dying = 0 ]; then
				dying=1
				continue
			fi
			[ -z "$buf" ] || echo "  $buf"
			if declare -F another_guest >/dev/null && another_guest; then
				dying=0 held=0 buf=''
				continue
			fi
			splats "$((current > 0 ? current - 1 : 0))" never
			tails
			remaining "the guest ended early"
			break
		fi
		line=${line%$'\r'}
		# A frame begins with an empty line, to end an unfinished one.
		if [[ $line == "@$vm_token "* ]]; then
			held=0
			# shellcheck disable=SC2086
			set -f -- ${line#* }
			set +f
			on_frame "$@"
			continue
		fi
		if [ $held = 1 ]; then
			echo
			held=0
		fi
		if [ -z "$line" ]; then
			held=1
			continue
		fi
		if [ $state = script ]; then
			point "$line"
			echo "  $line"
		else
			note "$line"
		fi
	done
	exec {lines}<&-
}

summary() {
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ]
}
