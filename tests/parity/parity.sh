#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Parity by machine: the same requests and the same traffic to the kernel's
# own driver and then to Adit, in one guest, and the answers compared.
# Differences must be named in deliberate.tsv and docs/differences.md.
#
#   PARITY_SEED	first seed (default 1, so that each run asks the same; "random"
#		takes one from the clock and prints it)
#   PARITY_SEEDS	how many (default 3)
#   PARITY_COUNT	requests of each (default 1200)

# shellcheck source=../netns/lib.sh
. "$(dirname "$0")/../netns/lib.sh"

dir=$(cd "$(dirname "$0")" && pwd)
: "${PARITY_SEED:=1}" "${PARITY_SEEDS:=3}" "${PARITY_COUNT:=1200}"
[ "$PARITY_SEED" != random ] || PARITY_SEED=$(($(date +%s) % 100000))
kernel=${ADIT_KERNEL:-$(uname -r)}
export PYTHONDONTWRITEBYTECODE=1

begin $((3 + PARITY_SEEDS)) "the kernel's own driver and Adit answer alike" python3
say "PARITY_SEED=$PARITY_SEED PARITY_SEEDS=$PARITY_SEEDS PARITY_COUNT=$PARITY_COUNT"
[ "$DRIVER" = adit ] || { fail "Adit is loaded" "$DRIVER"; exit 1; }

# run_all SIDE: everything, on the driver that is loaded
run_all() {
	local i

	for ((i = 0; i < PARITY_SEEDS; i++)); do
		must "playing seed $((PARITY_SEED + i)) to the driver ($1)" \
			python3 "$dir/stream.py" $((PARITY_SEED + i)) "$PARITY_COUNT" "$TMP/$1-$i"
	done
	expect_ok "looking at the driver from outside ($1)" \
		python3 "$dir/outside.py" "$PARITY_SEED" "$TMP/$1-outside"
	say "$OUT"
}

point "both drivers can be loaded in turn"
load_driver in-kernel
must "what the kernel's own lacks" python3 "$dir/stream.py" lacks
export PARITY_LACKS=${OUT//$'\n'/ }
say "the kernel's own lacks: ${PARITY_LACKS:-nothing}"
t=$(now)
run_all in-kernel
say "the kernel's own: $(($(now) - t)) ms"
load_driver adit
t=$(now)
run_all adit
say "Adit: $(($(now) - t)) ms"

for ((i = 0; i < PARITY_SEEDS; i++)); do
	point "requests: seed $((PARITY_SEED + i))"
	python3 "$dir/compare.py" stream "$kernel" $((PARITY_SEED + i)) \
		"$TMP/in-kernel-$i" "$TMP/adit-$i" > "$TMP/report" 2>&1 ||
		fail "the same answers" "see below"
	say "$(cat "$TMP/report")"
	grep '^used ' "$TMP/report" >> "$TMP/used"
done

point "seen from outside: netlink family, devices, messages, counters, 1000 peers"
python3 "$dir/compare.py" lines "$kernel" "$TMP/in-kernel-outside" "$TMP/adit-outside" \
	> "$TMP/report" 2>&1 || fail "the same" "see below"
say "$(cat "$TMP/report")"
grep '^used ' "$TMP/report" >> "$TMP/used"

point "every deliberate difference is documented"
python3 "$dir/compare.py" table "$dir/../../docs/differences.md" > "$TMP/report" 2>&1 ||
	fail "a row for each" "$(cat "$TMP/report")"
if [ $((PARITY_SEEDS * PARITY_COUNT)) -ge 20000 ]; then
	while IFS=$'\t' read -r name pattern _; do
		case $name in '#'* | '') continue ;; esac
		# shellcheck disable=SC2053
		[[ $kernel == $pattern ]] || continue
		grep -q "^used $name " "$TMP/used" || say "never seen: the deliberate difference $name"
	done < "$dir/deliberate.tsv"
fi
finish
