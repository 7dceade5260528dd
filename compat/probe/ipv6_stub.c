// SPDX-License-Identifier: GPL-2.0-only
#include <net/ipv6_stubs.h>
void *probe(struct net *net, struct sock *sk, struct flowi6 *fl);
void *probe(struct net *net, struct sock *sk, struct flowi6 *fl) { return ipv6_stub->ipv6_dst_lookup_flow(net, sk, fl, NULL); }
