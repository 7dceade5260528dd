/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_LINUX_TYPES_H
#define UNIT_LINUX_TYPES_H

#include_next <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/compiler.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef unsigned long long u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef long long s64;
typedef s64 ktime_t;
typedef unsigned int gfp_t;

#define U8_MAX		((u8)~0U)
#define U16_MAX		((u16)~0U)
#define U32_MAX		((u32)~0U)
#define U64_MAX		((u64)~0ULL)
#define S64_MAX		((s64)(U64_MAX >> 1))

struct list_head {
	struct list_head *next, *prev;
};

struct callback_head {
	struct callback_head *next;
	void (*func)(struct callback_head *head);
};
#define rcu_head callback_head

#define cpu_to_le16(x)	UNIT_SWAP_LE(16, x)
#define cpu_to_le32(x)	UNIT_SWAP_LE(32, x)
#define cpu_to_le64(x)	UNIT_SWAP_LE(64, x)
#define le32_to_cpu(x)	UNIT_SWAP_LE(32, x)
#define le64_to_cpu(x)	UNIT_SWAP_LE(64, x)
#define cpu_to_be16(x)	UNIT_SWAP_BE(16, x)
#define cpu_to_be32(x)	UNIT_SWAP_BE(32, x)
#define cpu_to_be64(x)	UNIT_SWAP_BE(64, x)
#define be16_to_cpu(x)	UNIT_SWAP_BE(16, x)
#define be32_to_cpu(x)	UNIT_SWAP_BE(32, x)
#define be64_to_cpu(x)	UNIT_SWAP_BE(64, x)

#define UNIT_LE	(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
#define UNIT_SWAP_LE(bits, x)						\
	((u##bits)(UNIT_LE ? (u##bits)(x) : __builtin_bswap##bits(x)))
#define UNIT_SWAP_BE(bits, x)						\
	((u##bits)(UNIT_LE ? __builtin_bswap##bits(x) : (u##bits)(x)))

#endif /* UNIT_LINUX_TYPES_H */
