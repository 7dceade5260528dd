#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What tools read of a device: link attributes, /sys, offload features. The
# lists are those of the kernel's own driver.

. "$(dirname "$0")/lib.sh"

begin 6 "link attributes, /sys and features, as tools expect them" ethtool python3

host_new a o
wg_new a wg0

# The values of a JSON link, one "name=value" a line; those that a state may have.
link_of() {
	on a ip -d -j link show wg0 | python3 -c '
import json, sys
link = json.load(sys.stdin)[0]
link.pop("ifindex")
link.pop("inet6_addr_gen_mode", None)
for k in sorted(link):
    v = link[k]
    print(k + "=" + (",".join(v) if isinstance(v, list) else str(v)))'
}

common="group=default
gro_max_size=65536
gso_max_segs=65535
gso_max_size=65536
ifname=wg0
link_type=none
linkinfo={'info_kind': 'wireguard'}
linkmode=DEFAULT
max_mtu=2147483552
min_mtu=0
mtu=1420
num_rx_queues=1
num_tx_queues=1
promiscuity=0
tso_max_segs=65535
txqlen=1000"

expect_link() { # STEP FLAGS OPERSTATE QDISC
	local want got

	want=$(printf '%s\nallmulti=0\nflags=%s\noperstate=%s\nqdisc=%s\n' \
		"$common" "$2" "$3" "$4" | sort)
	# Not compared: newer kernels and newer tools know more attributes.
	printf '%s\n' "$want" > "$TMP/names"
	got=$(link_of | lines_of)
	expect_eq "$1" "$want" "$got"
}

# lines_of NAMES: the lines of standard input that begin with one of these names
lines_of() {
	awk -F '[:=]' 'NR == FNR { want[$1] = 1; next } $1 in want' "$TMP/names" - | sort
}

# What the files of /sys say; "-" stands for a failed read.
sys_of() {
	on a bash -c '
		cd /sys/class/net/wg0 || exit
		for f in addr_assign_type addr_len address broadcast carrier carrier_changes \
			dev_id dev_port dormant duplex flags gro_flush_timeout ifalias \
			link_mode mtu name_assign_type netdev_group operstate proto_down \
			speed tx_queue_len type; do
			echo "$f=$(cat $f 2> /dev/null || echo -)"
		done
		grep -v IFINDEX uevent
		ls queues | paste -sd " "'
}
common_sys="addr_assign_type=0
addr_len=0
address=
broadcast=
carrier_changes=0
dev_id=0x0
dev_port=0
duplex=-
gro_flush_timeout=0
ifalias=
link_mode=0
mtu=1420
name_assign_type=3
netdev_group=0
proto_down=0
speed=-
tx_queue_len=1000
type=65534
DEVTYPE=wireguard
INTERFACE=wg0
rx-0 tx-0"
expect_sys() { # STEP LINE...
	local step=$1

	shift
	expect_eq "$step" "$(printf '%s\n' "$common_sys" "$@" | sort)" "$(sys_of | sort)"
}

point "a new device"
expect_link "link" POINTOPOINT,NOARP DOWN noop
expect_sys "/sys" carrier=- dormant=- flags=0x90 operstate=down
if [ -e /proc/sys/net/ipv6 ]; then
	expect_eq "addr_gen_mode" 0 "$(on a sh -c 'cat /proc/sys/net/ipv6/conf/wg0/addr_gen_mode')"
fi
expect_eq "send_redirects of the device, of all" "1 1" "$(on a sh -c '
	cd /proc/sys/net/ipv4/conf && echo $(cat wg0/send_redirects all/send_redirects)')"

point "up: running, operstate unknown, carrier, settings of the namespace"
must "up" on a ip link set wg0 up
expect_link "link" POINTOPOINT,NOARP,UP,LOWER_UP UNKNOWN noqueue
expect_sys "/sys" carrier=1 dormant=0 flags=0x91 operstate=unknown
if [ -e /proc/sys/net/ipv6 ]; then
	expect_eq "addr_gen_mode" 1 "$(on a sh -c 'cat /proc/sys/net/ipv6/conf/wg0/addr_gen_mode')"
fi
expect_eq "send_redirects of the device, of all" "0 0" "$(on a sh -c '
	cd /proc/sys/net/ipv4/conf && echo $(cat wg0/send_redirects all/send_redirects)')"
expect_eq "send_redirects of all in another namespace" 1 "$(on o sh -c '
	cat /proc/sys/net/ipv4/conf/all/send_redirects')"

point "down again"
must "down" on a ip link set wg0 down
expect_link "link" POINTOPOINT,NOARP DOWN noqueue
expect_sys "/sys" carrier=- dormant=- flags=0x90 operstate=down

point "features: what is on, what is off, what is fixed"
features=$(on a ethtool -k wg0 | tr -d '\t')
on_list="rx-checksumming tx-checksumming tx-checksum-ip-generic scatter-gather
tx-scatter-gather tcp-segmentation-offload tx-tcp-segmentation
tx-tcp-ecn-segmentation tx-tcp-mangleid-segmentation tx-tcp6-segmentation
generic-segmentation-offload generic-receive-offload highdma
tx-sctp-segmentation tx-udp-segmentation tx-gso-list"
off_list="tx-nocache-copy rx-gro-list rx-udp-gro-forwarding"
fixed_list="tx-checksum-ipv4 tx-checksum-ipv6 tx-checksum-fcoe-crc tx-checksum-sctp
tx-scatter-gather-fraglist large-receive-offload rx-vlan-offload
tx-vlan-offload ntuple-filters receive-hashing rx-vlan-filter
vlan-challenged tx-gso-robust tx-fcoe-segmentation tx-gre-segmentation
tx-gre-csum-segmentation tx-ipxip4-segmentation tx-ipxip6-segmentation
tx-udp_tnl-segmentation tx-udp_tnl-csum-segmentation tx-gso-partial
tx-tunnel-remcsum-segmentation tx-esp-segmentation loopback rx-fcs rx-all
l2-fwd-offload hw-tc-offload esp-hw-offload esp-tx-csum-hw-offload
rx-udp_tunnel-port-offload tls-hw-tx-offload tls-hw-rx-offload rx-gro-hw
macsec-hw-offload hsr-tag-ins-offload hsr-fwd-offload"
want=$({
	# shellcheck disable=SC2086 # lists of words
	{
		printf '%s: on\n' $on_list
		printf '%s: off\n' $off_list
		printf '%s: off [fixed]\n' $fixed_list
	}
} | sort)
printf '%s\n' "$want" > "$TMP/names"
got=$(lines_of <<< "$features")
expect_eq "features" "$want" "$got"
# Older kernels show this one.
[[ $features != *tx-lockless* ]] ||
	expect_like "lockless transmit" "*tx-lockless: on [[]fixed]*" "$features"
for f in tx sg gso tso gro rx; do
	expect_ok "ethtool -K wg0 $f off" on a ethtool -K wg0 "$f" off
	expect_ok "ethtool -K wg0 $f on" on a ethtool -K wg0 "$f" on
done
got=$(on a ethtool -k wg0 | tr -d '\t' | lines_of)
expect_eq "features after off and on" "$want" "$got"

point "ethtool: driver, timestamping, no link settings, no statistics of its own"
info=$(on a ethtool -i wg0)
expect_like "driver" "driver: wireguard*" "$info"
expect_like "bus" "*bus-info: 
*" "$info"
stamping=$(on a ethtool -T wg0)
expect_like "software timestamps" "*software-receive*software-system-clock*" "$stamping"
expect_like "no hardware clock" "*PTP Hardware Clock: none*" "$stamping"
expect_unlike "link settings" "*Speed:*" "$(on a ethtool wg0 2>&1)"

point "kind, name and module: how wg, wg-quick and the kernel find it"
expect_eq "devices of the kind" wg0 "$(on a wg show interfaces)"
expect_like "ip link by kind" "*wg0*" "$(on a ip -br link show type wireguard)"
expect_ok "the module by its name" test -d /sys/module/wireguard
expect_eq "module parameters" "" "$(ls -A /sys/module/wireguard/parameters 2> /dev/null)"
if ! command -v modinfo > /dev/null || ! aliases=$(modinfo -F alias wireguard 2> /dev/null); then
	say "no modinfo of the module here"
else
	expect_eq "aliases" "net-pf-16-proto-16-family-wireguard rtnl-link-wireguard" \
		"$(sort <<< "$aliases" | paste -sd ' ')"
fi
expect_fail "a second device of that name" on a ip link add wg0 type wireguard
expect_ok "a third of another" on a ip link add wg1 type wireguard
expect_ok "renamed" on a ip link set wg1 name tunnel
expect_eq "by its new name" "" "$(on a wg show tunnel allowed-ips)"
expect_eq "a uevent with its new name" INTERFACE=tunnel \
	"$(on a cat /sys/class/net/tunnel/uevent | grep INTERFACE)"
expect_fail "a MAC address cannot be set" on a ip link set wg0 address 02:00:00:00:00:01
expect_fail "no bridge port" on a sh -c '
	ip link add br0 type bridge && ip link set wg0 master br0'

finish
