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

/* Packets and bytes are counted for each CPU. */
#if WG_FACT_PCPU_STAT_TYPE
static inline void wg_netdev_set_tstats(struct net_device *dev)
{
	dev->pcpu_stat_type = NETDEV_PCPU_STAT_TSTATS;
}
#else
/* Before 6.7 by counters that the driver makes, and that live as long as it. */
static inline void wg_netdev_free_tstats(struct net_device *dev)
{
	free_percpu(dev->tstats);
	dev->tstats = NULL;
}

static inline void wg_netdev_set_tstats(struct net_device *dev)
{
	dev->priv_destructor = wg_netdev_free_tstats;
}

static inline int wg_register_netdevice(struct net_device *dev)
{
	int err;

	dev->tstats = netdev_alloc_pcpu_stats(struct pcpu_sw_netstats);
	if (!dev->tstats)
		return -ENOMEM;
	err = register_netdevice(dev);
	/* once it was registered, its end calls the destructor */
	if (err && dev->reg_state == NETREG_UNINITIALIZED)
		wg_netdev_free_tstats(dev);
	return err;
}

#define register_netdevice wg_register_netdevice
#endif

#if !WG_FACT_DEV_GET_TSTATS64
static inline void dev_get_tstats64(struct net_device *dev,
				    struct rtnl_link_stats64 *stats)
{
	netdev_stats_to_stats64(stats, &dev->stats);
	dev_fetch_sw_netstats(stats, dev->tstats);
}
#endif

#if !WG_FACT_DEV_SW_NETSTATS_TX_ADD
static inline void dev_sw_netstats_tx_add(struct net_device *dev,
					  unsigned int packets,
					  unsigned int bytes)
{
	struct pcpu_sw_netstats *tstats = this_cpu_ptr(dev->tstats);

	u64_stats_update_begin(&tstats->syncp);
	tstats->tx_bytes += bytes;
	tstats->tx_packets += packets;
	u64_stats_update_end(&tstats->syncp);
}
#endif

#if !WG_FACT_NETIF_TSO_MAX_SIZE
/* It has no limit of its own there: what leaves is no larger than this. */
#define GSO_LEGACY_MAX_SIZE 65536U
#define netif_set_tso_max_size(dev, size) netif_set_gso_max_size(dev, size)
#endif

#if WG_FACT_NAPI_ADD_WEIGHT
#define netif_napi_add(dev, napi, poll) \
	netif_napi_add(dev, napi, poll, NAPI_POLL_WEIGHT)
#endif

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

#if !WG_FACT_NETDEV_TRACKER
/* Before 6.0 nobody keeps book of who holds a device. */
struct wg_no_tracker { };

#define netdevice_tracker struct wg_no_tracker

static inline void netdev_tracker_alloc(struct net_device *dev,
					netdevice_tracker *tracker, gfp_t gfp)
{
}

static inline void netdev_put(struct net_device *dev,
			      netdevice_tracker *tracker)
{
	if (dev)
		dev_put(dev);
}
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
