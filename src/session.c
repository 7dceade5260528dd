// SPDX-License-Identifier: GPL-2.0-only
/* Session rotation. Protocol, "Handshake" and "What a drop-in must match". */

#include <linux/slab.h>
#include "lookup.h"
#include "peer.h"
#include "session.h"

#define slot(peer, p) \
	rcu_dereference_protected(p, lockdep_is_held(&(peer)->lock))

/* Of its own: much of what kmalloc() gives for such a size would be waste. */
static struct kmem_cache *session_cache;

static void session_free_rcu(struct rcu_head *rcu)
{
	struct wg_session *s = container_of(rcu, struct wg_session, rcu);

	memzero_explicit(s, sizeof(*s));
	kmem_cache_free(session_cache, s);
}

static void session_release(struct kref *ref)
{
	struct wg_session *s = container_of(ref, struct wg_session, ref);
	struct wg_peer *peer = s->peer;

	/* who still finds it gets no reference, and reads no key without one */
	memzero_explicit(&s->keys, sizeof(s->keys));
	call_rcu(&s->rcu, session_free_rcu);
	wg_peer_put(peer);
}

struct wg_session *wg_session_get(struct wg_session *s)
{
	return s && kref_get_unless_zero(&s->ref) ? s : NULL;
}

void wg_session_put(struct wg_session *s)
{
	kref_put(&s->ref, session_release);
}

/* Takes a session out of its slot: no packet finds it from here on. */
static void drop(struct wg_peer *peer, struct wg_session __rcu **where)
{
	struct wg_session *s = slot(peer, *where);

	lockdep_assert_held(&peer->lock);
	if (!s)
		return;
	RCU_INIT_POINTER(*where, NULL);
	wg_index_release(peer->wg, s->index);
	wg_session_put(s);
}

static void move(struct wg_peer *peer, struct wg_session __rcu **to,
		 struct wg_session __rcu **from)
{
	drop(peer, to);
	rcu_assign_pointer(*to, slot(peer, *from));
	RCU_INIT_POINTER(*from, NULL);
}

/* Makes @s the current session; @from, where it is, is empty afterwards. */
static void make_current(struct wg_peer *peer, struct wg_session *s,
			 struct wg_session __rcu **from)
{
	struct wg_session *old = slot(peer, peer->current_session);

	drop(peer, &peer->previous);
	/* a sender finds the one or the other, never none */
	rcu_assign_pointer(peer->current_session, s);
	rcu_assign_pointer(peer->previous, old);
	if (from)
		RCU_INIT_POINTER(*from, NULL);
}

bool wg_session_can_send(const struct wg_session *s, unsigned int count)
{
	return s && READ_ONCE(s->may_send) &&
	       !wg_session_expired(wg_session_age(s)) &&
	       !wg_session_exhausted(s->tx_counter, count);
}

int wg_session_begin(struct wg_peer *peer, struct wg_session_keys *keys,
		     struct wg_index *index, u32 remote_index, bool initiator)
{
	struct wg_session *s;

	lockdep_assert_held(&peer->lock);
	s = kmem_cache_zalloc(session_cache, GFP_ATOMIC);
	if (!s) {
		memzero_explicit(keys, sizeof(*keys));
		return -ENOMEM;
	}
	s->keys = *keys;
	memzero_explicit(keys, sizeof(*keys));
	s->peer = wg_peer_get(peer);
	s->index = index;
	s->remote_index = remote_index;
	s->initiator = initiator;
	s->may_send = true;
	s->born = wg_now();
	kref_init(&s->ref);

	if (initiator) {
		/* a pending next becomes previous, else current does */
		make_current(peer, s, NULL);
		if (slot(peer, peer->next))
			move(peer, &peer->previous, &peer->next);
	} else {
		/* current still sends until the key is confirmed */
		drop(peer, &peer->next);
		drop(peer, &peer->previous);
		rcu_assign_pointer(peer->next, s);
	}
	wg_index_bind(index, s);
	return 0;
}

bool wg_session_confirm(struct wg_peer *peer, struct wg_session *s)
{
	bool confirmed = false;

	if (likely(s != rcu_access_pointer(peer->next)))
		return false;
	spin_lock_bh(&peer->lock);
	if (s == slot(peer, peer->next)) {
		make_current(peer, s, &peer->next);
		confirmed = true;
	}
	spin_unlock_bh(&peer->lock);
	return confirmed;
}

void wg_session_stop_sending(struct wg_peer *peer)
{
	struct wg_session *s;

	lockdep_assert_held(&peer->lock);
	/* who gives out counters has done so, or sees it */
	spin_lock(&peer->tx.lock);
	s = slot(peer, peer->current_session);
	if (s)
		WRITE_ONCE(s->may_send, false);
	s = slot(peer, peer->next);
	if (s)
		WRITE_ONCE(s->may_send, false);
	spin_unlock(&peer->tx.lock);
}

void wg_session_drop_all(struct wg_peer *peer)
{
	lockdep_assert_held(&peer->lock);
	drop(peer, &peer->previous);
	drop(peer, &peer->current_session);
	drop(peer, &peer->next);
}

int wg_session_module_init(void)
{
	session_cache = KMEM_CACHE(wg_session, 0);
	return session_cache ? 0 : -ENOMEM;
}

void wg_session_module_exit(void)
{
	/* after wg_peer_module_exit(), which waits for the last ones */
	kmem_cache_destroy(session_cache);
}
