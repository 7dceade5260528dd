// SPDX-License-Identifier: GPL-2.0-only
/* GET_DEVICE and SET_DEVICE. Protocol, "User space interface". */

#include <linux/netdevice.h>
#include <linux/slab.h>
#include <linux/time64.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>
#include <net/sock.h>
#include "device.h"
#include "lookup.h"
#include "netlink.h"
#include "peer.h"
#include "socket.h"
#include "tx.h"

static struct genl_family family;

/*
 * The device that a request names, held, or an ERR_PTR. Process context; the
 * caller gives it back with release_device().
 */
static struct wg_device *find_device(struct net *net, struct nlattr **attrs,
				     struct netlink_ext_ack *extack,
				     netdevice_tracker *tracker)
{
	struct nlattr *by_index = attrs[WGDEVICE_A_IFINDEX];
	struct nlattr *by_name = attrs[WGDEVICE_A_IFNAME];
	struct net_device *dev;

	if (!by_index == !by_name) {
		NL_SET_ERR_MSG(extack,
			       "exactly one of interface index and name is needed");
		return ERR_PTR(-EBADR);
	}
	if (by_index)
		dev = netdev_get_by_index(net, nla_get_u32(by_index), tracker,
					  GFP_KERNEL);
	else
		dev = netdev_get_by_name(net, nla_data(by_name), tracker,
					 GFP_KERNEL);
	if (!dev) {
		NL_SET_ERR_MSG_ATTR(extack, by_index ?: by_name,
				    "no such interface");
		return ERR_PTR(-ENODEV);
	}
	if (!wg_device_is(dev)) {
		netdev_put(dev, tracker);
		NL_SET_ERR_MSG_ATTR(extack, by_index ?: by_name,
				    "not a WireGuard interface");
		return ERR_PTR(-EOPNOTSUPP);
	}
	return netdev_priv(dev);
}

static void release_device(struct wg_device *wg, netdevice_tracker *tracker)
{
	netdev_put(wg->dev, tracker);
}

/*
 * Where a dump stands, in the callback's own memory. No reference is held
 * between messages: the cursor is a peer's id and a place in its list.
 */
struct dump {
	u32 ifindex;		/* device that was found first */
	u64 generation;		/* of its configuration, at the last message */
	u32 peer;		/* next peer's id, 1 at the start */
	u32 last;		/* highest id then: a dump must end */
	u32 prefixes;		/* of that peer, already sent */
	struct wg_aip_node *pos;	/* last of them, while @generation holds */
	bool started;
	bool begun;		/* that peer's own attributes are sent */
};

static struct dump *dump_of(struct netlink_callback *cb)
{
	BUILD_BUG_ON(sizeof(struct dump) > sizeof(cb->ctx));
	return (struct dump *)cb->ctx;
}

static int put_prefix(struct sk_buff *skb, const struct wg_aip_node *node)
{
	struct nlattr *nest = nla_nest_start(skb, 0);
	u8 addr[16], plen;
	bool v6;

	if (!nest)
		return -EMSGSIZE;
	v6 = wg_allowedips_read(node, addr, &plen);
	if (nla_put_u8(skb, WGALLOWEDIP_A_CIDR_MASK, plen) ||
	    nla_put_u16(skb, WGALLOWEDIP_A_FAMILY, v6 ? AF_INET6 : AF_INET) ||
	    nla_put(skb, WGALLOWEDIP_A_IPADDR, v6 ? 16 : 4, addr)) {
		nla_nest_cancel(skb, nest);
		return -EMSGSIZE;
	}
	nla_nest_end(skb, nest);
	return 0;
}

/* Where a peer's list goes on. The caller holds the device's lock. */
static struct wg_aip_node *resume_prefixes(struct wg_peer *peer,
					   const struct dump *d, bool unchanged)
{
	struct wg_aip_node *node = NULL;
	u32 i;

	lockdep_assert_held(&peer->wg->lock);
	if (unchanged)
		return wg_allowedips_next(&peer->owner, d->pos);
	for (i = 0; i <= d->prefixes; i++) {
		node = wg_allowedips_next(&peer->owner, node);
		if (!node)
			break;
	}
	return node;
}

static int put_peer_body(struct sk_buff *skb, struct wg_peer *peer)
{
	struct __kernel_timespec last;
	struct wg_endpoint *ep;
	u8 psk[WG_KEY_LEN];
	int err = 0;

	spin_lock_bh(&peer->lock);
	memcpy(psk, peer->psk, sizeof(psk));
	last.tv_sec = peer->last_handshake.tv_sec;
	last.tv_nsec = peer->last_handshake.tv_nsec;
	spin_unlock_bh(&peer->lock);

	if (nla_put(skb, WGPEER_A_PRESHARED_KEY, WG_KEY_LEN, psk) ||
	    nla_put(skb, WGPEER_A_LAST_HANDSHAKE_TIME, sizeof(last), &last) ||
	    nla_put_u16(skb, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL,
			READ_ONCE(peer->timers.interval)) ||
	    nla_put_u64_64bit(skb, WGPEER_A_TX_BYTES,
			      atomic64_read(&peer->tx_bytes),
			      WGPEER_A_UNSPEC) ||
	    nla_put_u64_64bit(skb, WGPEER_A_RX_BYTES,
			      atomic64_read(&peer->rx_bytes),
			      WGPEER_A_UNSPEC) ||
	    nla_put_u32(skb, WGPEER_A_PROTOCOL_VERSION, 1))
		err = -EMSGSIZE;
	memzero_explicit(psk, sizeof(psk));
	if (err)
		return err;

	rcu_read_lock_bh();
	ep = rcu_dereference_bh(peer->endpoint);
	if (ep && ep->addr.sa_family == AF_INET)
		err = nla_put(skb, WGPEER_A_ENDPOINT, sizeof(ep->addr4),
			      &ep->addr4);
	else if (ep)
		err = nla_put(skb, WGPEER_A_ENDPOINT, sizeof(ep->addr6),
			      &ep->addr6);
	rcu_read_unlock_bh();
	return err;
}

/*
 * One peer, or what is left of one. Returns 0 when the peer is through, or
 * -EMSGSIZE when it goes on in the next message; the cursor says where. A
 * peer of which its own attributes fit, but no prefix, is begun all the same,
 * with an empty list.
 */
static int put_peer(struct sk_buff *skb, struct wg_peer *peer, struct dump *d,
		    bool unchanged)
{
	struct nlattr *nest, *list = NULL;
	bool first = !d->begun;
	struct wg_aip_node *node;
	u32 sent = d->prefixes;

	lockdep_assert_held(&peer->wg->lock);
	nest = nla_nest_start(skb, 0);
	if (!nest)
		return -EMSGSIZE;
	if (nla_put(skb, WGPEER_A_PUBLIC_KEY, WG_KEY_LEN, peer->pub) ||
	    (first && put_peer_body(skb, peer)))
		goto cancel;

	node = first ? wg_allowedips_next(&peer->owner, NULL) :
		       resume_prefixes(peer, d, unchanged);
	if (node) {
		list = nla_nest_start(skb, WGPEER_A_ALLOWEDIPS);
		if (!list)
			goto cancel;
	}
	for (; node; node = wg_allowedips_next(&peer->owner, node)) {
		if (put_prefix(skb, node)) {
			if (!first && sent == d->prefixes)
				goto cancel;
			nla_nest_end(skb, list);
			nla_nest_end(skb, nest);
			d->prefixes = sent;
			d->begun = true;
			return -EMSGSIZE;
		}
		d->pos = node;
		sent++;
	}
	if (list)
		nla_nest_end(skb, list);
	nla_nest_end(skb, nest);
	d->prefixes = 0;
	d->pos = NULL;
	d->begun = false;
	return 0;

cancel:
	nla_nest_cancel(skb, nest);
	return -EMSGSIZE;
}

static int fill_device(struct sk_buff *skb, struct wg_device *wg)
{
	const struct wg_identity *identity;
	char name[IFNAMSIZ];

	/* it may be renamed meanwhile: whatever is read, it ends */
	strscpy(name, wg->dev->name, sizeof(name));
	if (nla_put_u16(skb, WGDEVICE_A_LISTEN_PORT, wg->port) ||
	    nla_put_u32(skb, WGDEVICE_A_FWMARK, wg->fwmark) ||
	    nla_put_u32(skb, WGDEVICE_A_IFINDEX, wg->dev->ifindex) ||
	    nla_put_string(skb, WGDEVICE_A_IFNAME, name))
		return -EMSGSIZE;
	identity = rcu_dereference_protected(wg->identity,
					     lockdep_is_held(&wg->lock));
	if (identity &&
	    (nla_put(skb, WGDEVICE_A_PRIVATE_KEY, WG_KEY_LEN,
		     identity->key.priv) ||
	     nla_put(skb, WGDEVICE_A_PUBLIC_KEY, WG_KEY_LEN,
		     identity->key.pub)))
		return -EMSGSIZE;
	return 0;
}

/*
 * Peers from the cursor on. Returns 0 when there is no more, else -EMSGSIZE;
 * @any tells whether the message has grown. The caller holds wg->lock.
 */
static int put_peers(struct sk_buff *skb, struct wg_device *wg, struct dump *d,
		     bool unchanged, bool *any)
{
	unsigned long id = d->peer;
	struct wg_peer *peer;
	struct nlattr *list;
	int err = 0;

	lockdep_assert_held(&wg->lock);
	peer = xa_find(&wg->peers, &id, d->last, XA_PRESENT);
	if (!peer)
		return 0;
	list = nla_nest_start(skb, WGDEVICE_A_PEERS);
	if (!list)
		return -EMSGSIZE;
	for (; peer; peer = xa_find_after(&wg->peers, &id, d->last,
					  XA_PRESENT)) {
		u32 before = d->prefixes;
		bool begun = d->begun;

		if (id != d->peer) {
			/* the one that the cursor was in is gone */
			d->peer = id;
			d->prefixes = 0;
			d->pos = NULL;
			d->begun = false;
			before = 0;
			begun = false;
		}
		err = put_peer(skb, peer, d, unchanged);
		if (!err || d->prefixes != before || d->begun != begun)
			*any = true;
		if (err)
			break;
		d->peer = id + 1;
	}
	if (*any)
		nla_nest_end(skb, list);
	else
		nla_nest_cancel(skb, list);
	return err;
}

static int dump_device(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct nlattr **attrs = genl_info_dump(cb)->attrs;
	struct dump *d = dump_of(cb);
	netdevice_tracker tracker;
	bool any = !d->started;
	struct wg_device *wg;
	int err = -EMSGSIZE;
	bool unchanged;
	void *hdr;

	if (d->started && !d->peer)
		return 0;	/* all was said */
	wg = find_device(sock_net(skb->sk), attrs, cb->extack, &tracker);
	if (IS_ERR(wg))
		return PTR_ERR(wg);

	mutex_lock(&wg->lock);
	if (wg->dying || (d->started && d->ifindex != wg->dev->ifindex)) {
		err = -ENODEV;
		goto out;
	}
	unchanged = d->started && d->generation == wg->generation;
	if (!d->started) {
		d->peer = 1;
		d->last = wg->next_peer_id - 1;
	}
	/* the core compares this with the first message's */
	cb->seq = (u32)wg->generation ?: 1;
	d->generation = wg->generation;
	d->ifindex = wg->dev->ifindex;

	hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
			  &family, NLM_F_MULTI, WG_CMD_GET_DEVICE);
	if (!hdr)
		goto out;
	genl_dump_check_consistent(cb, hdr);
	/* what goes on has only PEERS: the first message named the device */
	if (!d->started && fill_device(skb, wg)) {
		genlmsg_cancel(skb, hdr);
		goto out;
	}
	err = put_peers(skb, wg, d, unchanged, &any);
	if (err && !any) {
		/* not even one thing fits; never go round in circles */
		genlmsg_cancel(skb, hdr);
		goto out;
	}
	genlmsg_end(skb, hdr);
	d->started = true;
	/* 0 lets the core put the end into the same buffer, where it fits */
	err = err ? skb->len : 0;
	if (!err)
		d->peer = 0;
out:
	mutex_unlock(&wg->lock);
	release_device(wg, &tracker);
	return err;
}

/* A request that names no device is refused at once, not by an empty dump. */
static int dump_start(struct netlink_callback *cb)
{
	netdevice_tracker tracker;
	struct wg_device *wg;

	wg = find_device(sock_net(cb->skb->sk), genl_info_dump(cb)->attrs,
			 cb->extack, &tracker);
	if (IS_ERR(wg))
		return PTR_ERR(wg);
	release_device(wg, &tracker);
	return 0;
}

/*
 * Validation of a whole SET, before any of it is applied. Nested attributes
 * are parsed once more when they are applied; that cannot fail then.
 */
static int parse_prefix(struct nlattr **a, const struct nlattr *attr,
			struct netlink_ext_ack *extack)
{
	unsigned int len, max;
	int err;

	err = nla_parse_nested(a, WGALLOWEDIP_A_MAX, attr, wg_allowedip_policy,
			       extack);
	if (err)
		return err;
	if (!a[WGALLOWEDIP_A_FAMILY] || !a[WGALLOWEDIP_A_IPADDR] ||
	    !a[WGALLOWEDIP_A_CIDR_MASK]) {
		NL_SET_ERR_MSG_ATTR(extack, attr,
				    "an allowed IP needs family, address and mask");
		return -EINVAL;
	}
	switch (nla_get_u16(a[WGALLOWEDIP_A_FAMILY])) {
	case AF_INET:
		len = 4;
		max = 32;
		break;
	case AF_INET6:
		len = 16;
		max = 128;
		break;
	default:
		NL_SET_ERR_MSG_ATTR(extack, a[WGALLOWEDIP_A_FAMILY],
				    "an allowed IP is neither IPv4 nor IPv6");
		return -EINVAL;
	}
	if (nla_len(a[WGALLOWEDIP_A_IPADDR]) != len) {
		NL_SET_ERR_MSG_ATTR(extack, a[WGALLOWEDIP_A_IPADDR],
				    "an allowed IP's length does not fit its family");
		return -EINVAL;
	}
	if (nla_get_u8(a[WGALLOWEDIP_A_CIDR_MASK]) > max) {
		NL_SET_ERR_MSG_ATTR(extack, a[WGALLOWEDIP_A_CIDR_MASK],
				    "prefix length over 32 or 128");
		return -EINVAL;
	}
	return 0;
}

static int parse_peer(struct nlattr **a, const struct nlattr *attr,
		      struct netlink_ext_ack *extack)
{
	int err;

	err = nla_parse_nested(a, WGPEER_A_MAX, attr, wg_peer_policy, extack);
	if (err)
		return err;
	if (!a[WGPEER_A_PUBLIC_KEY]) {
		NL_SET_ERR_MSG_ATTR(extack, attr, "a peer needs a public key");
		return -EINVAL;
	}
	if (a[WGPEER_A_PROTOCOL_VERSION] &&
	    nla_get_u32(a[WGPEER_A_PROTOCOL_VERSION]) != 1) {
		NL_SET_ERR_MSG_ATTR(extack, a[WGPEER_A_PROTOCOL_VERSION],
				    "the protocol version must be 1");
		return -EPFNOSUPPORT;
	}
	return wg_check_flags(a[WGPEER_A_FLAGS],
			      WGPEER_F_REMOVE_ME | WGPEER_F_REPLACE_ALLOWEDIPS |
			      WGPEER_F_UPDATE_ONLY, "unknown peer flag", extack);
}

static int validate(struct genl_info *info)
{
	struct nlattr *prefix[WGALLOWEDIP_A_MAX + 1];
	struct nlattr *peer[WGPEER_A_MAX + 1];
	struct nlattr *attr, *inner;
	int err, rem, rem_inner;

	err = wg_check_flags(info->attrs[WGDEVICE_A_FLAGS],
			     WGDEVICE_F_REPLACE_PEERS, "unknown device flag",
			     info->extack);
	if (err || !info->attrs[WGDEVICE_A_PEERS])
		return err;
	nla_for_each_nested(attr, info->attrs[WGDEVICE_A_PEERS], rem) {
		err = parse_peer(peer, attr, info->extack);
		if (err)
			return err;
		if (!peer[WGPEER_A_ALLOWEDIPS])
			continue;
		nla_for_each_nested(inner, peer[WGPEER_A_ALLOWEDIPS],
				    rem_inner) {
			err = parse_prefix(prefix, inner, info->extack);
			if (err)
				return err;
		}
	}
	return 0;
}

static int set_allowed_ip(struct wg_device *wg, struct wg_peer *peer,
			  struct nlattr *attr, struct netlink_ext_ack *extack)
{
	struct nlattr *a[WGALLOWEDIP_A_MAX + 1];
	const void *addr;
	u32 flags = 0;
	bool v6;
	u8 plen;
	int err;

	err = parse_prefix(a, attr, extack);
	if (err)
		return err;
	v6 = nla_get_u16(a[WGALLOWEDIP_A_FAMILY]) == AF_INET6;
	addr = nla_data(a[WGALLOWEDIP_A_IPADDR]);
	plen = nla_get_u8(a[WGALLOWEDIP_A_CIDR_MASK]);
	if (a[WGALLOWEDIP_A_FLAGS])
		flags = nla_get_u32(a[WGALLOWEDIP_A_FLAGS]);

	if (flags & WGALLOWEDIP_F_REMOVE_ME)
		return wg_allowedips_remove(&wg->allowedips, &peer->owner, addr,
					    v6, plen);
	err = wg_allowedips_insert(&wg->allowedips, &peer->owner, addr, v6,
				   plen);
	if (err)
		NL_SET_ERR_MSG(extack, "no memory for an allowed IP");
	return err;
}

/* An endpoint of a wrong family or size is ignored silently, as ever. */
static int set_endpoint(struct wg_peer *peer, const struct nlattr *attr,
			struct netlink_ext_ack *extack)
{
	const struct sockaddr *addr = nla_data(attr);
	struct wg_endpoint ep = {};

	if (addr->sa_family == AF_INET && nla_len(attr) == sizeof(ep.addr4))
		memcpy(&ep.addr4, addr, sizeof(ep.addr4));
	else if (addr->sa_family == AF_INET6 &&
		 nla_len(attr) == sizeof(ep.addr6))
		memcpy(&ep.addr6, addr, sizeof(ep.addr6));
	else
		return 0;
	if (wg_endpoint_configure(peer, &ep)) {
		NL_SET_ERR_MSG(extack, "no memory for an endpoint");
		return -ENOMEM;
	}
	return 0;
}

static bool is_own_key(struct wg_device *wg, const u8 *pub)
{
	const struct wg_identity *identity;

	identity = rcu_dereference_protected(wg->identity,
					     lockdep_is_held(&wg->lock));
	return identity && !memcmp(identity->key.pub, pub, WG_KEY_LEN);
}

/* The peer to be changed, with a reference, NULL for none, or an ERR_PTR. */
static struct wg_peer *peer_to_set(struct wg_device *wg, const u8 *pub,
				   u32 flags, const u8 psk[WG_KEY_LEN],
				   struct netlink_ext_ack *extack)
{
	struct wg_peer *peer = wg_lookup_peer(wg, pub);

	if (peer)
		return peer;
	if (flags & (WGPEER_F_REMOVE_ME | WGPEER_F_UPDATE_ONLY) ||
	    is_own_key(wg, pub))
		return NULL;
	peer = wg_peer_create(wg, pub, psk);
	if (IS_ERR(peer)) {
		NL_SET_ERR_MSG(extack, "no memory for a peer, or too many");
		return peer;
	}
	return wg_peer_get(peer);
}

static int set_peer(struct wg_device *wg, const struct nlattr *attr,
		    struct netlink_ext_ack *extack)
{
	static const u8 no_psk[WG_KEY_LEN];
	struct nlattr *a[WGPEER_A_MAX + 1], *prefix, *interval;
	const u8 *psk = no_psk;
	struct wg_peer *peer;
	LIST_HEAD(old);
	u32 flags = 0;
	int err, rem;

	lockdep_assert_held(&wg->lock);
	err = parse_peer(a, attr, extack);
	if (err)
		return err;
	if (a[WGPEER_A_FLAGS])
		flags = nla_get_u32(a[WGPEER_A_FLAGS]);
	interval = a[WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL];
	if (a[WGPEER_A_PRESHARED_KEY])
		psk = nla_data(a[WGPEER_A_PRESHARED_KEY]);

	peer = peer_to_set(wg, nla_data(a[WGPEER_A_PUBLIC_KEY]), flags, psk,
			   extack);
	if (IS_ERR_OR_NULL(peer))
		return PTR_ERR_OR_ZERO(peer);
	if (flags & WGPEER_F_REMOVE_ME) {
		wg_peer_remove(peer);
		goto out;
	}

	if (a[WGPEER_A_PRESHARED_KEY]) {
		spin_lock_bh(&peer->lock);
		memcpy(peer->psk, psk, WG_KEY_LEN);
		spin_unlock_bh(&peer->lock);
	}
	if (a[WGPEER_A_ENDPOINT]) {
		err = set_endpoint(peer, a[WGPEER_A_ENDPOINT], extack);
		if (err)
			goto out;
	}
	if (flags & WGPEER_F_REPLACE_ALLOWEDIPS)
		wg_allowedips_set_aside(&wg->allowedips, &peer->owner, &old);
	if (a[WGPEER_A_ALLOWEDIPS]) {
		nla_for_each_nested(prefix, a[WGPEER_A_ALLOWEDIPS], rem) {
			err = set_allowed_ip(wg, peer, prefix, extack);
			if (err)
				break;
		}
	}
	/* only now, so that what stays was never gone */
	wg_allowedips_remove_aside(&wg->allowedips, &peer->owner, &old);
	if (err)
		goto out;
	if (interval)
		wg_peer_set_interval(peer, nla_get_u16(interval));
	if (wg->up)
		wg_tx_flush_staged(peer);
out:
	wg_peer_put(peer);
	return err;
}

static void forget_sources(struct wg_device *wg)
{
	struct wg_peer *peer;
	unsigned long id;

	lockdep_assert_held(&wg->lock);
	xa_for_each(&wg->peers, id, peer) {
		wg_endpoint_forget_source(peer, GFP_KERNEL);
		cond_resched();
	}
}

static int set_port(struct wg_device *wg, const struct nlattr *attr,
		    struct netlink_ext_ack *extack)
{
	u16 port = nla_get_u16(attr);
	int err;

	if (port == wg->port)
		return 0;
	if (!wg->up) {
		wg->port = port;
		forget_sources(wg);
		return 0;
	}
	err = wg_socket_open(wg, port);
	if (err) {
		NL_SET_ERR_MSG_ATTR(extack, attr,
				    "cannot listen on this port; the old one stays");
		return err;
	}
	forget_sources(wg);
	return 0;
}

/* Port and mark act in the birth namespace: one must be allowed to there. */
static int may_set_outside(struct wg_device *wg, struct sk_buff *skb,
			   struct netlink_ext_ack *extack)
{
	struct net *net;
	bool may;

	rcu_read_lock();
	net = rcu_dereference(wg->birth_net);
	may = net && netlink_ns_capable(skb, net->user_ns, CAP_NET_ADMIN);
	rcu_read_unlock();
	if (may)
		return 0;
	NL_SET_ERR_MSG(extack,
		       "port and fwmark need CAP_NET_ADMIN where the device was created");
	return -EPERM;
}

static int apply(struct wg_device *wg, struct sk_buff *skb,
		 struct genl_info *info)
{
	struct nlattr **attrs = info->attrs, *peer;
	int err, rem;

	if (attrs[WGDEVICE_A_LISTEN_PORT] || attrs[WGDEVICE_A_FWMARK]) {
		err = may_set_outside(wg, skb, info->extack);
		if (err)
			return err;
	}
	wg_device_changed(wg);

	if (attrs[WGDEVICE_A_FWMARK]) {
		WRITE_ONCE(wg->fwmark, nla_get_u32(attrs[WGDEVICE_A_FWMARK]));
		forget_sources(wg);
	}
	if (attrs[WGDEVICE_A_LISTEN_PORT]) {
		err = set_port(wg, attrs[WGDEVICE_A_LISTEN_PORT],
			       info->extack);
		if (err)
			return err;
	}
	if (attrs[WGDEVICE_A_FLAGS] &&
	    nla_get_u32(attrs[WGDEVICE_A_FLAGS]) & WGDEVICE_F_REPLACE_PEERS)
		wg_peer_remove_all(wg);
	if (attrs[WGDEVICE_A_PRIVATE_KEY]) {
		err = wg_device_set_key(wg,
					nla_data(attrs[WGDEVICE_A_PRIVATE_KEY]));
		if (err) {
			NL_SET_ERR_MSG(info->extack, "no memory for the key");
			return err;
		}
	}
	if (attrs[WGDEVICE_A_PEERS]) {
		nla_for_each_nested(peer, attrs[WGDEVICE_A_PEERS], rem) {
			err = set_peer(wg, peer, info->extack);
			if (err)
				return err;
		}
	}
	return 0;
}

/* The request holds keys, and its memory goes back to the allocator. */
static void wipe_keys(const struct genl_info *info)
{
	struct nlattr *attr, *peer, *inner;
	int rem, rem_peer, rem_inner;

	/* each attribute of the message: one that is given twice holds two */
	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem) {
		if (nla_type(attr) == WGDEVICE_A_PRIVATE_KEY)
			memzero_explicit(nla_data(attr), nla_len(attr));
		if (nla_type(attr) != WGDEVICE_A_PEERS)
			continue;
		nla_for_each_nested(peer, attr, rem_peer)
			nla_for_each_nested(inner, peer, rem_inner)
				if (nla_type(inner) == WGPEER_A_PRESHARED_KEY)
					memzero_explicit(nla_data(inner),
							 nla_len(inner));
	}
}

static int set_device(struct sk_buff *skb, struct genl_info *info)
{
	netdevice_tracker tracker;
	struct wg_device *wg;
	int err;

	wg = find_device(genl_info_net(info), info->attrs, info->extack,
			 &tracker);
	if (IS_ERR(wg)) {
		err = PTR_ERR(wg);
		goto wipe;
	}
	err = validate(info);
	if (err)
		goto out;

	mutex_lock(&wg->lock);
	err = wg->dying ? -ENODEV : apply(wg, skb, info);
	mutex_unlock(&wg->lock);
out:
	release_device(wg, &tracker);
wipe:
	wipe_keys(info);
	return err;
}

static const struct genl_ops ops[] = {
	{
		.cmd = WG_CMD_GET_DEVICE,
		.start = dump_start,
		.dumpit = dump_device,
		.policy = wg_get_policy,
		.maxattr = WGDEVICE_A_IFNAME,
		.flags = GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd = WG_CMD_SET_DEVICE,
		.doit = set_device,
		.policy = wg_device_policy,
		.maxattr = WGDEVICE_A_MAX,
		.flags = GENL_UNS_ADMIN_PERM,
	},
};

static struct genl_family family __ro_after_init = {
	.name = WG_GENL_NAME,
	.version = WG_GENL_VERSION,
	.maxattr = WG_FAMILY_MAXATTR,
	.netnsok = true,
	.parallel_ops = true,
	.module = THIS_MODULE,
	.ops = ops,
	.n_ops = ARRAY_SIZE(ops),
	WG_FAMILY_RESV
};

int wg_netlink_module_init(void)
{
	return genl_register_family(&family);
}

void wg_netlink_module_exit(void)
{
	genl_unregister_family(&family);
}
