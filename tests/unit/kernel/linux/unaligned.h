/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_LINUX_UNALIGNED_H
#define UNIT_LINUX_UNALIGNED_H

#include <linux/string.h>
#include <linux/types.h>

#define UNIT_UNALIGNED(end, bits)					\
static inline u##bits get_unaligned_##end##bits(const void *p)		\
{									\
	u##bits v;							\
									\
	memcpy(&v, p, sizeof(v));					\
	return end##bits##_to_cpu(v);					\
}									\
static inline void put_unaligned_##end##bits(u##bits v, void *p)	\
{									\
	v = cpu_to_##end##bits(v);					\
	memcpy(p, &v, sizeof(v));					\
}

UNIT_UNALIGNED(le, 32)
UNIT_UNALIGNED(le, 64)
UNIT_UNALIGNED(be, 16)
UNIT_UNALIGNED(be, 32)
UNIT_UNALIGNED(be, 64)

#define get_unaligned(p)						\
({									\
	typeof(*(p)) unaligned_v;					\
									\
	memcpy(&unaligned_v, (p), sizeof(unaligned_v));			\
	unaligned_v;							\
})
#define put_unaligned(val, p)						\
	do {								\
		typeof(*(p)) unaligned_v = (val);			\
									\
		memcpy((p), &unaligned_v, sizeof(unaligned_v));		\
	} while (0)

#endif /* UNIT_LINUX_UNALIGNED_H */
