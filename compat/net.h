/* SPDX-License-Identifier: GPL-2.0-only */
/* Routes. */
#ifndef WG_COMPAT_NET_H
#define WG_COMPAT_NET_H

#include <linux/ipv6.h>
#include <net/dst.h>
#include <net/ip6_fib.h>
#include <net/ipv6.h>
#include <net/route.h>

#if !WG_FACT_DST_RTABLE
static inline struct rtable *dst_rtable(struct dst_entry *dst)
{
	return container_of(dst, struct rtable, dst);
}
#endif

#if !WG_FACT_DST_RT6_INFO
static inline const struct rt6_info *dst_rt6_info(const struct dst_entry *dst)
{
	return container_of(dst, struct rt6_info, dst);
}
#endif

#if !WG_FACT_DST_DEV_RCU
static inline struct net_device *dst_dev_rcu(const struct dst_entry *dst)
{
	return READ_ONCE(dst->dev);
}
#endif

#if WG_FACT_IPV6_STUB && IS_ENABLED(CONFIG_IPV6)
#include <net/ipv6_stubs.h>
/* Not exported there: IPv6 is reached by way of the stub. */
#define ip6_dst_lookup_flow(net, sk, fl6, daddr) \
	ipv6_stub->ipv6_dst_lookup_flow(net, sk, fl6, daddr)
#endif

#endif /* WG_COMPAT_NET_H */
