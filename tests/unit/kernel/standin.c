// SPDX-License-Identifier: GPL-2.0-only
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "standin.h"

struct standin_context standin_context;
unsigned long standin_objects, standin_bytes, standin_peak_bytes;
unsigned long standin_fail_nth;
void (*standin_rcu_store_hook)(void);
void (*standin_rcu_load_hook)(void);
unsigned long jiffies;

static bool in_hook;
static int saved_readers;
static unsigned long long rand_state;
static struct rcu_head *rcu_first, **rcu_last = &rcu_first;
static unsigned long rcu_count;

void standin_bug(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fprintf(stderr, "BUG: %s:%d: ", file, line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

void standin_reset(void)
{
	standin_context = (struct standin_context){ 0 };
	standin_fail_nth = 0;
	standin_rcu_store_hook = NULL;
	standin_rcu_load_hook = NULL;
	in_hook = false;
	saved_readers = 0;
	rcu_barrier();
}

/* splitmix64 */
void standin_seed(unsigned long long seed)
{
	rand_state = seed;
}

unsigned long long standin_rand(void)
{
	unsigned long long z = (rand_state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

void get_random_bytes(void *buf, size_t len)
{
	u8 *p = buf;

	while (len--)
		*p++ = standin_rand();
}

/* Context */

struct standin_context standin_other_cpu(void)
{
	struct standin_context was = standin_context;

	saved_readers += was.rcu + was.bh;
	standin_context = (struct standin_context){ 0 };
	return was;
}

void standin_back(struct standin_context was)
{
	saved_readers -= was.rcu + was.bh;
	standin_context = was;
}

void standin_might_sleep(const char *file, int line)
{
	if (standin_context.rcu || standin_context.bh || standin_context.spin)
		standin_bug(file, line, "may sleep: rcu %d, bh %d, spin %d",
			    standin_context.rcu, standin_context.bh,
			    standin_context.spin);
}

/* RCU */

static void run_hook(void (*hook)(void))
{
	if (!hook || in_hook)
		return;
	in_hook = true;
	hook();
	in_hook = false;
}

void standin_rcu_stored(void)
{
	run_hook(standin_rcu_store_hook);
}

void standin_rcu_loaded(void)
{
	run_hook(standin_rcu_load_hook);
}

void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
	head->next = NULL;
	head->func = func;
	*rcu_last = head;
	rcu_last = &head->next;
	rcu_count++;
}

unsigned long standin_rcu_pending(void)
{
	return rcu_count;
}

void rcu_barrier(void)
{
	standin_might_sleep(__FILE__, __LINE__);
	/* A grace period does not end while there are readers elsewhere. */
	STANDIN_ASSERT(!saved_readers);
	while (rcu_first) {
		struct rcu_head *head = rcu_first;

		rcu_first = head->next;
		if (!rcu_first)
			rcu_last = &rcu_first;
		rcu_count--;
		head->func(head);
	}
}

void synchronize_rcu(void)
{
	rcu_barrier();
}

/* Memory */

bool standin_alloc_fails(void)
{
	return standin_fail_nth && !--standin_fail_nth;
}

void standin_alloced(void *p)
{
	if (!p)
		standin_bug(__FILE__, __LINE__, "out of memory");
	standin_objects++;
	standin_bytes += malloc_usable_size(p);
	if (standin_bytes > standin_peak_bytes)
		standin_peak_bytes = standin_bytes;
}

void standin_freed(void *p)
{
	STANDIN_ASSERT(standin_objects);
	standin_objects--;
	standin_bytes -= malloc_usable_size(p);
}

static void *get_memory(size_t n, size_t size, gfp_t gfp, bool zero)
{
	size_t bytes;
	void *p;

	if (gfp & GFP_KERNEL)
		standin_might_sleep(__FILE__, __LINE__);
	if (__builtin_mul_overflow(n, size, &bytes) || standin_alloc_fails())
		return NULL;
	p = malloc(bytes);
	standin_alloced(p);
	/* Never zero by luck. */
	memset(p, zero || (gfp & __GFP_ZERO) ? 0 : 0xa5, bytes);
	return p;
}

void *kmalloc(size_t size, gfp_t gfp)
{
	return get_memory(1, size, gfp, false);
}

void *kzalloc(size_t size, gfp_t gfp)
{
	return get_memory(1, size, gfp, true);
}

void *kcalloc(size_t n, size_t size, gfp_t gfp)
{
	return get_memory(n, size, gfp, true);
}

void *kvcalloc(size_t n, size_t size, gfp_t gfp)
{
	return get_memory(n, size, gfp, true);
}

void *kvmalloc(size_t size, gfp_t gfp)
{
	return get_memory(1, size, gfp, false);
}

void *kvzalloc(size_t size, gfp_t gfp)
{
	return get_memory(1, size, gfp, true);
}

void kfree(const void *p)
{
	if (!p)
		return;
	standin_freed((void *)p);
	free((void *)p);
}

void kvfree(const void *p)
{
	if (p)
		standin_might_sleep(__FILE__, __LINE__);
	kfree(p);
}

void kfree_sensitive(const void *p)
{
	kfree(p);
}

void kvfree_sensitive(const void *p, size_t len)
{
	(void)len;
	kvfree(p);
}

struct kmem_cache {
	size_t size;
	unsigned long objects;
};

struct kmem_cache *kmem_cache_create(const char *name, unsigned int size,
				     unsigned int align, unsigned long flags,
				     void (*ctor)(void *))
{
	struct kmem_cache *cache;

	(void)flags;
	STANDIN_ASSERT(name && size && align <= 16 && !ctor);
	cache = kzalloc(sizeof(*cache), GFP_KERNEL);
	if (cache)
		cache->size = size;
	return cache;
}

void kmem_cache_destroy(struct kmem_cache *cache)
{
	if (!cache)
		return;
	STANDIN_ASSERT(!cache->objects);
	kfree(cache);
}

void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp)
{
	void *p;

	STANDIN_ASSERT(cache);
	p = kmalloc(cache->size, gfp);
	if (p)
		cache->objects++;
	return p;
}

void *kmem_cache_zalloc(struct kmem_cache *cache, gfp_t gfp)
{
	return kmem_cache_alloc(cache, gfp | __GFP_ZERO);
}

void kmem_cache_free(struct kmem_cache *cache, void *p)
{
	STANDIN_ASSERT(cache && p && cache->objects);
	STANDIN_ASSERT(malloc_usable_size(p) >= cache->size);
	cache->objects--;
	kfree(p);
}
