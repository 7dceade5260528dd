/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mac1, mac2 and cookies. Protocol, "Denial-of-service protection".
 *
 * The clock is an argument: nanoseconds of a clock that also runs while the
 * machine sleeps. Randomness is an argument. Nothing here locks.
 */
#ifndef WG_COOKIE_H
#define WG_COOKIE_H

#include "packet.h"

#define WG_COOKIE_LEN		16
#define WG_COOKIE_LIFE_NS	(120ULL * 1000000000)
#define WG_COOKIE_LATENCY_NS	(5ULL * 1000000000)

/**
 * struct wg_mac_keys - what is derived from a receiver's public key
 * @mac1: HASH(LABEL-MAC1 ‖ pub)
 * @cookie: HASH(LABEL-COOKIE ‖ pub)
 */
struct wg_mac_keys {
	u8 mac1[WG_KEY_LEN];
	u8 cookie[WG_KEY_LEN];
};

/**
 * struct wg_cookie_jar - cookies that a peer gave us
 * @cookie: the cookie; valid if @have
 * @born: when it came, ns
 * @last_mac1: mac1 of the message we sent last; valid if @waiting
 * @have: a cookie is held
 * @waiting: no cookie reply has been accepted for @last_mac1 yet
 */
struct wg_cookie_jar {
	u8 cookie[WG_COOKIE_LEN];
	u64 born;
	u8 last_mac1[WG_MAC_LEN];
	bool have;
	bool waiting;
};

/**
 * wg_mac_keys_derive() - keys for messages to the owner of a public key
 * @keys: out
 * @pub: the public key
 */
void wg_mac_keys_derive(struct wg_mac_keys *keys, const u8 pub[WG_KEY_LEN]);

/**
 * wg_macs_check1() - verify mac1 of a handshake message, in constant time
 * @keys: of our own public key
 * @msg: the whole message
 * @len: its length in bytes, macs included
 *
 * Return: whether mac1 is right.
 */
bool wg_macs_check1(const struct wg_mac_keys *keys, const void *msg,
		    size_t len);

/**
 * wg_macs_check2() - verify mac2 of a handshake message, in constant time
 * @cookie: the cookie of the message's source
 * @msg: the whole message
 * @len: its length in bytes, macs included
 *
 * Return: whether mac2 is right.
 */
bool wg_macs_check2(const u8 cookie[WG_COOKIE_LEN], const void *msg,
		    size_t len);

/**
 * wg_macs_add() - fill in mac1 and, with a fresh cookie, mac2
 * @jar: the receiver's jar; remembers mac1
 * @keys: of the receiver's public key
 * @msg: the whole message
 * @len: its length in bytes, macs included
 * @now: ns
 *
 * mac2 is zero without a cookie younger than 115 s.
 */
void wg_macs_add(struct wg_cookie_jar *jar, const struct wg_mac_keys *keys,
		 void *msg, size_t len, u64 now);

/**
 * wg_cookie_make() - the cookie of a source
 * @out: 16 bytes
 * @secret: our random secret, 32 bytes
 * @source: IP address ‖ UDP port, both big endian
 * @len: 4 + 2 or 16 + 2
 */
void wg_cookie_make(u8 out[WG_COOKIE_LEN], const u8 secret[WG_KEY_LEN],
		    const u8 *source, size_t len);

/**
 * wg_cookie_reply_create() - answer a message with a cookie
 * @reply: out: the whole message
 * @keys: of our own public key
 * @cookie: of the message's source
 * @mac1: of the message
 * @nonce: 24 random bytes
 * @receiver: the sender's index, little endian as it came
 */
void wg_cookie_reply_create(struct wg_msg_cookie_reply *reply,
			    const struct wg_mac_keys *keys,
			    const u8 cookie[WG_COOKIE_LEN],
			    const u8 mac1[WG_MAC_LEN],
			    const u8 nonce[WG_XNONCE_LEN], __le32 receiver);

/**
 * wg_cookie_reply_consume() - accept a cookie
 * @jar: of the peer whom the index belongs to
 * @keys: of the peer's public key
 * @reply: the message
 * @now: ns
 *
 * Return: whether it was accepted: one reply is, for each mac1 sent.
 */
bool wg_cookie_reply_consume(struct wg_cookie_jar *jar,
			     const struct wg_mac_keys *keys,
			     const struct wg_msg_cookie_reply *reply, u64 now);

#endif /* WG_COOKIE_H */
