// SPDX-License-Identifier: GPL-2.0-only
/* Protocol, "Denial-of-service protection": mac1, mac2, cookies. */
#include "cookie.h"
#include "kernel/standin.h"
#include "ktap.h"
#include "vectors.h"

#define N(table)	(sizeof(table) / sizeof((table)[0]))
#define SECOND		1000000000ULL
#define NOW		(1000 * SECOND)

static u8 msg[148];
static struct wg_mac_keys keys;

static void randomise(void *p, size_t len)
{
	u8 *b = p;

	while (len--)
		*b++ = standin_rand();
}

static u8 *mac1_of(size_t len)
{
	return msg + len - 32;
}

static u8 *mac2_of(size_t len)
{
	return msg + len - 16;
}

static void setup(void)
{
	u8 pub[32];

	randomise(pub, 32);
	randomise(msg, sizeof(msg));
	wg_mac_keys_derive(&keys, pub);
}

/* A reply to what was sent last. */
static void reply_to(struct wg_msg_cookie_reply *r, const u8 cookie[16],
		     size_t len)
{
	u8 nonce[24];

	randomise(nonce, 24);
	wg_cookie_reply_create(r, &keys, cookie, mac1_of(len), nonce,
			       cpu_to_le32(5));
}

/* A jar with a cookie that came at a given time. */
static void jar_with(struct wg_cookie_jar *jar, const u8 cookie[16], u64 born)
{
	struct wg_msg_cookie_reply r;

	memset(jar, 0, sizeof(*jar));
	wg_macs_add(jar, &keys, msg, 148, born);
	reply_to(&r, cookie, 148);
	REQUIRE(wg_cookie_reply_consume(jar, &keys, &r, born));
}

TEST(key_vectors)
{
	const struct vector_cookie *v;

	for (v = vectors_cookie; v < vectors_cookie + N(vectors_cookie); v++) {
		wg_mac_keys_derive(&keys, v->pub);
		EXPECT_MEM(keys.mac1, v->mac1_key, 32);
		EXPECT_MEM(keys.cookie, v->cookie_key, 32);
	}
}

TEST(cookie_vectors)
{
	const struct vector_cookie *v;
	u8 out[16];

	for (v = vectors_cookie; v < vectors_cookie + N(vectors_cookie); v++) {
		wg_cookie_make(out, v->secret, v->source, v->source_len);
		EXPECT_MEM(out, v->cookie, 16);
	}
}

TEST(cookie_reply_vectors)
{
	const struct vector_cookie *v;

	for (v = vectors_cookie; v < vectors_cookie + N(vectors_cookie); v++) {
		struct wg_msg_cookie_reply r;
		struct wg_cookie_jar jar = { .waiting = true };

		memset(&r, 0x5a, sizeof(r));
		wg_mac_keys_derive(&keys, v->pub);
		wg_cookie_reply_create(&r, &keys, v->cookie, v->mac1, v->nonce,
				       cpu_to_le32(v->receiver));
		EXPECT_MEM(&r, v->reply, 64);
		memcpy(jar.last_mac1, v->mac1, 16);
		memcpy(&r, v->reply, 64);
		EXPECT(wg_cookie_reply_consume(&jar, &keys, &r, NOW));
		EXPECT_MEM(jar.cookie, v->cookie, 16);
		EXPECT(jar.have && !jar.waiting);
		EXPECT_EQ(jar.born, NOW);
	}
}

TEST_FN(mac_vectors)
{
	const struct vector_handshake *v;

	for (v = vectors_handshake;
	     v < vectors_handshake + N(vectors_handshake); v++) {
		const u8 *should = param == 148 ? v->initiation : v->response;
		const u8 *cookie = param == 148 ? v->cookie_r : v->cookie_i;
		struct wg_cookie_jar jar = { 0 };

		wg_mac_keys_derive(&keys, param == 148 ? v->sr_pub : v->si_pub);
		EXPECT(wg_macs_check1(&keys, should, param));
		memcpy(msg, should, param);
		memset(mac1_of(param), 0x5a, 32);
		if (v->has_cookies) {
			EXPECT(wg_macs_check2(cookie, should, param));
			jar.have = true;
			jar.born = NOW;
			memcpy(jar.cookie, cookie, 16);
		}
		wg_macs_add(&jar, &keys, msg, param, NOW);
		EXPECT_MEM(msg, should, param);
		EXPECT_MEM(jar.last_mac1, mac1_of(param), 16);
		EXPECT(jar.waiting);
	}
}

TEST_CASE(mac_vectors, initiation, 148)
TEST_CASE(mac_vectors, response, 92)

TEST_FN(mac1_flips)
{
	struct wg_cookie_jar jar = { 0 };
	int i, bit;

	setup();
	wg_macs_add(&jar, &keys, msg, param, NOW);
	EXPECT(wg_macs_check1(&keys, msg, param));
	for (i = 0; i < param; i++) {
		for (bit = 0; bit < 8; bit++) {
			msg[i] ^= 1 << bit;
			/* mac1 covers all before it, and nothing after it */
			EXPECT_EQ(wg_macs_check1(&keys, msg, param),
				  i >= param - 16);
			msg[i] ^= 1 << bit;
		}
	}
	EXPECT(!wg_macs_check1(&keys, msg, param == 148 ? 92 : 148));
}

TEST_CASE(mac1_flips, initiation, 148)
TEST_CASE(mac1_flips, response, 92)

TEST_FN(mac2_flips)
{
	struct wg_cookie_jar jar;
	u8 cookie[16];
	int i, bit;

	setup();
	randomise(cookie, 16);
	jar_with(&jar, cookie, NOW);
	wg_macs_add(&jar, &keys, msg, param, NOW + 1);
	EXPECT(wg_macs_check1(&keys, msg, param));
	EXPECT(wg_macs_check2(cookie, msg, param));
	for (i = 0; i < param; i++) {
		for (bit = 0; bit < 8; bit++) {
			msg[i] ^= 1 << bit;
			EXPECT(!wg_macs_check2(cookie, msg, param));
			msg[i] ^= 1 << bit;
		}
	}
	for (i = 0; i < 128; i++) {
		cookie[i / 8] ^= 1 << (i % 8);
		EXPECT(!wg_macs_check2(cookie, msg, param));
		cookie[i / 8] ^= 1 << (i % 8);
	}
}

TEST_CASE(mac2_flips, initiation, 148)
TEST_CASE(mac2_flips, response, 92)

TEST(mac1_is_for_one_receiver)
{
	struct wg_cookie_jar jar = { 0 };

	setup();
	wg_macs_add(&jar, &keys, msg, 148, NOW);
	setup();
	EXPECT(!wg_macs_check1(&keys, msg, 148));
}

TEST(no_cookie_no_mac2)
{
	struct wg_cookie_jar jar = { 0 };
	u8 cookie[16] = { 0 };

	setup();
	wg_macs_add(&jar, &keys, msg, 148, NOW);
	EXPECT_ZERO(mac2_of(148), 16);
	/* the clock of a machine that has just started */
	memset(&jar, 0, sizeof(jar));
	memset(mac2_of(148), 1, 16);
	wg_macs_add(&jar, &keys, msg, 148, 0);
	EXPECT_ZERO(mac2_of(148), 16);
	EXPECT(!wg_macs_check2(cookie, msg, 148));
}

TEST_FN(cookie_age)
{
	static const u64 born[] = { NOW, 0, 1, 1ULL << 62 };
	static const struct {
		u64 age;
		bool used;
	} ages[] = {
		{ 0, true }, { 1, true }, { 60 * SECOND, true },
		{ 115 * SECOND - 1, true },
		{ 115 * SECOND, false },
		{ 115 * SECOND + 1, false },
		{ 120 * SECOND - 1, false },
		{ 120 * SECOND, false },
		{ 120 * SECOND + 1, false },
		{ 10000000 * SECOND, false },
	};
	struct wg_cookie_jar jar;
	unsigned int i, j;
	u8 cookie[16];

	setup();
	randomise(cookie, 16);
	for (i = 0; i < N(born); i++) {
		for (j = 0; j < N(ages); j++) {
			jar_with(&jar, cookie, born[i]);
			memset(mac2_of(param), 0x5a, 16);
			wg_macs_add(&jar, &keys, msg, param,
				    born[i] + ages[j].age);
			EXPECT(wg_macs_check1(&keys, msg, param));
			if (ages[j].used)
				EXPECT(wg_macs_check2(cookie, msg, param));
			else
				EXPECT_ZERO(mac2_of(param), 16);
			if (ktap_failed()) {
				ktap_note("age %llu ns", ages[j].age);
				return;
			}
		}
	}
}

TEST_CASE(cookie_age, initiation, 148)
TEST_CASE(cookie_age, response, 92)

TEST(a_cookie_serves_until_it_is_old)
{
	struct wg_cookie_jar jar;
	u8 cookie[16];
	int s;

	setup();
	randomise(cookie, 16);
	jar_with(&jar, cookie, NOW);
	for (s = 0; s < 130; s += 5) {
		msg[9]++;
		wg_macs_add(&jar, &keys, msg, 148, NOW + s * SECOND);
		EXPECT_EQ(wg_macs_check2(cookie, msg, 148), s < 115);
	}
}

TEST(a_newer_cookie_takes_its_place)
{
	struct wg_msg_cookie_reply r;
	struct wg_cookie_jar jar;
	u8 a[16], b[16];

	setup();
	randomise(a, 16);
	randomise(b, 16);
	jar_with(&jar, a, NOW);
	wg_macs_add(&jar, &keys, msg, 148, NOW + 100 * SECOND);
	reply_to(&r, b, 148);
	EXPECT(wg_cookie_reply_consume(&jar, &keys, &r, NOW + 101 * SECOND));
	wg_macs_add(&jar, &keys, msg, 148, NOW + 200 * SECOND);
	EXPECT(!wg_macs_check2(a, msg, 148));
	EXPECT(wg_macs_check2(b, msg, 148));
	wg_macs_add(&jar, &keys, msg, 148, NOW + 216 * SECOND);
	EXPECT_ZERO(mac2_of(148), 16);
}

TEST(one_reply_for_each_mac1)
{
	struct wg_cookie_jar jar = { 0 };
	struct wg_msg_cookie_reply first, again;
	u8 a[16], b[16];

	setup();
	randomise(a, 16);
	randomise(b, 16);
	wg_macs_add(&jar, &keys, msg, 148, NOW);
	reply_to(&first, a, 148);
	reply_to(&again, b, 148);
	EXPECT(wg_cookie_reply_consume(&jar, &keys, &first, NOW));
	EXPECT(!wg_cookie_reply_consume(&jar, &keys, &first, NOW));
	EXPECT(!wg_cookie_reply_consume(&jar, &keys, &again, NOW + SECOND));
	EXPECT_MEM(jar.cookie, a, 16);
	EXPECT_EQ(jar.born, NOW);
	/* the same bytes sent once more: one more */
	wg_macs_add(&jar, &keys, msg, 148, NOW + 5 * SECOND);
	EXPECT(wg_cookie_reply_consume(&jar, &keys, &again, NOW + 5 * SECOND));
	EXPECT_MEM(jar.cookie, b, 16);
}

TEST(no_reply_unless_something_was_sent)
{
	struct wg_cookie_jar jar = { 0 };
	struct wg_msg_cookie_reply r;
	u8 cookie[16], nonce[24], zero[16] = { 0 };

	setup();
	randomise(cookie, 16);
	randomise(nonce, 24);
	wg_cookie_reply_create(&r, &keys, cookie, zero, nonce, 0);
	EXPECT(!wg_cookie_reply_consume(&jar, &keys, &r, NOW));
	EXPECT(!jar.have);
	EXPECT_ZERO(&jar, sizeof(jar));
}

TEST(reply_to_an_older_message)
{
	struct wg_cookie_jar jar = { 0 }, was;
	struct wg_msg_cookie_reply r;
	u8 cookie[16];

	setup();
	randomise(cookie, 16);
	wg_macs_add(&jar, &keys, msg, 148, NOW);
	reply_to(&r, cookie, 148);
	msg[20] ^= 1;
	wg_macs_add(&jar, &keys, msg, 148, NOW + 5 * SECOND);
	was = jar;
	EXPECT(!wg_cookie_reply_consume(&jar, &keys, &r, NOW + 6 * SECOND));
	EXPECT_MEM(&jar, &was, sizeof(jar));
}

TEST(bad_reply_changes_nothing)
{
	struct wg_cookie_jar jar = { 0 }, was;
	struct wg_msg_cookie_reply r;
	u8 cookie[16];
	int i, bit;

	setup();
	randomise(cookie, 16);
	wg_macs_add(&jar, &keys, msg, 148, NOW);
	reply_to(&r, cookie, 148);
	was = jar;
	for (i = offsetof(struct wg_msg_cookie_reply, nonce); i < 64; i++) {
		for (bit = 0; bit < 8; bit++) {
			((u8 *)&r)[i] ^= 1 << bit;
			EXPECT(!wg_cookie_reply_consume(&jar, &keys, &r, NOW));
			EXPECT_MEM(&jar, &was, sizeof(jar));
			((u8 *)&r)[i] ^= 1 << bit;
		}
	}
	/* still waiting: the good one comes through */
	EXPECT(wg_cookie_reply_consume(&jar, &keys, &r, NOW));
	EXPECT_MEM(jar.cookie, cookie, 16);
}

TEST(bad_reply_keeps_the_cookie_held)
{
	struct wg_msg_cookie_reply r;
	struct wg_cookie_jar jar;
	u8 cookie[16];

	setup();
	randomise(cookie, 16);
	jar_with(&jar, cookie, NOW);
	wg_macs_add(&jar, &keys, msg, 148, NOW + SECOND);
	reply_to(&r, cookie, 148);
	r.encrypted_cookie[0] ^= 1;
	EXPECT(!wg_cookie_reply_consume(&jar, &keys, &r, NOW + 2 * SECOND));
	wg_macs_add(&jar, &keys, msg, 148, NOW + 3 * SECOND);
	EXPECT(wg_macs_check2(cookie, msg, 148));
}

TEST(reply_from_another_key)
{
	struct wg_cookie_jar jar = { 0 };
	struct wg_msg_cookie_reply r;
	struct wg_mac_keys right;
	u8 cookie[16];

	setup();
	right = keys;
	randomise(cookie, 16);
	wg_macs_add(&jar, &keys, msg, 148, NOW);
	keys.cookie[0] ^= 1;
	reply_to(&r, cookie, 148);
	EXPECT(!wg_cookie_reply_consume(&jar, &right, &r, NOW));
}

TEST(cookie_is_of_address_and_port)
{
	u8 secret[32], source[18], cookie[16], other[16];
	int len, i;

	randomise(secret, 32);
	for (len = 6; len <= 18; len += 12) {
		randomise(source, sizeof(source));
		wg_cookie_make(cookie, secret, source, len);
		/* the port is in the last two bytes */
		for (i = 0; i < 8 * len; i++) {
			source[i / 8] ^= 1 << (i % 8);
			wg_cookie_make(other, secret, source, len);
			EXPECT(memcmp(cookie, other, 16));
			source[i / 8] ^= 1 << (i % 8);
		}
		for (i = 0; i < 256; i++) {
			secret[i / 8] ^= 1 << (i % 8);
			wg_cookie_make(other, secret, source, len);
			EXPECT(memcmp(cookie, other, 16));
			secret[i / 8] ^= 1 << (i % 8);
		}
		wg_cookie_make(other, secret, source, len);
		EXPECT_MEM(other, cookie, 16);
	}
}

TEST(cookie_of_v4_is_not_of_v6)
{
	u8 secret[32], source[18] = { 0 }, a[16], b[16];

	randomise(secret, 32);
	wg_cookie_make(a, secret, source, 6);
	wg_cookie_make(b, secret, source, 18);
	EXPECT(memcmp(a, b, 16));
}

TEST(message_at_any_alignment)
{
	struct wg_cookie_jar jar = { 0 };
	u8 buf[148 + 8];
	int shift;

	setup();
	for (shift = 0; shift < 8; shift++) {
		memcpy(buf + shift, msg, 148);
		wg_macs_add(&jar, &keys, buf + shift, 148, NOW);
		EXPECT(wg_macs_check1(&keys, buf + shift, 148));
		EXPECT(!wg_macs_check2(jar.cookie, buf + shift, 148));
	}
}
