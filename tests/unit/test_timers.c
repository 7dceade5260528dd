// SPDX-License-Identifier: GPL-2.0-only
/*
 * Protocol, "Constants and timers": each rule by itself, random events against
 * a naive model, and two simulated peers on a virtual clock.
 *
 * Built three times, for HZ = 100, 250 and 1000.
 */
#include <limits.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include "kernel/standin.h"
#include "ktap.h"

/* Something may happen just before a field is exchanged. */
static void (*before_xchg)(void);
#undef xchg
#define xchg(ptr, new)							\
({									\
	if (before_xchg)						\
		before_xchg();						\
	__atomic_exchange_n((ptr), (new), __ATOMIC_SEQ_CST);		\
})
#include "timers.h"

#define SEC(n)		((unsigned long)(n) * HZ)
#define JITTER		(HZ / 3)

/* Where the clock may stand; it wraps soon after some of them. */
static const unsigned long starts[] = {
	0, 1, 12345, -300UL * HZ, -7UL * HZ, -1UL, -2UL, LONG_MAX - 8UL * HZ,
	(unsigned long)LONG_MAX, -601UL * HZ,
};

#define FOR_EACH_START(t0)						\
	for (unsigned int start_i = 0;					\
	     start_i < ARRAY_SIZE(starts) && ((t0) = starts[start_i], 1);\
	     start_i++)

static struct wg_timers t;
static unsigned long next;

static void reset(void)
{
	memset(&t, 0, sizeof(t));
}

static unsigned int decide(unsigned long now)
{
	next = 0x5a5a5a5a;
	return wg_timers_decide(&t, now, &next);
}

/* Nothing is due before a time, and then just that. */
static void due_at(unsigned long now, unsigned long delay, unsigned int todo)
{
	EXPECT_EQ(decide(now + delay - 1), 0);
	/* a deadline of 0 would read as "none": one jiffy later instead */
	if (now + delay == 0)
		delay++;
	EXPECT_EQ(next, now + delay);
	EXPECT_EQ(decide(now + delay), todo);
}

TEST(constants)
{
	EXPECT_EQ(WG_REKEY_AFTER_TIME, 120);
	EXPECT_EQ(WG_REJECT_AFTER_TIME, 180);
	EXPECT_EQ(WG_REKEY_TIMEOUT, 5);
	EXPECT_EQ(WG_KEEPALIVE_TIMEOUT, 10);
	EXPECT_EQ(WG_MAX_INITIATIONS, 20);
	EXPECT_EQ(WG_ZERO_AFTER_TIME, 540);
	EXPECT_EQ(WG_MAX_JITTER, HZ / 3);
}

TEST(nothing_at_the_start)
{
	unsigned long t0;

	FOR_EACH_START(t0) {
		reset();
		EXPECT_EQ(decide(t0), 0);
		EXPECT_EQ(next, 0);
		EXPECT(wg_timers_may_handshake(&t, t0));
	}
}

/* Rule 1 */

TEST_FN(one_handshake_in_5_s)
{
	bool initiation = param;
	unsigned long t0;

	FOR_EACH_START(t0) {
		reset();
		wg_timers_handshake_sent(&t, t0, initiation, 0);
		EXPECT(!wg_timers_may_handshake(&t, t0));
		EXPECT(!wg_timers_may_handshake(&t, t0 + 1));
		EXPECT(!wg_timers_may_handshake(&t, t0 + SEC(5) - 1));
		EXPECT(wg_timers_may_handshake(&t, t0 + SEC(5)));
		EXPECT(wg_timers_may_handshake(&t, t0 + SEC(5) + 1));
		EXPECT(wg_timers_may_handshake(&t, t0 + SEC(86400)));
		/* neither a new trigger nor its completion is an exception */
		wg_timers_trigger(&t);
		wg_timers_handshake_complete(&t);
		EXPECT(!wg_timers_may_handshake(&t, t0 + SEC(5) - 1));
		wg_timers_reset_limit(&t);
		EXPECT(wg_timers_may_handshake(&t, t0));
		EXPECT(wg_timers_may_handshake(&t, t0 + 1));
	}
}

TEST_CASE(one_handshake_in_5_s, after_an_initiation, 1)
TEST_CASE(one_handshake_in_5_s, after_a_response, 0)

/* What cannot be sent now is tried again, with nothing else to trigger it. */
TEST(put_off_till_the_limit_ends)
{
	unsigned long t0;

	FOR_EACH_START(t0) {
		reset();
		wg_timers_handshake_sent(&t, t0, false, 0);
		EXPECT_EQ(wg_timers_put_off(&t, t0 + SEC(2), 3),
			  wg_deadline(t0, SEC(5) + 3));
		/* once is enough */
		EXPECT_EQ(wg_timers_put_off(&t, t0 + SEC(3), 9), 0);
		due_at(t0, SEC(5) + 3, WG_DO_RETRY);
	}
}

/* Ours ended with it; where the peer's does not complete we begin anew. */
TEST(response_puts_off_an_initiation)
{
	unsigned long t0;

	FOR_EACH_START(t0) {
		reset();
		wg_timers_handshake_sent(&t, t0, true, 3);
		wg_timers_handshake_sent(&t, t0 + 20, false, SEC(2) + 5);
		due_at(t0 + 20, SEC(7) + 5, WG_DO_RETRY);
		/* none is out, none begins by itself */
		reset();
		wg_timers_handshake_sent(&t, t0, false, 3);
		EXPECT_EQ(t.retry, 0UL);
		/* never sooner than it was */
		reset();
		wg_timers_handshake_sent(&t, t0, true, SEC(3));
		wg_timers_handshake_sent(&t, t0 + 20, false, 0);
		EXPECT_EQ(t.retry, wg_deadline(t0, SEC(8)));
	}
}

TEST(put_off_without_a_limit)
{
	unsigned long t0;

	FOR_EACH_START(t0) {
		reset();
		EXPECT_EQ(wg_timers_put_off(&t, t0, 0),
			  wg_deadline(t0, SEC(5)));
		due_at(t0, SEC(5), WG_DO_RETRY);
		/* long after the last one */
		reset();
		wg_timers_handshake_sent(&t, t0, false, 0);
		EXPECT_EQ(wg_timers_put_off(&t, t0 + SEC(60), 0),
			  wg_deadline(t0, SEC(65)));
	}
}

TEST(put_off_ends_with_a_session)
{
	reset();
	EXPECT(wg_timers_put_off(&t, SEC(100), 0));
	wg_timers_handshake_complete(&t);
	EXPECT_EQ(decide(SEC(200)), 0);
}

TEST(put_off_leaves_a_retry_alone)
{
	reset();
	wg_timers_handshake_sent(&t, SEC(100), true, 7);
	EXPECT_EQ(wg_timers_put_off(&t, SEC(101), 0), 0);
	due_at(SEC(100), SEC(5) + 7, WG_DO_RETRY);
}

/* Rule 2 */

TEST(a_response_is_not_retried)
{
	reset();
	EXPECT_EQ(wg_timers_handshake_sent(&t, SEC(100), false, 3), 0);
	EXPECT_EQ(decide(SEC(1000)), 0);
	EXPECT_EQ(next, 0);
}

TEST(retry_after_5_s_and_jitter)
{
	static const unsigned long jitter[] = { 0, 1, JITTER / 2, JITTER - 1 };
	unsigned long t0;
	unsigned int i;

	FOR_EACH_START(t0) {
		for (i = 0; i < ARRAY_SIZE(jitter); i++) {
			unsigned long due = SEC(5) + jitter[i];

			reset();
			EXPECT_EQ(wg_timers_handshake_sent(&t, t0, true,
							   jitter[i]),
				  t0 + due ? t0 + due : 1);
			due_at(t0, due, WG_DO_RETRY);
			/* once only */
			EXPECT_EQ(decide(t0 + due + SEC(100)), 0);
			EXPECT_EQ(next, 0);
		}
	}
}

TEST(twenty_initiations_then_give_up)
{
	unsigned long t0;

	FOR_EACH_START(t0) {
		unsigned long now = t0;
		unsigned int todo, sent = 0;

		reset();
		wg_timers_trigger(&t);
		do {
			sent++;
			wg_timers_handshake_sent(&t, now, true, sent % JITTER);
			now += SEC(5) + sent % JITTER + 1;
			todo = decide(now);
			if (sent < 20)
				REQUIRE_EQ(todo, WG_DO_RETRY);
		} while (todo == WG_DO_RETRY && sent < 100);
		EXPECT_EQ(sent, 20);
		EXPECT_EQ(todo, WG_DO_GIVE_UP);
		/* rule 8 is armed then */
		due_at(now, SEC(540), WG_DO_ZERO);
		EXPECT_EQ(next, 0);
	}
}

static unsigned long use_up_attempts(unsigned long now)
{
	int i;

	wg_timers_trigger(&t);
	for (i = 0; i < 20; i++) {
		wg_timers_handshake_sent(&t, now, true, 0);
		if (i == 19)
			return now;
		now += SEC(5) + 1;
		decide(now);
	}
	return now;
}

TEST(giving_up_cancels_the_passive_keepalive)
{
	unsigned long t0;

	FOR_EACH_START(t0) {
		unsigned long now, give_up;

		reset();
		now = use_up_attempts(t0);
		give_up = now + SEC(5) + 1;
		wg_timers_received(&t, now, true);
		wg_timers_received(&t, now, true);
		EXPECT_EQ(decide(give_up), WG_DO_GIVE_UP);
		EXPECT_EQ(decide(give_up + SEC(20)), 0);
		/* and more data after it is the first again */
		wg_timers_received(&t, give_up + SEC(20), true);
		EXPECT_EQ(decide(give_up + SEC(31)), WG_DO_KEEPALIVE);
	}
}

TEST(giving_up_leaves_an_armed_zeroing_alone)
{
	unsigned long now, t0;

	FOR_EACH_START(t0) {
		reset();
		wg_timers_session_derived(&t, t0);
		now = use_up_attempts(t0 + SEC(100));
		EXPECT_EQ(decide(now + SEC(5) + 1), WG_DO_GIVE_UP);
		due_at(t0, SEC(540), WG_DO_ZERO);
	}
}

TEST(a_trigger_starts_the_count_anew)
{
	unsigned long now;
	int i;

	reset();
	now = use_up_attempts(SEC(7));
	wg_timers_trigger(&t);
	for (i = 0; i < 19; i++) {
		now += SEC(5) + 1;
		EXPECT_EQ(decide(now), WG_DO_RETRY);
		wg_timers_handshake_sent(&t, now, true, 0);
	}
	EXPECT_EQ(decide(now + SEC(5) + 1), WG_DO_GIVE_UP);
	/* and after giving up */
	now = use_up_attempts(now + SEC(50));
	EXPECT_EQ(decide(now + SEC(5) + 1), WG_DO_GIVE_UP);
}

TEST(retry_put_off_by_a_response_of_ours)
{
	unsigned long t0;

	/* rules 1 and 2 meet where two handshakes cross */
	FOR_EACH_START(t0) {
		unsigned long now;
		int i;

		reset();
		wg_timers_trigger(&t);
		wg_timers_handshake_sent(&t, t0, true, 0);
		wg_timers_handshake_sent(&t, t0 + SEC(2), false, 3);
		now = t0 + SEC(5) + 1;
		EXPECT_EQ(decide(now), 0);
		/* the retry is not lost, nor before its time */
		EXPECT(next && !time_before(next, t0 + SEC(7)));
		EXPECT(time_before(next, t0 + SEC(7) + JITTER + 2));
		EXPECT_EQ(decide(t0 + SEC(7) - 1), 0);
		now = t0 + SEC(7) + JITTER + 1;
		EXPECT(wg_timers_may_handshake(&t, now));
		EXPECT_EQ(decide(now), WG_DO_RETRY);
		/* and has used up no attempt */
		for (i = 0; i < 18; i++) {
			wg_timers_handshake_sent(&t, now, true, 0);
			now += SEC(5) + 1;
			EXPECT_EQ(decide(now), WG_DO_RETRY);
		}
		wg_timers_handshake_sent(&t, now, true, 0);
		EXPECT_EQ(decide(now + SEC(5) + 1), WG_DO_GIVE_UP);
		/* what completes the handshake ends it for good */
		reset();
		wg_timers_handshake_sent(&t, t0, true, 0);
		wg_timers_handshake_sent(&t, t0 + SEC(2), false, 3);
		EXPECT_EQ(decide(t0 + SEC(5) + 1), 0);
		wg_timers_handshake_complete(&t);
		EXPECT_EQ(decide(t0 + SEC(50)), 0);
	}
}

/* Armed by somebody who had not yet seen that a response of ours went out. */
TEST(retry_due_within_the_limit)
{
	unsigned long t0;

	FOR_EACH_START(t0) {
		reset();
		wg_timers_handshake_sent(&t, t0, false, 3);
		t.retry = wg_deadline(t0, SEC(1));
		EXPECT_EQ(decide(t0 + SEC(2)), 0);
		due_at(t0, SEC(5) + 3, WG_DO_RETRY);
	}
}

TEST(completion_ends_the_retries)
{
	unsigned long now;
	int i;

	reset();
	now = use_up_attempts(SEC(7));
	wg_timers_handshake_complete(&t);
	EXPECT_EQ(decide(now + SEC(50)), 0);
	EXPECT_EQ(next, 0);
	/* the next handshake has all its attempts */
	now += SEC(100);
	wg_timers_handshake_sent(&t, now, true, 0);
	for (i = 0; i < 19; i++) {
		now += SEC(5) + 1;
		EXPECT_EQ(decide(now), WG_DO_RETRY);
		wg_timers_handshake_sent(&t, now, true, 0);
	}
	EXPECT_EQ(decide(now + SEC(5) + 1), WG_DO_GIVE_UP);
}

/* Rule 6 */

TEST(keepalive_10_s_after_data)
{
	unsigned long t0;

	FOR_EACH_START(t0) {
		unsigned long due = t0 + SEC(10) ? t0 + SEC(10) : 1;

		reset();
		EXPECT_EQ(wg_timers_received(&t, t0, true), due);
		due_at(t0, SEC(10), WG_DO_KEEPALIVE);
		EXPECT_EQ(decide(t0 + SEC(100)), 0);
		EXPECT_EQ(next, 0);
	}
}

TEST(keepalive_runs_from_the_first_packet)
{
	unsigned long t0;
	int i;

	FOR_EACH_START(t0) {
		reset();
		wg_timers_received(&t, t0, true);
		for (i = 1; i < 10; i++)
			EXPECT_EQ(wg_timers_received(&t, t0 + SEC(i), true), 0);
		due_at(t0, SEC(10), WG_DO_KEEPALIVE | WG_DO_KEEPALIVE_AGAIN);
		EXPECT_EQ(decide(t0 + SEC(100)), 0);
	}
}

TEST(keepalive_once_more_and_no_more)
{
	unsigned long t0;

	FOR_EACH_START(t0) {
		unsigned long now = t0;

		reset();
		wg_timers_received(&t, now, true);
		wg_timers_received(&t, now + SEC(1), true);
		now += SEC(10) + 1;
		EXPECT_EQ(decide(now), WG_DO_KEEPALIVE | WG_DO_KEEPALIVE_AGAIN);
		wg_timers_sent(&t, now, false, 0);
		wg_timers_received(&t, now, true);
		due_at(now, SEC(10), WG_DO_KEEPALIVE);
	}
}

TEST(keepalive_cancelled_by_anything_sent)
{
	unsigned long now = SEC(100);
	int what;

	for (what = 0; what < 4; what++) {
		reset();
		wg_timers_received(&t, now, true);
		wg_timers_received(&t, now + 1, true);
		switch (what) {
		case 0:		/* data */
			wg_timers_sent(&t, now + SEC(9), true, 0);
			break;
		case 1:		/* a keepalive */
			wg_timers_sent(&t, now + SEC(9), false, 0);
			break;
		case 2:
			wg_timers_handshake_sent(&t, now + SEC(9), true, 0);
			break;
		case 3:
			wg_timers_handshake_sent(&t, now + SEC(9), false, 0);
			break;
		}
		EXPECT_EQ(decide(now + SEC(12)), 0);
		/* what came before does not count as "more data" any longer */
		reset();
		wg_timers_received(&t, now, true);
		wg_timers_received(&t, now + 1, true);
		wg_timers_sent(&t, now + 2, false, 0);
		wg_timers_received(&t, now + 3, true);
		EXPECT_EQ(decide(now + 4 + SEC(10)), WG_DO_KEEPALIVE);
	}
}

TEST(keepalive_not_armed_by_a_keepalive)
{
	reset();
	EXPECT_EQ(wg_timers_received(&t, SEC(1), false), 0);
	EXPECT_EQ(decide(SEC(1000)), 0);
	/* nor does one count as more data */
	wg_timers_received(&t, SEC(2000), true);
	wg_timers_received(&t, SEC(2001), false);
	EXPECT_EQ(decide(SEC(2011)), WG_DO_KEEPALIVE);
}

/* Rule 7 */

TEST(silence_for_15_s_and_jitter)
{
	static const unsigned long jitter[] = { 0, 1, JITTER - 1 };
	unsigned long t0;
	unsigned int i;

	FOR_EACH_START(t0) {
		for (i = 0; i < ARRAY_SIZE(jitter); i++) {
			unsigned long due = SEC(15) + jitter[i];

			reset();
			EXPECT_EQ(wg_timers_sent(&t, t0, true, jitter[i]),
				  t0 + due ? t0 + due : 1);
			/* later packets do not put it off */
			EXPECT_EQ(wg_timers_sent(&t, t0 + SEC(3), true, 0), 0);
			EXPECT_EQ(wg_timers_sent(&t, t0 + SEC(14), true, 5), 0);
			due_at(t0, due, WG_DO_NEW_HANDSHAKE);
			EXPECT_EQ(decide(t0 + SEC(100)), 0);
		}
	}
}

TEST(silence_ended_by_anything_received)
{
	int data;

	for (data = 0; data < 2; data++) {
		reset();
		wg_timers_sent(&t, SEC(5), true, 0);
		wg_timers_received(&t, SEC(19), data);
		EXPECT_EQ(decide(SEC(25)) & WG_DO_NEW_HANDSHAKE, 0);
		/* the next data packet starts it anew */
		wg_timers_sent(&t, SEC(50), true, 0);
		due_at(SEC(50), SEC(15), WG_DO_NEW_HANDSHAKE);
	}
}

TEST(silence_not_armed_by_keepalives_or_handshakes)
{
	reset();
	EXPECT_EQ(wg_timers_sent(&t, SEC(5), false, 3), 0);
	wg_timers_handshake_sent(&t, SEC(5), false, 3);
	wg_timers_handshake_sent(&t, SEC(5), true, 3);
	wg_timers_handshake_complete(&t);
	EXPECT_EQ(decide(SEC(1000)), 0);
	EXPECT_EQ(next, 0);
}

/* Rule 8 */

TEST(zero_540_s_after_the_last_session)
{
	unsigned long t0;

	FOR_EACH_START(t0) {
		unsigned long due = t0 + SEC(540) ? t0 + SEC(540) : 1;

		reset();
		EXPECT_EQ(wg_timers_session_derived(&t, t0), due);
		due_at(t0, SEC(540), WG_DO_ZERO);
		EXPECT_EQ(decide(t0 + SEC(2000)), 0);
		EXPECT_EQ(next, 0);

		/* a new session puts it off, traffic does not */
		wg_timers_session_derived(&t, t0);
		wg_timers_session_derived(&t, t0 + SEC(120));
		wg_timers_received(&t, t0 + SEC(121), false);
		wg_timers_sent(&t, t0 + SEC(122), false, 0);
		due_at(t0 + SEC(120), SEC(540), WG_DO_ZERO);
	}
}

/* Rule 9 */

static const u16 intervals[] = { 1, 2, 25, 120, 600, 32767, 32768, 65535 };

TEST(persistent_off_by_default)
{
	reset();
	wg_timers_sent(&t, SEC(1), false, 0);
	wg_timers_received(&t, SEC(1), false);
	EXPECT_EQ(decide(SEC(100000)), 0);
	EXPECT_EQ(next, 0);
}

static void traverse(int what, unsigned long now)
{
	switch (what) {
	case 0:
		wg_timers_sent(&t, now, false, 0);
		break;
	case 1:
		wg_timers_received(&t, now, false);
		break;
	case 2:
		wg_timers_handshake_sent(&t, now, false, 0);
		break;
	case 3:
		wg_timers_handshake_sent(&t, now, true, 0);
		wg_timers_handshake_complete(&t);
		break;
	case 4:
		wg_timers_sent(&t, now, true, 0);
		WRITE_ONCE(t.silence, 0);
		break;
	case 5:
		wg_timers_received(&t, now, true);
		WRITE_ONCE(t.keepalive, 0);
		break;
	}
}

TEST(persistent_after_any_packet_either_way)
{
	unsigned long t0;
	unsigned int i;
	int what;

	FOR_EACH_START(t0) {
		for (i = 0; i < ARRAY_SIZE(intervals); i++) {
			for (what = 0; what < 6; what++) {
				reset();
				t.interval = intervals[i];
				traverse(what, t0);
				due_at(t0, SEC(intervals[i]),
				       WG_DO_PERSISTENT);
			}
			/* the last one counts */
			reset();
			t.interval = intervals[i];
			traverse(0, t0);
			traverse(1, t0 + HZ / 2);
			due_at(t0 + HZ / 2, SEC(intervals[i]),
			       WG_DO_PERSISTENT);
		}
	}
}

TEST(persistent_change_takes_effect_at_the_next_packet)
{
	reset();
	t.interval = 25;
	wg_timers_sent(&t, SEC(100), false, 0);
	t.interval = 5;
	EXPECT_EQ(decide(SEC(106)), 0);
	EXPECT_EQ(next, SEC(125));
	wg_timers_received(&t, SEC(107), false);
	due_at(SEC(107), SEC(5), WG_DO_PERSISTENT);
	t.interval = 65535;
	wg_timers_sent(&t, SEC(112), false, 0);
	due_at(SEC(112), SEC(65535), WG_DO_PERSISTENT);
}

TEST(persistent_switched_off)
{
	reset();
	t.interval = 25;
	wg_timers_sent(&t, SEC(100), false, 0);
	t.interval = 0;
	EXPECT_EQ(decide(SEC(130)), 0);
	wg_timers_sent(&t, SEC(131), false, 0);
	EXPECT_EQ(decide(SEC(1000)), 0);
	EXPECT_EQ(next, 0);
}

/* Where there is no memory to send one, the next has its turn all the same. */
TEST(persistent_goes_on_though_none_is_sent)
{
	unsigned long t0, now, due;
	int i;

	FOR_EACH_START(t0) {
		reset();
		t.interval = 25;
		now = wg_timers_sent(&t, t0, false, 0);
		for (i = 0; i < 5; i++) {
			EXPECT_EQ(decide(now - 1), 0);
			EXPECT_EQ(decide(now), WG_DO_PERSISTENT);
			due = now + SEC(25) ? now + SEC(25) : 1;
			EXPECT_EQ(next, due);
			now = due;
		}
		t.interval = 0;
		EXPECT_EQ(decide(now), 0);
		EXPECT_EQ(next, 0);
	}
}

/*
 * Whoever keeps the kernel timer hears of a deadline by what these functions
 * return. The timer sleeps till the zeroing in 540 s, say: a persistent
 * keepalive that is armed before that must be returned.
 */
TEST(persistent_newly_armed_is_returned)
{
	unsigned long t0;

	FOR_EACH_START(t0) {
		unsigned long due = t0 + SEC(3) ? t0 + SEC(3) : 1;

		reset();
		wg_timers_session_derived(&t, t0);
		t.interval = 3;
		EXPECT_EQ(wg_timers_sent(&t, t0, false, 0), due);
		reset();
		t.interval = 3;
		EXPECT_EQ(wg_timers_sent(&t, t0, true, 0), due);
		reset();
		t.interval = 3;
		EXPECT_EQ(wg_timers_received(&t, t0, false), due);
		reset();
		t.interval = 3;
		EXPECT_EQ(wg_timers_received(&t, t0, true), due);
		reset();
		t.interval = 3;
		EXPECT_EQ(wg_timers_handshake_sent(&t, t0, false, 0), due);
		reset();
		t.interval = 3;
		EXPECT_EQ(wg_timers_handshake_sent(&t, t0, true, 0), due);
	}
}

/* Rule 10 */

TEST(stop_forgets_every_deadline)
{
	reset();
	t.interval = 25;
	wg_timers_handshake_sent(&t, SEC(10), true, 0);
	wg_timers_session_derived(&t, SEC(10));
	wg_timers_sent(&t, SEC(10), true, 0);
	wg_timers_received(&t, SEC(10), true);
	wg_timers_sent(&t, SEC(10), true, 0);
	wg_timers_received(&t, SEC(10), true);
	wg_timers_received(&t, SEC(10), true);
	wg_timers_stop(&t);
	EXPECT_EQ(decide(SEC(100000)), 0);
	EXPECT_EQ(next, 0);
	EXPECT_EQ(t.interval, 25);
	/* the limit stays, by itself */
	EXPECT(!wg_timers_may_handshake(&t, SEC(11)));
	/* "more data" does not */
	wg_timers_received(&t, SEC(200000), true);
	EXPECT_EQ(decide(SEC(200011)), WG_DO_KEEPALIVE);
}

TEST(stop_forgets_the_attempts)
{
	unsigned long now;
	int i;

	reset();
	now = use_up_attempts(SEC(7));
	wg_timers_stop(&t);
	for (i = 0; i < 19; i++) {
		now += SEC(6);
		wg_timers_handshake_sent(&t, now, true, 0);
		EXPECT_EQ(decide(now + SEC(5)), WG_DO_RETRY);
	}
}

/* Not armed is a 0: a deadline that falls on it must not be lost. */
TEST(deadline_at_jiffy_zero)
{
	static const struct {
		int seconds;
		unsigned int todo;
	} cases[] = {
		{ 5, WG_DO_RETRY }, { 10, WG_DO_KEEPALIVE },
		{ 15, WG_DO_NEW_HANDSHAKE }, { 540, WG_DO_ZERO },
		{ 25, WG_DO_PERSISTENT },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned long t0 = -SEC(cases[i].seconds), armed = 0;

		reset();
		switch (cases[i].todo) {
		case WG_DO_RETRY:
			armed = wg_timers_handshake_sent(&t, t0, true, 0);
			break;
		case WG_DO_KEEPALIVE:
			armed = wg_timers_received(&t, t0, true);
			break;
		case WG_DO_NEW_HANDSHAKE:
			armed = wg_timers_sent(&t, t0, true, 0);
			break;
		case WG_DO_ZERO:
			armed = wg_timers_session_derived(&t, t0);
			break;
		case WG_DO_PERSISTENT:
			t.interval = cases[i].seconds;
			armed = wg_timers_sent(&t, t0, false, 0);
			break;
		}
		EXPECT_EQ(armed, 1);
		EXPECT_EQ(decide(-1UL), 0);
		EXPECT_EQ(next, 1);
		EXPECT_EQ(decide(1), cases[i].todo);
	}
	/* and a handshake that was sent at jiffy 0 counts */
	reset();
	wg_timers_handshake_sent(&t, 0, true, 0);
	EXPECT(!wg_timers_may_handshake(&t, 1));
}

/* All of it at once */

TEST(several_due_together)
{
	reset();
	t.interval = 1;
	wg_timers_session_derived(&t, SEC(1));
	wg_timers_handshake_sent(&t, SEC(1), true, 0);
	wg_timers_sent(&t, SEC(1), true, 0);
	/* not through received(), which would end the silence */
	t.keepalive = SEC(11);
	EXPECT_EQ(decide(SEC(1000)), WG_DO_RETRY | WG_DO_KEEPALIVE |
		  WG_DO_NEW_HANDSHAKE | WG_DO_ZERO | WG_DO_PERSISTENT);
	EXPECT_EQ(next, SEC(1001));
}

TEST(next_is_the_earliest)
{
	unsigned long t0;

	FOR_EACH_START(t0) {
		reset();
		wg_timers_session_derived(&t, t0);
		EXPECT_EQ(decide(t0), 0);
		EXPECT_EQ(next, t0 + SEC(540) ? t0 + SEC(540) : 1);
		wg_timers_sent(&t, t0, true, 0);
		EXPECT_EQ(decide(t0), 0);
		EXPECT_EQ(next, t0 + SEC(15) ? t0 + SEC(15) : 1);
		wg_timers_handshake_sent(&t, t0, true, 0);
		EXPECT_EQ(decide(t0), 0);
		EXPECT_EQ(next, t0 + SEC(5) ? t0 + SEC(5) : 1);
		wg_timers_handshake_complete(&t);
		EXPECT_EQ(decide(t0), 0);
		EXPECT_EQ(next, t0 + SEC(15) ? t0 + SEC(15) : 1);
	}
}

/* A naive model: deadlines on a clock that never wraps, negative for none */

struct model {
	s64 retry, keepalive, silence, zero, persistent, last;
	int attempts, interval, jitter;
	bool sent, more;
};

static struct model m;
static unsigned long base;

static void m_traversed(s64 now)
{
	if (m.interval)
		m.persistent = now + (s64)m.interval * HZ;
}

static void m_sent(s64 now, bool data, int jitter)
{
	m.keepalive = -1;
	m.more = false;
	m_traversed(now);
	if (data && m.silence < 0)
		m.silence = now + 15 * HZ + jitter;
}

static void m_received(s64 now, bool data)
{
	m.silence = -1;
	m_traversed(now);
	if (!data)
		return;
	if (m.keepalive < 0)
		m.keepalive = now + 10 * HZ;
	else
		m.more = true;
}

static void m_handshake(s64 now, bool initiation, int jitter)
{
	m.last = now;
	m.jitter = jitter;
	m.sent = true;
	m_sent(now, false, 0);
	/* a response puts off an initiation that is out */
	if (initiation ||
	    (m.retry >= 0 && m.retry < now + 5 * HZ + jitter))
		m.retry = now + 5 * HZ + jitter;
}

static bool m_take(s64 *deadline, s64 now)
{
	if (*deadline < 0 || *deadline > now)
		return false;
	*deadline = -1;
	return true;
}

static s64 m_soonest(void)
{
	const s64 all[] = { m.retry, m.keepalive, m.silence, m.zero,
			    m.persistent };
	s64 soonest = -1;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i] >= 0 && (soonest < 0 || all[i] < soonest))
			soonest = all[i];
	return soonest;
}

static unsigned int m_decide(s64 now)
{
	unsigned int todo = 0;

	if (m_take(&m.retry, now)) {
		if (m.sent && now - m.last < 5 * HZ) {
			/* rule 1: not yet */
			m.retry = m.last + 5 * HZ + m.jitter;
		} else if (m.attempts < 19) {
			m.attempts++;
			todo |= WG_DO_RETRY;
		} else {
			todo |= WG_DO_GIVE_UP;
			m.keepalive = -1;
			m.more = false;
			if (m.zero < 0)
				m.zero = now + 540 * HZ;
		}
	}
	if (m_take(&m.keepalive, now)) {
		todo |= WG_DO_KEEPALIVE;
		if (m.more)
			todo |= WG_DO_KEEPALIVE_AGAIN;
		m.more = false;
	}
	if (m_take(&m.silence, now))
		todo |= WG_DO_NEW_HANDSHAKE;
	if (m_take(&m.zero, now))
		todo |= WG_DO_ZERO;
	if (m_take(&m.persistent, now) && m.interval) {
		todo |= WG_DO_PERSISTENT;
		m_traversed(now);
	}
	return todo;
}

TEST(random_events)
{
	unsigned int count[7] = { 0 };
	unsigned int i, k, round = 0;
	s64 now = 0;

	for (i = 0; i < 1500000; i++) {
		u64 r = standin_rand();
		unsigned long j = (r >> 40) % JITTER, jn, due = 0;
		unsigned int is, should;
		s64 soonest;

		if (i % 5000 == 0) {
			/* a fresh peer; jiffies wraps somewhere on the way */
			reset();
			memset(&m, 0, sizeof(m));
			m.retry = m.keepalive = m.silence = m.zero = -1;
			m.persistent = -1;
			now = 0;
			next = 0;
			base = round % 3 ? -(unsigned long)((r >> 8) %
							    (2000 * HZ)) : r;
			base |= 1;
			round++;
		}
		/* mostly in seconds, now and then at the very jiffy */
		now += r % 16 ? (s64)(r >> 4) % (2 * HZ) :
				(s64)(r >> 4) % (40 * HZ);
		jn = base + now;
		switch ((r >> 32) % 24) {
		case 0 ... 1:
			due = wg_timers_sent(&t, jn, true, j);
			m_sent(now, true, j);
			break;
		case 2:
			due = wg_timers_sent(&t, jn, false, j);
			m_sent(now, false, j);
			break;
		case 3 ... 4:
			due = wg_timers_received(&t, jn, true);
			m_received(now, true);
			break;
		case 5:
			due = wg_timers_received(&t, jn, false);
			m_received(now, false);
			break;
		case 6:
			if (round % 2) {
				wg_timers_trigger(&t);
				m.attempts = 0;
			}
			break;
		case 7:
			if (round % 2) {
				wg_timers_handshake_complete(&t);
				m.retry = -1;
				m.attempts = 0;
			}
			break;
		case 8:
			if (r >> 60 == 0) {
				due = wg_timers_session_derived(&t, jn);
				m.zero = now + 540 * HZ;
			}
			break;
		case 9:
			if (r >> 59 == 0) {
				wg_timers_stop(&t);
				m.retry = m.keepalive = m.silence = -1;
				m.zero = m.persistent = -1;
				m.attempts = 0;
				m.more = false;
			}
			break;
		case 10:
			m.interval = (r >> 56) % 4 ? 0 : 1 + (r >> 50) % 60;
			t.interval = m.interval;
			break;
		case 11:
			if (r >> 60 == 1) {
				wg_timers_reset_limit(&t);
				m.sent = false;
			}
			break;
		case 12 ... 13:
			due = wg_timers_handshake_sent(&t, jn, (r >> 50) % 4,
						       j);
			m_handshake(now, (r >> 50) % 4, j);
			break;
		default:
			/* let it come to the next deadline, often exactly */
			if (next && r % 2 && time_before(jn, next) &&
			    next - jn < 600UL * HZ) {
				now += next - jn;
				jn = next;
			}
			break;
		}
		REQUIRE_EQ(wg_timers_may_handshake(&t, jn),
			   !m.sent || now - m.last >= 5 * HZ);
		/* what is returned is a deadline that really is there */
		if (due)
			REQUIRE(due == t.retry || due == t.keepalive ||
				due == t.silence || due == t.zero ||
				due == t.persistent);
		/* a timer set by what was returned never sleeps too long */
		soonest = m_soonest();
		if (!next || (due && time_before(due, next)))
			next = due;
		if (soonest >= 0 && base + (unsigned long)soonest)
			REQUIRE_MSG(next && !time_after(next, base +
							(unsigned long)soonest),
				    "step %u: the timer is not told", i);
		should = m_decide(now);
		soonest = m_soonest();
		is = decide(jn);
		REQUIRE_MSG(is == should, "step %u: %#x, should be %#x", i, is,
			    should);
		/* base is odd and so the clock passes 0: one jiffy of grace */
		if (soonest < 0)
			REQUIRE_EQ(next, 0);
		else
			REQUIRE(next == base + (unsigned long)soonest ||
				(base + (unsigned long)soonest == 0 &&
				 next == 1));
		if (base + (unsigned long)soonest == 0)
			i += 5000 - i % 5000 - 1;	/* start over */
		for (k = 0; k < 7; k++)
			count[k] += is >> k & 1;
	}
	ktap_note("retry %u, give up %u, keepalive %u, again %u, new %u, zero %u, persistent %u",
		  count[0], count[1], count[2], count[3], count[4], count[5],
		  count[6]);
	for (k = 0; k < 7; k++)
		EXPECT(count[k] > 100);
}

/*
 * Two peers on a wire. What they do follows the protocol's rules; when they
 * do it is what the timers say: the kernel timer is set from nothing but the
 * deadlines that wg_timers_*() return.
 */

enum sim_msg { INITIATION, RESPONSE, DATA, KEEPALIVE, KINDS };

struct sim_session {
	int id;
	s64 born;
	bool initiator;
};

struct sim_peer {
	struct wg_timers t;
	unsigned long timer;		/* the kernel timer, 0 is off */
	struct sim_session previous, current, next;
	int outstanding;		/* our initiation, 0 is none */
	int staged;
	bool rekey_asked;
	bool cable;			/* what it sends arrives */
	/* seen from outside */
	int sent[KINDS], got[KINDS];
	s64 when[KINDS], first_initiation;
	int give_ups, zeroed, new_handshakes, dropped, retries;
	s64 gave_up_at, zeroed_at, new_handshake_at;
	s64 least_gap, greatest_gap;	/* between initiations */
};

struct sim_flight {
	s64 due;
	struct sim_peer *to;
	enum sim_msg kind;
	int id;
};

static struct sim_peer peer_a, peer_b;
static struct sim_flight flight[1024];
static int flights, last_id;
static s64 clock_now;
static unsigned long clock_base;
static void (*script)(void);

#define LATENCY	(HZ / 50 + 1)

static unsigned long sim_jiffies(void)
{
	return clock_base + (unsigned long)clock_now;
}

static unsigned long sim_jitter(void)
{
	return standin_rand() % WG_MAX_JITTER;
}

static struct sim_peer *other(struct sim_peer *p)
{
	return p == &peer_a ? &peer_b : &peer_a;
}

static void sim_arm(struct sim_peer *p, unsigned long deadline)
{
	if (deadline && (!p->timer || time_before(deadline, p->timer)))
		p->timer = deadline;
}

static void transmit(struct sim_peer *p, enum sim_msg kind, int id)
{
	p->sent[kind]++;
	if (kind == INITIATION) {
		if (p->sent[kind] == 1) {
			p->first_initiation = clock_now;
		} else {
			s64 gap = clock_now - p->when[kind];

			if (!p->least_gap || gap < p->least_gap)
				p->least_gap = gap;
			if (gap > p->greatest_gap)
				p->greatest_gap = gap;
		}
	}
	p->when[kind] = clock_now;
	if (!p->cable)
		return;
	REQUIRE(flights < (int)ARRAY_SIZE(flight));
	flight[flights++] = (struct sim_flight){
		clock_now + LATENCY, other(p), kind, id
	};
}

static bool usable(const struct sim_session *s)
{
	return s->id && clock_now - s->born < 180 * HZ;
}

static void want_handshake(struct sim_peer *p, bool retry)
{
	if (!retry)
		wg_timers_trigger(&p->t);
	if (!wg_timers_may_handshake(&p->t, sim_jiffies()))
		return;
	sim_arm(p, wg_timers_handshake_sent(&p->t, sim_jiffies(), true,
					    sim_jitter()));
	p->outstanding = ++last_id;
	transmit(p, INITIATION, p->outstanding);
}

static void send_on_session(struct sim_peer *p, bool data)
{
	sim_arm(p, wg_timers_sent(&p->t, sim_jiffies(), data, sim_jitter()));
	transmit(p, data ? DATA : KEEPALIVE, p->current.id);
	/* rule 3 */
	if (p->current.initiator && clock_now - p->current.born > 120 * HZ)
		want_handshake(p, false);
}

static void send_staged(struct sim_peer *p)
{
	for (; p->staged; p->staged--)
		send_on_session(p, true);
}

static void send_data(struct sim_peer *p)
{
	p->staged++;
	if (usable(&p->current))
		send_staged(p);
	else
		want_handshake(p, false);
}

static void send_keepalive(struct sim_peer *p)
{
	if (usable(&p->current))
		send_on_session(p, false);
	else
		want_handshake(p, false);
}

static void on_message(struct sim_peer *p, enum sim_msg kind, int id)
{
	unsigned long j = sim_jiffies();
	struct sim_session s = { id, clock_now, false };

	switch (kind) {
	case INITIATION:
		p->got[kind]++;
		sim_arm(p, wg_timers_received(&p->t, j, false));
		p->outstanding = 0;
		p->previous.id = 0;
		p->next = s;
		sim_arm(p, wg_timers_handshake_sent(&p->t, j, false,
						    sim_jitter()));
		sim_arm(p, wg_timers_session_derived(&p->t, j));
		transmit(p, RESPONSE, id);
		break;
	case RESPONSE:
		if (id != p->outstanding)
			break;
		p->got[kind]++;
		p->outstanding = 0;
		sim_arm(p, wg_timers_received(&p->t, j, false));
		s.initiator = true;
		p->previous = p->current;
		p->current = s;
		p->rekey_asked = false;
		wg_timers_handshake_complete(&p->t);
		sim_arm(p, wg_timers_session_derived(&p->t, j));
		if (p->staged)
			send_staged(p);
		else
			send_keepalive(p);
		break;
	default:
		if (id && id == p->next.id) {
			p->previous = p->current;
			p->current = p->next;
			p->next.id = 0;
			wg_timers_handshake_complete(&p->t);
			send_staged(p);
		} else if (id != p->current.id && id != p->previous.id) {
			break;
		}
		if (id == p->current.id && !usable(&p->current))
			break;
		p->got[kind]++;
		sim_arm(p, wg_timers_received(&p->t, j, kind == DATA));
		/* rule 4 */
		if (p->current.initiator && !p->rekey_asked &&
		    clock_now - p->current.born > 165 * HZ) {
			p->rekey_asked = true;
			want_handshake(p, false);
		}
		break;
	}
}

static void on_timer(struct sim_peer *p)
{
	unsigned int todo;
	unsigned long soonest;

	p->timer = 0;
	todo = wg_timers_decide(&p->t, sim_jiffies(), &soonest);
	sim_arm(p, soonest);
	if (todo & WG_DO_RETRY) {
		p->retries++;
		want_handshake(p, true);
	}
	if (todo & WG_DO_GIVE_UP) {
		p->give_ups++;
		p->gave_up_at = clock_now;
		p->dropped += p->staged;
		p->staged = 0;
	}
	if (todo & WG_DO_ZERO) {
		p->zeroed++;
		p->zeroed_at = clock_now;
		p->previous.id = p->current.id = p->next.id = 0;
		p->outstanding = 0;
	}
	if (todo & WG_DO_NEW_HANDSHAKE) {
		p->new_handshakes++;
		p->new_handshake_at = clock_now;
		want_handshake(p, false);
	}
	if (todo & (WG_DO_KEEPALIVE | WG_DO_PERSISTENT))
		send_keepalive(p);
	if (todo & WG_DO_KEEPALIVE_AGAIN)
		sim_arm(p, wg_timers_received(&p->t, sim_jiffies(), true));
}

static void sim_start(unsigned long jiffies_at_start)
{
	memset(&peer_a, 0, sizeof(peer_a));
	memset(&peer_b, 0, sizeof(peer_b));
	peer_a.cable = true;
	peer_b.cable = true;
	flights = 0;
	last_id = 0;
	clock_now = 0;
	clock_base = jiffies_at_start;
	script = NULL;
}

static void sim_run(s64 jiffies_more)
{
	s64 end = clock_now + jiffies_more;

	for (; clock_now < end; clock_now++) {
		struct sim_peer *p;
		int i, n = 0;

		if (script)
			script();
		/* in the order sent; what is sent meanwhile comes later */
		for (i = 0; i < flights; i++) {
			struct sim_flight f = flight[i];

			if (f.due <= clock_now)
				on_message(f.to, f.kind, f.id);
			else
				flight[n++] = f;
		}
		flights = n;
		for (p = &peer_a; ; p = &peer_b) {
			if (p->timer && !time_before(sim_jiffies(), p->timer))
				on_timer(p);
			if (p == &peer_b)
				break;
		}
	}
}

static int total(const struct sim_peer *p)
{
	return p->sent[INITIATION] + p->sent[RESPONSE] + p->sent[DATA] +
	       p->sent[KEEPALIVE];
}

/* An initiation a jiffy late for each wrap of the clock is no fault. */
#define NEAR(is, should)	((is) >= (should) && (is) <= (should) + 2)

TEST(sim_one_packet)
{
	unsigned long t0;

	FOR_EACH_START(t0) {
		sim_start(t0);
		send_data(&peer_a);
		EXPECT_EQ(peer_a.sent[INITIATION], 1);
		sim_run(SEC(9));
		/* handshake, the packet, and no keepalive to confirm it */
		EXPECT_EQ(peer_a.sent[INITIATION], 1);
		EXPECT_EQ(peer_b.sent[RESPONSE], 1);
		EXPECT_EQ(peer_b.got[DATA], 1);
		EXPECT_EQ(peer_a.sent[KEEPALIVE], 0);
		EXPECT_EQ(peer_b.sent[KEEPALIVE], 0);
		sim_run(SEC(51));
		/* one passive keepalive, 10 s after the packet came */
		EXPECT_EQ(peer_b.sent[KEEPALIVE], 1);
		EXPECT(NEAR(peer_b.when[KEEPALIVE], 10 * HZ + 3 * LATENCY));
		EXPECT_EQ(peer_a.sent[KEEPALIVE], 0);
		EXPECT_EQ(total(&peer_a), 2);
		EXPECT_EQ(total(&peer_b), 2);
		/* and then silence, until the keys go */
		sim_run(SEC(600));
		EXPECT_EQ(total(&peer_a), 2);
		EXPECT_EQ(total(&peer_b), 2);
		EXPECT_EQ(peer_a.zeroed, 1);
		EXPECT_EQ(peer_b.zeroed, 1);
		EXPECT(NEAR(peer_a.zeroed_at, 540 * HZ + 2 * LATENCY));
		EXPECT(NEAR(peer_b.zeroed_at, 540 * HZ + LATENCY));
		if (ktap_failed())
			return;
	}
}

TEST(sim_handshake_without_data)
{
	sim_start(12345);
	send_keepalive(&peer_a);
	sim_run(SEC(60));
	EXPECT_EQ(peer_a.sent[INITIATION], 1);
	EXPECT_EQ(peer_b.sent[RESPONSE], 1);
	EXPECT_EQ(peer_a.sent[KEEPALIVE], 1);
	EXPECT_EQ(peer_b.sent[KEEPALIVE], 0);
	EXPECT_EQ(peer_b.current.id, peer_a.current.id);
}

TEST(sim_nobody_there)
{
	unsigned long t0;

	FOR_EACH_START(t0) {
		sim_start(t0);
		peer_a.cable = false;
		send_data(&peer_a);
		send_data(&peer_a);
		sim_run(SEC(700));
		EXPECT_EQ(peer_a.sent[INITIATION], 20);
		EXPECT(peer_a.least_gap >= 5 * HZ);
		EXPECT(peer_a.greatest_gap < 5 * HZ + HZ / 3 + 2);
		EXPECT(peer_a.greatest_gap > peer_a.least_gap);
		EXPECT(peer_a.when[INITIATION] >= 95 * HZ);
		EXPECT(peer_a.when[INITIATION] <= 102 * HZ);
		EXPECT_EQ(peer_a.give_ups, 1);
		EXPECT_EQ(peer_a.dropped, 2);
		EXPECT(peer_a.gave_up_at >= peer_a.when[INITIATION] + 5 * HZ);
		EXPECT(peer_a.gave_up_at <=
		       peer_a.when[INITIATION] + 5 * HZ + HZ / 3 + 2);
		EXPECT_EQ(peer_a.zeroed, 1);
		EXPECT(NEAR(peer_a.zeroed_at, peer_a.gave_up_at + 540 * HZ));
		/* and all over again with the next packet */
		send_data(&peer_a);
		sim_run(SEC(300));
		EXPECT_EQ(peer_a.sent[INITIATION], 40);
		EXPECT_EQ(peer_a.give_ups, 2);
		if (ktap_failed())
			return;
	}
}

static void packet_every_second(void)
{
	if (clock_now % HZ == 0)
		send_data(&peer_a);
}

TEST(sim_nobody_there_and_more_packets)
{
	sim_start(-50UL * HZ);
	peer_a.cable = false;
	script = packet_every_second;
	sim_run(SEC(300));
	/* each is a trigger: it never gives up, and never goes faster */
	EXPECT(peer_a.sent[INITIATION] >= 300 / 6);
	EXPECT(peer_a.sent[INITIATION] <= 300 / 5 + 1);
	EXPECT(peer_a.least_gap >= 5 * HZ);
	EXPECT_EQ(peer_a.give_ups, 0);
}

TEST(sim_traffic_one_way)
{
	unsigned long t0;

	FOR_EACH_START(t0) {
		int i;

		sim_start(t0);
		script = packet_every_second;
		sim_run(SEC(60));
		EXPECT_EQ(peer_a.sent[INITIATION], 1);
		EXPECT_EQ(peer_a.new_handshakes, 0);
		/* a keepalive every 10 s is all that comes back */
		EXPECT(peer_b.sent[KEEPALIVE] >= 5);
		EXPECT(peer_b.sent[KEEPALIVE] <= 6);
		sim_run(SEC(540));
		/* a new session every 120 s, made by the initiator alone */
		EXPECT_EQ(peer_a.sent[INITIATION], 5);
		EXPECT_EQ(peer_b.sent[INITIATION], 0);
		EXPECT_EQ(peer_a.new_handshakes, 0);
		EXPECT_EQ(peer_a.give_ups + peer_b.give_ups, 0);
		EXPECT_EQ(peer_a.zeroed + peer_b.zeroed, 0);
		EXPECT_EQ(peer_b.got[DATA], 600);
		for (i = 0; i < KINDS; i++)
			EXPECT_EQ(peer_b.got[i], peer_a.sent[i]);
		if (ktap_failed())
			return;
	}
}

static void both_every_second(void)
{
	if (clock_now % HZ == 0)
		send_data(&peer_a);
	if (clock_now % HZ == HZ / 2 && clock_now > HZ)
		send_data(&peer_b);
}

TEST(sim_traffic_both_ways)
{
	sim_start(-50UL * HZ);
	script = both_every_second;
	sim_run(SEC(600));
	EXPECT_EQ(peer_a.sent[INITIATION], 5);
	EXPECT_EQ(peer_b.sent[INITIATION], 0);
	/* none but those that confirm the later sessions */
	EXPECT_EQ(peer_a.sent[KEEPALIVE], 4);
	EXPECT_EQ(peer_b.sent[KEEPALIVE], 0);
	EXPECT_EQ(peer_b.got[DATA], 600);
	EXPECT_EQ(peer_a.got[DATA], 599);
}

static void responder_only(void)
{
	if (clock_now == 0)
		send_keepalive(&peer_a);
	if (clock_now % HZ == 0 && clock_now > HZ)
		send_data(&peer_b);
}

TEST(sim_initiator_that_only_receives)
{
	/* passive keepalives are sent, so rule 3 holds before rule 4 does */
	sim_start(5);
	script = responder_only;
	sim_run(SEC(600));
	EXPECT(peer_a.sent[INITIATION] >= 5);
	EXPECT_EQ(peer_b.sent[INITIATION], 0);
	EXPECT_EQ(peer_a.got[DATA], 598);
}

TEST(sim_cable_cut_and_mended)
{
	unsigned long t0;

	FOR_EACH_START(t0) {
		s64 cut;

		sim_start(t0);
		script = packet_every_second;
		sim_run(SEC(30) + HZ / 2);
		peer_a.cable = false;
		peer_b.cable = false;
		cut = clock_now;
		sim_run(SEC(35));
		/* silence shows within 10 + 15 s, then tries every 5 s */
		EXPECT(peer_a.new_handshakes >= 1);
		EXPECT(peer_a.sent[INITIATION] >= 2);
		EXPECT(peer_a.least_gap >= 5 * HZ);
		EXPECT(peer_a.when[INITIATION] > cut + 14 * HZ);
		peer_a.cable = true;
		peer_b.cable = true;
		sim_run(SEC(7));
		EXPECT(peer_b.current.id == peer_a.current.id);
		EXPECT(peer_a.current.born > cut);
		EXPECT_EQ(peer_a.staged, 0);
		if (ktap_failed())
			return;
	}
}

TEST(sim_new_handshake_after_15_s_of_silence)
{
	s64 sent;

	sim_start(-200UL * HZ);
	send_data(&peer_a);
	sim_run(SEC(40));
	peer_b.cable = false;
	send_data(&peer_a);
	sent = clock_now;
	sim_run(SEC(14));
	EXPECT_EQ(peer_a.sent[INITIATION], 1);
	sim_run(SEC(2));
	EXPECT_EQ(peer_a.new_handshakes, 1);
	EXPECT_EQ(peer_a.sent[INITIATION], 2);
	EXPECT(peer_a.new_handshake_at >= sent + 15 * HZ);
	EXPECT(peer_a.new_handshake_at <= sent + 15 * HZ + HZ / 3);
	/* nobody answers: it gives up after 20 and keys are zeroed in time */
	sim_run(SEC(900));
	EXPECT_EQ(peer_a.sent[INITIATION], 21);
	EXPECT_EQ(peer_a.give_ups, 1);
	EXPECT_EQ(peer_a.zeroed, 1);
	EXPECT(NEAR(peer_a.zeroed_at, 540 * HZ + 2 * LATENCY));
}

TEST(sim_lost_response)
{
	sim_start(1);
	peer_b.cable = false;
	send_data(&peer_a);
	sim_run(SEC(4));
	peer_b.cable = true;
	EXPECT_EQ(peer_b.sent[RESPONSE], 1);
	sim_run(SEC(3));
	EXPECT_EQ(peer_a.sent[INITIATION], 2);
	EXPECT_EQ(peer_b.sent[RESPONSE], 2);
	EXPECT_EQ(peer_b.got[DATA], 1);
}

TEST(sim_both_begin_at_once)
{
	int i, most = 0;

	for (i = 0; i < 200; i++) {
		sim_start(standin_rand());
		/* the initiations cross; it is jitter that parts the retries */
		send_data(&peer_a);
		send_data(&peer_b);
		sim_run(SEC(60));
		EXPECT_EQ(peer_a.got[DATA], 1);
		EXPECT_EQ(peer_b.got[DATA], 1);
		most = max(most, peer_a.sent[INITIATION] +
			   peer_b.sent[INITIATION]);
		if (ktap_failed())
			break;
	}
	ktap_note("up to %d initiations", most);
	EXPECT(most <= 12);
}

/* Persistent keepalives */

TEST(sim_persistent_keeps_the_rhythm)
{
	unsigned long t0;

	FOR_EACH_START(t0) {
		sim_start(t0);
		peer_a.t.interval = 25;
		send_keepalive(&peer_a);
		sim_run(SEC(110));
		/* at about 0, 25, 50, 75, 100 */
		EXPECT_EQ(peer_a.sent[KEEPALIVE], 5);
		EXPECT_EQ(peer_b.sent[KEEPALIVE], 0);
		EXPECT_EQ(peer_a.sent[INITIATION], 1);
		sim_run(SEC(3600 - 110));
		/* sessions are renewed by it, every 120 s or a bit more */
		EXPECT(peer_a.sent[INITIATION] >= 24);
		EXPECT(peer_a.sent[INITIATION] <= 30);
		EXPECT(peer_a.sent[KEEPALIVE] >= 130);
		EXPECT_EQ(peer_a.zeroed + peer_b.zeroed, 0);
		if (ktap_failed())
			return;
	}
}

TEST(sim_persistent_of_the_responder)
{
	unsigned long t0;

	FOR_EACH_START(t0) {
		sim_start(t0);
		peer_b.t.interval = 25;
		send_keepalive(&peer_a);
		sim_run(SEC(110));
		EXPECT_EQ(peer_b.sent[KEEPALIVE], 4);
		if (ktap_failed())
			return;
	}
}

TEST(sim_persistent_put_off_by_traffic)
{
	sim_start(77);
	peer_a.t.interval = 25;
	script = both_every_second;
	sim_run(SEC(80));
	EXPECT_EQ(peer_a.sent[KEEPALIVE], 0);
	/* the last packet came at 79.5 s: a passive keepalive at 89.5 s, */
	script = NULL;
	sim_run(SEC(9));
	EXPECT_EQ(peer_a.sent[KEEPALIVE], 0);
	sim_run(SEC(1));
	EXPECT_EQ(peer_a.sent[KEEPALIVE], 1);
	/* and 25 s after that the first persistent one */
	sim_run(SEC(24));
	EXPECT_EQ(peer_a.sent[KEEPALIVE], 1);
	sim_run(SEC(1));
	EXPECT_EQ(peer_a.sent[KEEPALIVE], 2);
}

TEST(sim_persistent_switched_on)
{
	unsigned long t0;

	FOR_EACH_START(t0) {
		sim_start(t0);
		send_keepalive(&peer_a);
		sim_run(SEC(60));
		EXPECT_EQ(peer_a.sent[KEEPALIVE], 1);
		/* changing it from 0 sends one at once */
		peer_a.t.interval = 10;
		send_keepalive(&peer_a);
		sim_run(SEC(45));
		EXPECT_EQ(peer_a.sent[KEEPALIVE], 2 + 4);
		if (ktap_failed())
			return;
	}
}

TEST(sim_persistent_made_shorter)
{
	sim_start(-30UL * HZ);
	peer_a.t.interval = 100;
	send_keepalive(&peer_a);
	sim_run(SEC(20));
	EXPECT_EQ(peer_a.sent[KEEPALIVE], 1);
	peer_a.t.interval = 5;
	send_data(&peer_a);
	sim_run(SEC(23));
	/* the passive keepalive that comes back counts as a packet too */
	EXPECT(peer_a.sent[KEEPALIVE] >= 1 + 3);
	EXPECT(peer_a.sent[KEEPALIVE] <= 1 + 4);
}

TEST(sim_persistent_tries_for_ever)
{
	sim_start(-30UL * HZ);
	peer_a.cable = false;
	peer_a.t.interval = 25;
	send_keepalive(&peer_a);
	sim_run(SEC(3600));
	/* about every 5.2 s: each keepalive due is a trigger */
	EXPECT(peer_a.sent[INITIATION] >= 3600 / 26);
	EXPECT(peer_a.least_gap >= 5 * HZ);
	EXPECT(peer_a.greatest_gap <= 26 * HZ);
	/* it is there when the other side comes back */
	peer_a.cable = true;
	sim_run(SEC(27));
	EXPECT(peer_a.current.id && peer_a.current.id == peer_b.current.id);
}

TEST(sim_persistent_65535)
{
	sim_start(-30UL * HZ);
	peer_a.t.interval = 65535;
	send_keepalive(&peer_a);
	sim_run(SEC(3600));
	EXPECT_EQ(peer_a.sent[KEEPALIVE], 1);
	/* the timer is not looked at in vain more than now and then */
	EXPECT(peer_a.t.persistent);
	EXPECT(peer_a.timer);
}

/* Noise: packets at random, cables that come and go */
TEST(sim_random_weather)
{
	int round, s, max_gap = 0;

	for (round = 0; round < 20; round++) {
		sim_start(standin_rand());
		if (round % 2)
			peer_a.t.interval = 1 + standin_rand() % 40;
		for (s = 0; s < 300; s++) {
			u64 r = standin_rand();

			if (r % 4 == 0)
				send_data(&peer_a);
			if (r % 5 == 0)
				send_data(&peer_b);
			if (r % 61 == 0)
				peer_a.cable ^= 1;
			if (r % 67 == 0)
				peer_b.cable ^= 1;
			if (peer_a.staged > 128)
				peer_a.staged = 128;
			if (peer_b.staged > 128)
				peer_b.staged = 128;
			sim_run(SEC(1) + (r >> 32) % HZ);
		}
		if (peer_a.sent[INITIATION] > 1)
			EXPECT(peer_a.least_gap >= 5 * HZ);
		if (peer_b.sent[INITIATION] > 1)
			EXPECT(peer_b.least_gap >= 5 * HZ);
		/* fair weather: a packet gets through each way */
		peer_a.cable = true;
		peer_b.cable = true;
		sim_run(SEC(20));
		memset(peer_a.got, 0, sizeof(peer_a.got));
		memset(peer_b.got, 0, sizeof(peer_b.got));
		send_data(&peer_a);
		send_data(&peer_b);
		sim_run(SEC(30));
		EXPECT(peer_a.got[DATA] >= 1);
		EXPECT(peer_b.got[DATA] >= 1);
		if (ktap_failed())
			return;
		max_gap = max(max_gap, (int)peer_a.greatest_gap);
	}
}

/* Taken by the timer a moment before: it knows nothing of the new one. */
TEST(persistent_keepalive_traversed_as_it_falls_due)
{
	unsigned long t0;

	FOR_EACH_START(t0) {
		reset();
		t.interval = 25;
		EXPECT_EQ(wg_timers_traversed(&t, t0),
			  wg_deadline(t0, SEC(25)));
		/* moves away by itself */
		EXPECT_EQ(wg_timers_traversed(&t, t0 + SEC(24)), 0);
		/* has come */
		EXPECT_EQ(wg_timers_traversed(&t, t0 + SEC(24) + SEC(25)),
			  wg_deadline(t0, SEC(74)));
		EXPECT_EQ(wg_timers_traversed(&t, t0 + SEC(1000)),
			  wg_deadline(t0, SEC(1025)));
	}
}

TEST(keepalive_again_is_no_reception)
{
	reset();
	t.interval = 25;
	wg_timers_sent(&t, SEC(100), true, 0);
	EXPECT_EQ(wg_timers_keepalive_again(&t, SEC(105)), SEC(115));
	EXPECT_EQ(t.silence, SEC(115));
	EXPECT_EQ(t.persistent, SEC(125));
	EXPECT_EQ(decide(SEC(115)), WG_DO_KEEPALIVE | WG_DO_NEW_HANDSHAKE);
}

TEST(put_off_is_no_attempt)
{
	unsigned long t0;

	FOR_EACH_START(t0) {
		unsigned long now = t0;
		int i;

		reset();
		/* as often as there is a hindrance */
		for (i = 0; i < 30; i++) {
			now = wg_timers_put_off(&t, now, 0);
			EXPECT(now);
			EXPECT_EQ(decide(now), WG_DO_RETRY);
		}
		/* and then all of the initiations, the last but one put off too */
		for (i = 0; i < 20; i++) {
			if (i == 18) {
				now = wg_timers_put_off(&t, now, 0);
				EXPECT_EQ(decide(now), WG_DO_RETRY);
			}
			now = wg_timers_handshake_sent(&t, now, true, 0);
			EXPECT(now);
			EXPECT_EQ(decide(now), i < 19 ? WG_DO_RETRY :
						      WG_DO_GIVE_UP);
		}
	}
}

/* What the timer does just before the field is written. */
static void fires_meanwhile(void)
{
	before_xchg = NULL;
	EXPECT_EQ(decide(SEC(25) + 1), WG_DO_PERSISTENT);
	EXPECT_EQ(next, SEC(50) + 1);
}

TEST(persistent_keepalive_taken_while_it_moves)
{
	reset();
	t.interval = 25;
	EXPECT_EQ(wg_timers_sent(&t, 1, false, 0), SEC(25) + 1);
	/* "now" was read a jiffy before the timer fired */
	before_xchg = fires_meanwhile;
	EXPECT_EQ(wg_timers_sent(&t, SEC(25), false, 0), SEC(50));
	EXPECT(!before_xchg);
	/* without that, the timer finds out by itself */
	EXPECT_EQ(wg_timers_sent(&t, SEC(26), false, 0), 0);
}
