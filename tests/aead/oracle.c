// SPDX-License-Identifier: GPL-2.0-only
/*
 * src/aead.c against lib/crypto's own AEAD, in the kernel, with whatever SIMD
 * this machine has: random messages sealed and opened by both. A module that
 * tests/aead/oracle.sh loads; what it found is in its parameters.
 */
#include <linux/bottom_half.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include "src/aead.h"

#define MAX_LEN 66000

static unsigned int cases = 100000;
module_param(cases, uint, 0444);
MODULE_PARM_DESC(cases, "messages");
static unsigned int done;
module_param(done, uint, 0444);
static unsigned int wrong;
module_param(wrong, uint, 0444);
static unsigned int largest;
module_param(largest, uint, 0444);

static struct rnd_state rnd;

static u32 below(u32 n)
{
	return prandom_u32_state(&rnd) % n;
}

static size_t some_len(void)
{
	switch (below(16)) {
	case 0:
		return below(MAX_LEN);
	case 1:
		return below(300);
	case 2:
		return below(90) * 16;
	default:
		return below(1500);
	}
}

/* One message: sealed by both, opened, opened again with a wrong bit. */
static bool one(u8 *plain, u8 *text, u8 *right, u8 *other)
{
	size_t len = some_len(), flip;
	u8 *at = text + WG_AEAD_HEADROOM + below(64);
	struct wg_aead aead;
	u8 key[WG_KEY_LEN];
	u64 counter;
	bool ok;

	prandom_bytes_state(&rnd, key, sizeof(key));
	prandom_bytes_state(&rnd, &counter, sizeof(counter));
	prandom_bytes_state(&rnd, plain + below(MAX_LEN - 256), 256);
	largest = max_t(unsigned int, largest, len);

	memcpy(at, plain, len);
	local_bh_disable();
	wg_seal(right, plain, len, NULL, 0, counter, key);
	wg_aead_init(&aead, key);
	wg_aead_seal(&aead, at, len, counter);
	ok = !memcmp(at, right, len + WG_TAG_LEN);

	ok &= wg_aead_open_to(&aead, other, at, len + WG_TAG_LEN, counter);
	ok &= !memcmp(other, plain, len) && !memcmp(at, right, len + WG_TAG_LEN);
	ok &= wg_aead_open(&aead, at, len + WG_TAG_LEN, counter);
	ok &= !memcmp(at, plain, len);

	memcpy(at, right, len + WG_TAG_LEN);
	flip = below(len + WG_TAG_LEN);
	at[flip] ^= 1 << below(8);
	ok &= !wg_aead_open(&aead, at, len + WG_TAG_LEN, counter);
	wg_aead_wipe(&aead);
	local_bh_enable();
	return ok;
}

static int __init oracle_init(void)
{
	u8 *plain = kvzalloc(MAX_LEN, GFP_KERNEL);
	u8 *text = kvzalloc(MAX_LEN + 256, GFP_KERNEL);
	u8 *right = kvzalloc(MAX_LEN + 256, GFP_KERNEL);
	u8 *other = kvzalloc(MAX_LEN, GFP_KERNEL);

	if (plain && text && right && other) {
		prandom_seed_state(&rnd, get_random_u64());
		for (; done < cases; done++) {
			wrong += !one(plain, text, right, other);
			cond_resched();
		}
	}
	kvfree(plain);
	kvfree(text);
	kvfree(right);
	kvfree(other);
	return 0;
}

static void __exit oracle_exit(void)
{
}

module_init(oracle_init);
module_exit(oracle_exit);
MODULE_DESCRIPTION("src/aead.c against lib/crypto");
MODULE_LICENSE("GPL");
