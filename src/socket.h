/* SPDX-License-Identifier: GPL-2.0-only */
/* UDP sockets, routing, outer transmit. */
#ifndef WG_SOCKET_H
#define WG_SOCKET_H

#include <linux/skbuff.h>

struct wg_device;
struct wg_endpoint;
struct wg_peer;

/* DS field of initiations and responses: AF41. */
#define WG_HANDSHAKE_DS	0x88

/* Room that a message needs in front of it, link layer not counted. */
#define WG_OUTER_HEADROOM	(sizeof(struct ipv6hdr) + sizeof(struct udphdr))

/**
 * wg_socket_open() - bind to the device's port in its birth namespace
 * @wg: the device; the caller holds its lock
 * @port: host order, 0 for any free one
 *
 * Process context. The old sockets, if any, are closed only once the new ones
 * are bound. The port that was bound is kept in @wg.
 *
 * Return: 0, -ENONET where the birth namespace is gone, -EADDRINUSE, or
 * another negative errno of bind(); then nothing has changed.
 */
int wg_socket_open(struct wg_device *wg, u16 port);

/**
 * wg_socket_close() - close the device's sockets
 * @wg: the device; the caller holds its lock
 *
 * Process context; awaits a grace period if there were any.
 */
void wg_socket_close(struct wg_device *wg);

/**
 * wg_socket_send() - send a message to a peer's endpoint
 * @peer: the peer
 * @skb: the message; always taken
 * @ds: DS field of the outer packet
 *
 * BH off. Counts nothing.
 *
 * Return: 0, or a negative errno: -EDESTADDRREQ, -ENONET, -ELOOP, -EMSGSIZE where
 * no datagram is that long, or what the route look-up said.
 */
int wg_socket_send(struct wg_peer *peer, struct sk_buff *skb, u8 ds);

/**
 * wg_socket_wants_pages() - whether large datagrams should have no list
 * @peer: the peer they are for
 *
 * A device that cuts datagrams itself takes messages in pages. Where the stack
 * cuts, or nobody needs to, it is cheaper if they hang in a list, each by
 * itself. Says what the route used last leads to; a route that is another by
 * then makes it dearer. BH off.
 *
 * Return: whether the device cuts UDP and takes no lists, or is a tunnel.
 */
bool wg_socket_wants_pages(struct wg_peer *peer);

/**
 * wg_socket_list_room() - room before messages that are to hang in a list
 * @peer: the peer they are for
 *
 * What whoever cuts the list will write before each of them, at most: by the time
 * they are sent, the endpoint may be one of the other family. Says what the route
 * used last leads to, as above; a device that wants more headers is for the stack
 * to see to. BH off.
 *
 * Return: bytes, or 0 where there is no such route, or messages in a list are not
 * for its device.
 */
unsigned int wg_socket_list_room(struct wg_peer *peer);

/**
 * wg_socket_send_handshake() - send an initiation or response to a peer
 * @peer: the peer
 * @msg: the message
 * @len: its length in bytes
 *
 * Process context. Counts the bytes of peer and device.
 *
 * Return: as wg_socket_send(), or -ENOMEM.
 */
int wg_socket_send_handshake(struct wg_peer *peer, const void *msg,
			     size_t len);

/**
 * wg_socket_reply() - answer a datagram where it came from
 * @wg: the device
 * @to: the datagram, with the headers it came with; stays the caller's
 * @msg: the message
 * @len: its length in bytes
 *
 * Process context. Counts the device's bytes.
 *
 * Return: as wg_socket_send(), or -ENOMEM.
 */
int wg_socket_reply(struct wg_device *wg, const struct sk_buff *to,
		    const void *msg, size_t len);

#endif /* WG_SOCKET_H */
