/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_LINUX_LOCKDEP_H
#define UNIT_LINUX_LOCKDEP_H

#include "../standin.h"

/* Spin locks and mutexes of the stand-ins both have a member "held". */
#define lockdep_is_held(l)	((l)->held != 0)
#define lockdep_assert_held(l)	STANDIN_ASSERT(lockdep_is_held(l))
#define might_sleep()		standin_might_sleep(__FILE__, __LINE__)

#endif /* UNIT_LINUX_LOCKDEP_H */
