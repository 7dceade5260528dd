// SPDX-License-Identifier: GPL-2.0-only
/*
 * The way out: ndo_start_xmit → peer → batch → session and counters →
 * encrypt → endpoint. See docs/datapath.md.
 */

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <net/dst_metadata.h>
#include <net/gso.h>
#include <net/icmp.h>
#include <net/inet_ecn.h>
#include <net/ip_tunnels.h>
#include <net/ipv6.h>
#include <net/tcp.h>
#include "aead.h"
#include "device.h"
#include "handshake.h"
#include "peer.h"
#include "segment.h"
#include "session.h"
#include "socket.h"
#include "tx.h"

/*
 * Of the machine's memory staged packets of all devices may take a 32nd. Their
 * senders have been let go, so they are charged to nobody; and with no key of the
 * device's own they wait for as long as its user wants.
 */
#define STAGED_SHIFT	5

static atomic_long_t staged_memory;	/* bytes, as truesize has it */

/* Gives a batch that has its session, and is not staged, its counters. */
static void assign(struct wg_batch *batch)
{
	struct wg_session *session = batch->session;
	u64 counter = session->tx_counter;
	struct sk_buff *skb;

	lockdep_assert_held(&batch->peer->tx.lock);
	for (skb = batch->skbs; skb; skb = skb->next) {
		wg_cb(skb)->counter = counter;
		counter += wg_cb(skb)->segments;
	}
	WRITE_ONCE(session->tx_counter, counter);
}

/* The session to send @count messages with, with a reference, or NULL. */
static struct wg_session *sender(struct wg_peer *peer, unsigned int count)
{
	struct wg_session *s = rcu_dereference_bh(peer->current_session);

	lockdep_assert_held(&peer->tx.lock);
	return wg_session_can_send(s, count) ? wg_session_get(s) : NULL;
}

static void count_dropped(struct wg_peer *peer, unsigned int n)
{
	while (n--)
		DEV_STATS_INC(peer->wg->dev, tx_dropped);
}

static void count_errors(struct wg_peer *peer, unsigned int n)
{
	while (n--)
		DEV_STATS_INC(peer->wg->dev, tx_errors);
}

static unsigned long memory_of(const struct wg_batch *batch)
{
	const struct sk_buff *skb;
	unsigned long sum = 0;

	for (skb = batch->skbs; skb; skb = skb->next)
		sum += skb->truesize;
	return sum;
}

static bool is_too_much(unsigned long memory)
{
	memory += atomic_long_read(&staged_memory);
	return memory >> (PAGE_SHIFT - STAGED_SHIFT) > totalram_pages();
}

/* Drops the oldest staged packet. Caller must hold tx.lock. */
static void drop_oldest(struct wg_peer *peer)
{
	struct wg_batch *batch = list_first_entry(&peer->staged,
						  struct wg_batch, order);
	struct sk_buff *skb = batch->skbs;
	unsigned int n = wg_cb(skb)->segments;

	lockdep_assert_held(&peer->tx.lock);
	batch->skbs = skb->next;
	batch->count -= n;
	batch->bytes -= wg_skb_work(skb);
	WRITE_ONCE(peer->n_staged, peer->n_staged - n);
	atomic_long_sub(skb->truesize, &staged_memory);
	skb_mark_not_on_list(skb);
	kfree_skb(skb);
	if (!batch->count) {
		list_del(&batch->order);
		wg_batch_free(batch);
	}
	count_dropped(peer, n);
}

/*
 * Takes the batch, or says false. The limit is applied before adding, so that a
 * GSO packet never drops its own segments. Where there is too much of all peers,
 * this one's older packets go, if that is enough.
 */
static bool stage(struct wg_peer *peer, struct wg_batch *batch)
{
	unsigned long memory = memory_of(batch), own = 0;
	struct wg_batch *older;
	struct sk_buff *skb;

	lockdep_assert_held(&peer->tx.lock);
	while (peer->n_staged >= WG_MAX_STAGED)
		drop_oldest(peer);
	if (unlikely(is_too_much(memory))) {
		list_for_each_entry(older, &peer->staged, order)
			own += memory_of(older);
		if (is_too_much(memory - own))
			return false;
		while (is_too_much(memory) && peer->n_staged)
			drop_oldest(peer);
	}
	atomic_long_add(memory, &staged_memory);
	for (skb = batch->skbs; skb; skb = skb->next)
		skb_orphan(skb);
	list_add_tail(&batch->order, &peer->staged);
	WRITE_ONCE(peer->n_staged, peer->n_staged + batch->count);
	return true;
}

void wg_tx_flush_staged(struct wg_peer *peer)
{
	struct wg_session *session;
	struct wg_batch *batch;
	struct wg_entry entry;

	rcu_read_lock_bh();
	for (;;) {
		spin_lock(&peer->tx.lock);
		batch = list_first_entry_or_null(&peer->staged,
						 struct wg_batch, order);
		if (!batch) {
			spin_unlock(&peer->tx.lock);
			break;
		}
		session = sender(peer, batch->count);
		if (!session) {
			spin_unlock(&peer->tx.lock);
			wg_handshake_want(peer, false);
			break;
		}
		list_del_init(&batch->order);
		WRITE_ONCE(peer->n_staged, peer->n_staged - batch->count);
		atomic_long_sub(memory_of(batch), &staged_memory);
		batch->session = session;
		assign(batch);
		entry = wg_order_enter_kept(&peer->tx, batch);
		spin_unlock(&peer->tx.lock);
		wg_crypt_go(&peer->tx, entry);
	}
	rcu_read_unlock_bh();
}

void wg_tx_purge_staged(struct wg_peer *peer)
{
	spin_lock_bh(&peer->tx.lock);
	while (peer->n_staged)
		drop_oldest(peer);
	spin_unlock_bh(&peer->tx.lock);
}

/*
 * Takes a batch that is not sent, and frees its packets: each is an error of the
 * device where memory is short, else a dropped one.
 */
static void refuse(struct wg_batch *batch, bool short_of_memory)
{
	if (short_of_memory)
		count_errors(batch->peer, batch->count);
	else
		count_dropped(batch->peer, batch->count);
	wg_batch_release(batch);
}

/* Takes the batch: into the engine, staged, or dropped. BH off. */
static void send_batch(struct wg_peer *peer, struct wg_batch *batch)
{
	struct wg_session *session = NULL;
	struct wg_batch *kept;
	struct wg_entry entry;

	spin_lock(&peer->tx.lock);
	if (unlikely(READ_ONCE(peer->dead) || !READ_ONCE(peer->running))) {
		spin_unlock(&peer->tx.lock);
		refuse(batch, false);
		return;
	}
	if (likely(list_empty(&peer->staged)))
		session = sender(peer, batch->count);
	if (likely(session)) {
		/* the reference is the batch's from here on */
		batch->session = session;
		if (unlikely(!wg_order_has_room(&peer->tx, batch))) {
			spin_unlock(&peer->tx.lock);
			refuse(batch, false);
			return;
		}
		assign(batch);
		entry = wg_order_enter(&peer->tx, batch);
		spin_unlock(&peer->tx.lock);
		if (unlikely(wg_crypt_go(&peer->tx, entry)))
			refuse(batch, true);
		return;
	}
	kept = wg_batch_keep(batch);
	if (unlikely(!kept)) {
		spin_unlock(&peer->tx.lock);
		refuse(batch, true);
		return;
	}
	if (unlikely(!stage(peer, kept))) {
		spin_unlock(&peer->tx.lock);
		count_dropped(peer, kept->count);
		wg_handshake_want(peer, false);
		wg_batch_free(kept);
		return;
	}
	spin_unlock(&peer->tx.lock);
	wg_tx_flush_staged(peer);
}

void wg_tx_keepalive(struct wg_peer *peer)
{
	struct wg_batch batch;
	struct sk_buff *skb;

	if (READ_ONCE(peer->n_staged)) {
		wg_tx_flush_staged(peer);
		return;
	}
	skb = alloc_skb(LL_MAX_HEADER + WG_OUTER_HEADROOM + WG_DATA_OVERHEAD,
			GFP_ATOMIC);
	if (!skb)
		return;
	skb_reserve(skb, LL_MAX_HEADER + WG_OUTER_HEADROOM +
			 sizeof(struct wg_msg_data));
	memset(wg_cb(skb), 0, sizeof(struct wg_skb_cb));
	wg_cb(skb)->segments = 1;

	net_dbg_ratelimited("%s: keepalive to peer %u\n", peer->wg->dev->name,
			    peer->id);
	rcu_read_lock_bh();
	if (wg_batch_init(&batch, peer, skb, true))
		send_batch(peer, &batch);
	else
		kfree_skb(skb);
	rcu_read_unlock_bh();
}

/*
 * A private linear copy with room at both ends. Takes @skb, returns the copy
 * or NULL. The sender's socket stays charged, so that TCP sees what is queued.
 */
static struct sk_buff *make_private(struct sk_buff *skb, unsigned int tail)
{
	struct sk_buff *copy = skb_copy_expand(skb, LL_MAX_HEADER +
					       WG_OUTER_HEADROOM +
					       sizeof(struct wg_msg_data),
					       tail, GFP_ATOMIC);

	if (unlikely(!copy)) {
		kfree_skb(skb);
		return NULL;
	}
	if (skb->sk && is_skb_wmem(skb) && sk_fullsock(skb->sk) &&
	    sk_is_tcp(skb->sk)) {
		refcount_t *wmem = &skb->sk->sk_wmem_alloc;
		int delta = copy->truesize - skb->truesize;

		swap(copy->sk, skb->sk);
		swap(copy->destructor, skb->destructor);
		if (delta >= 0)
			refcount_add(delta, wmem);
		else
			WARN_ON_ONCE(refcount_sub_and_test(-delta, wmem));
	}
	consume_skb(skb);
	return copy;
}

/*
 * Whether somebody else may read the text: as a clone, or, where that cannot be
 * told from the packet, by its page, as a mirror's copy that was cut before.
 */
static bool is_shared(const struct sk_buff *skb)
{
	return skb_cloned(skb) || (skb->cloned && skb->head_frag);
}

/* Takes @skb; returns the message, or NULL where memory is short. */
static struct sk_buff *encrypt_one(struct sk_buff *skb, struct wg_aead *aead,
				   const struct wg_session *session)
{
	struct wg_skb_cb *cb = wg_cb(skb);
	unsigned int len = skb->len, padded = wg_padded_len(len, cb->mtu);
	unsigned int tail = padded - len + WG_TAG_LEN;
	struct wg_msg_data *msg;

	if (skb_is_nonlinear(skb) || is_shared(skb) ||
	    skb_headroom(skb) < WG_OUTER_HEADROOM + sizeof(*msg) ||
	    skb_tailroom(skb) < tail) {
		skb = make_private(skb, tail);
		if (unlikely(!skb))
			return NULL;
		cb = wg_cb(skb);
	}
	if (skb->ip_summed == CHECKSUM_PARTIAL && skb_checksum_help(skb)) {
		kfree_skb(skb);
		return NULL;
	}
	/* no offload of the inner packet is left, whatever tunnel it was in */
	skb->encapsulation = 0;
	memset(skb_put(skb, tail), 0, tail);
	/* first, as it writes to where the header will be */
	BUILD_BUG_ON(WG_OUTER_HEADROOM + sizeof(*msg) < WG_AEAD_HEADROOM);
	wg_aead_seal(aead, skb->data, padded, cb->counter);
	msg = skb_push(skb, sizeof(*msg));
	msg->type = cpu_to_le32(WG_MSG_DATA);
	msg->receiver = cpu_to_le32(session->remote_index);
	put_unaligned_le64(cb->counter, &msg->counter);
	cb->ok = true;
	return skb;
}

/* Takes @skb; returns what is to be sent, fewer where memory is short. */
static struct sk_buff *encrypt(struct wg_batch *batch, struct wg_aead *aead,
			       struct sk_buff *skb)
{
	unsigned int wanted = wg_cb(skb)->segments, got = 0;
	struct sk_buff *list, *pos;

	if (wanted > 1)
		list = wg_segment_seal(skb, aead, batch->session);
	else
		list = encrypt_one(skb, aead, batch->session);
	for (pos = list; pos; pos = pos->next)
		got += wg_cb(pos)->segments;
	if (unlikely(got < wanted))
		count_errors(batch->peer, wanted - got);
	return list;
}

void wg_tx_encrypt(struct wg_batch *batch)
{
	struct sk_buff *skb = batch->skbs, *next, **end = &batch->skbs;
	struct wg_aead aead;

	wg_aead_init(&aead, batch->session->keys.send);
	for (; skb; skb = next) {
		next = skb->next;
		skb_mark_not_on_list(skb);
		*end = encrypt(batch, &aead, skb);
		while (*end)
			end = &(*end)->next;
	}
	wg_aead_wipe(&aead);
	if (batch->skbs && batch->skbs->next &&
	    READ_ONCE(batch->peer->wg->outer_gso))
		batch->skbs = wg_segment_gather(batch->skbs, batch->peer);
}

/* Sends the messages of a batch, in order. */
void wg_tx_deliver(struct wg_batch *batch)
{
	struct wg_session *session = batch->session;
	struct wg_peer *peer = batch->peer;
	struct sk_buff *skb, *next;
	unsigned long now = jiffies, jitter;
	unsigned int packets = 0, bytes = 0;
	bool data = false, rekey;

	skb = batch->skbs;
	batch->skbs = NULL;
	if (unlikely(READ_ONCE(peer->dead) || !READ_ONCE(peer->running))) {
		for (next = skb; next; next = next->next)
			count_dropped(peer, wg_cb(next)->segments);
		kfree_skb_list(skb);
		return;
	}

	if (unlikely(!skb))	/* memory was short for all of it */
		return;

	for (next = skb; next; next = next->next)
		data |= wg_cb(next)->data;
	/* the jitter counts only for a deadline that is not armed yet */
	jitter = READ_ONCE(peer->timers.silence) ? 0 : wg_jitter();
	wg_peer_arm(peer, wg_timers_sent(&peer->timers, now, data, jitter));

	for (; skb; skb = next) {
		unsigned int len = skb->len, n = wg_cb(skb)->segments;
		bool listed = skb_has_frag_list(skb);

		next = skb->next;
		skb_mark_not_on_list(skb);
		if (wg_socket_send(peer, skb, wg_cb(skb)->dsfield)) {
			count_errors(peer, n);
			continue;
		}
		packets += n;
		bytes += len;
		if (n > 1) {
			atomic64_inc(&peer->wg->gso_datagrams);
			atomic64_add(n, &peer->wg->gso_messages);
			if (listed)
				atomic64_inc(&peer->wg->gso_lists);
		}
	}
	if (packets) {
		dev_sw_netstats_tx_add(peer->wg->dev, packets, bytes);
		atomic64_add(bytes, &peer->tx_bytes);
	}

	/* rule 3; the counter may move on meanwhile, which does not matter */
	rekey = wg_session_rekey_after_send(session->initiator,
					    wg_session_age(session),
					    READ_ONCE(session->tx_counter));
	if (unlikely(rekey) &&
	    rcu_access_pointer(peer->current_session) == session)
		wg_handshake_want(peer, false);
}

/*
 * Readies a packet of the stack: a GSO packet that makes so many messages, or
 * its segments one by one.
 */
static void prepare(struct sk_buff *skb, unsigned int segments, u32 mtu,
		    u8 dsfield)
{
	struct wg_skb_cb *cb = wg_cb(skb);

	/* mark, conntrack, dst and the like are the inner packet's */
	skb_scrub_packet(skb, true);
	cb->counter = 0;
	cb->mtu = mtu;
	cb->segments = segments;
	/* RFC 6040, normal mode: the mark is copied, DSCP is 0 outside */
	cb->dsfield = dsfield & INET_ECN_MASK;
	cb->data = true;
	cb->ok = false;
}

/* Tells a sender that its packet cannot go, by ICMP. */
static void send_unreachable(struct sk_buff *skb)
{
	if (skb->protocol == htons(ETH_P_IP))
		icmp_ndo_send(skb, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0);
	else if (skb->protocol == htons(ETH_P_IPV6) && ipv6_mod_enabled())
		/* booted with ipv6.disable=1 there is nothing to look up in */
		icmpv6_ndo_send(skb, ICMPV6_DEST_UNREACH, ICMPV6_ADDR_UNREACH,
				0);
}

/*
 * Whether packets are unlikely to be staged. What is staged is segmented
 * before, so that the limit is one of messages, unless the session has just
 * gone.
 */
static bool can_send_now(struct wg_peer *peer)
{
	const struct wg_session *s = rcu_dereference_bh(peer->current_session);

	return !READ_ONCE(peer->n_staged) && s && READ_ONCE(s->may_send) &&
	       !wg_session_expired(wg_session_age(s));
}

netdev_tx_t wg_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct wg_device *wg = netdev_priv(dev);
	struct wg_aip_owner *owner;
	struct wg_endpoint *endpoint;
	struct sk_buff *list, *pos;
	struct wg_batch batch;
	struct wg_peer *peer;
	unsigned int n = 0;
	u8 dsfield;
	bool v6;
	int err;
	u32 mtu;

	if (unlikely(!skb->protocol ||
		     ip_tunnel_parse_protocol(skb) != skb->protocol)) {
		err = -EPROTONOSUPPORT;
		goto err_drop;
	}
	v6 = skb->protocol == htons(ETH_P_IPV6);
	dsfield = v6 ? ipv6_get_dsfield(ipv6_hdr(skb)) : ip_hdr(skb)->tos;

	rcu_read_lock_bh();
	if (v6)
		owner = wg_allowedips_lookup(&wg->allowedips,
					     &ipv6_hdr(skb)->daddr, true);
	else
		owner = wg_allowedips_lookup(&wg->allowedips,
					     &ip_hdr(skb)->daddr, false);
	peer = wg_peer_of(owner);
	if (unlikely(!peer)) {
		err = -ENOKEY;
		net_dbg_ratelimited("%s: no peer has the destination in its allowed IPs\n",
				    dev->name);
		goto err_unreachable;
	}
	endpoint = rcu_dereference_bh(peer->endpoint);
	if (unlikely(!endpoint)) {
		err = -EDESTADDRREQ;
		net_dbg_ratelimited("%s: peer %u has no endpoint\n", dev->name,
				    peer->id);
		goto err_unreachable;
	}
	if (unlikely(wg_crypt_depth() >= WG_MAX_DEPTH)) {
		err = -ELOOP;
		net_dbg_ratelimited("%s: routing loop\n", dev->name);
		goto err_unlock;
	}

	mtu = skb_valid_dst(skb) ? dst_mtu(skb_dst(skb)) : READ_ONCE(dev->mtu);
	skb_get_hash(skb);
	if (skb_is_gso(skb) && READ_ONCE(wg->outer_gso) && can_send_now(peer))
		n = wg_segment_count(skb, mtu);
	if (skb_is_gso(skb) && !n) {
		/*
		 * Linear, summed while they are copied: what is encrypted in
		 * place must not be shared with the sender anyway.
		 */
		list = skb_gso_segment(skb, dev->features &
				       ~(NETIF_F_GSO_MASK | NETIF_F_SG |
					 NETIF_F_CSUM_MASK));
		if (IS_ERR(list)) {
			err = PTR_ERR(list);
			goto err_unlock;
		}
		if (list)
			consume_skb(skb);
		else
			list = skb;
	} else {
		skb_mark_not_on_list(skb);
		list = skb;
	}
	for (pos = list; pos; pos = pos->next)
		prepare(pos, n ?: 1, mtu, dsfield);

	if (likely(wg_batch_init(&batch, peer, list, true))) {
		send_batch(peer, &batch);
	} else {
		kfree_skb_list(list);
		DEV_STATS_INC(dev, tx_errors);
	}
	rcu_read_unlock_bh();
	return NETDEV_TX_OK;

err_unreachable:
	rcu_read_unlock_bh();
	send_unreachable(skb);
	goto err_drop;
err_unlock:
	rcu_read_unlock_bh();
err_drop:
	DEV_STATS_INC(dev, tx_errors);
	kfree_skb(skb);
	return err;
}

void wg_tx_module_exit(void)
{
	WARN_ON(atomic_long_read(&staged_memory));
}
