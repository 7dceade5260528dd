/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_LINUX_COMPILER_H
#define UNIT_LINUX_COMPILER_H

#include <stddef.h>

#define __rcu
#define __iomem
#define __user
#define __force
#define __must_check		__attribute__((warn_unused_result))
#define __maybe_unused		__attribute__((unused))
#define __always_unused		__attribute__((unused))
#define __packed		__attribute__((packed))
#define __aligned(x)		__attribute__((aligned(x)))
#undef __always_inline
#define __always_inline		inline __attribute__((always_inline))
#define noinline		__attribute__((noinline))
#define __ro_after_init
#define __read_mostly
#define __init
#define __exit
#define __acquires(x)
#define __releases(x)
#define __must_hold(x)
#define fallthrough		__attribute__((fallthrough))
#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#define barrier()		__asm__ volatile("" ::: "memory")

/* Array parameters of at least that many elements, as lib/crypto says it. */
#define at_least		static

#define READ_ONCE(x)		(*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, val)						\
	do {								\
		*(volatile typeof(x) *)&(x) = (val);			\
	} while (0)
#define data_race(expr)		(expr)

#define smp_load_acquire(p)	__atomic_load_n((p), __ATOMIC_ACQUIRE)
#define smp_store_release(p, v)	__atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define smp_mb()		__atomic_thread_fence(__ATOMIC_SEQ_CST)
#define smp_rmb()		__atomic_thread_fence(__ATOMIC_ACQUIRE)
#define smp_wmb()		__atomic_thread_fence(__ATOMIC_RELEASE)

#define cmpxchg(ptr, old, new)						\
({									\
	typeof(*(ptr)) cmpxchg_seen = (old);				\
									\
	__atomic_compare_exchange_n((ptr), &cmpxchg_seen, (new), 0,	\
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);\
	cmpxchg_seen;							\
})
#define xchg(ptr, new)							\
	__atomic_exchange_n((ptr), (new), __ATOMIC_SEQ_CST)

#endif /* UNIT_LINUX_COMPILER_H */
