/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory for messages that packets point at. Kept and used again: fresh pages
 * would be cleared first, and be cold.
 */
#ifndef WG_PAGES_H
#define WG_PAGES_H

#include <linux/mm_types.h>

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

/* Once for the module. At the exit packets may still hold pages. */
int wg_pages_module_init(void);
void wg_pages_module_exit(void);

#endif /* WG_PAGES_H */
