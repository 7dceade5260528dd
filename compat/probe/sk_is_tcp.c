// SPDX-License-Identifier: GPL-2.0-only
#include <net/sock.h>
bool probe(const struct sock *sk);
bool probe(const struct sock *sk) { return sk_is_tcp(sk); }
