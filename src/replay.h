/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sliding window against replayed counters, as RFC 6479 describes it: a ring
 * of words, of which the newest is partly filled, so that moving the window
 * only ever clears whole words.
 */
#ifndef WG_REPLAY_H
#define WG_REPLAY_H

#include <linux/build_bug.h>
#include <linux/minmax.h>
#include <linux/types.h>

#define WG_REPLAY_BITS		8192
#define WG_REPLAY_WORDS		(WG_REPLAY_BITS / 64)
/* One word may be partly ahead of the newest counter. */
#define WG_REPLAY_WINDOW	(WG_REPLAY_BITS - 64)

/* Protocol, "Constants": 2^64 - 2^13 - 1 */
#define WG_REJECT_AFTER_MESSAGES	(U64_MAX - WG_REPLAY_BITS)

/**
 * struct wg_replay - which counters of a session were received
 * @next: the greatest counter received plus one, 0 at the start
 * @word: ring of bitmaps, counter c at bit c % 64 of word c / 64
 *
 * The owner serialises every access. All zero is the start.
 */
struct wg_replay {
	u64 next;
	u64 word[WG_REPLAY_WORDS];
};

/**
 * wg_replay_accept() - note an authenticated counter
 * @r: the window
 * @counter: the counter of a message whose tag has been verified
 *
 * Any context, serialised by the caller. Protocol, "Transport": the window is
 * checked and moved only after the tag has been verified.
 *
 * Return: whether the message is fresh; if not, nothing was changed.
 */
static inline bool wg_replay_accept(struct wg_replay *r, u64 counter)
{
	u64 w = counter / 64, bit = 1ULL << (counter % 64);

	static_assert((WG_REPLAY_WORDS & (WG_REPLAY_WORDS - 1)) == 0);

	if (counter >= WG_REJECT_AFTER_MESSAGES)
		return false;

	if (counter >= r->next) {
		u64 newest = r->next ? (r->next - 1) / 64 : 0;
		u64 n = min_t(u64, w - newest, WG_REPLAY_WORDS);

		while (n--)
			r->word[(w - n) % WG_REPLAY_WORDS] = 0;
		r->next = counter + 1;
	} else if (r->next - counter > WG_REPLAY_WINDOW) {
		return false;
	}

	if (r->word[w % WG_REPLAY_WORDS] & bit)
		return false;
	r->word[w % WG_REPLAY_WORDS] |= bit;
	return true;
}

#endif /* WG_REPLAY_H */
