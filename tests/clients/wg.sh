#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Every command of wg, on an interface made by hand.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

client_begin 9 "wg: show, showconf, set, setconf, addconf, syncconf"
conf=/etc/wireguard/tunnel.conf
b=${PUB[b]}
keys other

# wg_here FIELD PUBLIC-KEY: a column of wg show wg0 for one peer
wg_here() {
	wg show wg0 "$1" | awk -v k="$2" -F "\t" '$1 == k { print $2 }'
}

point "ip link add loads the driver, wg setconf, traffic"
ip -n "${NS[b]}" link del wg0
expect_ok "unloading the driver" rmmod wireguard
doc_file wg-conf $conf
doc_run wg-commands
expect_eq "the driver that came" "$DRIVER" \
	"$(_driver_of "$(cat /sys/module/wireguard/version 2> /dev/null)")"
wg_new b wg0
wg_key b wg0
wg_set b wg0 listen-port 51820 peer "${PUB[here]}" allowed-ips 10.9.0.1/32,fd09::1/128
wg_psk b wg0 "${PUB[here]}" "$PSK"
addr b wg0 10.9.0.2/24 fd09::2/64
must "the far end is up" on b ip link set wg0 up
carries "by hand"

point "wg show: all forms"
expect_eq "interfaces" wg0 "$(wg show interfaces)"
expect_eq "public-key" "${PUB[here]}" "$(wg show wg0 public-key)"
expect_eq "private-key" "${KEY[here]}" "$(wg show wg0 private-key)"
expect_eq "listen-port" 51820 "$(wg show wg0 listen-port)"
expect_eq "fwmark" off "$(wg show wg0 fwmark)"
expect_eq "peers" "$b" "$(wg show wg0 peers)"
expect_eq "preshared-keys" "$b	$PSK" "$(wg show wg0 preshared-keys)"
expect_eq "endpoints" "$b	192.0.2.2:51820" "$(wg show wg0 endpoints)"
expect_eq "allowed-ips" "$b	10.9.0.2/32 fd09::2/128" "$(wg show wg0 allowed-ips)"
expect_eq "persistent-keepalive" "$b	off" "$(wg show wg0 persistent-keepalive)"
t=$(wg show wg0 latest-handshakes)
expect_range "latest-handshakes" $(($(date +%s) - 60 * ADIT_SLOW)) "$(date +%s)" "${t#*	}"
read -r _ rx tx <<< "$(wg show wg0 transfer)"
expect_min "received" 604 "$rx"
expect_min "sent" 660 "$tx"
expect_eq "dump" "${KEY[here]}	${PUB[here]}	51820	off
$b	$PSK	192.0.2.2:51820	10.9.0.2/32,fd09::2/128	${t#*	}	$rx	$tx	off" "$(wg show wg0 dump)"
expect_like "all dump" "wg0	${KEY[here]}	*
wg0	$b	*" "$(wg show all dump)"
out=$(wg show)
expect_like "show" "interface: wg0*public key: ${PUB[here]}*private key: (hidden)*listening port: 51820*peer: $b*preshared key: (hidden)*endpoint: 192.0.2.2:51820*allowed ips: 10.9.0.2/32, fd09::2/128*latest handshake: *transfer: *received, *sent*" "$out"
expect_eq "show wg0, as show" "$(grep -v -e handshake -e transfer <<< "$out")" \
	"$(wg show wg0 | grep -v -e handshake -e transfer)"

point "wg showconf gives what wg setconf takes"
expect_ok "showconf" wg showconf wg0
printf '%s\n' "$OUT" > "$TMP/conf"
expect_like "its text" "*ListenPort = 51820*PrivateKey = ${KEY[here]}*PublicKey = $b*PresharedKey = $PSK*AllowedIPs = 10.9.0.2/32, fd09::2/128*Endpoint = 192.0.2.2:51820*" "$OUT"
expect_ok "setconf" wg setconf wg0 "$TMP/conf"
expect_eq "showconf again" "$(cat "$TMP/conf")" "$(wg showconf wg0)"
carries "after setconf"

point "wg set: every option"
(umask 077; wg genpsk > "$TMP/psk"; wg genkey > "$TMP/key")
expect_ok "device and peer at once" wg set wg0 listen-port 51899 fwmark 0x2a private-key "$TMP/key" \
	peer "${PUB[other]}" preshared-key "$TMP/psk" endpoint '[2001:db8::2]:51900' \
	persistent-keepalive 25 allowed-ips 10.9.0.3/32,fd09::3/128
expect_eq "dump" "$(cat "$TMP/key")	$(wg pubkey < "$TMP/key")	51899	0x2a
${PUB[other]}	$(cat "$TMP/psk")	[2001:db8::2]:51900	10.9.0.3/32,fd09::3/128	0	25" \
	"$(wg show wg0 dump | grep -v "^$b" | cut -f1-5,8 --output-delimiter='	')"
expect_ok "all off again" wg set wg0 fwmark off peer "${PUB[other]}" preshared-key /dev/null \
	persistent-keepalive off allowed-ips ''
expect_eq "fwmark" off "$(wg show wg0 fwmark)"
expect_eq "psk" "(none)" "$(wg_here preshared-keys "${PUB[other]}")"
expect_eq "keepalive" off "$(wg_here persistent-keepalive "${PUB[other]}")"
expect_eq "allowed IPs" "(none)" "$(wg_here allowed-ips "${PUB[other]}")"
expect_ok "removing a peer" wg set wg0 peer "${PUB[other]}" remove
expect_eq "peers" "$b" "$(wg show wg0 peers)"
expect_ok "no private key" wg set wg0 private-key /dev/null
expect_eq "private key" "(none)" "$(wg show wg0 private-key)"

point "wg set allowed-ips +/-"
if OUT=$(wg set wg0 peer "$b" allowed-ips +10.9.0.4/32 2>&1); then
	expect_eq "added" "10.9.0.2/32 fd09::2/128 10.9.0.4/32" "$(wg_here allowed-ips "$b")"
	expect_ok "taken away" wg set wg0 peer "$b" allowed-ips -10.9.0.4/32
	expect_eq "as before" "10.9.0.2/32 fd09::2/128" "$(wg_here allowed-ips "$b")"
else
	skip_point "this wg does not know it"
fi

point "wg setconf replaces all"
expect_ok "setconf" wg setconf wg0 $conf
expect_eq "port and key" "51820 ${KEY[here]}" "$(wg show wg0 listen-port) $(wg show wg0 private-key)"
expect_eq "peers" "$b" "$(wg show wg0 peers)"
carries "after setconf"

point "wg addconf adds a peer, the session goes on"
spy b eth0
printf '[Peer]\nPublicKey = %s\nAllowedIPs = 10.9.0.3/32\n' "${PUB[other]}" > "$TMP/add"
expect_ok "addconf" wg addconf wg0 "$TMP/add"
expect_eq "peers" "$b ${PUB[other]}" "$(wg show wg0 peers | xargs)"
stands "the first peer still answers"
expect_spy "no handshake" b rx_init=0 tx_init=0

point "wg syncconf keeps the sessions of unchanged peers"
keys third
{ cat $conf; printf '[Peer]\nPublicKey = %s\nAllowedIPs = 10.9.0.5/32\n' "${PUB[third]}"; } > "$TMP/sync"
expect_ok "syncconf" wg syncconf wg0 "$TMP/sync"
expect_eq "peers: one gone, one new" "$b ${PUB[third]}" "$(wg show wg0 peers | xargs)"
stands "the unchanged peer still answers"
expect_spy "no handshake" b rx_init=0 tx_init=0

point "wg setconf does not keep them"
expect_ok "setconf" wg setconf wg0 $conf
carries "after setconf"
spy_read b
expect_min "handshakes" 1 "${SPY[rx_init]}"

finish
