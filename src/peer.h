/* SPDX-License-Identifier: GPL-2.0-only */
/* A peer's life: create, work, the one numbered teardown. */
#ifndef WG_PEER_H
#define WG_PEER_H

#include <linux/kref.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include "allowedips.h"
#include "cookie.h"
#include "crypt.h"
#include "device.h"
#include "endpoint.h"
#include "noise.h"
#include "session.h"
#include "timers.h"

/* Protocol, "Constants and timers": staged packets a peer. */
#define WG_MAX_STAGED	128

/**
 * struct wg_peer - a peer of a device
 * @wg: the device; immutable
 * @id: monotone in the device, from 1; immutable
 * @ref: references: the configuration, each session, each batch, ...
 * @key_node: in the device's table of keys
 * @pub: static public key; immutable
 * @owner: its allowed IPs, under the device's lock
 * @tx: order of what is sent; its lock also protects @staged, @n_staged and
 *	the sessions' tx_counter
 * @rx: order of what is received
 * @staged: batches that wait for a session
 * @n_staged: messages in them
 * @endpoint_lock: protects writing @endpoint
 * @endpoint: where it is or NULL; RCU
 * @current_session: sends and receives; RCU, written under @lock
 * @previous: still receives; RCU, written under @lock
 * @next: responder's, not confirmed; RCU, written under @lock
 * @lock: protects the session slots and everything down to @timestamp
 * @attempt: changes whenever @index does
 * @psk: preshared key, zero for none
 * @ss: DH(our static, their static) for the device's key of @ss_generation
 * @ss_generation: 0 for none
 * @noise: of our outstanding initiation; there while @index is, wiped when freed
 * @index: receiver index of that initiation
 * @initiation_seen: when @timestamp came, ns, 0 for never
 * @last_handshake: wall clock of the last completed one, 0 for never
 * @jar: cookies that the peer gave us
 * @timestamp: greatest that was accepted from the peer, TAI64N
 * @wanted_retry: the initiation that is wanted is a retry, under the device's
 *	wanted_lock
 * @running: the interface is up; READ_ONCE, written under the device's lock
 * @dead: it has left the configuration for good; READ_ONCE, as @running
 * @timers: deadlines, see there
 * @timer: the one kernel timer
 * @wanted: in the device's list, under its wanted_lock
 * @rx_bytes: UDP payload received and authenticated
 * @tx_bytes: UDP payload sent
 * @rcu: for freeing
 */
struct wg_peer {
	struct wg_device *wg;
	u32 id;
	struct kref ref;
	struct rhash_head key_node;
	u8 pub[WG_KEY_LEN];
	struct wg_aip_owner owner;

	struct wg_order tx;
	struct wg_order rx;
	struct list_head staged;
	unsigned int n_staged;

	/* not beside an array: without SMP it is empty, which misleads FORTIFY */
	spinlock_t endpoint_lock;	/* writers of @endpoint */
	struct wg_endpoint __rcu *endpoint;

	struct wg_session __rcu *current_session;
	struct wg_session __rcu *previous;
	struct wg_session __rcu *next;

	/* likewise */
	spinlock_t lock;	/* handshake and session slots */
	u32 attempt;
	u8 psk[WG_KEY_LEN];
	u8 ss[WG_KEY_LEN];
	u64 ss_generation;
	struct wg_noise *noise;
	struct wg_index *index;
	u64 initiation_seen;
	struct timespec64 last_handshake;
	struct wg_cookie_jar jar;
	u8 timestamp[WG_TIMESTAMP_LEN];

	bool wanted_retry;
	bool running;
	bool dead;

	struct wg_timers timers;
	struct timer_list timer;

	struct list_head wanted;

	atomic64_t rx_bytes;
	atomic64_t tx_bytes;
	struct rcu_head rcu;
};

/**
 * wg_peer_of() - the peer that an allowed IP belongs to
 * @owner: what a look-up found, or NULL
 *
 * Any context; the peer is there for as long as @owner is.
 *
 * Return: the peer, or NULL for NULL.
 */
static inline struct wg_peer *wg_peer_of(struct wg_aip_owner *owner)
{
	return owner ? container_of(owner, struct wg_peer, owner) : NULL;
}

/**
 * wg_peer_create() - a new peer in the configuration
 * @wg: the device; the caller holds its lock
 * @pub: 32 bytes, not yet a peer's
 * @psk: 32 bytes
 *
 * Process context. Return: the peer, owned by the configuration, or an
 * ERR_PTR: -ENOMEM also where there are too many.
 */
struct wg_peer *wg_peer_create(struct wg_device *wg, const u8 pub[WG_KEY_LEN],
			       const u8 psk[WG_KEY_LEN]);

/**
 * wg_peer_remove() - take a peer out of the configuration
 * @peer: the peer; the caller holds the device's lock
 *
 * Process context, awaits no grace period. The caller's pointer is no good
 * afterwards, unless it holds a reference.
 */
void wg_peer_remove(struct wg_peer *peer);

/**
 * wg_peer_remove_all() - the same for all peers of a device
 * @wg: the device; the caller holds its lock
 */
void wg_peer_remove_all(struct wg_device *wg);

/**
 * wg_peer_start() - the interface came up
 * @peer: the peer; the caller holds the device's lock
 */
void wg_peer_start(struct wg_peer *peer);

/**
 * wg_peer_stop() - the interface goes down (rule 10)
 * @peer: the peer; the caller holds the device's lock
 *
 * Staged packets are purged, handshake and sessions cleared.
 */
void wg_peer_stop(struct wg_peer *peer);

/**
 * wg_peer_clear_handshake() - forget our outstanding initiation
 * @peer: the peer; the caller holds its lock
 */
void wg_peer_clear_handshake(struct wg_peer *peer);

/**
 * wg_peer_arm() - have the peer's timer fire no later than that
 * @peer: the peer
 * @deadline: jiffies, 0 for nothing to do
 */
void wg_peer_arm(struct wg_peer *peer, unsigned long deadline);

/**
 * wg_peer_set_interval() - persistent keepalive (rule 9)
 * @peer: the peer; the caller holds the device's lock
 * @seconds: 0 for off
 */
void wg_peer_set_interval(struct wg_peer *peer, u16 seconds);

/**
 * wg_jitter() - what a retry is put off by (rules 2 and 7)
 *
 * Any context. Return: 0 to WG_MAX_JITTER - 1 jiffies, random.
 */
unsigned long wg_jitter(void);

/**
 * wg_peer_get() - keep a peer until wg_peer_put()
 * @peer: the peer; the caller has a reference already, or its device's lock
 *
 * Any context. Return: @peer.
 */
static inline struct wg_peer *wg_peer_get(struct wg_peer *peer)
{
	kref_get(&peer->ref);
	return peer;
}

/**
 * wg_peer_put() - the end of a reference
 * @peer: the peer; the last one frees it after a grace period
 *
 * Any context.
 */
void wg_peer_put(struct wg_peer *peer);

/* Once for the module: 0 or -ENOMEM. */
int wg_peer_module_init(void);
void wg_peer_module_exit(void);

#endif /* WG_PEER_H */
