#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The scenario wrong-keys with wireguard-go as host a.

export ADIT_IMPL_a=go ADIT_IMPL_b=kernel
exec "$(dirname "$0")/../netns/wrong-keys.sh"
