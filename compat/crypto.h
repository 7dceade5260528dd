/* SPDX-License-Identifier: GPL-2.0-only */
/* lib/crypto: the BLAKE2s interface turned round in 7.0. */
#ifndef WG_COMPAT_CRYPTO_H
#define WG_COMPAT_CRYPTO_H

#include <crypto/blake2s.h>

#if WG_FACT_BLAKE2S_STATE
#define blake2s_ctx blake2s_state

static inline void wg_blake2s(const u8 *key, size_t keylen, const u8 *in,
			      size_t inlen, u8 *out, size_t outlen)
{
	blake2s(out, in, key, outlen, inlen, keylen);
}

#define blake2s wg_blake2s
#endif

#endif /* WG_COMPAT_CRYPTO_H */
