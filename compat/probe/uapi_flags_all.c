// SPDX-License-Identifier: GPL-2.0-only
/* Its driver refuses unknown flags by hand, not by a policy mask. */
#include <uapi/linux/wireguard.h>
int probe(void);
int probe(void) { return __WGDEVICE_F_ALL + __WGPEER_F_ALL; }
