/* SPDX-License-Identifier: GPL-2.0-only */
/* lib/crypto: the BLAKE2s interface turned round in 7.0, ChaCha has a type. */
#ifndef WG_COMPAT_CRYPTO_H
#define WG_COMPAT_CRYPTO_H

#include <crypto/blake2s.h>
#include <crypto/chacha.h>

#if WG_FACT_BLAKE2S_STATE
#define blake2s_ctx blake2s_state

static inline void wg_blake2s(const u8 *key, size_t keylen, const u8 *in,
			      size_t inlen, u8 *out, size_t outlen)
{
	blake2s(out, in, key, outlen, inlen, keylen);
}

#define blake2s wg_blake2s
#endif

#if !WG_FACT_CHACHA_STATE
struct chacha_state {
	u32 x[CHACHA_BLOCK_SIZE / sizeof(u32)] __aligned(16);
};

static inline void wg_chacha_init(struct chacha_state *state, const u32 *key,
				  const u8 *iv)
{
	chacha_init(state->x, key, iv);
}

static inline void wg_chacha20_crypt(struct chacha_state *state, u8 *dst,
				     const u8 *src, unsigned int bytes)
{
	chacha20_crypt(state->x, dst, src, bytes);
}

#define chacha_init wg_chacha_init
#define chacha20_crypt wg_chacha20_crypt
#endif

#ifndef CHACHA_KEY_WORDS
#define CHACHA_KEY_WORDS (CHACHA_KEY_SIZE / sizeof(u32))
#endif

#endif /* WG_COMPAT_CRYPTO_H */
