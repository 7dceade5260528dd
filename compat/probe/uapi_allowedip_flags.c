// SPDX-License-Identifier: GPL-2.0-only
#include <uapi/linux/wireguard.h>
int probe(void);
int probe(void) { return WGALLOWEDIP_A_FLAGS + WGALLOWEDIP_F_REMOVE_ME; }
