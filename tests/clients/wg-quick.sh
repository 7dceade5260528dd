#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# wg-quick and its service.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

client_begin 11 "wg-quick: up, down, save, strip, reload" wg-quick systemctl
conf=/etc/wireguard/wg0.conf
client_end() {
	systemctl stop wg-quick@wg0 systemd-resolved
	rm -f /run/wg-hooks
}
up() { must "wg-quick up" wg-quick up wg0; }
down() { must "wg-quick down" wg-quick down wg0; expect_ok "wg0 is gone" gone; }

point "up and down"
must "starting systemd-resolved" systemctl start systemd-resolved
doc_file wg-quick $conf
up
expect_eq "addresses" "10.9.0.1/24 fd09::1/64" \
	"$(ip -br address show wg0 | awk '{ print $3, $4 }')"
expect_eq "MTU" 1420 "$(cat /sys/class/net/wg0/mtu)"
expect_eq "keepalive" 25 "$(wg show wg0 persistent-keepalive | cut -f2)"
carries "wg-quick"
bulk_to 10.9.0.2

point "DNS line"
start dns b python3 "$LIB_DIR/../clients/dns.py" 10.9.0.2
ready dns ready
expect_soon 20 "a name, from the far end" getent ahostsv4 far.example
expect_like "its address" "10.9.0.2 *" "$OUT"
down
expect_fail "no name server when down" getent ahostsv4 other.example

point "strip"
expect_ok "strip" wg-quick strip wg0
expect_unlike "nothing that is wg-quick's" "*Address*" "$OUT"
expect_unlike "nothing that is wg-quick's" "*DNS*" "$OUT"
expect_like "what is wg's" "*PrivateKey = ${KEY[here]}*AllowedIPs = *" "$OUT"

point "hooks, in their order"
doc_file wg-quick-hooks $conf
rm -f /run/wg-hooks
up
carries "with hooks"
mark=$(wg show wg0 fwmark)
down
expect_eq "mark" 0x2a "$mark"
expect_eq "hooks" "PreUp wg0 PostUp wg0 PreDown wg0 PostDown wg0" "$(xargs < /run/wg-hooks)"

point "MTU: a line, and the path's"
doc_file wg-quick $conf '/^DNS/d; /^Address/a MTU = 1380'
up
expect_eq "MTU line" 1380 "$(cat /sys/class/net/wg0/mtu)"
carries "MTU line"
down
doc_file wg-quick $conf '/^DNS/d'
must "a smaller wire" ip link set eth0 mtu 1400
up
expect_eq "MTU by the wire" 1320 "$(cat /sys/class/net/wg0/mtu)"
down
must "the wire as before" ip link set eth0 mtu 1500

point "Table = off, and a number"
doc_file wg-quick $conf '/^DNS/d; /^Address/a Table = off
s/10.9.0.2\/32,/10.9.0.2\/32, 10.77.0.0\/24,/'
up
expect_eq "off: no route" "" "$(ip route show table all 10.77.0.0/24)"
down
doc_file wg-quick $conf '/^DNS/d; /^Address/a Table = 1234
s/10.9.0.2\/32,/10.9.0.2\/32, 10.77.0.0\/24,/'
up
expect_like "1234: a route there" "*dev wg0*" "$(ip route show table 1234 10.77.0.0/24)"
expect_eq "and none in main" "" "$(ip route show 10.77.0.0/24)"
carries "Table = 1234"
down

point "Table = auto"
doc_file wg-quick-auto $conf
up
for r in 10.9.0.0/24 10.77.0.0/24; do
	expect_like "a route to $r" "$r dev wg0 scope link*" "$(ip -4 route show "$r")"
done
expect_like "a route to fd09::/64" "fd09::/64 dev wg0 *" "$(ip -6 route show fd09::/64)"
expect_eq "no mark" off "$(wg show wg0 fwmark)"
expect_unlike "no rules" "*51820*" "$(ip -4 rule; ip -6 rule)"
carries "Table = auto"
down
expect_eq "no route when down" "" "$(ip route show 10.77.0.0/24)"
doc_file wg-quick-auto $conf 's/^AllowedIPs.*/AllowedIPs = 0.0.0.0\/0, ::\/0/'
up
expect_like "auto: a default route by a rule" "*fwmark 0xca6c lookup 51820*" "$(ip -4 rule)"
expect_like "its table" "default dev wg0*" "$(ip -4 route show table 51820)"
expect_like "its table" "default dev wg0*" "$(ip -6 route show table 51820)"
carries "Table = auto, all traffic"
down

point "FwMark"
doc_file wg-quick $conf '/^DNS/d; /^Address/a FwMark = 0x99'
up
expect_eq "fwmark" 0x99 "$(wg show wg0 fwmark)"
must "counting marked packets" nft -f - <<- 'END'
	table inet adit-mark {
		counter marked { }
		chain c {
			type filter hook output priority 0
			meta mark 0x99 udp dport 51820 counter name marked
		}
	}
END
carries "FwMark"
expect_unlike "marked packets" "*packets 0 *" "$(nft list counter inet adit-mark marked)"
nft delete table inet adit-mark
down

point "save"
doc_file wg-quick $conf '/^DNS/d'
up
keys other
must "another peer" wg set wg0 peer "${PUB[other]}" allowed-ips 10.9.0.3/32
must "save" wg-quick save wg0
expect_like "the new peer is in the file" "*${PUB[other]}*" "$(cat $conf)"
expect_like "the address too" "*Address = 10.9.0.1/24*" "$(cat $conf)"
down
up
expect_eq "peers" 2 "$(wg show wg0 peers | wc -l)"
carries "the saved file"
down

point "SaveConfig = true"
doc_file wg-quick-save $conf
up
must "another peer" wg set wg0 peer "${PUB[other]}" allowed-ips 10.9.0.3/32
down
expect_like "the new peer is in the file" "*${PUB[other]}*" "$(cat $conf)"

point "systemctl start, reload, stop"
doc_file wg-quick $conf '/^DNS/d'
must "start" systemctl start wg-quick@wg0
carries "as a service"
spy b eth0
printf '[Peer]\nPublicKey = %s\nAllowedIPs = 10.9.0.3/32\n' "${PUB[other]}" >> $conf
must "reload" systemctl reload wg-quick@wg0
expect_eq "peers" 2 "$(wg show wg0 peers | wc -l)"
stands "the first peer still answers"
expect_spy "no handshake" b rx_init=0 tx_init=0
must "stop" systemctl stop wg-quick@wg0
expect_ok "wg0 is gone" gone

finish
