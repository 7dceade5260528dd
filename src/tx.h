/* SPDX-License-Identifier: GPL-2.0-only */
/* The way out. See docs/datapath.md. */
#ifndef WG_TX_H
#define WG_TX_H

#include <linux/netdevice.h>

struct wg_peer;

/**
 * wg_xmit() - ndo_start_xmit
 * @skb: from the stack, GSO or not; freed or owned by the driver on return
 * @dev: the device
 *
 * BH off. Return: NETDEV_TX_OK, or as a negative errno for a local sender
 * -ENOKEY (no peer for the destination), -EDESTADDRREQ (the peer has no
 * endpoint), -EPROTONOSUPPORT (not IP), -ELOOP or -ENOMEM.
 */
netdev_tx_t wg_xmit(struct sk_buff *skb, struct net_device *dev);

/**
 * wg_tx_flush_staged() - send what waits, if there is a session by now
 * @peer: the peer
 *
 * Softirq or process context. Where there is none, and something waits, a
 * handshake is asked for.
 */
void wg_tx_flush_staged(struct wg_peer *peer);

/**
 * wg_tx_purge_staged() - drop what waits
 * @peer: the peer
 *
 * Softirq or process context. Counts tx_dropped.
 */
void wg_tx_purge_staged(struct wg_peer *peer);

/**
 * wg_tx_keepalive() - send an empty message
 * @peer: the peer
 *
 * Softirq or process context. Where packets are staged, those are flushed
 * instead.
 */
void wg_tx_keepalive(struct wg_peer *peer);

/* Once for the module, when no device is left. */
void wg_tx_module_exit(void);

#endif /* WG_TX_H */
