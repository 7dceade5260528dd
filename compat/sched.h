/* SPDX-License-Identifier: GPL-2.0-only */
/* Timers and workqueues. */
#ifndef WG_COMPAT_SCHED_H
#define WG_COMPAT_SCHED_H

#include <linux/timer.h>
#include <linux/workqueue.h>

#if !WG_FACT_TIMER_CONTAINER_OF
#define timer_container_of(var, timer, field) from_timer(var, timer, field)
#endif

#if !WG_FACT_WQ_PERCPU
/* What it asks for was the default. */
#define WQ_PERCPU 0
#endif

#endif /* WG_COMPAT_SCHED_H */
