// SPDX-License-Identifier: GPL-2.0-only
/*
 * Handshake messages. Protocol, "Handshake", "Denial-of-service protection".
 *
 * One worker a device takes both what came and what is to be sent, so that a
 * flood costs at most one CPU, never holds up data, and each peer's handshake
 * has a single writer but for configuration and timers. X25519 runs with no
 * lock held: results are committed only if nothing changed meanwhile.
 */

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/udp.h>
#include "device.h"
#include "handshake.h"
#include "lookup.h"
#include "peer.h"
#include "ratelimit.h"
#include "session.h"
#include "socket.h"
#include "tx.h"

/* Messages in each direction that one run of the worker takes. */
#define MAX_ROUNDS	256

/* The 1/50 s between initiations of a peer that are accepted. */
#define INITIATION_GAP_NS	(WG_NS_PER_SEC / 50)

static struct workqueue_struct *handshake_wq;

/* Shared by all devices, keyed with their namespaces. */
static struct wg_ratelimit ratelimit;

/*
 * A copy of the device's identity on the stack, but for its head for RCU: the
 * caller wipes it.
 */
static bool copy_identity(struct wg_device *wg, struct wg_identity *copy)
{
	const struct wg_identity *identity;

	rcu_read_lock();
	identity = rcu_dereference(wg->identity);
	if (identity) {
		copy->key = identity->key;
		copy->macs = identity->macs;
		copy->generation = identity->generation;
	}
	rcu_read_unlock();
	return identity;
}

/* Whether the device still has the key that the caller has worked with. */
static bool identity_is(struct wg_device *wg, const struct wg_identity *copy)
{
	const struct wg_identity *identity;
	bool same;

	rcu_read_lock();
	identity = rcu_dereference(wg->identity);
	same = identity && identity->generation == copy->generation;
	rcu_read_unlock();
	return same;
}

/*
 * DH(our static, their static), computed once for each pair of keys, and only
 * when it is first needed: so a new key for a device with many peers is cheap.
 * A zero result is kept as such, and refused by noise.c.
 */
static void static_static(struct wg_peer *peer, u8 ss[WG_KEY_LEN],
			  const struct wg_identity *identity)
{
	bool known;

	spin_lock_bh(&peer->lock);
	known = peer->ss_generation == identity->generation;
	if (known)
		memcpy(ss, peer->ss, WG_KEY_LEN);
	spin_unlock_bh(&peer->lock);
	if (known)
		return;

	if (!wg_dh(ss, identity->key.priv, peer->pub))
		memset(ss, 0, WG_KEY_LEN);
	spin_lock_bh(&peer->lock);
	if (!peer->dead && identity_is(peer->wg, identity)) {
		memcpy(peer->ss, ss, WG_KEY_LEN);
		peer->ss_generation = identity->generation;
	}
	spin_unlock_bh(&peer->lock);
}

/*
 * Adds the macs and notes in the timers what is about to be sent: together with
 * what is committed, so that whoever resets rule 1's limit under this lock ends
 * both or neither. Returns the deadline that the timer must hear of.
 */
static unsigned long finish_message(struct wg_peer *peer, void *msg, size_t len,
				    bool initiation, unsigned long jitter)
{
	struct wg_mac_keys keys;

	lockdep_assert_held(&peer->lock);
	wg_mac_keys_derive(&keys, peer->pub);
	wg_macs_add(&peer->jar, &keys, msg, len, wg_now());
	return wg_timers_handshake_sent(&peer->timers, jiffies, initiation,
					jitter);
}

/*
 * Two that begin at once end each other's handshake, and the jitter alone keeps
 * them from it the next time: not where a message takes as long as the jitter
 * may last. So one of the two, by their keys, is later by more than that.
 */
static unsigned long give_way(const struct wg_peer *peer,
			      const struct wg_identity *identity)
{
	return memcmp(identity->key.pub, peer->pub, WG_KEY_LEN) < 0 ?
		WG_GIVE_WAY : 0;
}

/* An initiation that is wanted cannot be sent now: the timer tries again. */
static void put_off(struct wg_peer *peer)
{
	if (!READ_ONCE(peer->timers.retry))
		wg_peer_arm(peer, wg_timers_put_off(&peer->timers, jiffies,
						    wg_jitter()));
}

/*
 * An initiation of @attempt could not be made: rule 1 counts it, unless its limit
 * was reset meanwhile.
 */
static void limit(struct wg_peer *peer, u32 attempt)
{
	spin_lock_bh(&peer->lock);
	if (peer->attempt == attempt)
		wg_timers_limit(&peer->timers, jiffies);
	spin_unlock_bh(&peer->lock);
}

/*
 * May a session or a handshake of this peer begin, of which the work began at
 * @attempt? Caller must hold its lock.
 */
static bool may_commit(struct wg_peer *peer, const struct wg_identity *identity,
		       u32 attempt)
{
	lockdep_assert_held(&peer->lock);
	return peer->attempt == attempt && !peer->dead &&
	       READ_ONCE(peer->running) && !wg_device_asleep() &&
	       identity_is(peer->wg, identity);
}

static void send_initiation(struct wg_peer *peer, bool retry)
{
	struct wg_device *wg = peer->wg;
	struct wg_msg_initiation msg;
	struct wg_identity identity;
	u8 stamp[WG_TIMESTAMP_LEN];
	u8 ephemeral[WG_KEY_LEN];
	struct wg_index *index;
	struct wg_noise *noise;
	struct timespec64 now;
	u8 ss[WG_KEY_LEN];
	unsigned long due;
	bool ok = false;
	u32 attempt;

	/* without a key or an endpoint it waits for that to be set */
	if (READ_ONCE(peer->dead) || !READ_ONCE(peer->running) ||
	    !rcu_access_pointer(peer->endpoint) ||
	    !copy_identity(wg, &identity))
		return;
	if (!wg_timers_may_handshake(&peer->timers, jiffies) ||
	    !rng_is_initialized()) {
		put_off(peer);
		memzero_explicit(&identity, sizeof(identity));
		return;
	}

	/* before anything is drawn that a copy of this machine would have too */
	spin_lock_bh(&peer->lock);
	attempt = peer->attempt;
	/* one that was put off before it was ever sent is no retry */
	retry = retry && peer->index;
	spin_unlock_bh(&peer->lock);
	if (retry)
		wg_endpoint_forget_source(peer, GFP_ATOMIC | __GFP_NOWARN);

	/* no reclaim, which may wait for this very handshake: it is retried */
	noise = kzalloc_obj(*noise, GFP_ATOMIC | __GFP_NOWARN);
	index = noise ? wg_index_create(wg, peer) : NULL;
	if (!index) {
		limit(peer, attempt);
		put_off(peer);
		goto out;
	}
	static_static(peer, ss, &identity);
	get_random_bytes(ephemeral, sizeof(ephemeral));
	ktime_get_real_ts64(&now);
	wg_noise_timestamp(stamp, now.tv_sec, now.tv_nsec);
	if (!wg_noise_create_initiation(noise, &msg, &identity.key, peer->pub,
					ss, ephemeral, stamp, index->id)) {
		/* their key leads nowhere: nothing need wait for a session */
		wg_index_release(wg, index);
		limit(peer, attempt);
		wg_tx_purge_staged(peer);
		goto out;
	}

	spin_lock_bh(&peer->lock);
	if (may_commit(peer, &identity, attempt)) {
		wg_peer_clear_handshake(peer);
		peer->noise = noise;
		noise = NULL;
		peer->index = index;
		due = finish_message(peer, &msg, sizeof(msg), true,
				     wg_jitter());
		ok = true;
	}
	spin_unlock_bh(&peer->lock);
	if (!ok) {
		wg_index_release(wg, index);
		put_off(peer);
		goto out;
	}

	net_dbg_ratelimited("%s: initiation to peer %u\n", wg->dev->name,
			    peer->id);
	wg_peer_arm(peer, due);
	wg_socket_send_handshake(peer, &msg, sizeof(msg));
out:
	kfree_sensitive(noise);
	memzero_explicit(&identity, sizeof(identity));
	memzero_explicit(ephemeral, sizeof(ephemeral));
	memzero_explicit(ss, sizeof(ss));
}

static void authenticated(struct wg_peer *peer, struct sk_buff *skb)
{
	struct wg_endpoint from;

	if (wg_endpoint_from_skb(&from, skb))
		wg_endpoint_set(peer, &from);
	wg_peer_arm(peer, wg_timers_received(&peer->timers, jiffies, false));
	local_bh_disable();
	dev_sw_netstats_rx_add(peer->wg->dev, skb->len);
	local_bh_enable();
	atomic64_add(skb->len, &peer->rx_bytes);
}

/* Checks and notes the time stamp: greater than all before, 50 a second. */
static bool fresh(struct wg_peer *peer, const u8 stamp[WG_TIMESTAMP_LEN])
{
	u64 now = ktime_get_boottime_ns();
	bool ok;

	spin_lock_bh(&peer->lock);
	ok = memcmp(stamp, peer->timestamp, WG_TIMESTAMP_LEN) > 0 &&
	     (!peer->initiation_seen ||
	      now - peer->initiation_seen >= INITIATION_GAP_NS);
	if (ok) {
		memcpy(peer->timestamp, stamp, WG_TIMESTAMP_LEN);
		peer->initiation_seen = now;
	}
	spin_unlock_bh(&peer->lock);
	return ok;
}

/* Answers an initiation of a peer that has proven itself. */
static void respond(struct wg_peer *peer, struct wg_noise *noise,
		    const struct wg_identity *identity, u32 remote_index)
{
	struct wg_device *wg = peer->wg;
	struct wg_session_keys keys;
	struct wg_msg_response msg;
	u8 ephemeral[WG_KEY_LEN];
	unsigned long zero_at, due;
	struct wg_index *index;
	u8 psk[WG_KEY_LEN];
	bool ok = false;
	u32 attempt;

	index = wg_index_create(wg, peer);
	if (!index)
		return;
	spin_lock_bh(&peer->lock);
	attempt = peer->attempt;
	memcpy(psk, peer->psk, sizeof(psk));
	spin_unlock_bh(&peer->lock);

	get_random_bytes(ephemeral, sizeof(ephemeral));
	if (wg_noise_create_response(noise, &msg, &keys, peer->pub, psk,
				     ephemeral, index->id, remote_index)) {
		spin_lock_bh(&peer->lock);
		if (may_commit(peer, identity, attempt)) {
			/* one slot: this ends what we had begun ourselves */
			wg_peer_clear_handshake(peer);
			ok = !wg_session_begin(peer, &keys, index,
					       remote_index, false);
		}
		if (ok) {
			due = finish_message(peer, &msg, sizeof(msg), false,
					     wg_jitter() +
					     give_way(peer, identity));
			zero_at = wg_timers_session_derived(&peer->timers,
							    jiffies);
		}
		spin_unlock_bh(&peer->lock);
	}
	if (ok) {
		wg_peer_arm(peer, zero_at);
		wg_peer_arm(peer, due);
		net_dbg_ratelimited("%s: response to peer %u\n", wg->dev->name,
				    peer->id);
		wg_socket_send_handshake(peer, &msg, sizeof(msg));
	} else {
		wg_index_release(wg, index);
	}
	memzero_explicit(&keys, sizeof(keys));
	memzero_explicit(ephemeral, sizeof(ephemeral));
	memzero_explicit(psk, sizeof(psk));
}

static void receive_initiation(struct wg_device *wg, struct sk_buff *skb,
			       const struct wg_identity *identity)
{
	const struct wg_msg_initiation *msg = (const void *)skb->data;
	u8 stamp[WG_TIMESTAMP_LEN];
	struct wg_noise noise;
	struct wg_peer *peer;
	u8 pub[WG_KEY_LEN];
	u8 ss[WG_KEY_LEN];

	if (!wg_noise_open_static(&noise, pub, msg, &identity->key))
		goto drop;
	peer = wg_lookup_peer(wg, pub);
	if (!peer)
		goto drop;
	static_static(peer, ss, identity);
	if (!wg_noise_open_timestamp(&noise, stamp, msg, ss) ||
	    !fresh(peer, stamp)) {
		net_dbg_ratelimited("%s: initiation of peer %u refused\n",
				    wg->dev->name, peer->id);
		wg_peer_put(peer);
		goto drop;
	}
	net_dbg_ratelimited("%s: initiation of peer %u\n", wg->dev->name,
			    peer->id);
	authenticated(peer, skb);
	respond(peer, &noise, identity, le32_to_cpu(msg->sender));
	wg_peer_put(peer);
	goto out;
drop:
	DEV_STATS_INC(wg->dev, rx_dropped);
out:
	memzero_explicit(&noise, sizeof(noise));
	memzero_explicit(ss, sizeof(ss));
}

/*
 * The peer that a receiver index leads to, with a reference, or NULL. With
 * @handshake only the index of an outstanding initiation counts.
 */
static struct wg_peer *peer_of_index(struct wg_device *wg, __le32 id,
				     bool handshake)
{
	struct wg_peer *peer = NULL;
	struct wg_index *index;

	rcu_read_lock();
	index = wg_index_find(wg, id);
	if (index && !(handshake && rcu_access_pointer(index->session)) &&
	    kref_get_unless_zero(&index->peer->ref))
		peer = index->peer;
	rcu_read_unlock();
	return peer;
}

static void receive_response(struct wg_device *wg, struct sk_buff *skb,
			     const struct wg_identity *identity)
{
	const struct wg_msg_response *msg = (const void *)skb->data;
	u32 id = le32_to_cpu(msg->receiver), attempt;
	struct wg_session_keys keys;
	unsigned long zero_at;
	struct wg_noise noise;
	struct wg_peer *peer;
	u8 psk[WG_KEY_LEN];
	bool ok;

	peer = peer_of_index(wg, msg->receiver, true);
	if (!peer) {
		DEV_STATS_INC(wg->dev, rx_dropped);
		return;
	}
	spin_lock_bh(&peer->lock);
	ok = peer->index && peer->index->id == id;
	if (ok) {
		noise = *peer->noise;
		attempt = peer->attempt;
		memcpy(psk, peer->psk, sizeof(psk));
	}
	spin_unlock_bh(&peer->lock);

	ok = ok && wg_noise_consume_response(&noise, &keys, msg,
					     &identity->key, psk);
	if (ok) {
		spin_lock_bh(&peer->lock);
		/* a newer initiation makes this response a stale one */
		ok = peer->index && may_commit(peer, identity, attempt) &&
		     !wg_session_begin(peer, &keys, peer->index,
				       le32_to_cpu(msg->sender), true);
		if (ok) {
			peer->index = NULL;	/* the session's now */
			wg_peer_clear_handshake(peer);
			ktime_get_real_ts64(&peer->last_handshake);
			zero_at = wg_timers_session_derived(&peer->timers,
							    jiffies);
		}
		spin_unlock_bh(&peer->lock);
	}
	if (ok) {
		net_dbg_ratelimited("%s: response of peer %u\n", wg->dev->name,
				    peer->id);
		authenticated(peer, skb);
		wg_timers_handshake_complete(&peer->timers);
		wg_peer_arm(peer, zero_at);
		/* confirms the session, with data if there is any */
		wg_tx_keepalive(peer);
	} else {
		net_dbg_ratelimited("%s: response of peer %u refused\n",
				    wg->dev->name, peer->id);
		DEV_STATS_INC(wg->dev, rx_dropped);
	}
	memzero_explicit(&keys, sizeof(keys));
	memzero_explicit(&noise, sizeof(noise));
	memzero_explicit(psk, sizeof(psk));
	wg_peer_put(peer);
}

static void receive_cookie_reply(struct wg_device *wg, struct sk_buff *skb)
{
	const struct wg_msg_cookie_reply *msg = (const void *)skb->data;
	struct wg_peer *peer = peer_of_index(wg, msg->receiver, false);
	struct wg_mac_keys keys;
	bool ok = false;

	if (peer) {
		wg_mac_keys_derive(&keys, peer->pub);
		spin_lock_bh(&peer->lock);
		ok = wg_cookie_reply_consume(&peer->jar, &keys, msg, wg_now());
		spin_unlock_bh(&peer->lock);
		wg_peer_put(peer);
	}
	if (!ok)
		DEV_STATS_INC(wg->dev, rx_dropped);
}

static bool under_load(struct wg_device *wg)
{
	u64 now = wg_now();

	if (skb_queue_len_lockless(&wg->waiting) >= WG_UNDER_LOAD_BACKLOG)
		wg->loaded_until = now + WG_UNDER_LOAD_NS;
	return now < wg->loaded_until;
}

/* IP address ‖ UDP port of a datagram; returns the length, 0 for neither. */
static size_t source_of(const struct sk_buff *skb, u8 out[18])
{
	size_t len;

	if (skb->protocol == htons(ETH_P_IP)) {
		len = sizeof(struct in_addr);
		memcpy(out, &ip_hdr(skb)->saddr, len);
	} else if (skb->protocol == htons(ETH_P_IPV6)) {
		len = sizeof(struct in6_addr);
		memcpy(out, &ipv6_hdr(skb)->saddr, len);
	} else {
		return 0;
	}
	memcpy(out + len, &udp_hdr(skb)->source, sizeof(__be16));
	return len + sizeof(__be16);
}

/*
 * Under load only who has shown a cookie gets work done, and at a limited
 * rate; the others are told their cookie. @sender is little endian.
 */
static bool may_process(struct wg_device *wg, struct sk_buff *skb,
			const struct wg_identity *identity,
			const struct wg_macs *macs, __le32 sender)
{
	struct wg_msg_cookie_reply reply;
	u8 cookie[WG_COOKIE_LEN];
	u8 nonce[WG_XNONCE_LEN];
	u64 now = wg_now();
	u8 source[18];
	size_t len;
	bool ok;

	len = source_of(skb, source);
	if (!len)
		return false;
	if (!wg->cookie_born || now - wg->cookie_born >= WG_COOKIE_LIFE_NS) {
		get_random_bytes(wg->cookie_secret, sizeof(wg->cookie_secret));
		wg->cookie_born = now;
	}
	wg_cookie_make(cookie, wg->cookie_secret, source, len);
	if (wg_macs_check2(cookie, skb->data, skb->len)) {
		const void *net = rcu_access_pointer(wg->birth_net);

		ok = wg_ratelimit_allow(&ratelimit, net, source, len == 18,
					ktime_get_boottime_ns());
	} else {
		ok = false;
		get_random_bytes(nonce, sizeof(nonce));
		wg_cookie_reply_create(&reply, &identity->macs, cookie,
				       macs->mac1, nonce, sender);
		wg_socket_reply(wg, skb, &reply, sizeof(reply));
	}
	memzero_explicit(cookie, sizeof(cookie));
	return ok;
}

/* Takes a message that waited. */
static void process(struct wg_device *wg, struct sk_buff *skb)
{
	struct wg_identity identity;
	const struct wg_macs *macs;
	enum wg_msg_type type;
	__le32 sender;

	type = wg_msg_classify(*(__le32 *)skb->data, skb->len);
	if (type == WG_MSG_COOKIE_REPLY) {
		receive_cookie_reply(wg, skb);
		consume_skb(skb);
		return;
	}
	if (!copy_identity(wg, &identity)) {
		DEV_STATS_INC(wg->dev, rx_dropped);
		kfree_skb(skb);
		return;
	}
	if (type == WG_MSG_INITIATION) {
		const struct wg_msg_initiation *msg = (const void *)skb->data;

		macs = &msg->macs;
		sender = msg->sender;
	} else {
		const struct wg_msg_response *msg = (const void *)skb->data;

		macs = &msg->macs;
		sender = msg->sender;
	}
	if (!wg_macs_check1(&identity.macs, skb->data, skb->len)) {
		net_dbg_ratelimited("%s: handshake message with a wrong mac1\n",
				    wg->dev->name);
		DEV_STATS_INC(wg->dev, rx_dropped);
	} else if (under_load(wg) &&
		   !may_process(wg, skb, &identity, macs, sender)) {
		DEV_STATS_INC(wg->dev, rx_dropped);
	} else if (type == WG_MSG_INITIATION) {
		receive_initiation(wg, skb, &identity);
	} else {
		receive_response(wg, skb, &identity);
	}
	memzero_explicit(&identity, sizeof(identity));
	consume_skb(skb);
}

void wg_handshake_receive(struct wg_device *wg, struct sk_buff *skb)
{
	if (unlikely(skb_queue_len_lockless(&wg->waiting) >=
		     WG_MAX_WAITING_HANDSHAKES)) {
		net_dbg_ratelimited("%s: the queue of handshakes is full\n",
				    wg->dev->name);
		goto drop;
	}
	if (unlikely(!rng_is_initialized() || skb_linearize(skb)))
		goto drop;
	skb_orphan(skb);
	skb_dst_drop(skb);
	skb_queue_tail(&wg->waiting, skb);
	queue_work(handshake_wq, &wg->handshake_work);
	return;

drop:
	DEV_STATS_INC(wg->dev, rx_dropped);
	kfree_skb(skb);
}

void wg_handshake_want(struct wg_peer *peer, bool retry)
{
	struct wg_device *wg = peer->wg;

	if (READ_ONCE(peer->dead) || !READ_ONCE(peer->running))
		return;
	if (!retry)
		wg_timers_trigger(&peer->timers);
	/* spares the worker most of a burst; it looks again itself */
	if (!wg_timers_may_handshake(&peer->timers, jiffies)) {
		/* what is staged must not wait for the next packet */
		if (retry || READ_ONCE(peer->n_staged))
			put_off(peer);
		return;
	}
	spin_lock_bh(&wg->wanted_lock);
	/* a sender has found the peer under RCU; it may be on its way out */
	if (list_empty(&peer->wanted) && kref_get_unless_zero(&peer->ref)) {
		list_add_tail(&peer->wanted, &wg->wanted);
		peer->wanted_retry = retry;
		queue_work(handshake_wq, &wg->handshake_work);
	}
	spin_unlock_bh(&wg->wanted_lock);
}

/* The next peer that wants an initiation, with its reference, or NULL. */
static struct wg_peer *next_wanted(struct wg_device *wg, bool *retry)
{
	struct wg_peer *peer;

	spin_lock_bh(&wg->wanted_lock);
	peer = list_first_entry_or_null(&wg->wanted, struct wg_peer, wanted);
	if (peer) {
		list_del_init(&peer->wanted);
		*retry = peer->wanted_retry;
	}
	spin_unlock_bh(&wg->wanted_lock);
	return peer;
}

void wg_handshake_work(struct work_struct *work)
{
	struct wg_device *wg = container_of(work, struct wg_device,
					    handshake_work);
	unsigned int rounds = 0, noio;
	struct wg_peer *peer;
	struct sk_buff *skb;
	bool retry;

	/* memory must not wait for swap or a file system over the tunnel */
	noio = memalloc_noio_save();
	/* in turns, so that neither direction starves the other */
	do {
		peer = next_wanted(wg, &retry);
		if (peer) {
			send_initiation(peer, retry);
			wg_peer_put(peer);
		}
		skb = skb_dequeue(&wg->waiting);
		if (skb)
			process(wg, skb);
		cond_resched();
		if (++rounds == MAX_ROUNDS && (peer || skb)) {
			/* a flood must not keep the machine from sleeping */
			queue_work(handshake_wq, work);
			break;
		}
	} while (peer || skb);
	memalloc_noio_restore(noio);
}

void wg_handshake_forget(struct wg_device *wg)
{
	struct wg_peer *peer;
	bool retry;

	lockdep_assert_held(&wg->lock);
	skb_queue_purge(&wg->waiting);
	while ((peer = next_wanted(wg, &retry)))
		wg_peer_put(peer);
}

int wg_handshake_module_init(void)
{
	int err = wg_ratelimit_init(&ratelimit);

	if (err)
		return err;
	handshake_wq = alloc_workqueue("wg-handshake", WQ_UNBOUND |
					       WQ_MEM_RECLAIM | WQ_FREEZABLE,
				       0);
	if (!handshake_wq) {
		wg_ratelimit_free(&ratelimit);
		return -ENOMEM;
	}
	return 0;
}

void wg_handshake_module_exit(void)
{
	destroy_workqueue(handshake_wq);
	wg_ratelimit_free(&ratelimit);
}
