// SPDX-License-Identifier: GPL-2.0-only
/* Protocol, "Transport" and "Constants": the replay window. */
#include <stdlib.h>
#include <linux/string.h>
#include "kernel/standin.h"
#include "ktap.h"
#include "replay.h"

#define WINDOW 8128ULL			/* usable */
#define LIMIT (~0ULL - (1ULL << 13))	/* 2^64 - 2^13 - 1: refused from here */

static struct wg_replay r;

static void start(void)
{
	memset(&r, 0, sizeof(r));
}

/* Refusing must not change anything. */
static bool accept(u64 c)
{
	struct wg_replay was = r;
	bool ok = wg_replay_accept(&r, c);

	if (!ok && memcmp(&was, &r, sizeof(r)))
		ktap_fail(__FILE__, __LINE__, "refusing %llu changed the window",
			  c);
	return ok;
}

TEST(constants)
{
	EXPECT_EQ(WG_REPLAY_BITS, 8192);
	EXPECT_EQ(WG_REPLAY_WINDOW, WINDOW);
	EXPECT(WG_REJECT_AFTER_MESSAGES == LIMIT);
	EXPECT(LIMIT == 18446744073709543423ULL);
}

TEST(zero_once)
{
	start();
	EXPECT(accept(0));
	EXPECT(!accept(0));
	EXPECT(accept(1));
	EXPECT(!accept(0));
	EXPECT(!accept(1));
}

TEST(starts_anywhere)
{
	static const u64 first[] = {
		0, 1, 63, 64, 65, 8127, 8128, 8129, 8191, 8192, 8193, 16384,
		1ULL << 32, (1ULL << 60) - 1, 1ULL << 63,
	};
	unsigned int i;

	for (i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
		start();
		EXPECT(accept(first[i]));
		EXPECT(!accept(first[i]));
		/* what came before it is fresh too, within the window */
		if (first[i])
			EXPECT(accept(first[i] - 1));
		EXPECT(accept(first[i] + 1));
		EXPECT(!accept(first[i]));
	}
}

TEST(in_order)
{
	u64 i;

	start();
	for (i = 0; i < 3 * 8192 + 5; i++) {
		REQUIRE(accept(i));
		REQUIRE(!accept(i));
	}
}

TEST(backwards_through_the_whole_window)
{
	/* tops at every place within a word */
	u64 top, i;

	for (top = 20000; top < 20000 + 128; top++) {
		start();
		REQUIRE(accept(top));
		for (i = 1; i < WINDOW; i++)
			REQUIRE(accept(top - i));
		REQUIRE(!accept(top - WINDOW));
		REQUIRE(!accept(top - WINDOW - 1));
		REQUIRE(!accept(0));
		for (i = 0; i < WINDOW; i++)
			REQUIRE(!accept(top - i));
	}
}

TEST(edge_of_the_window)
{
	u64 top;

	for (top = WINDOW - 2; top < WINDOW + 200; top++) {
		start();
		REQUIRE(accept(top));
		if (top >= WINDOW + 1)
			REQUIRE(!accept(top - WINDOW - 1));
		if (top >= WINDOW)
			REQUIRE(!accept(top - WINDOW));
		if (top >= WINDOW - 1) {
			REQUIRE(accept(top - (WINDOW - 1)));
			REQUIRE(!accept(top - (WINDOW - 1)));
		}
		REQUIRE(accept(top - (WINDOW - 2)));
	}
}

TEST(word_edges)
{
	u64 i;

	start();
	for (i = 0; i < 8192; i += 64) {
		REQUIRE(accept(i + 63));
		REQUIRE(accept(i));
		REQUIRE(accept(i + 64));
		REQUIRE(!accept(i + 63));
		REQUIRE(!accept(i));
		REQUIRE(!accept(i + 64));
		REQUIRE(accept(i + 62));
		REQUIRE(accept(i + 1));
		/* leave the word that the next round begins with clean */
		start();
		REQUIRE(accept(i + 60));
	}
}

TEST(jumps_clear_what_they_pass)
{
	static const u64 jumps[] = {
		1, 63, 64, 65, 127, 128, 4096, 8063, 8064, 8065, 8127, 8128,
		8129, 8191, 8192, 8193, 8255, 8256, 8257, 16383, 16384, 16385,
		3 * 8192, 1ULL << 20, 1ULL << 32, (1ULL << 32) + 8192,
		1ULL << 62,
	};
	unsigned int i, phase;

	for (i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
		for (phase = 0; phase < 70; phase++) {
			u64 c, top = 9000 + phase, to = top + jumps[i];

			start();
			for (c = top - 8100; c <= top; c++)
				REQUIRE(accept(c));
			REQUIRE_MSG(accept(to), "jump of %llu", jumps[i]);
			/* fresh are those between, and any below the first */
			for (c = to - (WINDOW - 1); c <= to; c++) {
				bool fresh = (c > top && c != to) ||
					     c < top - 8100;

				REQUIRE_MSG(accept(c) == fresh,
					    "top %llu, jump %llu: %llu is %s",
					    top, jumps[i], c,
					    fresh ? "refused" : "accepted");
			}
			if (phase % 10 && jumps[i] > 8192)
				phase += 8;
		}
	}
}

TEST(last_counters)
{
	start();
	EXPECT(accept(LIMIT - 2));
	EXPECT(accept(LIMIT - 1));	/* 2^64 - 2^13 - 2 */
	EXPECT(!accept(LIMIT));		/* 2^64 - 2^13 - 1 */
	EXPECT(!accept(LIMIT + 1));
	EXPECT(!accept(~0ULL - 8191));
	EXPECT(!accept(~0ULL - 1));
	EXPECT(!accept(~0ULL));
	EXPECT(!accept(LIMIT - 1));
	EXPECT(accept(LIMIT - 3));
	EXPECT(accept(LIMIT - WINDOW));
	EXPECT(!accept(LIMIT - WINDOW - 1));
}

TEST(refused_from_the_start)
{
	start();
	EXPECT(!accept(~0ULL));
	EXPECT(!accept(LIMIT));
	EXPECT_ZERO(&r, sizeof(r));
	EXPECT(accept(0));
	EXPECT(accept(LIMIT - 1));
	EXPECT(!accept(0));
}

/*
 * Against a set: a counter is fresh if it is below the limit, less than a
 * window behind the greatest accepted, and not accepted before.
 */
#define SPAN (1U << 20)

static u64 random_step(u64 base, u64 top, bool any)
{
	u64 x = standin_rand(), c;

	if (!any)
		return base + x % 20000;
	switch ((x >> 32) % 16) {
	case 0 ... 5:
		c = top + 1;
		break;
	case 6 ... 8:
		c = top - x % 64;
		break;
	case 9 ... 10:
		c = top - x % 8300;
		break;
	case 11:
		c = top - WINDOW + x % 5 - 2;
		break;
	case 12:
		c = top + x % 130;
		break;
	case 13:
		c = top - x % 40000;
		break;
	case 14:
		c = x % 64 ? top + x % 8 : top + 8192 - 66 + x % 132;
		break;
	default:
		c = x % 512 ? top : top + x % 30000;
		break;
	}
	return c;
}

TEST_FN(random_steps)
{
	static const u64 bases[] = {
		0, (1ULL << 32) - SPAN / 2, (1ULL << 63) - SPAN / 2,
		LIMIT - SPAN + 50000,
	};
	u64 base = bases[param], top = 0;
	u8 *seen = calloc(SPAN, 1);
	unsigned int i, accepted = 0, rounds = 0;
	bool any = false;

	start();
	standin_seed(standin_rand() + param);
	for (i = 0; i < 1500000; i++) {
		u64 c = random_step(base, top, any);
		bool should, is;

		if (c - base >= SPAN || (top + 1 == LIMIT && i % 5000 == 0)) {
			/* behind the beginning, or at an end */
			if (top - base < SPAN - 50001)
				continue;
			start();
			memset(seen, 0, SPAN);
			any = false;
			rounds++;
			continue;
		}
		should = c < LIMIT && !seen[c - base] &&
			 (!any || c > top || top - c < WINDOW);
		is = wg_replay_accept(&r, c);
		if (is != should) {
			ktap_fail(__FILE__, __LINE__,
				  "step %u: counter %llu, greatest %llu: %s",
				  i, c, top, is ? "accepted" : "refused");
			break;
		}
		if (!is)
			continue;
		seen[c - base] = 1;
		accepted++;
		if (!any || c > top)
			top = c;
		any = true;
	}
	free(seen);
	ktap_note("%u steps, %u accepted, %u restarts", i, accepted, rounds);
	EXPECT(accepted > 100000);
}

TEST_CASE(random_steps, from_zero, 0)
TEST_CASE(random_steps, around_2_32, 1)
TEST_CASE(random_steps, around_2_63, 2)
TEST_CASE(random_steps, up_to_the_limit, 3)
