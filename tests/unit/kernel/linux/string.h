/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_LINUX_STRING_H
#define UNIT_LINUX_STRING_H

#include <string.h>
#include <linux/types.h>

static inline void memzero_explicit(void *p, size_t len)
{
	memset(p, 0, len);
	__asm__ volatile("" : : "r"(p) : "memory");
}

static inline void *memchr_inv(const void *p, int c, size_t len)
{
	const u8 *b = p;

	for (; len; len--, b++)
		if (*b != (u8)c)
			return (void *)b;
	return NULL;
}

#endif /* UNIT_LINUX_STRING_H */
