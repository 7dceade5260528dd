/* SPDX-License-Identifier: GPL-2.0-only */
/* Generic netlink and the family's uapi. */
#ifndef WG_COMPAT_GENL_H
#define WG_COMPAT_GENL_H

#include <net/genetlink.h>
#include <uapi/linux/wireguard.h>

#if !WG_FACT_GENL_INFO_DUMP
/* Before 6.6 there is no info, but what we need of it has the same name. */
#define genl_info_dump(cb) genl_dumpit_info(cb)
#endif

#if !WG_FACT_UAPI_ALLOWEDIP_FLAGS
#define WGALLOWEDIP_A_FLAGS	(WGALLOWEDIP_A_CIDR_MASK + 1)
#define WGALLOWEDIP_F_REMOVE_ME	1U
#undef WGALLOWEDIP_A_MAX
#define WGALLOWEDIP_A_MAX	WGALLOWEDIP_A_FLAGS
#endif

/* Which commands have reserved bits checked; before 6.1 none has. */
#if WG_FACT_GENL_RESV_START_OP
#define WG_FAMILY_RESV		.resv_start_op = WG_RESV_START_OP,
#else
#define WG_FAMILY_RESV
#endif

/*
 * Unknown device and peer flags: the driver of this kernel either checks them
 * by hand, with EOPNOTSUPP, or by its policy, with EINVAL. A user of one
 * kernel sees the same from both drivers. The latter also has the core check
 * the message's reserved bits and flags for both commands.
 */
#if WG_FACT_UAPI_FLAGS_ALL
#define WG_POLICY_FLAGS(mask) { .type = NLA_U32 + 0 * (mask) }
#define WG_RESV_START_OP	(WG_CMD_SET_DEVICE + 1)
#define WG_FAMILY_MAXATTR	WGDEVICE_A_MAX

static inline int wg_check_flags(const struct nlattr *attr, u32 mask,
				 const char *msg,
				 struct netlink_ext_ack *extack)
{
	if (!attr || !(nla_get_u32(attr) & ~mask))
		return 0;
	if (extack) {
		extack->_msg = msg;
		extack->bad_attr = attr;
	}
	return -EOPNOTSUPP;
}
#else
#define WG_POLICY_FLAGS(mask) NLA_POLICY_MASK(NLA_U32, mask)
#define WG_RESV_START_OP	0
#define WG_FAMILY_MAXATTR	0	/* each command has its own */

static inline int wg_check_flags(const struct nlattr *attr, u32 mask,
				 const char *msg,
				 struct netlink_ext_ack *extack)
{
	return 0;
}
#endif

#endif /* WG_COMPAT_GENL_H */
