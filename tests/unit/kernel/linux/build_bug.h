/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_LINUX_BUILD_BUG_H
#define UNIT_LINUX_BUILD_BUG_H

#undef static_assert
#define static_assert(expr, ...) unit_static_assert(expr, ##__VA_ARGS__, #expr)
#define unit_static_assert(expr, msg, ...) _Static_assert(expr, msg)
#define BUILD_BUG_ON(cond)	_Static_assert(!(cond), #cond)

#endif /* UNIT_LINUX_BUILD_BUG_H */
