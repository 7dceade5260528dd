// SPDX-License-Identifier: GPL-2.0-only
/* export: netif_set_tso_max_size */
#include <linux/netdevice.h>
void probe(struct net_device *dev);
void probe(struct net_device *dev) { netif_set_tso_max_size(dev, GSO_LEGACY_MAX_SIZE); }
