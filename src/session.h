/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sessions: a pair of symmetric keys and its counters, and how previous,
 * current and next take each other's place.
 * Protocol, "Handshake", "Transport", "Constants and timers".
 */
#ifndef WG_SESSION_H
#define WG_SESSION_H

#include <linux/bits.h>
#include "replay.h"
#include "timers.h"

#define WG_REKEY_AFTER_MESSAGES	BIT_ULL(60)
#define WG_NS_PER_SEC		1000000000ULL

/**
 * wg_session_expired() - rule 5: too old to send or receive
 * @age_ns: time since the keys were made, ns
 *
 * Return: whether the session must not be used any more.
 */
static inline bool wg_session_expired(u64 age_ns)
{
	return age_ns >= WG_REJECT_AFTER_TIME * WG_NS_PER_SEC;
}

/**
 * wg_session_exhausted() - rule 5: no counters left for sending
 * @next: the next counter that would be used
 * @count: how many messages there are to send
 *
 * Return: whether they cannot all be sent.
 */
static inline bool wg_session_exhausted(u64 next, unsigned int count)
{
	return next > WG_REJECT_AFTER_MESSAGES - count;
}

/**
 * wg_session_rekey_after_send() - rule 3
 * @initiator: we were the session's initiator
 * @age_ns: time since the keys were made, ns
 * @next: the next counter that would be used
 *
 * Return: whether to begin a new handshake.
 */
static inline bool wg_session_rekey_after_send(bool initiator, u64 age_ns,
					       u64 next)
{
	return next >= WG_REKEY_AFTER_MESSAGES ||
	       (initiator && age_ns >= WG_REKEY_AFTER_TIME * WG_NS_PER_SEC);
}

/**
 * wg_session_rekey_after_receive() - rule 4
 * @initiator: we were the session's initiator
 * @age_ns: time since the keys were made, ns
 *
 * Return: whether to begin a new handshake, once a session.
 */
static inline bool wg_session_rekey_after_receive(bool initiator, u64 age_ns)
{
	return initiator &&
	       age_ns >= (WG_REJECT_AFTER_TIME - WG_KEEPALIVE_TIMEOUT -
			  WG_REKEY_TIMEOUT) * WG_NS_PER_SEC;
}

#ifdef __KERNEL__

#include <linux/kref.h>
#include <linux/timekeeping.h>
#include "noise.h"

struct wg_peer;
struct wg_index;

/**
 * struct wg_session - a pair of symmetric keys and its counters
 * @keys: for sending and receiving; immutable
 * @peer: whose it is, holds a reference; immutable
 * @index: our receiver index, which leads back here; immutable
 * @born: when the keys were made, ns of wg_now(); immutable
 * @remote_index: the peer's receiver index, host order; immutable
 * @initiator: we sent the initiation; immutable
 * @may_send: cleared for good when it must not send any more; READ_ONCE
 * @rekey_asked: rule 4 was followed once; by the receive order's drainer
 * @tx_counter: next counter for sending; protected by the peer's tx.lock
 * @replay: window for receiving; by the receive order's drainer
 * @ref: references: the peer's slot and each batch in flight
 * @rcu: for freeing
 */
struct wg_session {
	struct wg_session_keys keys;
	struct wg_peer *peer;
	struct wg_index *index;
	u64 born;
	u32 remote_index;
	bool initiator;
	bool may_send;
	bool rekey_asked;
	u64 tx_counter;
	struct wg_replay replay;
	struct kref ref;
	struct rcu_head rcu;
};

/**
 * wg_now() - the clock of sessions and cookies
 *
 * It runs while the machine sleeps. Any context. Return: ns.
 */
static inline u64 wg_now(void)
{
	return ktime_get_coarse_boottime_ns();
}

/**
 * wg_session_age() - time since a session's keys were made
 * @s: the session
 *
 * Any context. A clock that was read a moment too early makes it zero.
 *
 * Return: ns.
 */
static inline u64 wg_session_age(const struct wg_session *s)
{
	s64 age = wg_now() - s->born;

	return age > 0 ? age : 0;
}

/**
 * wg_session_can_send() - whether a session may carry @count more messages
 * @s: the session or NULL; the caller holds the peer's tx.lock
 * @count: messages
 *
 * Return: whether it may.
 */
bool wg_session_can_send(const struct wg_session *s, unsigned int count);

/**
 * wg_session_begin() - install the outcome of a handshake
 * @peer: whose; the caller holds its lock
 * @keys: the new keys, wiped here
 * @index: our index, which the session takes over
 * @remote_index: the peer's index, host order
 * @initiator: we sent the initiation
 *
 * Softirq or process context.
 *
 * Return: 0, or -ENOMEM, and then the index stays the caller's.
 */
int wg_session_begin(struct wg_peer *peer, struct wg_session_keys *keys,
		     struct wg_index *index, u32 remote_index, bool initiator);

/**
 * wg_session_confirm() - an authenticated message came on a session
 * @peer: whose
 * @s: the session
 *
 * With the first one the responder's next session becomes the current.
 *
 * Return: whether that happened just now.
 */
bool wg_session_confirm(struct wg_peer *peer, struct wg_session *s);

/**
 * wg_session_stop_sending() - current and next may receive only from now on
 * @peer: whose; the caller holds its lock
 */
void wg_session_stop_sending(struct wg_peer *peer);

/**
 * wg_session_drop_all() - forget previous, current and next
 * @peer: whose; the caller holds its lock
 *
 * Keys are wiped as soon as no batch uses them.
 */
void wg_session_drop_all(struct wg_peer *peer);

/**
 * wg_session_get() - take a reference, unless the last one is gone
 * @s: the session, found under RCU
 *
 * Return: @s or NULL.
 */
struct wg_session *wg_session_get(struct wg_session *s);

/**
 * wg_session_put() - give a reference back
 * @s: the session
 *
 * Any context; the last one wipes the keys.
 */
void wg_session_put(struct wg_session *s);

/* Once for the module. The exit comes after wg_peer_module_exit(). */
int wg_session_module_init(void);
void wg_session_module_exit(void);

#endif /* __KERNEL__ */
#endif /* WG_SESSION_H */
