// SPDX-License-Identifier: GPL-2.0-only
/*
 * The parallel engine. Design: "The data path", 3 and 4.
 *
 * A batch moves: append (takes its place) → crypt (here or on another CPU) →
 * done → deliver, by whoever holds the order's kicks, in order. Where nothing
 * is in flight, it takes the kicks instead of a place, and all is done at once.
 */

#include <linux/cpumask.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include "crypt.h"
#include "peer.h"
#include "session.h"

/* Batches that one drain delivers with BH off before a worker goes on. */
#define DRAIN_BUDGET	64

/*
 * A peer's sends move to another CPU only after a rest of so many jiffies: what
 * the old one has sent may still wait in that CPU's queues, as a backlog or a
 * ring that is chosen by CPU, and must not be overtaken. A CPU of a virtual
 * machine may stand still for tens of milliseconds.
 */
#define HOME_REST	HZ

/**
 * struct worker - a CPU's share of the work
 * @lock: protects @todo
 * @todo: batches to be done, or done ones whose order wants draining
 * @work: does them
 * @sender: the task in whose context this CPU is sending; by this CPU, BH off
 * @depth: tunnels around what it is sending
 */
struct worker {
	spinlock_t lock;	/* protects @todo */
	struct list_head todo;
	struct work_struct work;
	const struct task_struct *sender;
	unsigned int depth;
};

static struct worker __percpu *workers;
static struct workqueue_struct *crypt_wq;
static struct kmem_cache *batch_cache;
static atomic_t next_cpu = ATOMIC_INIT(0);

void wg_order_init(struct wg_order *order, bool tx)
{
	spin_lock_init(&order->lock);
	INIT_LIST_HEAD(&order->batches);
	order->packets = 0;
	order->bytes = 0;
	order->home = tx ? 0 : -1;
	order->delivered = jiffies - HOME_REST;
	atomic_set(&order->kicks, 0);
}

bool wg_batch_init(struct wg_batch *batch, struct wg_peer *peer,
		   struct sk_buff *skbs, bool tx)
{
	struct sk_buff *skb;

	/* found under RCU, the peer may be on its way out */
	if (unlikely(!kref_get_unless_zero(&peer->ref)))
		return false;
	batch->peer = peer;
	batch->session = NULL;
	batch->skbs = skbs;
	batch->count = 0;
	batch->bytes = 0;
	batch->depth = tx ? wg_crypt_depth() : 0;
	batch->tx = tx;
	batch->done = false;
	for (skb = skbs; skb; skb = skb->next) {
		batch->count += wg_cb(skb)->segments;
		batch->bytes += wg_skb_work(skb);
	}
	return true;
}

void wg_batch_release(struct wg_batch *batch)
{
	kfree_skb_list(batch->skbs);
	if (batch->session)
		wg_session_put(batch->session);
	wg_peer_put(batch->peer);
}

struct wg_batch *wg_batch_keep(const struct wg_batch *batch)
{
	struct wg_batch *kept = kmem_cache_alloc(batch_cache, GFP_ATOMIC);

	if (unlikely(!kept))
		return NULL;
	*kept = *batch;
	INIT_LIST_HEAD(&kept->order);
	INIT_LIST_HEAD(&kept->work);
	return kept;
}

void wg_batch_free(struct wg_batch *batch)
{
	wg_batch_release(batch);
	kmem_cache_free(batch_cache, batch);
}

bool wg_order_has_room(struct wg_order *order, const struct wg_batch *batch)
{
	lockdep_assert_held(&order->lock);
	return list_empty(&order->batches) ||
	       (order->packets + batch->count <= WG_ORDER_MAX_PACKETS &&
		order->bytes + batch->bytes <= WG_ORDER_MAX_BYTES);
}

/* Nothing is in flight, and nobody is at work in the order. */
static bool is_idle(struct wg_order *order)
{
	lockdep_assert_held(&order->lock);
	return list_empty(&order->batches) && !atomic_read(&order->kicks);
}

/* An idle order that has rested goes on where its next batch comes from. */
static void settle(struct wg_order *order)
{
	lockdep_assert_held(&order->lock);
	if (order->home >= 0 &&
	    time_after_eq(jiffies, order->delivered + HOME_REST))
		order->home = smp_processor_id();
}

/* Whether batches of this order are to be delivered by another CPU. */
static bool elsewhere(const struct wg_order *order)
{
	lockdep_assert_held(&order->lock);
	return order->home >= 0 && order->home != smp_processor_id() &&
	       cpu_online(order->home);
}

/*
 * A transmit inside a transmit (a tunnel in a tunnel) has used much of the
 * stack already.
 */
static bool fits_here(const struct wg_batch *batch)
{
	return !(batch->tx && batch->depth) &&
	       (batch->bytes <= WG_INLINE_BYTES || num_online_cpus() == 1);
}

bool wg_order_claim(struct wg_order *order, const struct wg_batch *batch)
{
	lockdep_assert_held(&order->lock);
	if (!is_idle(order) || !fits_here(batch))
		return false;
	settle(order);
	if (elsewhere(order))
		return false;
	/*
	 * Nobody else raises them while the order is empty. Fully ordered: what
	 * the last holder delivered is seen.
	 */
	if (atomic_cmpxchg(&order->kicks, 0, 1))
		return false;
	order->delivered = jiffies;
	return true;
}

bool wg_order_append(struct wg_order *order, struct wg_batch *batch)
{
	bool idle = is_idle(order);

	if (idle)
		settle(order);
	list_add_tail(&batch->order, &order->batches);
	order->packets += batch->count;
	order->bytes += batch->bytes;
	return idle;
}

unsigned int wg_crypt_depth(void)
{
	const struct worker *w = this_cpu_ptr(workers);

	return READ_ONCE(w->sender) == current ? READ_ONCE(w->depth) : 0;
}

static struct wg_order *order_of(struct wg_batch *batch)
{
	return batch->tx ? &batch->peer->tx : &batch->peer->rx;
}

static void process(struct wg_batch *batch)
{
	if (batch->tx)
		wg_tx_encrypt(batch);
	else
		wg_rx_decrypt(batch);
}

static void deliver(struct wg_batch *batch)
{
	struct worker *w;
	unsigned int outer;

	if (!batch->tx) {
		wg_rx_deliver(batch);
		return;
	}
	/*
	 * What the outer device is given may come back in as another tunnel's.
	 * On PREEMPT_RT another task may send on this CPU meanwhile: then one of
	 * the two takes itself for less deep than it is, and nothing lasts.
	 */
	w = this_cpu_ptr(workers);
	outer = wg_crypt_depth();
	WRITE_ONCE(w->depth, batch->depth + 1);
	WRITE_ONCE(w->sender, current);
	wg_tx_deliver(batch);
	WRITE_ONCE(w->depth, outer);
	WRITE_ONCE(w->sender, outer ? current : NULL);
}

static void hand_to(int cpu, struct wg_batch *batch)
{
	struct worker *w = per_cpu_ptr(workers, cpu);

	spin_lock(&w->lock);
	list_add_tail(&batch->work, &w->todo);
	spin_unlock(&w->lock);
	queue_work_on(cpu, crypt_wq, &w->work);
}

/* To the CPUs in turn. A lost race for the turn only repeats one. */
static void hand_over(struct wg_batch *batch)
{
	int cpu = cpumask_next(atomic_read(&next_cpu), cpu_online_mask);

	if (cpu >= nr_cpu_ids)
		cpu = cpumask_first(cpu_online_mask);
	atomic_set(&next_cpu, cpu);
	hand_to(cpu, batch);
}

/*
 * The first batch if it is done, else NULL: taken out, or, where it is for
 * another CPU to deliver, left in its place, with @home set to that CPU.
 */
static struct wg_batch *first_done(struct wg_order *order, int *home)
{
	struct wg_batch *batch;

	spin_lock(&order->lock);
	batch = list_first_entry_or_null(&order->batches, struct wg_batch,
					 order);
	/* pairs with the release in process() */
	if (!batch || !smp_load_acquire(&batch->done)) {
		batch = NULL;
	} else if (unlikely(elsewhere(order))) {
		*home = order->home;
	} else {
		list_del_init(&batch->order);
		order->packets -= batch->count;
		order->bytes -= batch->bytes;
		order->delivered = jiffies;
	}
	spin_unlock(&order->lock);
	return batch;
}

/* Delivers as holder of the kicks, until none is left or a worker goes on. */
static void drain_held(struct wg_order *order)
{
	int seen, home = -1, budget = DRAIN_BUDGET;
	struct wg_batch *batch;

	do {
		/*
		 * Acquire: a kick that is counted here is one whose batch is
		 * seen as done below. Taking the lock alone would let this
		 * load be satisfied after the one of @done. Pairs with the
		 * full barrier of atomic_inc_return() in drain().
		 */
		seen = atomic_read_acquire(&order->kicks);
		while ((batch = first_done(order, &home))) {
			if (home >= 0) {
				/* the kicks are still ours, and go with it */
				hand_to(home, batch);
				return;
			}
			if (!budget--) {
				/*
				 * Back to its place, which nobody else takes:
				 * the kicks are still ours, and go with it.
				 */
				spin_lock(&order->lock);
				list_add(&batch->order, &order->batches);
				order->packets += batch->count;
				order->bytes += batch->bytes;
				spin_unlock(&order->lock);
				hand_to(smp_processor_id(), batch);
				return;
			}
			deliver(batch);
			wg_batch_free(batch);
		}
		/* a kick that came meanwhile may be for what we did not see */
	} while (atomic_sub_return(seen, &order->kicks));
}

/*
 * A batch is done: deliver, unless somebody is at it. What is sent goes out
 * by the order's home CPU: the outer device has a queue for each CPU, and
 * would mix up what two of them send. The kicks travel there with the first
 * batch, which only their holder takes out and frees.
 */
static void drain(struct wg_order *order)
{
	if (atomic_inc_return(&order->kicks) == 1)
		drain_held(order);
}

static void process_and_drain(struct wg_order *order, struct wg_batch *batch)
{
	/* whoever delivers the batch drops its reference to the peer */
	struct wg_peer *peer = wg_peer_get(batch->peer);

	process(batch);
	/* pairs with the acquire in first_done() */
	smp_store_release(&batch->done, true);
	drain(order);
	wg_peer_put(peer);
}

void wg_crypt_run(struct wg_order *order, struct wg_batch *batch)
{
	process(batch);
	deliver(batch);
	/* what others have appended meanwhile is ours to deliver as well */
	drain_held(order);
	wg_batch_release(batch);
}

void wg_crypt_submit(struct wg_order *order, struct wg_batch *batch, bool idle)
{
	if (idle && fits_here(batch))
		process_and_drain(order, batch);
	else
		hand_over(batch);
}

static void do_work(struct work_struct *work)
{
	struct worker *w = container_of(work, struct worker, work);
	struct wg_batch *batch;
	LIST_HEAD(todo);

	spin_lock_bh(&w->lock);
	list_splice_init(&w->todo, &todo);
	spin_unlock_bh(&w->lock);

	while (!list_empty(&todo)) {
		batch = list_first_entry(&todo, struct wg_batch, work);
		list_del_init(&batch->work);
		local_bh_disable();
		if (batch->done) {
			/* a drain's budget ended here; its kicks are ours */
			struct wg_peer *peer = wg_peer_get(batch->peer);

			drain_held(order_of(batch));
			wg_peer_put(peer);
		} else {
			process_and_drain(order_of(batch), batch);
		}
		local_bh_enable();
		cond_resched();
	}
}

int wg_crypt_module_init(void)
{
	int cpu;

	batch_cache = KMEM_CACHE(wg_batch, 0);
	workers = alloc_percpu(struct worker);
	crypt_wq = alloc_workqueue("wg-crypt", WQ_PERCPU | WQ_MEM_RECLAIM, 0);
	if (!batch_cache || !workers || !crypt_wq) {
		wg_crypt_module_exit();
		return -ENOMEM;
	}
	for_each_possible_cpu(cpu) {
		struct worker *w = per_cpu_ptr(workers, cpu);

		spin_lock_init(&w->lock);
		INIT_LIST_HEAD(&w->todo);
		INIT_WORK(&w->work, do_work);
	}
	return 0;
}

void wg_crypt_module_exit(void)
{
	if (crypt_wq)
		destroy_workqueue(crypt_wq);
	free_percpu(workers);
	kmem_cache_destroy(batch_cache);
}
