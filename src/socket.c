// SPDX-License-Identifier: GPL-2.0-only
/* UDP sockets, routing, outer transmit. Protocol, "Outer socket". */

#include <linux/if_arp.h>
#include <linux/inetdevice.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/slab.h>
#include <net/addrconf.h>
#include <net/dst.h>
#include <net/flow.h>
#include <net/gre.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>
#include <net/route.h>
#include <net/sock.h>
#include <net/udp_tunnel.h>
#include "device.h"
#include "endpoint.h"
#include "peer.h"
#include "rx.h"
#include "socket.h"

/* Tries to find a port that both families have free. */
#define PORT_TRIES	100

/* Keeps a route in the endpoint. @dst stays the caller's. */
static void cache_route(struct wg_endpoint *ep, struct dst_entry *dst,
			u32 cookie, const void *src, size_t len)
{
	struct wg_route *route = kzalloc_obj(*route, GFP_ATOMIC);

	if (!route)
		return;
	route->dst = dst_clone(dst);
	route->cookie = cookie;
	memcpy(&route->src6, src, len);
	wg_route_retire(unrcu_pointer(xchg(&ep->route,
					   RCU_INITIALIZER(route))));
}

/* The cached route, with a reference, if it is still good. */
static struct dst_entry *cached_route(const struct wg_route *route)
{
	struct dst_entry *dst;

	if (!route)
		return NULL;
	dst = dst_check(route->dst, route->cookie);
	return dst && dst_hold_safe(dst) ? dst : NULL;
}

static bool source4_is_bad(struct net *net, const struct wg_endpoint *ep,
			   const struct rtable *rt)
{
	return IS_ERR(rt) || dst_dev_rcu(&rt->dst)->ifindex != ep->src_ifindex ||
	       !inet_confirm_addr(net, NULL, 0, ep->src4.s_addr,
				  RT_SCOPE_HOST);
}

/*
 * Both send functions take @skb. With a @peer, @ep is its endpoint and keeps
 * the route. BH off, RCU.
 */
static int send4(struct wg_device *wg, struct wg_peer *peer,
		 struct wg_endpoint *ep, struct sk_buff *skb, u8 ds)
{
	struct sock *sk = rcu_dereference_bh(wg->sock4);
	struct wg_route *route = rcu_dereference_bh(ep->route);
	struct flowi4 fl = {
		.saddr = ep->src4.s_addr,
		.daddr = ep->addr4.sin_addr.s_addr,
		.fl4_dport = ep->addr4.sin_port,
		.flowi4_mark = READ_ONCE(wg->fwmark),
		.flowi4_proto = IPPROTO_UDP,
	};
	struct dst_entry *dst;
	struct rtable *rt;
	struct net *net;
	int err;

	if (unlikely(!sk)) {
		err = -ENONET;
		goto err_free;
	}
	net = sock_net(sk);
	fl.fl4_sport = inet_sk(sk)->inet_sport;

	dst = cached_route(route);
	if (likely(dst)) {
		rt = dst_rtable(dst);
		fl.saddr = route->src4.s_addr;
	} else {
		atomic64_inc(&wg->route_lookups);
		security_sk_classify_flow(sk, flowi4_to_flowi_common(&fl));
		rt = ip_route_output_flow(net, &fl, sk);
		if (ep->src4.s_addr && source4_is_bad(net, ep, rt)) {
			/* our address is gone or the way leads elsewhere */
			if (!IS_ERR(rt))
				ip_rt_put(rt);
			fl.saddr = 0;
			fl.daddr = ep->addr4.sin_addr.s_addr;
			fl.flowi4_oif = 0;
			rt = ip_route_output_flow(net, &fl, sk);
			if (peer) {
				wg_endpoint_forget_source(peer,
							  GFP_ATOMIC);
				peer = NULL;
			}
		}
		if (IS_ERR(rt)) {
			err = PTR_ERR(rt);
			net_dbg_ratelimited("%s: no route to the endpoint\n",
					    wg->dev->name);
			goto err_free;
		}
		if (unlikely(dst_dev_rcu(&rt->dst) == wg->dev)) {
			ip_rt_put(rt);
			err = -ELOOP;
			net_dbg_ratelimited("%s: the endpoint is routed into the tunnel itself\n",
					    wg->dev->name);
			goto err_free;
		}
		if (peer)
			cache_route(ep, &rt->dst, 0, &fl.saddr,
				    sizeof(fl.saddr));
	}

	skb->mark = fl.flowi4_mark;
	skb->dev = NULL;
	skb->ignore_df = 1;
	udp_tunnel_xmit_skb(rt, sk, skb, fl.saddr, fl.daddr, ds,
			    ip4_dst_hoplimit(&rt->dst), 0, fl.fl4_sport,
			    fl.fl4_dport, false, false, 0);
	return 0;

err_free:
	kfree_skb(skb);
	return err;
}

#if IS_ENABLED(CONFIG_IPV6)
static int send6(struct wg_device *wg, struct wg_peer *peer,
		 struct wg_endpoint *ep, struct sk_buff *skb, u8 ds)
{
	struct sock *sk = rcu_dereference_bh(wg->sock6);
	struct wg_route *route = rcu_dereference_bh(ep->route);
	struct flowi6 fl = {
		.saddr = ep->src6,
		.daddr = ep->addr6.sin6_addr,
		.fl6_dport = ep->addr6.sin6_port,
		.flowi6_mark = READ_ONCE(wg->fwmark),
		.flowi6_oif = ep->addr6.sin6_scope_id,
		.flowi6_proto = IPPROTO_UDP,
	};
	struct dst_entry *dst;
	struct net *net;
	int err;

	if (unlikely(!sk)) {
		err = -ENONET;
		goto err_free;
	}
	net = sock_net(sk);
	fl.fl6_sport = inet_sk(sk)->inet_sport;

	dst = cached_route(route);
	if (likely(dst)) {
		fl.saddr = route->src6;
	} else {
		atomic64_inc(&wg->route_lookups);
		security_sk_classify_flow(sk, flowi6_to_flowi_common(&fl));
		if (!ipv6_addr_any(&fl.saddr) &&
		    !ipv6_chk_addr(net, &fl.saddr, NULL, 0)) {
			fl.saddr = in6addr_any;
			if (peer) {
				wg_endpoint_forget_source(peer,
							  GFP_ATOMIC);
				peer = NULL;
			}
		}
		dst = ip6_dst_lookup_flow(net, sk, &fl, NULL);
		if (IS_ERR(dst)) {
			err = PTR_ERR(dst);
			net_dbg_ratelimited("%s: no route to the endpoint\n",
					    wg->dev->name);
			goto err_free;
		}
		if (unlikely(dst_dev_rcu(dst) == wg->dev)) {
			dst_release(dst);
			err = -ELOOP;
			net_dbg_ratelimited("%s: the endpoint is routed into the tunnel itself\n",
					    wg->dev->name);
			goto err_free;
		}
		if (peer)
			cache_route(ep, dst, rt6_get_cookie(dst_rt6_info(dst)),
				    &fl.saddr, sizeof(fl.saddr));
	}

	skb->mark = fl.flowi6_mark;
	skb->dev = NULL;
	skb->ignore_df = 1;
	udp_tunnel6_xmit_skb(dst, sk, skb, NULL, &fl.saddr, &fl.daddr, ds,
			     ip6_dst_hoplimit(dst), 0, fl.fl6_sport,
			     fl.fl6_dport, false, 0);
	return 0;

err_free:
	kfree_skb(skb);
	return err;
}
#else
static int send6(struct wg_device *wg, struct wg_peer *peer,
		 struct wg_endpoint *ep, struct sk_buff *skb, u8 ds)
{
	kfree_skb(skb);
	return -EAFNOSUPPORT;
}
#endif

static int send_to(struct wg_device *wg, struct wg_peer *peer,
		   struct wg_endpoint *ep, struct sk_buff *skb, u8 ds)
{
	/* what the length fields of the outer headers can say */
	unsigned int most = ep->addr.sa_family == AF_INET ?
		IP_MAX_MTU - sizeof(struct iphdr) : IPV6_MAXPLEN;
	int err;

	if (unlikely(skb->len > most - sizeof(struct udphdr))) {
		net_dbg_ratelimited("%s: message too long for a datagram\n",
				    wg->dev->name);
		kfree_skb(skb);
		return -EMSGSIZE;
	}
	/* the device of a route is under plain RCU, not under that of BH */
	rcu_read_lock();
	if (ep->addr.sa_family == AF_INET)
		err = send4(wg, peer, ep, skb, ds);
	else
		err = send6(wg, peer, ep, skb, ds);
	rcu_read_unlock();
	return err;
}

int wg_socket_send(struct wg_peer *peer, struct sk_buff *skb, u8 ds)
{
	struct wg_endpoint *ep;
	int err;

	rcu_read_lock_bh();
	ep = rcu_dereference_bh(peer->endpoint);
	if (likely(ep)) {
		err = send_to(peer->wg, peer, ep, skb, ds);
	} else {
		kfree_skb(skb);
		err = -EDESTADDRREQ;
	}
	rcu_read_unlock_bh();
	return err;
}

static bool wants_pages(const struct net_device *dev)
{
	/* what takes no list is given none: it cuts itself, or the stack does */
	if (!(dev->features & NETIF_F_FRAGLIST))
		return dev->features & NETIF_F_GSO_UDP_L4;
	/*
	 * Of what a tunnel has put into another packet, skb_segment() may be asked
	 * to make large ones out of a list, which it cannot.
	 */
	return (dev->type != ARPHRD_ETHER && dev->type != ARPHRD_LOOPBACK) ||
	       dev->gso_partial_features || netif_is_gretap(dev) ||
	       netif_is_ip6gretap(dev);
}

/* Where the peer's messages went last, or NULL. Under plain RCU, as routes are. */
static const struct net_device *last_device(struct wg_peer *peer)
{
	const struct wg_endpoint *ep = rcu_dereference(peer->endpoint);
	const struct wg_route *route = ep ? rcu_dereference(ep->route) : NULL;

	return route ? dst_dev_rcu(route->dst) : NULL;
}

bool wg_socket_wants_pages(struct wg_peer *peer)
{
	const struct net_device *dev;
	bool pages;

	rcu_read_lock();
	dev = last_device(peer);
	pages = dev && wants_pages(dev);
	rcu_read_unlock();
	return pages;
}

unsigned int wg_socket_list_room(struct wg_peer *peer)
{
	const struct net_device *dev;
	unsigned int room = 0;

	rcu_read_lock();
	dev = last_device(peer);
	if (dev && !wants_pages(dev))
		room = LL_RESERVED_SPACE(dev) + WG_OUTER_HEADROOM;
	rcu_read_unlock();
	return room;
}

static struct sk_buff *message(const void *msg, size_t len)
{
	struct sk_buff *skb = alloc_skb(LL_MAX_HEADER + WG_OUTER_HEADROOM + len,
					GFP_ATOMIC);

	if (!skb)
		return NULL;
	skb_reserve(skb, LL_MAX_HEADER + WG_OUTER_HEADROOM);
	skb_put_data(skb, msg, len);
	return skb;
}

int wg_socket_send_handshake(struct wg_peer *peer, const void *msg, size_t len)
{
	struct sk_buff *skb = message(msg, len);
	int err;

	if (!skb)
		return -ENOMEM;
	err = wg_socket_send(peer, skb, WG_HANDSHAKE_DS);
	local_bh_disable();
	if (!err) {
		dev_sw_netstats_tx_add(peer->wg->dev, 1, len);
		atomic64_add(len, &peer->tx_bytes);
	} else {
		DEV_STATS_INC(peer->wg->dev, tx_errors);
	}
	local_bh_enable();
	return err;
}

int wg_socket_reply(struct wg_device *wg, const struct sk_buff *to,
		    const void *msg, size_t len)
{
	struct sk_buff *skb = message(msg, len);
	struct wg_endpoint ep;
	int err;

	if (!skb)
		return -ENOMEM;
	if (!wg_endpoint_from_skb(&ep, to)) {
		kfree_skb(skb);
		return -EAFNOSUPPORT;
	}
	rcu_read_lock_bh();
	err = send_to(wg, NULL, &ep, skb, 0);
	if (!err)
		dev_sw_netstats_tx_add(wg->dev, 1, len);
	rcu_read_unlock_bh();
	return err;
}

static void release(struct sock *sk)
{
	if (sk)
		udp_tunnel_sock_release(sk);
}

static struct sock *bind_one(struct wg_device *wg, struct net *net,
			     struct udp_port_cfg *cfg)
{
	struct udp_tunnel_sock_cfg tunnel = {
		.sk_user_data = wg,
		.encap_type = 1,
		.encap_rcv = wg_rx_udp,
	};
	struct socket *sock;
	int err = udp_sock_create(net, cfg, &sock);

	if (err)
		return ERR_PTR(err);
	sock->sk->sk_allocation = GFP_ATOMIC;
	sock->sk->sk_sndbuf = INT_MAX;
	setup_udp_tunnel_sock(net, sock->sk, &tunnel);
	/* sums are of no use where every message is authenticated */
	inet_dec_convert_csum(sock->sk);
	return sock->sk;
}

#if IS_ENABLED(CONFIG_IPV6)
/* Its IPv6 socket at the same port, big endian, or NULL without IPv6. */
static struct sock *bind6(struct wg_device *wg, struct net *net, __be16 port)
{
	struct udp_port_cfg cfg = {
		.family = AF_INET6,
		.local_ip6 = IN6ADDR_ANY_INIT,
		.local_udp_port = port,
		.use_udp6_tx_checksums = true,
		.use_udp6_rx_checksums = true,
		.ipv6_v6only = true,
	};

	return ipv6_mod_enabled() ? bind_one(wg, net, &cfg) : NULL;
}
#else
static struct sock *bind6(struct wg_device *wg, struct net *net, __be16 port)
{
	return NULL;
}
#endif

/* Binds the pair. Both out pointers are set on success only. */
static int bind_pair(struct wg_device *wg, struct net *net, u16 port,
		     struct sock **sk4, struct sock **sk6)
{
	struct udp_port_cfg cfg = {
		.family = AF_INET,
		.local_ip.s_addr = htonl(INADDR_ANY),
		.local_udp_port = htons(port),
		.use_udp_checksums = true,
	};
	int tries = port ? 1 : PORT_TRIES;
	struct sock *a, *b;

again:
	a = bind_one(wg, net, &cfg);
	if (IS_ERR(a))
		return PTR_ERR(a);
	b = bind6(wg, net, inet_sk(a)->inet_sport);
	if (IS_ERR(b)) {
		release(a);
		if (PTR_ERR(b) == -EADDRINUSE && --tries > 0)
			goto again;
		return PTR_ERR(b);
	}
	*sk4 = a;
	*sk6 = b;
	return 0;
}

static void swap_sockets(struct wg_device *wg, struct sock *sk4,
			 struct sock *sk6)
{
	struct sock *old4, *old6;

	old4 = rcu_replace_pointer(wg->sock4, sk4, lockdep_is_held(&wg->lock));
	old6 = rcu_replace_pointer(wg->sock6, sk6, lockdep_is_held(&wg->lock));
	if (!old4 && !old6)
		return;
	/*
	 * Senders are done with them. A receiver may still be at work when they
	 * are released: it has @wg under RCU, and the stack waits for that
	 * between ndo_stop and ndo_uninit.
	 */
	synchronize_net();
	release(old4);
	release(old6);
}

int wg_socket_open(struct wg_device *wg, u16 port)
{
	struct sock *sk4, *sk6;
	struct net *net;
	int err;

	lockdep_assert_held(&wg->lock);
	rcu_read_lock();
	net = rcu_dereference(wg->birth_net);
	net = net ? maybe_get_net(net) : NULL;
	rcu_read_unlock();
	if (!net)
		return -ENONET;
	err = bind_pair(wg, net, port, &sk4, &sk6);
	if (!err) {
		wg->port = ntohs(inet_sk(sk4)->inet_sport);
		swap_sockets(wg, sk4, sk6);
	}
	put_net(net);
	return err;
}

void wg_socket_close(struct wg_device *wg)
{
	lockdep_assert_held(&wg->lock);
	swap_sockets(wg, NULL, NULL);
}
