// SPDX-License-Identifier: GPL-2.0-only
/* Public key → peer, receiver index → handshake or session. */

#include <linux/random.h>
#include <linux/slab.h>
#include "device.h"
#include "lookup.h"
#include "peer.h"
#include "session.h"

static const struct rhashtable_params peer_params = {
	.key_len = WG_KEY_LEN,
	.key_offset = offsetof(struct wg_peer, pub),
	.head_offset = offsetof(struct wg_peer, key_node),
	.automatic_shrinking = true,
	.min_size = 4,
};

static const struct rhashtable_params index_params = {
	.key_len = sizeof(u32),
	.key_offset = offsetof(struct wg_index, id),
	.head_offset = offsetof(struct wg_index, node),
	.automatic_shrinking = true,
	.min_size = 4,
};

int wg_lookup_init(struct wg_device *wg)
{
	int err = rhashtable_init(&wg->peers_by_key, &peer_params);

	if (err)
		return err;
	err = rhashtable_init(&wg->indices, &index_params);
	if (err)
		rhashtable_destroy(&wg->peers_by_key);
	return err;
}

void wg_lookup_destroy(struct wg_device *wg)
{
	rhashtable_destroy(&wg->indices);
	rhashtable_destroy(&wg->peers_by_key);
}

struct wg_peer *wg_lookup_peer(struct wg_device *wg, const u8 *pub)
{
	struct wg_peer *peer;

	rcu_read_lock();
	peer = rhashtable_lookup(&wg->peers_by_key, pub, peer_params);
	if (peer && !kref_get_unless_zero(&peer->ref))
		peer = NULL;
	rcu_read_unlock();
	return peer;
}

int wg_lookup_add_peer(struct wg_device *wg, struct wg_peer *peer)
{
	lockdep_assert_held(&wg->lock);
	return rhashtable_insert_fast(&wg->peers_by_key, &peer->key_node,
				      peer_params);
}

void wg_lookup_del_peer(struct wg_device *wg, struct wg_peer *peer)
{
	lockdep_assert_held(&wg->lock);
	rhashtable_remove_fast(&wg->peers_by_key, &peer->key_node,
			       peer_params);
}

struct wg_index *wg_index_create(struct wg_device *wg, struct wg_peer *peer)
{
	struct wg_index *index = kzalloc_obj(*index, GFP_ATOMIC);
	int tries, err;

	if (!index)
		return NULL;
	index->peer = peer;
	/* with 2^20 peers of 4 indices each, 32 collisions do not happen */
	for (tries = 0; tries < 32; tries++) {
		index->id = get_random_u32();
		err = rhashtable_lookup_insert_fast(&wg->indices, &index->node,
						    index_params);
		if (!err)
			return index;
		if (err != -EEXIST)
			break;
	}
	kfree(index);
	return NULL;
}

void wg_index_bind(struct wg_index *index, struct wg_session *session)
{
	lockdep_assert_held(&index->peer->lock);
	rcu_assign_pointer(index->session, session);
}

void wg_index_release(struct wg_device *wg, struct wg_index *index)
{
	if (!index)
		return;
	rhashtable_remove_fast(&wg->indices, &index->node, index_params);
	kfree_rcu(index, rcu);
}

struct wg_index *wg_index_find(struct wg_device *wg, __le32 id)
{
	u32 key = le32_to_cpu(id);

	return rhashtable_lookup(&wg->indices, &key, index_params);
}
