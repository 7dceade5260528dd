// SPDX-License-Identifier: GPL-2.0-only
/* Transport messages sealed and opened: the same as the AEAD of lib/crypto. */
#include <stdlib.h>
#include <linux/kernel.h>
#include "aead.h"
#include "ktap.h"

#define MAX_LEN 2100
#define GUARD 0xa5

static u8 key[WG_KEY_LEN];
static u8 plain[MAX_LEN];

static void randoms(void *p, size_t len)
{
	u8 *b = p;

	while (len--)
		*b++ = rand();
}

/* A buffer with guards around what a message may touch. */
struct message {
	u8 *buf;
	u8 *text;
	size_t size;
};

static struct message make(const u8 *text, size_t len, size_t shift)
{
	struct message m;

	m.size = 256 + len + WG_TAG_LEN;
	m.buf = malloc(m.size);
	memset(m.buf, GUARD, m.size);
	m.text = m.buf + 128 + shift;
	memcpy(m.text, text, len);
	return m;
}

static void seal(size_t len, size_t shift, u64 counter)
{
	u8 right[MAX_LEN + WG_TAG_LEN];
	static const u8 zeros[WG_AEAD_HEADROOM];
	struct message m = make(plain, len, shift);
	u8 *end = m.text + len + WG_TAG_LEN;
	struct wg_aead aead;

	wg_seal(right, plain, len, NULL, 0, counter, key);
	wg_aead_init(&aead, key);
	wg_aead_seal(&aead, m.text, len, counter);
	REQUIRE_MSG(!memcmp(m.text, right, len + WG_TAG_LEN),
		    "%zu bytes, shift %zu, counter %llu", len, shift,
		    (unsigned long long)counter);
	/* the key of the tag is gone, and nothing else was touched */
	REQUIRE_MEM(m.text - WG_AEAD_HEADROOM, zeros, WG_AEAD_HEADROOM);
	REQUIRE(!memchr_inv(m.buf, GUARD,
			    m.text - WG_AEAD_HEADROOM - m.buf));
	REQUIRE(!memchr_inv(end, GUARD, m.buf + m.size - end));
	free(m.buf);
}

static bool open_it(const u8 *sealed, size_t len, size_t shift, u64 counter,
		    u8 *out)
{
	struct message m = make(sealed, len, shift);
	struct message to = make(sealed, len, shift);
	u8 *end = m.text + len, *to_end = to.text;
	struct wg_aead aead;
	bool ok;

	wg_aead_init(&aead, key);
	memset(to.buf, GUARD, to.size);
	/* to somewhere else: the same, and the message stays as it is */
	ok = wg_aead_open_to(&aead, to.text, m.text, len, counter);
	REQUIRE_MEM(m.text, sealed, len);
	if (ok)
		to_end += len - WG_TAG_LEN;
	REQUIRE(!memchr_inv(to.buf, GUARD, to.text - to.buf));
	REQUIRE(!memchr_inv(to_end, GUARD, to.buf + to.size - to_end));
	REQUIRE_EQ(ok, wg_aead_open(&aead, m.text, len, counter));
	REQUIRE(!memchr_inv(m.buf, GUARD, m.text - m.buf));
	REQUIRE(!memchr_inv(end, GUARD, m.buf + m.size - end));
	if (len >= WG_TAG_LEN)
		memcpy(out, m.text, len - WG_TAG_LEN);
	if (ok)
		REQUIRE_MEM(to.text, m.text, len - WG_TAG_LEN);
	free(to.buf);
	free(m.buf);
	return ok;
}

TEST(every_length)
{
	u8 sealed[MAX_LEN + WG_TAG_LEN], out[MAX_LEN];
	size_t len;

	randoms(key, sizeof(key));
	randoms(plain, sizeof(plain));
	for (len = 0; len <= MAX_LEN; len++) {
		u64 counter = len * 0x123456789abcull;

		seal(len, len % 64, counter);
		wg_seal(sealed, plain, len, NULL, 0, counter, key);
		REQUIRE(open_it(sealed, len + WG_TAG_LEN, len % 61, counter,
				out));
		REQUIRE_MEM(out, plain, len);
	}
}

TEST(every_alignment)
{
	size_t shift;

	for (shift = 0; shift < 64; shift++) {
		seal(64, shift, shift);
		seal(1420, shift, shift);
		seal(1424, shift, shift);
	}
}

TEST(counters)
{
	static const u64 counters[] = {
		0, 1, 0xffffffff, 0x100000000ull, (1ull << 60), ~0ull,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(counters); i++)
		seal(100, 0, counters[i]);
}

TEST(many_random_ones)
{
	u8 sealed[MAX_LEN + WG_TAG_LEN], out[MAX_LEN];
	int i;

	for (i = 0; i < 20000; i++) {
		size_t len = rand() % (MAX_LEN + 1);
		u64 counter = (u64)rand() << 33 ^ (u64)rand();

		randoms(key, sizeof(key));
		memcpy(plain + rand() % (MAX_LEN - 8), &counter, 8);
		seal(len, rand() % 64, counter);
		wg_seal(sealed, plain, len, NULL, 0, counter, key);
		REQUIRE(open_it(sealed, len + WG_TAG_LEN, rand() % 64, counter,
				out));
		REQUIRE_MEM(out, plain, len);
	}
}

TEST(one_key_for_many_messages)
{
	u8 right[1000 + WG_TAG_LEN], text[64 + 1000 + WG_TAG_LEN];
	struct wg_aead aead;
	u64 counter;

	wg_aead_init(&aead, key);
	for (counter = 0; counter < 100; counter++) {
		size_t len = 37 * counter % 1000;

		wg_seal(right, plain, len, NULL, 0, counter, key);
		memcpy(text + 64, plain, len);
		wg_aead_seal(&aead, text + 64, len, counter);
		REQUIRE_MEM(text + 64, right, len + WG_TAG_LEN);
		REQUIRE(wg_aead_open(&aead, text + 64, len + WG_TAG_LEN,
				     counter));
		REQUIRE_MEM(text + 64, plain, len);
	}
}

TEST(a_wrong_bit_anywhere_is_refused)
{
	static const size_t lens[] = { 0, 1, 16, 100, 192, 193, 448, 1424 };
	u8 sealed[MAX_LEN + WG_TAG_LEN], out[MAX_LEN];
	size_t i, at;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		size_t len = lens[i];

		wg_seal(sealed, plain, len, NULL, 0, 7, key);
		for (at = 0; at < len + WG_TAG_LEN; at++) {
			sealed[at] ^= 1 << at % 8;
			REQUIRE(!open_it(sealed, len + WG_TAG_LEN, at % 16, 7,
					 out));
			/* nothing was decrypted */
			REQUIRE_MEM(out, sealed, len);
			sealed[at] ^= 1 << at % 8;
		}
		REQUIRE(!open_it(sealed, len + WG_TAG_LEN, 0, 8, out));
		REQUIRE(open_it(sealed, len + WG_TAG_LEN, 0, 7, out));
	}
}

TEST(too_short)
{
	u8 some[WG_TAG_LEN] = { 0 }, out[MAX_LEN];
	size_t len;

	for (len = 0; len < WG_TAG_LEN; len++)
		EXPECT(!open_it(some, len, 0, 0, out));
}

TEST(wiped)
{
	u8 sealed[200 + WG_TAG_LEN], text[64 + 200 + WG_TAG_LEN];
	struct wg_aead aead;

	memset(&aead, GUARD, sizeof(aead));
	wg_seal(sealed, plain, 200, NULL, 0, 7, key);
	wg_aead_init(&aead, key);
	wg_aead_seal(&aead, text + 64, 200, 1);
	EXPECT(wg_aead_open(&aead, sealed, sizeof(sealed), 7));
	wg_aead_wipe(&aead);
	EXPECT(!memchr_inv(&aead, 0, sizeof(aead)));
}
