/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * When to send what. Protocol, "Constants and timers".
 *
 * A peer has one kernel timer. Events write deadlines into struct wg_timers;
 * the decision function, a pure one, says what is due and when to ask again.
 * Cancelling writes a zero and leaves the kernel timer alone: it fires once
 * for nothing and sleeps on. So the data path rarely touches a timer wheel.
 */
#ifndef WG_TIMERS_H
#define WG_TIMERS_H

#include <linux/compiler.h>
#include <linux/jiffies.h>
#include <linux/types.h>

#define WG_REKEY_AFTER_TIME	120	/* s */
#define WG_REJECT_AFTER_TIME	180	/* s */
#define WG_REKEY_TIMEOUT	5	/* s */
#define WG_KEEPALIVE_TIMEOUT	10	/* s */
#define WG_MAX_INITIATIONS	20	/* in all, the first included */
#define WG_ZERO_AFTER_TIME	(3 * WG_REJECT_AFTER_TIME)
#define WG_MAX_JITTER		(HZ / 3)	/* jiffies */
#define WG_GIVE_WAY		(2 * HZ)	/* jiffies; ours, when two cross */

/* What the decision function asks for, a set of bits. */
enum wg_timer_action {
	WG_DO_RETRY = 1 << 0,		/* send another initiation */
	WG_DO_GIVE_UP = 1 << 1,		/* drop what is staged */
	WG_DO_KEEPALIVE = 1 << 2,	/* passive keepalive */
	WG_DO_KEEPALIVE_AGAIN = 1 << 3,	/* and arm it once more after that */
	WG_DO_NEW_HANDSHAKE = 1 << 4,	/* nothing came back: start over */
	WG_DO_ZERO = 1 << 5,		/* zero keys and ephemeral state */
	WG_DO_PERSISTENT = 1 << 6,	/* persistent keepalive */
};

/**
 * struct wg_timers - deadlines of a peer
 * @retry: initiation unanswered (rule 2)
 * @keepalive: data received, nothing sent (rule 6)
 * @silence: data sent, nothing received (rule 7)
 * @zero: no new session (rule 8)
 * @persistent: persistent keepalive (rule 9)
 * @last_handshake: when an initiation or response was last sent
 * @jitter: of the last handshake message, jiffies; of a response with
 *	%WG_GIVE_WAY where this side waits longer
 * @interval: persistent keepalive, s, 0 for off
 * @attempts: initiations sent since the last trigger, less one
 * @handshake_sent: @last_handshake counts
 * @more_data: data came while @keepalive was armed
 * @unsent: @retry is of an initiation that was put off, not of one that was sent
 *
 * All times are jiffies, a deadline of 0 is not armed. Every field is written
 * without a lock by whoever sees the event: each stands for itself, a lost
 * race costs at most one superfluous keepalive or one delayed by an interval.
 * All zero is the start.
 */
struct wg_timers {
	unsigned long retry;
	unsigned long keepalive;
	unsigned long silence;
	unsigned long zero;
	unsigned long persistent;
	unsigned long last_handshake;
	unsigned long jitter;
	u16 interval;
	u8 attempts;
	bool handshake_sent;
	bool more_data;
	bool unsent;
};

/**
 * wg_deadline() - when something is due
 * @now: jiffies
 * @delay: from then on, jiffies
 *
 * Any context. Return: jiffies, never 0, which means "not armed": one jiffy is
 * left out.
 */
static inline unsigned long wg_deadline(unsigned long now, unsigned long delay)
{
	return now + delay ?: 1;
}

/**
 * wg_earlier() - the earlier of two deadlines
 * @a: jiffies, or 0 for "not armed"
 * @b: likewise
 *
 * Any context. Return: jiffies, or 0 where neither is armed.
 */
static inline unsigned long wg_earlier(unsigned long a, unsigned long b)
{
	if (!a || (b && time_before(b, a)))
		return b;
	return a;
}

/**
 * wg_timers_traversed() - an authenticated packet in either direction (rule 9)
 * @t: the peer's timers
 * @now: jiffies
 *
 * Under RCU, without a lock: fields are written whole, and whoever comes second
 * writes nearly the same.
 *
 * Return: the deadline, jiffies, if the timer must hear of it, else 0: one that
 * only moves away finds out by itself.
 */
static inline unsigned long wg_timers_traversed(struct wg_timers *t,
						unsigned long now)
{
	unsigned int interval = READ_ONCE(t->interval);
	unsigned long old, due;

	if (likely(!interval))
		return 0;
	due = wg_deadline(now, interval * (unsigned long)HZ);
	if (READ_ONCE(t->persistent) == due)
		return 0;
	/* what it was when it changed: the timer may take it at any time */
	old = xchg(&t->persistent, due);
	return !old || time_before(due, old) || !time_before(now, old) ?
		due : 0;
}

/**
 * wg_timers_sent() - an authenticated packet is about to be sent
 * @t: the peer's deadlines
 * @now: jiffies
 * @data: it carries data, that is, is neither keepalive nor handshake
 * @jitter: 0 to %WG_MAX_JITTER - 1 jiffies, random
 *
 * Any context.
 *
 * Return: the earliest deadline that the timer must hear of, or 0.
 */
static inline unsigned long wg_timers_sent(struct wg_timers *t,
					   unsigned long now, bool data,
					   unsigned long jitter)
{
	unsigned long armed;

	/* rule 6: anything authenticated that we send cancels it */
	if (READ_ONCE(t->keepalive)) {
		WRITE_ONCE(t->keepalive, 0);
		WRITE_ONCE(t->more_data, false);
	}
	armed = wg_timers_traversed(t, now);
	/* rule 7; keepalives that we send do not arm it */
	if (data && !READ_ONCE(t->silence)) {
		unsigned long due = wg_deadline(now,
			(WG_KEEPALIVE_TIMEOUT + WG_REKEY_TIMEOUT) * HZ + jitter);

		WRITE_ONCE(t->silence, due);
		return wg_earlier(armed, due);
	}
	return armed;
}

/**
 * wg_timers_received() - an authenticated packet was received
 * @t: the peer's deadlines
 * @now: jiffies
 * @data: it carries data, that is, is neither keepalive nor handshake
 *
 * Any context.
 *
 * Return: the earliest deadline that the timer must hear of, or 0.
 */
static inline unsigned long wg_timers_received(struct wg_timers *t,
					       unsigned long now, bool data)
{
	unsigned long armed, due;

	if (READ_ONCE(t->silence))
		WRITE_ONCE(t->silence, 0);
	armed = wg_timers_traversed(t, now);
	if (!data)
		return armed;
	/* rule 6: from the first unanswered packet, later ones only noted */
	if (READ_ONCE(t->keepalive)) {
		if (!READ_ONCE(t->more_data))
			WRITE_ONCE(t->more_data, true);
		return armed;
	}
	due = wg_deadline(now, WG_KEEPALIVE_TIMEOUT * HZ);
	WRITE_ONCE(t->keepalive, due);
	return wg_earlier(armed, due);
}

/**
 * wg_timers_may_handshake() - whether an initiation may be sent now
 * @t: the peer's deadlines
 * @now: jiffies
 *
 * Rule 1: at most one initiation or response per REKEY-TIMEOUT.
 *
 * Any context. Return: whether it may.
 */
static inline bool wg_timers_may_handshake(const struct wg_timers *t,
					   unsigned long now)
{
	return !READ_ONCE(t->handshake_sent) ||
	       now - READ_ONCE(t->last_handshake) >= WG_REKEY_TIMEOUT * HZ;
}

/**
 * wg_timers_handshake_sent() - an initiation or a response is about to be sent
 * @t: the peer's deadlines
 * @now: jiffies
 * @initiation: it is an initiation, so an answer is awaited (rule 2)
 * @jitter: 0 to %WG_MAX_JITTER - 1 jiffies, random; more for a response of the
 *	side that gives way
 *
 * A response puts off an initiation that waits for an answer: it ends what that
 * began.
 *
 * Any context.
 *
 * Return: the earliest deadline that the timer must hear of, or 0.
 */
unsigned long wg_timers_handshake_sent(struct wg_timers *t, unsigned long now,
				       bool initiation, unsigned long jitter);

/**
 * wg_timers_limit() - an initiation was tried and could not be made
 * @t: the peer's deadlines
 * @now: jiffies
 *
 * Rule 1 counts it, so that trying costs a bounded amount of work.
 */
void wg_timers_limit(struct wg_timers *t, unsigned long now);

/**
 * wg_timers_put_off() - an initiation that is wanted cannot be sent now
 * @t: the peer's deadlines
 * @now: jiffies
 * @jitter: 0 to %WG_MAX_JITTER - 1 jiffies, random
 *
 * It is tried again as soon as rule 1 allows it, and REKEY-TIMEOUT from now at
 * the earliest where that is not the hindrance; so what waits for a session
 * never waits for another packet.
 *
 * Any context.
 *
 * Return: the deadline that the timer must hear of, or 0: a retry is due anyway.
 */
unsigned long wg_timers_put_off(struct wg_timers *t, unsigned long now,
				unsigned long jitter);

/**
 * wg_timers_keepalive_again() - more data had come before a passive keepalive
 * @t: the peer's deadlines
 * @now: jiffies
 *
 * Rule 6: it is armed once more after it fired.
 *
 * Any context.
 *
 * Return: the deadline that the timer must hear of.
 */
unsigned long wg_timers_keepalive_again(struct wg_timers *t,
					unsigned long now);

/**
 * wg_timers_trigger() - something other than a retry wants a handshake
 * @t: the peer's deadlines
 *
 * Rule 2: the count of attempts starts anew.
 */
void wg_timers_trigger(struct wg_timers *t);

/**
 * wg_timers_handshake_complete() - a response was accepted or a session
 *	confirmed
 * @t: the peer's deadlines
 */
void wg_timers_handshake_complete(struct wg_timers *t);

/**
 * wg_timers_session_derived() - new session keys exist (rule 8)
 * @t: the peer's deadlines
 * @now: jiffies
 *
 * Return: a deadline that was newly armed.
 */
unsigned long wg_timers_session_derived(struct wg_timers *t,
					unsigned long now);

/**
 * wg_timers_reset_limit() - let the next handshake go at once
 * @t: the peer's deadlines
 *
 * Rule 1: interface down, a new private key and a VM fork reset the limit.
 */
void wg_timers_reset_limit(struct wg_timers *t);

/**
 * wg_timers_stop() - forget every deadline (rule 10)
 * @t: the peer's deadlines; interval and limit stay
 */
void wg_timers_stop(struct wg_timers *t);

/**
 * wg_timers_decide() - what is due
 * @t: the peer's deadlines; what is due is taken from it
 * @now: jiffies
 * @next: out: when to ask again, 0 for not at all
 *
 * Softirq or process context, one caller at a time for each peer; events may
 * run meanwhile.
 *
 * Return: a set of enum wg_timer_action.
 */
unsigned int wg_timers_decide(struct wg_timers *t, unsigned long now,
			      unsigned long *next);

#endif /* WG_TIMERS_H */
