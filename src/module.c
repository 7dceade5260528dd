// SPDX-License-Identifier: GPL-2.0-only
/* Init and exit of the module. */

#include <linux/genetlink.h>
#include <linux/module.h>
#include <net/rtnetlink.h>
#include <uapi/linux/wireguard.h>
#include "allowedips.h"
#include "crypt.h"
#include "device.h"
#include "handshake.h"
#include "netlink.h"
#include "pages.h"
#include "peer.h"
#include "session.h"
#include "tx.h"

static int __init wg_module_init(void)
{
	int err;

	err = wg_allowedips_module_init();
	if (err)
		return err;
	err = wg_session_module_init();
	if (err)
		goto err_allowedips;
	err = wg_peer_module_init();
	if (err)
		goto err_session;
	err = wg_pages_module_init();
	if (err)
		goto err_peer;
	err = wg_crypt_module_init();
	if (err)
		goto err_pages;
	err = wg_handshake_module_init();
	if (err)
		goto err_crypt;
	err = wg_device_module_init();
	if (err)
		goto err_handshake;
	err = wg_netlink_module_init();
	if (err)
		goto err_device;
	pr_info("wireguard: Adit %s\n", WG_VERSION);
	return 0;

err_device:
	wg_device_module_exit();
err_handshake:
	wg_handshake_module_exit();
err_crypt:
	wg_crypt_module_exit();
err_pages:
	wg_pages_module_exit();
err_peer:
	wg_peer_module_exit();
err_session:
	wg_session_module_exit();
err_allowedips:
	wg_allowedips_module_exit();
	return err;
}

static void __exit wg_module_exit(void)
{
	wg_netlink_module_exit();
	wg_device_module_exit();
	wg_handshake_module_exit();
	wg_crypt_module_exit();
	wg_tx_module_exit();
	wg_pages_module_exit();
	wg_peer_module_exit();
	wg_session_module_exit();
	wg_allowedips_module_exit();
}

module_init(wg_module_init);
module_exit(wg_module_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Adit: a WireGuard driver");
MODULE_AUTHOR("The Adit developers");
MODULE_VERSION(WG_VERSION);
MODULE_ALIAS_RTNL_LINK("wireguard");
MODULE_ALIAS_GENL_FAMILY(WG_GENL_NAME);
