// SPDX-License-Identifier: GPL-2.0-only
/* one-of: blake2s */
#include <crypto/blake2s.h>
void fn(const u8 *key, size_t keylen, const u8 *in, size_t inlen, u8 *out, size_t outlen);
_Static_assert(__builtin_types_compatible_p(typeof(&blake2s), typeof(&fn)), "");
int probe(void);
int probe(void) { return sizeof(struct blake2s_ctx); }
