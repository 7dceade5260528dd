#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Tools that look at the interface: tcpdump, ss, nft, iptables, ip.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

client_begin 4 "tcpdump, ss, nft, iptables" tcpdump ss nft iptables
client_end() {
	nft delete table inet tunnel
	iptables -F INPUT
}
doc_file wg-conf /etc/wireguard/tunnel.conf
doc_run wg-commands
carries "by hand"

point "tcpdump on wg0 shows the inner packets"
doc_file tcpdump "$TMP/tcpdump.sh"
doc_file ss "$TMP/ss.sh"
sed -i 's/^tcpdump/exec &/' "$TMP/tcpdump.sh"
bash "$TMP/tcpdump.sh" > "$TMP/dump" 2> "$TMP/dump.log" &
PIDS+=("$!")
must_soon 10 "tcpdump is ready" grep -q "listening on wg0, link-type RAW" "$TMP/dump.log"
carries "while tcpdump runs"
expect_soon 10 "a request" grep -q "IP 10.9.0.1 > 10.9.0.2: ICMP echo request" "$TMP/dump"
expect_soon 10 "a reply" grep -q "IP 10.9.0.2 > 10.9.0.1: ICMP echo reply" "$TMP/dump"
expect_soon 10 "an IPv6 reply" grep -q "IP6 fd09::2 > fd09::1: ICMP6, echo reply" "$TMP/dump"

point "ss shows the port, for both families"
expect_eq "sockets" "0.0.0.0:51820 [::]:51820" "$(bash "$TMP/ss.sh" | awk '$4 ~ /:51820$/ { print $4 }' | sort | xargs)"
ip link set wg0 down
expect_eq "sockets when down" "" "$(bash "$TMP/ss.sh" | grep :51820)"
ip link set wg0 up

point "nftables: iifname and oifname"
doc_file nftables "$TMP/rules"
must "loading the rules" nft -f "$TMP/rules"
expect_soon 10 "a ping" ping -q -n -c 1 -W 1 10.9.0.2
for c in from_tunnel to_tunnel; do
	nft reset counter inet tunnel $c > /dev/null
done
expect_ok "pings" ping -q -n -c 3 -i 0.1 -W "$(slow 3)" 10.9.0.2
for c in from_tunnel to_tunnel; do
	expect_like "$c" "*packets 3 bytes 252*" "$(nft list counter inet tunnel $c)"
done

point "iptables: -i wg0"
must "a rule" iptables -A INPUT -i wg0 -j DROP
expect_fail "no answer gets in" ping -q -n -c 1 -W 1 10.9.0.2
must "no rule" iptables -D INPUT -i wg0 -j DROP
stands "answers again"

finish
