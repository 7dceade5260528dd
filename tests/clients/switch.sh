#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# adit-switch: the driver changes under interfaces that are up.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

client_begin 12 "the driver changes under interfaces that are up" wg-quick nmcli
conf=/etc/wireguard/wg0.conf
switch=$LIB_DIR/../../tools/adit-switch
theirs=/lib/modules/$(uname -r)/kernel/drivers/net/wireguard
client_end() {
	nmcli connection delete wg0
	systemctl stop NetworkManager systemd-resolved
	wg-quick down wg0
	ip link del vrf0
	ip netns del adit-moved
	rm -f "$theirs"/wireguard.ko*
	load_driver adit
}

# The kernel's own is where a Debian system has it.
must "a directory" mkdir -p "$theirs"
must "the kernel's own driver" cp "$LIB_DIR"/../../in-kernel/wireguard.ko* "$theirs/"
is_loaded() { # DRIVER
	expect_eq "the driver that is loaded" "$1" \
		"$(_driver_of "$(cat /sys/module/wireguard/version)")"
}

# What an administrator sees of wg0, but for counters and times
state() { # [COMMAND...]
	"$@" wg showconf wg0
	"$@" ip -d -o link show wg0 | sed 's/ promiscuity [0-9]*//; s/ state [A-Z]*//'
	"$@" ip -o address show dev wg0
	"$@" ip -4 route show table all dev wg0
	"$@" ip -6 route show table all dev wg0 | sed 's/ expires [0-9a-z]*//'
	"$@" sysctl net.ipv4.conf.wg0 net.ipv6.conf.wg0 net.ipv4.neigh.wg0 2>/dev/null |
		grep -v 'stable_secret\|\.neigh\.'
}
same() { # [COMMAND...]: state says what it said when `state >$TMP/before` ran
	state "$@" > "$TMP/after"
	expect_eq "all as before" "" "$(diff "$TMP/before" "$TMP/after")"
}
to() { # DRIVER
	must "adit-switch to $1" "$switch" --to "$1"
	is_loaded "$1"
	expect_eq "nothing of it stays in /run" "" "$(find /run -maxdepth 1 -name 'adit-switch*')"
	expect_eq "no name of ours stays" "" "$(ip netns list | grep adit-switch)"
}

point "wg-quick's interface: to the kernel's own driver"
must "starting systemd-resolved" systemctl start systemd-resolved
doc_file wg-quick $conf
must "wg-quick up" wg-quick up wg0
must "an alias" ip link set wg0 alias "the first"
must "a group, a queue length, an MTU" ip link set wg0 group 7 txqueuelen 77 mtu 1390
must "routes of all kinds" ip route add 10.77.0.0/24 dev wg0 metric 5 src 10.9.0.1
must "routes of all kinds" ip route add 10.78.0.0/24 dev wg0 table 1234
must "routes of all kinds" ip -6 route add fd77::/64 dev wg0 metric 9
must "a setting" sysctl -q -w net.ipv4.conf.wg0.rp_filter=2 net.ipv6.conf.wg0.hop_limit=33
must "a rule by interface" ip rule add iif wg0 table 1234
carries "before"
state > "$TMP/before"
must "what would be done" "$switch" --to in-kernel --dry-run
expect_like "the interface is named" "*interface wg0*" "$OUT"
is_loaded adit
to in-kernel
same
carries "by the kernel's own driver"

point "back to ours"
must "adit-switch" "$switch"
is_loaded adit
same
carries "by ours"
expect_like "the rule still holds" "*iif wg0 lookup 1234*" "$(ip rule)"

point "the name server of the interface comes along"
start dns b python3 "$LIB_DIR/../clients/dns.py" 10.9.0.2
ready dns ready
expect_soon 20 "a name, from the far end" getent ahostsv4 far.example

point "nothing to do"
index=$(cat /sys/class/net/wg0/ifindex)
expect_ok "again" "$switch"
expect_like "says so" "*nothing to do*" "$OUT"
expect_eq "the same interface" "$index" "$(cat /sys/class/net/wg0/ifindex)"

point "wg-quick's default route, mark and rules"
must "wg-quick down" wg-quick down wg0
must "the rule" ip rule del iif wg0 table 1234
doc_file wg-quick $conf '/^DNS/d; s|^AllowedIPs.*|AllowedIPs = 0.0.0.0/0, ::/0|'
must "wg-quick up" wg-quick up wg0
carries "before"
state > "$TMP/before"
to in-kernel
same
carries "default route, the kernel's own driver"
to adit
same
carries "default route, ours"
must "wg-quick down" wg-quick down wg0
expect_eq "no rule is left" "" "$(ip rule | grep 51820)"

point "down, without a key, in a VRF; a second one"
must "a VRF" ip link add vrf0 type vrf table 55
must "a device" ip link add wg0 type wireguard
must "another" ip link add wg1 type wireguard
must "in the VRF" ip link set wg0 master vrf0
state > "$TMP/before"
to in-kernel
same
expect_ok "the other is there" test -e /sys/class/net/wg1
to adit
same
must "removing both" ip link del wg1
must "removing both" ip link del wg0

point "moved to a namespace after it was made"
must "a namespace" ip netns add adit-moved
must "a device" ip link add wg0 type wireguard
doc_file wg-conf "$TMP/wg.conf"
must "its settings" wg setconf wg0 "$TMP/wg.conf"
must "moved" ip link set wg0 netns adit-moved
must "addresses" ip -n adit-moved address add 10.9.0.1/24 dev wg0
must "addresses" ip -n adit-moved address add fd09::1/64 dev wg0
must "up" ip -n adit-moved link set wg0 up
inside=(ip netns exec adit-moved)
reaches() { # STEP
	expect_soon 10 "$1" "${inside[@]}" ping -q -n -c 1 -W 1 10.9.0.2
	expect_soon 10 "$1" "${inside[@]}" ping -q -n -c 1 -W 1 fd09::2
}
reaches "before"
state "${inside[@]}" > "$TMP/before"
to in-kernel
same "${inside[@]}"
reaches "by the kernel's own driver"
to adit
same "${inside[@]}"
reaches "by ours"
must "removing it" ip -n adit-moved link del wg0

point "in a namespace that has no name"
must "its end of b" on b ip link set wg0 down
unshare -n sh -c 'ip link add wg0 type wireguard && ip link set wg0 mtu 1300 up && exec sleep 1000' &
holder=$!
inside=(nsenter -t "$holder" -n)
must_soon 10 "a process with a device" "${inside[@]}" sh -c 'ip link show up dev wg0 | grep .'
state "${inside[@]}" > "$TMP/before"
to in-kernel
same "${inside[@]}"
to adit
same "${inside[@]}"
kill $holder
wait $holder 2> /dev/null
must "b's end" on b ip link set wg0 up

point "systemd-networkd"
fresh
dir=/etc/systemd/network
doc_file networkd-netdev $dir/50-wg0.netdev
doc_file networkd-network $dir/50-wg0.network
chmod 644 $dir/50-wg0.*
for f in key psk; do
	[ $f = key ] && text=${KEY[here]} || text=$PSK
	WROTE+=("$dir/wg0.$f")
	(umask 027 && echo "$text" > "$dir/wg0.$f") && chgrp systemd-network "$dir/wg0.$f"
done
must "starting systemd-networkd" systemctl start systemd-networkd
must_soon 20 "its address" sh -c 'ip address show dev wg0 | grep 10.9.0.1/24'
carries "networkd"
to in-kernel
carries "by the kernel's own driver"
expect_eq "the mark" 0x2a "$(wg show wg0 fwmark)"
expect_soon 10 "the route in its table" sh -c 'ip route show table 1234 | grep "10.77.0.0/24 dev wg0"'
to adit
carries "by ours"
expect_soon 10 "networkd has it in hand" sh -c 'networkctl status wg0 | grep "State:.*configured"'
systemctl stop systemd-networkd.socket systemd-networkd
rm -f $dir/50-wg0.*
ip link del wg0

point "NetworkManager"
fresh
must "starting NetworkManager" systemctl start NetworkManager
doc_file wg-quick $conf '/^DNS/d'
doc_run nm-import
carries "NetworkManager"
to in-kernel
carries "by the kernel's own driver"
to adit
carries "by ours"
expect_eq "the connection is active" "wg0:wireguard:activated" \
	"$(nmcli -t -f NAME,TYPE,STATE connection show --active | grep wireguard)"
must "deleting it" nmcli connection delete wg0
systemctl stop NetworkManager

point "refused, or failed: all is as it was"
fresh
expect_fail "a driver that there is not" "$switch" --to other
expect_like "says what there is" "*adit or in-kernel*" "$OUT"
expect_fail "an argument that there is not" "$switch" --now
doc_file wg-quick $conf '/^DNS/d'
must "wg-quick up" wg-quick up wg0
carries "before"
state > "$TMP/before"
mkdir "$TMP/fake"
for tool in modprobe insmod; do
	real=$(command -v $tool)
	printf '#!/bin/sh\n[ $# = 1 ] && exec %s "$@"\necho "%s: it was told to fail" >&2\nexit 1\n' \
		"$real" $tool > "$TMP/fake/$tool"
	chmod 755 "$TMP/fake/$tool"
done
expect_fail "modprobe -r fails" env PATH="$TMP/fake:$PATH" "$switch" --to in-kernel
expect_like "in a line" "*cannot be unloaded (it was told to fail)*" "$OUT"
is_loaded adit
same
carries "after modprobe -r failed"
index=$(cat /sys/class/net/wg0/ifindex)
printf '#!/bin/sh\necho "insmod: ERROR: could not insert module $1: Key was rejected by service" >&2\nexit 1\n' \
	> "$TMP/fake/insmod"
expect_fail "a module that the kernel refuses" env PATH="$TMP/fake:$PATH" "$switch" --to in-kernel
expect_like "in a line" "*refuses * (Key was rejected by service): nothing was changed*" "$OUT"
expect_eq "the same interface" "$index" "$(cat /sys/class/net/wg0/ifindex)"
printf '#!/bin/sh\n[ -d /sys/module/wireguard ] && exec %s "$@"\nexit 1\n' "$(command -v insmod)" \
	> "$TMP/fake/insmod"
rm "$TMP/fake/modprobe"
expect_fail "insmod fails" env PATH="$TMP/fake:$PATH" "$switch" --to in-kernel
expect_like "in a line" "*cannot be loaded*" "$OUT"
is_loaded adit
same
carries "after insmod failed"
must "a module less" mv "$theirs" "$theirs.away"
expect_fail "no driver of the kernel's own" "$switch" --to in-kernel
expect_like "in a line" "*has no WireGuard driver of its own*" "$OUT"
must "it is back" mv "$theirs.away" "$theirs"
same

point "from the kernel's own driver, and ours cannot be loaded: back to that"
to in-kernel
state > "$TMP/before"
printf '#!/bin/sh\n[ "$*" = wireguard ] && exit 1\nexec %s "$@"\n' "$(command -v modprobe)" \
	> "$TMP/fake/modprobe"
chmod 755 "$TMP/fake/modprobe"
rm "$TMP/fake/insmod"
expect_fail "modprobe fails" env PATH="$TMP/fake:$PATH" "$switch" --to adit
expect_like "in a line" "*cannot be loaded*made again with version 1*" "$OUT"
is_loaded in-kernel
same
carries "after modprobe failed"
expect_eq "nothing of it stays in /run" "" "$(find /run -maxdepth 1 -name 'adit-switch*')"
to adit
must "wg-quick down" wg-quick down wg0

finish
