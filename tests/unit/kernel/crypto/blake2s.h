/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_CRYPTO_BLAKE2S_H
#define UNIT_CRYPTO_BLAKE2S_H

#include <linux/types.h>

enum blake2s_lengths {
	BLAKE2S_BLOCK_SIZE = 64,
	BLAKE2S_HASH_SIZE = 32,
	BLAKE2S_KEY_SIZE = 32,
};

struct blake2s_ctx {
	u32 h[8];
	u64 t;
	u8 buf[BLAKE2S_BLOCK_SIZE];
	unsigned int buflen;
	unsigned int outlen;
};

void blake2s_init(struct blake2s_ctx *ctx, size_t outlen);
void blake2s_init_key(struct blake2s_ctx *ctx, size_t outlen, const void *key,
		      size_t keylen);
void blake2s_update(struct blake2s_ctx *ctx, const u8 *in, size_t inlen);
void blake2s_final(struct blake2s_ctx *ctx, u8 *out);
void blake2s(const u8 *key, size_t keylen, const u8 *in, size_t inlen, u8 *out,
	     size_t outlen);

#endif /* UNIT_CRYPTO_BLAKE2S_H */
