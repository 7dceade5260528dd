// SPDX-License-Identifier: GPL-2.0-only
/* Protocol, "Messages": sizes, layout, classification, padding. */
#include <linux/kernel.h>
#include "ktap.h"
#include "packet.h"

/* The table of the protocol, said plainly. */
static int naive_classify(const u8 head[4], size_t len)
{
	static const struct {
		int type;
		size_t min, max;
	} table[] = {
		{ 1, 148, 148 }, { 2, 92, 92 }, { 3, 64, 64 },
		{ 4, 32, (size_t)-1 },
	};
	unsigned int i;

	if (head[1] || head[2] || head[3])
		return 0;
	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (head[0] == table[i].type && len >= table[i].min &&
		    len <= table[i].max)
			return table[i].type;
	return 0;
}

static int classify(u8 a, u8 b, u8 c, u8 d, size_t len)
{
	u8 head[4] = { a, b, c, d };
	__le32 word;
	int is;

	memcpy(&word, head, 4);
	is = wg_msg_classify(word, len);
	REQUIRE_MSG(is == naive_classify(head, len),
		    "%02x %02x %02x %02x, %zu bytes: is %d, should be %d",
		    a, b, c, d, len, is, naive_classify(head, len));
	return is;
}

TEST(classify_every_type_and_size)
{
	unsigned int type, hits = 0;
	size_t len;

	for (type = 0; type < 256; type++) {
		for (len = 0; len <= 200; len++)
			hits += classify(type, 0, 0, 0, len) != 0;
		for (len = 65400; len <= 65536; len++)
			classify(type, 0, 0, 0, len);
	}
	/* three sizes of handshake and 32..200 of data */
	EXPECT_EQ(hits, 3 + 169);
}

TEST(classify_reserved_bytes)
{
	static const size_t sizes[] = { 0, 148, 92, 64, 32 };
	unsigned int type, byte;

	for (type = 1; type <= 4; type++) {
		EXPECT(classify(type, 0, 0, 0, sizes[type]));
		for (byte = 1; byte < 256; byte++) {
			EXPECT(!classify(type, byte, 0, 0, sizes[type]));
			EXPECT(!classify(type, 0, byte, 0, sizes[type]));
			EXPECT(!classify(type, 0, 0, byte, sizes[type]));
			EXPECT(!classify(type, byte, byte, byte, sizes[type]));
		}
	}
}

TEST(layout_initiation)
{
	EXPECT_EQ(sizeof(struct wg_msg_initiation), 148);
	EXPECT_EQ(offsetof(struct wg_msg_initiation, type), 0);
	EXPECT_EQ(offsetof(struct wg_msg_initiation, sender), 4);
	EXPECT_EQ(offsetof(struct wg_msg_initiation, ephemeral), 8);
	EXPECT_EQ(offsetof(struct wg_msg_initiation, encrypted_static), 40);
	EXPECT_EQ(offsetof(struct wg_msg_initiation, encrypted_timestamp), 88);
	EXPECT_EQ(offsetof(struct wg_msg_initiation, macs.mac1), 116);
	EXPECT_EQ(offsetof(struct wg_msg_initiation, macs.mac2), 132);
}

TEST(layout_response)
{
	EXPECT_EQ(sizeof(struct wg_msg_response), 92);
	EXPECT_EQ(offsetof(struct wg_msg_response, sender), 4);
	EXPECT_EQ(offsetof(struct wg_msg_response, receiver), 8);
	EXPECT_EQ(offsetof(struct wg_msg_response, ephemeral), 12);
	EXPECT_EQ(offsetof(struct wg_msg_response, encrypted_nothing), 44);
	EXPECT_EQ(offsetof(struct wg_msg_response, macs.mac1), 60);
	EXPECT_EQ(offsetof(struct wg_msg_response, macs.mac2), 76);
}

TEST(layout_cookie_reply)
{
	EXPECT_EQ(sizeof(struct wg_msg_cookie_reply), 64);
	EXPECT_EQ(offsetof(struct wg_msg_cookie_reply, receiver), 4);
	EXPECT_EQ(offsetof(struct wg_msg_cookie_reply, nonce), 8);
	EXPECT_EQ(offsetof(struct wg_msg_cookie_reply, encrypted_cookie), 32);
}

TEST(layout_data)
{
	EXPECT_EQ(sizeof(struct wg_msg_data), 16);
	EXPECT_EQ(offsetof(struct wg_msg_data, receiver), 4);
	EXPECT_EQ(offsetof(struct wg_msg_data, counter), 8);
	EXPECT_EQ(WG_DATA_OVERHEAD, 32);
}

/* A byte at a time; an MTU of 0, or one already exceeded, is no limit. */
static unsigned int naive_padded(unsigned int len, unsigned int mtu)
{
	unsigned int p = len;

	while (p % 16 && !(mtu && len <= mtu && p == mtu))
		p++;
	return p;
}

TEST_FN(padding_mtu)
{
	unsigned int mtu = param, len;

	for (len = 0; len <= 1600; len++) {
		unsigned int p = wg_padded_len(len, mtu);

		REQUIRE_MSG(p == naive_padded(len, mtu),
			    "len %u, mtu %u: is %u, should be %u", len, mtu, p,
			    naive_padded(len, mtu));
	}
	for (len = 65535 - 40; len <= 65535; len++)
		REQUIRE_EQ(wg_padded_len(len, mtu), naive_padded(len, mtu));
}

TEST_CASE(padding_mtu, 0, 0)
TEST_CASE(padding_mtu, 1, 1)
TEST_CASE(padding_mtu, 15, 15)
TEST_CASE(padding_mtu, 16, 16)
TEST_CASE(padding_mtu, 17, 17)
TEST_CASE(padding_mtu, 68, 68)
TEST_CASE(padding_mtu, 1280, 1280)
TEST_CASE(padding_mtu, 1420, 1420)
TEST_CASE(padding_mtu, 1500, 1500)
TEST_CASE(padding_mtu, 9000, 9000)
TEST_CASE(padding_mtu, 65535, 65535)

TEST(padding_of_a_keepalive_is_none)
{
	unsigned int mtu;

	for (mtu = 0; mtu < 2000; mtu++)
		REQUIRE_EQ(wg_padded_len(0, mtu), 0);
}

TEST(padding_at_the_greatest_mtu)
{
	/* the device's max_mtu */
	EXPECT_EQ(wg_padded_len(1, 2147483552U), 16);
	EXPECT_EQ(wg_padded_len(1420, 2147483552U), 1424);
	EXPECT_EQ(wg_padded_len(65535, 2147483552U), 65536);
}
