/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ChaCha20-Poly1305 for transport messages: what wg_seal() and wg_open() do,
 * in place and with less work for each message.
 *
 * The AEAD of lib/crypto makes the key of Poly1305, the first block of the key
 * stream, by itself, which is scalar code. Here it comes with the blocks that
 * follow it (RFC 8439, section 2.8).
 */
#ifndef WG_AEAD_H
#define WG_AEAD_H

#include <crypto/chacha.h>
#include <crypto/poly1305.h>
#include "crypto.h"

enum wg_aead_sizes {
	/* what a message to be sealed needs before its text */
	WG_AEAD_HEADROOM = CHACHA_BLOCK_SIZE,
	/* key stream made before the tag is known to be right */
	WG_AEAD_STREAM = 4 * CHACHA_BLOCK_SIZE,
};

/**
 * struct wg_aead - a key at work; for one context, mostly on the stack
 * @key: as ChaCha20 has it
 * @chacha: state of the message at hand
 * @stream: the first of its key stream
 * @poly: state of its tag, which poly1305_final() wipes
 */
struct wg_aead {
	u32 key[CHACHA_KEY_WORDS];
	struct chacha_state chacha;
	u8 stream[WG_AEAD_STREAM];
	struct poly1305_desc_ctx poly;
};

/**
 * wg_aead_init() - begin with a key
 * @aead: to be wiped by wg_aead_wipe()
 * @key: the key
 */
void wg_aead_init(struct wg_aead *aead, const u8 key[WG_KEY_LEN]);

/**
 * wg_aead_seal() - encrypt a message in place
 * @aead: with the key
 * @text: the plaintext; before it %WG_AEAD_HEADROOM bytes that may be
 *	overwritten, and after it room for a tag of %WG_TAG_LEN bytes
 * @len: length of the plaintext in bytes
 * @counter: the nonce
 *
 * Any context that may use lib/crypto. The result is that of wg_seal() without
 * associated data.
 */
void wg_aead_seal(struct wg_aead *aead, u8 *text, size_t len, u64 counter);

/**
 * wg_aead_open() - check a message and decrypt it in place
 * @aead: with the key
 * @text: ciphertext and tag, all of which may be changed
 * @len: length of both together in bytes
 * @counter: the nonce
 *
 * Any context that may use lib/crypto. Nothing is decrypted before the tag was
 * found right. The result is that of wg_open() without associated data.
 *
 * Return: false where the tag is wrong or @len is below %WG_TAG_LEN.
 */
bool __must_check wg_aead_open(struct wg_aead *aead, u8 *text, size_t len,
			       u64 counter);

/**
 * wg_aead_open_to() - check a message and decrypt it to somewhere else
 * @aead: with the key
 * @to: where the plaintext goes, as long as the ciphertext; @text itself, or
 *	apart from it
 * @text: ciphertext and tag, which stay as they are unless @to is the same;
 *	nobody may change them meanwhile
 * @len: length of both together in bytes
 * @counter: the nonce
 *
 * Context and return value as those of wg_aead_open().
 */
bool __must_check wg_aead_open_to(struct wg_aead *aead, u8 *to, const u8 *text,
				  size_t len, u64 counter);

/**
 * wg_aead_wipe() - forget the key and what came of it
 * @aead: whatever state it is in
 */
void wg_aead_wipe(struct wg_aead *aead);

#endif /* WG_AEAD_H */
