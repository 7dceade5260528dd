/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_LINUX_JIFFIES_H
#define UNIT_LINUX_JIFFIES_H

#include <linux/types.h>

#ifndef HZ
#define HZ 1000
#endif

extern unsigned long jiffies;

/*
 * True on a clock that wraps, for times less than half its range apart. The
 * subtraction is made unsigned, so that UBSan has nothing to say.
 */
#define time_after(a, b)						\
({									\
	unsigned long time_a = (a);					\
	unsigned long time_b = (b);					\
									\
	(long)(time_b - time_a) < 0;					\
})
#define time_before(a, b)	time_after(b, a)
#define time_after_eq(a, b)	(!time_before(a, b))
#define time_before_eq(a, b)	(!time_after(a, b))
#define time_is_before_jiffies(a)	time_after(jiffies, a)

#define MSEC_PER_SEC	1000L
#define NSEC_PER_SEC	1000000000L

#endif /* UNIT_LINUX_JIFFIES_H */
