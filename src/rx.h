/* SPDX-License-Identifier: GPL-2.0-only */
/* The way in. See docs/datapath.md. */
#ifndef WG_RX_H
#define WG_RX_H

#include <linux/netdevice.h>

/**
 * wg_rx_udp() - encap_rcv of the outer sockets
 * @sk: the socket; its user data is the device
 * @skb: a datagram, data at the UDP header; always taken and freed
 *
 * Softirq context. Return: 0, that is, taken.
 */
int wg_rx_udp(struct sock *sk, struct sk_buff *skb);

/**
 * wg_rx_poll() - NAPI: hand decrypted packets to the stack
 * @napi: of a &struct wg_napi
 * @budget: how many at most
 *
 * Return: how many.
 */
int wg_rx_poll(struct napi_struct *napi, int budget);

#endif /* WG_RX_H */
