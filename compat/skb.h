/* SPDX-License-Identifier: GPL-2.0-only */
/* Packets and their sockets. */
#ifndef WG_COMPAT_SKB_H
#define WG_COMPAT_SKB_H

#include <net/sock.h>

#if !WG_FACT_SK_IS_TCP
static inline bool sk_is_tcp(const struct sock *sk)
{
	return sk->sk_type == SOCK_STREAM && sk->sk_protocol == IPPROTO_TCP;
}
#endif

#if !WG_FACT_IS_SKB_WMEM
/*
 * Whether a packet is charged to its socket's send memory. tcp_wfree() is not
 * exported there: what TCP itself sends has it or __sock_wfree(), unless it
 * has one of those that charge nothing.
 */
static inline bool is_skb_wmem(const struct sk_buff *skb)
{
	if (skb->destructor == sock_wfree)
		return true;
	if (!skb->destructor || skb->destructor == sock_edemux ||
	    skb->destructor == sock_efree || skb->destructor == sock_rfree)
		return false;
#ifdef CONFIG_INET
	if (skb->destructor == sock_pfree)
		return false;
#endif
	return sk_fullsock(skb->sk) && sk_is_tcp(skb->sk);
}
#endif

#endif /* WG_COMPAT_SKB_H */
