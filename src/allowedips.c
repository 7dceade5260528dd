// SPDX-License-Identifier: GPL-2.0-only
/* Longest-prefix trie of opaque owners. Protocol, "Cryptokey routing". */

#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/lockdep.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/unaligned.h>
#include "allowedips.h"

/**
 * struct wg_aip_node - a prefix, or a fork where two prefixes part
 * @child: subtries by the bit behind the prefix; RCU, written under the lock
 * @owner: whom the prefix leads to, NULL for a fork; RCU, written under the
 *	lock
 * @link: in the owner's list or set aside, under the lock; only while @owner
 *	is set
 * @rcu: for freeing, once it is out of the trie and of every list
 * @plen: length of the prefix in bits; immutable
 * @v6: which trie; immutable
 * @key: the prefix in host order words, host bits zero; immutable
 */
struct wg_aip_node {
	struct wg_aip_node __rcu *child[2];
	struct wg_aip_owner __rcu *owner;
	union {
		struct list_head link;
		struct rcu_head rcu;
	};
	u8 plen;
	bool v6;
	u32 key[];
};

static struct kmem_cache *cache4, *cache6;

#define deref(table, p) \
	rcu_dereference_protected(p, lockdep_is_held((table)->lock))

void wg_allowedips_init(struct wg_allowedips *table, struct mutex *lock)
{
	RCU_INIT_POINTER(table->root4, NULL);
	RCU_INIT_POINTER(table->root6, NULL);
	table->lock = lock;
	table->nodes = 0;
}

static unsigned int key_words(bool v6)
{
	return v6 ? 4 : 1;
}

static void load_key(u32 key[4], const void *addr, bool v6)
{
	unsigned int i;

	for (i = 0; i < key_words(v6); i++)
		key[i] = get_unaligned_be32(addr + i * 4);
}

static void mask_key(u32 key[4], bool v6, unsigned int plen)
{
	unsigned int i;

	for (i = 0; i < key_words(v6); i++) {
		unsigned int keep = plen > i * 32 ? plen - i * 32 : 0;

		if (keep == 0)
			key[i] = 0;
		else if (keep < 32)
			key[i] &= ~0U << (32 - keep);
	}
}

static unsigned int key_bit(const u32 *key, unsigned int i)
{
	return (key[i / 32] >> (31 - i % 32)) & 1;
}

/* How many leading bits two keys share, at most @limit. */
static unsigned int common_bits(const u32 *a, const u32 *b, unsigned int limit)
{
	unsigned int i;

	for (i = 0; i * 32 < limit; i++) {
		u32 diff = a[i] ^ b[i];

		if (diff) {
			unsigned int n = i * 32 + 32 - fls(diff);

			return n < limit ? n : limit;
		}
	}
	return limit;
}

static bool covers(const struct wg_aip_node *node, const u32 *key)
{
	return common_bits(node->key, key, node->plen) == node->plen;
}

static struct wg_aip_node *new_node(const u32 *key, bool v6, unsigned int plen)
{
	struct wg_aip_node *node;

	node = kmem_cache_zalloc(v6 ? cache6 : cache4, GFP_KERNEL);
	if (!node)
		return NULL;
	memcpy(node->key, key, key_words(v6) * sizeof(u32));
	mask_key(node->key, v6, plen);
	node->plen = plen;
	node->v6 = v6;
	return node;
}

static void free_node_rcu(struct rcu_head *rcu)
{
	struct wg_aip_node *node = container_of(rcu, struct wg_aip_node, rcu);

	kmem_cache_free(node->v6 ? cache6 : cache4, node);
}

static void retire(struct wg_allowedips *table, struct wg_aip_node *node)
{
	table->nodes--;
	call_rcu(&node->rcu, free_node_rcu);
}

static struct wg_aip_node __rcu **root_of(struct wg_allowedips *table, bool v6)
{
	return v6 ? &table->root6 : &table->root4;
}

static void set_owner(struct wg_allowedips *table, struct wg_aip_node *node,
		      struct wg_aip_owner *owner)
{
	if (deref(table, node->owner))
		list_del(&node->link);
	rcu_assign_pointer(node->owner, owner);
	list_add_tail(&node->link, &owner->prefixes);
}

int wg_allowedips_insert(struct wg_allowedips *table,
			 struct wg_aip_owner *owner, const void *addr, bool v6,
			 unsigned int plen)
{
	struct wg_aip_node __rcu **pos = root_of(table, v6);
	struct wg_aip_node *node, *leaf, *fork;
	unsigned int shared;
	u32 key[4];

	lockdep_assert_held(table->lock);
	if (plen > (v6 ? 128 : 32))
		return -EINVAL;
	load_key(key, addr, v6);
	mask_key(key, v6, plen);

	while ((node = deref(table, *pos)) && node->plen <= plen &&
	       covers(node, key)) {
		if (node->plen == plen) {
			set_owner(table, node, owner);
			return 0;
		}
		pos = &node->child[key_bit(key, node->plen)];
	}

	leaf = new_node(key, v6, plen);
	if (!leaf)
		return -ENOMEM;
	if (!node) {
		/* an empty place */
		set_owner(table, leaf, owner);
		rcu_assign_pointer(*pos, leaf);
		table->nodes++;
		return 0;
	}

	shared = common_bits(node->key, key,
			     plen < node->plen ? plen : node->plen);
	if (shared == plen) {
		/* the new prefix covers what is here */
		set_owner(table, leaf, owner);
		RCU_INIT_POINTER(leaf->child[key_bit(node->key, plen)], node);
		rcu_assign_pointer(*pos, leaf);
		table->nodes++;
		return 0;
	}

	/* the two part at a bit where no node is yet */
	fork = new_node(key, v6, shared);
	if (!fork) {
		kmem_cache_free(v6 ? cache6 : cache4, leaf);
		return -ENOMEM;
	}
	set_owner(table, leaf, owner);
	RCU_INIT_POINTER(fork->child[key_bit(key, shared)], leaf);
	RCU_INIT_POINTER(fork->child[key_bit(node->key, shared)], node);
	rcu_assign_pointer(*pos, fork);
	table->nodes += 2;
	return 0;
}

/*
 * Takes a node out if it is neither a prefix nor a fork of two. Returns
 * whether it went.
 */
static bool prune(struct wg_allowedips *table, struct wg_aip_node __rcu **pos)
{
	struct wg_aip_node *node = deref(table, *pos);
	struct wg_aip_node *c0, *c1;

	c0 = deref(table, node->child[0]);
	c1 = deref(table, node->child[1]);
	if (deref(table, node->owner) || (c0 && c1))
		return false;
	rcu_assign_pointer(*pos, c0 ?: c1);
	retire(table, node);
	return true;
}

static void remove_key(struct wg_allowedips *table, struct wg_aip_owner *owner,
		       const u32 *key, bool v6, unsigned int plen)
{
	struct wg_aip_node __rcu **pos = root_of(table, v6), **above = NULL;
	struct wg_aip_node *node;

	while ((node = deref(table, *pos)) && node->plen < plen &&
	       covers(node, key)) {
		above = pos;
		pos = &node->child[key_bit(key, node->plen)];
	}
	if (!node || node->plen != plen || !covers(node, key) ||
	    deref(table, node->owner) != owner)
		return;

	RCU_INIT_POINTER(node->owner, NULL);
	list_del(&node->link);
	if (prune(table, pos) && above)
		prune(table, above);
}

int wg_allowedips_remove(struct wg_allowedips *table,
			 struct wg_aip_owner *owner, const void *addr, bool v6,
			 unsigned int plen)
{
	u32 key[4];

	lockdep_assert_held(table->lock);
	if (plen > (v6 ? 128 : 32))
		return -EINVAL;
	load_key(key, addr, v6);
	mask_key(key, v6, plen);
	remove_key(table, owner, key, v6, plen);
	return 0;
}

void wg_allowedips_set_aside(struct wg_allowedips *table,
			     struct wg_aip_owner *owner,
			     struct list_head *aside)
{
	lockdep_assert_held(table->lock);
	INIT_LIST_HEAD(aside);
	list_splice_init(&owner->prefixes, aside);
}

void wg_allowedips_remove_aside(struct wg_allowedips *table,
				struct wg_aip_owner *owner,
				struct list_head *aside)
{
	struct wg_aip_node *node;
	u32 key[4];

	lockdep_assert_held(table->lock);
	while (!list_empty(aside)) {
		node = list_first_entry(aside, struct wg_aip_node, link);
		memcpy(key, node->key, key_words(node->v6) * sizeof(u32));
		remove_key(table, owner, key, node->v6, node->plen);
		cond_resched();
	}
}

void wg_allowedips_remove_owner(struct wg_allowedips *table,
				struct wg_aip_owner *owner)
{
	wg_allowedips_remove_aside(table, owner, &owner->prefixes);
}

/* What a reader sees of a link, under either kind of RCU. */
static struct wg_aip_node *reader(struct wg_aip_node __rcu *const *link)
{
	return rcu_dereference_check(*link, rcu_read_lock_bh_held());
}

struct wg_aip_owner *wg_allowedips_lookup(const struct wg_allowedips *table,
					  const void *addr, bool v6)
{
	struct wg_aip_owner *found = NULL, *owner;
	unsigned int bits = v6 ? 128 : 32;
	struct wg_aip_node *node;
	u32 key[4];

	load_key(key, addr, v6);
	node = reader(v6 ? &table->root6 : &table->root4);
	while (node && covers(node, key)) {
		owner = rcu_dereference_check(node->owner,
					      rcu_read_lock_bh_held());
		if (owner)
			found = owner;
		if (node->plen == bits)
			break;
		node = reader(&node->child[key_bit(key, node->plen)]);
	}
	return found;
}

struct wg_aip_node *wg_allowedips_next(struct wg_aip_owner *owner,
				       struct wg_aip_node *pos)
{
	struct list_head *next = pos ? pos->link.next : owner->prefixes.next;

	if (next == &owner->prefixes)
		return NULL;
	return list_entry(next, struct wg_aip_node, link);
}

bool wg_allowedips_read(const struct wg_aip_node *node, u8 addr[16], u8 *plen)
{
	unsigned int i;

	for (i = 0; i < key_words(node->v6); i++)
		put_unaligned_be32(node->key[i], addr + i * 4);
	*plen = node->plen;
	return node->v6;
}

int wg_allowedips_module_init(void)
{
	cache4 = kmem_cache_create("wg_allowedips4",
				   sizeof(struct wg_aip_node) + sizeof(u32), 0,
				   SLAB_ACCOUNT, NULL);
	cache6 = kmem_cache_create("wg_allowedips6",
				   sizeof(struct wg_aip_node) + 4 * sizeof(u32),
				   0, SLAB_ACCOUNT, NULL);
	if (cache4 && cache6)
		return 0;
	kmem_cache_destroy(cache4);
	kmem_cache_destroy(cache6);
	return -ENOMEM;
}

void wg_allowedips_module_exit(void)
{
	rcu_barrier();
	kmem_cache_destroy(cache4);
	kmem_cache_destroy(cache6);
}
