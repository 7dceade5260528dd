// SPDX-License-Identifier: GPL-2.0-only
#include <net/genetlink.h>
const void *probe(struct netlink_callback *cb);
const void *probe(struct netlink_callback *cb) { return genl_info_dump(cb)->attrs; }
