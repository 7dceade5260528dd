/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Allowed IPs: prefix → opaque owner, longest match wins.
 * Protocol, "Cryptokey routing".
 *
 * A path-compressed binary trie for each family. Readers hold RCU only.
 * Writers hold the mutex that the table names. No parent pointers: a writer
 * walks down from the root, at most 128 steps.
 */
#ifndef WG_ALLOWEDIPS_H
#define WG_ALLOWEDIPS_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/types.h>

struct wg_aip_node;

/**
 * struct wg_allowedips - a table
 * @root4: IPv4 trie; RCU, written under *@lock
 * @root6: IPv6 trie; RCU, written under *@lock
 * @lock: the writers' mutex, immutable
 * @nodes: nodes in both tries, under *@lock
 */
struct wg_allowedips {
	struct wg_aip_node __rcu *root4;
	struct wg_aip_node __rcu *root6;
	struct mutex *lock;	/* the writers' */
	unsigned long nodes;
};

/**
 * struct wg_aip_owner - what a prefix leads to; embedded in the real thing
 * @prefixes: its prefixes in order of insertion, under the table's lock
 */
struct wg_aip_owner {
	struct list_head prefixes;
};

/**
 * wg_allowedips_init() - make an empty table
 * @table: the table
 * @lock: the mutex that every writer will hold
 */
void wg_allowedips_init(struct wg_allowedips *table, struct mutex *lock);

/**
 * wg_aip_owner_init() - make an owner without prefixes
 * @owner: the owner
 */
static inline void wg_aip_owner_init(struct wg_aip_owner *owner)
{
	INIT_LIST_HEAD(&owner->prefixes);
}

/**
 * wg_allowedips_insert() - let a prefix lead to an owner
 * @table: the table; the caller holds its lock
 * @owner: whom; a prefix that another owner holds moves, one that this owner
 *	holds goes to the end of its list
 * @addr: address, big endian, 4 or 16 bytes, any alignment; host bits are
 *	masked off
 * @v6: 16 bytes
 * @plen: prefix length in bits, at most 32 or 128
 *
 * Process context. Return: 0, -EINVAL for a length out of range, or -ENOMEM,
 * and then nothing has changed.
 */
int wg_allowedips_insert(struct wg_allowedips *table,
			 struct wg_aip_owner *owner, const void *addr, bool v6,
			 unsigned int plen);

/**
 * wg_allowedips_remove() - take a prefix from an owner
 * @table: the table; the caller holds its lock
 * @owner: from whom; another owner's prefix is left alone
 * @addr: address, as for wg_allowedips_insert()
 * @v6: 16 bytes
 * @plen: prefix length in bits, at most 32 or 128
 *
 * Process context. Return: 0 also where there is nothing to remove, or -EINVAL
 * for a length out of range.
 */
int wg_allowedips_remove(struct wg_allowedips *table,
			 struct wg_aip_owner *owner, const void *addr, bool v6,
			 unsigned int plen);

/**
 * wg_allowedips_remove_owner() - take every prefix from an owner
 * @table: the table; the caller holds its lock
 * @owner: from whom
 *
 * Process context. Readers may still return the owner until a grace period
 * has passed.
 */
void wg_allowedips_remove_owner(struct wg_allowedips *table,
				struct wg_aip_owner *owner);

/**
 * wg_allowedips_set_aside() - begin to replace an owner's prefixes
 * @table: the table; the caller holds its lock
 * @owner: whose
 * @aside: out: its prefixes, which all still lead to it
 *
 * What is inserted from here on stays; what is inserted anew leaves @aside.
 * The caller gives @aside to wg_allowedips_remove_aside() before it lets go of
 * the lock. So no packet falls between the old prefixes and the new ones.
 */
void wg_allowedips_set_aside(struct wg_allowedips *table,
			     struct wg_aip_owner *owner,
			     struct list_head *aside);

/**
 * wg_allowedips_remove_aside() - take what was not inserted anew
 * @table: the table; the caller holds its lock
 * @owner: from whom
 * @aside: as wg_allowedips_set_aside() and what followed have left it
 *
 * Process context.
 */
void wg_allowedips_remove_aside(struct wg_allowedips *table,
				struct wg_aip_owner *owner,
				struct list_head *aside);

/**
 * wg_allowedips_lookup() - longest match
 * @table: the table
 * @addr: address, big endian, 4 or 16 bytes, any alignment
 * @v6: 16 bytes
 *
 * Any context, under rcu_read_lock() or with BH off.
 *
 * Return: the owner or NULL; valid within the RCU section.
 */
struct wg_aip_owner *wg_allowedips_lookup(const struct wg_allowedips *table,
					  const void *addr, bool v6);

/**
 * wg_allowedips_next() - walk over an owner's prefixes
 * @owner: the owner
 * @pos: the prefix before, NULL for the first
 *
 * The caller holds the table's lock.
 *
 * Return: the next prefix or NULL.
 */
struct wg_aip_node *wg_allowedips_next(struct wg_aip_owner *owner,
				       struct wg_aip_node *pos);

/**
 * wg_allowedips_read() - what a prefix is
 * @node: the prefix
 * @addr: out: big endian, 4 or 16 bytes
 * @plen: out: prefix length in bits
 *
 * The caller holds the table's lock. Return: whether it is IPv6.
 */
bool wg_allowedips_read(const struct wg_aip_node *node, u8 addr[16],
			u8 *plen);

/* Once for the module: 0 or -ENOMEM. The exit waits for readers. */
int wg_allowedips_module_init(void);
void wg_allowedips_module_exit(void);

#endif /* WG_ALLOWEDIPS_H */
