// SPDX-License-Identifier: GPL-2.0-only
#include <linux/netdevice.h>
void probe(struct net_device *dev, netdevice_tracker *t);
void probe(struct net_device *dev, netdevice_tracker *t) { netdev_put(dev, t); }
