// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's lib/crypto on top of libsodium; BLAKE2s from RFC 7693, which
 * libsodium does not have. test_crypto checks all of it against vectors of an
 * independent origin.
 */
#include <sodium.h>
#include <crypto/blake2s.h>
#include <crypto/chacha.h>
#include <crypto/chacha20poly1305.h>
#include <crypto/curve25519.h>
#include <crypto/poly1305.h>
#include <crypto/utils.h>
#include <linux/minmax.h>
#include <linux/siphash.h>
#include <linux/string.h>
#include <linux/unaligned.h>
#include "standin.h"

/* BLAKE2s: RFC 7693, section 3 */

static const u32 iv[8] = {
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
	0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static const u8 sigma[10][16] = {
	{ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
	{ 14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3 },
	{ 11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4 },
	{ 7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8 },
	{ 9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13 },
	{ 2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9 },
	{ 12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11 },
	{ 13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10 },
	{ 6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5 },
	{ 10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0 },
};

static u32 ror32(u32 x, unsigned int n)
{
	return x >> n | x << (32 - n);
}

static void mix(u32 v[16], int a, int b, int c, int d, u32 x, u32 y)
{
	v[a] += v[b] + x;
	v[d] = ror32(v[d] ^ v[a], 16);
	v[c] += v[d];
	v[b] = ror32(v[b] ^ v[c], 12);
	v[a] += v[b] + y;
	v[d] = ror32(v[d] ^ v[a], 8);
	v[c] += v[d];
	v[b] = ror32(v[b] ^ v[c], 7);
}

static void compress(struct blake2s_ctx *ctx, bool last)
{
	u32 v[16], m[16];
	int i;

	for (i = 0; i < 16; i++)
		m[i] = get_unaligned_le32(ctx->buf + 4 * i);
	for (i = 0; i < 8; i++) {
		v[i] = ctx->h[i];
		v[i + 8] = iv[i];
	}
	v[12] ^= (u32)ctx->t;
	v[13] ^= (u32)(ctx->t >> 32);
	if (last)
		v[14] = ~v[14];
	for (i = 0; i < 10; i++) {
		const u8 *s = sigma[i];

		mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);
		mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);
		mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);
		mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);
		mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);
		mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]]);
		mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);
		mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);
	}
	for (i = 0; i < 8; i++)
		ctx->h[i] ^= v[i] ^ v[i + 8];
}

void blake2s_init_key(struct blake2s_ctx *ctx, size_t outlen, const void *key,
		      size_t keylen)
{
	STANDIN_ASSERT(outlen >= 1 && outlen <= BLAKE2S_HASH_SIZE);
	STANDIN_ASSERT(keylen <= BLAKE2S_KEY_SIZE && (key || !keylen));
	memset(ctx, 0, sizeof(*ctx));
	memcpy(ctx->h, iv, sizeof(iv));
	ctx->h[0] ^= 0x01010000 ^ (u32)keylen << 8 ^ (u32)outlen;
	ctx->outlen = outlen;
	if (keylen) {
		memcpy(ctx->buf, key, keylen);
		ctx->buflen = BLAKE2S_BLOCK_SIZE;
	}
}

void blake2s_init(struct blake2s_ctx *ctx, size_t outlen)
{
	blake2s_init_key(ctx, outlen, NULL, 0);
}

void blake2s_update(struct blake2s_ctx *ctx, const u8 *in, size_t inlen)
{
	while (inlen) {
		size_t n;

		/* The last block is kept back until there is more. */
		if (ctx->buflen == BLAKE2S_BLOCK_SIZE) {
			ctx->t += BLAKE2S_BLOCK_SIZE;
			compress(ctx, false);
			ctx->buflen = 0;
		}
		n = min_t(size_t, inlen, BLAKE2S_BLOCK_SIZE - ctx->buflen);
		memcpy(ctx->buf + ctx->buflen, in, n);
		ctx->buflen += n;
		in += n;
		inlen -= n;
	}
}

void blake2s_final(struct blake2s_ctx *ctx, u8 *out)
{
	u8 h[BLAKE2S_HASH_SIZE];
	int i;

	ctx->t += ctx->buflen;
	memset(ctx->buf + ctx->buflen, 0, BLAKE2S_BLOCK_SIZE - ctx->buflen);
	compress(ctx, true);
	for (i = 0; i < 8; i++)
		put_unaligned_le32(ctx->h[i], h + 4 * i);
	memcpy(out, h, ctx->outlen);
	memset(ctx, 0, sizeof(*ctx));
}

void blake2s(const u8 *key, size_t keylen, const u8 *in, size_t inlen, u8 *out,
	     size_t outlen)
{
	struct blake2s_ctx ctx;

	blake2s_init_key(&ctx, outlen, key, keylen);
	blake2s_update(&ctx, in, inlen);
	blake2s_final(&ctx, out);
}

/* ChaCha20: 32 bits of block counter, then the 96 bits of RFC 8439's nonce */

void chacha_init(struct chacha_state *state, const u32 key[CHACHA_KEY_WORDS],
		 const u8 iv[CHACHA_IV_SIZE])
{
	int i;

	memcpy(state->x, "expand 32-byte k", 16);
	memcpy(state->x + 4, key, CHACHA_KEY_SIZE);
	for (i = 0; i < 4; i++)
		state->x[12 + i] = get_unaligned_le32(iv + 4 * i);
}

void chacha20_crypt(struct chacha_state *state, u8 *dst, const u8 *src,
		    unsigned int bytes)
{
	u8 nonce[12], key[CHACHA_KEY_SIZE];

	memcpy(key, state->x + 4, sizeof(key));
	memcpy(nonce, state->x + 13, sizeof(nonce));
	crypto_stream_chacha20_ietf_xor_ic(dst, src, bytes, nonce,
					   state->x[12], key);
	state->x[12] += (bytes + CHACHA_BLOCK_SIZE - 1) / CHACHA_BLOCK_SIZE;
}

void poly1305_init(struct poly1305_desc_ctx *desc,
		   const u8 key[POLY1305_KEY_SIZE])
{
	crypto_onetimeauth_poly1305_state state;

	STANDIN_ASSERT(sizeof(state) <= sizeof(*desc));
	crypto_onetimeauth_poly1305_init(&state, key);
	memcpy(desc, &state, sizeof(state));
}

void poly1305_update(struct poly1305_desc_ctx *desc, const u8 *src,
		     unsigned int nbytes)
{
	crypto_onetimeauth_poly1305_state state;

	memcpy(&state, desc, sizeof(state));
	crypto_onetimeauth_poly1305_update(&state, src, nbytes);
	memcpy(desc, &state, sizeof(state));
}

void poly1305_final(struct poly1305_desc_ctx *desc, u8 *digest)
{
	crypto_onetimeauth_poly1305_state state;

	memcpy(&state, desc, sizeof(state));
	crypto_onetimeauth_poly1305_final(&state, digest);
	memset(desc, 0, sizeof(*desc));
}

/* ChaCha20-Poly1305: where the tag is wrong, dst stays as it was. */

#define MAX_PLAIN 65536

void chacha20poly1305_encrypt(u8 *dst, const u8 *src, const size_t src_len,
			      const u8 *ad, const size_t ad_len,
			      const u64 nonce,
			      const u8 key[at_least CHACHA20POLY1305_KEY_SIZE])
{
	u8 n[12] = { 0 };

	put_unaligned_le64(nonce, n + 4);
	crypto_aead_chacha20poly1305_ietf_encrypt(dst, NULL, src, src_len, ad,
						  ad_len, NULL, n, key);
}

bool chacha20poly1305_decrypt(u8 *dst, const u8 *src, const size_t src_len,
			      const u8 *ad, const size_t ad_len,
			      const u64 nonce,
			      const u8 key[at_least CHACHA20POLY1305_KEY_SIZE])
{
	static u8 plain[MAX_PLAIN];
	u8 n[12] = { 0 };

	STANDIN_ASSERT(src_len <= MAX_PLAIN);
	put_unaligned_le64(nonce, n + 4);
	if (crypto_aead_chacha20poly1305_ietf_decrypt(plain, NULL, NULL, src,
						      src_len, ad, ad_len, n,
						      key))
		return false;
	/* dst may be NULL where there is nothing to write */
	if (src_len > CHACHA20POLY1305_AUTHTAG_SIZE)
		memcpy(dst, plain, src_len - CHACHA20POLY1305_AUTHTAG_SIZE);
	return true;
}

void xchacha20poly1305_encrypt(u8 *dst, const u8 *src, const size_t src_len,
			       const u8 *ad, const size_t ad_len,
			       const u8 nonce[at_least XCHACHA20POLY1305_NONCE_SIZE],
			       const u8 key[at_least CHACHA20POLY1305_KEY_SIZE])
{
	crypto_aead_xchacha20poly1305_ietf_encrypt(dst, NULL, src, src_len, ad,
						   ad_len, NULL, nonce, key);
}

bool xchacha20poly1305_decrypt(u8 *dst, const u8 *src, const size_t src_len,
			       const u8 *ad, const size_t ad_len,
			       const u8 nonce[at_least XCHACHA20POLY1305_NONCE_SIZE],
			       const u8 key[at_least CHACHA20POLY1305_KEY_SIZE])
{
	static u8 plain[MAX_PLAIN];

	STANDIN_ASSERT(src_len <= MAX_PLAIN);
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL, src,
						       src_len, ad, ad_len,
						       nonce, key))
		return false;
	/* dst may be NULL where there is nothing to write */
	if (src_len > CHACHA20POLY1305_AUTHTAG_SIZE)
		memcpy(dst, plain, src_len - CHACHA20POLY1305_AUTHTAG_SIZE);
	return true;
}

/* X25519 */

bool curve25519(u8 out[at_least CURVE25519_KEY_SIZE],
		const u8 scalar[at_least CURVE25519_KEY_SIZE],
		const u8 point[at_least CURVE25519_KEY_SIZE])
{
	u8 shared[CURVE25519_KEY_SIZE];
	bool ok = !crypto_scalarmult_curve25519(shared, scalar, point);

	/* libsodium fails for an all-zero result only, and may not write it */
	if (!ok)
		memset(shared, 0, sizeof(shared));
	memcpy(out, shared, sizeof(shared));
	return ok;
}

bool curve25519_generate_public(u8 pub[at_least CURVE25519_KEY_SIZE],
				const u8 secret[at_least CURVE25519_KEY_SIZE])
{
	if (sodium_is_zero(secret, CURVE25519_KEY_SIZE))
		return false;
	return !crypto_scalarmult_curve25519_base(pub, secret);
}

unsigned long crypto_memneq(const void *a, const void *b, size_t size)
{
	return sodium_memcmp(a, b, size) ? 1 : 0;
}

/* SipHash-2-4 */

u64 siphash(const void *data, size_t len, const siphash_key_t *key)
{
	u8 k[16], out[8];

	put_unaligned_le64(key->key[0], k);
	put_unaligned_le64(key->key[1], k + 8);
	crypto_shorthash(out, data, len, k);
	return get_unaligned_le64(out);
}

u64 siphash_1u64(u64 a, const siphash_key_t *key)
{
	u8 in[8];

	put_unaligned_le64(a, in);
	return siphash(in, sizeof(in), key);
}

u64 siphash_2u64(u64 a, u64 b, const siphash_key_t *key)
{
	u8 in[16];

	put_unaligned_le64(a, in);
	put_unaligned_le64(b, in + 8);
	return siphash(in, sizeof(in), key);
}

u64 siphash_3u64(u64 a, u64 b, u64 c, const siphash_key_t *key)
{
	u8 in[24];

	put_unaligned_le64(a, in);
	put_unaligned_le64(b, in + 8);
	put_unaligned_le64(c, in + 16);
	return siphash(in, sizeof(in), key);
}
