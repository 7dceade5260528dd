#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A kernel without IPv6 (ipv6.disable=1): what is said about IPv6 is kept, what
# would be sent by it is not, and IPv4 goes on.

. "$(dirname "$0")/lib.sh"

! has_ipv6 || skip_all "this kernel has IPv6"
begin 5 "a kernel without IPv6"

pair
tunnel

point "IPv6 allowed IPs and endpoints are kept and shown"
expect_ping "a pings b" a -c 1 10.9.0.2
expect_eq "allowed IPs" "10.9.0.2/32 fd09::2/128" "$(wg_get a wg0 allowed-ips "${PUB[b]}")"
wg_set a wg0 peer "${PUB[b]}" endpoint "[2001:db8::2]:51820"
expect_eq "endpoint" "[2001:db8::2]:51820" "$(wg_get a wg0 endpoints "${PUB[b]}")"

point "what would leave by IPv6 is an error of the device"
errors=$(devstat a wg0 tx_errors)
transfer a wg0 "${PUB[b]}"
tx=$TX
must "5 datagrams to b" on a "$LIB_DIR/wire" udp-send 10.9.0.2 9 00 5
failed() {
	[ "$(devstat a wg0 tx_errors)" -ge $((errors + 5)) ]
}
expect_soon 3 "tx_errors" failed
transfer a wg0 "${PUB[b]}"
expect_eq "bytes sent" "$tx" "$TX"

point "8000 datagrams that cannot leave keep no memory"
many() {
	on a "$LIB_DIR/wire" udp-send 10.9.0.2 9 @1300:00 8000
}
errors=$(devstat a wg0 tx_errors)
expect_no_leak "an IPv6 endpoint" many
expect_min "tx_errors" $((errors + 16000)) "$(devstat a wg0 tx_errors)"

point "an IPv6 packet that no peer is to have is dropped"
# 2001:db8::1 to 2001:db8::2, without payload; only a raw socket can send it
packet=6000000000003b4020010db800000000000000000000000120010db8000000000000000000000002
errors=$(devstat a wg0 tx_errors)
expect_eq "errno" ENOKEY "$(on a "$LIB_DIR/wire" packet wg0 0x86dd $packet)"
expect_eq "tx_errors" $((errors + 1)) "$(devstat a wg0 tx_errors)"

point "the peer is heard and answered over IPv4 again"
expect_ping "b pings a" b -c 1 10.9.0.1
expect_eq "endpoint" "192.0.2.2:51820" "$(wg_get a wg0 endpoints "${PUB[b]}")"
expect_ping "a pings b" a -c 1 10.9.0.2

finish
