/* SPDX-License-Identifier: GPL-2.0-only */
/* Generic netlink family "wireguard". */
#ifndef WG_NETLINK_H
#define WG_NETLINK_H

#include <net/netlink.h>
#include <uapi/linux/wireguard.h>

extern const struct nla_policy wg_device_policy[WGDEVICE_A_MAX + 1];
extern const struct nla_policy wg_get_policy[WGDEVICE_A_IFNAME + 1];
extern const struct nla_policy wg_peer_policy[WGPEER_A_MAX + 1];
extern const struct nla_policy wg_allowedip_policy[WGALLOWEDIP_A_MAX + 1];

/* Once for the module: 0 or a negative errno. */
int wg_netlink_module_init(void);
void wg_netlink_module_exit(void);

#endif /* WG_NETLINK_H */
