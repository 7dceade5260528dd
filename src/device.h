/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The device: what `ip link add type wireguard` makes.
 *
 * Lock order of the whole driver, outermost first:
 *
 *   rtnl
 *     wg_devices_lock       the list of devices
 *       wg->lock            configuration: peers, allowed IPs, sockets, key
 *         peer->lock        handshake and session slots of one peer
 *           peer->endpoint_lock
 *           order->lock     peer->tx.lock, peer->rx.lock
 *             worker's lock
 *         wg->wanted_lock   peers that want a handshake
 *
 * The mutexes are never taken in softirq context; the spin locks below
 * wg->lock always with BH off. See docs/locking.md.
 */
#ifndef WG_DEVICE_H
#define WG_DEVICE_H

#include <linux/bits.h>
#include <linux/completion.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/rhashtable.h>
#include <linux/skbuff.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include "allowedips.h"
#include "cookie.h"
#include "noise.h"

/* A flood of handshakes fills this much and no more. */
#define WG_MAX_WAITING_HANDSHAKES	4096
#define WG_UNDER_LOAD_BACKLOG		512
#define WG_UNDER_LOAD_NS		1000000000ULL
#define WG_MAX_PEERS			BIT(20)

/**
 * struct wg_identity - a static key and what is derived of it; immutable
 * @key: the key pair
 * @macs: for messages that are sent to us
 * @generation: differs from that of every earlier key of this device
 * @rcu: for freeing
 */
struct wg_identity {
	struct wg_static key;
	struct wg_mac_keys macs;
	u64 generation;
	struct rcu_head rcu;
};

/**
 * struct wg_napi - delivers what was received, through GRO
 * @napi: the kernel's part
 * @queue: packets in order, under its own lock
 *
 * A peer always uses the same one, so that its packets keep their order.
 */
struct wg_napi {
	struct napi_struct napi;
	struct sk_buff_head queue;
};

/**
 * struct wg_device - a WireGuard device, the netdev's private part
 * @dev: the netdev; immutable
 * @lock: protects the configuration, see each field
 * @devices: in the list of devices, under wg_devices_lock
 * @birth_net: where the sockets live, no reference is held; RCU, written under
 *	@lock; NULL once that namespace is gone
 * @sock4: IPv4 socket; RCU, written under @lock
 * @sock6: IPv6 socket; RCU, written under @lock
 * @identity: our key or NULL; RCU, written under @lock
 * @identities: how many keys there were, under @lock
 * @port: bound or to be bound, host order, 0 for any; under @lock
 * @fwmark: mark of outer packets; written under @lock, READ_ONCE
 * @up: the interface is up; under @lock
 * @dying: no configuration any more; under @lock
 * @generation: of the configuration, differs from that of every earlier one
 *	of any device; under @lock
 * @next_peer_id: of the next peer to be created, under @lock
 * @n_peers: in the configuration, under @lock
 * @peers: id → peer in order of creation; written under @lock
 * @peers_by_key: public key → peer, has its own locks
 * @indices: receiver index → &struct wg_index, has its own locks
 * @allowedips: prefix → peer; RCU, written under @lock
 * @users: the device itself and each peer that still lives
 * @unused: when @users has come to zero
 * @handshake_work: answers what waits, sends what is wanted
 * @waiting: handshake messages that came, bounded; has its own lock
 * @wanted_lock: protects @wanted
 * @wanted: peers that want an initiation to be sent, each with a reference
 * @loaded_until: under load till then, ns; by the handshake worker
 * @cookie_secret: R; by the handshake worker
 * @cookie_born: when R was made, ns, 0 for never; by the handshake worker
 * @n_napis: how many @napis; immutable
 * @napis: immutable
 * @outer_gso: messages of one GSO packet leave as one datagram; written under
 *	rtnl, READ_ONCE
 * @gso_datagrams: such datagrams that were sent
 * @gso_messages: messages in them
 * @gso_lists: of @gso_datagrams, those whose messages were in a list
 * @copied_messages: received ones that were copied before they were opened, as
 *	somebody else might have changed them
 * @route_lookups: how often the way to an endpoint was looked up
 * @worker_batches: batches that a worker did, received ones and sent ones
 * @worker_messages: messages in them
 */
struct wg_device {
	struct net_device *dev;
	struct mutex lock;	/* the configuration's */
	struct list_head devices;
	struct net __rcu *birth_net;
	struct sock __rcu *sock4;
	struct sock __rcu *sock6;
	struct wg_identity __rcu *identity;
	u64 identities;
	u16 port;
	u32 fwmark;
	bool up;
	bool dying;
	u64 generation;
	u32 next_peer_id;
	u32 n_peers;
	struct xarray peers;
	struct rhashtable peers_by_key;
	struct rhashtable indices;
	struct wg_allowedips allowedips;

	refcount_t users;
	struct completion unused;

	struct work_struct handshake_work;
	struct sk_buff_head waiting;
	spinlock_t wanted_lock;	/* protects @wanted */
	struct list_head wanted;
	u64 loaded_until;
	u8 cookie_secret[WG_KEY_LEN];
	u64 cookie_born;

	unsigned int n_napis;
	struct wg_napi *napis;
	bool outer_gso;

	/* written while what is above is read by other CPUs */
	atomic64_t gso_datagrams ____cacheline_aligned_in_smp;
	atomic64_t gso_messages;
	atomic64_t gso_lists;
	atomic64_t copied_messages;
	atomic64_t route_lookups;
	atomic64_t worker_batches[2];
	atomic64_t worker_messages[2];
};

/**
 * wg_device_set_key() - give the device a private key
 * @wg: the device; the caller holds its lock
 * @priv: 32 bytes, all zero to take the key away
 *
 * Protocol, "What a drop-in must also match": endpoints and PSKs stay,
 * handshakes are cleared, sessions stop sending. A peer that has the new
 * public key is removed.
 *
 * Process context. Return: 0 or -ENOMEM, and then nothing has changed.
 */
int wg_device_set_key(struct wg_device *wg, const u8 priv[WG_KEY_LEN]);

/**
 * wg_device_is() - whether a netdev is one of ours
 * @dev: the netdev
 *
 * Return: whether it is.
 */
bool wg_device_is(const struct net_device *dev);

/**
 * wg_device_changed() - what a dump tells of the device is other than before
 * @wg: the device; the caller holds its lock
 *
 * Gives it a new @generation, by which a dump finds that it was interrupted.
 */
void wg_device_changed(struct wg_device *wg);

/**
 * wg_device_asleep() - whether the machine is about to sleep, or does
 *
 * From the moment on at which it is told to us until it is over no session may
 * begin: its keys would be in memory meanwhile, and a hibernating machine, which
 * runs on while it writes its image, would use its counters once more
 * afterwards. Any context.
 */
bool wg_device_asleep(void);

/**
 * wg_device_get() - keep a device until wg_device_put()
 * @wg: the device; the caller has a reference already, or its lock
 *
 * One reference for each peer that lives, see @users. Any context.
 */
void wg_device_get(struct wg_device *wg);

/**
 * wg_device_put() - the end of wg_device_get()
 * @wg: the device, which may be gone on return: whoever unregisters it waits
 *      for the last one
 *
 * Any context.
 */
void wg_device_put(struct wg_device *wg);

/* Once for the module: 0 or a negative errno. */
int wg_device_module_init(void);
void wg_device_module_exit(void);

#endif /* WG_DEVICE_H */
