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

static const char stat_names[][ETH_GSTRING_LEN] = {
	"tx_outer_gso_datagrams",
	"tx_outer_gso_messages",
	"tx_worker_batches",
	"tx_worker_messages",
	"rx_worker_batches",
	"rx_worker_messages",
	"tx_outer_gso_lists",
	"rx_copied_messages",
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

	to[0] = atomic64_read(&wg->gso_datagrams);
	to[1] = atomic64_read(&wg->gso_messages);
	to[2] = atomic64_read(&wg->worker_batches[true]);
	to[3] = atomic64_read(&wg->worker_messages[true]);
	to[4] = atomic64_read(&wg->worker_batches[false]);
	to[5] = atomic64_read(&wg->worker_messages[false]);
	to[6] = atomic64_read(&wg->gso_lists);
	to[7] = atomic64_read(&wg->copied_messages);
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
