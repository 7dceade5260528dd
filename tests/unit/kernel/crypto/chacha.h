/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_CRYPTO_CHACHA_H
#define UNIT_CRYPTO_CHACHA_H

#include <linux/types.h>

enum chacha_sizes {
	CHACHA_IV_SIZE = 16,
	CHACHA_KEY_SIZE = 32,
	CHACHA_KEY_WORDS = 8,
	CHACHA_BLOCK_SIZE = 64,
};

struct chacha_state {
	u32 x[16];
};

void chacha_init(struct chacha_state *state, const u32 key[CHACHA_KEY_WORDS],
		 const u8 iv[CHACHA_IV_SIZE]);

/* As in the kernel, what is left of the last block is lost. */
void chacha20_crypt(struct chacha_state *state, u8 *dst, const u8 *src,
		    unsigned int bytes);

#endif /* UNIT_CRYPTO_CHACHA_H */
