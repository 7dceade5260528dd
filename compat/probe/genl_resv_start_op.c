// SPDX-License-Identifier: GPL-2.0-only
#include <net/genetlink.h>
void probe(struct genl_family *f);
void probe(struct genl_family *f) { f->resv_start_op = 1; }
