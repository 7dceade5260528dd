/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two hash tables a device: public key → peer, and receiver index → the
 * handshake or session that it was given to.
 */
#ifndef WG_LOOKUP_H
#define WG_LOOKUP_H

#include <linux/rhashtable.h>
#include <linux/types.h>

struct wg_device;
struct wg_peer;
struct wg_session;

/**
 * struct wg_index - a receiver index of ours
 * @id: random, unique in the device among live ones, host order; immutable
 * @node: in the device's table
 * @peer: whose; immutable; valid under RCU as long as it is found
 * @session: NULL while it belongs to a handshake; RCU, under the peer's lock
 * @rcu: for freeing
 *
 * A session keeps the index of its handshake, so the object only changes
 * hands and never its place in the table.
 */
struct wg_index {
	u32 id;
	struct rhash_head node;
	struct wg_peer *peer;
	struct wg_session __rcu *session;
	struct rcu_head rcu;
};

/**
 * wg_lookup_init() - make a device's tables
 * @wg: the device
 *
 * Process context. Return: 0 or a negative errno.
 */
int wg_lookup_init(struct wg_device *wg);

/**
 * wg_lookup_destroy() - free a device's tables, which are empty by then
 * @wg: the device
 *
 * Process context.
 */
void wg_lookup_destroy(struct wg_device *wg);

/**
 * wg_lookup_peer() - peer of a public key
 * @wg: the device
 * @pub: 32 bytes
 *
 * Return: the peer with a reference, or NULL.
 */
struct wg_peer *wg_lookup_peer(struct wg_device *wg, const u8 *pub);

/**
 * wg_lookup_add_peer() - let a public key be found
 * @wg: the device
 * @peer: the peer; its key is not in the table
 *
 * Process context. Return: 0 or a negative errno.
 */
int wg_lookup_add_peer(struct wg_device *wg, struct wg_peer *peer);

/**
 * wg_lookup_del_peer() - undo wg_lookup_add_peer()
 * @wg: the device
 * @peer: the peer
 */
void wg_lookup_del_peer(struct wg_device *wg, struct wg_peer *peer);

/**
 * wg_index_create() - a new random index for a handshake
 * @wg: the device
 * @peer: whose
 *
 * Process context or softirq. Return: the index or NULL.
 */
struct wg_index *wg_index_create(struct wg_device *wg, struct wg_peer *peer);

/**
 * wg_index_bind() - hand an index over to a session
 * @index: the index
 * @session: the session; the caller holds the peer's lock
 */
void wg_index_bind(struct wg_index *index, struct wg_session *session);

/**
 * wg_index_release() - no packet finds this index from here on
 * @wg: the device
 * @index: the index; freed after a grace period
 */
void wg_index_release(struct wg_device *wg, struct wg_index *index);

/**
 * wg_index_find() - what an index was given to
 * @wg: the device
 * @id: from a packet, little endian
 *
 * Under rcu_read_lock().
 *
 * Return: the index, valid within that section, or NULL.
 */
struct wg_index *wg_index_find(struct wg_device *wg, __le32 id);

#endif /* WG_LOOKUP_H */
