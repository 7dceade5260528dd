// SPDX-License-Identifier: GPL-2.0-only
/*
 * Protocol, "Cryptokey routing": the table against a naive model, which is a
 * list of prefixes searched from end to end.
 */
#include <errno.h>
#include <stdlib.h>
#include <linux/bottom_half.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "allowedips.h"
#include "kernel/standin.h"
#include "ktap.h"

#define OWNERS		6
#define MODEL_MAX	400

static struct mutex lock;
static struct wg_allowedips table;
static struct wg_aip_owner owner[OWNERS];
static bool module_ready;

/* The model */

struct prefix {
	u8 addr[16];
	u8 plen;
	bool v6;
	int owner;
};

/* In order of insertion, over all owners. */
static struct prefix model[MODEL_MAX];
static int model_n;

static unsigned int bits_of(bool v6)
{
	return v6 ? 128 : 32;
}

static bool bit_of(const u8 *addr, unsigned int n)
{
	return addr[n / 8] >> (7 - n % 8) & 1;
}

static unsigned int common(const u8 *a, const u8 *b, unsigned int max)
{
	unsigned int n;

	for (n = 0; n < max; n++)
		if (bit_of(a, n) != bit_of(b, n))
			break;
	return n;
}

static void mask(u8 *addr, unsigned int plen, bool v6)
{
	unsigned int n;

	for (n = plen; n < bits_of(v6); n++)
		addr[n / 8] &= ~(1 << (7 - n % 8));
}

static struct prefix canonical(const u8 *addr, bool v6, unsigned int plen)
{
	struct prefix p = { .plen = plen, .v6 = v6 };

	memcpy(p.addr, addr, bits_of(v6) / 8);
	mask(p.addr, plen, v6);
	return p;
}

static int model_find(const u8 *addr, bool v6, unsigned int plen)
{
	struct prefix p = canonical(addr, v6, plen);
	int i;

	for (i = 0; i < model_n; i++)
		if (model[i].v6 == v6 && model[i].plen == plen &&
		    !memcmp(model[i].addr, p.addr, 16))
			return i;
	return -1;
}

static void model_delete(int i)
{
	memmove(&model[i], &model[i + 1], (--model_n - i) * sizeof(model[0]));
}

static void model_insert(int who, const u8 *addr, bool v6, unsigned int plen)
{
	int i = model_find(addr, v6, plen);

	if (i >= 0)
		model_delete(i);
	REQUIRE(model_n < MODEL_MAX);
	model[model_n] = canonical(addr, v6, plen);
	model[model_n++].owner = who;
}

static void model_remove(int who, const u8 *addr, bool v6, unsigned int plen)
{
	int i = model_find(addr, v6, plen);

	if (i >= 0 && model[i].owner == who)
		model_delete(i);
}

static void model_remove_owner(int who)
{
	int i = 0;

	while (i < model_n) {
		if (model[i].owner == who)
			model_delete(i);
		else
			i++;
	}
}

static int model_lookup(const u8 *addr, bool v6)
{
	int i, best = -1;

	for (i = 0; i < model_n; i++)
		if (model[i].v6 == v6 &&
		    common(model[i].addr, addr, model[i].plen) ==
			    model[i].plen &&
		    (best < 0 || model[i].plen > model[best].plen))
			best = i;
	return best < 0 ? -1 : model[best].owner;
}

/*
 * Nodes of a path-compressed trie: one for each prefix, and one wherever two
 * prefixes part at a place that is not itself one.
 */
static unsigned long model_nodes(void)
{
	static struct prefix fork[MODEL_MAX * 4];
	unsigned int forks = 0, k;
	int i, j;

	for (i = 0; i < model_n; i++) {
		for (j = 0; j < i; j++) {
			unsigned int n;
			struct prefix p;

			if (model[i].v6 != model[j].v6)
				continue;
			n = common(model[i].addr, model[j].addr,
				   min(model[i].plen, model[j].plen));
			if (n == model[i].plen || n == model[j].plen)
				continue;
			p = canonical(model[i].addr, model[i].v6, n);
			if (model_find(p.addr, p.v6, n) >= 0)
				continue;
			for (k = 0; k < forks; k++)
				if (!memcmp(&fork[k], &p, sizeof(p)))
					break;
			if (k < forks)
				continue;
			REQUIRE(forks < ARRAY_SIZE(fork));
			fork[forks++] = p;
		}
	}
	return model_n + forks;
}

/* Access to the table, with the locks that its header asks for */

static int owner_index(const struct wg_aip_owner *o)
{
	return o ? o - owner : -1;
}

static int lookup(const void *addr, bool v6)
{
	int who;

	local_bh_disable();
	who = owner_index(wg_allowedips_lookup(&table, addr, v6));
	local_bh_enable();
	return who;
}

static int insert(int who, const void *addr, bool v6, unsigned int plen)
{
	int err;

	mutex_lock(&lock);
	err = wg_allowedips_insert(&table, &owner[who], addr, v6, plen);
	mutex_unlock(&lock);
	return err;
}

static int rm(int who, const void *addr, bool v6, unsigned int plen)
{
	int err;

	mutex_lock(&lock);
	err = wg_allowedips_remove(&table, &owner[who], addr, v6, plen);
	mutex_unlock(&lock);
	return err;
}

static void rm_owner(int who)
{
	mutex_lock(&lock);
	wg_allowedips_remove_owner(&table, &owner[who]);
	mutex_unlock(&lock);
}

static void setup(void)
{
	int i;

	if (!module_ready)
		REQUIRE_EQ(wg_allowedips_module_init(), 0);
	module_ready = true;
	mutex_init(&lock);
	wg_allowedips_init(&table, &lock);
	for (i = 0; i < OWNERS; i++)
		wg_aip_owner_init(&owner[i]);
	model_n = 0;
	EXPECT_EQ(table.nodes, 0);
	EXPECT_EQ(lookup("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", false), -1);
	EXPECT_EQ(lookup("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", true), -1);
}

/* What an owner has is what the model says, in that order. */
static void check_lists(void)
{
	int who;

	mutex_lock(&lock);
	for (who = 0; who < OWNERS; who++) {
		struct wg_aip_node *node = NULL;
		int i;

		for (i = 0; i < model_n; i++) {
			u8 addr[16] = { 0 };
			u8 plen;
			bool v6;

			if (model[i].owner != who)
				continue;
			node = wg_allowedips_next(&owner[who], node);
			REQUIRE_MSG(node, "owner %d: list ends early", who);
			v6 = wg_allowedips_read(node, addr, &plen);
			REQUIRE_EQ(v6, model[i].v6);
			REQUIRE_EQ(plen, model[i].plen);
			REQUIRE_MEM(addr, model[i].addr, v6 ? 16 : 4);
		}
		node = wg_allowedips_next(&owner[who], node);
		REQUIRE_MSG(!node, "owner %d: list does not end", who);
	}
	mutex_unlock(&lock);
}

static void check_lookup(const u8 *addr, bool v6)
{
	int is = lookup(addr, v6), should = model_lookup(addr, v6);

	REQUIRE_MSG(is == should,
		    "%s %02x%02x%02x%02x%02x%02x%02x%02x...: owner %d, not %d",
		    v6 ? "v6" : "v4", addr[0], addr[1], addr[2], addr[3],
		    addr[4], addr[5], addr[6], addr[7], is, should);
}

/* First, last and a neighbour of each prefix. */
static void check_prefixes(void)
{
	int i;

	for (i = 0; i < model_n; i++) {
		unsigned int plen = model[i].plen, n;
		bool v6 = model[i].v6;
		u8 addr[16];

		memcpy(addr, model[i].addr, 16);
		check_lookup(addr, v6);
		for (n = plen; n < bits_of(v6); n++)
			addr[n / 8] |= 1 << (7 - n % 8);
		check_lookup(addr, v6);
		if (plen) {
			n = plen - 1;
			addr[n / 8] ^= 1 << (7 - n % 8);
			check_lookup(addr, v6);
		}
	}
}

static void check_all(void)
{
	check_lists();
	check_prefixes();
	REQUIRE_EQ(table.nodes, model_nodes());
}

static void teardown(void)
{
	int i;

	for (i = 0; i < OWNERS; i++) {
		rm_owner(i);
		model_remove_owner(i);
	}
	check_all();
	EXPECT_EQ(table.nodes, 0);
	EXPECT(!table.root4 && !table.root6);
	wg_allowedips_module_exit();
	module_ready = false;
}

/* Both at once */
static void both_insert(int who, const void *addr, bool v6, unsigned int plen)
{
	REQUIRE_EQ(insert(who, addr, v6, plen), 0);
	model_insert(who, addr, v6, plen);
}

static void both_remove(int who, const void *addr, bool v6, unsigned int plen)
{
	REQUIRE_EQ(rm(who, addr, v6, plen), 0);
	model_remove(who, addr, v6, plen);
}

/* Simple cases, by hand */

#define V4(a, b, c, d)	((const u8 [4]){ a, b, c, d })

TEST(longest_match)
{
	setup();
	both_insert(0, V4(10, 0, 0, 0), false, 8);
	both_insert(1, V4(10, 1, 0, 0), false, 16);
	both_insert(2, V4(10, 1, 1, 1), false, 32);
	EXPECT_EQ(lookup(V4(10, 9, 9, 9), false), 0);
	EXPECT_EQ(lookup(V4(10, 1, 9, 9), false), 1);
	EXPECT_EQ(lookup(V4(10, 1, 1, 1), false), 2);
	EXPECT_EQ(lookup(V4(10, 1, 1, 2), false), 1);
	EXPECT_EQ(lookup(V4(11, 1, 1, 1), false), -1);
	both_insert(3, V4(0, 0, 0, 0), false, 0);
	EXPECT_EQ(lookup(V4(11, 1, 1, 1), false), 3);
	EXPECT_EQ(lookup(V4(10, 1, 1, 1), false), 2);
	both_remove(1, V4(10, 1, 0, 0), false, 16);
	EXPECT_EQ(lookup(V4(10, 1, 9, 9), false), 0);
	check_all();
	teardown();
}

TEST(families_are_apart)
{
	u8 a[16] = { 10, 1, 1, 1 };

	setup();
	both_insert(0, a, false, 32);
	both_insert(1, a, true, 32);
	both_insert(2, a, true, 0);
	EXPECT_EQ(lookup(a, false), 0);
	EXPECT_EQ(lookup(a, true), 1);
	both_remove(0, a, false, 32);
	EXPECT_EQ(lookup(a, false), -1);
	EXPECT_EQ(lookup(a, true), 1);
	both_remove(1, a, true, 32);
	EXPECT_EQ(lookup(a, true), 2);
	check_all();
	teardown();
}

TEST(a_prefix_moves)
{
	setup();
	both_insert(0, V4(10, 0, 0, 0), false, 8);
	both_insert(0, V4(11, 0, 0, 0), false, 8);
	both_insert(1, V4(10, 0, 0, 0), false, 8);
	EXPECT_EQ(lookup(V4(10, 0, 0, 1), false), 1);
	check_all();
	EXPECT_EQ(table.nodes, 3);
	/* owner 0 has it no more */
	rm_owner(0);
	model_remove_owner(0);
	EXPECT_EQ(lookup(V4(10, 0, 0, 1), false), 1);
	check_all();
	teardown();
}

TEST(adding_again_moves_to_the_end)
{
	setup();
	both_insert(0, V4(1, 0, 0, 0), false, 8);
	both_insert(0, V4(2, 0, 0, 0), false, 8);
	both_insert(0, V4(3, 0, 0, 0), false, 8);
	check_lists();
	both_insert(0, V4(1, 0, 0, 0), false, 8);
	check_all();
	both_insert(0, V4(1, 0, 0, 0), false, 8);
	check_all();
	both_insert(0, V4(2, 0, 0, 0), false, 8);
	check_all();
	/* there and back: it is the owner's newest */
	both_insert(1, V4(3, 0, 0, 0), false, 8);
	both_insert(0, V4(3, 0, 0, 0), false, 8);
	check_all();
	teardown();
}

TEST(host_bits_are_masked)
{
	u8 a[16], b[16];

	setup();
	memset(a, 0xff, 16);
	both_insert(0, V4(10, 1, 2, 3), false, 8);
	both_insert(1, a, true, 61);
	check_all();
	EXPECT_EQ(lookup(V4(10, 255, 0, 0), false), 0);
	/* the same prefix in other words */
	both_insert(2, V4(10, 200, 2, 3), false, 8);
	EXPECT_EQ(lookup(V4(10, 1, 2, 3), false), 2);
	memset(b, 0, 16);
	memset(b, 0xff, 7);
	b[7] = 0xf8;
	both_remove(1, b, true, 61);
	EXPECT_EQ(lookup(a, true), -1);
	both_remove(2, V4(10, 77, 77, 77), false, 8);
	EXPECT_EQ(table.nodes, 0);
	/* all of them */
	both_insert(0, a, true, 0);
	both_insert(0, a, false, 0);
	check_all();
	teardown();
}

TEST(length_out_of_range)
{
	static const unsigned int v4[] = { 33, 34, 64, 128, 129, 255, 256,
					   288, -1U };
	static const unsigned int v6[] = { 129, 130, 255, 256, 384, -1U };
	u8 a[16] = { 10, 1, 1, 1 };
	unsigned int i;

	setup();
	both_insert(0, a, false, 32);
	both_insert(0, a, true, 128);
	for (i = 0; i < ARRAY_SIZE(v4); i++) {
		EXPECT_EQ(insert(1, a, false, v4[i]), -EINVAL);
		EXPECT_EQ(rm(0, a, false, v4[i]), -EINVAL);
	}
	for (i = 0; i < ARRAY_SIZE(v6); i++) {
		EXPECT_EQ(insert(1, a, true, v6[i]), -EINVAL);
		EXPECT_EQ(rm(0, a, true, v6[i]), -EINVAL);
	}
	check_all();
	EXPECT_EQ(table.nodes, 2);
	teardown();
}

TEST(removing_what_is_not_there)
{
	u8 a[16] = { 10, 1, 1, 1 };
	unsigned int n;

	setup();
	for (n = 0; n <= 32; n++)
		EXPECT_EQ(rm(0, a, false, n), 0);
	both_insert(0, a, false, 24);
	both_insert(0, a, true, 24);
	for (n = 0; n <= 32; n++) {
		if (n != 24)
			both_remove(0, a, false, n);
		/* another owner's */
		both_remove(1, a, false, n);
		both_remove(1, a, true, n);
	}
	a[2] ^= 1;
	both_remove(0, a, false, 24);
	check_all();
	EXPECT_EQ(table.nodes, 2);
	teardown();
}

/* A fork between two prefixes is nobody's. */
TEST(removing_an_intermediate_node)
{
	setup();
	both_insert(0, V4(10, 0, 0, 0), false, 16);
	both_insert(0, V4(10, 1, 0, 0), false, 16);
	EXPECT_EQ(table.nodes, 3);
	both_remove(0, V4(10, 0, 0, 0), false, 15);
	check_all();
	EXPECT_EQ(lookup(V4(10, 0, 1, 1), false), 0);
	EXPECT_EQ(lookup(V4(10, 2, 1, 1), false), -1);
	/* it may become somebody's, and be nobody's again */
	both_insert(1, V4(10, 0, 0, 0), false, 15);
	EXPECT_EQ(table.nodes, 3);
	check_all();
	both_remove(1, V4(10, 0, 0, 0), false, 15);
	EXPECT_EQ(table.nodes, 3);
	check_all();
	both_remove(0, V4(10, 1, 0, 0), false, 16);
	EXPECT_EQ(table.nodes, 1);
	check_all();
	teardown();
}

/* Depth */

static void nested(bool v6, bool downwards)
{
	unsigned int max = bits_of(v6), i, n;
	u8 a[16], b[16];

	setup();
	for (i = 0; i < 16; i++)
		a[i] = standin_rand();
	for (i = 0; i <= max; i++) {
		n = downwards ? max - i : i;
		both_insert(n % OWNERS, a, v6, n);
	}
	check_all();
	EXPECT_EQ(table.nodes, max + 1);
	/* an address that has exactly the first n bits in common */
	for (n = 0; n <= max; n++) {
		memcpy(b, a, 16);
		if (n < max)
			b[n / 8] ^= 1 << (7 - n % 8);
		REQUIRE_EQ(lookup(b, v6), n % OWNERS);
	}
	for (i = 0; i <= max; i++) {
		n = downwards ? i : max - i;
		both_remove(n % OWNERS, a, v6, n);
		if (i % 16 == 5)
			check_all();
	}
	EXPECT_EQ(table.nodes, 0);
	teardown();
}

TEST(nested_33_deep_v4)
{
	nested(false, false);
}

TEST(nested_33_deep_v4_longest_first)
{
	nested(false, true);
}

TEST(nested_129_deep_v6)
{
	nested(true, false);
}

TEST(nested_129_deep_v6_longest_first)
{
	nested(true, true);
}

/* Prefixes that all part from one address: the most forks there can be. */
TEST(forks_at_every_bit)
{
	u8 a[16], b[16];
	unsigned int n;

	setup();
	for (n = 0; n < 16; n++)
		a[n] = standin_rand();
	for (n = 0; n < 128; n++) {
		memcpy(b, a, 16);
		b[n / 8] ^= 1 << (7 - n % 8);
		both_insert(n % OWNERS, b, true, 128);
	}
	both_insert(0, a, true, 128);
	check_all();
	EXPECT_EQ(table.nodes, 129 + 128);
	teardown();
}

TEST(unaligned_addresses)
{
	u8 buf[16 + 8] __aligned(16);
	u8 a[16];
	int shift, i;

	setup();
	for (i = 0; i < 16; i++)
		a[i] = standin_rand();
	for (shift = 0; shift < 8; shift++) {
		u8 *p = buf + shift;

		memcpy(p, a, 16);
		both_insert(shift % OWNERS, p, true, 128 - shift);
		both_insert(shift % OWNERS, p, false, 32 - shift);
		check_lookup(p, true);
		check_lookup(p, false);
		if (shift & 1) {
			both_remove(shift % OWNERS, p, true, 128 - shift);
			both_remove(shift % OWNERS, p, false, 32 - shift);
		}
	}
	check_all();
	teardown();
}

/* Random comparison. Few places to differ, so that prefixes meet often. */

static void random_address(u8 *addr, bool v6)
{
	static const u8 where4[] = { 0, 1, 7, 8, 9, 15, 16, 23, 24, 30, 31 };
	static const u8 where6[] = { 0, 1, 31, 32, 33, 62, 63, 64, 65, 95, 96,
				     97, 126, 127 };
	const u8 *where = v6 ? where6 : where4;
	unsigned int n = v6 ? sizeof(where6) : sizeof(where4), i;
	unsigned long long r = standin_rand();

	memset(addr, 0x5a, 16);
	if (!v6)
		memset(addr + 4, 0, 12);
	for (i = 0; i < n; i++)
		if (r >> i & 1)
			addr[where[i] / 8] ^= 1 << (7 - where[i] % 8);
}

static unsigned int random_plen(bool v6)
{
	unsigned long long r = standin_rand();

	switch (r % 8) {
	case 0:
		return bits_of(v6);
	case 1:
		return (r >> 8) % 2 ? 0 : bits_of(v6) - 1;
	case 2:
		return v6 ? 62 + (r >> 8) % 5 : 6 + (r >> 8) % 5;
	default:
		return (r >> 8) % (bits_of(v6) + 1);
	}
}

static void random_op(int families, int most)
{
	unsigned long long r = standin_rand();
	bool v6 = families == 2 ? (r >> 60 & 1) != 0 : families != 0;
	unsigned int plen = random_plen(v6);
	int who = (r >> 32) % OWNERS, op = r % 100;
	u8 addr[16];

	random_address(addr, v6);
	if (model_n && op % 3 == 0) {
		/* one that is there */
		const struct prefix *p = &model[(r >> 40) % model_n];

		memcpy(addr, p->addr, 16);
		plen = p->plen;
		v6 = p->v6;
		if (op % 2)
			who = p->owner;
	}
	if (model_n >= most)
		op = 60 + op % 40;
	if (op < 60) {
		both_insert(who, addr, v6, plen);
	} else if (op < 99) {
		both_remove(who, addr, v6, plen);
	} else {
		rm_owner(who);
		model_remove_owner(who);
	}
}

TEST_FN(random_ops)
{
	int i, j, most = 0;
	u8 addr[16];

	setup();
	standin_seed(standin_rand() + param);
	for (i = 0; i < 60000; i++) {
		random_op(param, i < 20000 ? 12 : i < 40000 ? 40 : 120);
		most = max(most, model_n);
		for (j = 0; j < 4; j++) {
			bool v6 = param == 2 ? j & 1 : param != 0;

			random_address(addr, v6);
			check_lookup(addr, v6);
		}
		if (i % (model_n < 15 ? 10 : 400) == 0)
			check_all();
		if (i % 64 == 0)
			rcu_barrier();
	}
	check_all();
	ktap_note("%d operations, up to %d prefixes", i, most);
	teardown();
}

TEST_CASE(random_ops, v4, 0)
TEST_CASE(random_ops, v6, 1)
TEST_CASE(random_ops, both, 2)

/*
 * An owner's prefixes are replaced: until the end all of the old and what is
 * there of the new lead to it, afterwards the new alone, in their order.
 */
static void replace(int who, const struct prefix *new, int n)
{
	struct prefix old[MODEL_MAX];
	int i, old_n = model_n;
	struct list_head aside;

	memcpy(old, model, sizeof(old));
	mutex_lock(&lock);
	wg_allowedips_set_aside(&table, &owner[who], &aside);
	mutex_unlock(&lock);
	for (i = 0; i < n; i++) {
		/* seen before and after each step */
		check_prefixes();
		both_insert(who, new[i].addr, new[i].v6, new[i].plen);
	}
	check_prefixes();
	mutex_lock(&lock);
	wg_allowedips_remove_aside(&table, &owner[who], &aside);
	mutex_unlock(&lock);
	EXPECT(list_empty(&aside));
	for (i = 0; i < old_n; i++) {
		int j;

		if (old[i].owner != who)
			continue;
		for (j = 0; j < n; j++)
			if (new[j].v6 == old[i].v6 &&
			    new[j].plen == old[i].plen &&
			    !memcmp(new[j].addr, old[i].addr, 16))
				break;
		if (j == n)
			model_remove(who, old[i].addr, old[i].v6, old[i].plen);
	}
	check_all();
}

TEST(replacing_leaves_no_gap)
{
	struct prefix new[3];

	setup();
	both_insert(0, V4(10, 0, 0, 0), false, 8);
	both_insert(0, V4(10, 1, 0, 0), false, 16);
	both_insert(0, V4(11, 0, 0, 0), false, 8);
	both_insert(1, V4(12, 0, 0, 0), false, 8);
	both_insert(1, V4(0, 0, 0, 0), false, 0);
	/* one stays, one is another's, one is new */
	new[0] = canonical(V4(12, 0, 0, 0), false, 8);
	new[1] = canonical(V4(10, 1, 0, 0), false, 16);
	new[2] = canonical(V4(13, 0, 0, 0), false, 8);
	replace(0, new, 3);
	EXPECT_EQ(lookup(V4(10, 0, 0, 1), false), 1);
	EXPECT_EQ(lookup(V4(10, 1, 0, 1), false), 0);
	EXPECT_EQ(lookup(V4(12, 0, 0, 1), false), 0);
	/* the same once more, and nothing at all */
	replace(0, new, 3);
	replace(0, new, 0);
	EXPECT_EQ(lookup(V4(12, 0, 0, 1), false), 1);
	teardown();
}

TEST(random_replacing)
{
	struct prefix new[8];
	int i, j, n;

	setup();
	for (i = 0; i < 3000; i++) {
		for (j = 0; j < 10; j++)
			random_op(2, 40);
		n = standin_rand() % 8;
		for (j = 0; j < n; j++) {
			bool v6 = standin_rand() & 1;
			u8 addr[16] = { 0 };

			if (model_n && standin_rand() % 2) {
				new[j] = model[standin_rand() % model_n];
				continue;
			}
			random_address(addr, v6);
			new[j] = canonical(addr, v6, random_plen(v6));
		}
		replace(standin_rand() % OWNERS, new, n);
		rcu_barrier();
	}
	teardown();
}

TEST(no_memory_changes_nothing)
{
	int i, n, failures = 0;

	setup();
	for (i = 0; i < 4000; i++) {
		unsigned long objects, nodes;
		bool v6 = i & 1;
		unsigned int plen = random_plen(v6);
		int who = standin_rand() % OWNERS, err;
		u8 addr[16];

		random_address(addr, v6);
		rcu_barrier();
		objects = standin_objects;
		nodes = table.nodes;
		for (n = 1; ; n++) {
			standin_fail_nth = n;
			err = insert(who, addr, v6, plen);
			if (standin_fail_nth)	/* it did not need that many */
				break;
			failures++;
			REQUIRE_EQ(err, -ENOMEM);
			REQUIRE_EQ(table.nodes, nodes);
			if (model_n < 20 || i % 64 == 0)
				check_all();
			rcu_barrier();
			REQUIRE_EQ(standin_objects, objects);
		}
		standin_fail_nth = 0;
		REQUIRE_EQ(err, 0);
		REQUIRE(n <= 3);
		model_insert(who, addr, v6, plen);
		if (model_n < 20 || i % 64 == 0)
			check_all();
		if (i % 300 == 299) {
			for (n = 0; n < OWNERS; n++) {
				rm_owner(n);
				model_remove_owner(n);
			}
		}
	}
	ktap_note("%d failed insertions", failures);
	EXPECT(failures > 3000);
	teardown();
}

TEST(no_memory_for_the_module)
{
	unsigned long objects = standin_objects;
	int n;

	for (n = 1; ; n++) {
		int err;

		standin_fail_nth = n;
		err = wg_allowedips_module_init();
		if (standin_fail_nth)
			break;
		EXPECT_EQ(err, -ENOMEM);
		EXPECT_EQ(standin_objects, objects);
	}
	standin_fail_nth = 0;
	EXPECT_EQ(n, 3);
	wg_allowedips_module_exit();
}

/* Readers */

static void lookup_under_rcu(void)
{
	rcu_read_lock();
	wg_allowedips_lookup(&table, V4(10, 1, 1, 1), false);
	rcu_read_unlock();
}

static void lookup_with_bh_off(void)
{
	local_bh_disable();
	wg_allowedips_lookup(&table, V4(10, 1, 1, 1), false);
	local_bh_enable();
}

TEST(lookup_under_rcu_read_lock_or_with_bh_off)
{
	/* as the header says; RCU's own checks would complain otherwise */
	setup();
	both_insert(3, V4(10, 0, 0, 0), false, 8);
	EXPECT(!ktap_aborts(lookup_under_rcu));
	EXPECT(!ktap_aborts(lookup_with_bh_off));
	teardown();
}

static void lookup_unprotected(void)
{
	wg_allowedips_lookup(&table, V4(10, 1, 1, 1), false);
}

static void insert_unlocked(void)
{
	wg_allowedips_insert(&table, &owner[0], V4(10, 1, 1, 1), false, 32);
}

static void remove_unlocked(void)
{
	wg_allowedips_remove(&table, &owner[0], V4(10, 1, 1, 1), false, 32);
}

static void set_aside_unlocked(void)
{
	struct list_head aside;

	wg_allowedips_set_aside(&table, &owner[1], &aside);
}

static void remove_owner_unlocked(void)
{
	/* one that has nothing: no node is looked at on the way */
	wg_allowedips_remove_owner(&table, &owner[1]);
}

TEST(locks_are_asserted)
{
	setup();
	both_insert(0, V4(10, 0, 0, 0), false, 8);
	EXPECT(ktap_aborts(lookup_unprotected));
	EXPECT(ktap_aborts(insert_unlocked));
	EXPECT(ktap_aborts(remove_unlocked));
	EXPECT(ktap_aborts(set_aside_unlocked));
	EXPECT(ktap_aborts(remove_owner_unlocked));
	teardown();
}

/*
 * A reader on another CPU comes in between any two steps of a writer: it sees
 * the table as it was before or as it will be, never something else.
 */
static struct prefix probes[64];
static int before[64], after[64], probe_n;
static unsigned int visits;

static void reader(void)
{
	struct standin_context was = standin_other_cpu();
	int i;

	visits++;
	for (i = 0; i < probe_n; i++) {
		int is = lookup(probes[i].addr, probes[i].v6);

		if (is != before[i] && is != after[i])
			ktap_fail(__FILE__, __LINE__,
				  "a reader found owner %d: was %d, will be %d",
				  is, before[i], after[i]);
	}
	standin_back(was);
}

static void add_probe(const u8 *addr, bool v6)
{
	if (probe_n == (int)ARRAY_SIZE(probes))
		return;
	memcpy(probes[probe_n].addr, addr, 16);
	probes[probe_n++].v6 = v6;
}

/* Addresses in and around each prefix */
static void make_probes(bool v6)
{
	u8 addr[16];
	int i;

	probe_n = 0;
	for (i = 0; i < model_n && probe_n < 40; i++)
		if (model[i].v6 == v6)
			add_probe(model[i].addr, v6);
	while (probe_n < (int)ARRAY_SIZE(probes)) {
		random_address(addr, v6);
		add_probe(addr, v6);
	}
}

static void note_answers(int *answers)
{
	int i;

	for (i = 0; i < probe_n; i++)
		answers[i] = model_lookup(probes[i].addr, probes[i].v6);
}

struct op {
	int what;	/* 0 insert, 1 remove, 2 remove owner */
	int who;
	u8 addr[16];
	bool v6;
	unsigned int plen;
};

static struct op random_write(void)
{
	unsigned long long r = standin_rand();
	struct op op = {
		.v6 = r & 1,
		.who = (r >> 8) % OWNERS,
		.what = (r >> 16) % 32 < 16 ? 0 : (r >> 16) % 32 < 31 ? 1 : 2,
	};

	op.plen = random_plen(op.v6);
	random_address(op.addr, op.v6);
	if (model_n > 30)
		op.what = 1 + (r >> 50) % 2;
	if (model_n && (r >> 40) % 4) {
		const struct prefix *p = &model[(r >> 24) % model_n];

		memcpy(op.addr, p->addr, 16);
		op.plen = p->plen;
		op.v6 = p->v6;
		if (op.what == 1)
			op.who = p->owner;
	}
	return op;
}

static void op_on_model(const struct op *op)
{
	if (op->what == 0)
		model_insert(op->who, op->addr, op->v6, op->plen);
	else if (op->what == 1)
		model_remove(op->who, op->addr, op->v6, op->plen);
	else
		model_remove_owner(op->who);
}

static void op_on_table(const struct op *op)
{
	if (op->what == 0)
		REQUIRE_EQ(insert(op->who, op->addr, op->v6, op->plen), 0);
	else if (op->what == 1)
		REQUIRE_EQ(rm(op->who, op->addr, op->v6, op->plen), 0);
	else
		rm_owner(op->who);
}

TEST(readers_between_any_two_steps)
{
	int i;

	setup();
	visits = 0;
	for (i = 0; i < 20000; i++) {
		struct op op = random_write();

		make_probes(op.v6);
		if (op.what != 2)
			memcpy(probes[0].addr, op.addr, 16);
		note_answers(before);
		op_on_model(&op);
		note_answers(after);
		standin_rcu_store_hook = reader;
		op_on_table(&op);
		standin_rcu_store_hook = NULL;
		if (ktap_failed())
			ktap_end();
		if (i % 50 == 0)
			check_all();
		rcu_barrier();
	}
	ktap_note("%u visits of a reader", visits);
	EXPECT(visits > 10000);
	teardown();
}

/*
 * The other way round: a whole write happens in the middle of a look-up. The
 * nodes that the reader stands on stay valid for its time.
 */
static struct op pending_op;
static unsigned int countdown;

static void writer(void)
{
	struct standin_context was;

	if (!countdown || --countdown)
		return;
	was = standin_other_cpu();
	op_on_table(&pending_op);
	standin_back(was);
}

TEST(a_write_in_the_middle_of_a_lookup)
{
	unsigned int in_the_middle = 0;
	int i;

	setup();
	for (i = 0; i < 60000; i++) {
		bool v6;
		int is;

		pending_op = random_write();
		v6 = pending_op.v6;
		make_probes(v6);
		probes[0] = probes[standin_rand() % probe_n];
		if (standin_rand() % 2)
			memcpy(probes[0].addr, pending_op.addr, 16);
		probe_n = 1;
		note_answers(before);
		op_on_model(&pending_op);
		note_answers(after);
		countdown = 1 + standin_rand() % 8;
		standin_rcu_load_hook = writer;
		is = lookup(probes[0].addr, v6);
		standin_rcu_load_hook = NULL;
		if (countdown) {
			countdown = 0;
			op_on_table(&pending_op);
		} else {
			in_the_middle++;
		}
		/*
		 * A reader may be past the place where a longer prefix came
		 * in, or stand on one that has just gone. Either way its
		 * answer is one of the two.
		 */
		REQUIRE_MSG(is == before[0] || is == after[0],
			    "found owner %d: was %d, will be %d", is,
			    before[0], after[0]);
		if (i % 200 == 0)
			check_all();
		rcu_barrier();
	}
	ktap_note("%u writes in the middle of a look-up", in_the_middle);
	EXPECT(in_the_middle > 5000);
	teardown();
}

/* Nothing is freed before its grace period. */
TEST(memory_comes_back_after_a_grace_period)
{
	unsigned long objects;

	setup();
	objects = standin_objects;
	both_insert(0, V4(10, 0, 0, 0), false, 16);
	both_insert(0, V4(10, 1, 0, 0), false, 16);
	EXPECT_EQ(standin_objects, objects + 3);
	rm_owner(0);
	EXPECT_EQ(table.nodes, 0);
	EXPECT_EQ(standin_objects, objects + 3);
	EXPECT_EQ(standin_rcu_pending(), 3);
	rcu_barrier();
	EXPECT_EQ(standin_objects, objects);
	model_remove_owner(0);
	teardown();
}

/* Size */

#define MANY	100000

static void many_address(u8 *addr, unsigned int i)
{
	unsigned long long z = i * 0x9e3779b97f4a7c15ULL;

	z ^= z >> 29;
	memset(addr, 0, 16);
	memcpy(addr, &z, 8);
	addr[12] = i >> 24;
	addr[13] = i >> 16;
	addr[14] = i >> 8;
	addr[15] = i;
}

static void fill_many(void)
{
	unsigned int i;
	u8 addr[16];

	mutex_lock(&lock);
	for (i = 0; i < MANY; i++) {
		many_address(addr, i);
		REQUIRE_EQ(wg_allowedips_insert(&table, &owner[i % 2], addr,
						true, 128), 0);
	}
	mutex_unlock(&lock);
	EXPECT(table.nodes >= MANY);
	EXPECT(table.nodes <= 2 * MANY);
}

/* 100,000 removals that each took O(n) would be minutes. */
#define IN_TIME	4.0

TEST(bulk_removal_of_two_owners)
{
	unsigned int i;
	double start;
	u8 addr[16];

	setup();
	fill_many();
	start = ktap_clock();
	rm_owner(0);
	ktap_note("%d prefixes of %d removed in %.3f s", MANY / 2, MANY,
		  ktap_clock() - start);
	EXPECT(ktap_clock() - start < IN_TIME);
	for (i = 0; i < MANY; i++) {
		many_address(addr, i);
		REQUIRE_EQ(lookup(addr, true), i % 2 ? 1 : -1);
	}
	EXPECT(table.nodes >= MANY / 2 && table.nodes <= MANY);
	rm_owner(1);
	EXPECT_EQ(table.nodes, 0);
	teardown();
}

TEST(bulk_removal_one_by_one)
{
	unsigned int i;
	double start;
	u8 addr[16];

	setup();
	fill_many();
	start = ktap_clock();
	mutex_lock(&lock);
	for (i = 0; i < MANY; i++) {
		many_address(addr, i);
		REQUIRE_EQ(wg_allowedips_remove(&table, &owner[i % 2], addr,
						true, 128), 0);
	}
	mutex_unlock(&lock);
	ktap_note("%d prefixes removed in %.3f s", MANY, ktap_clock() - start);
	EXPECT(ktap_clock() - start < IN_TIME);
	EXPECT_EQ(table.nodes, 0);
	teardown();
}

TEST(many_owners_removed_one_after_the_other)
{
	struct wg_aip_owner *many = calloc(1000, sizeof(*many));
	unsigned int i;
	double start;
	u8 addr[16];

	setup();
	mutex_lock(&lock);
	for (i = 0; i < 1000; i++)
		wg_aip_owner_init(&many[i]);
	for (i = 0; i < MANY; i++) {
		many_address(addr, i);
		REQUIRE_EQ(wg_allowedips_insert(&table, &many[i % 1000], addr,
						true, 128), 0);
	}
	start = ktap_clock();
	for (i = 0; i < 1000; i++)
		wg_allowedips_remove_owner(&table, &many[i]);
	mutex_unlock(&lock);
	ktap_note("1000 owners of %d prefixes removed in %.3f s", MANY,
		  ktap_clock() - start);
	EXPECT(ktap_clock() - start < IN_TIME);
	EXPECT_EQ(table.nodes, 0);
	free(many);
	teardown();
}
