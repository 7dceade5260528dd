// SPDX-License-Identifier: GPL-2.0-only
/* one-of: udp_tunnel_xmit_skb */
#include <net/udp_tunnel.h>
void fn(struct rtable *rt, struct sock *sk, struct sk_buff *skb, __be32 src, __be32 dst, __u8 tos, __u8 ttl, __be16 df, __be16 sport, __be16 dport, bool xnet, bool nocheck);
_Static_assert(__builtin_types_compatible_p(typeof(&udp_tunnel_xmit_skb), typeof(&fn)), "");
