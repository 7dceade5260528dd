/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_LINUX_MUTEX_H
#define UNIT_LINUX_MUTEX_H

#include <linux/lockdep.h>
#include "../standin.h"

struct mutex {
	int held;
	unsigned int magic;
};

#define UNIT_MUTEX_MAGIC	0x3417e200U
#define DEFINE_MUTEX(x)		struct mutex x = { 0, UNIT_MUTEX_MAGIC }

#define mutex_init(m)	(*(m) = (struct mutex){ 0, UNIT_MUTEX_MAGIC })
#define mutex_destroy(m)						\
	do {								\
		STANDIN_ASSERT(!(m)->held);				\
		(m)->magic = 0;						\
	} while (0)
#define mutex_lock(m)							\
	do {								\
		might_sleep();						\
		STANDIN_ASSERT((m)->magic == UNIT_MUTEX_MAGIC);		\
		STANDIN_ASSERT(!(m)->held);				\
		(m)->held = 1;						\
	} while (0)
#define mutex_unlock(m)							\
	do {								\
		STANDIN_ASSERT((m)->held);				\
		(m)->held = 0;						\
	} while (0)

#endif /* UNIT_LINUX_MUTEX_H */
