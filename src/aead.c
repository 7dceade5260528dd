// SPDX-License-Identifier: GPL-2.0-only
/* ChaCha20-Poly1305 for transport messages. See aead.h. */

#include <linux/minmax.h>
#include <linux/stddef.h>
#include "aead.h"

void wg_aead_init(struct wg_aead *aead, const u8 key[WG_KEY_LEN])
{
	int i;

	for (i = 0; i < CHACHA_KEY_WORDS; i++)
		aead->key[i] = get_unaligned_le32(key + 4 * i);
}

void wg_aead_wipe(struct wg_aead *aead)
{
	memzero_explicit(aead, offsetof(struct wg_aead, poly));
}

/* The key stream's begin: block 0 is Poly1305's. */
static void start(struct wg_aead *aead, u64 counter)
{
	u8 iv[CHACHA_IV_SIZE] = {};

	put_unaligned_le64(counter, iv + 8);
	chacha_init(&aead->chacha, aead->key, iv);
}

/*
 * The tag over @len bytes of ciphertext, padding and lengths. @behind is NULL, or
 * the room for a tag behind @text, which is written to or not.
 */
static void sum(struct wg_aead *aead, const u8 *text, size_t len, u8 *behind,
		u8 tag[WG_TAG_LEN])
{
	static const u8 zeros[WG_TAG_LEN];
	u8 lengths[WG_TAG_LEN] = {};
	unsigned int rest = len % WG_TAG_LEN;

	put_unaligned_le64(len, lengths + 8);
	if (likely(!rest && behind)) {
		/* all in one piece, for the lengths are as long as the tag */
		memcpy(behind, lengths, sizeof(lengths));
		poly1305_update(&aead->poly, text, len + sizeof(lengths));
	} else {
		poly1305_update(&aead->poly, text, len);
		if (rest)
			poly1305_update(&aead->poly, zeros,
					sizeof(zeros) - rest);
		poly1305_update(&aead->poly, lengths, sizeof(lengths));
	}
	poly1305_final(&aead->poly, tag);
}

void wg_aead_seal(struct wg_aead *aead, u8 *text, size_t len, u64 counter)
{
	u8 *block = text - WG_AEAD_HEADROOM;

	start(aead, counter);
	memset(block, 0, WG_AEAD_HEADROOM);
	chacha20_crypt(&aead->chacha, block, block, WG_AEAD_HEADROOM + len);
	poly1305_init(&aead->poly, block);
	memzero_explicit(block, WG_AEAD_HEADROOM);
	sum(aead, text, len, text + len, text + len);
}

static void xor(u8 *to, const u8 *text, const u8 *with, size_t len)
{
	for (; len >= sizeof(u64); len -= sizeof(u64)) {
		put_unaligned(get_unaligned((const u64 *)text) ^
			      get_unaligned((const u64 *)with), (u64 *)to);
		to += sizeof(u64);
		text += sizeof(u64);
		with += sizeof(u64);
	}
	while (len--)
		*to++ = *text++ ^ *with++;
}

bool wg_aead_open_to(struct wg_aead *aead, u8 *to, const u8 *text, size_t len,
		     u64 counter)
{
	static const u8 zeros[WG_AEAD_STREAM];
	u8 came[WG_TAG_LEN], right[WG_TAG_LEN];
	size_t first;

	if (unlikely(len < WG_TAG_LEN))
		return false;
	len -= WG_TAG_LEN;
	memcpy(came, text + len, WG_TAG_LEN);

	/*
	 * Whole blocks where more is to come: what is left of one is lost. Of
	 * one block alone the library makes scalar code.
	 */
	first = min_t(size_t, len, WG_AEAD_STREAM - CHACHA_BLOCK_SIZE);
	start(aead, counter);
	chacha20_crypt(&aead->chacha, aead->stream, zeros,
		       CHACHA_BLOCK_SIZE + first);
	poly1305_init(&aead->poly, aead->stream);
	sum(aead, text, len, to == text ? to + len : NULL, right);
	if (unlikely(!wg_equal(came, right, WG_TAG_LEN)))
		return false;

	xor(to, text, aead->stream + CHACHA_BLOCK_SIZE, first);
	if (len > first)
		chacha20_crypt(&aead->chacha, to + first, text + first,
			       len - first);
	return true;
}

bool wg_aead_open(struct wg_aead *aead, u8 *text, size_t len, u64 counter)
{
	return wg_aead_open_to(aead, text, text, len, counter);
}
