/* SPDX-License-Identifier: GPL-2.0-only */
/* Timers and workqueues. */
#ifndef WG_COMPAT_SCHED_H
#define WG_COMPAT_SCHED_H

#include <linux/sched/isolation.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

#if !WG_FACT_TIMER_CONTAINER_OF
#define timer_container_of(var, timer, field) from_timer(var, timer, field)
#endif

#if !WG_FACT_TIMER_DELETE_SYNC
#define timer_delete_sync(timer) del_timer_sync(timer)
#endif

#if !WG_FACT_TIMER_SHUTDOWN
/*
 * Deleted only: it may be armed once more by who was just doing so. The
 * callback must then do nothing, and who frees it says timer_shutdown() when
 * nobody can arm it any more.
 */
#define timer_shutdown_sync(timer)	timer_delete_sync(timer)
#define timer_shutdown(timer)		timer_delete_sync(timer)
#endif

#if !WG_FACT_WQ_PERCPU
/* What it asks for was the default. */
#define WQ_PERCPU 0
#endif

#if !WG_FACT_HK_TYPE
/* The same, one bit each. */
#define HK_TYPE_DOMAIN	HK_FLAG_DOMAIN
#define HK_TYPE_WQ	HK_FLAG_WQ
#endif

#endif /* WG_COMPAT_SCHED_H */
