/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A GSO packet of TCP becomes messages in one pass: each segment is copied and
 * summed to where it is sealed, and all of them leave as one datagram with
 * segmentation offload of UDP, which walks the outer stack once. So do messages
 * of one length that were packets before.
 */
#ifndef WG_SEGMENT_H
#define WG_SEGMENT_H

#include <linux/skbuff.h>

struct wg_aead;
struct wg_peer;
struct wg_session;

/* More messages of one packet are left to the stack. */
#define WG_MAX_SEGMENTS	1024

/**
 * wg_segment_count() - how many messages a GSO packet makes here
 * @skb: the packet, as the stack gave it
 * @mtu: limit of padding in bytes, 0 for none
 *
 * Softirq context or BH off. What is more than plain TCP over IP is left to the
 * stack, skb_gso_segment(). May pull headers into the linear part.
 *
 * Return: how many, at most %WG_MAX_SEGMENTS, or 0 where it is not for wg_segment_seal().
 */
unsigned int wg_segment_count(struct sk_buff *skb, u32 mtu);

/**
 * wg_segment_seal() - make messages of a GSO packet
 * @skb: with its &struct wg_skb_cb filled in and scrubbed; is taken
 * @aead: with the session's key
 * @session: whose messages
 *
 * Softirq context or BH off. The messages have consecutive counters from that
 * of @skb on. The socket that @skb was charged to is charged for them.
 *
 * Return: datagrams of one or more messages each, linked by skb->next, in
 * order; fewer than there should be, or NULL, where memory is short.
 */
struct sk_buff *wg_segment_seal(struct sk_buff *skb, struct wg_aead *aead,
				const struct wg_session *session);

/**
 * wg_segment_gather() - make large datagrams of messages
 * @list: datagrams, linked by skb->next, ready to be sent; is taken
 * @peer: whom they are for
 *
 * Softirq context or BH off. What follows each other, four messages at least, is of
 * one flow and of one length (the last may be shorter) and has room for outer headers
 * becomes one datagram. The socket that such messages were charged to is charged for it.
 *
 * Return: datagrams of one or more messages each, linked by skb->next, in order.
 */
struct sk_buff *wg_segment_gather(struct sk_buff *list, struct wg_peer *peer);

#endif /* WG_SEGMENT_H */
