// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stand-ins must see what they are there to see. Each check here misuses
 * one of them in a child, which has to abort.
 */
#include <linux/bitops.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/unaligned.h>
#include "ktap.h"

struct thing {
	struct rcu_head rcu;
	int n;
};

static void do_nothing(void)
{
}

static void spin_twice(void)
{
	DEFINE_SPINLOCK(l);

	spin_lock(&l);
	spin_lock(&l);
}

static void spin_not_held(void)
{
	DEFINE_SPINLOCK(l);

	spin_unlock(&l);
}

static void spin_not_initialised(void)
{
	spinlock_t l = { 0, 0 };

	spin_lock(&l);
}

static void mutex_twice(void)
{
	DEFINE_MUTEX(m);

	mutex_lock(&m);
	mutex_lock(&m);
}

static void assert_not_held(void)
{
	DEFINE_MUTEX(m);

	lockdep_assert_held(&m);
}

static void sleep_in_atomic(void)
{
	DEFINE_SPINLOCK(l);

	spin_lock_bh(&l);
	kfree(kmalloc(1, GFP_KERNEL));
}

static void *pointer;

static void rcu_outside(void)
{
	(void)rcu_dereference(pointer);
}

static void rcu_bh_under_plain(void)
{
	rcu_read_lock();
	(void)rcu_dereference_bh(pointer);
}

static void free_thing(struct rcu_head *head)
{
	kfree(container_of(head, struct thing, rcu));
}

static void use_after_grace_period(void)
{
	struct thing *t = kzalloc(sizeof(*t), GFP_KERNEL);

	call_rcu(&t->rcu, free_thing);
	rcu_barrier();
	WRITE_ONCE(t->n, t->n + 1);
}

static void barrier_in_reader(void)
{
	rcu_read_lock();
	rcu_barrier();
}

static void cache_with_objects(void)
{
	struct kmem_cache *c = KMEM_CACHE(thing, 0);

	(void)!kmem_cache_alloc(c, GFP_KERNEL);
	kmem_cache_destroy(c);
}

static void list_del_twice(void)
{
	LIST_HEAD(head);
	struct list_head e;

	list_add_tail(&e, &head);
	list_del(&e);
	list_del(&e);
}

static void list_add_twice(void)
{
	LIST_HEAD(head);
	struct list_head e;

	list_add_tail(&e, &head);
	list_add_tail(&e, &head);
}

static void misaligned(void)
{
	static u64 buf[2];
	volatile int shift = 1;
	u64 *p = (u64 *)((u8 *)buf + shift);

	*p = *p + 1;
}

static void out_of_bounds(void)
{
	volatile u8 *p = kmalloc(4, GFP_KERNEL);
	volatile int i = 4;

	p[i] = 1;
	kfree((u8 *)p);
}

TEST(misuse_aborts)
{
	EXPECT(!ktap_aborts(do_nothing));
	EXPECT(ktap_aborts(spin_twice));
	EXPECT(ktap_aborts(spin_not_held));
	EXPECT(ktap_aborts(spin_not_initialised));
	EXPECT(ktap_aborts(mutex_twice));
	EXPECT(ktap_aborts(assert_not_held));
	EXPECT(ktap_aborts(sleep_in_atomic));
	EXPECT(ktap_aborts(rcu_outside));
	EXPECT(ktap_aborts(rcu_bh_under_plain));
	EXPECT(ktap_aborts(use_after_grace_period));
	EXPECT(ktap_aborts(barrier_in_reader));
	EXPECT(ktap_aborts(cache_with_objects));
	EXPECT(ktap_aborts(list_del_twice));
	EXPECT(ktap_aborts(list_add_twice));
}

TEST(sanitizers_are_on)
{
	EXPECT(ktap_aborts(misaligned));
	EXPECT(ktap_aborts(out_of_bounds));
}

TEST(allocation_failure_and_count)
{
	unsigned long objects = standin_objects, bytes = standin_bytes;
	void *a, *b, *c;

	standin_fail_nth = 2;
	a = kzalloc(10, GFP_KERNEL);
	b = kzalloc(10, GFP_KERNEL);
	c = kvcalloc(3, 10, GFP_KERNEL);
	EXPECT(a && !b && c);
	EXPECT_EQ(standin_objects, objects + 2);
	EXPECT_EQ(standin_bytes, bytes + 40);
	EXPECT_ZERO(c, 30);
	kfree(a);
	kvfree(c);
	EXPECT(!kcalloc((size_t)-1 / 4, 8, GFP_KERNEL));
	EXPECT_EQ(standin_bytes, bytes);
}

TEST(bits_bytes_and_time)
{
	u8 b[9] = { 0, 1, 2, 3, 4, 5, 6, 7, 8 };

	EXPECT_EQ(fls(0), 0);
	EXPECT_EQ(fls(1), 1);
	EXPECT_EQ(fls(0x80000000U), 32);
	EXPECT_EQ(fls64(1ULL << 63), 64);
	EXPECT_EQ(get_unaligned_be32(b + 1), 0x01020304);
	EXPECT_EQ(get_unaligned_le32(b + 1), 0x04030201);
	EXPECT_EQ(get_unaligned_be64(b + 1), 0x0102030405060708);
	put_unaligned_be64(0x1122334455667788, b + 1);
	EXPECT_EQ(b[1], 0x11);
	EXPECT_EQ(b[8], 0x88);
	EXPECT(time_before(-1UL, 1UL) && time_after(1UL, -1UL));
	EXPECT(!time_before(1UL, 1UL) && time_before_eq(1UL, 1UL));
}
