// SPDX-License-Identifier: GPL-2.0-only
/*
 * Protocol, "Handshake": against vectors of an independent origin, against
 * itself, and against whatever must be refused.
 */
#include "cookie.h"
#include "kernel/standin.h"
#include "ktap.h"
#include "noise.h"
#include "vectors.h"

#define N(table)	(sizeof(table) / sizeof((table)[0]))
#define NOW		(1000ULL * 1000000000)

static const u8 zero_key[32];

static void randomise(void *p, size_t len)
{
	u8 *b = p;

	while (len--)
		*b++ = standin_rand();
}

/* Two parties of which each knows the other, one of them about to call. */
struct pair {
	struct wg_static i, r;
	u8 ss[32], psk[32];
	u8 ei[32], er[32];
	u8 timestamp[12];
	u32 index_i, index_r;
	struct wg_mac_keys keys_i, keys_r;

	struct wg_noise noise_i, noise_r;
	struct wg_msg_initiation initiation;
	struct wg_msg_response response;
	struct wg_session_keys session_i, session_r;
};

static void pair_random(struct pair *p)
{
	memset(p, 0, sizeof(*p));
	randomise(p->i.priv, 32);
	randomise(p->r.priv, 32);
	wg_clamp(p->i.priv);
	wg_clamp(p->r.priv);
	REQUIRE(wg_public_key(p->i.pub, p->i.priv));
	REQUIRE(wg_public_key(p->r.pub, p->r.priv));
	REQUIRE(wg_dh(p->ss, p->i.priv, p->r.pub));
	randomise(p->psk, 32);
	randomise(p->ei, 32);
	randomise(p->er, 32);
	randomise(p->timestamp, 12);
	p->index_i = standin_rand();
	p->index_r = standin_rand();
	wg_mac_keys_derive(&p->keys_i, p->i.pub);
	wg_mac_keys_derive(&p->keys_r, p->r.pub);
}

static void pair_of_vector(struct pair *p, const struct vector_handshake *v)
{
	memset(p, 0, sizeof(*p));
	memcpy(p->i.priv, v->si, 32);
	memcpy(p->i.pub, v->si_pub, 32);
	memcpy(p->r.priv, v->sr, 32);
	memcpy(p->r.pub, v->sr_pub, 32);
	memcpy(p->ss, v->ss, 32);
	memcpy(p->psk, v->psk, 32);
	memcpy(p->ei, v->ei, 32);
	memcpy(p->er, v->er, 32);
	memcpy(p->timestamp, v->timestamp, 12);
	p->index_i = v->index_i;
	p->index_r = v->index_r;
	wg_mac_keys_derive(&p->keys_i, p->i.pub);
	wg_mac_keys_derive(&p->keys_r, p->r.pub);
}

static bool create_initiation(struct pair *p)
{
	memset(&p->initiation, 0x5a, sizeof(p->initiation));
	return wg_noise_create_initiation(&p->noise_i, &p->initiation, &p->i,
					  p->r.pub, p->ss, p->ei, p->timestamp,
					  p->index_i);
}

/* Both halves; what comes out has to be what went in. */
static bool consume_initiation(struct pair *p)
{
	u8 pub[32], timestamp[12];

	memset(&p->noise_r, 0x5a, sizeof(p->noise_r));
	if (!wg_noise_open_static(&p->noise_r, pub, &p->initiation, &p->r)) {
		EXPECT_ZERO(&p->noise_r, sizeof(p->noise_r));
		return false;
	}
	EXPECT_MEM(pub, p->i.pub, 32);
	if (!wg_noise_open_timestamp(&p->noise_r, timestamp, &p->initiation,
				     p->ss)) {
		EXPECT_ZERO(&p->noise_r, sizeof(p->noise_r));
		return false;
	}
	EXPECT_MEM(timestamp, p->timestamp, 12);
	return true;
}

static bool create_response(struct pair *p)
{
	bool ok;

	memset(&p->response, 0x5a, sizeof(p->response));
	memset(&p->session_r, 0x5a, sizeof(p->session_r));
	ok = wg_noise_create_response(&p->noise_r, &p->response, &p->session_r,
				      p->i.pub, p->psk, p->er, p->index_r,
				      p->index_i);
	EXPECT_ZERO(&p->noise_r, sizeof(p->noise_r));
	return ok;
}

static bool consume_response(struct pair *p)
{
	struct wg_noise was = p->noise_i;
	bool ok;

	memset(&p->session_i, 0x5a, sizeof(p->session_i));
	ok = wg_noise_consume_response(&p->noise_i, &p->session_i, &p->response,
				       &p->i, p->psk);
	EXPECT_MEM(&p->noise_i, &was, sizeof(was));
	if (!ok)
		EXPECT_ZERO(&p->session_i, sizeof(p->session_i));
	return ok;
}

static void handshake(struct pair *p)
{
	REQUIRE(create_initiation(p));
	REQUIRE(consume_initiation(p));
	REQUIRE(create_response(p));
	REQUIRE(consume_response(p));
	REQUIRE_MEM(p->session_i.send, p->session_r.recv, 32);
	REQUIRE_MEM(p->session_i.recv, p->session_r.send, 32);
	REQUIRE(!wg_equal(p->session_i.send, p->session_i.recv, 32));
}

/* Vectors */

TEST(kdf_vectors)
{
	const struct vector_kdf *v;

	for (v = vectors_kdf; v < vectors_kdf + N(vectors_kdf); v++) {
		u8 t[3][32];

		memset(t, 0x5a, sizeof(t));
		wg_noise_kdf(t[0], v->n > 1 ? t[1] : NULL,
			     v->n > 2 ? t[2] : NULL, v->key, v->input,
			     v->input_len);
		EXPECT_MEM(t[0], v->t1, 32);
		if (v->n > 1)
			EXPECT_MEM(t[1], v->t2, 32);
		if (v->n > 2)
			EXPECT_MEM(t[2], v->t3, 32);
	}
}

TEST(kdf_first_output_in_place_of_the_key)
{
	const struct vector_kdf *v;

	for (v = vectors_kdf; v < vectors_kdf + N(vectors_kdf); v++) {
		u8 key[32], t2[32], t3[32];

		memcpy(key, v->key, 32);
		wg_noise_kdf(key, v->n > 1 ? t2 : NULL, v->n > 2 ? t3 : NULL,
			     key, v->input, v->input_len);
		EXPECT_MEM(key, v->t1, 32);
		if (v->n > 1)
			EXPECT_MEM(t2, v->t2, 32);
		if (v->n > 2)
			EXPECT_MEM(t3, v->t3, 32);
	}
}

TEST_FN(vector_initiator)
{
	const struct vector_handshake *v = &vectors_handshake[param];
	struct wg_cookie_jar jar = { 0 };
	struct pair p;

	pair_of_vector(&p, v);
	REQUIRE(create_initiation(&p));
	if (v->has_cookies) {
		memcpy(jar.cookie, v->cookie_r, 16);
		jar.have = true;
		jar.born = NOW;
	}
	wg_macs_add(&jar, &p.keys_r, &p.initiation, sizeof(p.initiation), NOW);
	EXPECT_MEM(&p.initiation, v->initiation, 148);
	EXPECT_MEM(p.noise_i.chain, v->chain1, 32);
	EXPECT_MEM(p.noise_i.hash, v->hash1, 32);

	memcpy(&p.response, v->response, 92);
	REQUIRE(consume_response(&p));
	EXPECT_MEM(p.session_i.send, v->initiator_key, 32);
	EXPECT_MEM(p.session_i.recv, v->responder_key, 32);
}

TEST_FN(vector_responder)
{
	const struct vector_handshake *v = &vectors_handshake[param];
	struct wg_cookie_jar jar = { 0 };
	struct pair p;

	pair_of_vector(&p, v);
	memcpy(&p.initiation, v->initiation, 148);
	EXPECT(wg_macs_check1(&p.keys_r, &p.initiation, 148));
	if (v->has_cookies)
		EXPECT(wg_macs_check2(v->cookie_r, &p.initiation, 148));
	REQUIRE(consume_initiation(&p));
	EXPECT_MEM(p.noise_r.chain, v->chain1, 32);
	EXPECT_MEM(p.noise_r.hash, v->hash1, 32);
	REQUIRE(create_response(&p));
	if (v->has_cookies) {
		memcpy(jar.cookie, v->cookie_i, 16);
		jar.have = true;
		jar.born = NOW;
	}
	wg_macs_add(&jar, &p.keys_i, &p.response, sizeof(p.response), NOW);
	EXPECT_MEM(&p.response, v->response, 92);
	EXPECT_MEM(p.session_r.send, v->responder_key, 32);
	EXPECT_MEM(p.session_r.recv, v->initiator_key, 32);
}

TEST_CASE(vector_initiator, psk, 0)
TEST_CASE(vector_initiator, no_psk, 1)
TEST_CASE(vector_initiator, cookies, 2)
TEST_CASE(vector_initiator, unclamped, 3)
TEST_CASE(vector_initiator, epoch, 4)
TEST_CASE(vector_initiator, far, 5)
TEST_CASE(vector_responder, psk, 0)
TEST_CASE(vector_responder, no_psk, 1)
TEST_CASE(vector_responder, cookies, 2)
TEST_CASE(vector_responder, unclamped, 3)
TEST_CASE(vector_responder, epoch, 4)
TEST_CASE(vector_responder, far, 5)

TEST(vectors_are_what_their_names_say)
{
	EXPECT_EQ(N(vectors_handshake), 6);
	EXPECT(!wg_is_zero_key(vectors_handshake[0].psk));
	EXPECT(wg_is_zero_key(vectors_handshake[1].psk));
	EXPECT(vectors_handshake[2].has_cookies);
	EXPECT(vectors_handshake[3].ei[0] == 0xff);
}

/* Against itself */

TEST(handshakes_with_random_keys)
{
	u8 last[32] = { 0 };
	struct pair p;
	int i;

	for (i = 0; i < 50; i++) {
		pair_random(&p);
		if (i % 2)
			memset(p.psk, 0, 32);
		handshake(&p);
		EXPECT(!wg_equal(last, p.session_i.send, 32));
		memcpy(last, p.session_i.send, 32);
	}
}

TEST(fields_of_the_messages)
{
	struct pair p;

	pair_random(&p);
	p.index_i = 0x01020304;
	p.index_r = 0xa1a2a3a4;
	handshake(&p);
	EXPECT_MEM(&p.initiation, "\x01\x00\x00\x00\x04\x03\x02\x01", 8);
	EXPECT_MEM(&p.response,
		   "\x02\x00\x00\x00\xa4\xa3\xa2\xa1\x04\x03\x02\x01", 12);
	/* nothing of it repeats from one handshake to the next */
	EXPECT(!wg_equal(p.initiation.ephemeral, p.response.ephemeral, 32));
}

TEST(new_ephemeral_new_everything)
{
	struct wg_session_keys first;
	struct wg_msg_initiation m;
	struct pair p;

	pair_random(&p);
	handshake(&p);
	first = p.session_i;
	m = p.initiation;
	randomise(p.ei, 32);
	handshake(&p);
	EXPECT(memcmp(m.ephemeral, p.initiation.ephemeral, 32));
	EXPECT(memcmp(m.encrypted_static, p.initiation.encrypted_static, 48));
	EXPECT(memcmp(m.encrypted_timestamp, p.initiation.encrypted_timestamp,
		      28));
	EXPECT(memcmp(&first, &p.session_i, sizeof(first)));
	first = p.session_i;
	randomise(p.er, 32);
	handshake(&p);
	EXPECT(memcmp(first.send, p.session_i.send, 32));
	EXPECT(memcmp(first.recv, p.session_i.recv, 32));
}

/* What must be refused */

TEST(initiation_each_bit_flipped)
{
	struct pair p;
	int byte, bit;

	pair_random(&p);
	REQUIRE(create_initiation(&p));
	for (byte = offsetof(struct wg_msg_initiation, ephemeral);
	     byte < (int)offsetof(struct wg_msg_initiation, macs); byte++) {
		for (bit = 0; bit < 8; bit++) {
			((u8 *)&p.initiation)[byte] ^= 1 << bit;
			if (!EXPECT(!consume_initiation(&p)))
				ktap_note("byte %d, bit %d", byte, bit);
			((u8 *)&p.initiation)[byte] ^= 1 << bit;
		}
	}
	EXPECT(consume_initiation(&p));
}

TEST(response_each_bit_flipped)
{
	struct pair p;
	int byte, bit;

	pair_random(&p);
	REQUIRE(create_initiation(&p));
	REQUIRE(consume_initiation(&p));
	REQUIRE(create_response(&p));
	for (byte = offsetof(struct wg_msg_response, ephemeral);
	     byte < (int)offsetof(struct wg_msg_response, macs); byte++) {
		for (bit = 0; bit < 8; bit++) {
			((u8 *)&p.response)[byte] ^= 1 << bit;
			if (!EXPECT(!consume_response(&p)))
				ktap_note("byte %d, bit %d", byte, bit);
			((u8 *)&p.response)[byte] ^= 1 << bit;
		}
	}
	/* the state has outlived all of them */
	EXPECT(consume_response(&p));
	EXPECT_MEM(p.session_i.send, p.session_r.recv, 32);
	EXPECT_MEM(p.session_i.recv, p.session_r.send, 32);
}

/* Type, mac1 and crypto together: no byte but those of mac2 may change. */
static bool whole_initiation(struct pair *p)
{
	__le32 word;

	memcpy(&word, &p->initiation, 4);
	return wg_msg_classify(word, 148) == WG_MSG_INITIATION &&
	       wg_macs_check1(&p->keys_r, &p->initiation, 148) &&
	       consume_initiation(p);
}

static bool whole_response(struct pair *p)
{
	__le32 word;

	memcpy(&word, &p->response, 4);
	return wg_msg_classify(word, 92) == WG_MSG_RESPONSE &&
	       wg_macs_check1(&p->keys_i, &p->response, 92) &&
	       consume_response(p);
}

TEST(every_byte_of_both_messages_counts)
{
	struct wg_cookie_jar jar = { 0 };
	struct pair p;
	unsigned int i, x;

	pair_random(&p);
	REQUIRE(create_initiation(&p));
	wg_macs_add(&jar, &p.keys_r, &p.initiation, 148, NOW);
	for (i = 0; i < 148; i++) {
		for (x = 1; x < 256; x <<= 1) {
			((u8 *)&p.initiation)[i] ^= x;
			if (!EXPECT_EQ(whole_initiation(&p), i >= 132))
				ktap_note("byte %u, xor %#x", i, x);
			((u8 *)&p.initiation)[i] ^= x;
		}
	}
	REQUIRE(whole_initiation(&p));
	REQUIRE(create_response(&p));
	wg_macs_add(&jar, &p.keys_i, &p.response, 92, NOW);
	for (i = 0; i < 92; i++) {
		for (x = 1; x < 256; x <<= 1) {
			((u8 *)&p.response)[i] ^= x;
			if (!EXPECT_EQ(whole_response(&p), i >= 76))
				ktap_note("byte %u, xor %#x", i, x);
			((u8 *)&p.response)[i] ^= x;
		}
	}
	REQUIRE(whole_response(&p));
}

TEST(wrong_preshared_key)
{
	struct pair p;
	int i;

	pair_random(&p);
	REQUIRE(create_initiation(&p));
	REQUIRE(consume_initiation(&p));
	REQUIRE(create_response(&p));
	for (i = 0; i < 256; i++) {
		p.psk[i / 8] ^= 1 << (i % 8);
		EXPECT(!consume_response(&p));
		p.psk[i / 8] ^= 1 << (i % 8);
	}
	EXPECT(consume_response(&p));
}

TEST(preshared_key_on_one_side_only)
{
	struct pair p;
	u8 psk[32];

	pair_random(&p);
	memcpy(psk, p.psk, 32);
	REQUIRE(create_initiation(&p));
	REQUIRE(consume_initiation(&p));
	REQUIRE(create_response(&p));
	memset(p.psk, 0, 32);
	EXPECT(!consume_response(&p));

	REQUIRE(consume_initiation(&p));
	REQUIRE(create_response(&p));
	memcpy(p.psk, psk, 32);
	EXPECT(!consume_response(&p));
}

TEST(initiation_to_someone_else)
{
	struct pair p, q;

	pair_random(&p);
	pair_random(&q);
	REQUIRE(create_initiation(&p));
	q.initiation = p.initiation;
	EXPECT(!consume_initiation(&q));
	/* right public key in the hash, but not the secret one */
	memcpy(q.r.pub, p.r.pub, 32);
	EXPECT(!consume_initiation(&q));
	/* and the other way round */
	q.r = p.r;
	q.r.pub[7] ^= 1;
	EXPECT(!consume_initiation(&q));
}

TEST(initiation_in_someone_elses_name)
{
	struct pair p, q;
	u8 pub[32], timestamp[12];

	/* q's owner says to be p.i, whose secret it has not */
	pair_random(&p);
	pair_random(&q);
	q.r = p.r;
	memcpy(q.i.pub, p.i.pub, 32);
	REQUIRE(wg_dh(q.ss, q.i.priv, q.r.pub));
	REQUIRE(create_initiation(&q));
	REQUIRE(wg_noise_open_static(&p.noise_r, pub, &q.initiation, &p.r));
	EXPECT_MEM(pub, p.i.pub, 32);
	EXPECT(!wg_noise_open_timestamp(&p.noise_r, timestamp, &q.initiation,
					p.ss));
	EXPECT_ZERO(&p.noise_r, sizeof(p.noise_r));
}

TEST(wrong_static_static_secret)
{
	struct pair p;

	pair_random(&p);
	REQUIRE(create_initiation(&p));
	p.ss[31] ^= 1;
	EXPECT(!consume_initiation(&p));
}

TEST(response_from_someone_else)
{
	struct pair p, q;

	pair_random(&p);
	REQUIRE(create_initiation(&p));
	/* another responder, for its own handshake with the same caller */
	pair_random(&q);
	q.i = p.i;
	memcpy(q.psk, p.psk, 32);
	REQUIRE(wg_dh(q.ss, q.i.priv, q.r.pub));
	handshake(&q);
	p.response = q.response;
	EXPECT(!consume_response(&p));
}

TEST(response_consumed_with_another_static_key)
{
	struct pair p, q;

	pair_random(&p);
	pair_random(&q);
	REQUIRE(create_initiation(&p));
	REQUIRE(consume_initiation(&p));
	REQUIRE(create_response(&p));
	q.i = p.i;
	p.i.priv[3] ^= 4;
	EXPECT(!consume_response(&p));
	p.i = q.i;
	EXPECT(consume_response(&p));
}

TEST(stale_response_after_a_newer_initiation)
{
	struct wg_msg_response stale;
	struct pair p;

	pair_random(&p);
	REQUIRE(create_initiation(&p));
	REQUIRE(consume_initiation(&p));
	REQUIRE(create_response(&p));
	stale = p.response;
	/* the same caller tries again before that came */
	randomise(p.ei, 32);
	REQUIRE(create_initiation(&p));
	p.response = stale;
	EXPECT(!consume_response(&p));
	REQUIRE(consume_initiation(&p));
	REQUIRE(create_response(&p));
	EXPECT(consume_response(&p));
}

TEST(good_response_after_many_bad_ones)
{
	struct wg_msg_response good;
	struct pair p;
	int i;

	pair_random(&p);
	REQUIRE(create_initiation(&p));
	REQUIRE(consume_initiation(&p));
	REQUIRE(create_response(&p));
	good = p.response;
	for (i = 0; i < 100; i++) {
		randomise(&p.response, sizeof(p.response));
		EXPECT(!consume_response(&p));
	}
	p.response = good;
	EXPECT(consume_response(&p));
	EXPECT_MEM(p.session_i.send, p.session_r.recv, 32);
}

TEST(reflected_initiation)
{
	/* what we sent, sent back to us */
	struct pair p;
	u8 pub[32];

	pair_random(&p);
	REQUIRE(create_initiation(&p));
	EXPECT(!wg_noise_open_static(&p.noise_r, pub, &p.initiation, &p.i));
	EXPECT_ZERO(&p.noise_r, sizeof(p.noise_r));
}

/*
 * Points of low order on the curve and its twist, all their encodings below
 * 2^256: X25519 of any scalar and one of them is zero.
 */
static const u8 low_order[][32] = {
	{ 0 },
	{ 1 },
	/* order 8 */
	{ 0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae,
	  0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
	  0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd,
	  0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00 },
	{ 0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24,
	  0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
	  0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86,
	  0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57 },
#define P(low)	{ low, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,	\
		  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,	\
		  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,	\
		  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f }
	P(0xec),	/* p - 1, order 4 */
	P(0xed),	/* p */
	P(0xee),	/* p + 1 */
};

/* Each also with the top bit set, which X25519 ignores. */
#define LOW_ORDER_POINTS	(2 * (int)N(low_order))

static const u8 *low_order_point(int i)
{
	static u8 point[32];

	memcpy(point, low_order[i / 2], 32);
	point[31] |= i % 2 << 7;
	return point;
}

TEST(low_order_points_are_such)
{
	u8 out[32], priv[32];
	int i;

	for (i = 0; i < LOW_ORDER_POINTS; i++) {
		randomise(priv, 32);
		EXPECT(!wg_dh(out, priv, low_order_point(i)));
	}
}

TEST(low_order_peer_gets_no_initiation)
{
	struct pair p;
	int i;

	for (i = 0; i < LOW_ORDER_POINTS; i++) {
		pair_random(&p);
		memcpy(p.r.pub, low_order_point(i), 32);
		memset(&p.noise_i, 0x5a, sizeof(p.noise_i));
		EXPECT(!create_initiation(&p));
		EXPECT_ZERO(&p.noise_i, sizeof(p.noise_i));
		memset(p.ss, 0, 32);
		memset(&p.noise_i, 0x5a, sizeof(p.noise_i));
		EXPECT(!create_initiation(&p));
		EXPECT_ZERO(&p.noise_i, sizeof(p.noise_i));
	}
}

/* As it is precomputed for such a peer: no secret at all. */
TEST(zero_static_static_secret)
{
	struct pair p;

	pair_random(&p);
	memset(p.ss, 0, 32);
	memset(&p.noise_i, 0x5a, sizeof(p.noise_i));
	EXPECT(!create_initiation(&p));
	EXPECT_ZERO(&p.noise_i, sizeof(p.noise_i));
}

/* HASH, and sealing with the next key, for messages of our own making */

static void hash_in(u8 h[32], const void *p, size_t len)
{
	wg_hash2(h, h, 32, p, len);
}

static void initial(u8 c[32], u8 h[32], const u8 responder[32])
{
	wg_hash2(c, "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s", 37, NULL, 0);
	wg_hash2(h, c, 32, "WireGuard v1 zx2c4 Jason@zx2c4.com", 34);
	hash_in(h, responder, 32);
}

/*
 * An initiation as one would make it who has no secret at all but knows that
 * a DH result is zero: valid in all else.
 */
static void forge_initiation(struct wg_msg_initiation *m, const u8 epub[32],
			     const u8 es[32], const u8 spub[32],
			     const u8 ss[32], const u8 responder[32])
{
	u8 c[32], h[32], k[32];

	memset(m, 0, sizeof(*m));
	m->type = cpu_to_le32(1);
	m->sender = cpu_to_le32(77);
	memcpy(m->ephemeral, epub, 32);
	initial(c, h, responder);
	wg_noise_kdf(c, NULL, NULL, c, epub, 32);
	hash_in(h, epub, 32);
	wg_noise_kdf(c, k, NULL, c, es, 32);
	wg_seal(m->encrypted_static, spub, 32, h, 32, 0, k);
	hash_in(h, m->encrypted_static, 48);
	wg_noise_kdf(c, k, NULL, c, ss, 32);
	wg_seal(m->encrypted_timestamp, (const u8 *)"time stamp..", 12, h, 32,
		0, k);
}

TEST(forged_initiation_is_right_but_for_the_zeros)
{
	struct wg_msg_initiation m;
	u8 es[32], epub[32], timestamp[12], pub[32];
	struct pair p;

	/* the control for the next tests */
	pair_random(&p);
	REQUIRE(wg_public_key(epub, p.ei));
	REQUIRE(wg_dh(es, p.ei, p.r.pub));
	forge_initiation(&m, epub, es, p.i.pub, p.ss, p.r.pub);
	REQUIRE(wg_noise_open_static(&p.noise_r, pub, &m, &p.r));
	EXPECT_MEM(pub, p.i.pub, 32);
	EXPECT(wg_noise_open_timestamp(&p.noise_r, timestamp, &m, p.ss));
	EXPECT_MEM(timestamp, "time stamp..", 12);
}

TEST(initiation_with_a_low_order_ephemeral)
{
	struct wg_msg_initiation m;
	struct pair p;
	u8 pub[32];
	int i;

	for (i = 0; i < LOW_ORDER_POINTS; i++) {
		pair_random(&p);
		forge_initiation(&m, low_order_point(i), zero_key, p.i.pub,
				 p.ss, p.r.pub);
		memset(&p.noise_r, 0x5a, sizeof(p.noise_r));
		EXPECT(!wg_noise_open_static(&p.noise_r, pub, &m, &p.r));
		EXPECT_ZERO(&p.noise_r, sizeof(p.noise_r));
	}
}

TEST(initiation_from_a_low_order_peer)
{
	struct wg_msg_initiation m;
	u8 es[32], epub[32], timestamp[12], pub[32], ss[32];
	struct pair p;
	int i;

	for (i = 0; i < LOW_ORDER_POINTS; i++) {
		pair_random(&p);
		REQUIRE(wg_public_key(epub, p.ei));
		REQUIRE(wg_dh(es, p.ei, p.r.pub));
		REQUIRE(!wg_dh(ss, p.r.priv, low_order_point(i)));
		forge_initiation(&m, epub, es, low_order_point(i), zero_key,
				 p.r.pub);
		REQUIRE(wg_noise_open_static(&p.noise_r, pub, &m, &p.r));
		EXPECT_MEM(pub, low_order_point(i), 32);
		/* what is precomputed for such a peer is zero */
		EXPECT(!wg_noise_open_timestamp(&p.noise_r, timestamp, &m, ss));
		EXPECT_ZERO(&p.noise_r, sizeof(p.noise_r));
	}
}

/* Nothing derived: as create_response() filled it, or wiped. */
static bool no_keys(const struct wg_session_keys *keys)
{
	u8 b = keys->send[0];
	unsigned int i;

	for (i = 0; i < sizeof(*keys); i++)
		if (((const u8 *)keys)[i] != b)
			return false;
	return b == 0 || b == 0x5a;
}

TEST(no_response_to_low_order_points)
{
	struct pair p;
	int i;

	for (i = 0; i < LOW_ORDER_POINTS; i++) {
		pair_random(&p);
		REQUIRE(create_initiation(&p));
		REQUIRE(consume_initiation(&p));
		memcpy(p.noise_r.remote_ephemeral, low_order_point(i), 32);
		EXPECT(!create_response(&p));
		EXPECT(no_keys(&p.session_r));
		REQUIRE(consume_initiation(&p));
		memcpy(p.i.pub, low_order_point(i), 32);
		EXPECT(!create_response(&p));
		EXPECT(no_keys(&p.session_r));
	}
}

/* A response whose maker knows ee and se. */
static void forge_response(struct wg_msg_response *m,
			   const struct wg_noise *noise, const u8 epub[32],
			   const u8 ee[32], const u8 se[32], const u8 psk[32])
{
	u8 c[32], h[32], k[32], tau[32];

	memset(m, 0, sizeof(*m));
	m->type = cpu_to_le32(2);
	memcpy(m->ephemeral, epub, 32);
	memcpy(c, noise->chain, 32);
	memcpy(h, noise->hash, 32);
	wg_noise_kdf(c, NULL, NULL, c, epub, 32);
	hash_in(h, epub, 32);
	wg_noise_kdf(c, NULL, NULL, c, ee, 32);
	wg_noise_kdf(c, NULL, NULL, c, se, 32);
	wg_noise_kdf(c, tau, k, c, psk, 32);
	hash_in(h, tau, 32);
	wg_seal(m->encrypted_nothing, NULL, 0, h, 32, 0, k);
}

TEST(response_with_a_low_order_ephemeral)
{
	u8 epub[32], ee[32], se[32];
	struct pair p;
	int i;

	pair_random(&p);
	REQUIRE(create_initiation(&p));
	/* control: the same made with an honest point is accepted */
	REQUIRE(wg_public_key(epub, p.er));
	REQUIRE(wg_dh(ee, p.er, p.initiation.ephemeral));
	REQUIRE(wg_dh(se, p.er, p.i.pub));
	forge_response(&p.response, &p.noise_i, epub, ee, se, p.psk);
	REQUIRE(consume_response(&p));
	for (i = 0; i < LOW_ORDER_POINTS; i++) {
		forge_response(&p.response, &p.noise_i, low_order_point(i),
			       zero_key, zero_key, p.psk);
		EXPECT(!consume_response(&p));
	}
}

/* Time stamps */

TEST(timestamp_vectors)
{
	const struct vector_timestamp *v;
	u8 out[12];

	for (v = vectors_timestamp;
	     v < vectors_timestamp + N(vectors_timestamp); v++) {
		wg_noise_timestamp(out, v->seconds, v->nanoseconds);
		EXPECT_MEM(out, v->out, 12);
	}
}

TEST(timestamp_of_the_epoch)
{
	u8 out[12];

	wg_noise_timestamp(out, 0, 16777215);
	EXPECT_MEM(out, "\x40\0\0\0\0\0\0\x0a\0\0\0\0", 12);
}

TEST(timestamp_rounds_to_2_24)
{
	u32 ns;
	u8 out[12];

	for (ns = 0; ns < 1000000000; ns += 999983) {
		wg_noise_timestamp(out, 1, ns);
		REQUIRE_EQ(out[8], ns >> 24);
		REQUIRE(!out[9] && !out[10] && !out[11]);
	}
}

TEST(timestamp_is_monotone)
{
	u64 t = 1700000000ULL * 1000000000, step;
	u8 a[12], b[12];
	int i;

	wg_noise_timestamp(a, t / 1000000000, t % 1000000000);
	for (i = 0; i < 200000; i++) {
		step = standin_rand() % 60000000;
		if (i % 1000 == 0)
			step = standin_rand() % (1ULL << 50);
		t += step;
		wg_noise_timestamp(b, t / 1000000000, t % 1000000000);
		REQUIRE(memcmp(a, b, 12) <= 0);
		/* one of 50 a second is greater than the last */
		if (step >= 20000000)
			REQUIRE(memcmp(a, b, 12) < 0);
		memcpy(a, b, 12);
	}
}
