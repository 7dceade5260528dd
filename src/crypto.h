/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The only façade over the kernel's lib/crypto; for transport messages with
 * aead.h.
 *
 * Protocol, "Primitives". Everything here works in any context that lib/crypto
 * allows, softirq included, and sleeps nowhere.
 */
#ifndef WG_CRYPTO_H
#define WG_CRYPTO_H

#include <linux/string.h>
#include <linux/types.h>
#include <linux/unaligned.h>
#include <crypto/blake2s.h>
#include <crypto/chacha20poly1305.h>
#include <crypto/curve25519.h>
#include <crypto/utils.h>

/* The same words as in the uapi header, which may come before or after. */
#define WG_KEY_LEN 32

enum wg_crypto_sizes {
	WG_HASH_LEN = 32,
	WG_TAG_LEN = 16,
	WG_XNONCE_LEN = 24,
};

/**
 * wg_equal() - compare secrets in constant time
 * @a: one side
 * @b: the other side
 * @len: length of both in bytes
 *
 * Return: whether the two are equal.
 */
static inline bool wg_equal(const void *a, const void *b, size_t len)
{
	return !crypto_memneq(a, b, len);
}

/**
 * wg_is_zero_key() - whether a key is all zero bytes, in constant time
 * @key: %WG_KEY_LEN bytes
 *
 * Return: whether every byte is zero.
 */
static inline bool wg_is_zero_key(const u8 key[WG_KEY_LEN])
{
	static const u8 zero[WG_KEY_LEN];

	return wg_equal(key, zero, WG_KEY_LEN);
}

/**
 * wg_dh() - DH(priv, pub): X25519
 * @out: the shared secret, %WG_KEY_LEN bytes; wiped by the caller
 * @priv: secret scalar
 * @pub: the other side's public key
 *
 * Return: false where the result is all zero, which is a failure, not a key.
 */
static inline bool __must_check wg_dh(u8 out[WG_KEY_LEN],
				      const u8 priv[WG_KEY_LEN],
				      const u8 pub[WG_KEY_LEN])
{
	return curve25519(out, priv, pub);
}

/**
 * wg_public_key() - public key of a secret scalar
 * @pub: where it goes
 * @priv: the secret
 *
 * Return: false where there is no such key.
 */
static inline bool __must_check wg_public_key(u8 pub[WG_KEY_LEN],
					      const u8 priv[WG_KEY_LEN])
{
	return curve25519_generate_public(pub, priv);
}

/**
 * wg_clamp() - clamp a secret scalar as RFC 7748, section 5 says
 * @priv: the secret, changed in place
 */
static inline void wg_clamp(u8 priv[WG_KEY_LEN])
{
	curve25519_clamp_secret(priv);
}

/**
 * wg_hash2() - HASH(a ‖ b): BLAKE2s, 32 bytes
 * @out: %WG_HASH_LEN bytes; may be @a
 * @a: first part
 * @a_len: its length in bytes
 * @b: second part, may be NULL if @b_len is 0
 * @b_len: its length in bytes
 */
static inline void wg_hash2(u8 out[WG_HASH_LEN], const void *a, size_t a_len,
			    const void *b, size_t b_len)
{
	struct blake2s_ctx ctx;

	blake2s_init(&ctx, WG_HASH_LEN);
	blake2s_update(&ctx, a, a_len);
	if (b_len)
		blake2s_update(&ctx, b, b_len);
	blake2s_final(&ctx, out);
}

/**
 * wg_mac() - MAC(k, x): keyed BLAKE2s, 16 bytes
 * @out: 16 bytes
 * @key: the key
 * @key_len: its length, 1 to 32 bytes
 * @data: the message
 * @len: its length in bytes
 */
static inline void wg_mac(u8 out[16], const u8 *key, size_t key_len,
			  const void *data, size_t len)
{
	blake2s(key, key_len, data, len, out, 16);
}

/**
 * wg_seal() - AEAD(k, n, p, ad): ChaCha20-Poly1305
 * @dst: ciphertext and tag, @len + %WG_TAG_LEN bytes; may be @src
 * @src: plaintext
 * @len: its length in bytes
 * @ad: associated data
 * @ad_len: its length in bytes
 * @counter: the 64-bit nonce
 * @key: the key
 */
static inline void wg_seal(u8 *dst, const u8 *src, size_t len, const u8 *ad,
			   size_t ad_len, u64 counter,
			   const u8 key[WG_KEY_LEN])
{
	chacha20poly1305_encrypt(dst, src, len, ad, ad_len, counter, key);
}

/**
 * wg_open() - undo wg_seal()
 * @dst: plaintext, @len - %WG_TAG_LEN bytes; may be @src
 * @src: ciphertext and tag
 * @len: length of @src in bytes
 * @ad: associated data
 * @ad_len: its length in bytes
 * @counter: the 64-bit nonce
 * @key: the key
 *
 * Return: false where the tag is wrong or @len is below %WG_TAG_LEN.
 */
static inline bool __must_check wg_open(u8 *dst, const u8 *src, size_t len,
					const u8 *ad, size_t ad_len,
					u64 counter, const u8 key[WG_KEY_LEN])
{
	return chacha20poly1305_decrypt(dst, src, len, ad, ad_len, counter,
					key);
}

/**
 * wg_xseal() - XAEAD(k, N, p, ad): XChaCha20-Poly1305
 * @dst: ciphertext and tag
 * @src: plaintext
 * @len: its length in bytes
 * @ad: associated data
 * @ad_len: its length in bytes
 * @nonce: 24 random bytes
 * @key: the key
 */
static inline void wg_xseal(u8 *dst, const u8 *src, size_t len, const u8 *ad,
			    size_t ad_len, const u8 nonce[WG_XNONCE_LEN],
			    const u8 key[WG_KEY_LEN])
{
	xchacha20poly1305_encrypt(dst, src, len, ad, ad_len, nonce, key);
}

/**
 * wg_xopen() - undo wg_xseal()
 * @dst: plaintext, @len - %WG_TAG_LEN bytes
 * @src: ciphertext and tag
 * @len: length of @src in bytes
 * @ad: associated data
 * @ad_len: its length in bytes
 * @nonce: 24 bytes
 * @key: the key
 *
 * Return: false where the tag is wrong.
 */
static inline bool __must_check wg_xopen(u8 *dst, const u8 *src, size_t len,
					 const u8 *ad, size_t ad_len,
					 const u8 nonce[WG_XNONCE_LEN],
					 const u8 key[WG_KEY_LEN])
{
	return xchacha20poly1305_decrypt(dst, src, len, ad, ad_len, nonce, key);
}

#endif /* WG_CRYPTO_H */
