#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The scenario roaming with wireguard-go as host a.

export ADIT_IMPL_a=go ADIT_IMPL_b=kernel
exec "$(dirname "$0")/../netns/roaming.sh"
