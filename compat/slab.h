/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory. */
#ifndef WG_COMPAT_SLAB_H
#define WG_COMPAT_SLAB_H

#include <linux/slab.h>

#if !WG_FACT_KZALLOC_OBJ
#define kzalloc_obj(var, gfp)		kzalloc(sizeof(var), gfp)
#define kzalloc_objs(var, n, gfp)	kcalloc(n, sizeof(var), gfp)
#endif

#endif /* WG_COMPAT_SLAB_H */
