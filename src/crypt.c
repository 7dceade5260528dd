// SPDX-License-Identifier: GPL-2.0-only
/*
 * The parallel engine. Design: "The data path", 3 and 4.
 *
 * A batch moves: append (takes its place) → crypt (here or on another CPU) →
 * done → deliver, by whoever holds the order's kicks, in order. Where nothing
 * is in flight, it takes the kicks instead of a place, and all is done at once.
 * A peer that keeps a CPU busy that way is crowded: then others do its batches,
 * and packets join one that waits.
 */

#include <linux/cpumask.h>
#include <linux/percpu.h>
#include <linux/sched/isolation.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/timer.h>
#include <linux/workqueue.h>
#include "crypt.h"
#include "peer.h"
#include "session.h"

/* Messages that one drain delivers with BH off before a worker goes on. */
#define DRAIN_BUDGET	512

/* For so many jiffies a worker goes on before other work of its CPU has its turn. */
#define WORK_TIME	2

/*
 * A peer's sends move to another CPU only after a rest of so many jiffies: what
 * the old one has sent may still wait in that CPU's queues, as a backlog or a
 * ring that is chosen by CPU, and must not be overtaken. A CPU of a virtual
 * machine may stand still for tens of milliseconds.
 */
#define HOME_REST	HZ

/*
 * An order is crowded from where its cryptography has taken so large a part of a
 * CPU's time within a span, and until it takes less within a whole one.
 */
#define CROWD_SPAN	max_t(unsigned long, HZ / 100, 2)
#define CROWD_PART	32

/* CPUs that are looked at for the next worker, besides this one. */
#define CHOICE		8

/*
 * A CPU that brings batches or sends them is as good as one that has so many
 * bytes to do.
 */
#define BUSY_BYTES	(128L << 10)

/*
 * A worker that does not come to anything for so many jiffies, or twice as many,
 * loses what it has to do to another: its CPU may be kept by a real-time task, or
 * be a virtual one that stands still.
 */
#define WATCH_TIME	max_t(unsigned long, HZ / 100, 2)

/*
 * A home CPU whose worker is late for so many jiffies is given up although it has
 * not rested: a real-time task has it. Softirqs mostly run there all the same, so
 * that what it has sent has left; where a whole virtual CPU stood still for so
 * long, what is sent now may overtake that.
 */
#define HOME_LATE	(HZ / 4)

/* Of so many batches the time of one is taken: there are slow clocks. */
#define TIMED		8

/* It counts no more than so many ns, which is more than any takes. */
#define SPENT_MOST	(10 * NSEC_PER_MSEC)

/**
 * struct worker - a CPU's share of the work
 * @sender: the task in whose context this CPU is sending; by this CPU, BH off
 * @depth: tunnels around what it is sending
 * @cpu: immutable
 * @lock: protects @todo and @begun
 * @todo: batches to be done, or done ones whose order wants draining
 * @begun: batches that it has begun with
 * @seen: what @begun was when watch() found it with something to do, or -1; by
 *	watch() alone
 * @late: it has lost its work and has not run since; written under @lock,
 *	release and acquire
 * @late_since: jiffies when @late was set; before it
 * @load: bytes that were given to it and have not been done and delivered
 * @work: does them
 */
struct worker {
	const struct task_struct *sender;
	unsigned int depth;
	int cpu;

	/* of interest to all CPUs */
	spinlock_t lock ____cacheline_aligned_in_smp;	/* see above */
	struct list_head todo;
	unsigned int begun;
	s64 seen;
	bool late;
	unsigned long late_since;
	atomic_long_t load;
	struct work_struct work;
};

static struct worker __percpu *workers;
static struct workqueue_struct *crypt_wq;
static struct kmem_cache *batch_cache;
static struct timer_list watcher;

void wg_order_init(struct wg_order *order, bool tx)
{
	spin_lock_init(&order->lock);
	INIT_LIST_HEAD(&order->batches);
	order->packets = 0;
	order->bytes = 0;
	order->crowded = false;
	order->since = jiffies;
	atomic_set(&order->spent, 0);
	order->home = tx ? 0 : -1;
	order->last = 0;
	order->entered = 0;
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
	batch->last = NULL;
	batch->count = 0;
	batch->bytes = 0;
	batch->cpu = -1;
	batch->depth = tx ? wg_crypt_depth() : 0;
	batch->tx = tx;
	batch->open = false;
	batch->timed = false;
	batch->done = false;
	for (skb = skbs; skb; skb = skb->next) {
		batch->last = skb;
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

/*
 * Has the timer run, on this CPU, if it is not to run, or should have on one that
 * is kept as well. For all who leave something to a worker, or wait for one.
 */
static void keep_watch(void)
{
	if (!timer_pending(&watcher) ||
	    unlikely(time_after(jiffies, READ_ONCE(watcher.expires) +
					 WATCH_TIME)))
		mod_timer(&watcher, jiffies + WATCH_TIME);
}

bool wg_order_has_room(struct wg_order *order, const struct wg_batch *batch)
{
	lockdep_assert_held(&order->lock);
	if (likely(list_empty(&order->batches) ||
		   (order->packets + batch->count <= WG_ORDER_MAX_PACKETS &&
		    order->bytes + batch->bytes <= WG_ORDER_MAX_BYTES)))
		return true;
	keep_watch();
	return false;
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

/*
 * Whether batches of this order are to be delivered by another CPU. A home that is
 * late for long, or gone, is given up for this one.
 */
static bool elsewhere(struct wg_order *order)
{
	const struct worker *w;
	bool late;

	lockdep_assert_held(&order->lock);
	if (order->home < 0 || order->home == smp_processor_id())
		return false;
	w = per_cpu_ptr(workers, order->home);
	/* pairs with the release in look_at() */
	late = smp_load_acquire(&w->late) &&
	       !time_before(jiffies, READ_ONCE(w->late_since) + HOME_LATE);
	/* one that goes offline is not active before its worker runs elsewhere */
	if (likely(cpu_active(order->home) && !late))
		return true;
	order->home = smp_processor_id();
	return false;
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

/*
 * Takes an idle order for a batch that can be done at once. Where it says true,
 * nothing else of this order is delivered until drain_held().
 */
static bool claim(struct wg_order *order, const struct wg_batch *batch)
{
	lockdep_assert_held(&order->lock);
	if (!is_idle(order) || !fits_here(batch))
		return false;
	settle(order);
	if (elsewhere(order))
		return false;
	/*
	 * While the order is empty nobody raises them but one whose batch another
	 * has delivered already, which then is a holder with nothing to do. Fully
	 * ordered: what the last holder delivered is seen.
	 */
	if (atomic_cmpxchg(&order->kicks, 0, 1))
		return false;
	order->delivered = jiffies;
	return true;
}

/*
 * Whether an order has too much to do for one CPU, when another batch comes, the
 * time of which is to be taken or not.
 */
static bool is_crowded(struct wg_order *order, struct wg_batch *batch)
{
	unsigned long passed = jiffies - order->since;
	u64 spent;

	lockdep_assert_held(&order->lock);
	if (num_online_cpus() == 1)
		return false;
	batch->timed = !(order->entered++ % TIMED);
	if (passed < CROWD_SPAN) {
		spent = atomic_read(&order->spent);
		if (spent * CROWD_PART >= jiffies_to_nsecs(CROWD_SPAN))
			order->crowded = true;
		return order->crowded;
	}
	spent = atomic_xchg(&order->spent, 0);
	order->since = jiffies;
	passed = min_t(unsigned long, passed, HZ);
	order->crowded = spent * CROWD_PART >= jiffies_to_nsecs(passed);
	return order->crowded;
}

static struct worker *worker_of(const struct wg_batch *batch)
{
	return per_cpu_ptr(workers, batch->cpu);
}

/*
 * Puts the packets behind those of the last batch, if no worker has begun with
 * that. Nothing is left in @batch then but its references.
 */
static bool join(struct wg_order *order, struct wg_batch *batch)
{
	struct wg_batch *to;

	lockdep_assert_held(&order->lock);
	if (list_empty(&order->batches))
		return false;
	to = list_last_entry(&order->batches, struct wg_batch, order);
	if (!to->open || to->session != batch->session ||
	    to->depth != batch->depth ||
	    to->count + batch->count > WG_JOIN_PACKETS ||
	    to->bytes + batch->bytes > WG_JOIN_BYTES)
		return false;
	to->last->next = batch->skbs;
	to->last = batch->last;
	to->count += batch->count;
	to->bytes += batch->bytes;
	order->packets += batch->count;
	order->bytes += batch->bytes;
	atomic_long_add(batch->bytes, &worker_of(to)->load);
	batch->skbs = NULL;
	return true;
}

/* What a CPU has to do; LONG_MAX for one that does not come to it. */
static long load_of(const struct wg_order *order, int cpu)
{
	const struct worker *w = per_cpu_ptr(workers, cpu);
	long load = atomic_long_read(&w->load);

	if (unlikely(READ_ONCE(w->late)))
		return LONG_MAX;
	if (cpu == order->home || cpu == smp_processor_id())
		load += BUSY_BYTES;
	return load;
}

/* Not one that its administrator keeps free of the kernel's work. */
static bool takes_work(int cpu)
{
	return housekeeping_cpu(cpu, HK_TYPE_DOMAIN) &&
	       housekeeping_cpu(cpu, HK_TYPE_WQ);
}

/*
 * The CPU that has least to do, of this, the one that had the last batch, and the
 * next ones after that which come to their work.
 */
static int choose_cpu(struct wg_order *order)
{
	int best = smp_processor_id(), cpu = order->last - 1;
	int tries = num_online_cpus(), seen = 0;
	long least, load;

	lockdep_assert_held(&order->lock);
	least = load_of(order, best);
	while (least && seen < CHOICE && tries-- > 0) {
		cpu = cpumask_next(cpu, cpu_online_mask);
		if (cpu >= nr_cpu_ids)
			cpu = cpumask_first(cpu_online_mask);
		if (!takes_work(cpu))
			continue;
		load = load_of(order, cpu);
		if (load < least) {
			best = cpu;
			least = load;
		}
		seen += load != LONG_MAX;
	}
	order->last = best;
	return best;
}

/*
 * Gives a kept batch its place. It is to be done here only if nobody else is at
 * work in the order.
 */
static struct wg_entry append(struct wg_order *order, struct wg_batch *batch,
			      bool crowded)
{
	struct wg_entry entry = { .batch = batch, .step = WG_STEP_WORKER };
	bool idle = is_idle(order);

	if (idle)
		settle(order);
	if (idle && !crowded && fits_here(batch)) {
		entry.step = WG_STEP_HERE;
	} else {
		batch->cpu = choose_cpu(order);
		batch->open = true;
		atomic_long_add(batch->bytes, &worker_of(batch)->load);
	}
	list_add_tail(&batch->order, &order->batches);
	order->packets += batch->count;
	order->bytes += batch->bytes;
	return entry;
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

static void process(struct wg_order *order, struct wg_batch *batch)
{
	u64 begin = batch->timed ? ktime_get_mono_fast_ns() : 0;

	if (batch->tx)
		wg_tx_encrypt(batch);
	else
		wg_rx_decrypt(batch);
	if (batch->timed)	/* that clock may step back a little */
		atomic_add(TIMED * clamp_t(s64, ktime_get_mono_fast_ns() -
					   begin, 0, SPENT_MOST),
			   &order->spent);
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

/* To the worker that was chosen. */
static void hand_over(struct wg_batch *batch)
{
	struct worker *w = worker_of(batch);
	int cpu = batch->cpu;

	spin_lock(&w->lock);
	list_add_tail(&batch->work, &w->todo);
	spin_unlock(&w->lock);
	/* from here on it is the worker's */
	queue_work_on(cpu, crypt_wq, &w->work);
	keep_watch();
}

/* Whether a worker has anything to do; takes that from it if it never began. */
static bool look_at(struct worker *w, struct list_head *stuck)
{
	bool busy;

	if (w->seen < 0 && list_empty(&w->todo))
		return false;
	spin_lock(&w->lock);
	busy = !list_empty(&w->todo);
	if (busy && unlikely(w->seen == w->begun)) {
		if (!w->late)
			WRITE_ONCE(w->late_since, jiffies);
		/* pairs with the acquire in elsewhere() */
		smp_store_release(&w->late, true);
		list_splice_tail_init(&w->todo, stuck);
		w->seen = -1;
	} else {
		w->seen = busy ? w->begun : -1;
	}
	spin_unlock(&w->lock);
	return busy;
}

/* Runs as long as workers have anything to do. */
static void watch(struct timer_list *t)
{
	struct wg_batch *batch, *next;
	bool busy = false;
	LIST_HEAD(stuck);
	int cpu;

	/*
	 * Who left work and saw this timer pending relies on being seen here.
	 * Pairs with the barrier in queue_work_on(), between the two in
	 * hand_over().
	 */
	smp_mb();
	for_each_online_cpu(cpu)
		busy |= look_at(per_cpu_ptr(workers, cpu), &stuck);
	if (busy)
		mod_timer(t, jiffies + WATCH_TIME);
	list_for_each_entry_safe(batch, next, &stuck, work) {
		struct wg_order *order = order_of(batch);

		list_del_init(&batch->work);
		spin_lock(&order->lock);
		if (!batch->done)
			atomic_long_sub(batch->bytes, &worker_of(batch)->load);
		batch->cpu = choose_cpu(order);
		if (!batch->done)
			atomic_long_add(batch->bytes, &worker_of(batch)->load);
		spin_unlock(&order->lock);
		hand_over(batch);
	}
}

/* What who holds an order's kicks is to do next. */
enum step {
	STEP_NONE,	/* nothing that can be done now */
	STEP_DELIVER,	/* the first batch, which was taken out */
	STEP_HOME,	/* another CPU is to deliver the first batch */
};

static enum step next_step(struct wg_order *order, struct wg_batch **batch)
{
	enum step step = STEP_NONE;
	struct wg_batch *first;

	spin_lock(&order->lock);
	first = list_first_entry_or_null(&order->batches, struct wg_batch,
					 order);
	/* pairs with the release in finish_and_drain() */
	if (!first || !smp_load_acquire(&first->done))
		goto out;
	if (unlikely(elsewhere(order))) {
		first->cpu = order->home;
		step = STEP_HOME;
	} else {
		list_del_init(&first->order);
		order->packets -= first->count;
		order->bytes -= first->bytes;
		order->delivered = jiffies;
		step = STEP_DELIVER;
	}
	*batch = first;
out:
	spin_unlock(&order->lock);
	return step;
}

/* Delivers as holder of the kicks, until none is left or a worker goes on. */
static void drain_held(struct wg_order *order)
{
	int seen, budget = DRAIN_BUDGET;
	struct wg_batch *batch;
	enum step step;

	do {
		/*
		 * Acquire: a kick that is counted here is one whose batch is
		 * seen as done below. Taking the lock alone would let this
		 * load be satisfied after the one of @done. Pairs with the
		 * full barrier of atomic_inc_return() in drain().
		 */
		seen = atomic_read_acquire(&order->kicks);
		while ((step = next_step(order, &batch)) != STEP_NONE) {
			if (step == STEP_HOME) {
				/* the kicks are still ours, and go with it */
				hand_over(batch);
				return;
			}
			if (budget <= 0) {
				/*
				 * Back to its place, which nobody else takes:
				 * the kicks are still ours, and go with it.
				 */
				spin_lock(&order->lock);
				batch->cpu = smp_processor_id();
				list_add(&batch->order, &order->batches);
				order->packets += batch->count;
				order->bytes += batch->bytes;
				spin_unlock(&order->lock);
				hand_over(batch);
				return;
			}
			budget -= batch->count;
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

static void finish_and_drain(struct wg_order *order, struct wg_batch *batch)
{
	/* whoever delivers the batch drops its reference to the peer */
	struct wg_peer *peer = wg_peer_get(batch->peer);

	process(order, batch);
	/* pairs with the acquire in next_step() */
	smp_store_release(&batch->done, true);
	drain(order);
	wg_peer_put(peer);
}

/* For a batch for which the order was claimed. */
static void run_claimed(struct wg_order *order, struct wg_batch *batch)
{
	process(order, batch);
	deliver(batch);
	/* what others have appended meanwhile is ours to deliver as well */
	drain_held(order);
	wg_batch_release(batch);
}

struct wg_entry wg_order_enter_kept(struct wg_order *order,
				    struct wg_batch *batch)
{
	return append(order, batch, is_crowded(order, batch));
}

struct wg_entry wg_order_enter(struct wg_order *order, struct wg_batch *batch)
{
	bool crowded = is_crowded(order, batch);
	struct wg_entry entry = { .batch = batch };
	struct wg_batch *kept;

	if (likely(!crowded) && claim(order, batch)) {
		entry.step = WG_STEP_CLAIMED;
	} else if (join(order, batch)) {
		entry.step = WG_STEP_JOINED;
	} else {
		kept = wg_batch_keep(batch);
		if (likely(kept))
			return append(order, kept, crowded);
		/* without memory it is done here, be it much, or not at all */
		entry.step = claim(order, batch) ? WG_STEP_CLAIMED :
						   WG_STEP_REFUSED;
	}
	return entry;
}

int wg_crypt_go(struct wg_order *order, struct wg_entry entry)
{
	switch (entry.step) {
	case WG_STEP_CLAIMED:
		run_claimed(order, entry.batch);
		return 0;
	case WG_STEP_JOINED:
		keep_watch();
		wg_batch_release(entry.batch);
		return 0;
	case WG_STEP_HERE:
		finish_and_drain(order, entry.batch);
		return 0;
	case WG_STEP_WORKER:
		hand_over(entry.batch);
		return 0;
	case WG_STEP_REFUSED:
		break;
	}
	return -ENOMEM;
}

/* A worker begins with a batch that nobody else has begun with. */
static void work_on(struct worker *w, struct wg_batch *batch)
{
	struct wg_order *order = order_of(batch);
	struct wg_device *wg = batch->peer->wg;
	unsigned int bytes;

	spin_lock(&order->lock);
	batch->open = false;
	spin_unlock(&order->lock);
	bytes = batch->bytes;
	atomic64_inc(&wg->worker_batches[batch->tx]);
	atomic64_add(batch->count, &wg->worker_messages[batch->tx]);
	finish_and_drain(order, batch);
	atomic_long_sub(bytes, &w->load);
}

static struct wg_batch *next_todo(struct worker *w)
{
	struct wg_batch *batch;

	spin_lock(&w->lock);
	if (unlikely(w->late))
		WRITE_ONCE(w->late, false);
	batch = list_first_entry_or_null(&w->todo, struct wg_batch, work);
	if (batch) {
		list_del_init(&batch->work);
		w->begun++;
	}
	spin_unlock(&w->lock);
	return batch;
}

static void do_work(struct work_struct *work)
{
	struct worker *w = container_of(work, struct worker, work);
	unsigned long end = jiffies + WORK_TIME;
	struct wg_batch *batch;

	for (;;) {
		local_bh_disable();
		batch = next_todo(w);
		if (!batch)
			break;
		if (batch->done) {
			/* a drain ended with it; its kicks are ours */
			struct wg_peer *peer = wg_peer_get(batch->peer);

			drain_held(order_of(batch));
			wg_peer_put(peer);
		} else {
			work_on(w, batch);
		}
		local_bh_enable();
		cond_resched();
		if (time_after(jiffies, end)) {
			queue_work_on(w->cpu, crypt_wq, &w->work);
			return;
		}
	}
	local_bh_enable();
}

int wg_crypt_module_init(void)
{
	int cpu;

	timer_setup(&watcher, watch, TIMER_PINNED);
	batch_cache = KMEM_CACHE(wg_batch, 0);
	workers = alloc_percpu(struct worker);
	crypt_wq = alloc_workqueue("wg-crypt", WQ_PERCPU | WQ_MEM_RECLAIM |
					       WQ_CPU_INTENSIVE, 0);
	if (!batch_cache || !workers || !crypt_wq) {
		wg_crypt_module_exit();
		return -ENOMEM;
	}
	for_each_possible_cpu(cpu) {
		struct worker *w = per_cpu_ptr(workers, cpu);

		spin_lock_init(&w->lock);
		INIT_LIST_HEAD(&w->todo);
		w->cpu = cpu;
		w->seen = -1;
		atomic_long_set(&w->load, 0);
		INIT_WORK(&w->work, do_work);
	}
	return 0;
}

void wg_crypt_module_exit(void)
{
	timer_shutdown_sync(&watcher);
	if (crypt_wq)
		destroy_workqueue(crypt_wq);
	free_percpu(workers);
	kmem_cache_destroy(batch_cache);
}
