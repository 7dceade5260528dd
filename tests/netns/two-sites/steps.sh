# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Two sites behind NAT, joined through a hub: the steps that demo.sh (slowly,
# with everything shown) and ../two-sites.sh (as a scenario) have in common.
# Both source this file after these settings:
#
#   VERBOSE	1 to show what is done and seen, empty for test results only
#   KEEPALIVE	the sites' PersistentKeepalive, seconds
#   TIMEOUT	how long the NAT routers remember an idle UDP mapping, seconds
#   IDLE	how long the tunnel is left idle, seconds

CONF_DIR=$LIB_DIR/two-sites
MARK=this-must-not-be-seen-outside

# tell TEXT: for a person who watches.
tell() {
	[ -z "$VERBOSE" ] || say "$*"
}

# show HOST COMMAND...: runs it and shows it as typed at that host.
show() {
	local h=$1

	shift
	[ -n "$VERBOSE" ] || return 0
	say "[$h] \$ $*"
	say "$(on "$h" "$@" 2>&1 | sed 's/^/    /')"
}

heading() {
	point_end
	tell ""
	tell "== $*"
	tell ""
}

# ---------------------------------------------------------------- machines

# site N PUBLIC NETWORK: router, WireGuard host and plain host of a site. The
# router is also the switch that the two hosts are plugged into.
site() {
	local n=$1 rt=rt$1 lan=$3

	link "$rt" wan net "site$n"
	must "a switch in $rt" on "$rt" ip link add lan type bridge
	must "the switch of $rt up" on "$rt" ip link set lan up
	for h in "wg$n" "pc$n"; do
		link "$h" eth0 "$rt" "$h"
		must "plugging $h in" on "$rt" ip link set "$h" master lan
	done
	addr "$rt" wan "$2"
	addr "$rt" lan "$lan.1/24"
	addr "wg$n" eth0 "$lan.2/24"
	addr "pc$n" eth0 "$lan.100/24"
	forward "$rt"
	forward "wg$n"
	route "wg$n" default via "$lan.1"
	route "pc$n" default via "$lan.1"
	nft_load "$rt" <<- 'END'
		table inet router {
			chain nat {
				type nat hook postrouting priority 100
				oifname wan masquerade
			}
			chain in {
				type filter hook input priority 0
				iifname wan ct state new drop
			}
			chain forward {
				type filter hook forward priority 0
				iifname wan ct state new drop
			}
		}
	END
	must "the memory of $rt" on "$rt" sh -c "
		cd /proc/sys/net/netfilter &&
		echo $TIMEOUT > nf_conntrack_udp_timeout &&
		echo $TIMEOUT > nf_conntrack_udp_timeout_stream"
}

build() {
	heading "The machines"
	tell "   site 1, 192.168.1.0/24                         site 2, 172.16.1.0/24"
	tell ""
	tell "   pc1 .100    wg1 .2                              wg2 .2    pc2 .100"
	tell "     |           |                                   |          |"
	tell "     +-----+-----+                                   +----+-----+"
	tell "           | .1                                           | .1"
	tell "       rt1, NAT           hub = example.com           rt2, NAT"
	tell "      203.0.113.10          198.51.100.1             192.0.2.20"
	tell "           |                     |                        |"
	tell "           +---------------- internet -------------------+"
	tell ""
	tell "   WireGuard: hub 10.1.1.1 (port 51820), wg1 10.1.1.11, wg2 10.1.1.12"
	tell "   pc1 and pc2 are plain hosts. Their default gateway is the router; to"
	tell "   10.1.1.0/24 and to the other site they have a route by way of wg1, wg2."
	tell "   The routers let nothing in that was not asked for, and forget an idle"
	tell "   UDP mapping after $TIMEOUT s."
	tell "   Each machine is a network namespace of its own."

	host_new hub net rt1 wg1 pc1 rt2 wg2 pc2
	link hub eth0 net hub
	addr hub eth0 198.51.100.1/24
	addr net hub 198.51.100.254/24
	forward net
	forward hub
	route hub default via 198.51.100.254
	site 1 203.0.113.10/24 192.168.1
	site 2 192.0.2.20/24 172.16.1
	addr net site1 203.0.113.1/24
	addr net site2 192.0.2.1/24
	route rt1 default via 203.0.113.1
	route rt2 default via 192.0.2.1
	route pc1 10.1.1.0/24 via 192.168.1.2
	route pc1 172.16.1.0/24 via 192.168.1.2
	route pc2 10.1.1.0/24 via 172.16.1.2
	route pc2 192.168.1.0/24 via 172.16.1.2
	for h in wg1 wg2; do
		host_file "$h" hosts "198.51.100.1 example.com"
	done
}

# What the machine looks like, for a comparison: no counters, no times.
state() {
	on "$1" ip -br link
	on "$1" ip -o addr | sed 's/ valid_lft.*//'
	on "$1" ip rule
	on "$1" ip route show table all
	on "$1" ip -6 route show table all
	on "$1" nft list ruleset
	on "$1" cat /proc/net/udp /proc/net/udp6 | cut -d : -f 2-4 | cut -c 1-40
}

# ---------------------------------------------------------------- configs

configs() {
	local h c

	heading "The configuration"
	keys hub wg1 wg2
	for h in hub wg1 wg2; do
		case $h in
		hub) c=hub ;;
		*) c=site${h#wg} ;;
		esac
		mkdir -p "$TMP/$h"
		(
			umask 077
			sed -e "s,@HUB_PRIVATE_KEY@,${KEY[hub]}," \
				-e "s,@HUB_PUBLIC_KEY@,${PUB[hub]}," \
				-e "s,@SITE1_PRIVATE_KEY@,${KEY[wg1]}," \
				-e "s,@SITE1_PUBLIC_KEY@,${PUB[wg1]}," \
				-e "s,@SITE2_PRIVATE_KEY@,${KEY[wg2]}," \
				-e "s,@SITE2_PUBLIC_KEY@,${PUB[wg2]}," \
				-e "s,^PersistentKeepalive = 25$,PersistentKeepalive = $KEEPALIVE," \
				"$CONF_DIR/$c.conf" > "$TMP/$h/wg0.conf"
		)
		give "$h" "$TMP/$h/wg0.conf"
		tell "--- wg0.conf of $h"
		tell "$(sed 's/^PrivateKey = .*/PrivateKey = (made anew, not shown)/' "$TMP/$h/wg0.conf")"
		tell ""
	done
}

# ---------------------------------------------------------------- steps

tcp_to() { # TITLE FROM TO ADDRESS FILE
	local listener sum

	start tcp-in "$3" "$LIB_DIR/wire" tcp-listen 5001
	listener=$PID
	STEP=$1
	if OUT=$(on "$2" timeout "$(slow 20)" "$LIB_DIR/wire" tcp-send "$4" 5001 \
		< "$5" 2>&1); then
		wait "$listener"
	else
		fail "the transfer ends in time" "$OUT"
		stop "$listener"
	fi
	sum=$(sha256sum < "$5")
	expect_eq "$1: sha256 of what came" "$sum" "$(sha256sum < "$TMP/tcp-in")" &&
		tell "$1: $(stat -c %s "$5") bytes, sha256 ${sum:0:16}... at both ends"
}

ping_to() { # TITLE FROM ADDRESS
	expect_ping "$1" "$2" -c "2" -i 0.1 "$3" &&
		tell "$1: $(grep -o '[0-9]* packets.*loss' <<< "$OUT")"
}

shown() { # true once all three have seen each other
	shaken hub wg0 "${PUB[wg1]}" && shaken hub wg0 "${PUB[wg2]}" &&
		shaken wg1 wg0 "${PUB[hub]}" && shaken wg2 wg0 "${PUB[hub]}"
}

wires() { # COMMAND...: for each outer wire
	local i

	for i in hub site1 site2; do
		"$@" "$i"
	done
}

begin_wire() {
	capture "$1" net "$1"
	CAPTURES+=("$CAPTURE")
}

begin_wires() {
	CAPTURES=()
	wires begin_wire
}

# Once a ping across a wire has been captured, so has all that went before it.
end_wires() {
	local p

	for p in 198.51.100.1 203.0.113.10 192.0.2.20; do
		# the routers do not answer
		on net ping -q -c 1 -W 0.2 "$p" > /dev/null 2>&1
	done
	for p in hub site1 site2; do
		expect_soon 5 "the last packet on the wire of $p is captured" fenced "$p"
	done
	for p in "${CAPTURES[@]}"; do
		stop "$p" INT
	done
}

fenced() {
	[ -n "$(captured "$1" 'icmp[0] = 8')" ]
}

mapping() { # HOST: the router's mappings towards the hub
	on "$1" conntrack -L -p udp --orig-dst 198.51.100.1 2> /dev/null
}

run_steps() {
	local h i n m endpoint

	build
	for h in hub wg1 wg2; do
		state "$h" > "$TMP/$h.before"
	done
	configs

	heading "wg-quick up on the hub and on the WireGuard host of each site"
	point "wg-quick brings all three up"
	begin_wires
	for h in hub wg1 wg2; do
		tell "[$h] \$ wg-quick up wg0"
		expect_ok "wg-quick up on $h" on "$h" wg-quick up "$TMP/$h/wg0.conf"
		tell "${OUT//\[#\]/    [#]}"
	done

	point "each site and the hub have shaken hands before any traffic"
	expect_soon 5 "handshakes shown on all three" shown
	for h in wg1 wg2; do
		expect_eq "name of the hub as resolved by $h, port" \
			198.51.100.1:51820 \
			"$(wg_get "$h" wg0 endpoints "${PUB[hub]}")"
	done
	expect_like "site 1 is seen at the address of its router" "203.0.113.10:*" \
		"$(wg_get hub wg0 endpoints "${PUB[wg1]}")"
	expect_like "site 2 is seen at the address of its router" "192.0.2.20:*" \
		"$(wg_get hub wg0 endpoints "${PUB[wg2]}")"

	heading "Pings between the plain hosts and to the hub"
	point "pings: site 1, site 2, hub, in every direction"
	ping_to "pc1 pings pc2" pc1 172.16.1.100
	ping_to "pc2 pings pc1" pc2 192.168.1.100
	ping_to "pc1 pings the hub, 10.1.1.1" pc1 10.1.1.1
	ping_to "pc2 pings the hub, 10.1.1.1" pc2 10.1.1.1
	ping_to "the hub pings pc1" hub 192.168.1.100
	ping_to "the hub pings pc2" hub 172.16.1.100

	heading "TCP between the plain hosts, both ways, and to the hub"
	for ((i = 0; i < 20000; i++)); do
		echo "$i $MARK"
	done > "$TMP/text"
	point "TCP from site 1 to site 2"
	tcp_to "pc1 to pc2" pc1 pc2 172.16.1.100 "$TMP/text"
	point "TCP from site 2 to site 1"
	tcp_to "pc2 to pc1" pc2 pc1 192.168.1.100 "$TMP/text"
	point "TCP from each site to the hub's 10.1.1.1"
	tcp_to "pc1 to the hub" pc1 hub 10.1.1.1 "$TMP/text"
	tcp_to "pc2 to the hub" pc2 hub 10.1.1.1 "$TMP/text"

	heading "wg show on all three"
	point "wg show: peers, handshakes, transfer"
	for h in hub wg1 wg2; do
		show "$h" wg show
	done
	transfer hub wg0 "${PUB[wg1]}"
	expect_min "bytes the hub had from site 1" 900000 "$RX"
	expect_min "bytes the hub sent to site 1" 500000 "$TX"
	expect_eq "peers of the hub" 2 "$(on hub wg show wg0 peers | wc -l)"

	heading "Nothing inner is seen on the outer wires"
	point "tcpdump on the three outer wires: WireGuard and nothing else"
	end_wires
	for i in hub site1 site2; do
		n=$(captured "$i" 'udp port 51820' | wc -l)
		m=$(captured "$i" 'not (udp port 51820) and not arp and not icmp6 and not (ip6 and ip6[6] = 0) and not icmp' | wc -l)
		tell "wire of $i: $n packets to or from port 51820, $m others; the text sent by TCP is seen $(grep -c -a "$MARK" "$TMP/$i.pcap") times"
		expect_min "packets of WireGuard on the wire of $i" 100 "$n"
		expect_eq "other packets on the wire of $i" 0 "$m"
		expect_eq "packets with inner addresses on the wire of $i" 0 \
			"$(captured "$i" 'net 10.1.1.0/24 or net 192.168.1.0/24 or net 172.16.1.0/24' | wc -l)"
		grep -q -a "$MARK" "$TMP/$i.pcap"
		expect_eq "the text in clear on the wire of $i (1: it is not there)" 1 $?
	done

	point "control: past the tunnel tcpdump does see the text"
	begin_wires
	head -n 100 "$TMP/text" > "$TMP/short"
	tcp_to "pc1 to the hub's public address, past the tunnel" pc1 hub \
		198.51.100.1 "$TMP/short"
	end_wires
	for i in hub site1; do
		grep -q -a "$MARK" "$TMP/$i.pcap"
		expect_eq "the text in clear on the wire of $i (0: it is there)" 0 $?
	done
	tell "packets in clear on the wire of the hub: $(captured hub tcp | wc -l)"

	heading "Idle for $IDLE s, longer than the routers remember ($TIMEOUT s)"
	tell "site 1 keeps its keepalive of $KEEPALIVE s, site 2 does without (the control)"
	point "control: without a keepalive the mapping of site 2 is dead"
	wg_set wg2 wg0 peer "${PUB[hub]}" persistent-keepalive 0
	expect_ping "pc1 pings the hub" pc1 -c 1 10.1.1.1
	expect_ping "pc2 pings the hub" pc2 -c 1 10.1.1.1
	# From here on site 2 is silent but for one acknowledgement after 10 s.
	endpoint=$(wg_get hub wg0 endpoints "${PUB[wg1]}")
	sleep "$IDLE"
	m=$(mapping rt1)
	n=$(mapping rt2)
	tell "rt2, mapping towards the hub: ${n:-(none)}"
	expect_eq "rt2 remembers no mapping" "" "$n"
	expect_no_ping "the hub pings pc2" hub -c 1 -W 1 172.16.1.100 &&
		tell "the hub does not reach pc2"

	point "the keepalive of $KEEPALIVE s holds the mapping of site 1"
	tell "rt1, mapping towards the hub: ${m:-(none)}"
	expect_like "rt1 remembers the mapping" "*dport=51820*" "$m"
	expect_ping "the hub pings pc1" hub -c 1 -W "$(slow 2)" 192.168.1.100 &&
		tell "the hub reaches pc1"
	expect_eq "endpoint of site 1 as the hub shows it" "$endpoint" \
		"$(wg_get hub wg0 endpoints "${PUB[wg1]}")"

	point "traffic from site 2 opens its mapping again"
	wg_set wg2 wg0 peer "${PUB[hub]}" persistent-keepalive "$KEEPALIVE"
	ping_to "pc2 pings pc1" pc2 192.168.1.100
	ping_to "the hub pings pc2" hub 172.16.1.100

	heading "The public address of site 1 changes: roaming"
	point "roaming: the hub finds site 1 at its new address"
	tell "rt1: 203.0.113.10 becomes 203.0.113.99"
	must "the old address goes" on rt1 ip addr del 203.0.113.10/24 dev wan
	addr rt1 wan 203.0.113.99/24
	route rt1 default via 203.0.113.1
	ping_to "pc1 pings pc2" pc1 172.16.1.100
	ping_to "pc2 pings pc1" pc2 192.168.1.100
	endpoint=$(wg_get hub wg0 endpoints "${PUB[wg1]}")
	expect_like "endpoint of site 1 as the hub shows it" "203.0.113.99:*" "$endpoint"
	tell "the hub now has site 1 at $endpoint"

	heading "wg-quick down leaves nothing behind"
	point "wg-quick down leaves nothing behind"
	for h in hub wg1 wg2; do
		tell "[$h] \$ wg-quick down wg0"
		expect_ok "wg-quick down on $h" on "$h" wg-quick down "$TMP/$h/wg0.conf"
		tell "${OUT//\[#\]/    [#]}"
		state "$h" > "$TMP/$h.after"
		expect_eq "$h as before: links, addresses, routes, rules, sockets; the difference" \
			"" "$(diff "$TMP/$h.before" "$TMP/$h.after")" &&
			tell "$h: links, addresses, routes, rules and sockets are as before"
	done
	expect_no_ping "pc1 pings pc2: no tunnel, no way" pc1 -c 1 -W 1 172.16.1.100
}

TWO_SITES_POINTS=14
TWO_SITES_TOOLS="nft tcpdump conntrack wg-quick sha256sum"
