/* SPDX-License-Identifier: GPL-2.0-only */
/* UDP tunnels. */
#ifndef WG_COMPAT_UDP_TUNNEL_H
#define WG_COMPAT_UDP_TUNNEL_H

#include <net/udp_tunnel.h>

#if WG_FACT_UDP_TUNNEL_RELEASE_SOCKET
static inline void wg_udp_tunnel_sock_release(struct sock *sk)
{
	udp_tunnel_sock_release(sk->sk_socket);
}

#define udp_tunnel_sock_release wg_udp_tunnel_sock_release
#endif

#if WG_FACT_UDP_TUNNEL_SETUP_SOCKET
static inline void wg_setup_udp_tunnel_sock(struct net *net, struct sock *sk,
					    struct udp_tunnel_sock_cfg *cfg)
{
	setup_udp_tunnel_sock(net, sk->sk_socket, cfg);
}

#define setup_udp_tunnel_sock wg_setup_udp_tunnel_sock
#endif

/* The flags of the control block came in 6.16; zero says what there was. */
#if WG_FACT_UDP_TUNNEL_XMIT_PLAIN
static inline void
wg_udp_tunnel_xmit_skb(struct rtable *rt, struct sock *sk, struct sk_buff *skb,
		       __be32 src, __be32 dst, u8 tos, u8 ttl, __be16 df,
		       __be16 src_port, __be16 dst_port, bool xnet,
		       bool nocheck, u16 ipcb_flags)
{
	udp_tunnel_xmit_skb(rt, sk, skb, src, dst, tos, ttl, df, src_port,
			    dst_port, xnet, nocheck);
}

#define udp_tunnel_xmit_skb wg_udp_tunnel_xmit_skb
#endif

#if WG_FACT_UDP_TUNNEL6_XMIT_PLAIN && IS_ENABLED(CONFIG_IPV6)
static inline void
wg_udp_tunnel6_xmit_skb(struct dst_entry *dst, struct sock *sk,
			struct sk_buff *skb, struct net_device *dev,
			struct in6_addr *saddr, struct in6_addr *daddr,
			u8 prio, u8 ttl, __be32 label, __be16 src_port,
			__be16 dst_port, bool nocheck, u16 ip6cb_flags)
{
	/*
	 * Or it takes the inner packet's socket, where there is one, for the
	 * outer packet's, and fragments by that socket's options. Later kernels
	 * do this themselves.
	 */
	dev_xmit_recursion_inc();
	udp_tunnel6_xmit_skb(dst, sk, skb, dev, saddr, daddr, prio, ttl, label,
			     src_port, dst_port, nocheck);
	dev_xmit_recursion_dec();
}

#define udp_tunnel6_xmit_skb wg_udp_tunnel6_xmit_skb
#endif

#endif /* WG_COMPAT_UDP_TUNNEL_H */
