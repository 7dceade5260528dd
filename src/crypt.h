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

/*
 * Packets join a batch that waits for a worker up to this size: what a worker
 * does without looking up, and what GRO gathers at most.
 */
#define WG_JOIN_BYTES		(64U << 10)
#define WG_JOIN_PACKETS		64

/* Tunnels in tunnels in tunnels: deeper is a routing loop. */
#define WG_MAX_DEPTH		4

/**
 * struct wg_skb_cb - what a packet carries through the engine, in skb->cb
 * @counter: its nonce
 * @mtu: limit of its padding, bytes, 0 for none; transmit only
 * @segments: messages that it is, or will be; their nonces are consecutive
 * @dsfield: outer DS field; transmit only
 * @data: it carries data, that is, is no keepalive; transmit only
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

/**
 * wg_cb() - what the driver knows of a packet that is its own
 * @skb: the packet
 *
 * Any context. Return: in the packet's control block, valid until the stack gets
 * the packet.
 */
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
 * @last: the last of them; valid while it is staged or @open
 * @count: messages; changes only as long as it is staged or @open
 * @bytes: sum of wg_skb_work(); changes as @count
 * @cpu: whose worker has it to do, or to deliver; under the order's lock, and
 *	not changed while it is in that worker's list
 * @depth: tunnels that these packets have passed on their way out; immutable
 * @tx: transmit; immutable
 * @open: has its place and waits for a worker, so that more packets may join;
 *	under the order's lock
 * @timed: the time is to be taken that its cryptography takes; set under the
 *	order's lock before it enters
 * @done: the engine is finished with it; release and acquire
 */
struct wg_batch {
	struct list_head order;
	struct list_head work;
	struct wg_peer *peer;
	struct wg_session *session;
	struct sk_buff *skbs;
	struct sk_buff *last;
	unsigned int count;
	unsigned int bytes;
	int cpu;
	u8 depth;
	bool tx;
	bool open;
	bool timed;
	bool done;
};

/**
 * struct wg_order - a peer's batches in one direction, in order
 * @lock: protects @batches, @packets, @bytes, @crowded and @since, and
 *	what the owner says
 * @packets: messages in flight
 * @batches: in order; only the first may be delivered, once it is done
 * @bytes: in flight
 * @spent: ns that its cryptography has taken, on all CPUs, by samples
 * @since: jiffies when @spent was zero
 * @entered: batches that came, for these samples; under @lock
 * @last: the CPU whose worker had the last batch; under @lock
 * @home: the CPU that delivers what is sent, so that one CPU's queues keep
 *	its order; under @lock, set when the order was idle for a while, or
 *	that CPU is late; -1 for what is received, which any CPU delivers
 * @kicks: whoever raises it from zero delivers, until it is zero again
 * @delivered: jiffies when a batch was last taken out to be delivered, under
 *	@lock
 * @crowded: it is spread over the CPUs, having been much of late
 *
 * Without holes where it can be: every peer has two.
 */
struct wg_order {
	spinlock_t lock;	/* see above */
	unsigned int packets;
	struct list_head batches;
	unsigned int bytes;
	atomic_t spent;
	unsigned long since;
	unsigned int entered;
	int last;
	int home;
	atomic_t kicks;
	unsigned long delivered;
	bool crowded;
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

/* What is to be done with a batch once it has its place. */
enum wg_step {
	WG_STEP_CLAIMED,	/* here, before all others of its order */
	WG_STEP_HERE,		/* here, in its place */
	WG_STEP_WORKER,		/* by the worker that was chosen */
	WG_STEP_JOINED,		/* nothing: its packets wait with others */
	WG_STEP_REFUSED,	/* nothing: there is no memory */
};

/**
 * struct wg_entry - a batch's place in an order
 * @batch: the one that entered, or its copy
 * @step: how it goes on
 */
struct wg_entry {
	struct wg_batch *batch;
	enum wg_step step;
};

/**
 * wg_order_enter() - give a batch its place
 * @order: the order, which has room; the caller holds its lock
 * @batch: as wg_batch_init() made it, with its session and counters
 *
 * BH off.
 *
 * Return: for wg_crypt_go(), which must follow, with BH still off, when the lock
 * is let go.
 */
struct wg_entry __must_check wg_order_enter(struct wg_order *order,
					    struct wg_batch *batch);

/**
 * wg_order_enter_kept() - the same for a batch of wg_batch_keep()
 * @order: as above
 * @batch: belongs to the engine; not refused, nor joined to another
 *
 * BH off. Return: as above.
 */
struct wg_entry __must_check wg_order_enter_kept(struct wg_order *order,
						 struct wg_batch *batch);

/**
 * wg_crypt_go() - have a batch encrypted or decrypted, and delivered
 * @order: the order, whose lock the caller has let go
 * @entry: what it entered with; on success its batch belongs to the engine
 *
 * BH off. Where the order was idle, the batch small and the peer not busy, all is
 * done on return. Else it is a worker's, alone or joined to what waits already.
 *
 * Return: 0, or -ENOMEM, and the batch is still the caller's.
 */
int wg_crypt_go(struct wg_order *order, struct wg_entry entry);

/**
 * wg_crypt_depth() - tunnels around what this CPU is sending just now
 *
 * BH off. Return: 0 outside of any.
 */
unsigned int wg_crypt_depth(void);

/* Once for the module. The exit comes when no batch is left. */
int wg_crypt_module_init(void);
void wg_crypt_module_exit(void);

/**
 * wg_tx_encrypt() - make messages of a batch's packets (tx.c)
 * @batch: the batch, this CPU's alone; its packets become messages, or are freed
 *         and counted where memory is short
 *
 * BH off. Of several batches of one order, several CPUs do this at once.
 */
void wg_tx_encrypt(struct wg_batch *batch);

/**
 * wg_tx_deliver() - send a batch's messages (tx.c)
 * @batch: the batch, which is left without packets: sent, or freed and counted
 *
 * BH off. Of one order one batch at a time, in the order in which they entered.
 */
void wg_tx_deliver(struct wg_batch *batch);

/**
 * wg_rx_decrypt() - open a batch's messages (rx.c)
 * @batch: the batch, this CPU's alone; messages whose tag is wrong stay in it, with
 *         their @ok false
 *
 * BH off. Of several batches of one order, several CPUs do this at once.
 */
void wg_rx_decrypt(struct wg_batch *batch);

/**
 * wg_rx_deliver() - hand a batch's packets to the stack (rx.c)
 * @batch: the batch, which is left without packets: handed up, or freed and
 *         counted
 *
 * BH off. Of one order one batch at a time, in the order in which they entered.
 */
void wg_rx_deliver(struct wg_batch *batch);

#endif /* WG_CRYPT_H */
