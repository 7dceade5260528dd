/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_CRYPTO_POLY1305_H
#define UNIT_CRYPTO_POLY1305_H

#include <linux/types.h>

enum poly1305_sizes {
	POLY1305_KEY_SIZE = 32,
	POLY1305_DIGEST_SIZE = 16,
};

struct poly1305_desc_ctx {
	u64 opaque[32];
};

void poly1305_init(struct poly1305_desc_ctx *desc,
		   const u8 key[POLY1305_KEY_SIZE]);
void poly1305_update(struct poly1305_desc_ctx *desc, const u8 *src,
		     unsigned int nbytes);
/* Wipes @desc. */
void poly1305_final(struct poly1305_desc_ctx *desc, u8 *digest);

#endif /* UNIT_CRYPTO_POLY1305_H */
