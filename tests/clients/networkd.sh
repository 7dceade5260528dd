#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# systemd-networkd.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

client_begin 4 "systemd-networkd" networkctl
dir=/etc/systemd/network
client_end() {
	systemctl stop systemd-networkd.socket systemd-networkd
	rm -f $dir/*
	ip link del wg1
}
key_file() { # NAME KEY
	(umask 027 && echo "$2" > "$dir/$1") && chgrp systemd-network "$dir/$1"
}
doc_file networkd-netdev $dir/50-wg0.netdev
doc_file networkd-network $dir/50-wg0.network
chmod 644 $dir/50-wg0.*
key_file wg0.key "${KEY[here]}"
key_file wg0.psk "$PSK"

point ".netdev and .network bring the tunnel up"
must "starting systemd-networkd" systemctl start systemd-networkd
carries_soon() { until_true 20 ip address show dev wg0; carries "$1"; }
carries_soon "networkd"
expect_eq "key and port" "${PUB[here]} 51820" "$(wg show wg0 public-key) $(wg show wg0 listen-port)"
expect_like "preshared key" "*	$PSK" "$(wg show wg0 preshared-keys)"
# networkd gives the kernel the last one first
expect_eq "allowed IPs" "${PUB[b]}	10.77.0.0/24 fd09::2/128 10.9.0.2/32" "$(wg show wg0 allowed-ips)"
expect_eq "keepalive" 25 "$(wg show wg0 persistent-keepalive | cut -f2)"

point "FirewallMark and RouteTable"
expect_eq "fwmark" 0x2a "$(wg show wg0 fwmark)"
expect_soon 10 "a route in table 1234" sh -c 'ip route show table 1234 | grep "10.77.0.0/24 dev wg0"'

point "networkctl reload: a new device, a new address"
sed 's/wg0$/wg1/; /^ListenPort/d; s/10.77.0.0/10.78.0.0/; s/10.9.0.2/10.8.0.2/; s/fd09::2/fd08::2/' $dir/50-wg0.netdev > $dir/51-wg1.netdev
echo 'Address = 10.9.0.77/24' >> $dir/50-wg0.network
must "reload" networkctl reload
expect_soon 20 "wg1 with its peer" sh -c 'wg show wg1 peers | grep .'
expect_soon 20 "the new address" sh -c 'ip address show wg0 | grep 10.9.0.77'
carries "after reload"

point "a changed .netdev, after networkctl delete"
sed -i 's/^ListenPort.*/ListenPort = 51999/' $dir/50-wg0.netdev
must "delete" networkctl delete wg0
must "restart" systemctl restart systemd-networkd
expect_soon 20 "the new port" sh -c '[ "$(wg show wg0 listen-port)" = 51999 ]'
carries "after restart"

finish
