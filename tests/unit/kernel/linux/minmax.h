/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_LINUX_MINMAX_H
#define UNIT_LINUX_MINMAX_H

#define min_t(type, x, y)						\
({									\
	type min_x = (x);						\
	type min_y = (y);						\
									\
	min_x < min_y ? min_x : min_y;					\
})
#define max_t(type, x, y)						\
({									\
	type max_x = (x);						\
	type max_y = (y);						\
									\
	max_x > max_y ? max_x : max_y;					\
})
/* Like the kernel's: both of one type. */
#define unit_same_type(x, y)						\
	_Static_assert(__builtin_types_compatible_p(typeof((x) + 0),	\
						    typeof((y) + 0)),	\
		       "min/max of two types")
#define min(x, y)	({ unit_same_type(x, y); min_t(typeof((x) + 0), x, y); })
#define max(x, y)	({ unit_same_type(x, y); max_t(typeof((x) + 0), x, y); })
#define clamp_t(type, v, lo, hi)	min_t(type, max_t(type, v, lo), hi)
#define clamp(v, lo, hi)		clamp_t(typeof(v), v, lo, hi)
#define swap(a, b)							\
	do {								\
		typeof(a) swap_tmp = (a);				\
									\
		(a) = (b);						\
		(b) = swap_tmp;						\
	} while (0)

#endif /* UNIT_LINUX_MINMAX_H */
