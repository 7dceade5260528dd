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

#define UNIT_PACKED(p)	struct { typeof(*(p)) x; } __attribute__((packed))
#define get_unaligned(p)	(((const UNIT_PACKED(p) *)(p))->x)
#define put_unaligned(val, p)	\
	do { ((UNIT_PACKED(p) *)(p))->x = (val); } while (0)

#endif /* UNIT_LINUX_UNALIGNED_H */
