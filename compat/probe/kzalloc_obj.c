// SPDX-License-Identifier: GPL-2.0-only
#include <linux/slab.h>
struct x { int a; };
void *probe(struct x *x);
void *probe(struct x *x) { x = kzalloc_obj(*x, GFP_KERNEL); return x ?: kzalloc_objs(*x, 2, GFP_KERNEL); }
