/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory for messages that packets point at. Kept and used again: fresh pages
 * would be cleared first, and be cold.
 */
#ifndef WG_PAGES_H
#define WG_PAGES_H

#include <linux/mm_types.h>
#include <linux/skbuff.h>

/**
 * struct wg_piece - a part of a page, or of several that belong together
 * @page: holds a reference
 * @offset: in @page, bytes; a multiple of %WG_PIECE_ALIGN
 * @size: in bytes
 */
struct wg_piece {
	struct page *page;
	unsigned int offset;
	unsigned int size;
};

#define WG_PIECE_ALIGN	64U

/*
 * A shorter message that a socket may come to hold does not get a part of our
 * pages: it would keep too much more memory than the socket is charged for.
 */
#define WG_PIECE_LEAST	1024U

/**
 * wg_piece_get() - memory of this CPU
 * @piece: filled in on success; what it holds is not cleared
 * @least: bytes, at most %PAGE_SIZE
 * @most: bytes; less may come
 *
 * BH off. The page is used again once it has no reference but ours.
 *
 * Return: whether there was any.
 */
bool __must_check wg_piece_get(struct wg_piece *piece, unsigned int least,
			       unsigned int most);

/**
 * wg_piece_skb_size() - what wg_piece_skb() needs of a page
 * @room: bytes in front of its data
 * @len: bytes of data
 *
 * Any context. Return: bytes.
 */
static inline unsigned int wg_piece_skb_size(unsigned int room,
					     unsigned int len)
{
	return SKB_DATA_ALIGN(room + len) +
	       SKB_DATA_ALIGN(sizeof(struct skb_shared_info));
}

/**
 * wg_piece_skb() - a packet whose linear part is memory of this CPU
 * @room: bytes in front of its data
 * @len: bytes that are going to be its data; wg_piece_skb_size() of both is at
 *	most %PAGE_SIZE
 *
 * BH off. Nothing but the packet knows this memory.
 *
 * Return: the packet, without data, or NULL where memory is short.
 */
struct sk_buff *wg_piece_skb(unsigned int room, unsigned int len);

/* Once for the module. At the exit packets may still hold pages. */
int wg_pages_module_init(void);
void wg_pages_module_exit(void);

#endif /* WG_PAGES_H */
