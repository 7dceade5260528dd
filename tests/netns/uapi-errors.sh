#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2171 # brackets are words of uapi-probe
#
# Bad input over netlink: the documented errno, a text that says why, and a
# device that is as it was.

. "$(dirname "$0")/lib.sh"

begin 15 "refusals of the netlink interface"

probe=$LIB_DIR/uapi-probe
pair
tunnel
wg_set a wg0 fwmark 7 peer "${PUB[b]}" persistent-keepalive 77
K=hex:PUBLIC_KEY=$(printf '%s' "${PUB[b]}" | base64 -d | od -An -v -tx1 | tr -d ' \n')

snapshot() {
	on a wg showconf wg0
}
before=$(snapshot)

# A message to wg0: the attributes of one allowed IP, a peer, ...
device() { on a "$probe" set str:IFNAME=wg0 "$@"; }
peer() { device [PEERS [0 "$K" "$@" ] ]; }
ip_of() { peer [ALLOWEDIPS [0 "$@" ] ]; }

old=0
[ "$(uname -r | cut -d. -f1)" -ge 7 ] || old=1

# refused STEP ERRNO[|ERRNO] COMMAND...
refused() {
	local step=$1 errno=$2 got

	shift 2
	got=$("$@" 2>&1)
	STEP=$step
	case "|$errno|" in
	*"|${got%%:*}|"*) ;;
	*) fail "$errno" "$got" ;;
	esac
	# The refusal for want of rights is not the driver's, and has no text.
	# Older kernels have no room for one where a dump is refused.
	if [ "$DRIVER" = adit ] && [ "$errno" != EPERM ] &&
	   ! { [ "$old" = 1 ] && [[ " $* " == *" get "* ]]; }; then
		expect_ne "$step: a text that says why" "" "${got#*: }"
	fi
	expect_eq "$step: the device afterwards" "$before" "$(snapshot)"
}

# Unknown flags: a policy of the family checks them since 7.x, the driver before.
flag_errno="EOPNOTSUPP|EINVAL"

point "the interface is named by exactly one of index and name"
refused "neither" EBADR on a "$probe" set u16:LISTEN_PORT=1
refused "both" EBADR on a "$probe" set str:IFNAME=wg0 if:IFINDEX=wg0
refused "neither, get" EBADR on a "$probe" get
refused "both, get" EBADR on a "$probe" get str:IFNAME=wg0 u32:IFINDEX=1

point "an unknown interface"
refused "by name" ENODEV on a "$probe" set str:IFNAME=nosuch0
refused "by index" ENODEV on a "$probe" set u32:IFINDEX=99999
refused "by name, get" ENODEV on a "$probe" get str:IFNAME=nosuch0
refused "a name that is too long" "ERANGE|EINVAL" on a "$probe" set str:IFNAME=abcdefghijklmnop0

point "an interface that is no WireGuard device"
refused "by name" EOPNOTSUPP on a "$probe" set str:IFNAME=eth0
refused "get" EOPNOTSUPP on a "$probe" get str:IFNAME=eth0

point "keys of a wrong length"
for n in 0 31; do
	refused "private key of $n bytes" ERANGE device "fill:PRIVATE_KEY=$n*11"
	refused "public key of $n bytes" ERANGE device [PEERS [0 "fill:PUBLIC_KEY=$n*11" ] ]
	refused "preshared key of $n bytes" ERANGE peer "fill:PRESHARED_KEY=$n*11"
done
refused "private key of 33 bytes" "ERANGE|EINVAL" device "fill:PRIVATE_KEY=33*11"
refused "public key of 33 bytes" "ERANGE|EINVAL" device [PEERS [0 "fill:PUBLIC_KEY=33*11" ] ]
refused "preshared key of 33 bytes" "ERANGE|EINVAL" peer "fill:PRESHARED_KEY=33*11"

point "unknown flags"
refused "of the device" "$flag_errno" device u32:FLAGS=0x2
refused "of the device, high" "$flag_errno" device u32:FLAGS=0x80000000
refused "of a peer" "$flag_errno" peer u32:FLAGS=0x8
refused "of an allowed IP" EINVAL ip_of u16:FAMILY=2 hex:IPADDR=0a630000 u8:CIDR_MASK=16 u32:FLAGS=0x80

point "prefix lengths over 32 and 128"
refused "33 for IPv4" EINVAL ip_of u16:FAMILY=2 hex:IPADDR=0a630000 u8:CIDR_MASK=33
refused "255 for IPv4" EINVAL ip_of u16:FAMILY=2 hex:IPADDR=0a630000 u8:CIDR_MASK=255
refused "129 for IPv6" EINVAL ip_of u16:FAMILY=10 fill:IPADDR=16*fd u8:CIDR_MASK=129

point "allowed IPs that lack something or do not fit"
refused "no family" EINVAL ip_of hex:IPADDR=0a630000 u8:CIDR_MASK=16
refused "no address" EINVAL ip_of u16:FAMILY=2 u8:CIDR_MASK=16
refused "no mask" EINVAL ip_of u16:FAMILY=2 hex:IPADDR=0a630000
refused "IPv6 address as IPv4" EINVAL ip_of u16:FAMILY=2 fill:IPADDR=16*fd u8:CIDR_MASK=16
refused "IPv4 address as IPv6" EINVAL ip_of u16:FAMILY=10 hex:IPADDR=0a630000 u8:CIDR_MASK=16
refused "an unknown family" EINVAL ip_of u16:FAMILY=7 hex:IPADDR=0a630000 u8:CIDR_MASK=16
refused "an address of 3 bytes" "ERANGE|EINVAL" ip_of u16:FAMILY=2 hex:IPADDR=0a6300 u8:CIDR_MASK=16

point "a peer without a public key, a wrong protocol version"
refused "no public key" EINVAL device [PEERS [0 u16:PERSISTENT_KEEPALIVE_INTERVAL=5 ] ]
refused "protocol version 2" EPFNOSUPPORT peer u32:PROTOCOL_VERSION=2
refused "protocol version 0" EPFNOSUPPORT peer u32:PROTOCOL_VERSION=0

point "malformed messages"
refused "an unknown attribute" EINVAL device u32:200=1
refused "an unknown attribute of a peer" EINVAL peer u32:200=1
refused "peers not marked as nested" EINVAL device "(PEERS" [0 "$K" ] ")"
refused "a port of 4 bytes" "ERANGE|EINVAL" device u32:LISTEN_PORT=1
refused "an endpoint of 15 bytes" ERANGE peer fill:ENDPOINT=15*02

point "an endpoint of an unknown family or size is ignored"
expect_like "family 7" "0:*" "$(peer fill:ENDPOINT=16*07)"
expect_like "IPv4 address of 28 bytes" "0:*" "$(peer hex:ENDPOINT=0200ca6cc000020900000000000000000000000000000000000000ff)"
expect_eq "the device afterwards" "$before" "$(snapshot)"

point "an allowed IP is taken away by itself, whatever the kernel"
before_ips=$(wg_get a wg0 allowed-ips "${PUB[b]}")
wg_set a wg0 peer "${PUB[b]}" allowed-ips "${before_ips// /,},10.77.0.0/24,fd77::/64"
gone() { # STEP ERRNO ATTRIBUTE...
	local step=$1 errno=$2 got

	shift 2
	got=$(ip_of "$@" u32:FLAGS=1)
	expect_eq "$step" "$errno" "${got%%:*}"
}
gone "IPv4" 0 u16:FAMILY=2 hex:IPADDR=0a4d0000 u8:CIDR_MASK=24
if [ "$DRIVER" = in-kernel ] && [ "$old" = 1 ]; then
	skip_point "this driver knows no flags of allowed IPs"
else
	expect_eq "IPv4" "$before_ips fd77::/64" "$(wg_get a wg0 allowed-ips "${PUB[b]}")"
	gone "IPv6" 0 u16:FAMILY=10 hex:IPADDR=fd770000000000000000000000000000 u8:CIDR_MASK=64
	expect_eq "IPv6" "$before_ips" "$(wg_get a wg0 allowed-ips "${PUB[b]}")"
	gone "one that is not there" 0 u16:FAMILY=2 hex:IPADDR=0a4d0000 u8:CIDR_MASK=24
	expect_eq "the device afterwards" "$before" "$(snapshot)"
fi
wg_set a wg0 peer "${PUB[b]}" allowed-ips "${before_ips// /,}"

point "a message is validated whole before any of it is applied"
if [ "$DRIVER" = in-kernel ]; then
	skip_point "this driver finds out about the bad one when it gets there"
else
	refused "a good port and mark, a good peer, a bad one" EINVAL device \
	u16:LISTEN_PORT=51999 u32:FWMARK=99 [PEERS \
	[0 fill:PUBLIC_KEY=32*41 u16:PERSISTENT_KEEPALIVE_INTERVAL=9 ] \
	[0 fill:PUBLIC_KEY=32*42 [ALLOWEDIPS \
	[0 u16:FAMILY=2 hex:IPADDR=0a630000 u8:CIDR_MASK=33 ] ] ] ]
fi
expect_ping "the tunnel works" a -c 1 10.9.0.2

point "a port in use, on a device that is up"
wg_new a wg1
wg_set a wg1 listen-port 51821
must "wg1 up" on a ip link set wg1 up
refused "the port of wg1" EADDRINUSE device u16:LISTEN_PORT=51821
expect_ping "the old port goes on working" b -c 1 10.9.0.1

point "a port in use, on a device that is down"
must "wg1 down" on a ip link set wg1 down
wg_set a wg1 listen-port 51820
expect_fail "wg1 up" on a ip link set wg1 up
expect_like "why" "*ddress already in use*" "$OUT"
expect_unlike "wg1 is still down" "*,UP*" "$(on a ip link show wg1)"
wg_set a wg1 listen-port 51822
expect_ok "up with another port" on a ip link set wg1 up
expect_eq "wg0 afterwards" "$before" "$(snapshot)"

point "without CAP_NET_ADMIN neither set nor get"
refused "set" EPERM on a "$probe" -u set str:IFNAME=wg0 u16:LISTEN_PORT=1
refused "get" EPERM on a "$probe" -u get str:IFNAME=wg0

finish
