// SPDX-License-Identifier: GPL-2.0-only
/* A peer's life, its timer, and the one numbered teardown. */

#include <linux/random.h>
#include <linux/slab.h>
#include "handshake.h"
#include "lookup.h"
#include "peer.h"
#include "tx.h"

static struct kmem_cache *peer_cache;

unsigned long wg_jitter(void)
{
	return get_random_u32_below(WG_MAX_JITTER);
}

void wg_peer_arm(struct wg_peer *peer, unsigned long deadline)
{
	if (likely(!deadline))
		return;
	/* the deadline, written before, is seen by a callback that runs now */
	smp_mb();
	if (READ_ONCE(peer->running))
		timer_reduce(&peer->timer, deadline);
}

/*
 * After rule 8: nothing of a handshake or session is left, unless a session
 * has begun since this fell due, and armed it anew.
 */
static void zero_keys(struct wg_peer *peer)
{
	spin_lock_bh(&peer->lock);
	if (!READ_ONCE(peer->timers.zero)) {
		wg_peer_clear_handshake(peer);
		wg_session_drop_all(peer);
	}
	spin_unlock_bh(&peer->lock);
}

static void on_timer(struct timer_list *timer)
{
	struct wg_peer *peer = timer_container_of(peer, timer, timer);
	struct wg_timers *t = &peer->timers;
	const char *name;
	unsigned long next;
	unsigned int todo;

	/* older kernels can delete a timer, but not keep it from being armed */
	if (unlikely(READ_ONCE(peer->dead)))
		return;
	name = peer->wg->dev->name;
	/* pairs with the barrier in wg_peer_arm() */
	smp_mb();
	todo = wg_timers_decide(t, jiffies, &next);
	wg_peer_arm(peer, next);

	if (todo & WG_DO_RETRY) {
		net_dbg_ratelimited("%s: no response of peer %u, attempt %u\n",
				    name, peer->id, READ_ONCE(t->attempts) + 1);
		wg_handshake_want(peer, true);
	}
	if (todo & WG_DO_GIVE_UP) {
		net_dbg_ratelimited("%s: no response of peer %u, giving up\n",
				    name, peer->id);
		wg_tx_purge_staged(peer);
		wg_peer_arm(peer, READ_ONCE(t->zero));
	}
	if (todo & WG_DO_ZERO) {
		net_dbg_ratelimited("%s: keys of peer %u zeroed\n", name,
				    peer->id);
		zero_keys(peer);
	}
	if (todo & WG_DO_NEW_HANDSHAKE) {
		net_dbg_ratelimited("%s: nothing heard of peer %u, new handshake\n",
				    name, peer->id);
		wg_endpoint_forget_source(peer, GFP_ATOMIC);
		wg_handshake_want(peer, false);
	}
	if (todo & (WG_DO_KEEPALIVE | WG_DO_PERSISTENT))
		wg_tx_keepalive(peer);
	if (todo & WG_DO_KEEPALIVE_AGAIN)
		wg_peer_arm(peer, wg_timers_keepalive_again(t, jiffies));
}

struct wg_peer *wg_peer_create(struct wg_device *wg, const u8 pub[WG_KEY_LEN],
			       const u8 psk[WG_KEY_LEN])
{
	struct wg_peer *peer;
	int err;

	lockdep_assert_held(&wg->lock);
	if (wg->n_peers >= WG_MAX_PEERS)
		return ERR_PTR(-ENOMEM);
	peer = kmem_cache_zalloc(peer_cache, GFP_KERNEL);
	if (!peer)
		return ERR_PTR(-ENOMEM);

	peer->wg = wg;
	peer->id = wg->next_peer_id;
	peer->running = wg->up;
	kref_init(&peer->ref);
	memcpy(peer->pub, pub, WG_KEY_LEN);
	memcpy(peer->psk, psk, WG_KEY_LEN);
	wg_aip_owner_init(&peer->owner);
	wg_order_init(&peer->tx, true);
	wg_order_init(&peer->rx, false);
	INIT_LIST_HEAD(&peer->staged);
	INIT_LIST_HEAD(&peer->wanted);
	spin_lock_init(&peer->lock);
	spin_lock_init(&peer->endpoint_lock);
	atomic64_set(&peer->rx_bytes, 0);
	atomic64_set(&peer->tx_bytes, 0);
	timer_setup(&peer->timer, on_timer, 0);

	err = xa_insert(&wg->peers, peer->id, peer, GFP_KERNEL);
	if (err)
		goto err_free;
	err = wg_lookup_add_peer(wg, peer);
	if (err)
		goto err_erase;
	wg->next_peer_id++;
	wg->n_peers++;
	wg_device_get(wg);
	return peer;

err_erase:
	xa_erase(&wg->peers, peer->id);
err_free:
	memzero_explicit(peer, sizeof(*peer));
	kmem_cache_free(peer_cache, peer);
	return ERR_PTR(-ENOMEM);
}

static void peer_free_rcu(struct rcu_head *rcu)
{
	struct wg_peer *peer = container_of(rcu, struct wg_peer, rcu);

	/* nobody is left who could arm it */
	timer_shutdown(&peer->timer);
	memzero_explicit(peer, sizeof(*peer));
	kmem_cache_free(peer_cache, peer);
}

static void peer_release(struct kref *ref)
{
	struct wg_peer *peer = container_of(ref, struct wg_peer, ref);
	struct wg_device *wg = peer->wg;

	call_rcu(&peer->rcu, peer_free_rcu);
	wg_device_put(wg);
}

void wg_peer_put(struct wg_peer *peer)
{
	kref_put(&peer->ref, peer_release);
}

void wg_peer_clear_handshake(struct wg_peer *peer)
{
	lockdep_assert_held(&peer->lock);
	wg_index_release(peer->wg, peer->index);
	peer->index = NULL;
	peer->attempt++;
	kfree_sensitive(peer->noise);
	peer->noise = NULL;
}

void wg_peer_start(struct wg_peer *peer)
{
	lockdep_assert_held(&peer->wg->lock);
	/* the handshake worker may have put something off while it went down */
	wg_timers_stop(&peer->timers);
	wg_timers_reset_limit(&peer->timers);
	WRITE_ONCE(peer->running, true);
	wg_tx_flush_staged(peer);
	if (READ_ONCE(peer->timers.interval))
		wg_tx_keepalive(peer);
}

void wg_peer_stop(struct wg_peer *peer)
{
	lockdep_assert_held(&peer->wg->lock);
	/* whoever takes a lock below after us sees that it is over */
	spin_lock_bh(&peer->lock);
	spin_lock(&peer->tx.lock);
	WRITE_ONCE(peer->running, false);
	spin_unlock(&peer->tx.lock);
	wg_peer_clear_handshake(peer);
	wg_session_drop_all(peer);
	spin_unlock_bh(&peer->lock);
	wg_tx_purge_staged(peer);
	timer_delete_sync(&peer->timer);
	wg_timers_stop(&peer->timers);
	wg_timers_reset_limit(&peer->timers);
}

/*
 * Teardown.
 *
 * 1. Nobody finds the peer any more: table of keys, allowed IPs, list.
 * 2. @dead, under both of its locks: no session begins, nothing is staged or
 *    enters an order, and what is in flight is dropped at its delivery.
 * 3. Handshake and sessions go, and with them the receiver indices; so nothing
 *    that is received finds it.
 * 4. The timer is shut down for good; its callback, which may have asked for a
 *    handshake, has ended. A wanted handshake holds a reference and finds
 *    @dead.
 * 5. The endpoint and its route go, in the peer's release nothing is left that
 *    could hold a namespace.
 * 6. The configuration's reference. Batches in flight and readers hold theirs
 *    or RCU; the last one frees the memory after a grace period, and tells the
 *    device, which waits for that before it goes.
 */
void wg_peer_remove(struct wg_peer *peer)
{
	struct wg_device *wg = peer->wg;

	lockdep_assert_held(&wg->lock);

	/* 1 */
	wg_lookup_del_peer(wg, peer);
	wg_allowedips_remove_owner(&wg->allowedips, &peer->owner);
	xa_erase(&wg->peers, peer->id);
	wg->n_peers--;

	/* 2, 3 */
	spin_lock_bh(&peer->lock);
	spin_lock(&peer->tx.lock);
	WRITE_ONCE(peer->dead, true);
	WRITE_ONCE(peer->running, false);
	spin_unlock(&peer->tx.lock);
	wg_peer_clear_handshake(peer);
	wg_session_drop_all(peer);
	memzero_explicit(peer->ss, sizeof(peer->ss));
	spin_unlock_bh(&peer->lock);
	wg_tx_purge_staged(peer);

	/* 4 */
	timer_shutdown_sync(&peer->timer);

	/* 5 */
	wg_endpoint_clear(peer);

	/* 6 */
	wg_peer_put(peer);
}

void wg_peer_remove_all(struct wg_device *wg)
{
	struct wg_peer *peer;
	unsigned long id;

	lockdep_assert_held(&wg->lock);
	xa_for_each(&wg->peers, id, peer) {
		wg_peer_remove(peer);
		cond_resched();
	}
}

void wg_peer_set_interval(struct wg_peer *peer, u16 seconds)
{
	u16 old = peer->timers.interval;

	lockdep_assert_held(&peer->wg->lock);
	WRITE_ONCE(peer->timers.interval, seconds);
	if (!old && seconds && READ_ONCE(peer->running))
		wg_tx_keepalive(peer);
}

int wg_peer_module_init(void)
{
	/* charged to whoever configures it, who need not be trusted */
	peer_cache = KMEM_CACHE(wg_peer, SLAB_ACCOUNT);
	return peer_cache ? 0 : -ENOMEM;
}

void wg_peer_module_exit(void)
{
	rcu_barrier();
	kmem_cache_destroy(peer_cache);
}
