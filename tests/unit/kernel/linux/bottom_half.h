/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_LINUX_BOTTOM_HALF_H
#define UNIT_LINUX_BOTTOM_HALF_H

#include "../standin.h"

static inline void local_bh_disable(void)
{
	standin_context.bh++;
}

static inline void local_bh_enable(void)
{
	STANDIN_ASSERT(standin_context.bh > 0);
	standin_context.bh--;
}

#endif /* UNIT_LINUX_BOTTOM_HALF_H */
