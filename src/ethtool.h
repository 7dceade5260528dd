/* SPDX-License-Identifier: GPL-2.0-only */
/* What ethtool shows and sets beyond the features. */
#ifndef WG_ETHTOOL_H
#define WG_ETHTOOL_H

#include <linux/ethtool.h>

extern const struct ethtool_ops wg_ethtool_ops;

#endif /* WG_ETHTOOL_H */
