/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One CPU's view of RCU. Callbacks wait for rcu_barrier(), so that ASan sees
 * whatever is used after its grace period, and lockdep's rules are enforced:
 * rcu_dereference() under rcu_read_lock(), rcu_dereference_bh() with BH off.
 */
#ifndef UNIT_LINUX_RCUPDATE_H
#define UNIT_LINUX_RCUPDATE_H

#include <linux/bottom_half.h>
#include <linux/compiler.h>
#include <linux/container_of.h>
#include <linux/types.h>
#include "../standin.h"

void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head));
void rcu_barrier(void);
void synchronize_rcu(void);

static inline void rcu_read_lock(void)
{
	standin_context.rcu++;
}

static inline void rcu_read_unlock(void)
{
	STANDIN_ASSERT(standin_context.rcu > 0);
	standin_context.rcu--;
}

static inline bool rcu_read_lock_held(void)
{
	return standin_context.rcu > 0;
}

static inline bool rcu_read_lock_bh_held(void)
{
	return standin_context.bh > 0;
}

#define rcu_read_lock_bh()	local_bh_disable()
#define rcu_read_unlock_bh()	local_bh_enable()
#define rcu_read_lock_any_held()					\
	(rcu_read_lock_held() || rcu_read_lock_bh_held())

#define unit_rcu_load(p, cond)						\
({									\
	STANDIN_ASSERT(cond);						\
	typeof(p) rcu_loaded = __atomic_load_n(&(p), __ATOMIC_CONSUME);	\
	standin_rcu_loaded();						\
	rcu_loaded;							\
})
#define rcu_dereference_check(p, c)					\
	unit_rcu_load(p, (c) || rcu_read_lock_held())
#define rcu_dereference_bh_check(p, c)					\
	unit_rcu_load(p, (c) || rcu_read_lock_bh_held())
#define rcu_dereference_all_check(p, c)					\
	unit_rcu_load(p, (c) || rcu_read_lock_any_held())
#define rcu_dereference(p)	rcu_dereference_check(p, false)
#define rcu_dereference_bh(p)	rcu_dereference_bh_check(p, false)
#define rcu_dereference_all(p)	rcu_dereference_all_check(p, false)
#define rcu_dereference_raw(p)	unit_rcu_load(p, true)
#define rcu_dereference_protected(p, c)					\
({									\
	STANDIN_ASSERT(c);						\
	(p);								\
})
#define rcu_access_pointer(p)	__atomic_load_n(&(p), __ATOMIC_RELAXED)

#define rcu_assign_pointer(p, v)					\
	do {								\
		__atomic_store_n(&(p), (v), __ATOMIC_RELEASE);		\
		standin_rcu_stored();					\
	} while (0)
#define RCU_INIT_POINTER(p, v)						\
	do {								\
		__atomic_store_n(&(p), (v), __ATOMIC_RELAXED);		\
		standin_rcu_stored();					\
	} while (0)
#define rcu_replace_pointer(p, v, c)					\
({									\
	typeof(p) rcu_was = rcu_dereference_protected(p, c);		\
	rcu_assign_pointer(p, v);					\
	rcu_was;							\
})

#endif /* UNIT_LINUX_RCUPDATE_H */
