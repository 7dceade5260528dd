#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# ifupdown: a stanza with pre-up commands.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

client_begin 2 "ifupdown" ifup ifdown
client_end() {
	ifdown wg0
}
doc_file wg-conf /etc/wireguard/tunnel.conf
doc_file ifupdown /etc/network/interfaces.d/wg0

point "ifup"
must "ifup" ifup wg0
carries "ifup"

point "ifdown, and once more"
must "ifdown" ifdown wg0
expect_ok "wg0 is gone" gone
must "ifup" ifup wg0
carries "ifup again"

finish
