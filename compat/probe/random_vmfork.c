// SPDX-License-Identifier: GPL-2.0-only
#include <linux/random.h>
int probe(struct notifier_block *n);
int probe(struct notifier_block *n)
{
	return register_random_vmfork_notifier(n) + unregister_random_vmfork_notifier(n);
}
