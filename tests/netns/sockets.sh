#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The UDP sockets: one port in both families, refusals, checksums, and what is
# left where one of the families is missing.

. "$(dirname "$0")/lib.sh"

begin 12 "sockets, ports, checksums" nft ss ethtool tcpdump

pair
tunnel
spy a eth0

# bound HOST PORT: sockets bound to that UDP port, as "4:address 6:address".
bound() {
	on "$1" sh -c 'ss -H -4 -uan; ss -H -6 -uan' | awk -v p=":$2\$" '
		$4 ~ p { print $4 }' | sort | paste -s -d ' '
}
# up_fails STEP: wg1 of a cannot be set up, and is not.
up_fails() {
	expect_fail "$1" on a ip link set wg1 up
	expect_like "$1: why" "*ddress already in use*" "$OUT"
	expect_unlike "$1: it stays down" "*,UP*" "$(on a ip link show wg1)"
}

point "both wildcards, IPv6 for IPv6 only; ss shows the port"
expect_eq "as ss shows them" "0.0.0.0:51820 [::]:51820" "$(bound a 51820)"
expect_like "the IPv6 socket is v6only" "*v6only:1*" "$(on a ss -H -6 -uaen sport = :51820)"
expect_ok "ss -uapn" on a ss -uapn
expect_like "ss -uapn" "*0.0.0.0:51820*" "$OUT"

point "port 0: a port that is free, the same in both families"
wg_new a wg1
must "up" on a ip link set wg1 up
port=$(on a wg show wg1 listen-port)
expect_range "the port" 1024 65535 "$port"
expect_eq "bound" "0.0.0.0:$port [::]:$port" "$(bound a "$port")"
must "port 0 once more, while up" on a wg set wg1 listen-port 0
again=$(on a wg show wg1 listen-port)
expect_range "the port" 1024 65535 "$again"
expect_eq "bound" "0.0.0.0:$again [::]:$again" "$(bound a "$again")"
must "down" on a ip link set wg1 down

point "port 0: a port that is free in IPv4 alone will not do"
must "four ports to choose from" on a sh -c \
	'echo 40000 40003 > /proc/sys/net/ipv4/ip_local_port_range'
start hold a "$LIB_DIR/wire" udp-hold 6 40000 40001 40003
hold=$PID
ready hold ready
for n in 1 2 3; do
	wg_set a wg1 listen-port 0
	expect_ok "try $n: up" on a ip link set wg1 up
	expect_eq "try $n: the one port that is free in both" 40002 \
		"$(on a wg show wg1 listen-port)"
	must "try $n: down" on a ip link set wg1 down
done

point "port 0: none is free in both, the refusal reaches ip link"
start hold2 a "$LIB_DIR/wire" udp-hold 6 40002
hold2=$PID
ready hold2 ready
wg_set a wg1 listen-port 0
up_fails "up"
expect_eq "sockets left over in IPv4" "" "$(on a ss -H -4 -uan | grep ':4000[0-3] ')"
stop "$hold2"
expect_ok "up, with a port free again" on a ip link set wg1 up
expect_eq "that port" 40002 "$(on a wg show wg1 listen-port)"
stop "$hold"
must "down" on a ip link set wg1 down
must "all ports" on a sh -c 'echo 32768 60999 > /proc/sys/net/ipv4/ip_local_port_range'

point "a port that another program has in one family only"
for family in 4 6; do
	start hold a "$LIB_DIR/wire" udp-hold $family 51900
	hold=$PID
	ready hold ready
	must "the port" on a wg set wg1 listen-port 51900
	up_fails "IPv$family"
	# wg0 is up and has a port to keep.
	expect_fail "IPv$family: wg set of wg0" on a wg set wg0 listen-port 51900
	expect_like "IPv$family: why" "*ddress already in use*" "$OUT"
	expect_eq "IPv$family: the port of wg0" 51820 "$(on a wg show wg0 listen-port)"
	expect_eq "IPv$family: bound to it" "0.0.0.0:51820 [::]:51820" "$(bound a 51820)"
	stop "$hold"
	expect_eq "IPv$family: nothing is left on the other" "" "$(bound a 51900)"
	expect_ok "IPv$family: up, now that it is free" on a ip link set wg1 up
	must "down" on a ip link set wg1 down
done
expect_ping "the old sockets work" b -c 1 10.9.0.1
must "wg1 goes" on a ip link del wg1

# real_sums STEP FAMILY: a and b talk; every message has a checksum on the wire.
for h in a b; do
	must "checksums are made before the wire" on "$h" ethtool -K eth0 tx off
done
real_sums() {
	local text

	must "down" on b ip link set wg0 down
	must "up" on b ip link set wg0 up
	capture "sums$2" a eth0 -c 4 udp port 51820
	expect_ping "$1" b -c 1 10.9.0.1
	must_soon 5 "$1: four messages were captured" grep -q '4 packets captured' \
		"$TMP/sums$2.log"
	text=$(captured "sums$2" -vv)
	expect_eq "$1: messages with a right checksum" 4 "$(grep -c 'udp sum ok' <<< "$text")"
	expect_unlike "$1: with none" "*no cksum*" "$text"
}
point "UDP checksums are sent, over IPv4 and IPv6"
real_sums "IPv4" 4
wg_set b wg0 peer "${PUB[a]}" endpoint "[2001:db8::1]:51820"
real_sums "IPv6" 6

# first_message NAME FILTER: an initiation of b that a never gets, as a frame, in FRAME.
first_message() {
	nft_load a <<- 'END'
		table inet deaf {
			chain c {
				type filter hook prerouting priority -460
				udp dport 51820 drop
			}
		}
	END
	must "down" on b ip link set wg0 down
	must "up" on b ip link set wg0 up
	capture "$1" a eth0 -Q in -c 1 "$2"
	must "b wants to talk" on b "$LIB_DIR/wire" udp-send 10.9.0.1 9 00
	must_soon 5 "an initiation was captured" grep -q '1 packet captured' "$TMP/$1.log"
	FRAME=$(captured "$1" -xx | sed -n 's/^[[:space:]]*0x[0-9a-f]*:[[:space:]]*//p' |
		tr -d ' \n')
	must "b is silent" on b ip link set wg0 down
	must "a hears" on a nft delete table inet deaf
	spy_zero a
}
# inject ETHERTYPE FRAME: b's wire carries it.
inject() {
	expect_eq "sending the frame" 0 "$(on b "$LIB_DIR/wire" packet eth0 "$1" "$2")"
}
answered() {
	spy_read a && [ "${SPY[rx_init]} ${SPY[tx_resp]}" = "$1" ]
}
point "a zero checksum over IPv6: refused"
first_message six 'ip6 and ip6[44:2] = 156'
expect_ne "the checksum of the message" 0000 "${FRAME:120:4}"
inject 0x86dd "${FRAME:0:120}0000${FRAME:124}"
expect_soon 2 "it reached the host" answered "1 0"
sleep 0.3
expect_spy "no answer" a rx_init=1 tx_resp=0
inject 0x86dd "$FRAME"
expect_soon 5 "with its checksum it is answered" answered "2 1"

point "a zero checksum over IPv4: that is none, and taken; a wrong one is refused"
wg_set b wg0 peer "${PUB[a]}" endpoint 192.0.2.1:51820
first_message four 'ip and udp[4:2] = 156'
expect_ne "the checksum of the message" 0000 "${FRAME:80:4}"
inject 0x0800 "${FRAME:0:80}$(printf %04x $((0x${FRAME:80:4} ^ 0x0101)))${FRAME:84}"
expect_soon 2 "it reached the host" answered "1 0"
sleep 0.3
expect_spy "no answer" a rx_init=1 tx_resp=0
inject 0x0800 "${FRAME:0:80}0000${FRAME:84}"
expect_soon 5 "without one it is answered" answered "2 1"
must "b is back" on b ip link set wg0 up
expect_ping "b pings a" b -c 1 10.9.0.1

point "a v4-mapped endpoint is no way to IPv4"
spy_zero a
wg_set a wg0 peer "${PUB[b]}" endpoint "[::ffff:192.0.2.2]:51820"
must "a's session goes" on a ip link set wg0 down
must "a is back" on a ip link set wg0 up
expect_no_ping "a pings b" a -c 1 -W 1 10.9.0.2
expect_spy "nothing over IPv4 or IPv6" a tx_init=0 tx_data=0 tx_other=0
wg_set a wg0 peer "${PUB[b]}" endpoint 192.0.2.2:51820
on a ip link set wg0 down
on a ip link set wg0 up
expect_ping "with its IPv4 address" a -c 1 10.9.0.2

point "no IPv4 address anywhere outside: IPv6 carries both"
must "a's go" on a ip -4 addr flush dev eth0
must "b's go" on b ip -4 addr flush dev eth0
wg_set a wg0 peer "${PUB[b]}" endpoint "[2001:db8::2]:51820"
expect_ping "IPv4 inside" a -c 1 10.9.0.2
expect_ping "IPv6 inside" a -c 1 fd09::2
expect_ping "IPv6 inside, back" b -c 1 fd09::1
addr a eth0 192.0.2.1/24
addr b eth0 192.0.2.2/24

point "IPv6 switched off in the birth namespace: IPv4 goes on"
must "no IPv6 on a" on a sh -c 'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6'
must "down" on a ip link set wg0 down
expect_ok "up" on a ip link set wg0 up
wg_set a wg0 peer "${PUB[b]}" endpoint 192.0.2.2:51820
expect_ping "a pings b" a -c 1 10.9.0.2
expect_eq "port" 51820 "$(on a wg show wg0 listen-port)"

point "and an IPv6 endpoint cannot be reached; it does no harm"
wg_set a wg0 peer "${PUB[b]}" endpoint "[2001:db8::2]:51820"
expect_no_ping "a pings b" a -c 3 -i 0.05 -W 1 10.9.0.2
must "down" on a ip link set wg0 down
must "up" on a ip link set wg0 up
expect_no_ping "a pings b, without a session" a -c 1 -W 1 10.9.0.2
wg_set a wg0 peer "${PUB[b]}" endpoint 192.0.2.2:51820
on a ip link set wg0 down
on a ip link set wg0 up
expect_ping "over IPv4" a -c 1 10.9.0.2

finish
