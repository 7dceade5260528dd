#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# wg-quick with all traffic through the far end, reverse path filter strict.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

client_begin 3 "wg-quick: all traffic through the far end" wg-quick nft
client_end() { wg-quick down wg0; }
addr b lo 198.51.100.7/32 2001:db8:5::7/128
must "strict reverse path filter" sysctl -q -w net.ipv4.conf.all.rp_filter=1 \
	net.ipv4.conf.eth0.rp_filter=1 net.ipv4.conf.default.rp_filter=1

point "all traffic goes through the tunnel"
expect_fail "no way there without" ping -q -n -c 1 -W 1 198.51.100.7
doc_file wg-quick-full /etc/wireguard/wg0.conf
must "up" wg-quick up wg0
carries "full tunnel"
expect_soon 10 "a far IPv4 host" ping -q -n -c 2 -i 0.1 -W 1 198.51.100.7
expect_soon 10 "a far IPv6 host" ping -q -n -c 2 -i 0.1 -W 1 2001:db8:5::7
bulk_to 198.51.100.7
bulk_to 2001:db8:5::7

point "by mark, rules and a table of its own"
expect_eq "fwmark" 0xca6c "$(wg show wg0 fwmark)"
expect_like "IPv4 rule" "*not from all fwmark 0xca6c lookup 51820*" "$(ip -4 rule)"
expect_like "IPv6 rule" "*not from all fwmark 0xca6c lookup 51820*" "$(ip -6 rule)"
expect_eq "src_valid_mark" 1 "$(sysctl -n net.ipv4.conf.all.src_valid_mark)"
expect_like "filter" "*table ip wg-quick-wg0*" "$(nft list tables)"
expect_fail "a packet for the tunnel's address by the wire is dropped" \
	on b ping -q -n -c 1 -W 1 -I eth0 10.9.0.1

point "down leaves nothing"
must "down" wg-quick down wg0
expect_ok "wg0 is gone" gone
expect_unlike "rules" "*51820*" "$(ip -4 rule; ip -6 rule)"
expect_unlike "filter" "*wg-quick*" "$(nft list tables)"

finish
