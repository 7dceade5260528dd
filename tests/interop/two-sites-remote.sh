#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Two sites joined through a hub that lives in the second guest.

export ADIT_IMPL_hub=remote ADIT_IMPL_b=kernel
exec "$(dirname "$0")/../netns/two-sites.sh"
