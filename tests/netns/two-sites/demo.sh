#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The demonstration: two sites behind NAT, joined through a hub, step by step,
# with everything shown. About two minutes. As root:
#
#	./demo.sh | ./present

# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

VERBOSE=1 KEEPALIVE=25 TIMEOUT=30 IDLE=45
# shellcheck source=steps.sh
. "$LIB_DIR/two-sites/steps.sh"

# shellcheck disable=SC2086 # a list of words
begin $TWO_SITES_POINTS "two sites behind NAT, joined through a hub" $TWO_SITES_TOOLS
run_steps
finish
