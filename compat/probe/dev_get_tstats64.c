// SPDX-License-Identifier: GPL-2.0-only
/* export: dev_get_tstats64 */
#include <linux/netdevice.h>
void probe(struct net_device *dev, struct rtnl_link_stats64 *s);
void probe(struct net_device *dev, struct rtnl_link_stats64 *s)
{
	dev_get_tstats64(dev, s);
}
