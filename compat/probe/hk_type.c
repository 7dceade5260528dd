// SPDX-License-Identifier: GPL-2.0-only
#include <linux/sched/isolation.h>
bool probe(int cpu);
bool probe(int cpu) { return housekeeping_cpu(cpu, HK_TYPE_WQ); }
