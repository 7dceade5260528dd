// SPDX-License-Identifier: GPL-2.0-only
/*
 * A plugin for QEMU's emulator (TCG): counts the instructions that the guest
 * executes between two marks, by translated block and virtual CPU.
 *
 *   qemu-system-x86_64 ... -plugin count.so,out=FILE
 *
 * A mark is the instruction nopl 0x2db70000 + N(%rax), which does nothing:
 * N = 1 begins a window (what was counted is forgotten), N = 2 ends it and
 * appends it to FILE:
 *
 *   window NUMBER
 *   cpu INDEX INSTRUCTIONS
 *   block ADDRESS INDEX INSTRUCTIONS [rep]
 *   end
 *
 * ADDRESS is where the block begins, 0 for all of user space that have as many
 * instructions, INSTRUCTIONS all that this CPU executed of it. "rep": its first one is a string instruction, each round of which is
 * counted (so a copy by bytes counts its bytes).
 *
 * Each CPU counts for itself, so that they may run at once (-accel
 * tcg,thread=multi); what others execute while one comes to a mark may be
 * counted or not. QEMU ships no header for plugins everywhere; what is used of
 * version 1 of their interface is declared here (QEMU, docs/devel/tcg-plugins).
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;

enum { CB_NO_REGS };
enum { INLINE_ADD_U64 };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
	void (*cb)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
	void (*cb)(unsigned int cpu, void *data), int flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
	void (*cb)(unsigned int cpu, void *data), int flags, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb,
						 size_t i);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

#define MARK	0x2db70000u
#define CPUS	16
#define BUCKETS	(1u << 16)

struct block {
	struct block *next;
	uint64_t address;
	/* of the open window; times, not instructions */
	uint64_t executed[CPUS];
	uint32_t n;		/* instructions */
	bool rep;
};

/* blocks are only added, under the lock */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct block *buckets[BUCKETS];
static struct {
	uint64_t n;
} __attribute__((aligned(64))) by_cpu[CPUS];
static FILE *out;
static volatile bool counting;
static unsigned int windows;

static struct block *block_of(uint64_t address, uint32_t n, bool rep)
{
	struct block **bucket;
	struct block *b;

	/* user space is somewhere else in each process: its blocks would never end */
	if (!(address >> 63))
		address = 0;
	bucket = &buckets[(address ^ address >> 16 ^ n * 97) % BUCKETS];
	/* translated once more */
	for (b = *bucket; b; b = b->next)
		if (b->address == address && b->n == n && b->rep == rep)
			return b;
	b = calloc(1, sizeof(*b));
	if (!b)
		abort();
	b->address = address;
	b->n = n;
	b->rep = rep;
	b->next = *bucket;
	*bucket = b;
	return b;
}

static void executed(unsigned int cpu, void *data)
{
	struct block *b = data;

	if (!counting)
		return;
	b->executed[cpu % CPUS]++;
	by_cpu[cpu % CPUS].n += b->n;
}

static void mark(unsigned int cpu, void *data)
{
	uint32_t what = (uintptr_t)data;
	struct block *b;
	unsigned int i, c;

	(void)cpu;
	pthread_mutex_lock(&lock);
	if (what == 2 && counting) {
		fprintf(out, "window %u\n", ++windows);
		for (i = 0; i < CPUS; i++)
			if (by_cpu[i].n)
				fprintf(out, "cpu %u %llu\n", i,
					(unsigned long long)by_cpu[i].n);
	}
	for (i = 0; i < BUCKETS; i++)
		for (b = buckets[i]; b; b = b->next) {
			for (c = 0; c < CPUS; c++)
				if (what == 2 && counting && b->executed[c])
					fprintf(out, "block %llx %u %llu%s\n",
						(unsigned long long)b->address, c,
						(unsigned long long)b->executed[c] * b->n,
						b->rep ? " rep" : "");
			memset(b->executed, 0, sizeof(b->executed));
		}
	if (what == 2 && counting) {
		fputs("end\n", out);
		fflush(out);
	}
	memset(by_cpu, 0, sizeof(by_cpu));
	counting = what == 1;
	pthread_mutex_unlock(&lock);
}

/* movs, stos, lods, cmps, scas with a rep prefix */
static bool is_rep(const uint8_t *p, size_t n)
{
	size_t i;

	if (n < 2 || (p[0] != 0xf2 && p[0] != 0xf3))
		return false;
	i = (p[1] & 0xf0) == 0x40 ? 2 : 1;
	return i < n && (p[i] >= 0xa4 && p[i] <= 0xaf && p[i] != 0xa8 &&
			 p[i] != 0xa9);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t i, n = qemu_plugin_tb_n_insns(tb);
	struct block *b;
	bool rep = false;

	(void)id;
	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		const uint8_t *p = qemu_plugin_insn_data(insn);
		size_t size = qemu_plugin_insn_size(insn);
		uint32_t what;

		if (!i)
			rep = is_rep(p, size);
		if (size != 7 || p[0] != 0x0f || p[1] != 0x1f || p[2] != 0x80)
			continue;
		memcpy(&what, p + 3, sizeof(what));
		if (what == MARK + 1 || what == MARK + 2)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, mark,
				CB_NO_REGS, (void *)(uintptr_t)(what - MARK));
	}
	pthread_mutex_lock(&lock);
	b = block_of(qemu_plugin_tb_vaddr(tb), n, rep);
	pthread_mutex_unlock(&lock);
	qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, CB_NO_REGS, b);
}

__attribute__((visibility("default")))
int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info,
			int argc, char **argv)
{
	int i;

	(void)info;
	for (i = 0; i < argc; i++)
		if (!strncmp(argv[i], "out=", 4))
			out = fopen(argv[i] + 4, "w");
	if (!out) {
		fputs("count: out=FILE is missing, or cannot be written\n", stderr);
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
