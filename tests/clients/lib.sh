# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
#
# What the scenarios of this directory share. The machine itself, a whole
# system, is the client; the far end is the host b, a network namespace. What
# is set up on the machine comes from docs/clients.md, keys filled in.

# shellcheck source=../netns/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../netns/lib.sh"

DOC=$LIB_DIR/../../docs/clients.md
WROTE=()	# files that doc_file made

# client_begin PLAN TITLE [TOOL...]: as begin, with the far end set up
client_begin() {
	[ -n "${ADIT_SYSTEM:-}" ] || skip_all "needs a whole system: tests/vm/run --system"
	[ -r "$DOC" ] || skip_all "docs/clients.md is not there"
	begin "$@"
	keys here b
	PSK=$(wg genpsk)
	host_new b
	must "a wire to the far end" ip link add eth0 type veth \
		peer name eth0 netns "${NS[b]}"
	must "no duplicate address detection" sysctl -q -w net.ipv6.conf.eth0.accept_dad=0
	must "the wire is up" ip link set eth0 up
	must "an address" ip address add 192.0.2.1/24 dev eth0
	must "an address" ip address add 2001:db8::1/64 dev eth0 nodad
	must "the wire is up" on b ip link set eth0 up
	addr b eth0 192.0.2.2/24 2001:db8::2/64
	wg_new b wg0
	wg_key b wg0
	wg_set b wg0 listen-port 51820 peer "${PUB[here]}" allowed-ips 10.9.0.1/32,fd09::1/128
	wg_psk b wg0 "${PUB[here]}" "$PSK"
	addr b wg0 10.9.0.2/24 fd09::2/64
	must "the far end is up" on b ip link set wg0 up
}

# client_end: overridden by a scenario that leaves services
client_end() { :; }

scenario_cleanup() {
	client_end
	ip link del wg0
	ip link del eth0
	rm -f "${WROTE[@]}"
} > /dev/null 2>&1

# What may explain a failure, at the first one
_dump() {
	say "  state of the machine at the first failure of $SCENARIO:
$({
	wg show
	ip -br address show
	ip route show table all
	journalctl -q --no-pager -o cat -n 25 -u NetworkManager -u systemd-networkd \
		-u systemd-resolved -u wg-quick@wg0
	} 2>&1 | head -n 80)
  --- end of state"
}

# doc NAME: that block of the document, with keys
doc() {
	awk -v m="<!-- test: $1 -->" '
		$0 == m { on = 1; next }
		on && /^```/ { if (on++ == 2) exit; next }
		on == 2' "$DOC" |
		sed "s|<private key of this machine>|${KEY[here]}|
		     s|<public key of the far end>|${PUB[b]}|
		     s|<preshared key>|$PSK|"
}

# doc_file NAME PATH [SED-SCRIPT]: written to PATH, which only root may read
doc_file() {
	mkdir -p "${2%/*}"
	rm -f "$2"
	WROTE+=("$2")
	(umask 077 && doc "$1" | sed "${3:-}" > "$2")
	STEP="$2 from docs/clients.md"
	[ -s "$2" ] || { fail "a block $1 in docs/clients.md" "none"; exit 1; }
}

# doc_run NAME: runs that block as a shell script, which must succeed
doc_run() {
	doc_file "$1" "$TMP/$1.sh"
	must "the commands of $1" bash -eu "$TMP/$1.sh"
}

# carries STEP: both families get through the tunnel, and b heard of it
carries() {
	local rx0
	transfer b wg0 "${PUB[here]}"
	rx0=$RX
	expect_soon 10 "$1: IPv4 through the tunnel" ping -q -n -c 2 -i 0.1 -W 1 10.9.0.2
	expect_soon 10 "$1: IPv6 through the tunnel" ping -q -n -c 2 -i 0.1 -W 1 fd09::2
	transfer b wg0 "${PUB[here]}"
	expect_min "$1: what the far end received" $((rx0 + 4 * 128)) "$RX"
}

# stands STEP: the tunnel has a session already, and uses it
stands() {
	expect_ok "$1" ping -q -n -c 1 -W "$(slow 3)" 10.9.0.2
}

# bulk_to ADDRESS: a megabyte of TCP that way, intact
bulk_to() {
	local sum
	head -c 1000000 /dev/urandom > "$TMP/bulk"
	start bulk.sum b sh -c 'ncat -l 7000 | sha256sum'
	expect_soon 10 "a server at the far end" on b sh -c "ss -Htln | grep -q :7000"
	expect_ok "sending to $1" timeout "$(slow 60)" ncat --send-only "$1" 7000 < "$TMP/bulk"
	expect_soon 10 "all has come to $1" test -s "$TMP/bulk.sum"
	expect_eq "bytes that came to $1" "$(sha256sum < "$TMP/bulk")" "$(cat "$TMP/bulk.sum")"
}

# gone: no wg0 any more
gone() { [ ! -e "/sys/class/net/${1:-wg0}" ]; }

# fresh: neither an interface nor a session of an earlier point
fresh() {
	ip link del wg0 2> /dev/null
	wg_set b wg0 peer "${PUB[here]}" remove
	wg_set b wg0 peer "${PUB[here]}" allowed-ips 10.9.0.1/32,fd09::1/128
	wg_psk b wg0 "${PUB[here]}" "$PSK"
}
