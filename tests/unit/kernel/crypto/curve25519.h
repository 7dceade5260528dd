/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_CRYPTO_CURVE25519_H
#define UNIT_CRYPTO_CURVE25519_H

#include <linux/types.h>

enum curve25519_lengths {
	CURVE25519_KEY_SIZE = 32
};

bool __must_check curve25519(u8 out[at_least CURVE25519_KEY_SIZE],
			     const u8 scalar[at_least CURVE25519_KEY_SIZE],
			     const u8 point[at_least CURVE25519_KEY_SIZE]);
bool __must_check
curve25519_generate_public(u8 pub[at_least CURVE25519_KEY_SIZE],
			   const u8 secret[at_least CURVE25519_KEY_SIZE]);

static inline void curve25519_clamp_secret(u8 secret[at_least CURVE25519_KEY_SIZE])
{
	secret[0] &= 248;
	secret[31] = (secret[31] & 127) | 64;
}

#endif /* UNIT_CRYPTO_CURVE25519_H */
