/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Token bucket for each source of handshakes under load.
 * Protocol, "Denial-of-service protection".
 */
#ifndef WG_RATELIMIT_H
#define WG_RATELIMIT_H

#include <linux/siphash.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#define WG_RATELIMIT_ENTRIES	65536
#define WG_RATELIMIT_CHUNK	1024
#define WG_RATELIMIT_CHUNKS	(WG_RATELIMIT_ENTRIES / WG_RATELIMIT_CHUNK)
#define WG_RATELIMIT_BUCKETS	8192
#define WG_RATELIMIT_PER_SECOND	20
#define WG_RATELIMIT_BURST	5
#define WG_RATELIMIT_IDLE_NS	(1000000000ULL)

struct wg_ratelimit_entry;

/**
 * struct wg_ratelimit - the table
 * @lock: protects everything below but @key
 * @chunk: entries, allocated a chunk at a time as sources appear
 * @bucket: head of each hash chain, index plus one, 0 for empty
 * @used: entries ever taken, all below it are on the list of use
 * @oldest: least recently seen entry, index plus one
 * @newest: most recently seen entry, index plus one
 * @key: of the hash; immutable after init
 */
struct wg_ratelimit {
	spinlock_t lock;	/* the whole table */
	struct wg_ratelimit_entry *chunk[WG_RATELIMIT_CHUNKS];
	u32 *bucket;
	u32 used;
	u32 oldest;
	u32 newest;
	siphash_key_t key;
};

/**
 * wg_ratelimit_init() - make an empty table
 * @rl: the table
 *
 * Process context. Return: 0 or -ENOMEM.
 */
int wg_ratelimit_init(struct wg_ratelimit *rl);

/**
 * wg_ratelimit_free() - give a table's memory back
 * @rl: the table; nobody uses it any more
 *
 * Process context.
 */
void wg_ratelimit_free(struct wg_ratelimit *rl);

/**
 * wg_ratelimit_allow() - take a token of a source
 * @rl: the table
 * @net: identifies the namespace, is never followed
 * @addr: source address, big endian
 * @v6: 16 bytes, of which the first 8 count; else 4
 * @now: ns, never going back
 *
 * Process context, may sleep. 20 a second with a burst of 5. A table that is
 * full of sources seen within the last second refuses new ones.
 *
 * Return: whether the message may be processed.
 */
bool wg_ratelimit_allow(struct wg_ratelimit *rl, const void *net,
			const u8 *addr, bool v6, u64 now);

#endif /* WG_RATELIMIT_H */
