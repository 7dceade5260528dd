// SPDX-License-Identifier: GPL-2.0-only
/*
 * The netdev: creation, up and down, namespaces, sleep, cloned machines, and
 * the numbered teardown of a device.
 */

#include <linux/if_arp.h>
#include <linux/inetdevice.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/random.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <linux/suspend.h>
#include <net/addrconf.h>
#include <net/ip_tunnels.h>
#include <net/net_namespace.h>
#include <net/rtnetlink.h>
#include "device.h"
#include "ethtool.h"
#include "handshake.h"
#include "lookup.h"
#include "peer.h"
#include "rx.h"
#include "session.h"
#include "socket.h"
#include "tx.h"

#define MAX_NAPIS	8

static DEFINE_MUTEX(wg_devices_lock);
static LIST_HEAD(wg_devices);	/* under wg_devices_lock */

/* The machine is about to sleep: written by the notifier, READ_ONCE */
static bool asleep;

static u64 new_generation(void)
{
	static atomic64_t generations = ATOMIC64_INIT(0);

	return atomic64_inc_return(&generations);
}

void wg_device_changed(struct wg_device *wg)
{
	lockdep_assert_held(&wg->lock);
	wg->generation = new_generation();
}

void wg_device_get(struct wg_device *wg)
{
	refcount_inc(&wg->users);
}

void wg_device_put(struct wg_device *wg)
{
	if (refcount_dec_and_test(&wg->users))
		complete(&wg->unused);
}

static void identity_free_rcu(struct rcu_head *rcu)
{
	kfree_sensitive(container_of(rcu, struct wg_identity, rcu));
}

int wg_device_set_key(struct wg_device *wg, const u8 priv[WG_KEY_LEN])
{
	struct wg_identity *new = NULL, *old;
	struct wg_peer *peer;
	unsigned long id;

	lockdep_assert_held(&wg->lock);
	old = rcu_dereference_protected(wg->identity,
					lockdep_is_held(&wg->lock));
	if (!wg_is_zero_key(priv)) {
		new = kzalloc_obj(*new, GFP_KERNEL);
		if (!new)
			return -ENOMEM;
		memcpy(new->key.priv, priv, WG_KEY_LEN);
		wg_clamp(new->key.priv);
		if (old && wg_equal(old->key.priv, new->key.priv, WG_KEY_LEN)) {
			kfree_sensitive(new);
			return 0;
		}
		if (!wg_public_key(new->key.pub, new->key.priv)) {
			/* a clamped key has a public one */
			kfree_sensitive(new);
			return -EINVAL;
		}
		wg_mac_keys_derive(&new->macs, new->key.pub);
		new->generation = ++wg->identities;

		/* a peer with our own key must not be usable */
		peer = wg_lookup_peer(wg, new->key.pub);
		if (peer) {
			wg_peer_remove(peer);
			wg_peer_put(peer);
		}
	}

	rcu_assign_pointer(wg->identity, new);
	if (old)
		call_rcu(&old->rcu, identity_free_rcu);

	/* who commits under a peer's lock after us sees the new identity */
	xa_for_each(&wg->peers, id, peer) {
		spin_lock_bh(&peer->lock);
		wg_peer_clear_handshake(peer);
		wg_session_stop_sending(peer);
		memzero_explicit(peer->ss, sizeof(peer->ss));
		peer->ss_generation = 0;
		wg_timers_reset_limit(&peer->timers);
		spin_unlock_bh(&peer->lock);
		if (!old && new && wg->up)
			wg_tx_flush_staged(peer);
		cond_resched();
	}
	return 0;
}

static int netdev_open(struct net_device *dev)
{
	struct wg_device *wg = netdev_priv(dev);
	struct in_device *in4 = __in_dev_get_rtnl(dev);
	struct wg_peer *peer;
	unsigned long id;
	unsigned int i;
	int err;

	/*
	 * Redirects make no sense where every peer is reached by the same
	 * device, and would tell a peer of addresses that are not its own.
	 */
	if (in4) {
		IN_DEV_CONF_SET(in4, SEND_REDIRECTS, false);
		IPV4_DEVCONF_ALL(dev_net(dev), SEND_REDIRECTS) = false;
	}
#if IS_ENABLED(CONFIG_IPV6)
	if (__in6_dev_get(dev))
		WRITE_ONCE(__in6_dev_get(dev)->cnf.addr_gen_mode,
			   IN6_ADDR_GEN_MODE_NONE);
#endif

	mutex_lock(&wg->lock);
	err = wg_socket_open(wg, wg->port);
	if (err)
		goto out;
	/* what came in the last moment before it went down */
	wg_handshake_forget(wg);
	for (i = 0; i < wg->n_napis; i++) {
		skb_queue_purge(&wg->napis[i].queue);
		napi_enable(&wg->napis[i].napi);
	}
	wg->up = true;
	xa_for_each(&wg->peers, id, peer) {
		wg_peer_start(peer);
		cond_resched();
	}
out:
	mutex_unlock(&wg->lock);
	return err;
}

static int netdev_stop(struct net_device *dev)
{
	struct wg_device *wg = netdev_priv(dev);
	struct wg_peer *peer;
	unsigned long id;
	unsigned int i;

	mutex_lock(&wg->lock);
	wg->up = false;
	wg_socket_close(wg);
	xa_for_each(&wg->peers, id, peer) {
		wg_peer_stop(peer);
		cond_resched();
	}
	wg_handshake_forget(wg);
	for (i = 0; i < wg->n_napis; i++) {
		napi_disable(&wg->napis[i].napi);
		skb_queue_purge(&wg->napis[i].queue);
	}
	mutex_unlock(&wg->lock);
	return 0;
}

static int netdev_init(struct net_device *dev)
{
	struct wg_device *wg = netdev_priv(dev);
	unsigned int i;
	int err;

	wg->dev = dev;
	mutex_init(&wg->lock);
	INIT_LIST_HEAD(&wg->devices);
	xa_init_flags(&wg->peers, XA_FLAGS_ACCOUNT);
	wg->next_peer_id = 1;
	wg->outer_gso = true;
	wg->generation = new_generation();
	wg_allowedips_init(&wg->allowedips, &wg->lock);
	refcount_set(&wg->users, 1);
	init_completion(&wg->unused);
	INIT_WORK(&wg->handshake_work, wg_handshake_work);
	skb_queue_head_init(&wg->waiting);
	spin_lock_init(&wg->wanted_lock);
	INIT_LIST_HEAD(&wg->wanted);

	wg->n_napis = min_t(unsigned int, num_possible_cpus(), MAX_NAPIS);
	wg->napis = kzalloc_objs(*wg->napis, wg->n_napis, GFP_KERNEL);
	if (!wg->napis)
		return -ENOMEM;
	err = wg_lookup_init(wg);
	if (err)
		goto err_free_napis;
	for (i = 0; i < wg->n_napis; i++) {
		skb_queue_head_init(&wg->napis[i].queue);
		netif_napi_add(dev, &wg->napis[i].napi, wg_rx_poll);
	}
	mutex_lock(&wg_devices_lock);
	list_add_tail(&wg->devices, &wg_devices);
	mutex_unlock(&wg_devices_lock);
	return 0;

err_free_napis:
	kfree(wg->napis);
	return err;
}

/*
 * Teardown of a device, under rtnl, when it is down already.
 *
 * 1. No notifier and no namespace's exit finds it.
 * 2. No configuration any more: who waits for the lock sees @dying.
 * 3. Sockets are closed (netdev_stop() did that, unless it never was up), peers
 *    removed; so no packet and no timer begins anything.
 * 4. The handshake worker ends; what is queued for it is dropped.
 * 5. The last batch in flight, session and peer let go of the device. One of
 *    them may have woken the worker once more.
 * 6. Now nothing uses what is freed here; the stack frees the netdev itself.
 */
static void netdev_uninit(struct net_device *dev)
{
	struct wg_device *wg = netdev_priv(dev);
	struct wg_identity *identity;
	unsigned int i;

	/* 1 */
	mutex_lock(&wg_devices_lock);
	list_del(&wg->devices);
	mutex_unlock(&wg_devices_lock);

	/* 2, 3 */
	mutex_lock(&wg->lock);
	wg->dying = true;
	wg_socket_close(wg);
	wg_peer_remove_all(wg);
	mutex_unlock(&wg->lock);

	/* 4 */
	cancel_work_sync(&wg->handshake_work);
	mutex_lock(&wg->lock);
	wg_handshake_forget(wg);
	mutex_unlock(&wg->lock);

	/* 5 */
	wg_device_put(wg);
	wait_for_completion(&wg->unused);
	cancel_work_sync(&wg->handshake_work);

	/* 6 */
	for (i = 0; i < wg->n_napis; i++)
		__netif_napi_del(&wg->napis[i].napi);
	synchronize_net();	/* once for all of them */
	for (i = 0; i < wg->n_napis; i++)
		skb_queue_purge(&wg->napis[i].queue);
	kfree(wg->napis);
	wg_lookup_destroy(wg);
	xa_destroy(&wg->peers);
	identity = rcu_dereference_protected(wg->identity, true);
	if (identity)
		call_rcu(&identity->rcu, identity_free_rcu);
	RCU_INIT_POINTER(wg->identity, NULL);
	memzero_explicit(wg->cookie_secret, sizeof(wg->cookie_secret));
	/* @lock stays: who has found the netdev may still come, and sees @dying */
}

static const struct net_device_ops netdev_ops = {
	.ndo_init = netdev_init,
	.ndo_uninit = netdev_uninit,
	.ndo_open = netdev_open,
	.ndo_stop = netdev_stop,
	.ndo_start_xmit = wg_xmit,
	.ndo_get_stats64 = dev_get_tstats64,
};

static const struct device_type device_type = { .name = "wireguard" };

static void wg_setup(struct net_device *dev)
{
	const int overhead = WG_DATA_OVERHEAD + WG_OUTER_HEADROOM;
	const netdev_features_t features =
		NETIF_F_HW_CSUM | NETIF_F_RXCSUM | NETIF_F_SG | NETIF_F_GSO |
		NETIF_F_GSO_SOFTWARE | NETIF_F_HIGHDMA;

	dev->netdev_ops = &netdev_ops;
	dev->ethtool_ops = &wg_ethtool_ops;
	dev->header_ops = &ip_tunnel_header_ops;
	dev->type = ARPHRD_NONE;
	dev->flags = IFF_POINTOPOINT | IFF_NOARP;
	dev->priv_flags |= IFF_NO_QUEUE;
	dev->hard_header_len = 0;
	dev->addr_len = 0;
	/* and for the header of the link that the outer packet leaves by */
	dev->needed_headroom = overhead - WG_TAG_LEN + NET_SKB_PAD;
	dev->needed_tailroom = WG_TAG_LEN + WG_PADDING;
	dev->features |= features;
	dev->hw_features |= features;
	dev->hw_enc_features |= features;
	wg_netdev_set_lltx(dev);
	dev->mtu = ETH_DATA_LEN - overhead;
	dev->min_mtu = 0;
	dev->max_mtu = round_down(INT_MAX, WG_PADDING) - overhead;
	wg_netdev_set_tstats(dev);
	dev->needs_free_netdev = true;
	netif_keep_dst(dev);
	netif_set_tso_max_size(dev, GSO_LEGACY_MAX_SIZE);
	SET_NETDEV_DEVTYPE(dev, &device_type);
}

static int wg_newlink(struct net_device *dev,
		      struct rtnl_newlink_params *params,
		      struct netlink_ext_ack *extack)
{
	struct wg_device *wg = netdev_priv(dev);

	rcu_assign_pointer(wg->birth_net, rtnl_newlink_link_net(params));
	return register_netdevice(dev);
}

WG_NEWLINK_OP(wg_newlink);

static struct rtnl_link_ops link_ops __read_mostly = {
	.kind = "wireguard",
	.priv_size = sizeof(struct wg_device),
	.setup = wg_setup,
	.newlink = WG_NEWLINK(wg_newlink),
};

bool wg_device_is(const struct net_device *dev)
{
	return dev->rtnl_link_ops == &link_ops;
}

/*
 * A device whose sockets live there, with a reference, or NULL. Closing sockets
 * waits for RCU: not while others, with rtnl, wait for the lock of the list.
 */
static struct wg_device *born_in(const struct net *net)
{
	struct wg_device *wg, *found = NULL;

	mutex_lock(&wg_devices_lock);
	list_for_each_entry(wg, &wg_devices, devices) {
		if (rcu_access_pointer(wg->birth_net) == net) {
			wg_device_get(wg);
			found = wg;
			break;
		}
	}
	mutex_unlock(&wg_devices_lock);
	return found;
}

/* The namespace of the sockets goes: they go, and the device stays, silent. */
static void wg_net_pre_exit(struct net *net)
{
	struct wg_device *wg;
	struct wg_peer *peer;
	bool any = false;
	unsigned long id;

	while ((wg = born_in(net))) {
		any = true;
		mutex_lock(&wg->lock);
		RCU_INIT_POINTER(wg->birth_net, NULL);
		if (!wg->dying)
			netif_carrier_off(wg->dev);
		wg_socket_close(wg);
		xa_for_each(&wg->peers, id, peer) {
			wg_endpoint_forget_source(peer, GFP_KERNEL);
			cond_resched();
		}
		mutex_unlock(&wg->lock);
		wg_device_put(wg);
	}
	/* routes that were let go must be gone before the namespace is */
	if (any)
		rcu_barrier();
}

static struct pernet_operations net_ops = {
	.pre_exit = wg_net_pre_exit,
};

/*
 * Keys are not left in memory while the machine sleeps; in a copy of a
 * machine (@forked) no counter of a session may be used again.
 */
static void end_sessions(bool forked)
{
	struct wg_device *wg;
	struct wg_peer *peer;
	unsigned long id;

	mutex_lock(&wg_devices_lock);
	list_for_each_entry(wg, &wg_devices, devices) {
		mutex_lock(&wg->lock);
		xa_for_each(&wg->peers, id, peer) {
			spin_lock_bh(&peer->lock);
			wg_peer_clear_handshake(peer);
			if (forked) {
				wg_session_stop_sending(peer);
				wg_timers_reset_limit(&peer->timers);
			} else {
				wg_session_drop_all(peer);
			}
			spin_unlock_bh(&peer->lock);
			cond_resched();
		}
		mutex_unlock(&wg->lock);
	}
	mutex_unlock(&wg_devices_lock);
}

bool wg_device_asleep(void)
{
	return READ_ONCE(asleep);
}

/*
 * Kernels that go to sleep by themselves are suspended all the time, and would
 * never keep a session; they hibernate like others. These need not freeze the
 * handshake worker until long after they have told us, and a hibernating one runs
 * on while it writes its image, in which counters are what they were: no session
 * may begin till all that is over.
 */
static int pm_event(struct notifier_block *nb, unsigned long action, void *data)
{
	switch (action) {
	case PM_SUSPEND_PREPARE:
		if (IS_ENABLED(CONFIG_PM_AUTOSLEEP) ||
		    IS_ENABLED(CONFIG_PM_USERSPACE_AUTOSLEEP))
			break;
		fallthrough;
	case PM_HIBERNATION_PREPARE:
		WRITE_ONCE(asleep, true);
		end_sessions(false);
		break;
	case PM_POST_HIBERNATION:
	case PM_POST_SUSPEND:
		WRITE_ONCE(asleep, false);
		break;
	}
	return 0;
}

static int vmfork_event(struct notifier_block *nb, unsigned long action,
			void *data)
{
	end_sessions(true);
	return 0;
}

static struct notifier_block pm_notifier = { .notifier_call = pm_event };
static struct notifier_block vmfork_notifier = {
	.notifier_call = vmfork_event
};

int wg_device_module_init(void)
{
	int err;

	err = register_pm_notifier(&pm_notifier);
	if (err)
		return err;
	err = register_random_vmfork_notifier(&vmfork_notifier);
	if (err)
		goto err_pm;
	err = register_pernet_device(&net_ops);
	if (err)
		goto err_vmfork;
	err = rtnl_link_register(&link_ops);
	if (err)
		goto err_pernet;
	return 0;

err_pernet:
	unregister_pernet_device(&net_ops);
err_vmfork:
	unregister_random_vmfork_notifier(&vmfork_notifier);
err_pm:
	unregister_pm_notifier(&pm_notifier);
	return err;
}

void wg_device_module_exit(void)
{
	rtnl_link_unregister(&link_ops);
	unregister_pernet_device(&net_ops);
	unregister_random_vmfork_notifier(&vmfork_notifier);
	unregister_pm_notifier(&pm_notifier);
	rcu_barrier();
}
