// SPDX-License-Identifier: GPL-2.0-only
/* one-of: newlink */
#include <net/rtnetlink.h>
int fn(struct net *src_net, struct net_device *dev, struct nlattr *tb[], struct nlattr *data[], struct netlink_ext_ack *extack);
_Static_assert(__builtin_types_compatible_p(typeof(((struct rtnl_link_ops *)0)->newlink), typeof(&fn)), "");
