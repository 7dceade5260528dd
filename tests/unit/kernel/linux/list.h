/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_LINUX_LIST_H
#define UNIT_LINUX_LIST_H

#include <linux/container_of.h>
#include <linux/types.h>
#include "../standin.h"

#define LIST_HEAD_INIT(name)	{ &(name), &(name) }
#define LIST_HEAD(name)		struct list_head name = LIST_HEAD_INIT(name)
#define UNIT_LIST_POISON	((struct list_head *)0x100)

static inline void INIT_LIST_HEAD(struct list_head *l)
{
	l->next = l;
	l->prev = l;
}

static inline bool list_empty(const struct list_head *l)
{
	return l->next == l;
}

static inline void unit_list_link(struct list_head *n, struct list_head *prev,
				  struct list_head *next)
{
	/* as CONFIG_DEBUG_LIST does */
	STANDIN_ASSERT(prev->next == next && next->prev == prev);
	STANDIN_ASSERT(n != prev && n != next);
	next->prev = n;
	n->next = next;
	n->prev = prev;
	prev->next = n;
}

static inline void list_add(struct list_head *n, struct list_head *head)
{
	unit_list_link(n, head, head->next);
}

static inline void list_add_tail(struct list_head *n, struct list_head *head)
{
	unit_list_link(n, head->prev, head);
}

static inline void unit_list_unlink(struct list_head *e)
{
	STANDIN_ASSERT(e->next != UNIT_LIST_POISON);
	STANDIN_ASSERT(e->prev->next == e && e->next->prev == e);
	e->next->prev = e->prev;
	e->prev->next = e->next;
}

static inline void list_del(struct list_head *e)
{
	unit_list_unlink(e);
	e->next = UNIT_LIST_POISON;
	e->prev = UNIT_LIST_POISON;
}

static inline void list_del_init(struct list_head *e)
{
	unit_list_unlink(e);
	INIT_LIST_HEAD(e);
}

static inline void list_move_tail(struct list_head *e, struct list_head *head)
{
	unit_list_unlink(e);
	list_add_tail(e, head);
}

static inline void list_splice_init(struct list_head *list,
				    struct list_head *head)
{
	if (list_empty(list))
		return;
	list->next->prev = head;
	list->prev->next = head->next;
	head->next->prev = list->prev;
	head->next = list->next;
	INIT_LIST_HEAD(list);
}

static inline bool list_is_last(const struct list_head *e,
				const struct list_head *head)
{
	return e->next == head;
}

#define list_entry(ptr, type, member)	container_of(ptr, type, member)
#define list_first_entry(head, type, member)				\
	list_entry((head)->next, type, member)
#define list_first_entry_or_null(head, type, member)			\
	(list_empty(head) ? NULL : list_first_entry(head, type, member))
#define list_last_entry(head, type, member)				\
	list_entry((head)->prev, type, member)
#define list_next_entry(pos, member)					\
	list_entry((pos)->member.next, typeof(*(pos)), member)
#define list_for_each_entry(pos, head, member)				\
	for (pos = list_first_entry(head, typeof(*pos), member);	\
	     &pos->member != (head);					\
	     pos = list_next_entry(pos, member))
#define list_for_each_entry_safe(pos, n, head, member)			\
	for (pos = list_first_entry(head, typeof(*pos), member),	\
		n = list_next_entry(pos, member);			\
	     &pos->member != (head);					\
	     pos = n, n = list_next_entry(n, member))

#endif /* UNIT_LINUX_LIST_H */
