// SPDX-License-Identifier: GPL-2.0-only
/* one-of: udp_tunnel_sock_release */
#include <net/udp_tunnel.h>
void fn(struct socket *sock);
_Static_assert(__builtin_types_compatible_p(typeof(&udp_tunnel_sock_release), typeof(&fn)), "");
