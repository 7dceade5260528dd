// SPDX-License-Identifier: GPL-2.0-only
/* export: netdev_get_by_index netdev_get_by_name */
#include <linux/netdevice.h>
void *probe(struct net *net, netdevice_tracker *t);
void *probe(struct net *net, netdevice_tracker *t) { return netdev_get_by_index(net, 1, t, GFP_KERNEL) ?: netdev_get_by_name(net, "x", t, GFP_KERNEL); }
