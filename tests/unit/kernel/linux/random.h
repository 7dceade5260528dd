/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_LINUX_RANDOM_H
#define UNIT_LINUX_RANDOM_H

#include <linux/types.h>

void get_random_bytes(void *buf, size_t len);

static inline u32 get_random_u32(void)
{
	u32 v;

	get_random_bytes(&v, sizeof(v));
	return v;
}

static inline u32 get_random_u32_below(u32 ceil)
{
	return get_random_u32() % ceil;
}

#endif /* UNIT_LINUX_RANDOM_H */
