/* SPDX-License-Identifier: GPL-2.0-only */
/* Network devices and their creation. */
#ifndef WG_COMPAT_NETDEV_H
#define WG_COMPAT_NETDEV_H

#include <linux/netdevice.h>
#include <net/rtnetlink.h>

/* Transmit needs no lock of the stack: a bit, or before 6.12 a feature. */
static inline void wg_netdev_set_lltx(struct net_device *dev)
{
#if WG_FACT_NETDEV_LLTX
	dev->lltx = true;
#else
	dev->features |= NETIF_F_LLTX;
#endif
}

#if WG_FACT_NEWLINK_PARAMS
#define WG_NEWLINK_OP(fn) \
	static_assert(__same_type(&(fn), ((struct rtnl_link_ops *)0)->newlink))
#define WG_NEWLINK(fn) fn
#else
/* Before 6.15: src_net is the link's namespace, or else the asker's. */
struct rtnl_newlink_params {
	struct net *src_net;
};

static inline struct net *
rtnl_newlink_link_net(struct rtnl_newlink_params *params)
{
	return params->src_net;
}

#define WG_NEWLINK_OP(fn)						\
static int fn##_op(struct net *src_net, struct net_device *dev,	\
		   struct nlattr *tb[], struct nlattr *data[],		\
		   struct netlink_ext_ack *extack)			\
{									\
	struct rtnl_newlink_params params = { .src_net = src_net };	\
									\
	return fn(dev, &params, extack);				\
}									\
static_assert(true)
#define WG_NEWLINK(fn) fn##_op
#endif

#if !WG_FACT_NETDEV_GET_BY
static inline struct net_device *
wg_netdev_track(struct net_device *dev, netdevice_tracker *tracker, gfp_t gfp)
{
	if (dev)
		netdev_tracker_alloc(dev, tracker, gfp);
	return dev;
}

#define netdev_get_by_index(net, ifindex, tracker, gfp) \
	wg_netdev_track(dev_get_by_index(net, ifindex), tracker, gfp)
#define netdev_get_by_name(net, name, tracker, gfp) \
	wg_netdev_track(dev_get_by_name(net, name), tracker, gfp)
#endif

#endif /* WG_COMPAT_NETDEV_H */
