// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stand-ins for lib/crypto and the façade over it, against vectors of an
 * independent origin.
 */
#include <linux/siphash.h>
#include "crypto.h"
#include "ktap.h"
#include "vectors.h"

#define FOREACH(v, table)						\
	for (v = (table); v < (table) + sizeof(table) / sizeof(*(table)); v++)

TEST(blake2s_vectors)
{
	const struct vector_blake2s *v;

	FOREACH(v, vectors_blake2s) {
		u8 out[32];

		blake2s(v->key, v->key_len, v->data, v->len, out, v->out_len);
		EXPECT_MEM(out, v->out, v->out_len);
	}
}

TEST(blake2s_in_pieces)
{
	const struct vector_blake2s *v;

	FOREACH(v, vectors_blake2s) {
		unsigned int cut;

		for (cut = 0; cut <= v->len; cut++) {
			struct blake2s_ctx ctx;
			u8 out[32];

			blake2s_init_key(&ctx, v->out_len, v->key, v->key_len);
			blake2s_update(&ctx, v->data, cut);
			blake2s_update(&ctx, v->data + cut, v->len - cut);
			blake2s_final(&ctx, out);
			REQUIRE_MEM(out, v->out, v->out_len);
		}
	}
}

TEST(wg_hash2_and_wg_mac)
{
	const struct vector_blake2s *v;
	int hashes = 0, macs = 0;

	FOREACH(v, vectors_blake2s) {
		u8 out[32];

		if (!v->key_len && v->out_len == 32) {
			wg_hash2(out, v->data, v->len / 3,
				 v->data + v->len / 3, v->len - v->len / 3);
			EXPECT_MEM(out, v->out, 32);
			wg_hash2(out, v->data, v->len, NULL, 0);
			EXPECT_MEM(out, v->out, 32);
			hashes++;
		}
		if (v->key_len && v->out_len == 16) {
			memset(out, 0x5a, sizeof(out));
			wg_mac(out, v->key, v->key_len, v->data, v->len);
			EXPECT_MEM(out, v->out, 16);
			EXPECT_EQ(out[16], 0x5a);
			macs++;
		}
	}
	EXPECT(hashes && macs);
}

TEST(wg_hash2_in_place)
{
	u8 h[32], should[32];

	memset(h, 7, sizeof(h));
	wg_hash2(should, h, 32, "abc", 3);
	wg_hash2(h, h, 32, "abc", 3);
	EXPECT_MEM(h, should, 32);
}

TEST(aead_vectors)
{
	const struct vector_aead *v;

	FOREACH(v, vectors_aead) {
		u8 out[116], back[100];

		wg_seal(out, v->plain, v->len, v->ad, v->ad_len, v->counter,
			v->key);
		EXPECT_MEM(out, v->sealed, v->len + 16);
		EXPECT(wg_open(back, out, v->len + 16, v->ad, v->ad_len,
			       v->counter, v->key));
		EXPECT_MEM(back, v->plain, v->len);
		/* in place */
		memcpy(out, v->plain, v->len);
		wg_seal(out, out, v->len, v->ad, v->ad_len, v->counter, v->key);
		EXPECT_MEM(out, v->sealed, v->len + 16);
		EXPECT(wg_open(out, out, v->len + 16, v->ad, v->ad_len,
			       v->counter, v->key));
		EXPECT_MEM(out, v->plain, v->len);
	}
}

TEST(aead_refuses)
{
	const struct vector_aead *v;

	FOREACH(v, vectors_aead) {
		u8 in[116], ad[40], back[100];
		unsigned int i;

		memcpy(in, v->sealed, sizeof(in));
		memcpy(ad, v->ad, sizeof(ad));
		for (i = 0; i < v->len + 16; i++) {
			in[i] ^= 1 << (i % 8);
			EXPECT(!wg_open(back, in, v->len + 16, ad, v->ad_len,
					v->counter, v->key));
			in[i] ^= 1 << (i % 8);
		}
		for (i = 0; i < v->ad_len; i++) {
			ad[i] ^= 1;
			EXPECT(!wg_open(back, in, v->len + 16, ad, v->ad_len,
					v->counter, v->key));
			ad[i] ^= 1;
		}
		EXPECT(!wg_open(back, in, v->len + 16, ad, v->ad_len,
				v->counter ^ 1, v->key));
		EXPECT(!wg_open(back, in, v->len + 16, ad, v->ad_len,
				v->counter ^ (1ULL << 63), v->key));
		for (i = 0; i < 16; i++)
			EXPECT(!wg_open(back, in, i, ad, v->ad_len, v->counter,
					v->key));
	}
}

TEST(xaead_round_trip)
{
	const struct vector_cookie *v;

	FOREACH(v, vectors_cookie) {
		u8 out[32], back[16];
		int i;

		wg_xseal(out, v->cookie, 16, v->mac1, 16, v->nonce,
			 v->cookie_key);
		EXPECT_MEM(out, v->reply + 32, 32);
		EXPECT(wg_xopen(back, out, 32, v->mac1, 16, v->nonce,
				v->cookie_key));
		EXPECT_MEM(back, v->cookie, 16);
		for (i = 0; i < 32; i++) {
			out[i] ^= 0x80;
			EXPECT(!wg_xopen(back, out, 32, v->mac1, 16, v->nonce,
					 v->cookie_key));
			out[i] ^= 0x80;
		}
	}
}

TEST(x25519_vectors)
{
	const struct vector_x25519 *v;

	FOREACH(v, vectors_x25519) {
		u8 out[32], clamped[32];

		EXPECT(wg_dh(out, v->priv, v->pub));
		EXPECT_MEM(out, v->out, 32);
		/* a scalar that is clamped already gives the same */
		memcpy(clamped, v->priv, 32);
		wg_clamp(clamped);
		EXPECT_EQ(clamped[0] & 7, 0);
		EXPECT_EQ(clamped[31] & 0xc0, 0x40);
		EXPECT(wg_dh(out, clamped, v->pub));
		EXPECT_MEM(out, v->out, 32);
	}
}

TEST(public_keys)
{
	const struct vector_handshake *v;
	u8 pub[32], zero[32] = { 0 };

	FOREACH(v, vectors_handshake) {
		EXPECT(wg_public_key(pub, v->si));
		EXPECT_MEM(pub, v->si_pub, 32);
		EXPECT(wg_public_key(pub, v->sr));
		EXPECT_MEM(pub, v->sr_pub, 32);
		EXPECT(wg_public_key(pub, v->ei));
		EXPECT_MEM(pub, v->initiation + 8, 32);
	}
	EXPECT(!wg_public_key(pub, zero));
}

TEST(dh_of_a_low_order_point_fails)
{
	u8 out[32], pub[32] = { 0 };

	memset(out, 1, sizeof(out));
	EXPECT(!wg_dh(out, vectors_x25519[0].priv, pub));
	EXPECT_ZERO(out, 32);
	pub[0] = 1;
	EXPECT(!wg_dh(out, vectors_x25519[0].priv, pub));
}

TEST(compare)
{
	u8 a[32] = { 0 }, b[32] = { 0 };
	int i, bit;

	EXPECT(wg_equal(a, b, 32));
	EXPECT(wg_is_zero_key(a));
	for (i = 0; i < 32; i++) {
		for (bit = 0; bit < 8; bit++) {
			b[i] = 1 << bit;
			EXPECT(!wg_equal(a, b, 32));
			EXPECT(!wg_is_zero_key(b));
			EXPECT(wg_equal(a, b, i));
			b[i] = 0;
		}
	}
}

TEST(siphash_vector)
{
	/* Aumasson, Bernstein: "SipHash", appendix A */
	siphash_key_t key = { { 0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL } };
	u8 in[15];
	int i;

	for (i = 0; i < 15; i++)
		in[i] = i;
	EXPECT_EQ(siphash(in, sizeof(in), &key), 0xa129ca6149be45e5ULL);
}
