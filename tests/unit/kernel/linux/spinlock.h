/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_LINUX_SPINLOCK_H
#define UNIT_LINUX_SPINLOCK_H

#include <linux/bottom_half.h>
#include <linux/lockdep.h>
#include <linux/types.h>
#include "../standin.h"

typedef struct {
	int held;
	unsigned int magic;
} spinlock_t;

#define UNIT_SPIN_MAGIC		0xdead4eadU
#define DEFINE_SPINLOCK(x)	spinlock_t x = { 0, UNIT_SPIN_MAGIC }

#define spin_lock_init(l)	(*(l) = (spinlock_t){ 0, UNIT_SPIN_MAGIC })
#define spin_lock(l)							\
	do {								\
		STANDIN_ASSERT((l)->magic == UNIT_SPIN_MAGIC);		\
		STANDIN_ASSERT(!(l)->held);				\
		(l)->held = 1;						\
		standin_context.spin++;					\
	} while (0)
#define spin_unlock(l)							\
	do {								\
		STANDIN_ASSERT((l)->held);				\
		(l)->held = 0;						\
		standin_context.spin--;					\
	} while (0)
#define spin_lock_bh(l)							\
	do {								\
		local_bh_disable();					\
		spin_lock(l);						\
	} while (0)
#define spin_unlock_bh(l)						\
	do {								\
		spin_unlock(l);						\
		local_bh_enable();					\
	} while (0)

#endif /* UNIT_LINUX_SPINLOCK_H */
