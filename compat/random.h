/* SPDX-License-Identifier: GPL-2.0-only */
/* Random numbers. */
#ifndef WG_COMPAT_RANDOM_H
#define WG_COMPAT_RANDOM_H

#include <linux/notifier.h>
#include <linux/random.h>

#if !WG_FACT_RANDOM_U32_BELOW
static inline u32 get_random_u32_below(u32 ceil)
{
	/* not quite even, by one in 2^32 / ceil */
	return (u64)get_random_u32() * ceil >> 32;
}
#endif

#if !WG_FACT_RANDOM_VMFORK
/* That this machine was cloned is not told there: sessions stay. */
static inline int register_random_vmfork_notifier(struct notifier_block *nb)
{
	return 0;
}

static inline int unregister_random_vmfork_notifier(struct notifier_block *nb)
{
	return 0;
}
#endif

#endif /* WG_COMPAT_RANDOM_H */
