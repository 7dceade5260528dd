/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_LINUX_GFP_H
#define UNIT_LINUX_GFP_H

#define GFP_ATOMIC	1U
#define GFP_KERNEL	2U
#define __GFP_ZERO	4U
#define __GFP_NOWARN	8U

#endif /* UNIT_LINUX_GFP_H */
