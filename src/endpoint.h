/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Endpoints: where a peer is, from which of our addresses it is reached, and
 * the route that was found. Immutable objects, swapped under RCU.
 * Protocol, "What a drop-in must also match", "Outer socket".
 */
#ifndef WG_ENDPOINT_H
#define WG_ENDPOINT_H

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/rcupdate.h>
#include <linux/skbuff.h>

struct dst_entry;
struct wg_peer;

/**
 * struct wg_route - a route that was looked up once; immutable
 * @dst: the route, holds a reference
 * @cookie: for dst_check()
 * @src4: source address to write, IPv4
 * @src6: source address to write, IPv6
 * @rcu: for freeing
 */
struct wg_route {
	struct dst_entry *dst;
	u32 cookie;
	union {
		struct in_addr src4;
		struct in6_addr src6;
	};
	struct rcu_head rcu;
};

/**
 * struct wg_endpoint - where a peer is; immutable but for @route
 * @addr: remote address; sa_family is AF_INET or AF_INET6
 * @addr4: the same as IPv4
 * @addr6: the same as IPv6
 * @src4: our address that the peer last reached, 0 for none
 * @src_ifindex: interface on which @src4 was reached
 * @src6: our address that the peer last reached, :: for none
 * @route: cached route or NULL; RCU, replaced by xchg
 * @rcu: for freeing
 */
struct wg_endpoint {
	union {
		struct sockaddr addr;
		struct sockaddr_in addr4;
		struct sockaddr_in6 addr6;
	};
	union {
		struct {
			struct in_addr src4;
			int src_ifindex;
		};
		struct in6_addr src6;
	};
	struct wg_route __rcu *route;
	struct rcu_head rcu;
};

/**
 * wg_endpoint_from_skb() - endpoint that a received datagram implies
 * @ep: out: filled in, without route
 * @skb: network and transport header are those of the outer packet
 *
 * Return: false where the packet is neither IPv4 nor IPv6.
 */
bool wg_endpoint_from_skb(struct wg_endpoint *ep, const struct sk_buff *skb);

/**
 * wg_endpoint_set() - give a peer an endpoint
 * @peer: the peer
 * @ep: the new one, copied; its source and all are taken as they are
 *
 * Softirq or process context. Nothing happens where it equals the present
 * one. On lack of memory the old one stays.
 *
 * Return: whether the remote address changed.
 */
bool wg_endpoint_set(struct wg_peer *peer, const struct wg_endpoint *ep);

/**
 * wg_endpoint_configure() - give a peer the endpoint that its user wants
 * @peer: the peer
 * @ep: the new one, copied
 *
 * Process context, may sleep. Nothing happens where it equals the present one.
 *
 * Return: 0, or -ENOMEM, and then the old one stays.
 */
int wg_endpoint_configure(struct wg_peer *peer, const struct wg_endpoint *ep);

/**
 * wg_endpoint_forget_source() - forget source address and route
 * @peer: the peer
 * @gfp: how memory is to be had in this context
 *
 * Softirq or process context. On lack of memory only the route is forgotten.
 */
void wg_endpoint_forget_source(struct wg_peer *peer, gfp_t gfp);

/**
 * wg_route_retire() - drop a route after a grace period
 * @route: taken out of its endpoint, or NULL
 */
void wg_route_retire(struct wg_route *route);

/**
 * wg_endpoint_clear() - a peer has no endpoint any more
 * @peer: the peer
 */
void wg_endpoint_clear(struct wg_peer *peer);

#endif /* WG_ENDPOINT_H */
