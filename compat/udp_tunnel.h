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

#if WG_FACT_UDP_TUNNEL_XMIT_PLAIN
#define udp_tunnel_xmit_skb(rt, sk, skb, src, dst, tos, ttl, df, sport,	\
			    dport, xnet, nocheck, flags)		\
	udp_tunnel_xmit_skb(rt, sk, skb, src, dst, tos, ttl, df, sport,	\
			    dport, xnet, nocheck)
#endif

#if WG_FACT_UDP_TUNNEL6_XMIT_PLAIN
#define udp_tunnel6_xmit_skb(dst, sk, skb, dev, saddr, daddr, prio, ttl,	\
			     label, sport, dport, nocheck, flags)	\
	udp_tunnel6_xmit_skb(dst, sk, skb, dev, saddr, daddr, prio, ttl, \
			     label, sport, dport, nocheck)
#endif

#endif /* WG_COMPAT_UDP_TUNNEL_H */
