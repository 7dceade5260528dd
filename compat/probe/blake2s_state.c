// SPDX-License-Identifier: GPL-2.0-only
/* one-of: blake2s */
#include <crypto/blake2s.h>
void fn(u8 *out, const u8 *in, const u8 *key, const size_t outlen, const size_t inlen, const size_t keylen);
_Static_assert(__builtin_types_compatible_p(typeof(&blake2s), typeof(&fn)), "");
int probe(void);
int probe(void) { return sizeof(struct blake2s_state); }
