// SPDX-License-Identifier: GPL-2.0-only
/*
 * Protocol, "Denial-of-service protection": 20 a second with a burst of 5 for
 * each IPv4 address and each IPv6 /64 of each namespace, 65,536 entries. When a
 * device is under load, and how much waits.
 */
#include <errno.h>
#include <linux/string.h>
#include <linux/unaligned.h>
#include "device-limits.h"
#include "kernel/standin.h"
#include "ktap.h"
#include "ratelimit.h"

#define SECOND		1000000000ULL
#define TOKEN		(SECOND / 20)
#define ENTRIES		65536

static struct wg_ratelimit rl;
static const char net_a[8], net_b[8];

static void setup(void)
{
	memset(&rl, 0x5a, sizeof(rl));
	REQUIRE_EQ(wg_ratelimit_init(&rl), 0);
}

static void teardown(void)
{
	wg_ratelimit_free(&rl);
}

static bool allow4(u32 addr, u64 now)
{
	u8 a[4];

	put_unaligned_be32(addr, a);
	return wg_ratelimit_allow(&rl, net_a, a, false, now);
}

static bool allow6(u64 high, u64 low, u64 now)
{
	u8 a[16];

	put_unaligned_be64(high, a);
	put_unaligned_be64(low, a + 8);
	return wg_ratelimit_allow(&rl, net_a, a, true, now);
}

static int burst4(u32 addr, u64 now)
{
	int n = 0;

	while (n < 100 && allow4(addr, now))
		n++;
	return n;
}

/* Times at which a machine may be when the first message comes */
static const u64 starts[] = {
	0, 1, TOKEN, SECOND, 1000 * SECOND, 1ULL << 62, 1ULL << 63,
};

#define N(table) (sizeof(table) / sizeof((table)[0]))

TEST(load_begins_at_512_of_4096_and_lasts_a_second)
{
	EXPECT_EQ(WG_UNDER_LOAD_BACKLOG, 512);
	EXPECT_EQ(WG_MAX_WAITING_HANDSHAKES, 4096);
	EXPECT_EQ(WG_UNDER_LOAD_NS, SECOND);
}

TEST(burst_of_five)
{
	unsigned int i;

	for (i = 0; i < N(starts); i++) {
		setup();
		EXPECT_EQ(burst4(1, starts[i]), 5);
		EXPECT_EQ(burst4(1, starts[i]), 0);
		EXPECT_EQ(burst4(2, starts[i]), 5);
		teardown();
	}
}

TEST(one_more_every_50_ms)
{
	unsigned int i;
	int k;

	for (i = 0; i < N(starts); i++) {
		u64 t = starts[i];

		setup();
		EXPECT_EQ(burst4(1, t), 5);
		for (k = 1; k < 100; k++) {
			EXPECT_EQ(burst4(1, t + k * TOKEN - 1), 0);
			EXPECT_EQ(burst4(1, t + k * TOKEN), 1);
		}
		teardown();
	}
}

TEST(refill_is_never_above_the_burst)
{
	static const u64 pause[] = {
		5 * TOKEN, 6 * TOKEN, SECOND - 1, SECOND, SECOND + 1,
		10 * SECOND, 100000 * SECOND, 1ULL << 61,
	};
	u64 t = SECOND;
	unsigned int i;

	setup();
	EXPECT_EQ(burst4(1, t), 5);
	for (i = 0; i < N(pause); i++) {
		t += pause[i];
		EXPECT_EQ(burst4(1, t), 5);
	}
	for (i = 1; i < 5; i++) {
		t += i * TOKEN;
		EXPECT_EQ(burst4(1, t), i);
		t += i * TOKEN + TOKEN / 2;
		EXPECT_EQ(burst4(1, t), i);
		/* the half is kept */
		t += TOKEN / 2;
		EXPECT_EQ(burst4(1, t), 1);
	}
	teardown();
}

TEST_FN(steady)
{
	/* param a second, for a minute */
	u64 t = 5 * SECOND, step = SECOND / param;
	int sent = 60 * param, allowed = 0, i;

	setup();
	for (i = 0; i < sent; i++)
		allowed += allow4(1, t + i * step);
	ktap_note("%d of %d", allowed, sent);
	if (param <= 20) {
		EXPECT_EQ(allowed, sent);
	} else {
		EXPECT(allowed <= 60 * 20 + 5);
		EXPECT(allowed >= 60 * 20 + 3);
	}
	teardown();
}

TEST_CASE(steady, at_10, 10)
TEST_CASE(steady, at_20, 20)
TEST_CASE(steady, at_21, 21)
TEST_CASE(steady, at_25, 25)
TEST_CASE(steady, at_100, 100)
TEST_CASE(steady, at_20000, 20000)

TEST(v4_addresses_are_apart)
{
	int bit;

	setup();
	EXPECT_EQ(burst4(0xc0000201, SECOND), 5);
	for (bit = 0; bit < 32; bit++)
		EXPECT_EQ(burst4(0xc0000201 ^ 1U << bit, SECOND), 5);
	EXPECT_EQ(burst4(0xc0000201, SECOND), 0);
	teardown();
}

TEST(v6_by_64)
{
	u64 high = 0x20010db800010002ULL;
	int bit;

	setup();
	for (bit = 0; bit < 5; bit++)
		EXPECT(allow6(high, 1ULL << bit, SECOND));
	for (bit = 0; bit < 64; bit++)
		EXPECT(!allow6(high, 1ULL << bit, SECOND));
	for (bit = 0; bit < 64; bit++) {
		int n = 0;

		while (n < 10 && allow6(high ^ 1ULL << bit, n, SECOND))
			n++;
		EXPECT_EQ(n, 5);
	}
	EXPECT(!allow6(high, 0, SECOND));
	teardown();
}

TEST(v4_and_v6_are_apart)
{
	u32 v4 = 0x0a010203;
	int i;

	setup();
	EXPECT_EQ(burst4(v4, SECOND), 5);
	EXPECT_EQ(burst4(0, SECOND), 5);
	/* whatever way a v4 address might be kept in 64 bits */
	for (i = 0; i < 5; i++) {
		EXPECT(allow6(v4, 0, SECOND));
		EXPECT(allow6((u64)v4 << 32, 0, SECOND));
		EXPECT(allow6(__builtin_bswap32(v4), 0, SECOND));
		EXPECT(allow6((u64)__builtin_bswap32(v4) << 32, 0, SECOND));
		EXPECT(allow6(0, 0, SECOND));
		EXPECT(allow6((u64)0xffff << 32 | v4, 0, SECOND));
	}
	EXPECT(!allow6(v4, 0, SECOND));
	EXPECT(!allow6((u64)v4 << 32, 0, SECOND));
	EXPECT(!allow4(v4, SECOND));
	EXPECT(!allow4(0, SECOND));
	teardown();
}

TEST(namespaces_are_apart)
{
	u8 a[16] = { 10, 1, 1, 1 };
	int i;

	setup();
	for (i = 0; i < 5; i++) {
		EXPECT(wg_ratelimit_allow(&rl, net_a, a, false, SECOND));
		EXPECT(wg_ratelimit_allow(&rl, net_b, a, false, SECOND));
		EXPECT(wg_ratelimit_allow(&rl, net_a, a, true, SECOND));
		EXPECT(wg_ratelimit_allow(&rl, net_b, a, true, SECOND));
	}
	EXPECT(!wg_ratelimit_allow(&rl, net_a, a, false, SECOND));
	EXPECT(!wg_ratelimit_allow(&rl, net_b, a, false, SECOND));
	EXPECT(!wg_ratelimit_allow(&rl, net_a, a, true, SECOND));
	EXPECT(!wg_ratelimit_allow(&rl, net_b, a, true, SECOND));
	/* it is never followed, so it may be anything */
	EXPECT(wg_ratelimit_allow(&rl, (void *)3, a, false, SECOND));
	EXPECT(wg_ratelimit_allow(&rl, NULL, a, false, SECOND));
	teardown();
}

/* So many that a good part of them share a hash bucket. */
TEST(many_namespaces_are_apart)
{
	u8 a[4] = { 10, 1, 1, 1 };
	int round;
	long net;

	setup();
	for (round = 0; round < 6; round++)
		for (net = 1; net <= 30000; net++)
			REQUIRE_EQ(wg_ratelimit_allow(&rl, (void *)(8 * net), a,
						      false, SECOND),
				   round < 5);
	teardown();
}

TEST(many_v4_and_v6_are_apart)
{
	u64 t = SECOND;
	int round, i;
	u32 addr;

	setup();
	for (round = 0; round < 4; round++, t += 2 * SECOND) {
		for (addr = 0; addr < 30000; addr++) {
			u32 x = addr + round * 30000;

			for (i = 0; i < 5; i++)
				REQUIRE(allow4(x, t));
			for (i = 0; i < 5; i++)
				REQUIRE(allow6(x, 0, t));
		}
	}
	teardown();
}

TEST(addresses_at_any_alignment)
{
	u8 buf[24] = { 0 };
	int shift, i;

	setup();
	for (shift = 0; shift < 8; shift++) {
		memset(buf, 0, sizeof(buf));
		memcpy(buf + shift, "\x20\x01\x0d\xb8\x00\x00\x00\x07", 8);
		for (i = 0; i < 5; i++)
			EXPECT_EQ(wg_ratelimit_allow(&rl, net_a, buf + shift,
						     true, SECOND), !shift);
	}
	teardown();
}

/* Against counting tokens, a nanosecond at a time. */
TEST(random_sources_and_times)
{
	static struct {
		u64 tokens, at;
		bool seen;
	} model[500];
	int i, allowed = 0;
	u64 now = 1;

	memset(model, 0, sizeof(model));
	setup();
	for (i = 0; i < 600000; i++) {
		unsigned int s = standin_rand() % N(model);
		u64 r = standin_rand();
		bool should, is;

		/* half of the time from a few that are busy */
		if (i % 2)
			s %= 8;
		now += i % 5000 ? r % 400000 : r % (2 * SECOND);
		if (!model[s].seen) {
			model[s].tokens = 5 * TOKEN;
		} else {
			model[s].tokens += now - model[s].at;
			if (model[s].tokens > 5 * TOKEN)
				model[s].tokens = 5 * TOKEN;
		}
		model[s].seen = true;
		model[s].at = now;
		should = model[s].tokens >= TOKEN;
		if (should)
			model[s].tokens -= TOKEN;
		is = s & 1 ? allow6(0x2001000000000000ULL + s, r, now) :
			     allow4(0x0a000000 + s, now);
		REQUIRE_MSG(is == should, "step %d, source %u: %s, %llu ns left",
			    i, s, is ? "allowed" : "refused", model[s].tokens);
		allowed += is;
	}
	ktap_note("%d of %d allowed", allowed, i);
	EXPECT(allowed > 50000 && allowed < 550000);
	teardown();
}

/* The bound */

static void fill(u64 now)
{
	u32 i;

	for (i = 0; i < ENTRIES; i++)
		REQUIRE_MSG(allow4(i, now), "source %u refused", i);
}

TEST(full_table_refuses_new_sources)
{
	u64 t = 100 * SECOND;
	u32 i;

	setup();
	fill(t);
	for (i = 0; i < 1000; i++) {
		EXPECT(!allow4(ENTRIES + i, t));
		EXPECT(!allow6(i, 0, t + SECOND / 2));
	}
	EXPECT(!allow4(0xffffffff, t + SECOND - 1));
	teardown();
}

TEST(full_table_serves_known_sources)
{
	u64 t = 100 * SECOND;
	u32 i;

	setup();
	fill(t);
	EXPECT(!allow4(ENTRIES, t));
	for (i = 0; i < ENTRIES; i++)
		REQUIRE_EQ(burst4(i, t + 1), 4);
	for (i = 0; i < ENTRIES; i++)
		REQUIRE_EQ(burst4(i, t + TOKEN), 1);
	EXPECT(!allow4(ENTRIES, t + TOKEN));
	teardown();
}

TEST(idle_entries_expire)
{
	u64 t = 100 * SECOND;
	u32 i;

	setup();
	fill(t);
	EXPECT(!allow4(ENTRIES, t + SECOND - 1));
	EXPECT(allow4(ENTRIES, t + SECOND + 1));
	for (i = 1; i < ENTRIES; i++)
		REQUIRE_MSG(allow4(ENTRIES + i, t + SECOND + 1),
			    "source %u refused", i);
	EXPECT(!allow4(2 * ENTRIES, t + SECOND + 1));
	/* the old ones are strangers now */
	EXPECT(!allow4(0, t + SECOND + 1));
	EXPECT(allow4(0, t + 2 * SECOND + 2));
	teardown();
}

TEST(the_least_recently_seen_goes_first)
{
	u64 t = 100 * SECOND;
	u32 i, k;

	setup();
	fill(t);
	/* every fourth is seen again, in another order */
	for (i = 0; i < ENTRIES; i += 4)
		REQUIRE(allow4(ENTRIES - 4 - i, t + SECOND / 2));
	for (i = 0; i < ENTRIES / 4 * 3; i++)
		REQUIRE_MSG(allow4(ENTRIES + i, t + SECOND + 2),
			    "source %u refused", i);
	EXPECT(!allow4(0x7fffffff, t + SECOND + 2));
	for (k = 0; k < ENTRIES; k += 4)
		REQUIRE(allow4(k, t + SECOND + 3));
	/* the others have been forgotten */
	for (k = 1; k < 2000; k += 4)
		REQUIRE(!allow4(k, t + SECOND + 3));
	teardown();
}

TEST(churn_at_the_bound)
{
	/* new sources all the time: of each second's, the bound gets through */
	u64 t = 100 * SECOND;
	unsigned long bytes;
	u32 i, allowed, source = 0;
	int s;

	setup();
	fill(t);
	bytes = standin_bytes;
	source = ENTRIES;
	for (s = 1; s <= 5; s++) {
		allowed = 0;
		for (i = 0; i < ENTRIES + 5000; i++)
			allowed += allow4(source++,
					  t + s * (SECOND + SECOND / 10) + i);
		EXPECT_EQ(allowed, ENTRIES);
	}
	EXPECT_EQ(standin_bytes, bytes);
	teardown();
}

TEST(a_refused_source_leaves_no_trace)
{
	u64 t = 100 * SECOND;
	int i;

	setup();
	fill(t);
	for (i = 0; i < 1000; i++)
		EXPECT(!allow4(ENTRIES + 7, t + i));
	EXPECT_EQ(burst4(ENTRIES + 7, t + SECOND + 2000), 5);
	teardown();
}

/* Memory */

TEST(memory_grows_with_the_sources_and_is_bounded)
{
	unsigned long before = standin_bytes, empty, few, full;
	u32 i;

	setup();
	empty = standin_bytes - before;
	for (i = 0; i < 100; i++)
		allow4(i, SECOND);
	few = standin_bytes - before;
	fill(2 * SECOND);
	full = standin_bytes - before;
	for (i = 0; i < 100000; i++)
		allow4(0x40000000 + i, 2 * SECOND + i);
	EXPECT_EQ(standin_bytes - before, full);
	ktap_note("empty %lu, 100 sources %lu, full %lu bytes", empty, few,
		  full);
	EXPECT(empty < full / 8);
	EXPECT(few < full / 8);
	/* 65,536 entries and their look-up table */
	EXPECT(full <= 8UL << 20);
	teardown();
	EXPECT_EQ(standin_bytes, before);
}

TEST(few_sources_need_little_memory)
{
	unsigned long bytes;
	u64 t = SECOND;
	u32 i;

	/* a thousand busy ones; time goes on, the table does not */
	setup();
	for (i = 0; i < 1000; i++)
		allow4(i, t);
	bytes = standin_bytes;
	for (i = 0; i < 100000; i++)
		allow4(i % 1000, t += SECOND / 1000);
	EXPECT_EQ(standin_bytes, bytes);
	teardown();
}

TEST(no_memory_at_the_start)
{
	unsigned long objects = standin_objects;
	int n;

	for (n = 1; ; n++) {
		int err;

		standin_fail_nth = n;
		err = wg_ratelimit_init(&rl);
		if (standin_fail_nth)
			break;
		EXPECT_EQ(err, -ENOMEM);
		EXPECT_EQ(standin_objects, objects);
	}
	standin_fail_nth = 0;
	EXPECT(n > 1);
	wg_ratelimit_free(&rl);
}

TEST(no_memory_later)
{
	u64 t = 100 * SECOND;
	u32 i, refused = 0;

	setup();
	EXPECT_EQ(burst4(1, t), 5);
	/* while there is none: nothing breaks, known sources are served */
	for (i = 2; i < ENTRIES + 100; i++) {
		standin_fail_nth = 1;
		refused += !allow4(i, t);
		standin_fail_nth = 0;
	}
	EXPECT(refused > 1000);
	EXPECT_EQ(burst4(1, t + TOKEN), 1);
	/* when there is again, all is well */
	EXPECT_EQ(burst4(ENTRIES + 200, t + TOKEN), 5);
	teardown();

	setup();
	fill(t);
	teardown();
}

TEST(freed_when_never_used)
{
	setup();
	teardown();
}

TEST(key_is_random)
{
	siphash_key_t key;

	setup();
	key = rl.key;
	teardown();
	setup();
	EXPECT(memcmp(&key, &rl.key, sizeof(key)));
	teardown();
}
