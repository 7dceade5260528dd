/* SPDX-License-Identifier: GPL-2.0-only */
/* Handshake messages: the queue of what came, and what is to be sent. */
#ifndef WG_HANDSHAKE_H
#define WG_HANDSHAKE_H

#include <linux/skbuff.h>
#include <linux/workqueue.h>

struct wg_device;
struct wg_peer;

/**
 * wg_handshake_receive() - a handshake message or cookie reply came
 * @wg: the device
 * @skb: data at the message, whose size fits its type; always taken
 *
 * Softirq context. The queue is bounded: over it, silence.
 */
void wg_handshake_receive(struct wg_device *wg, struct sk_buff *skb);

/**
 * wg_handshake_want() - have an initiation sent
 * @peer: the peer, valid under RCU or by a reference
 * @retry: rule 2: it is a retry, else the count of attempts starts anew
 *
 * Softirq or process context. Rule 1 limits how often one goes out.
 */
void wg_handshake_want(struct wg_peer *peer, bool retry);

/**
 * wg_handshake_work() - the worker of a device
 * @work: in &struct wg_device
 */
void wg_handshake_work(struct work_struct *work);

/**
 * wg_handshake_forget() - empty both queues of a device
 * @wg: the device; the caller holds its lock
 */
void wg_handshake_forget(struct wg_device *wg);

/* Once for the module: 0 or -ENOMEM. */
int wg_handshake_module_init(void);
void wg_handshake_module_exit(void);

#endif /* WG_HANDSHAKE_H */
