// SPDX-License-Identifier: GPL-2.0-only
/* What ethtool shows and sets beyond the features. See ethtool.h. */

#include <linux/ethtool.h>
#include <linux/rtnetlink.h>
#include <linux/string.h>
#include "device.h"
#include "ethtool.h"

enum { FLAG_OUTER_GSO };

static const char flag_names[][ETH_GSTRING_LEN] = {
	[FLAG_OUTER_GSO] = "outer-gso",
};

enum {
	STAT_TX_GSO_DATAGRAMS,
	STAT_TX_GSO_MESSAGES,
	STAT_TX_WORKER_BATCHES,
	STAT_TX_WORKER_MESSAGES,
	STAT_RX_WORKER_BATCHES,
	STAT_RX_WORKER_MESSAGES,
	STAT_TX_GSO_LISTS,
	STAT_RX_COPIED_MESSAGES,
	STAT_TX_ROUTE_LOOKUPS,
};

static const char stat_names[][ETH_GSTRING_LEN] = {
	[STAT_TX_GSO_DATAGRAMS] = "tx_outer_gso_datagrams",
	[STAT_TX_GSO_MESSAGES] = "tx_outer_gso_messages",
	[STAT_TX_WORKER_BATCHES] = "tx_worker_batches",
	[STAT_TX_WORKER_MESSAGES] = "tx_worker_messages",
	[STAT_RX_WORKER_BATCHES] = "rx_worker_batches",
	[STAT_RX_WORKER_MESSAGES] = "rx_worker_messages",
	[STAT_TX_GSO_LISTS] = "tx_outer_gso_lists",
	[STAT_RX_COPIED_MESSAGES] = "rx_copied_messages",
	[STAT_TX_ROUTE_LOOKUPS] = "tx_route_lookups",
};

static int get_sset_count(struct net_device *dev, int set)
{
	switch (set) {
	case ETH_SS_PRIV_FLAGS:
		return ARRAY_SIZE(flag_names);
	case ETH_SS_STATS:
		return ARRAY_SIZE(stat_names);
	default:
		return -EOPNOTSUPP;
	}
}

static void get_strings(struct net_device *dev, u32 set, u8 *to)
{
	if (set == ETH_SS_PRIV_FLAGS)
		memcpy(to, flag_names, sizeof(flag_names));
	else if (set == ETH_SS_STATS)
		memcpy(to, stat_names, sizeof(stat_names));
}

static void get_ethtool_stats(struct net_device *dev,
			      struct ethtool_stats *stats, u64 *to)
{
	struct wg_device *wg = netdev_priv(dev);

	to[STAT_TX_GSO_DATAGRAMS] = atomic64_read(&wg->gso_datagrams);
	to[STAT_TX_GSO_MESSAGES] = atomic64_read(&wg->gso_messages);
	to[STAT_TX_WORKER_BATCHES] = atomic64_read(&wg->worker_batches[true]);
	to[STAT_TX_WORKER_MESSAGES] = atomic64_read(&wg->worker_messages[true]);
	to[STAT_RX_WORKER_BATCHES] = atomic64_read(&wg->worker_batches[false]);
	to[STAT_RX_WORKER_MESSAGES] =
		atomic64_read(&wg->worker_messages[false]);
	to[STAT_TX_GSO_LISTS] = atomic64_read(&wg->gso_lists);
	to[STAT_RX_COPIED_MESSAGES] = atomic64_read(&wg->copied_messages);
	to[STAT_TX_ROUTE_LOOKUPS] = atomic64_read(&wg->route_lookups);
}

static u32 get_priv_flags(struct net_device *dev)
{
	struct wg_device *wg = netdev_priv(dev);

	return READ_ONCE(wg->outer_gso) ? BIT(FLAG_OUTER_GSO) : 0;
}

static int set_priv_flags(struct net_device *dev, u32 flags)
{
	struct wg_device *wg = netdev_priv(dev);

	ASSERT_RTNL();
	WRITE_ONCE(wg->outer_gso, flags & BIT(FLAG_OUTER_GSO));
	return 0;
}

const struct ethtool_ops wg_ethtool_ops = {
	.get_sset_count = get_sset_count,
	.get_strings = get_strings,
	.get_ethtool_stats = get_ethtool_stats,
	.get_priv_flags = get_priv_flags,
	.set_priv_flags = set_priv_flags,
};
