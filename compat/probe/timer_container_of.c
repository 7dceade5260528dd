// SPDX-License-Identifier: GPL-2.0-only
#include <linux/timer.h>
struct x { struct timer_list timer; };
void *probe(struct timer_list *t);
void *probe(struct timer_list *t) { struct x *x = timer_container_of(x, t, timer); return x; }
