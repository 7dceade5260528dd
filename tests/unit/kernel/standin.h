/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What stands in for the kernel when the driver's pure files are compiled in
 * user space: shared state and the hooks that tests use.
 *
 * The stand-ins are strict where the kernel is only strict with debug options
 * on: they abort on a lock taken twice, an assertion about a held lock that
 * does not hold, an RCU dereference outside a reader, or an allocation that
 * may sleep in atomic context.
 */
#ifndef UNIT_STANDIN_H
#define UNIT_STANDIN_H

#include <stdbool.h>
#include <stddef.h>

/* The context that code runs in. A test sets it with the kernel's own calls. */
struct standin_context {
	int rcu;		/* depth of rcu_read_lock() */
	int bh;			/* depth of local_bh_disable() */
	int spin;		/* spin locks held */
};

extern struct standin_context standin_context;

/* Memory: objects and bytes that are allocated now, and the most ever. */
extern unsigned long standin_objects;
extern unsigned long standin_bytes;
extern unsigned long standin_peak_bytes;

/* The nth allocation from now fails, 1 is the next one; 0 for none. */
extern unsigned long standin_fail_nth;

/*
 * Called after each store to an RCU pointer (a reader on another CPU may come
 * in at just that time) and after each load of one by a reader (a writer may).
 * A hook is not entered from within a hook.
 */
extern void (*standin_rcu_store_hook)(void);
extern void (*standin_rcu_load_hook)(void);

/* Callbacks that wait for a grace period. rcu_barrier() runs them. */
unsigned long standin_rcu_pending(void);

/* Run as if on another CPU: with a context of its own. */
struct standin_context standin_other_cpu(void);
void standin_back(struct standin_context was);

/* Back to the start: no hook, no failure, no lock. Runs RCU callbacks. */
void standin_reset(void);

/* Repeatable random numbers; get_random_bytes() draws on them too. */
void standin_seed(unsigned long long seed);
unsigned long long standin_rand(void);

void __attribute__((noreturn, format(printf, 3, 4)))
standin_bug(const char *file, int line, const char *fmt, ...);

#define STANDIN_ASSERT(cond)						\
	do {								\
		if (!(cond))						\
			standin_bug(__FILE__, __LINE__, "%s", #cond);	\
	} while (0)

void standin_rcu_stored(void);
void standin_rcu_loaded(void);
bool standin_alloc_fails(void);
void standin_alloced(void *p);
void standin_freed(void *p);
void standin_might_sleep(const char *file, int line);

#endif /* UNIT_STANDIN_H */
