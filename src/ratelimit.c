// SPDX-License-Identifier: GPL-2.0-only
/*
 * Token bucket for each source.
 *
 * Entries are found by hash and kept in order of use. Taking one that was idle
 * for a second from the old end is all the expiry there is: no timer, and a
 * bounded amount of work for a message.
 */

#include <linux/mm.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/unaligned.h>
#include "ratelimit.h"

#define TOKEN_NS	(1000000000ULL / WG_RATELIMIT_PER_SECOND)
#define FULL_NS		(TOKEN_NS * WG_RATELIMIT_BURST)

/*
 * All fields are protected by the table's lock. Links are an index plus one,
 * 0 ends a list.
 */
struct wg_ratelimit_entry {
	const void *net;
	u64 addr;	/* IPv4 address, or the /64 of an IPv6 address */
	u64 seen;	/* ns */
	u64 credit;	/* ns, a token costs TOKEN_NS */
	u32 chain;	/* next in the same hash bucket */
	u32 older;
	u32 newer;
	bool v6;
};

int wg_ratelimit_init(struct wg_ratelimit *rl)
{
	memset(rl, 0, sizeof(*rl));
	spin_lock_init(&rl->lock);
	get_random_bytes(&rl->key, sizeof(rl->key));
	rl->bucket = kvcalloc(WG_RATELIMIT_BUCKETS, sizeof(*rl->bucket),
			      GFP_KERNEL);
	return rl->bucket ? 0 : -ENOMEM;
}

void wg_ratelimit_free(struct wg_ratelimit *rl)
{
	int i;

	for (i = 0; i < WG_RATELIMIT_CHUNKS; i++)
		kvfree(rl->chunk[i]);
	kvfree(rl->bucket);
	memset(rl, 0, sizeof(*rl));
}

static struct wg_ratelimit_entry *entry_at(struct wg_ratelimit *rl, u32 link)
{
	u32 i = link - 1;

	return &rl->chunk[i / WG_RATELIMIT_CHUNK][i % WG_RATELIMIT_CHUNK];
}

static u32 *bucket_of(struct wg_ratelimit *rl, const void *net, u64 addr,
		      bool v6)
{
	u64 h = siphash_3u64((unsigned long)net, addr, v6, &rl->key);

	return &rl->bucket[h % WG_RATELIMIT_BUCKETS];
}

static void unlink_use(struct wg_ratelimit *rl, struct wg_ratelimit_entry *e)
{
	if (e->older)
		entry_at(rl, e->older)->newer = e->newer;
	else
		rl->oldest = e->newer;
	if (e->newer)
		entry_at(rl, e->newer)->older = e->older;
	else
		rl->newest = e->older;
}

static void link_newest(struct wg_ratelimit *rl, u32 link)
{
	struct wg_ratelimit_entry *e = entry_at(rl, link);

	e->older = rl->newest;
	e->newer = 0;
	if (rl->newest)
		entry_at(rl, rl->newest)->newer = link;
	else
		rl->oldest = link;
	rl->newest = link;
}

static void unlink_chain(struct wg_ratelimit *rl, u32 link)
{
	struct wg_ratelimit_entry *e = entry_at(rl, link);
	u32 *pos = bucket_of(rl, e->net, e->addr, e->v6);

	while (*pos != link)
		pos = &entry_at(rl, *pos)->chain;
	*pos = e->chain;
}

/* Who waited for the lock may have read the clock before others did. */
static u64 not_before(u64 now, u64 seen)
{
	return (s64)(now - seen) < 0 ? seen : now;
}

/* Returns a link to a free entry, or 0. Caller must hold the lock. */
static u32 take_entry(struct wg_ratelimit *rl, u64 now)
{
	u32 link = rl->oldest;

	lockdep_assert_held(&rl->lock);
	if (link && not_before(now, entry_at(rl, link)->seen) -
		    entry_at(rl, link)->seen >= WG_RATELIMIT_IDLE_NS) {
		unlink_chain(rl, link);
		unlink_use(rl, entry_at(rl, link));
		return link;
	}
	if (rl->used < WG_RATELIMIT_ENTRIES &&
	    rl->chunk[rl->used / WG_RATELIMIT_CHUNK]) {
		/* grow() reads it without the lock */
		WRITE_ONCE(rl->used, rl->used + 1);
		return rl->used;
	}
	return 0;
}

/* Makes room for one entry more; a failure only refuses new sources. */
static void grow(struct wg_ratelimit *rl)
{
	u32 used = READ_ONCE(rl->used);
	struct wg_ratelimit_entry *chunk;

	if (used >= WG_RATELIMIT_ENTRIES ||
	    READ_ONCE(rl->chunk[used / WG_RATELIMIT_CHUNK]))
		return;
	chunk = kvcalloc(WG_RATELIMIT_CHUNK, sizeof(*chunk), GFP_KERNEL);
	if (!chunk)
		return;
	spin_lock_bh(&rl->lock);
	if (!rl->chunk[used / WG_RATELIMIT_CHUNK]) {
		WRITE_ONCE(rl->chunk[used / WG_RATELIMIT_CHUNK], chunk);
		chunk = NULL;
	}
	spin_unlock_bh(&rl->lock);
	kvfree(chunk);
}

bool wg_ratelimit_allow(struct wg_ratelimit *rl, const void *net,
			const u8 *addr, bool v6, u64 now)
{
	u64 a = v6 ? get_unaligned_be64(addr) : get_unaligned_be32(addr);
	u32 *head = bucket_of(rl, net, a, v6);
	struct wg_ratelimit_entry *e;
	bool allow = false;
	u32 link;

	grow(rl);
	spin_lock_bh(&rl->lock);
	for (link = *head; link; link = e->chain) {
		e = entry_at(rl, link);
		if (e->addr == a && e->net == net && e->v6 == v6)
			break;
	}
	if (link) {
		now = not_before(now, e->seen);
		e->credit += now - e->seen;
		if (e->credit > FULL_NS)
			e->credit = FULL_NS;
		unlink_use(rl, e);
	} else {
		link = take_entry(rl, now);
		if (!link)
			goto out;
		e = entry_at(rl, link);
		e->net = net;
		e->addr = a;
		e->v6 = v6;
		e->credit = FULL_NS;
		e->chain = *head;
		*head = link;
	}
	e->seen = now;
	link_newest(rl, link);
	allow = e->credit >= TOKEN_NS;
	if (allow)
		e->credit -= TOKEN_NS;
out:
	spin_unlock_bh(&rl->lock);
	return allow;
}
