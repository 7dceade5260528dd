// SPDX-License-Identifier: GPL-2.0-only
/* Memory for messages, kept and used again. See pages.h. */

#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/spinlock.h>
#include "pages.h"

/* Of so many bytes each, where memory has such; single pages else. */
#define BLOCK_ORDER	get_order(32768)

/* Blocks that a CPU keeps: a quarter of a MiB. */
#define N_BLOCKS	8

/**
 * struct shelf - what a CPU keeps
 * @lock: protects all; taken by that CPU alone, but on PREEMPT_RT
 * @blocks: each with our reference, or NULL
 * @at: the one that is given from
 * @used: bytes of it that are given away
 */
struct shelf {
	spinlock_t lock;	/* see above */
	struct page *blocks[N_BLOCKS];
	unsigned int at;
	unsigned int used;
};

static struct shelf __percpu *shelves;

/* The reserves are for those who free memory, and are not kept. */
#define BLOCK_GFP	(GFP_ATOMIC | __GFP_NOWARN | __GFP_NOMEMALLOC)

static struct page *whole_block(void)
{
	return alloc_pages((BLOCK_GFP & ~__GFP_HIGH) | __GFP_COMP |
			   __GFP_NORETRY, BLOCK_ORDER);
}

/*
 * The block that was given from first is the one most likely to have come
 * back. Where it has not, it is left to whoever holds it. A single page is
 * kept only for as long as there are no blocks.
 */
static bool next_block(struct shelf *s)
{
	unsigned int at = (s->at + 1) % N_BLOCKS;
	struct page *old = s->blocks[at], *page = NULL;

	lockdep_assert_held(&s->lock);
	if (!old || page_ref_count(old) != 1) {
		page = whole_block() ?: alloc_page(BLOCK_GFP);
		if (unlikely(!page))
			return false;
	} else if (unlikely(page_size(old) < PAGE_SIZE << BLOCK_ORDER)) {
		page = whole_block();
	}
	if (page) {
		if (old)
			put_page(old);
		s->blocks[at] = page;
	}
	s->at = at;
	s->used = 0;
	return true;
}

bool wg_piece_get(struct wg_piece *piece, unsigned int least,
		  unsigned int most)
{
	struct shelf *s = this_cpu_ptr(shelves);
	struct page *page;

	if (WARN_ON_ONCE(least > PAGE_SIZE || !in_softirq()))
		return false;
	spin_lock(&s->lock);
	page = s->blocks[s->at];
	if (unlikely(!page || s->used + least > page_size(page))) {
		if (unlikely(!next_block(s))) {
			spin_unlock(&s->lock);
			return false;
		}
		page = s->blocks[s->at];
	}
	get_page(page);
	piece->page = page;
	piece->offset = s->used;
	piece->size = min_t(unsigned int, most, page_size(page) - s->used);
	s->used = ALIGN(s->used + piece->size, WG_PIECE_ALIGN);
	spin_unlock(&s->lock);
	return true;
}

struct sk_buff *wg_piece_skb(unsigned int room, unsigned int len)
{
	unsigned int size = wg_piece_skb_size(room, len);
	struct wg_piece piece;
	struct sk_buff *skb;

	if (unlikely(!wg_piece_get(&piece, size, size)))
		return NULL;
	skb = build_skb(page_address(piece.page) + piece.offset, size);
	if (unlikely(!skb)) {
		put_page(piece.page);
		return NULL;
	}
	skb_reserve(skb, room);
	return skb;
}

int wg_pages_module_init(void)
{
	int cpu;

	shelves = alloc_percpu(struct shelf);
	if (!shelves)
		return -ENOMEM;
	for_each_possible_cpu(cpu)
		spin_lock_init(&per_cpu_ptr(shelves, cpu)->lock);
	return 0;
}

void wg_pages_module_exit(void)
{
	int cpu, i;

	for_each_possible_cpu(cpu) {
		struct shelf *s = per_cpu_ptr(shelves, cpu);

		for (i = 0; i < N_BLOCKS; i++)
			if (s->blocks[i])
				put_page(s->blocks[i]);
	}
	free_percpu(shelves);
}
