// SPDX-License-Identifier: GPL-2.0-only
/* control: must compile */
#include <linux/module.h>
#include <linux/netdevice.h>
int probe(void);
int probe(void) { return sizeof(struct net_device); }
