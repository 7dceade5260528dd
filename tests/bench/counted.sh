#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Known amounts of traffic through the kernel's own driver and through Adit, in
# turn, with marks between which tests/bench/run counts instructions.
#
#   BENCH_WORK	workloads, of those below; "/wire" behind one: the outer devices
#		have no segmentation offload for UDP, as most network cards
#   BENCH_SIDES	in-kernel, adit; of tcp, tcp4, bidir, rr and udp64 also none (without a
#		tunnel: what is not a driver's), esp (IPsec with the same cryptography),
#		openvpn (its module for the kernel, DCO, the same cryptography; from
#		tests/bench/openvpn) and wireguard-go (in user space)
#   BENCH_ROUNDS	how often each side has its turn (default 1)
#   BENCH_RUNS	windows of each workload a turn (default 1)
#   BENCH_TIMES	so many times the usual amount (default 1)
#   BENCH_SYMBOLS	not empty: print the symbols of the kernel, too
#
# For each window, in this order: "# window SIDE WORKLOAD units N ns T lost L ...",
# as tests/bench/load.c says it; of tcp with "again N ofo N", the segments that were sent
# again and those that came out of order, before the marks as well; of fair with "share
# N", the thousandths that the peer with one stream had of what was sent.

# shellcheck source=../netns/lib.sh
. "$(dirname "$0")/../netns/lib.sh"
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

dir=$(cd "$(dirname "$0")" && pwd)
FLOOD=10000	# initiations a second
: "${BENCH_WORK:=tcp rr}" "${BENCH_SIDES:=in-kernel adit}" "${BENCH_ROUNDS:=1}" "${BENCH_RUNS:=1}" \
	"${BENCH_TIMES:=1}"
read -ra work <<< "$BENCH_WORK"
read -ra sides <<< "$BENCH_SIDES"

# Like network cards: what leaves is cut before it. (GRO is on, but a veth through which
# TCP's large packets may go does none.)
wire_like() {
	local i o

	for i; do
		for o in tx-udp-segmentation tx-gso-list rx-udp-gro-forwarding; do
			on "${i%:*}" ethtool -K "${i#*:}" $o off > /dev/null 2>&1
		done
		on "${i%:*}" ethtool -K "${i#*:}" gro on > /dev/null 2>&1
		expect_eq "features of $i that are not as wanted" "" "$(on "${i%:*}" ethtool -k "${i#*:}" |
			grep -E '^\s*((tx-udp-segmentation|tx-gso-list|rx-udp-gro-forwarding): on|generic-receive-offload: off)')"
	done
}

# A million addresses more on either side, around those that are used
million() {
	local h it n

	awk 'BEGIN {
		for (i = 8; i < 16000000; i += 16)
			printf "%s10.%d.%d.%d/32", i % 1024 == 8 ? "\nAllowedIPs = " : ",",
				i / 65536, i / 256 % 256, i % 256
		print ""
	}' > "$TMP/million"
	for h in a b; do
		it=b n=2
		[ $h = a ] || it=a n=1
		{
			printf '[Peer]\nPublicKey = %s\nAllowedIPs = 10.9.0.%d/32' \
				"${PUB[$it]}" "$n"
			cat "$TMP/million"
		} > "$TMP/million-$h"
		must "a million addresses on $h" on $h wg addconf wg0 "$TMP/million-$h"
	done
	rm "$TMP"/million*
}

# Traffic between the tunnel's addresses is IPsec's, with the same MTU
esp_tunnel() {
	local h k1 k2 me it far dir

	k1=0x$(od -An -N36 -tx1 /dev/urandom | tr -d ' \n')
	k2=0x$(od -An -N36 -tx1 /dev/urandom | tr -d ' \n')
	for h in a b; do
		me=1 it=2
		[ $h = a ] || me=2 it=1
		far=192.0.2.$it
		must "IPsec from a on $h" on $h ip xfrm state add src 192.0.2.1 dst 192.0.2.2 \
			proto esp spi 0x101 reqid 1 mode tunnel \
			aead 'rfc7539esp(chacha20,poly1305)' "$k1" 128
		must "IPsec from b on $h" on $h ip xfrm state add src 192.0.2.2 dst 192.0.2.1 \
			proto esp spi 0x102 reqid 1 mode tunnel \
			aead 'rfc7539esp(chacha20,poly1305)' "$k2" 128
		for dir in out in; do
			# shellcheck disable=SC2046 # words
			must "policy on $h" on $h ip xfrm policy add dir $dir \
				$(esp_policy $dir $me $it)
		done
		addr $h lo 10.9.0.$me/32
		must "route on $h" on $h ip route add 10.9.0.$it/32 via $far src 10.9.0.$me mtu 1420
	done
}

esp_policy() { # DIR ME IT: the rest of the command
	local t

	[ "$1" = out ] || { t=$2; set -- in "$3" "$t"; }
	echo "src 10.9.0.$2/32 dst 10.9.0.$3/32 tmpl src 192.0.2.$2 dst 192.0.2.$3 proto esp reqid 1 mode tunnel"
}

# OpenVPN between the same addresses, with the same MTU. Packets never pass the two
# programs, whose module encrypts them; each knows the other by its certificate.
openvpn_tunnel() {
	local h me it o=$dir/../../build/openvpn

	[ -d /sys/module/ovpn_dco_v2 ] || {
		must "what its module wants" modprobe -a udp_tunnel ip6_udp_tunnel
		must "its module" insmod "$o/ovpn-dco-v2.ko"
	}
	printf '%s\n' '[req]' 'distinguished_name = dn' '[dn]' > "$TMP/openssl.cnf"
	for h in a b; do
		must "a certificate of $h" openssl req -config "$TMP/openssl.cnf" -x509 -newkey ec \
			-pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$h" \
			-keyout "$TMP/$h.key" -out "$TMP/$h.crt"
		must "its fingerprint" openssl x509 -in "$TMP/$h.crt" -noout -fingerprint -sha256
		echo "${OUT#*=}" > "$TMP/$h.print"
	done
	for h in b a; do
		me=1 it=2
		[ $h = a ] || me=2 it=1
		{
			printf '%s\n' "dev tun0" "local 192.0.2.$me" "remote 192.0.2.$it" \
				"proto udp4" "ifconfig 10.9.0.$me 10.9.0.$it" "tun-mtu 1420" \
				"mssfix 0" "data-ciphers CHACHA20-POLY1305" "cert $TMP/$h.crt" \
				"key $TMP/$h.key"
			[ $h = a ] && echo tls-client || printf '%s\n' tls-server "dh none"
			echo "peer-fingerprint $(cat "$TMP/$([ $h = a ] && echo b || echo a).print")"
		} > "$TMP/$h.ovpn"
		(
			exec < /dev/null > "$TMP/openvpn-$h.log" 2>&1
			on $h "$o/lib/ld-linux-x86-64.so.2" --library-path "$o/lib" \
				"$o/openvpn" --config "$TMP/$h.ovpn"
		) &
		PIDS+=("$!")
	done
	must_soon 30 "OpenVPN is there" on a ping -q -c 1 -W 1 10.9.0.2
	expect_ok "packets pass its module" grep -q "DCO device tun0 opened" \
		"$TMP/openvpn-a.log"
}

# The addresses that traffic is sent to: through the tunnel, or beside it
set_up() { # WORKLOAD SIDE
	local i name=${1%/wire} wired='' peers

	[ "$1" = "$name" ] || wired=1
	case $name in
	tcp* | bidir | rr | loaded | flooded | udp64*)
		pair
		[ -z "$wired" ] || wire_like a:eth0 b:eth0
		FROM=192.0.2.1 TO=192.0.2.2
		[ "$2" != none ] || return 0
		FROM=10.9.0.1 TO=10.9.0.2
		case $2 in
		esp) esp_tunnel ;;
		openvpn) openvpn_tunnel ;;
		*) tunnel ;;
		esac
		[ "$name" != udp64-1m ] || million
		;;
	forward* | reverse*)
		pair
		c_behind_a
		[ -z "$wired" ] || wire_like a:eth0 b:eth0
		case $name in *-nogso)
			must "no offloads on c" on c ethtool -K eth0 tso off gso off
			must "no offloads on a" on a ethtool -K eth1 tso off gso off
			;;
		esac
		FROM=10.7.0.2 TO=192.0.2.2
		if [ "$2" = none ]; then
			route b 10.7.0.0/24 via 192.0.2.1
			return 0
		fi
		TO=10.9.0.2
		tunnel
		b_reaches_c
		;;
	hub)
		host_new a h b
		link a eth0 h eth0
		link b eth0 h eth1
		addr a eth0 192.0.2.1/24
		addr h eth0 192.0.2.254/24
		addr b eth0 198.51.100.1/24
		addr h eth1 198.51.100.254/24
		forward h
		[ -z "$wired" ] || wire_like a:eth0 b:eth0 h:eth0 h:eth1
		FROM=192.0.2.1 TO=198.51.100.1
		if [ "$2" = none ]; then
			route a default via 192.0.2.254
			route b default via 198.51.100.254
			return 0
		fi
		FROM=10.9.0.1 TO=10.9.0.2
		keys a h b
		for i in a h b; do
			wg_new $i wg0
			wg_key $i wg0
		done
		wg_set h wg0 listen-port 51820 peer "${PUB[a]}" allowed-ips 10.9.0.1/32 \
			peer "${PUB[b]}" allowed-ips 10.9.0.2/32
		wg_set a wg0 peer "${PUB[h]}" allowed-ips 10.9.0.0/24 endpoint 192.0.2.254:51820
		wg_set b wg0 peer "${PUB[h]}" allowed-ips 10.9.0.0/24 endpoint 198.51.100.254:51820
		addr a wg0 10.9.0.1/24
		addr h wg0 10.9.0.254/24
		addr b wg0 10.9.0.2/24
		for i in a h b; do
			must "wg0 up on $i" on $i ip link set wg0 up
		done
		expect_ok "a and the hub" on a ping -q -c 1 10.9.0.254
		expect_ok "b and the hub" on b ping -q -c 1 10.9.0.254
		;;
	fair)
		# one stream to c, eight to b
		three
		[ -z "$wired" ] || wire_like a:eth0 b:eth0 a:eth1 c:eth0
		TO=10.9.0.3
		three_tunnels
		;;
	peers | devices)
		# 256 peers of one device, each a device of its own far away; or 16
		# devices with one peer each
		peers=256
		[ "$name" = peers ] || peers=16
		pair
		[ -z "$wired" ] || wire_like a:eth0 b:eth0
		FROM=192.0.2.1 TO=192.0.2.2 COUNT=1
		[ "$2" != none ] || return 0
		COUNT=$peers TO=10.9.1.0
		: > "$TMP/batch-b"
		: > "$TMP/batch-a"
		[ "$name" = devices ] || {
			wg_new a wg0
			echo "link set wg0 up
			addr add 10.9.0.254/32 dev wg0
			route add 10.9.1.0/24 dev wg0" >> "$TMP/batch-a"
		}
		for ((i = 0; i < peers; i++)); do
			echo "link add wg$i type wireguard
			addr add 10.9.1.$i/32 dev wg$i
			link set wg$i up" >> "$TMP/batch-b"
			[ "$name" = peers ] || echo "link add wg$i type wireguard
			link set wg$i up
			addr add 10.9.0.254/32 dev wg$i
			route add 10.9.1.$i/32 dev wg$i" >> "$TMP/batch-a"
		done
		must "devices on b" on b ip -batch "$TMP/batch-b"
		must "devices on a" on a ip -batch "$TMP/batch-a"
		rm -rf "$TMP/conf"
		must "configurations" python3 "$dir/peers.py" "$name" "$peers" "$TMP/conf"
		must "configuring b" on b sh -c \
			'for i in $(seq 0 "$0"); do wg setconf "wg$i" "$1/b$i" || exit; done' \
			$((peers - 1)) "$TMP/conf"
		[ "$name" = peers ] && i=0 || i=$((peers - 1))
		must "configuring a" on a sh -c \
			'for i in $(seq 0 "$0"); do wg setconf "wg$i" "$1/a$i" || exit; done' \
			"$i" "$TMP/conf"
		on b sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
		;;
	*) fail "a workload that there is" "$name"; exit 1 ;;
	esac
}

# seen COUNTER: of the stack, by all hosts together
seen() {
	local h

	for h in "${HOSTS[@]}"; do
		on "$h" nstat -asz "$1"
	done | awk -v c="$1" '$1 == c { n += $2 } END { print n + 0 }'
}

# sent_to HOST: bytes that a sent to that peer
sent_to() {
	on a wg show wg0 transfer | awk -v k="${PUB[$1]}" '$1 == k { print $3 }'
}

# One stream to c while eight go to b: says what part of what is sent is c's
run_fair() {
	local b c other

	"$dir/load" tcp "${NS[a]}" "${NS[b]}" 10.9.0.2 5002 8 1 1000000000000 > /dev/null 2>&1 &
	other=$!
	PIDS+=("$other")
	going() { [ "$(sent_to b)" -gt 4000000 ]; }
	must_soon 10 "eight streams to b" going
	b=$(sent_to b) c=$(sent_to c)
	expect_ok "one stream to c" timeout 240 "$dir/load" tcp "${NS[a]}" "${NS[c]}" "$TO" \
		5001 1 1000000 $((4000000 * BENCH_TIMES))
	b=$(($(sent_to b) - b)) c=$(($(sent_to c) - c))
	kill $other
	wait $other 2> /dev/null
	OUT+=" share $((1000 * c / (b + c)))"
}

run_one() { # WORKLOAD
	local i from=${NS[a]} to=${NS[b]} load=$dir/load times=$BENCH_TIMES

	case ${1%/wire} in
	tcp) set -- tcp "$from" "$to" "$TO" 5001 1 4000000 $((12000000 * times)) ;;
	tcp4) set -- tcp "$from" "$to" "$TO" 5001 4 4000000 $((12000000 * times)) ;;
	bidir) set -- tcp "$from" "$to" "$TO" 5001 1 4000000 $((12000000 * times)) back "$FROM" ;;
	rr) set -- rr "$from" "$to" "$TO" 5001 64 100 $((1000 * times)) ;;
	loaded) set -- loaded "$from" "$to" "$TO" 5001 64 100 $((1000 * times)) "$RATE" ;;
	flooded)
		# as loaded, and from 100 addresses what costs the responder most
		must "initiations" python3 "$dir/flood.py" "${PUB[b]}" 800 "$TMP/flood"
		for i in $(seq 100 199); do
			on a ip addr add "192.0.2.$i/24" dev eth0
		done
		set -- loaded "$from" "$to" "$TO" 5001 64 100 $((1000 * times)) "$RATE" \
			flood "$TMP/flood" "$FLOOD" 192.0.2.2
		;;
	udp64*) set -- udp "$from" "$to" "$TO" 5001 1 64 500 $((4000 * times)) ;;
	forward*) set -- tcp "${NS[c]}" "$to" "$TO" 5001 1 3000000 $((8000000 * times)) ;;
	reverse*) set -- tcp "$to" "${NS[c]}" "$FROM" 5001 1 3000000 $((8000000 * times)) ;;
	hub) set -- tcp "$from" "$to" "$TO" 5001 1 3000000 $((8000000 * times)) ;;
	peers | devices) set -- udp "$from" "$to" "$TO" 5001 "$COUNT" 1200 512 $((4096 * times)) ;;
	fair) run_fair ;;
	esac
	[ "${1%/wire}" = fair ] || expect_ok "running $*" timeout 120 "$load" "$@"
	case $1 in
	tcp) OUT+=" again $(seen TcpRetransSegs) ofo $(seen TcpExtTCPOFOQueue)" ;;
	esac
}

take_down() {
	local h

	for h in "${HOSTS[@]}"; do
		host_gone "$h"
	done
	HOSTS=()
	# devices go after their namespace
	sleep 0.2
}

# RATE: six tenths of what the kernel's driver carries of such datagrams
offered_load() {
	local units ns

	swap_driver in-kernel
	set_up udp64 in-kernel
	expect_ok "what the kernel's driver carries" timeout 120 "$dir/load" udp \
		"${NS[a]}" "${NS[b]}" "$TO" 5001 1 1200 500 $((4000 * BENCH_TIMES)) || exit
	read -r _ units _ ns _ <<< "$OUT"
	RATE=$((units * 1000000000 / ns * 6 / 10))
	say "loaded: $RATE datagrams a second"
	take_down
}

begin $((${#sides[@]} * BENCH_ROUNDS)) "counted: ${work[*]}" ethtool gzip base64 nstat
[ -z "${BENCH_SYMBOLS:-}" ] || symbols kernel '^[^	]*$'
case " ${work[*]} " in *" loaded"* | *" flooded"*) offered_load ;; esac
for ((round = 1; round <= BENCH_ROUNDS; round++)); do
	for side in "${sides[@]}"; do
		point "round $round, $side"
		case $side in
		esp | openvpn | wireguard-go) swap_driver none ;;
		*) swap_driver "$side" ;;
		esac
		ADIT_IMPL_a=kernel ADIT_IMPL_b=kernel
		[ "$side" != wireguard-go ] || ADIT_IMPL_a=go ADIT_IMPL_b=go
		for w in "${work[@]}"; do
			set_up "$w" "$side"
			# modules that came with the tunnel
			case $side in esp | openvpn | wireguard-go)
				[ -z "${BENCH_SYMBOLS:-}" ] || symbols "$side" "	\\["
				;;
			esac
			for ((run = 0; run < BENCH_RUNS; run++)); do
				run_one "$w"
				[ -n "$POINT_BAD" ] || say "window $side $w $OUT"
			done
			take_down
		done
	done
done
# whoever runs this wants to see it unloaded
[ -d /sys/module/wireguard ] || load_driver adit
finish
