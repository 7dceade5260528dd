/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_CRYPTO_UTILS_H
#define UNIT_CRYPTO_UTILS_H

#include <linux/types.h>

/* Non-zero where the two differ, like the kernel's. */
unsigned long crypto_memneq(const void *a, const void *b, size_t size);

#endif /* UNIT_CRYPTO_UTILS_H */
