// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "kernel/standin.h"
#include "ktap.h"

#define MAX_NOTES 12

static struct ktap_case *first, **last = &first;
static int planned, failures;
static jmp_buf out;
static const char *skipped;

void ktap_add(struct ktap_case *c)
{
	*last = c;
	last = &c->next;
	planned++;
}

void ktap_note(const char *fmt, ...)
{
	va_list ap;

	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

void ktap_fail(const char *file, int line, const char *fmt, ...)
{
	const char *base = strrchr(file, '/');
	va_list ap;

	if (++failures > MAX_NOTES)
		return;
	printf("# %s:%d: ", base ? base + 1 : file, line);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

void ktap_end(void)
{
	longjmp(out, 1);
}

void ktap_skip(const char *reason)
{
	skipped = reason;
	longjmp(out, 1);
}

bool ktap_failed(void)
{
	return failures;
}

static void hex(const char *what, const unsigned char *p, size_t len)
{
	size_t i;

	printf("#   %s ", what);
	for (i = 0; i < len && i < 192; i++)
		printf("%02x", p[i]);
	printf("%s\n", i < len ? "..." : "");
}

bool ktap_same(const char *file, int line, const char *what, const void *is,
	       const void *should, size_t len)
{
	if (!memcmp(is, should, len))
		return true;
	ktap_fail(file, line, "%s differs", what);
	if (failures <= MAX_NOTES) {
		hex("is       ", is, len);
		hex("should be", should, len);
	}
	return false;
}

bool ktap_all(const char *file, int line, const char *what, const void *is,
	      unsigned char byte, size_t len)
{
	const unsigned char *p = is;
	size_t i;

	for (i = 0; i < len; i++) {
		if (p[i] == byte)
			continue;
		ktap_fail(file, line, "%s is not all 0x%02x", what, byte);
		if (failures <= MAX_NOTES)
			hex("is", is, len);
		return false;
	}
	return true;
}

bool ktap_aborts(void (*fn)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	fflush(stderr);
	pid = fork();
	if (!pid) {
		/* What it says is expected: keep it out of the log. */
		if (!freopen("/dev/null", "w", stderr))
			_exit(0);
		fn();
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	return !WIFEXITED(status) || WEXITSTATUS(status);
}

double ktap_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void run_case(const struct ktap_case *c)
{
	unsigned long objects;

	standin_reset();
	objects = standin_objects;
	if (setjmp(out))
		return;
	c->fn(c->param);
	if (failures)
		return;
	EXPECT_EQ(standin_context.rcu, 0);
	EXPECT_EQ(standin_context.bh, 0);
	EXPECT_EQ(standin_context.spin, 0);
	EXPECT_EQ(standin_rcu_pending(), 0);
	EXPECT_EQ(standin_objects, objects);
}

/* ONLY in the environment: names, with spaces between, of what is to run. */
static bool is_wanted(const struct ktap_case *c)
{
	const char *only = getenv("ONLY"), *p = only;
	size_t len = strlen(c->name);

	if (!only)
		return true;
	for (; (p = strstr(p, c->name)); p += len)
		if ((p == only || p[-1] == ' ') &&
		    (p[len] == ' ' || !p[len]))
			return true;
	return false;
}

int main(void)
{
	const char *s = getenv("SEED");
	unsigned long long seed = s ? strtoull(s, NULL, 0) : 1;
	struct ktap_case *c;
	int n = 0, bad = 0;

	for (c = first; c; c = c->next)
		planned -= !is_wanted(c);
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("KTAP version 1\n1..%d\n", planned);
	if (s)
		ktap_note("SEED=%llu", seed);
	for (c = first; c; c = c->next) {
		if (!is_wanted(c))
			continue;
		failures = 0;
		skipped = NULL;
		standin_seed(seed);
		run_case(c);
		n++;
		if (skipped && !failures) {
			printf("ok %d %s # SKIP %s\n", n, c->name, skipped);
			continue;
		}
		if (failures > MAX_NOTES)
			ktap_note("and %d more", failures - MAX_NOTES);
		printf("%s %d %s\n", failures ? "not ok" : "ok", n, c->name);
		bad += !!failures;
	}
	return bad ? 1 : 0;
}
