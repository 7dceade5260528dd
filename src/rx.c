// SPDX-License-Identifier: GPL-2.0-only
/*
 * The way in: UDP → classify → session → decrypt → replay → checks →
 * GRO/NAPI. See docs/datapath.md.
 */

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <net/inet_ecn.h>
#include <net/ip_tunnels.h>
#include <net/ipv6.h>
#include <net/udp.h>
#include "aead.h"
#include "device.h"
#include "handshake.h"
#include "lookup.h"
#include "pages.h"
#include "peer.h"
#include "rx.h"
#include "session.h"
#include "tx.h"

/* Packets that wait for the stack, for each NAPI: 4 polls of GRO's best. */
#define MAX_UNDELIVERED	8192

/* Takes a transport message, whose data begins with @msg, a copy of it or not. */
static void receive_data(struct wg_device *wg, struct sk_buff *skb,
			 const struct wg_msg_data *msg)
{
	struct wg_session *session = NULL;
	struct wg_skb_cb *cb = wg_cb(skb);
	struct wg_entry entry;
	struct wg_batch batch;
	struct wg_index *index;
	struct wg_peer *peer;

	index = wg_index_find(wg, msg->receiver);
	if (index)
		session = wg_session_get(rcu_dereference_bh(index->session));
	if (unlikely(!session))
		goto err_free;
	peer = session->peer;

	cb->counter = get_unaligned_le64(&msg->counter);
	cb->segments = 1;
	cb->ok = false;
	if (unlikely(cb->counter >= WG_REJECT_AFTER_MESSAGES ||
		     wg_session_expired(wg_session_age(session))))
		goto err_put;

	skb_mark_not_on_list(skb);
	if (unlikely(!wg_batch_init(&batch, peer, skb, false)))
		goto err_put;
	batch.session = session;

	spin_lock(&peer->rx.lock);
	if (unlikely(!READ_ONCE(peer->running) ||
		     !wg_order_has_room(&peer->rx, &batch))) {
		spin_unlock(&peer->rx.lock);
		goto err_release;
	}
	entry = wg_order_enter(&peer->rx, &batch);
	spin_unlock(&peer->rx.lock);
	if (unlikely(wg_crypt_go(&peer->rx, entry)))
		goto err_release;
	return;

err_release:
	DEV_STATS_INC(wg->dev, rx_dropped);
	wg_batch_release(&batch);
	return;
err_put:
	wg_session_put(session);
err_free:
	DEV_STATS_INC(wg->dev, rx_dropped);
	kfree_skb(skb);
}

int wg_rx_udp(struct sock *sk, struct sk_buff *skb)
{
	const struct wg_msg_data *msg;
	struct wg_msg_data copy;
	struct wg_device *wg;

	rcu_read_lock();
	wg = rcu_dereference_sk_user_data(sk);
	if (unlikely(!wg)) {
		kfree_skb(skb);
		goto out;
	}
	/* the stack checked UDP's length; no message is shorter than this */
	msg = skb_header_pointer(skb, sizeof(struct udphdr), sizeof(copy),
				 &copy);
	if (unlikely(!msg))
		goto drop;
	skb_set_transport_header(skb, 0);
	__skb_pull(skb, sizeof(struct udphdr));

	switch (wg_msg_classify(msg->type, skb->len)) {
	case WG_MSG_DATA:
		receive_data(wg, skb, msg);
		goto out;
	case WG_MSG_INITIATION:
	case WG_MSG_RESPONSE:
	case WG_MSG_COOKIE_REPLY:
		wg_handshake_receive(wg, skb);
		goto out;
	case WG_MSG_INVALID:
		break;
	}
drop:
	net_dbg_ratelimited("%s: datagram that is no message\n",
			    wg->dev->name);
	DEV_STATS_INC(wg->dev, rx_dropped);
	kfree_skb(skb);
out:
	rcu_read_unlock();
	return 0;
}

/*
 * A packet with what is needed further on of @skb: its outer headers and room for
 * the message, data at the latter. NULL where memory is short.
 */
static struct sk_buff *make_aside(struct sk_buff *skb)
{
	unsigned int outer = skb->data - skb_network_header(skb);
	/* so that the inner IP header is aligned */
	unsigned int room = NET_SKB_PAD + ALIGN(outer, 16);
	unsigned int len = skb->len;
	struct sk_buff *aside;

	if (likely(len >= WG_PIECE_LEAST &&
		   wg_piece_skb_size(room, len) <= PAGE_SIZE)) {
		aside = wg_piece_skb(room, len);
	} else {
		aside = alloc_skb(room + len, GFP_ATOMIC);
		if (likely(aside))
			skb_reserve(aside, room);
	}
	if (unlikely(!aside))
		return NULL;
	if (unlikely(skb_copy_bits(skb, -(int)outer, aside->data - outer,
				   outer))) {
		kfree_skb(aside);
		return NULL;
	}
	skb_put(aside, len);
	skb_set_network_header(aside, -(int)outer);
	skb_set_transport_header(aside, -(int)sizeof(struct udphdr));
	aside->protocol = skb->protocol;
	aside->priority = skb->priority;
	aside->skb_iif = skb->skb_iif;
	aside->dev = skb->dev;
	aside->next = skb->next;
	skb_copy_secmark(aside, skb);
#ifdef CONFIG_NET_RX_BUSY_POLL
	aside->napi_id = skb->napi_id;
#endif
	*skb_hwtstamps(aside) = *skb_hwtstamps(skb);
	*wg_cb(aside) = *wg_cb(skb);
	return aside;
}

/* The message is plaintext now. */
static void opened(struct sk_buff *skb)
{
	__skb_pull(skb, sizeof(struct wg_msg_data));
	__skb_trim(skb, skb->len - WG_TAG_LEN);
	wg_cb(skb)->ok = true;
}

/*
 * Takes @skb; returns it or another one, with the plaintext where the tag was
 * right and there was memory. In place only what nobody else can know of:
 *
 * - What lies in pages somebody may change after it was found right, before it
 *   is read again: it is copied first.
 * - A packet that ever was a clone is changed by nobody, but may still be read:
 *   as such, or, which cannot be told from it, by its page, as when a mirror's
 *   copy was cut. It is decrypted to somewhere else.
 */
static struct sk_buff *decrypt_one(struct sk_buff *skb, struct wg_aead *aead,
				   unsigned int *copied)
{
	const unsigned int header = sizeof(struct wg_msg_data);
	unsigned int len = skb->len - header;
	u64 counter = wg_cb(skb)->counter;
	struct sk_buff *aside;
	bool ok;

	if (likely(!skb_is_nonlinear(skb) && !skb->cloned)) {
		if (likely(wg_aead_open(aead, skb->data + header, len,
					counter)))
			opened(skb);
		return skb;
	}

	aside = make_aside(skb);
	if (unlikely(!aside))
		return skb;
	if (skb_is_nonlinear(skb)) {
		(*copied)++;
		ok = !skb_copy_bits(skb, header, aside->data + header, len) &&
		     wg_aead_open(aead, aside->data + header, len, counter);
	} else {
		ok = wg_aead_open_to(aead, aside->data + header,
				     skb->data + header, len, counter);
	}
	if (unlikely(!ok)) {
		kfree_skb(aside);
		return skb;
	}
	opened(aside);
	consume_skb(skb);
	return aside;
}

void wg_rx_decrypt(struct wg_batch *batch)
{
	unsigned int copied = 0;
	struct wg_aead aead;
	struct sk_buff **pos;

	wg_aead_init(&aead, batch->session->keys.recv);
	for (pos = &batch->skbs; *pos; pos = &(*pos)->next)
		*pos = decrypt_one(*pos, &aead, &copied);
	wg_aead_wipe(&aead);
	if (copied)
		atomic64_add(copied, &batch->peer->wg->copied_messages);
}

static u8 outer_dsfield(const struct sk_buff *skb)
{
	return skb->protocol == htons(ETH_P_IP) ?
		ip_hdr(skb)->tos : ipv6_get_dsfield(ipv6_hdr(skb));
}

/*
 * Checks the inner packet and trims its padding; data is at the plaintext.
 * Protocol, "Transport". Returns false after having counted the error.
 */
static bool check_inner(struct wg_peer *peer, struct sk_buff *skb)
{
	struct net_device *dev = peer->wg->dev;
	struct wg_aip_owner *owner;
	u8 outer = outer_dsfield(skb);
	u8 version = skb->data[0] >> 4;
	unsigned int len;
	u8 inner;

	skb_reset_network_header(skb);
	if (version == 4) {
		if (unlikely(skb->len < sizeof(struct iphdr)))
			goto err_length;
		len = ntohs(ip_hdr(skb)->tot_len);
		if (unlikely(len > skb->len || len < sizeof(struct iphdr)))
			goto err_length;
		skb->protocol = htons(ETH_P_IP);
		inner = ip_hdr(skb)->tos;
		owner = wg_allowedips_lookup(&peer->wg->allowedips,
					     &ip_hdr(skb)->saddr, false);
	} else if (version == 6) {
		if (unlikely(skb->len < sizeof(struct ipv6hdr)))
			goto err_length;
		len = ntohs(ipv6_hdr(skb)->payload_len) +
		      sizeof(struct ipv6hdr);
		if (unlikely(len > skb->len))
			goto err_length;
		skb->protocol = htons(ETH_P_IPV6);
		inner = ipv6_get_dsfield(ipv6_hdr(skb));
		owner = wg_allowedips_lookup(&peer->wg->allowedips,
					     &ipv6_hdr(skb)->saddr, true);
	} else {
		goto err_frame;
	}
	if (unlikely(owner != &peer->owner)) {
		net_dbg_ratelimited("%s: peer %u sent from an address that is not among its allowed IPs\n",
				    dev->name, peer->id);
		goto err_frame;
	}
	if (unlikely(pskb_trim(skb, len)))
		goto err_length;
	/* RFC 6040, but no packet is dropped for its marks */
	INET_ECN_decapsulate(skb, outer, inner);
	return true;

err_frame:
	DEV_STATS_INC(dev, rx_errors);
	DEV_STATS_INC(dev, rx_frame_errors);
	return false;
err_length:
	net_dbg_ratelimited("%s: peer %u sent a packet of a wrong length\n",
			    dev->name, peer->id);
	DEV_STATS_INC(dev, rx_errors);
	DEV_STATS_INC(dev, rx_length_errors);
	return false;
}

static void count_received(struct wg_peer *peer, unsigned int bytes)
{
	dev_sw_netstats_rx_add(peer->wg->dev, bytes);
	atomic64_add(bytes, &peer->rx_bytes);
}

/* Takes a checked inner packet. */
static void to_stack(struct wg_peer *peer, struct sk_buff *skb)
{
	struct wg_device *wg = peer->wg;
	struct wg_napi *n = &wg->napis[peer->id % wg->n_napis];

	skb_scrub_packet(skb, true);
	skb->dev = wg->dev;
	skb_reset_mac_header(skb);
	skb_reset_transport_header(skb);
	skb_reset_mac_len(skb);
	skb_clear_hash(skb);
	skb_set_queue_mapping(skb, 0);
	skb->encapsulation = 0;
	/* the sender is authenticated and has summed what it sent */
	skb->ip_summed = CHECKSUM_UNNECESSARY;
	skb->csum_level = ~0;
	memset(skb->cb, 0, sizeof(skb->cb));

	if (unlikely(skb_queue_len_lockless(&n->queue) >= MAX_UNDELIVERED)) {
		DEV_STATS_INC(wg->dev, rx_dropped);
		kfree_skb(skb);
		return;
	}
	spin_lock(&n->queue.lock);
	__skb_queue_tail(&n->queue, skb);
	spin_unlock(&n->queue.lock);
	napi_schedule(&n->napi);
}

/*
 * One message at a time for each peer, in order: so the replay window needs
 * no lock. Takes @skb, which holds the plaintext where its tag was right.
 */
static void receive_one(struct wg_peer *peer, struct wg_session *session,
			struct sk_buff *skb)
{
	unsigned int bytes = skb->len + WG_DATA_OVERHEAD;
	bool data = skb->len;
	struct wg_endpoint from;
	bool confirmed;

	if (unlikely(!wg_cb(skb)->ok ||
		     !wg_replay_accept(&session->replay,
				       wg_cb(skb)->counter))) {
		net_dbg_ratelimited("%s: message of peer %u is a replay or does not authenticate\n",
				    peer->wg->dev->name, peer->id);
		DEV_STATS_INC(peer->wg->dev, rx_dropped);
		kfree_skb(skb);
		return;
	}

	/* authentic: confirmation, roaming and timers come first */
	confirmed = wg_session_confirm(peer, session);
	if (unlikely(confirmed)) {
		spin_lock_bh(&peer->lock);
		ktime_get_real_ts64(&peer->last_handshake);
		spin_unlock_bh(&peer->lock);
		wg_timers_handshake_complete(&peer->timers);
	}
	if (likely(wg_endpoint_from_skb(&from, skb)) &&
	    unlikely(wg_endpoint_set(peer, &from)))
		net_dbg_ratelimited("%s: peer %u has a new endpoint\n",
				    peer->wg->dev->name, peer->id);
	/* what waited goes to where the peer is now */
	if (unlikely(confirmed))
		wg_tx_flush_staged(peer);
	wg_peer_arm(peer, wg_timers_received(&peer->timers, jiffies, data));
	if (unlikely(!session->rekey_asked &&
		     wg_session_rekey_after_receive(session->initiator,
						    wg_session_age(session)))) {
		session->rekey_asked = true;
		wg_handshake_want(peer, false);
	}

	if (!data) {
		count_received(peer, bytes);
		net_dbg_ratelimited("%s: keepalive from peer %u\n",
				    peer->wg->dev->name, peer->id);
		consume_skb(skb);
		return;
	}
	if (unlikely(!check_inner(peer, skb))) {
		kfree_skb(skb);
		return;
	}
	count_received(peer, bytes);
	to_stack(peer, skb);
}

/* Hands the packets of a batch on, in order. */
void wg_rx_deliver(struct wg_batch *batch)
{
	struct wg_peer *peer = batch->peer;
	struct sk_buff *skb, *next;

	rcu_read_lock_bh();
	skb = batch->skbs;
	batch->skbs = NULL;
	for (; skb; skb = next) {
		next = skb->next;
		skb_mark_not_on_list(skb);
		if (unlikely(READ_ONCE(peer->dead) ||
			     !READ_ONCE(peer->running)))
			kfree_skb(skb);
		else
			receive_one(peer, batch->session, skb);
	}
	rcu_read_unlock_bh();
}

int wg_rx_poll(struct napi_struct *napi, int budget)
{
	struct wg_napi *n = container_of(napi, struct wg_napi, napi);
	struct sk_buff_head todo;
	struct sk_buff *skb;
	int done = 0;

	__skb_queue_head_init(&todo);
	spin_lock(&n->queue.lock);
	skb_queue_splice_init(&n->queue, &todo);
	spin_unlock(&n->queue.lock);
	while (done < budget && (skb = __skb_dequeue(&todo))) {
		napi_gro_receive(napi, skb);
		done++;
	}
	if (unlikely(!skb_queue_empty(&todo))) {
		spin_lock(&n->queue.lock);
		skb_queue_splice(&todo, &n->queue);
		spin_unlock(&n->queue.lock);
		return budget;
	}
	if (done < budget && napi_complete_done(napi, done) &&
	    !skb_queue_empty_lockless(&n->queue))
		napi_schedule(napi);
	return done;
}
