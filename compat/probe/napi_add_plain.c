// SPDX-License-Identifier: GPL-2.0-only
/* one-of: netif_napi_add */
#include <linux/netdevice.h>
static int poll(struct napi_struct *napi, int budget) { return 0; }
void probe(struct net_device *dev, struct napi_struct *napi);
void probe(struct net_device *dev, struct napi_struct *napi) { netif_napi_add(dev, napi, poll); }
