// SPDX-License-Identifier: GPL-2.0-only
#include <net/dst.h>
void *probe(struct dst_entry *dst);
void *probe(struct dst_entry *dst) { return dst_dev_rcu(dst); }
