/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_CRYPTO_CHACHA20POLY1305_H
#define UNIT_CRYPTO_CHACHA20POLY1305_H

#include <linux/types.h>

enum chacha20poly1305_lengths {
	XCHACHA20POLY1305_NONCE_SIZE = 24,
	CHACHA20POLY1305_KEY_SIZE = 32,
	CHACHA20POLY1305_AUTHTAG_SIZE = 16,
};

void chacha20poly1305_encrypt(u8 *dst, const u8 *src, const size_t src_len,
			      const u8 *ad, const size_t ad_len,
			      const u64 nonce,
			      const u8 key[at_least CHACHA20POLY1305_KEY_SIZE]);
bool __must_check
chacha20poly1305_decrypt(u8 *dst, const u8 *src, const size_t src_len,
			 const u8 *ad, const size_t ad_len, const u64 nonce,
			 const u8 key[at_least CHACHA20POLY1305_KEY_SIZE]);
void xchacha20poly1305_encrypt(u8 *dst, const u8 *src, const size_t src_len,
			       const u8 *ad, const size_t ad_len,
			       const u8 nonce[at_least XCHACHA20POLY1305_NONCE_SIZE],
			       const u8 key[at_least CHACHA20POLY1305_KEY_SIZE]);
bool __must_check
xchacha20poly1305_decrypt(u8 *dst, const u8 *src, const size_t src_len,
			  const u8 *ad, const size_t ad_len,
			  const u8 nonce[at_least XCHACHA20POLY1305_NONCE_SIZE],
			  const u8 key[at_least CHACHA20POLY1305_KEY_SIZE]);

#endif /* UNIT_CRYPTO_CHACHA20POLY1305_H */
