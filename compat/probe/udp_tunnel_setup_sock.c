// SPDX-License-Identifier: GPL-2.0-only
/* one-of: setup_udp_tunnel_sock */
#include <net/udp_tunnel.h>
void fn(struct net *net, struct sock *sk, struct udp_tunnel_sock_cfg *cfg);
_Static_assert(__builtin_types_compatible_p(typeof(&setup_udp_tunnel_sock), typeof(&fn)), "");
