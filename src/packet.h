/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Wire format: message layouts and the sizes that each type allows.
 *
 * All integers on the wire are little endian (protocol: "Messages").
 */
#ifndef WG_PACKET_H
#define WG_PACKET_H

#include <linux/build_bug.h>
#include <linux/types.h>
#include "crypto.h"

/* First 32-bit word of a message: the type, then three reserved zero bytes. */
enum wg_msg_type {
	WG_MSG_INVALID = 0,
	WG_MSG_INITIATION = 1,
	WG_MSG_RESPONSE = 2,
	WG_MSG_COOKIE_REPLY = 3,
	WG_MSG_DATA = 4,
};

enum wg_wire_sizes {
	WG_MAC_LEN = 16,
	WG_TIMESTAMP_LEN = 12,
	WG_PADDING = 16,
};

/**
 * struct wg_macs - the two trailing MACs of a handshake message
 * @mac1: keyed with the receiver's public key, always checked
 * @mac2: keyed with a cookie, zero where none is held
 */
struct wg_macs {
	u8 mac1[WG_MAC_LEN];
	u8 mac2[WG_MAC_LEN];
};

/**
 * struct wg_msg_initiation - first message of a handshake (148 bytes)
 * @type: %WG_MSG_INITIATION, reserved bytes zero
 * @sender: index chosen by the initiator
 * @ephemeral: the initiator's ephemeral public key
 * @encrypted_static: the initiator's static public key, sealed
 * @encrypted_timestamp: TAI64N time stamp, sealed
 * @macs: see &struct wg_macs
 */
struct wg_msg_initiation {
	__le32 type;
	__le32 sender;
	u8 ephemeral[WG_KEY_LEN];
	u8 encrypted_static[WG_KEY_LEN + WG_TAG_LEN];
	u8 encrypted_timestamp[WG_TIMESTAMP_LEN + WG_TAG_LEN];
	struct wg_macs macs;
};

/**
 * struct wg_msg_response - second message of a handshake (92 bytes)
 * @type: %WG_MSG_RESPONSE, reserved bytes zero
 * @sender: index chosen by the responder
 * @receiver: the initiator's index
 * @ephemeral: the responder's ephemeral public key
 * @encrypted_nothing: an empty payload, sealed: just a tag
 * @macs: see &struct wg_macs
 */
struct wg_msg_response {
	__le32 type;
	__le32 sender;
	__le32 receiver;
	u8 ephemeral[WG_KEY_LEN];
	u8 encrypted_nothing[WG_TAG_LEN];
	struct wg_macs macs;
};

/**
 * struct wg_msg_cookie_reply - answer of a loaded receiver (64 bytes)
 * @type: %WG_MSG_COOKIE_REPLY, reserved bytes zero
 * @receiver: index of the sender of the message that is answered
 * @nonce: random nonce of XChaCha20-Poly1305
 * @encrypted_cookie: the cookie, sealed with mac1 as associated data
 */
struct wg_msg_cookie_reply {
	__le32 type;
	__le32 receiver;
	u8 nonce[WG_XNONCE_LEN];
	u8 encrypted_cookie[WG_MAC_LEN + WG_TAG_LEN];
};

/**
 * struct wg_msg_data - header of a transport message
 * @type: %WG_MSG_DATA, reserved bytes zero
 * @receiver: the receiver's index of the session
 * @counter: the nonce
 *
 * The ciphertext of the padded packet and a tag of %WG_TAG_LEN bytes follow.
 */
struct wg_msg_data {
	__le32 type;
	__le32 receiver;
	__le64 counter;	/* aligned to 4 bytes only, behind IPv4 */
};

/* What a transport message adds to its padded plaintext. */
#define WG_DATA_OVERHEAD	(sizeof(struct wg_msg_data) + WG_TAG_LEN)

/**
 * wg_msg_classify() - type of a message whose size fits it
 * @first_word: the first four bytes of the datagram's payload
 * @len: length of the payload in bytes
 *
 * Any context. Protocol, "Messages": a datagram of any other type, with a
 * reserved byte that is not zero, or with a size that its type does not allow
 * is dropped before any cryptography.
 *
 * Return: the type, or %WG_MSG_INVALID.
 */
static inline enum wg_msg_type wg_msg_classify(__le32 first_word, size_t len)
{
	static_assert(sizeof(struct wg_msg_initiation) == 148);
	static_assert(sizeof(struct wg_msg_response) == 92);
	static_assert(sizeof(struct wg_msg_cookie_reply) == 64);
	static_assert(sizeof(struct wg_msg_data) == 16);

	switch (le32_to_cpu(first_word)) {
	case WG_MSG_DATA:
		return len >= WG_DATA_OVERHEAD ? WG_MSG_DATA : WG_MSG_INVALID;
	case WG_MSG_INITIATION:
		return len == sizeof(struct wg_msg_initiation) ?
			WG_MSG_INITIATION : WG_MSG_INVALID;
	case WG_MSG_RESPONSE:
		return len == sizeof(struct wg_msg_response) ?
			WG_MSG_RESPONSE : WG_MSG_INVALID;
	case WG_MSG_COOKIE_REPLY:
		return len == sizeof(struct wg_msg_cookie_reply) ?
			WG_MSG_COOKIE_REPLY : WG_MSG_INVALID;
	default:
		return WG_MSG_INVALID;
	}
}

/**
 * wg_padded_len() - length of a plaintext after zero padding
 * @len: length of the inner packet in bytes, 0 for a keepalive
 * @mtu: MTU of the inner route or of the device in bytes, 0 for no limit
 *
 * Any context. Protocol, "Messages": padded to a multiple of 16, clamped to
 * the MTU. A packet that is longer than the MTU already is padded without the
 * clamp.
 *
 * Return: the padded length, never below @len.
 */
static inline unsigned int wg_padded_len(unsigned int len, unsigned int mtu)
{
	unsigned int padded = (len + WG_PADDING - 1) & ~(WG_PADDING - 1U);

	if (len <= mtu && padded > mtu)
		return mtu;
	return padded;
}

#endif /* WG_PACKET_H */
