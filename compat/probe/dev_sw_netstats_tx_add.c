// SPDX-License-Identifier: GPL-2.0-only
#include <linux/netdevice.h>
void probe(struct net_device *dev);
void probe(struct net_device *dev) { dev_sw_netstats_tx_add(dev, 1, 2); }
