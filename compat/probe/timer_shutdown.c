// SPDX-License-Identifier: GPL-2.0-only
/* export: timer_shutdown_sync timer_shutdown */
#include <linux/timer.h>
int probe(struct timer_list *t);
int probe(struct timer_list *t) { return timer_shutdown_sync(t) + timer_shutdown(t); }
