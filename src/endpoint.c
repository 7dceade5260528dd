// SPDX-License-Identifier: GPL-2.0-only
/* Endpoints, swapped under RCU. Protocol, "Outer socket". */

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/slab.h>
#include <linux/udp.h>
#include <net/dst.h>
#include <net/ipv6.h>
#include "endpoint.h"
#include "peer.h"

static void route_free(struct wg_route *route)
{
	dst_release(route->dst);
	kfree(route);
}

static void route_free_rcu(struct rcu_head *rcu)
{
	route_free(container_of(rcu, struct wg_route, rcu));
}

void wg_route_retire(struct wg_route *route)
{
	if (route)
		call_rcu(&route->rcu, route_free_rcu);
}

static void drop_route(struct wg_endpoint *ep)
{
	wg_route_retire(unrcu_pointer(xchg(&ep->route, NULL)));
}

/*
 * A sender that still looks at an endpoint may put a route into it after it
 * was replaced, so what is there is dropped once no sender can.
 */
static void endpoint_free_rcu(struct rcu_head *rcu)
{
	struct wg_endpoint *ep = container_of(rcu, struct wg_endpoint, rcu);
	struct wg_route *route = rcu_dereference_protected(ep->route, true);

	if (route)
		route_free(route);
	kfree(ep);
}

static struct wg_endpoint *current_endpoint(struct wg_peer *peer)
{
	return rcu_dereference_protected(peer->endpoint,
				lockdep_is_held(&peer->endpoint_lock));
}

static void replace(struct wg_peer *peer, struct wg_endpoint *ep)
{
	struct wg_endpoint *old;

	lockdep_assert_held(&peer->endpoint_lock);
	old = rcu_replace_pointer(peer->endpoint, ep,
				  lockdep_is_held(&peer->endpoint_lock));
	if (old)
		call_rcu(&old->rcu, endpoint_free_rcu);
}

/* The route is not part of it, senders may be replacing it. */
static void copy(struct wg_endpoint *to, const struct wg_endpoint *from)
{
	memcpy(to, from, offsetof(struct wg_endpoint, route));
}

static bool same_remote(const struct wg_endpoint *a,
			const struct wg_endpoint *b)
{
	if (a->addr.sa_family != b->addr.sa_family)
		return false;
	if (a->addr.sa_family == AF_INET)
		return a->addr4.sin_port == b->addr4.sin_port &&
		       a->addr4.sin_addr.s_addr == b->addr4.sin_addr.s_addr;
	return a->addr6.sin6_port == b->addr6.sin6_port &&
	       a->addr6.sin6_scope_id == b->addr6.sin6_scope_id &&
	       ipv6_addr_equal(&a->addr6.sin6_addr, &b->addr6.sin6_addr);
}

static bool same_source(const struct wg_endpoint *a,
			const struct wg_endpoint *b)
{
	if (a->addr.sa_family == AF_INET)
		return a->src4.s_addr == b->src4.s_addr &&
		       a->src_ifindex == b->src_ifindex;
	return ipv6_addr_equal(&a->src6, &b->src6);
}

bool wg_endpoint_from_skb(struct wg_endpoint *ep, const struct sk_buff *skb)
{
	memset(ep, 0, sizeof(*ep));
	if (skb->protocol == htons(ETH_P_IP)) {
		ep->addr4.sin_family = AF_INET;
		ep->addr4.sin_port = udp_hdr(skb)->source;
		ep->addr4.sin_addr.s_addr = ip_hdr(skb)->saddr;
		ep->src4.s_addr = ip_hdr(skb)->daddr;
		ep->src_ifindex = skb->skb_iif;
		return true;
	}
	if (skb->protocol == htons(ETH_P_IPV6)) {
		ep->addr6.sin6_family = AF_INET6;
		ep->addr6.sin6_port = udp_hdr(skb)->source;
		ep->addr6.sin6_addr = ipv6_hdr(skb)->saddr;
		ep->addr6.sin6_scope_id =
			ipv6_iface_scope_id(&ipv6_hdr(skb)->saddr,
					    skb->skb_iif);
		ep->src6 = ipv6_hdr(skb)->daddr;
		return true;
	}
	return false;
}

bool wg_endpoint_set(struct wg_peer *peer, const struct wg_endpoint *ep)
{
	struct wg_endpoint *old, *new;
	bool moved = false;

	rcu_read_lock_bh();
	old = rcu_dereference_bh(peer->endpoint);
	if (old && same_remote(old, ep) && same_source(old, ep))
		goto out;
	new = kzalloc_obj(*new, GFP_ATOMIC);
	if (!new)
		goto out;
	copy(new, ep);
	spin_lock(&peer->endpoint_lock);
	if (unlikely(READ_ONCE(peer->dead))) {
		/* what is set from here on nobody would clear */
		kfree(new);
	} else {
		moved = !old || !same_remote(old, ep);
		replace(peer, new);
	}
	spin_unlock(&peer->endpoint_lock);
out:
	rcu_read_unlock_bh();
	return moved;
}

int wg_endpoint_configure(struct wg_peer *peer, const struct wg_endpoint *ep)
{
	/* charged to whoever configures it */
	struct wg_endpoint *old, *new = kzalloc_obj(*new, GFP_KERNEL_ACCOUNT);

	if (!new)
		return -ENOMEM;
	copy(new, ep);
	spin_lock_bh(&peer->endpoint_lock);
	old = current_endpoint(peer);
	if (READ_ONCE(peer->dead) ||
	    (old && same_remote(old, ep) && same_source(old, ep)))
		kfree(new);
	else
		replace(peer, new);
	spin_unlock_bh(&peer->endpoint_lock);
	return 0;
}

void wg_endpoint_forget_source(struct wg_peer *peer, gfp_t gfp)
{
	struct wg_endpoint *old, *new;

	if (!rcu_access_pointer(peer->endpoint))
		return;
	new = kzalloc_obj(*new, gfp);
	spin_lock_bh(&peer->endpoint_lock);
	old = current_endpoint(peer);
	if (old && new) {
		copy(new, old);
		memset(&new->src6, 0, sizeof(new->src6));
		replace(peer, new);
	} else {
		if (old)
			drop_route(old);
		kfree(new);
	}
	spin_unlock_bh(&peer->endpoint_lock);
}

void wg_endpoint_clear(struct wg_peer *peer)
{
	spin_lock_bh(&peer->endpoint_lock);
	replace(peer, NULL);
	spin_unlock_bh(&peer->endpoint_lock);
}
