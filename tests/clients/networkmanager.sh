#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# NetworkManager: import of a wg-quick file, changes, and a keyfile.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

client_begin 4 "NetworkManager" nmcli
file=/etc/NetworkManager/system-connections/wg0.nmconnection
client_end() {
	nmcli connection delete wg0
	systemctl stop NetworkManager
	rm -f "$file"
}
must "starting NetworkManager" systemctl start NetworkManager
doc_file wg-quick /etc/wireguard/wg0.conf '/^DNS/d'

point "import and up"
doc_run nm-import
carries "imported"
expect_eq "port" 51820 "$(wg show wg0 listen-port)"
expect_eq "keepalive" 25 "$(wg show wg0 persistent-keepalive | cut -f2)"
expect_like "preshared key" "*	$PSK" "$(wg show wg0 preshared-keys)"

point "modify: key, port, mark"
# without a preshared key: with one, up wants secrets after modify
must "deleting it" nmcli connection delete wg0
keys here
doc_file wg-quick /etc/wireguard/wg0.conf '/^DNS/d; /^PresharedKey/d'
doc_run nm-import
keys here
wg_set b wg0 peer "${PUB[here]}" allowed-ips 10.9.0.1/32,fd09::1/128
# nmcli reads a mark as hexadecimal, with 0x or without
must "modify" nmcli connection modify wg0 wireguard.private-key "${KEY[here]}" \
	wireguard.listen-port 51999 wireguard.fwmark 0x2a
must "up" nmcli connection up wg0
expect_eq "key, port, mark" "${PUB[here]} 51999 0x2a" \
	"$(wg show wg0 public-key) $(wg show wg0 listen-port) $(wg show wg0 fwmark)"
carries "modified"

point "down"
must "down" nmcli connection down wg0
expect_soon 10 "wg0 is gone" gone
must "deleting it" nmcli connection delete wg0

point "keyfile, and a changed peer"
wg_psk b wg0 "${PUB[here]}" "$PSK"
doc_file nm-keyfile "$file"
must "reload" nmcli connection reload
must "up" nmcli connection up wg0
carries "keyfile"
sed -i 's/^allowed-ips=.*/allowed-ips=10.9.0.2\/32;fd09::2\/128;10.77.0.0\/24;/' "$file"
must "reload" nmcli connection reload
must "up" nmcli connection up wg0
expect_like "allowed IPs" "*10.77.0.0/24*" "$(wg show wg0 allowed-ips)"
carries "changed peer"

finish
