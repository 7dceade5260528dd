// SPDX-License-Identifier: GPL-2.0-only
/* one-of: udp_tunnel6_xmit_skb */
#include <net/udp_tunnel.h>
void probe(struct dst_entry *dst, struct sk_buff *skb, struct in6_addr *a);
void probe(struct dst_entry *dst, struct sk_buff *skb, struct in6_addr *a) { udp_tunnel6_xmit_skb(dst, NULL, skb, NULL, a, a, 0, 0, 0, 0, 0, false); }
