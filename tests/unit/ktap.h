/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A test program that speaks KTAP. TEST() defines a test point and lists it;
 * they run in the order of the file. Each starts with fresh stand-ins and must
 * leave no memory behind.
 *
 * EXPECT*() note a failure and go on, REQUIRE*() end the test point.
 */
#ifndef UNIT_KTAP_H
#define UNIT_KTAP_H

#include <stdbool.h>
#include <stddef.h>

struct ktap_case {
	const char *name;
	void (*fn)(long param);
	long param;
	struct ktap_case *next;
};

void ktap_add(struct ktap_case *c);
void ktap_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void ktap_end(void) __attribute__((noreturn));
void ktap_skip(const char *reason) __attribute__((noreturn));
void ktap_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
bool ktap_same(const char *file, int line, const char *what, const void *is,
	       const void *should, size_t len);
bool ktap_all(const char *file, int line, const char *what, const void *is,
	      unsigned char byte, size_t len);
bool ktap_failed(void);

/* Run fn in a child; whether it aborted (a stand-in or a sanitizer spoke). */
bool ktap_aborts(void (*fn)(void));

/* Seconds on a monotonic clock. */
double ktap_clock(void);

#define KTAP_ADD(ident, str, fn, n)					\
	static struct ktap_case ktap_case_##ident = { str, fn, n, NULL };\
	static __attribute__((constructor)) void ktap_add_##ident(void)	\
	{								\
		ktap_add(&ktap_case_##ident);				\
	}

/* A test point: TEST(name) { ... } */
#define TEST(ident)							\
	static void ident(long param);					\
	KTAP_ADD(ident, #ident, ident, 0)				\
	static void ident(long param __attribute__((unused)))

/* A function of a parameter, and a test point that calls it with one. */
#define TEST_FN(ident)							\
	static void ident(long param)
#define TEST_CASE(ident, variant, n)					\
	KTAP_ADD(ident##_##variant, #ident "_" #variant, ident, n)

#define EXPECT(cond)							\
({									\
	bool ktap_ok = (cond);						\
									\
	if (!ktap_ok)							\
		ktap_fail(__FILE__, __LINE__, "%s", #cond);		\
	ktap_ok;							\
})
#define EXPECT_EQ(is, should)						\
({									\
	long long ktap_is = (long long)(is);				\
	long long ktap_should = (long long)(should);			\
									\
	if (ktap_is != ktap_should)					\
		ktap_fail(__FILE__, __LINE__,				\
			  "%s is %lld (%#llx), should be %lld (%#llx)",	\
			  #is, ktap_is, ktap_is, ktap_should,		\
			  ktap_should);					\
	ktap_is == ktap_should;						\
})
#define EXPECT_MEM(is, should, len)					\
	ktap_same(__FILE__, __LINE__, #is, is, should, len)
#define EXPECT_ZERO(p, len)						\
	ktap_all(__FILE__, __LINE__, #p, p, 0, len)

#define KTAP_REQUIRE(ok)						\
	do {								\
		if (!(ok))						\
			ktap_end();					\
	} while (0)
#define REQUIRE(cond)		KTAP_REQUIRE(EXPECT(cond))
#define REQUIRE_EQ(is, should)	KTAP_REQUIRE(EXPECT_EQ(is, should))
#define REQUIRE_MEM(is, should, len)	KTAP_REQUIRE(EXPECT_MEM(is, should, len))

/* With words of its own: what was expected and what came. */
#define REQUIRE_MSG(cond, fmt, ...)					\
	do {								\
		if (!(cond)) {						\
			ktap_fail(__FILE__, __LINE__, fmt, ##__VA_ARGS__);\
			ktap_end();					\
		}							\
	} while (0)

#endif /* UNIT_KTAP_H */
