// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens to a machine as a whole, for tests/timers/down.py.
 *
 * clone=1: on loading it tells the kernel that its virtual machine has been cloned,
 * as the driver for VMGENID does. What that calls is not exported, but a probe can
 * be set on it, which has its address.
 *
 * slow=MS: while it is loaded, going to sleep takes so long between the moment at
 * which all are told and that at which processes are stopped, as with file systems
 * that have much to write.
 */
#include <linux/delay.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/suspend.h>

static bool clone;
module_param(clone, bool, 0444);
static unsigned int slow;
module_param(slow, uint, 0444);

static int machine_pm(struct notifier_block *nb, unsigned long action, void *data)
{
	if (action == PM_SUSPEND_PREPARE || action == PM_HIBERNATION_PREPARE)
		msleep(slow);
	return 0;
}

/* told after the others */
static struct notifier_block machine_nb = {
	.notifier_call = machine_pm,
	.priority = INT_MIN,
};

static int tell_of_clone(void)
{
	void (*forked)(const void *id, size_t len);
	struct kprobe probe = { .symbol_name = "add_vmfork_randomness" };
	u8 id[16];
	int err = register_kprobe(&probe);

	if (err)
		return err;
	forked = (void *)probe.addr;
	unregister_kprobe(&probe);
	get_random_bytes(id, sizeof(id));
	forked(id, sizeof(id));
	return 0;
}

static int __init machine_init(void)
{
	int err = clone ? tell_of_clone() : 0;

	return err ?: register_pm_notifier(&machine_nb);
}

static void __exit machine_exit(void)
{
	unregister_pm_notifier(&machine_nb);
}

module_init(machine_init);
module_exit(machine_exit);
MODULE_DESCRIPTION("A machine that is cloned, or slow to go to sleep");
MODULE_LICENSE("GPL");
