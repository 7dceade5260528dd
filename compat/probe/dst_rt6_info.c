// SPDX-License-Identifier: GPL-2.0-only
#include <net/ip6_fib.h>
const void *probe(struct dst_entry *dst);
const void *probe(struct dst_entry *dst) { return dst_rt6_info(dst); }
