#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What leaves is mirrored to another wire, cut there, and still under way when the
# receiver, in the same machine, has opened the original: the mirror's copy stays
# what it was, and shows nothing of what is inside.

. "$(dirname "$0")/lib.sh"

begin 2 "copies of a mirror are not opened with the original" tc tcpdump ethtool

# a ==wg== b, and all that leaves a goes to c as well, which forwards it late
pair
tunnel
host_new c
link a tap0 c eth0
addr c eth0 198.51.100.3/24
expect_ping "tunnel is up" a -c 1 10.9.0.2
must "a device that is late" on c ip link add ifb0 type ifb
must "a device that is late" on c ip link set ifb0 up
must "its queue" on c tc qdisc add dev ifb0 root netem delay 300ms limit 10000
must "what comes to c goes there" on c tc qdisc add dev eth0 clsact
must "what comes to c goes there" on c tc filter add dev eth0 ingress matchall \
	action mirred egress redirect dev ifb0
must "what leaves a goes to c" on a tc qdisc add dev eth0 clsact
must "what leaves a goes to c" on a tc filter add dev eth0 egress matchall \
	action mirred egress mirror dev tap0
must "the mirror's wire cuts nothing" on a ethtool -K tap0 tx-udp-segmentation off
head -c 400000 /dev/zero | tr '\0' Q > "$TMP/sent"
text=QQQQQQQQQQQQQQQQ
# shown: what came late at c, and whether the text is to be seen there
shown() { # STEP
	capture late c ifb0 udp port 51820
	copy "$1" a b 10.9.0.2
	sleep 0.6
	stop "$CAPTURE"
	n=$(captured late | grep -c 'UDP, length 14')
	expect_min "$1: messages that came late" 100 "$n"
	expect_eq "$1: text in them" 0 "$(grep -ac "$text" "$TMP/late.pcap")"
}

point "mirrored and cut"
shown "mirrored"

point "a part of each is made linear first, as a program that looks at it does"
must "a qdisc" on a tc qdisc add dev tap0 clsact
must "something that changes a byte further in" on a tc filter add dev tap0 egress matchall \
	action pedit munge offset 76 u8 set 0
shown "pulled"

finish
