/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Included before every source file: gives an older kernel the newest one's
 * API. What is there is decided by facts.h, that is, by compiled probes.
 * docs/compat.md lists every fact.
 */
#ifndef WG_COMPAT_H
#define WG_COMPAT_H

#include "facts.h"
#include "crypto.h"
#include "genl.h"
#include "net.h"
#include "netdev.h"
#include "random.h"
#include "sched.h"
#include "skb.h"
#include "slab.h"
#include "udp_tunnel.h"

#endif /* WG_COMPAT_H */
