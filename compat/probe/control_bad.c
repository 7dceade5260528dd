// SPDX-License-Identifier: GPL-2.0-only
/* control: must not compile */
#include <linux/netdevice.h>
int probe(struct net_device *dev);
int probe(struct net_device *dev) { return dev->wg_no_such_field; }
