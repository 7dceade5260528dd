// SPDX-License-Identifier: GPL-2.0-only
/* Protocol, "Constants and timers", rules 3 to 5: a session's limits. */
#include "ktap.h"
#include "session.h"

#define S	1000000000ULL
#define LIMIT	(~0ULL - (1ULL << 13))	/* REJECT-AFTER-MESSAGES */
#define WINDOW	(1ULL << 13)

TEST(expired_after_180_s)
{
	EXPECT(!wg_session_expired(0));
	EXPECT(!wg_session_expired(180 * S - 1));
	EXPECT(wg_session_expired(180 * S + 1));
	EXPECT(wg_session_expired(540 * S));
	EXPECT(wg_session_expired(~0ULL));
}

TEST(exhausted_at_the_last_counters)
{
	static const unsigned int counts[] = { 1, 2, 3, 45, 64, 128, 8192 };
	unsigned int i;
	u64 left;

	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		unsigned int n = counts[i];

		EXPECT(!wg_session_exhausted(0, n));
		EXPECT(!wg_session_exhausted(1ULL << 60, n));
		EXPECT(!wg_session_exhausted(1ULL << 63, n));
		/* it may stop within one window of the limit, not before */
		EXPECT(!wg_session_exhausted(LIMIT - WINDOW - n, n));
		/* and never use a counter at or past the limit */
		for (left = 0; left < n; left++)
			EXPECT(wg_session_exhausted(LIMIT - left, n));
		EXPECT(wg_session_exhausted(LIMIT, n));
		EXPECT(wg_session_exhausted(LIMIT + 1, n));
		EXPECT(wg_session_exhausted(~0ULL, n));
		EXPECT(wg_session_exhausted(~0ULL - n, n));
	}
}

TEST(rekey_after_send_by_age)
{
	EXPECT(!wg_session_rekey_after_send(true, 0, 1));
	EXPECT(!wg_session_rekey_after_send(true, 120 * S - 1, 1));
	EXPECT(wg_session_rekey_after_send(true, 120 * S + 1, 1));
	EXPECT(wg_session_rekey_after_send(true, 170 * S, 1));
	/* the responder leaves it to the initiator */
	EXPECT(!wg_session_rekey_after_send(false, 120 * S + 1, 1));
	EXPECT(!wg_session_rekey_after_send(false, 179 * S, 1));
}

TEST_FN(rekey_after_send_by_messages)
{
	bool initiator = param;

	/* next is the number of messages sent so far */
	EXPECT(!wg_session_rekey_after_send(initiator, 0, (1ULL << 60) - 1));
	EXPECT(wg_session_rekey_after_send(initiator, 0, 1ULL << 60));
	EXPECT(wg_session_rekey_after_send(initiator, 0, (1ULL << 60) + 1));
	EXPECT(wg_session_rekey_after_send(initiator, 0, LIMIT));
}

TEST_CASE(rekey_after_send_by_messages, initiator, 1)
TEST_CASE(rekey_after_send_by_messages, responder, 0)

TEST(rekey_after_receive)
{
	EXPECT(!wg_session_rekey_after_receive(true, 0));
	EXPECT(!wg_session_rekey_after_receive(true, 120 * S + 1));
	EXPECT(!wg_session_rekey_after_receive(true, 165 * S - 1));
	EXPECT(wg_session_rekey_after_receive(true, 165 * S + 1));
	EXPECT(wg_session_rekey_after_receive(true, 179 * S));
	EXPECT(!wg_session_rekey_after_receive(false, 165 * S + 1));
	EXPECT(!wg_session_rekey_after_receive(false, 179 * S));
}

TEST(constants)
{
	EXPECT(WG_REKEY_AFTER_MESSAGES == 1152921504606846976ULL);
	EXPECT(WG_REJECT_AFTER_MESSAGES == LIMIT);
	EXPECT_EQ(WG_REKEY_AFTER_TIME, 120);
	EXPECT_EQ(WG_REJECT_AFTER_TIME, 180);
}
