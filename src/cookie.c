// SPDX-License-Identifier: GPL-2.0-only
/* mac1, mac2 and cookies. Protocol, "Denial-of-service protection". */

#include "cookie.h"

static const char label_mac1[8] = "mac1----";
static const char label_cookie[8] = "cookie--";

void wg_mac_keys_derive(struct wg_mac_keys *keys, const u8 pub[WG_KEY_LEN])
{
	wg_hash2(keys->mac1, label_mac1, sizeof(label_mac1), pub, WG_KEY_LEN);
	wg_hash2(keys->cookie, label_cookie, sizeof(label_cookie), pub,
		 WG_KEY_LEN);
}

/* The two macs are the message's last 32 bytes. */
static const struct wg_macs *macs_of(const void *msg, size_t len)
{
	return msg + len - sizeof(struct wg_macs);
}

static void mac1_of(u8 out[WG_MAC_LEN], const struct wg_mac_keys *keys,
		    const void *msg, size_t len)
{
	wg_mac(out, keys->mac1, WG_KEY_LEN, msg, len - sizeof(struct wg_macs));
}

static void mac2_of(u8 out[WG_MAC_LEN], const u8 cookie[WG_COOKIE_LEN],
		    const void *msg, size_t len)
{
	wg_mac(out, cookie, WG_COOKIE_LEN, msg, len - WG_MAC_LEN);
}

bool wg_macs_check1(const struct wg_mac_keys *keys, const void *msg, size_t len)
{
	u8 mac[WG_MAC_LEN];

	mac1_of(mac, keys, msg, len);
	return wg_equal(mac, macs_of(msg, len)->mac1, WG_MAC_LEN);
}

bool wg_macs_check2(const u8 cookie[WG_COOKIE_LEN], const void *msg, size_t len)
{
	u8 mac[WG_MAC_LEN];

	mac2_of(mac, cookie, msg, len);
	return wg_equal(mac, macs_of(msg, len)->mac2, WG_MAC_LEN);
}

void wg_macs_add(struct wg_cookie_jar *jar, const struct wg_mac_keys *keys,
		 void *msg, size_t len, u64 now)
{
	struct wg_macs *macs = msg + len - sizeof(*macs);

	mac1_of(macs->mac1, keys, msg, len);
	memcpy(jar->last_mac1, macs->mac1, WG_MAC_LEN);
	jar->waiting = true;

	if (jar->have &&
	    now - jar->born >= WG_COOKIE_LIFE_NS - WG_COOKIE_LATENCY_NS) {
		memzero_explicit(jar->cookie, sizeof(jar->cookie));
		jar->have = false;
	}
	if (jar->have)
		mac2_of(macs->mac2, jar->cookie, msg, len);
	else
		memset(macs->mac2, 0, WG_MAC_LEN);
}

void wg_cookie_make(u8 out[WG_COOKIE_LEN], const u8 secret[WG_KEY_LEN],
		    const u8 *source, size_t len)
{
	wg_mac(out, secret, WG_KEY_LEN, source, len);
}

void wg_cookie_reply_create(struct wg_msg_cookie_reply *reply,
			    const struct wg_mac_keys *keys,
			    const u8 cookie[WG_COOKIE_LEN],
			    const u8 mac1[WG_MAC_LEN],
			    const u8 nonce[WG_XNONCE_LEN], __le32 receiver)
{
	reply->type = cpu_to_le32(WG_MSG_COOKIE_REPLY);
	reply->receiver = receiver;
	memcpy(reply->nonce, nonce, WG_XNONCE_LEN);
	wg_xseal(reply->encrypted_cookie, cookie, WG_COOKIE_LEN, mac1,
		 WG_MAC_LEN, nonce, keys->cookie);
}

bool wg_cookie_reply_consume(struct wg_cookie_jar *jar,
			     const struct wg_mac_keys *keys,
			     const struct wg_msg_cookie_reply *reply, u64 now)
{
	u8 cookie[WG_COOKIE_LEN];
	bool ok;

	if (!jar->waiting)
		return false;
	ok = wg_xopen(cookie, reply->encrypted_cookie,
		      sizeof(reply->encrypted_cookie), jar->last_mac1,
		      WG_MAC_LEN, reply->nonce, keys->cookie);
	if (ok) {
		memcpy(jar->cookie, cookie, sizeof(cookie));
		jar->born = now;
		jar->have = true;
		jar->waiting = false;
	}
	memzero_explicit(cookie, sizeof(cookie));
	return ok;
}
