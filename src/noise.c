// SPDX-License-Identifier: GPL-2.0-only
/* Noise_IKpsk2 over byte buffers. Protocol, "Handshake". */

#include <linux/bits.h>
#include "noise.h"

static const char construction[] = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
static const char identifier[] = "WireGuard v1 zx2c4 Jason@zx2c4.com";

#define TAI64_OFFSET	(0x4000000000000000ULL + 10)
#define TIMESTAMP_GRAIN	BIT(24)

/* RFC 2104 over BLAKE2s-256; every key of ours is 32 bytes. */
static void hmac2(u8 out[WG_HASH_LEN], const u8 key[WG_HASH_LEN],
		  const void *a, size_t a_len, const void *b, size_t b_len)
{
	u8 pad[BLAKE2S_BLOCK_SIZE];
	u8 inner[WG_HASH_LEN];
	struct blake2s_ctx ctx;
	int i;

	memset(pad, 0x36, sizeof(pad));
	for (i = 0; i < WG_HASH_LEN; i++)
		pad[i] ^= key[i];
	blake2s_init(&ctx, WG_HASH_LEN);
	blake2s_update(&ctx, pad, sizeof(pad));
	if (a_len)
		blake2s_update(&ctx, a, a_len);
	if (b_len)
		blake2s_update(&ctx, b, b_len);
	blake2s_final(&ctx, inner);

	for (i = 0; i < BLAKE2S_BLOCK_SIZE; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	wg_hash2(out, pad, sizeof(pad), inner, sizeof(inner));

	memzero_explicit(pad, sizeof(pad));
	memzero_explicit(inner, sizeof(inner));
}

void wg_noise_kdf(u8 *t1, u8 *t2, u8 *t3, const u8 key[WG_HASH_LEN],
		  const void *input, size_t input_len)
{
	u8 t0[WG_HASH_LEN];
	u8 n = 1;

	hmac2(t0, key, input, input_len, NULL, 0);
	hmac2(t1, t0, NULL, 0, &n, 1);
	if (t2) {
		n = 2;
		hmac2(t2, t0, t1, WG_HASH_LEN, &n, 1);
		if (t3) {
			n = 3;
			hmac2(t3, t0, t2, WG_HASH_LEN, &n, 1);
		}
	}
	memzero_explicit(t0, sizeof(t0));
}

static void mix_hash(struct wg_noise *noise, const void *data, size_t len)
{
	wg_hash2(noise->hash, noise->hash, WG_HASH_LEN, data, len);
}

static void mix_key(struct wg_noise *noise, const u8 input[WG_KEY_LEN])
{
	wg_noise_kdf(noise->chain, NULL, NULL, noise->chain, input, WG_KEY_LEN);
}

/* C = KDF1(C, DH(priv, pub)), or (C, k) = KDF2(C, DH(priv, pub)) with a key. */
static bool mix_dh(struct wg_noise *noise, u8 *key,
		   const u8 priv[WG_KEY_LEN], const u8 pub[WG_KEY_LEN])
{
	u8 secret[WG_KEY_LEN];
	bool ok = wg_dh(secret, priv, pub);

	if (ok)
		wg_noise_kdf(noise->chain, key, NULL, noise->chain, secret,
			     WG_KEY_LEN);
	memzero_explicit(secret, sizeof(secret));
	return ok;
}

/* H = HASH(HASH(HASH(CONSTRUCTION) ‖ IDENTIFIER) ‖ S_r.pub) */
static void start(struct wg_noise *noise, const u8 responder[WG_KEY_LEN])
{
	memset(noise, 0, sizeof(*noise));
	wg_hash2(noise->chain, construction, sizeof(construction) - 1, NULL, 0);
	wg_hash2(noise->hash, noise->chain, WG_HASH_LEN, identifier,
		 sizeof(identifier) - 1);
	mix_hash(noise, responder, WG_KEY_LEN);
}

/* e: both sides mix the public ephemeral into C and H */
static void token_e(struct wg_noise *noise, const u8 pub[WG_KEY_LEN])
{
	mix_key(noise, pub);
	mix_hash(noise, pub, WG_KEY_LEN);
}

static void seal_and_hash(struct wg_noise *noise, u8 *dst, const u8 *src,
			  size_t len, const u8 key[WG_KEY_LEN])
{
	wg_seal(dst, src, len, noise->hash, WG_HASH_LEN, 0, key);
	mix_hash(noise, dst, len + WG_TAG_LEN);
}

static bool open_and_hash(struct wg_noise *noise, u8 *dst, const u8 *src,
			  size_t len, const u8 key[WG_KEY_LEN])
{
	if (!wg_open(dst, src, len, noise->hash, WG_HASH_LEN, 0, key))
		return false;
	mix_hash(noise, src, len);
	return true;
}

/* psk: (C, τ, k) = KDF3(C, Q); H = HASH(H ‖ τ) */
static void token_psk(struct wg_noise *noise, u8 key[WG_KEY_LEN],
		      const u8 psk[WG_KEY_LEN])
{
	u8 tau[WG_HASH_LEN];

	wg_noise_kdf(noise->chain, tau, key, noise->chain, psk, WG_KEY_LEN);
	mix_hash(noise, tau, sizeof(tau));
	memzero_explicit(tau, sizeof(tau));
}

bool wg_noise_create_initiation(struct wg_noise *noise,
				struct wg_msg_initiation *msg,
				const struct wg_static *local,
				const u8 remote_pub[WG_KEY_LEN],
				const u8 ss[WG_KEY_LEN],
				const u8 ephemeral[WG_KEY_LEN],
				const u8 timestamp[WG_TIMESTAMP_LEN],
				u32 sender)
{
	u8 key[WG_KEY_LEN];
	bool ok = false;

	start(noise, remote_pub);
	msg->type = cpu_to_le32(WG_MSG_INITIATION);
	msg->sender = cpu_to_le32(sender);

	/* e */
	memcpy(noise->ephemeral, ephemeral, WG_KEY_LEN);
	wg_clamp(noise->ephemeral);
	if (!wg_public_key(msg->ephemeral, noise->ephemeral))
		goto out;
	token_e(noise, msg->ephemeral);

	/* es */
	if (!mix_dh(noise, key, noise->ephemeral, remote_pub))
		goto out;

	/* s */
	seal_and_hash(noise, msg->encrypted_static, local->pub, WG_KEY_LEN,
		      key);

	/* ss, computed before; a zero result is no secret */
	if (wg_is_zero_key(ss))
		goto out;
	wg_noise_kdf(noise->chain, key, NULL, noise->chain, ss, WG_KEY_LEN);

	/* payload: the time stamp */
	seal_and_hash(noise, msg->encrypted_timestamp, timestamp,
		      WG_TIMESTAMP_LEN, key);
	ok = true;
out:
	memzero_explicit(key, sizeof(key));
	if (!ok)
		memzero_explicit(noise, sizeof(*noise));
	return ok;
}

bool wg_noise_open_static(struct wg_noise *noise, u8 remote_pub[WG_KEY_LEN],
			  const struct wg_msg_initiation *msg,
			  const struct wg_static *local)
{
	u8 key[WG_KEY_LEN];
	bool ok;

	start(noise, local->pub);

	/* e */
	memcpy(noise->remote_ephemeral, msg->ephemeral, WG_KEY_LEN);
	token_e(noise, msg->ephemeral);

	/* es, s */
	ok = mix_dh(noise, key, local->priv, msg->ephemeral) &&
	     open_and_hash(noise, remote_pub, msg->encrypted_static,
			   sizeof(msg->encrypted_static), key);
	memzero_explicit(key, sizeof(key));
	if (!ok)
		memzero_explicit(noise, sizeof(*noise));
	return ok;
}

bool wg_noise_open_timestamp(struct wg_noise *noise,
			     u8 timestamp[WG_TIMESTAMP_LEN],
			     const struct wg_msg_initiation *msg,
			     const u8 ss[WG_KEY_LEN])
{
	u8 key[WG_KEY_LEN];
	bool ok = false;

	/* ss */
	if (!wg_is_zero_key(ss)) {
		wg_noise_kdf(noise->chain, key, NULL, noise->chain, ss,
			     WG_KEY_LEN);
		ok = open_and_hash(noise, timestamp, msg->encrypted_timestamp,
				   sizeof(msg->encrypted_timestamp), key);
		memzero_explicit(key, sizeof(key));
	}
	if (!ok)
		memzero_explicit(noise, sizeof(*noise));
	return ok;
}

bool wg_noise_create_response(struct wg_noise *noise,
			      struct wg_msg_response *msg,
			      struct wg_session_keys *keys,
			      const u8 remote_pub[WG_KEY_LEN],
			      const u8 psk[WG_KEY_LEN],
			      const u8 ephemeral[WG_KEY_LEN], u32 sender,
			      u32 receiver)
{
	u8 key[WG_KEY_LEN];
	bool ok = false;

	msg->type = cpu_to_le32(WG_MSG_RESPONSE);
	msg->sender = cpu_to_le32(sender);
	msg->receiver = cpu_to_le32(receiver);

	/* e */
	memcpy(noise->ephemeral, ephemeral, WG_KEY_LEN);
	wg_clamp(noise->ephemeral);
	if (!wg_public_key(msg->ephemeral, noise->ephemeral))
		goto out;
	token_e(noise, msg->ephemeral);

	/* ee, se */
	if (!mix_dh(noise, NULL, noise->ephemeral, noise->remote_ephemeral) ||
	    !mix_dh(noise, NULL, noise->ephemeral, remote_pub))
		goto out;

	/* psk, empty payload */
	token_psk(noise, key, psk);
	seal_and_hash(noise, msg->encrypted_nothing, NULL, 0, key);

	/* k1 is the initiator's sending key, k2 the responder's */
	wg_noise_kdf(keys->recv, keys->send, NULL, noise->chain, NULL, 0);
	ok = true;
out:
	memzero_explicit(key, sizeof(key));
	memzero_explicit(noise, sizeof(*noise));
	return ok;
}

bool wg_noise_consume_response(const struct wg_noise *noise,
			       struct wg_session_keys *keys,
			       const struct wg_msg_response *msg,
			       const struct wg_static *local,
			       const u8 psk[WG_KEY_LEN])
{
	struct wg_noise tmp = *noise;
	u8 key[WG_KEY_LEN];
	bool ok = false;

	/* e */
	token_e(&tmp, msg->ephemeral);

	/* ee, se */
	if (!mix_dh(&tmp, NULL, tmp.ephemeral, msg->ephemeral) ||
	    !mix_dh(&tmp, NULL, local->priv, msg->ephemeral))
		goto out;

	/* psk, empty payload */
	token_psk(&tmp, key, psk);
	if (!open_and_hash(&tmp, NULL, msg->encrypted_nothing,
			   sizeof(msg->encrypted_nothing), key))
		goto out;

	wg_noise_kdf(keys->send, keys->recv, NULL, tmp.chain, NULL, 0);
	ok = true;
out:
	memzero_explicit(key, sizeof(key));
	memzero_explicit(&tmp, sizeof(tmp));
	if (!ok)
		memzero_explicit(keys, sizeof(*keys));
	return ok;
}

void wg_noise_timestamp(u8 out[WG_TIMESTAMP_LEN], s64 seconds, u32 nanoseconds)
{
	put_unaligned_be64(TAI64_OFFSET + (u64)seconds, out);
	put_unaligned_be32(nanoseconds & ~(TIMESTAMP_GRAIN - 1), out + 8);
}
