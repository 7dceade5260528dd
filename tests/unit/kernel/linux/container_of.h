/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_LINUX_CONTAINER_OF_H
#define UNIT_LINUX_CONTAINER_OF_H

#include <stddef.h>

#define container_of(ptr, type, member)					\
({									\
	_Static_assert(__builtin_types_compatible_p(typeof(*(ptr)),	\
				typeof(((type *)0)->member)),		\
		       "pointer type mismatch in container_of()");	\
	(type *)((char *)(ptr) - offsetof(type, member));		\
})

#endif /* UNIT_LINUX_CONTAINER_OF_H */
