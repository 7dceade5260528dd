/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Noise_IKpsk2 over byte buffers: no device, no socket, no clock.
 *
 * Protocol, "Handshake". Randomness, time stamps and the static-static secret
 * are arguments, so that every function is a pure one.
 */
#ifndef WG_NOISE_H
#define WG_NOISE_H

#include "packet.h"

/**
 * struct wg_static - a static key pair of our own
 * @priv: secret scalar, clamped
 * @pub: public key
 */
struct wg_static {
	u8 priv[WG_KEY_LEN];
	u8 pub[WG_KEY_LEN];
};

/**
 * struct wg_noise - what a handshake carries from one message to the next
 * @chain: chaining key C
 * @hash: transcript hash H
 * @ephemeral: our secret ephemeral scalar (initiator only)
 * @remote_ephemeral: their ephemeral public key (responder only)
 */
struct wg_noise {
	u8 chain[WG_HASH_LEN];
	u8 hash[WG_HASH_LEN];
	u8 ephemeral[WG_KEY_LEN];
	u8 remote_ephemeral[WG_KEY_LEN];
};

/**
 * struct wg_session_keys - outcome of a handshake
 * @send: key for what we send
 * @recv: key for what we receive
 */
struct wg_session_keys {
	u8 send[WG_KEY_LEN];
	u8 recv[WG_KEY_LEN];
};

/**
 * wg_noise_kdf() - KDF_n(k, x) of the protocol, n from 1 to 3
 * @t1: first output, 32 bytes; may be @key
 * @t2: second output or NULL
 * @t3: third output or NULL; needs @t2
 * @key: the chaining key, 32 bytes
 * @input: x
 * @input_len: its length in bytes, may be 0
 *
 * Any context. RFC 5869 with HMAC (RFC 2104) over BLAKE2s-256.
 */
void wg_noise_kdf(u8 *t1, u8 *t2, u8 *t3, const u8 key[WG_HASH_LEN],
		  const void *input, size_t input_len);

/**
 * wg_noise_create_initiation() - build a handshake initiation
 * @noise: out: state for wg_noise_consume_response(); wiped on failure
 * @msg: out: the message, all but its MACs
 * @local: our static key pair
 * @remote_pub: the peer's static public key
 * @ss: DH(our static, their static)
 * @ephemeral: 32 random bytes, clamped here
 * @timestamp: TAI64N
 * @sender: our index, host order
 *
 * Any context. Return: false where a DH result is zero.
 */
bool __must_check
wg_noise_create_initiation(struct wg_noise *noise,
			   struct wg_msg_initiation *msg,
			   const struct wg_static *local,
			   const u8 remote_pub[WG_KEY_LEN],
			   const u8 ss[WG_KEY_LEN],
			   const u8 ephemeral[WG_KEY_LEN],
			   const u8 timestamp[WG_TIMESTAMP_LEN], u32 sender);

/**
 * wg_noise_open_static() - first half of consuming an initiation
 * @noise: out: state for wg_noise_open_timestamp(); wiped on failure
 * @remote_pub: out: who claims to be calling, not yet proven
 * @msg: the message; its MACs are not looked at
 * @local: our static key pair
 *
 * Any context. Return: false where the message does not authenticate.
 */
bool __must_check
wg_noise_open_static(struct wg_noise *noise, u8 remote_pub[WG_KEY_LEN],
		     const struct wg_msg_initiation *msg,
		     const struct wg_static *local);

/**
 * wg_noise_open_timestamp() - second half of consuming an initiation
 * @noise: in, out: from wg_noise_open_static(); wiped on failure
 * @timestamp: out: TAI64N
 * @msg: the same message
 * @ss: DH(our static, their static)
 *
 * Any context. Return: false where the message does not authenticate.
 */
bool __must_check
wg_noise_open_timestamp(struct wg_noise *noise,
			u8 timestamp[WG_TIMESTAMP_LEN],
			const struct wg_msg_initiation *msg,
			const u8 ss[WG_KEY_LEN]);

/**
 * wg_noise_create_response() - build a response and derive the session
 * @noise: in: from wg_noise_open_timestamp(); wiped on return
 * @msg: out: the message, all but its MACs
 * @keys: out: session keys of the responder
 * @remote_pub: the initiator's static public key
 * @psk: preshared key, zero bytes for none
 * @ephemeral: 32 random bytes, clamped here
 * @sender: our index, host order
 * @receiver: the initiator's index, host order
 *
 * Any context. Return: false where a DH result is zero.
 */
bool __must_check
wg_noise_create_response(struct wg_noise *noise, struct wg_msg_response *msg,
			 struct wg_session_keys *keys,
			 const u8 remote_pub[WG_KEY_LEN],
			 const u8 psk[WG_KEY_LEN],
			 const u8 ephemeral[WG_KEY_LEN], u32 sender,
			 u32 receiver);

/**
 * wg_noise_consume_response() - check a response and derive the session
 * @noise: in: from wg_noise_create_initiation(); never changed, so that a bad
 *	response leaves the handshake as it was. The caller wipes it.
 * @keys: out: session keys of the initiator; wiped on failure
 * @msg: the message; its MACs are not looked at
 * @local: our static key pair
 * @psk: preshared key, zero bytes for none
 *
 * Any context. Return: false where the message does not authenticate.
 */
bool __must_check
wg_noise_consume_response(const struct wg_noise *noise,
			  struct wg_session_keys *keys,
			  const struct wg_msg_response *msg,
			  const struct wg_static *local,
			  const u8 psk[WG_KEY_LEN]);

/**
 * wg_noise_timestamp() - TIMESTAMP(): TAI64N, rounded down
 * @out: 12 bytes, big endian
 * @seconds: unix time, seconds
 * @nanoseconds: and its nanoseconds, below 10^9
 *
 * Any context. Protocol, "Primitives": the nanoseconds are rounded down to a
 * multiple of 2^24.
 */
void wg_noise_timestamp(u8 out[WG_TIMESTAMP_LEN], s64 seconds,
			u32 nanoseconds);

#endif /* WG_NOISE_H */
