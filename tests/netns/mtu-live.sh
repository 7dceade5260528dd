#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The MTU of devices, routes and paths: its limits, changes under traffic, what
# is said to inner senders, and what narrow outer paths do.

. "$(dirname "$0")/lib.sh"

begin 7 "MTU limits, changes under traffic, MTU of routes and paths" nft tcpdump

pair
tunnel
expect_ping "tunnel is up" a -c 1 10.9.0.2

mtu() { # MTU: of wg0 at both ends
	for h in a b; do
		must "MTU $1 on $h" on "$h" ip link set wg0 mtu "$1"
	done
}

point "the largest MTU, and one more"
expect_ok "2147483552" on a ip link set wg0 mtu 2147483552
expect_eq "as shown" 2147483552 "$(on a cat /sys/class/net/wg0/mtu)"
expect_ping "a small packet" a -c 1 10.9.0.2
expect_fail "2147483553" on a ip link set wg0 mtu 2147483553
expect_eq "as shown" 2147483552 "$(on a cat /sys/class/net/wg0/mtu)"
mtu 65535
# Outside, UDP has room for 65507 bytes, 32 of which are the message's own.
expect_ping "an inner packet of 65472 bytes" a -c 1 -s 65444 10.9.0.2
capture long a eth0 udp port 51820
errors=$(devstat a wg0 tx_errors)
on a ping -q -n -c 1 -W 1 -s 65507 10.9.0.2 > /dev/null
sleep 0.2
stop "$CAPTURE"
# no length field can say it: the kernel's own driver sends fragments of nothing
if [ "$DRIVER" = adit ]; then
	expect_eq "the largest that there is: an error" $((errors + 1)) \
		"$(devstat a wg0 tx_errors)"
	expect_eq "of it outside" "" "$(captured long -n | grep -v 'length 32$')"
fi
mtu 1420
expect_ping "the largest that there is did no harm" a -c 1 -s 1392 10.9.0.2

point "changes under traffic: what comes is intact"
start sink b "$LIB_DIR/wire" udp-sink 7000 2000 3
sink=$PID
ready sink ready
start flow a "$LIB_DIR/wire" udp-flow 10.9.0.2 7000 2000 1300 600
start pings b ping -q -n -i 0.02 -s 3000 10.9.0.1
pings=$PID
head -c 300000 /dev/urandom > "$TMP/sent"
start received a "$LIB_DIR/wire" tcp-listen 5001
listener=$PID
(exec "$LIB_DIR/wire" netns "${NS[b]}" timeout "$(slow 30)" "$LIB_DIR/wire" tcp-send \
	10.9.0.1 5001 < "$TMP/sent") > "$TMP/tcp" 2>&1 &
sender=$!
PIDS+=("$sender")
for m in 1280 9000 68 65535 1420 300 1420 2147483552 1280 1420 576 9000 1420; do
	mtu "$m"
	sleep 0.15
done
wait "$sender" || fail "the TCP transfer ends well" "$(cat "$TMP/tcp")"
wait "$listener"
expect_ok "TCP: what came is what was sent" cmp "$TMP/sent" "$TMP/received"
stop "$pings" INT
wait "$sink"
read -r got _ _ twice corrupt <<< "$(tail -n 1 "$TMP/sink")"
expect_min "datagrams received of 2000" 1000 "$got"
expect_eq "twice, corrupt" "0 0" "$twice $corrupt"

point "MTU 0 under traffic that needs no route"
# From a link beside it, tc hands packets to a's wg0, whatever its MTU; and b sends.
host_new x
link x eth0 a side
must "the link has an MTU of its own" on a ip link set side mtu 1500
addr x eth0 10.9.0.3/24
must "a neighbour" on x ip neigh replace 10.9.0.2 lladdr 02:00:00:00:00:02 dev eth0
must "a qdisc" on a tc qdisc add dev side clsact
must "from there into wg0" on a tc filter add dev side ingress protocol ip \
	matchall action mirred egress redirect dev wg0
wg_set b wg0 peer "${PUB[a]}" allowed-ips 10.9.0.1/32,10.9.0.3/32,fd09::1/128
start sink b "$LIB_DIR/wire" udp-sink 7001 100000 3
sink=$PID
ready sink ready
start flow b "$LIB_DIR/wire" udp-flow 10.9.0.1 9 100000 1000 300
flow=$PID
start across x "$LIB_DIR/wire" udp-flow 10.9.0.2 7001 100000 1000 300
across=$PID
arrived() {
	transfer b wg0 "${PUB[a]}"
	[ "$RX" -ge $((mark + 10 * 1000)) ]
}
for m in 0 1 0 67 68 0 1420; do
	must "MTU $m on a" on a ip link set wg0 mtu "$m"
	transfer b wg0 "${PUB[a]}"
	mark=$RX
	expect_soon 5 "MTU $m: packets come through the tunnel" arrived
done
stop "$flow"
stop "$across"
must "no more" on a ip link del side
wait "$sink"
read -r got _ _ twice corrupt <<< "$(tail -n 1 "$TMP/sink")"
expect_min "datagrams received" 70 "$got"
expect_eq "twice, corrupt" "0 0" "$twice $corrupt"
on a ip addr replace 10.9.0.1/24 dev wg0
for h in a b; do
	[ "$h" = a ] && n=1 || n=2
	on "$h" ip addr replace "fd09::$n/64" dev wg0
done
expect_ping "with MTU 1420 again" a -c 1 -M 'do' -s 1392 10.9.0.2
expect_ping "IPv6 too" a -c 1 -M 'do' -s 1372 fd09::2

point "the MTU of a route: the sender is told, padding stops at it"
nft_load b <<- 'END'
	table inet t {
		counter clamped { }
		counter padded { }
		chain c {
			type filter hook prerouting priority -300
			# UDP header, 32 bytes of the message, 1001 bytes within
			iifname eth0 udp sport 51820 udp length 1041 counter name clamped
			iifname eth0 udp sport 51820 udp length 1048 counter name padded
		}
	}
END
expect_ping "1001 bytes" a -c 1 -M 'do' -s 973 10.9.0.2
expect_eq "padded to 1008" "0 1" "$(nft_count b t clamped) $(nft_count b t padded)"
must "route" on a ip route add 10.9.0.2/32 dev wg0 mtu 1001
expect_ping "1001 bytes" a -c 1 -M 'do' -s 973 10.9.0.2
expect_eq "padded not at all" "1 1" "$(nft_count b t clamped) $(nft_count b t padded)"
expect_fail "1002 bytes" on a ping -c 1 -W 1 -M 'do' -s 974 10.9.0.2
expect_like "the limit" "*mtu*1001*" "$OUT"
expect_ping "3000 bytes in fragments" a -c 1 -s 2972 10.9.0.2
must "route" on a ip route del 10.9.0.2/32 dev wg0
must "route" on a ip -6 route add fd09::2/128 dev wg0 mtu 1300
expect_ping "IPv6, 1300 bytes" a -c 1 -M 'do' -s 1252 fd09::2
expect_fail "IPv6, 1301 bytes" on a ping -c 1 -W 1 -M 'do' -s 1253 fd09::2
expect_like "the limit" "*mtu*1300*" "$OUT"
must "route" on a ip -6 route del fd09::2/128 dev wg0

point "a narrow link behind the tunnel: its router's word comes back through it"
host_new d
link b lan d eth0 1300
addr b lan 198.51.100.1/24 fd51::1/64
addr d eth0 198.51.100.4/24 fd51::4/64
forward b
route d default via 198.51.100.1
route d default via fd51::1
route a 198.51.100.0/24 dev wg0
route a fd51::/64 dev wg0
wg_set a wg0 peer "${PUB[b]}" allowed-ips 10.9.0.2/32,198.51.100.0/24,fd09::2/128,fd51::/64
expect_ping "a pings d" a -c 1 198.51.100.4
for to in 198.51.100.4 fd51::4; do
	[ "$to" = fd51::4 ] && head=48 || head=28
	expect_fail "$to: the first of 1400 bytes" on a ping -c 1 -W 2 -M 'do' -s $((1400 - head)) "$to"
	expect_like "$to: b said 1300" "*mtu*1300*" "$OUT"
	expect_fail "$to: the second is refused at once" on a ping -c 1 -W 2 -M 'do' -s $((1400 - head)) "$to"
	expect_like "$to: by a itself" "*local error*mtu*1300*" "$OUT"
	expect_ping "$to: 1300 bytes" a -c 1 -M 'do' -s $((1300 - head)) "$to"
done
start received d "$LIB_DIR/wire" tcp-listen 5002
listener=$PID
STEP="sending 300,000 bytes to d"
OUT=$(on a timeout "$(slow 20)" "$LIB_DIR/wire" tcp-send 198.51.100.4 5002 < "$TMP/sent" 2>&1) &&
	wait "$listener" || fail "the transfer ends" "$OUT"
expect_ok "what came is what was sent" cmp "$TMP/sent" "$TMP/received"

point "a narrow path outside, IPv4: fragments on the way"
host_new r e
link a out r in
link r narrow e eth0 1400
addr a out 203.0.113.1/25
addr r in 203.0.113.2/25
addr r narrow 203.0.113.130/25
addr e eth0 203.0.113.129/25
addr a out 2001:db8:a::1/64
addr r in 2001:db8:a::2/64
addr r narrow 2001:db8:b::2/64
addr e eth0 2001:db8:b::1/64
forward r
route a 203.0.113.128/25 via 203.0.113.2
route e 203.0.113.0/25 via 203.0.113.130
route a 2001:db8:b::/64 via 2001:db8:a::2
route e 2001:db8:a::/64 via 2001:db8:b::2
keys e
wg_new e wg0
wg_key e wg0
wg_set e wg0 listen-port 51820 peer "${PUB[a]}" allowed-ips 10.9.0.1/32,fd09::1/128
wg_set a wg0 peer "${PUB[e]}" allowed-ips 10.9.0.5/32 endpoint 203.0.113.129:51820
addr e wg0 10.9.0.5/24
must "wg0 of e up" on e ip link set wg0 up
expect_ping "small" a -c 1 10.9.0.5
expect_ping "1420 bytes" a -c 3 -i 0.1 -M 'do' -s 1392 10.9.0.5

point "a narrow path outside, IPv6: the router says so, then the sender fragments"
wg_set a wg0 peer "${PUB[e]}" endpoint "[2001:db8:b::1]:51820"
expect_ping "small" a -c 1 10.9.0.5
large() {
	on a ping -q -n -c 1 -W 1 -M 'do' -s 1392 10.9.0.5
}
expect_soon 5 "1420 bytes" large
expect_ping "1420 bytes, from then on" a -c 3 -i 0.1 -M 'do' -s 1392 10.9.0.5
expect_like "a has learned the MTU of the path" "*mtu 1400*" \
	"$(on a ip -6 route get 2001:db8:b::1)"

finish
