/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parallel engine. A batch of packets is encrypted or decrypted at once in
 * the caller's context, or handed to another CPU; either way each peer's
 * batches leave in the order in which they came.
 * Design: "The data path".
 */
#ifndef WG_CRYPT_H
#define WG_CRYPT_H

#include <linux/atomic.h>
#include <linux/ip.h>
#include <linux/list.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/tcp.h>

struct wg_peer;
struct wg_session;

/* Most packets and bytes in flight in one order, a bound on its delay. */
#define WG_ORDER_MAX_PACKETS	2048
#define WG_ORDER_MAX_BYTES	(2U << 20)

/* A batch up to this size is done in place when the order is idle. */
#define WG_INLINE_BYTES		(16U << 10)

/* Tunnels in tunnels in tunnels: deeper is a routing loop. */
#define WG_MAX_DEPTH		4

/**
 * struct wg_skb_cb - what a packet carries through the engine, in skb->cb
 * @counter: its nonce
 * @mtu: limit of its padding, bytes, 0 for none (transmit)
 * @segments: messages that it is, or will be; their nonces are consecutive
 * @dsfield: outer DS field (transmit), or that of the packet as it came
 * @data: it carries data, that is, is no keepalive
 * @ok: its tag was right (receive), or it is ready to be sent (transmit)
 */
struct wg_skb_cb {
	u64 counter;
	u32 mtu;
	u16 segments;
	u8 dsfield;
	bool data;
	bool ok;
};

static inline struct wg_skb_cb *wg_cb(struct sk_buff *skb)
{
	BUILD_BUG_ON(sizeof(struct wg_skb_cb) > sizeof(skb->cb));
	return (struct wg_skb_cb *)skb->cb;
}

/**
 * wg_skb_work() - how much there is to be done for a packet
 * @skb: with its &struct wg_skb_cb filled in
 *
 * Return: bytes, with what headers its segments will have, at least.
 */
static inline unsigned int wg_skb_work(struct sk_buff *skb)
{
	return skb->len + (wg_cb(skb)->segments - 1) *
			  (sizeof(struct iphdr) + sizeof(struct tcphdr));
}

/**
 * struct wg_batch - the unit that moves through the engine
 * @order: in the peer's order, or its list of staged batches; under its lock;
 *	of kept ones only
 * @work: in a CPU's list, under that list's lock; of kept ones only
 * @peer: whose, holds a reference; immutable
 * @session: whose keys, holds a reference; set before it enters an order
 * @skbs: the packets, linked by skb->next; owned by the batch
 * @count: messages; changes only as long as it is staged
 * @bytes: sum of wg_skb_work(); changes only as long as it is staged
 * @depth: tunnels that these packets have passed on their way out; immutable
 * @tx: transmit; immutable
 * @done: the engine is finished with it; release and acquire
 */
struct wg_batch {
	struct list_head order;
	struct list_head work;
	struct wg_peer *peer;
	struct wg_session *session;
	struct sk_buff *skbs;
	unsigned int count;
	unsigned int bytes;
	u8 depth;
	bool tx;
	bool done;
};

/**
 * struct wg_order - a peer's batches in one direction, in order
 * @lock: protects @batches, @packets and @bytes, and what the owner says
 * @batches: in order; only the first may be delivered, once it is done
 * @packets: messages in flight
 * @bytes: in flight
 * @home: the CPU that delivers what is sent, so that one CPU's queues keep
 *	its order; under @lock, set when the order was idle for a while; -1
 *	for what is received, which any CPU delivers
 * @delivered: jiffies when a batch was last taken out to be delivered, under
 *	@lock
 * @kicks: whoever raises it from zero delivers, until it is zero again
 */
struct wg_order {
	spinlock_t lock;	/* see above */
	struct list_head batches;
	unsigned int packets;
	unsigned int bytes;
	int home;
	unsigned long delivered;
	atomic_t kicks;
};

/**
 * wg_order_init() - make an empty order
 * @order: the order
 * @tx: of what is sent
 */
void wg_order_init(struct wg_order *order, bool tx);

/**
 * wg_batch_init() - a batch of packets, on the caller's stack
 * @batch: to be filled in
 * @peer: whose, valid under RCU; a reference is taken
 * @skbs: linked by skb->next; the batch owns them on success only
 * @tx: transmit
 *
 * Softirq context or BH off. Return: false where the peer is on its way out.
 */
bool __must_check wg_batch_init(struct wg_batch *batch, struct wg_peer *peer,
				struct sk_buff *skbs, bool tx);

/**
 * wg_batch_release() - let go of a batch's packets and references
 * @batch: from wg_batch_init(), not kept
 */
void wg_batch_release(struct wg_batch *batch);

/**
 * wg_batch_keep() - a batch that outlives its caller
 * @batch: from wg_batch_init(); on success, what it owns moves
 *
 * Softirq context or BH off. Return: the kept batch, or NULL.
 */
struct wg_batch *wg_batch_keep(const struct wg_batch *batch);

/**
 * wg_batch_free() - free a kept batch with its packets and references
 * @batch: the batch; on no list
 */
void wg_batch_free(struct wg_batch *batch);

/**
 * wg_order_has_room() - whether a batch may enter
 * @order: the order; the caller holds its lock
 * @batch: the batch
 *
 * An empty order takes a batch of any size.
 *
 * Return: whether it may.
 */
bool wg_order_has_room(struct wg_order *order, const struct wg_batch *batch);

/**
 * wg_order_claim() - take an idle order for a batch that can be done at once
 * @order: the order; the caller holds its lock
 * @batch: the batch, as wg_batch_init() made it
 *
 * BH off. Where it says true, unlock and call wg_crypt_run(): until that is
 * done nothing else of this order is delivered.
 *
 * Return: whether the order is taken.
 */
bool __must_check wg_order_claim(struct wg_order *order,
				 const struct wg_batch *batch);

/**
 * wg_crypt_run() - have a batch done for which the order was claimed
 * @order: the order
 * @batch: on the caller's stack; is released
 *
 * BH off.
 */
void wg_crypt_run(struct wg_order *order, struct wg_batch *batch);

/**
 * wg_order_append() - take a place in the order
 * @order: the order; the caller holds its lock
 * @batch: a kept batch; belongs to the engine from here on
 *
 * Return: whether the order was idle, so that nobody else is at work in it.
 * Pass that on to wg_crypt_submit() after unlocking.
 */
bool wg_order_append(struct wg_order *order, struct wg_batch *batch);

/**
 * wg_crypt_submit() - have a batch done that has its place
 * @order: the order
 * @batch: from wg_order_append()
 * @idle: what that said
 *
 * BH off. Here the batch may be done, delivered and freed at once.
 */
void wg_crypt_submit(struct wg_order *order, struct wg_batch *batch,
		     bool idle);

/**
 * wg_crypt_depth() - tunnels around what this CPU is sending just now
 *
 * BH off. Return: 0 outside of any.
 */
unsigned int wg_crypt_depth(void);

/* Once for the module. The exit comes when no batch is left. */
int wg_crypt_module_init(void);
void wg_crypt_module_exit(void);

/* The two directions' halves, in tx.c and rx.c; BH off. */
void wg_tx_encrypt(struct wg_batch *batch);
void wg_tx_deliver(struct wg_batch *batch);	/* takes the packets */
void wg_rx_decrypt(struct wg_batch *batch);
void wg_rx_deliver(struct wg_batch *batch);	/* takes the packets */

#endif /* WG_CRYPT_H */
