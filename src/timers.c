// SPDX-License-Identifier: GPL-2.0-only
/* The decision function. Protocol, "Constants and timers". No kernel timer. */

#include "timers.h"

unsigned long wg_timers_handshake_sent(struct wg_timers *t, unsigned long now,
				       bool initiation, unsigned long jitter)
{
	unsigned long due = wg_deadline(now, WG_REKEY_TIMEOUT * HZ + jitter);
	unsigned long armed, old;

	WRITE_ONCE(t->jitter, jitter);
	wg_timers_limit(t, now);
	armed = wg_timers_sent(t, now, false, 0);
	if (initiation) {
		WRITE_ONCE(t->unsent, false);
		WRITE_ONCE(t->retry, due);
		return wg_earlier(armed, due);
	}
	/*
	 * A response while an initiation of ours is out: the two have crossed,
	 * and ours has ended. Unless the peer's completes, go on as if ours had
	 * been sent now. One that is taken or answered meanwhile is left alone.
	 */
	old = READ_ONCE(t->retry);
	if (old && time_before(old, due))
		cmpxchg(&t->retry, old, due);
	return armed;
}

void wg_timers_limit(struct wg_timers *t, unsigned long now)
{
	WRITE_ONCE(t->last_handshake, now);
	WRITE_ONCE(t->handshake_sent, true);
}

unsigned long wg_timers_put_off(struct wg_timers *t, unsigned long now,
				unsigned long jitter)
{
	unsigned long due, from = now;

	if (READ_ONCE(t->retry))
		return 0;
	if (!wg_timers_may_handshake(t, now))
		from = READ_ONCE(t->last_handshake);
	due = wg_deadline(from, WG_REKEY_TIMEOUT * HZ + jitter);
	WRITE_ONCE(t->unsent, true);
	WRITE_ONCE(t->retry, due);
	return due;
}

unsigned long wg_timers_keepalive_again(struct wg_timers *t, unsigned long now)
{
	unsigned long due = wg_deadline(now, WG_KEEPALIVE_TIMEOUT * HZ);

	WRITE_ONCE(t->keepalive, due);
	return due;
}

void wg_timers_trigger(struct wg_timers *t)
{
	if (READ_ONCE(t->attempts))
		WRITE_ONCE(t->attempts, 0);
}

void wg_timers_handshake_complete(struct wg_timers *t)
{
	WRITE_ONCE(t->retry, 0);
	WRITE_ONCE(t->attempts, 0);
}

unsigned long wg_timers_session_derived(struct wg_timers *t, unsigned long now)
{
	unsigned long due = wg_deadline(now, WG_ZERO_AFTER_TIME * HZ);

	WRITE_ONCE(t->zero, due);
	return due;
}

void wg_timers_reset_limit(struct wg_timers *t)
{
	WRITE_ONCE(t->handshake_sent, false);
}

void wg_timers_stop(struct wg_timers *t)
{
	WRITE_ONCE(t->retry, 0);
	WRITE_ONCE(t->keepalive, 0);
	WRITE_ONCE(t->silence, 0);
	WRITE_ONCE(t->zero, 0);
	WRITE_ONCE(t->persistent, 0);
	WRITE_ONCE(t->attempts, 0);
	WRITE_ONCE(t->more_data, false);
	WRITE_ONCE(t->unsent, false);
}

/* Takes a deadline that has come; else notes it as a candidate for @next. */
static bool take(unsigned long *deadline, unsigned long now,
		 unsigned long *next)
{
	unsigned long due;

	do {
		due = READ_ONCE(*deadline);
		if (!due)
			return false;
		if (time_before(now, due)) {
			*next = wg_earlier(*next, due);
			return false;
		}
		/* an event that moves it meanwhile wins */
	} while (cmpxchg(deadline, due, 0) != due);
	return true;
}

unsigned int wg_timers_decide(struct wg_timers *t, unsigned long now,
			      unsigned long *next)
{
	unsigned int todo = 0;

	*next = 0;
	if (take(&t->retry, now, next)) {
		/* one that was put off is no further attempt */
		unsigned int attempts = READ_ONCE(t->attempts) +
					!READ_ONCE(t->unsent);

		if (!wg_timers_may_handshake(t, now)) {
			/* a response of ours went out just now: likewise */
			unsigned long due =
				wg_deadline(READ_ONCE(t->last_handshake),
					    WG_REKEY_TIMEOUT * HZ +
					    READ_ONCE(t->jitter));

			WRITE_ONCE(t->retry, due);
			*next = wg_earlier(*next, due);
		} else if (attempts < WG_MAX_INITIATIONS) {
			WRITE_ONCE(t->attempts, attempts);
			todo |= WG_DO_RETRY;
		} else {
			todo |= WG_DO_GIVE_UP;
			WRITE_ONCE(t->keepalive, 0);
			WRITE_ONCE(t->more_data, false);
			if (!READ_ONCE(t->zero))
				wg_timers_session_derived(t, now);
		}
	}
	if (take(&t->keepalive, now, next)) {
		todo |= WG_DO_KEEPALIVE;
		if (READ_ONCE(t->more_data)) {
			WRITE_ONCE(t->more_data, false);
			todo |= WG_DO_KEEPALIVE_AGAIN;
		}
	}
	if (take(&t->silence, now, next))
		todo |= WG_DO_NEW_HANDSHAKE;
	if (take(&t->zero, now, next))
		todo |= WG_DO_ZERO;
	if (take(&t->persistent, now, next)) {
		unsigned int interval = READ_ONCE(t->interval);

		/* once more, whether there is memory to send it or not */
		if (interval) {
			unsigned long due =
				wg_deadline(now, interval * (unsigned long)HZ);

			WRITE_ONCE(t->persistent, due);
			*next = wg_earlier(*next, due);
			todo |= WG_DO_PERSISTENT;
		}
	}
	return todo;
}
