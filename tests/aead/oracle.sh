#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Sealing and opening of transport messages against lib/crypto's own AEAD, in
# this kernel with its SIMD, by a module that tests/vm/run builds:
# module: tests/aead
#
#   ORACLE_CASES	messages (default 100000)

# shellcheck source=../netns/lib.sh
. "$(dirname "$0")/../netns/lib.sh"

: "${ORACLE_CASES:=100000}"
begin 1 "transport messages, against the kernel's AEAD"

point "$ORACLE_CASES random messages: sealed alike, opened, refused when changed"
module=
for f in "$LIB_DIR"/../../build/*-aead/adit-oracle.ko; do
	[ ! -f "$f" ] || module=$f
done
if [ "$DRIVER" != adit ]; then
	skip_point "Adit's own code"
	finish
fi
[ -n "$module" ] || { fail "a module build/K-aead/adit-oracle.ko" "none"; exit 1; }
must "loading it" insmod "$module" cases="$ORACLE_CASES"
p=/sys/module/adit_oracle/parameters
expect_eq "messages" "$ORACLE_CASES" "$(cat $p/done)"
expect_eq "of them wrong" 0 "$(cat $p/wrong)"
expect_min "the largest, bytes" 60000 "$(cat $p/largest)"
must "unloading it" rmmod adit_oracle
finish
