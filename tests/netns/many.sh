#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Many devices, many peers.

. "$(dirname "$0")/lib.sh"

begin 6 "16 devices, peers by the hundred" nft

N=16
pair
wg_new a wg0
keys a
wg_key a wg0
wg_set a wg0 listen-port 51820
addr a wg0 10.9.0.254/24
declare -A P=()

point "one device with 16 peers, which are 16 devices: all are reached"
{
	for ((i = 1; i <= N; i++)); do
		echo "link add wg$i type wireguard"
		echo "addr add 10.9.0.$i/32 dev wg$i"
	done
} > "$TMP/batch"
must "16 devices on b" on b sh -c 'ip -batch "$0"' "$TMP/batch"
for ((i = 1; i <= N; i++)); do
	k=$(wg genkey)
	P[$i]=$(wg pubkey <<< "$k")
	cat > "$TMP/b$i" <<- END
		[Interface]
		PrivateKey = $k
		ListenPort = $((52000 + i))
		[Peer]
		PublicKey = ${PUB[a]}
		AllowedIPs = 10.9.0.254/32
		Endpoint = 192.0.2.1:51820
	END
	must "setting up wg$i" on b wg setconf "wg$i" "$TMP/b$i"
	cat >> "$TMP/a" <<- END
		[Peer]
		PublicKey = ${P[$i]}
		AllowedIPs = 10.9.0.$i/32
		Endpoint = 192.0.2.2:$((52000 + i))
	END
done
must "16 peers on a" on a wg addconf wg0 "$TMP/a"
for ((i = 1; i <= N; i++)); do echo "link set wg$i up"; done > "$TMP/batch"
must "16 devices up" on b sh -c 'ip -batch "$0"' "$TMP/batch"
must "wg0 of a up" on a ip link set wg0 up
# Which of its devices b answers by is told by the source: one table each.
for ((i = 1; i <= N; i++)); do
	echo "route add 10.9.0.254/32 dev wg$i table $i"
	echo "rule add from 10.9.0.$i table $i"
done > "$TMP/batch"
must "routes on b" on b sh -c 'ip -batch "$0"' "$TMP/batch"
for ((i = 1; i <= N; i++)); do
	expect_ping "a pings wg$i of b" a -c 1 "10.9.0.$i"
done
expect_eq "peers with a handshake" 16 \
	"$(on a wg show wg0 latest-handshakes | grep -vc '	0$')"

point "each peer's bytes are its own"
# Data of 928 + 32 bytes. Keepalives and handshakes, which may come at any time where
# all is slow, are too short to count as one of them.
declare -A RX=() TX=()
while read -r key rx tx; do RX[$key]=$rx TX[$key]=$tx; done < <(on a wg show wg0 transfer)
expect_ping "a pings wg7 of b" a -c 2 -i 0.05 -s 900 10.9.0.7
moved=''
while read -r key rx tx; do
	data="$(((rx - RX[$key]) / 960)) $(((tx - TX[$key]) / 960))"
	[ "$data" = "0 0" ] || moved+="$key: $data;"
done < <(on a wg show wg0 transfer)
expect_eq "data messages received and sent, by peer" "${P[7]}: 2 2;" "$moved"

point "all at once: 16 flows, none lost"
# ping waits for the last answers as long as the slowest took, twice: where all is
# slow, they must not queue.
pause=$(awk -v s="$ADIT_SLOW" 'BEGIN { print 0.05 * s }')
flows=()
for ((i = 1; i <= N; i++)); do
	start "ping$i" a ping -q -n -c 20 -i "$pause" -W "$(slow 5)" -s 500 "10.9.0.$i"
	flows+=("$PID")
done
wait "${flows[@]}"
for ((i = 1; i <= N; i++)); do
	expect_like "pings of wg$i" "*20 received, 0% packet loss*" "$(cat "$TMP/ping$i")"
done

point "500 peers added, listed and removed"
wg_new a wg9
for ((i = 0; i < 500; i++)); do
	# Any 32 bytes will do as a key.
	printf '[Peer]\nPublicKey = peer%038d0=\nAllowedIPs = 10.%d.%d.0/24, fd00:%x::/32\n' \
		"$i" $((i / 256)) $((i % 256)) "$i"
done > "$TMP/peers"
expect_ok "adding" on a wg setconf wg9 "$TMP/peers"
expect_eq "peers listed" 500 "$(on a wg show wg9 peers | sort -u | wc -l)"
expect_eq "allowed IPs listed" 1000 \
	"$(on a wg show wg9 allowed-ips | cut -f 2 | tr ' ' '\n' | sort -u | wc -l)"
expect_eq "in order of creation" "$(sed -n 's/^PublicKey = //p' "$TMP/peers")" \
	"$(on a wg show wg9 peers)"
expect_ok "removing" on a wg setconf wg9 /dev/null
expect_eq "peers listed" 0 "$(on a wg show wg9 peers | wc -l)"

point "one peer with 2000 allowed IPs is listed whole"
for ((i = 0; i < 2000; i++)); do
	printf '10.%d.%d.0/24,' $((i / 256)) $((i % 256))
done > "$TMP/ips"
printf '[Peer]\nPublicKey = %s\nAllowedIPs = %s\n' "${P[1]}" "$(sed 's/,$//' "$TMP/ips")" > "$TMP/big"
expect_ok "adding" on a wg setconf wg9 "$TMP/big"
expect_eq "allowed IPs listed" 2000 \
	"$(on a wg show wg9 allowed-ips | cut -f 2 | tr ' ' '\n' | sort -u | wc -l)"
expect_eq "in order of insertion" "$(tr ',' ' ' < "$TMP/ips" | sed 's/ $//')" \
	"$(on a wg show wg9 allowed-ips | cut -f 2)"

point "all devices deleted"
for ((i = 1; i <= N; i++)); do echo "link del wg$i"; done > "$TMP/batch"
expect_ok "16 devices of b" on b timeout "$(slow 20)" sh -c 'ip -batch "$0"' "$TMP/batch"
expect_ok "wg0 and wg9 of a" on a sh -c 'ip link del wg0 && ip link del wg9'
expect_eq "UDP sockets left" "0 0" "$(on a sh -c 'cat /proc/net/udp /proc/net/udp6' |
	grep -c ':[0-9A-F]* 0') $(on b sh -c 'cat /proc/net/udp /proc/net/udp6' | grep -c ':[0-9A-F]* 0')"

finish
