/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <linux/slab.h>
