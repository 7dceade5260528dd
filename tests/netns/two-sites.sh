#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Two sites behind NAT, joined through a hub: the demonstration as a scenario,
# with the same configuration but a short keepalive and short-lived mappings.

. "$(dirname "$0")/lib.sh"

VERBOSE='' KEEPALIVE=1 TIMEOUT=3 IDLE=4
# shellcheck source=two-sites/steps.sh
. "$LIB_DIR/two-sites/steps.sh"

# shellcheck disable=SC2086 # a list of words
begin $TWO_SITES_POINTS "two sites behind NAT, joined through a hub" $TWO_SITES_TOOLS
run_steps
finish
