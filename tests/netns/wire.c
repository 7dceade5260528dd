// SPDX-License-Identifier: GPL-2.0-only
/*
 * wire: small senders and receivers for the scenarios, so that they depend on
 * no flavour of netcat and can send what ordinary tools will not.
 *
 *   wire tcp-listen PORT                 accept one connection, print its bytes
 *   wire tcp-send ADDRESS PORT           connect, send standard input
 *   wire udp-send ADDRESS PORT HEX|@LEN:BYTE [COUNT [SOURCEPORT]]
 *                                        datagrams; @LEN:BYTE is LEN bytes with
 *                                        BYTE (hex) first and zeros after it
 *   wire udp-marks ADDRESS PORT DSCP     four datagrams, with the congestion marks 0
 *                                        to 3, in IP packets of 100 to 103 bytes
 *   wire udp-errno ADDRESS [PORT]        send one byte, to port 9, print the errno
 *   wire udp-flow ADDRESS PORT COUNT SIZE PER_SECOND [HOP]
 *                                        numbered datagrams with known content;
 *                                        from another CPU after each HOP of them
 *   wire udp-flood ADDRESS PORT SIZE [PER_SECOND]
 *                                        datagrams without end, as fast as it
 *                                        goes or PER_SECOND; no errno ends it
 *   wire udp-sink PORT COUNT SECONDS     receive them; ends after COUNT or when
 *                                        nothing came for SECONDS; prints
 *                                        "received lost late twice corrupt",
 *                                        lost: of those before the last one
 *   wire udp-hold 4|6 PORT...            bind these ports in one family, say
 *                                        "ready" and keep them until killed
 *   wire packet IF ETHERTYPE HEX [COUNT] AF_PACKET, raw, with that protocol;
 *                                        prints the errno
 *
 *   wire netns NAME COMMAND...           run COMMAND in a named network namespace
 *                                        (as ip netns exec, but quick: no mounts)
 *   wire new-host NAME                   loopback up, addresses usable at once and
 *                                        kept when an interface goes down, in a
 *                                        named network namespace
 *
 * Exit status: 0, 1 for a failed system call (named on standard error), 2 for
 * wrong usage.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "errname.h"

static unsigned char buf[65536];

static void die(const char *what)
{
	fprintf(stderr, "wire: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void usage(void)
{
	fputs("wire: wrong usage, see the head of wire.c\n", stderr);
	exit(2);
}

static long number(const char *s)
{
	char *end;
	long v = strtol(s, &end, 0);

	if (!*s || *end)
		usage();
	return v;
}

/* An IPv4 or IPv6 address, with a scope (fe80::1%eth0) where wanted. */
static socklen_t address(const char *host, const char *port,
			 struct sockaddr_storage *ss)
{
	struct sockaddr_in6 *v6 = (void *)ss;
	struct sockaddr_in *v4 = (void *)ss;
	char text[64], *scope;

	memset(ss, 0, sizeof(*ss));
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(number(port));
		return sizeof(*v4);
	}
	snprintf(text, sizeof(text), "%s", host);
	scope = strchr(text, '%');
	if (scope) {
		*scope++ = 0;
		v6->sin6_scope_id = if_nametoindex(scope);
	}
	if (inet_pton(AF_INET6, text, &v6->sin6_addr) != 1)
		usage();
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(number(port));
	return sizeof(*v6);
}

static size_t content(const char *s)
{
	size_t n = 0;

	if (*s == '@') {
		char *end;
		unsigned long len = strtoul(s + 1, &end, 10);

		if (*end != ':' || len > sizeof(buf))
			usage();
		memset(buf, 0, len);
		if (len)
			buf[0] = strtoul(end + 1, NULL, 16);
		return len;
	}
	for (; s[0] && s[1]; s += 2) {
		char byte[3] = { s[0], s[1], 0 };

		buf[n++] = strtoul(byte, NULL, 16);
	}
	if (*s)
		usage();
	return n;
}

static void put_all(int fd, const unsigned char *p, size_t n)
{
	while (n) {
		ssize_t r = write(fd, p, n);

		if (r < 0)
			die("write");
		p += r;
		n -= r;
	}
}

static int tcp_listen(char **a)
{
	struct sockaddr_in6 any = {
		.sin6_family = AF_INET6, .sin6_port = htons(number(a[0])),
	};
	struct sockaddr_in any4 = {
		.sin_family = AF_INET, .sin_port = htons(number(a[0])),
	};
	int one = 1, fd = socket(AF_INET6, SOCK_STREAM, 0), c;
	ssize_t n;

	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(fd, (void *)&any, sizeof(any)))
			die("bind");
	} else {
		fd = socket(AF_INET, SOCK_STREAM, 0);
		if (fd < 0)
			die("socket");
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(fd, (void *)&any4, sizeof(any4)))
			die("bind");
	}
	if (listen(fd, 1))
		die("listen");
	c = accept(fd, NULL, NULL);
	if (c < 0)
		die("accept");
	while ((n = read(c, buf, sizeof(buf))) > 0)
		put_all(1, buf, n);
	if (n < 0)
		die("read");
	return 0;
}

static int tcp_send(char **a)
{
	struct sockaddr_storage ss;
	socklen_t len = address(a[0], a[1], &ss);
	int fd = -1, tries;
	ssize_t n;

	/* The listener may not be there yet. */
	for (tries = 0; tries < 50; tries++) {
		fd = socket(ss.ss_family, SOCK_STREAM, 0);
		if (fd < 0)
			die("socket");
		if (!connect(fd, (void *)&ss, len))
			break;
		if (errno != ECONNREFUSED || tries == 49)
			die("connect");
		close(fd);
		usleep(100000);
	}
	while ((n = read(0, buf, sizeof(buf))) > 0)
		put_all(fd, buf, n);
	if (n < 0)
		die("read");
	if (shutdown(fd, SHUT_WR))
		die("shutdown");
	/* Until the other side has taken all of it. */
	if (read(fd, buf, 1) < 0)
		die("waiting for the end");
	return 0;
}

static int udp_send(int argc, char **a)
{
	struct sockaddr_storage ss;
	socklen_t len = address(a[0], a[1], &ss);
	long count = argc > 3 ? number(a[3]) : 1;
	size_t n = content(a[2]);
	int fd = socket(ss.ss_family, SOCK_DGRAM, 0);

	if (fd < 0)
		die("socket");
	if (argc > 4) {
		struct sockaddr_storage from = { .ss_family = ss.ss_family };

		if (ss.ss_family == AF_INET)
			((struct sockaddr_in *)&from)->sin_port = htons(number(a[4]));
		else
			((struct sockaddr_in6 *)&from)->sin6_port = htons(number(a[4]));
		if (bind(fd, (void *)&from, len))
			die("bind");
	}
	while (count--)
		if (sendto(fd, buf, n, 0, (void *)&ss, len) < 0 &&
		    errno != ECONNREFUSED)
			die("sendto");
	return 0;
}

static int udp_errno(int n, char **a)
{
	struct sockaddr_storage ss;
	socklen_t len = address(a[0], n > 1 ? a[1] : "9", &ss);
	int fd = socket(ss.ss_family, SOCK_DGRAM, 0);

	if (fd < 0)
		die("socket");
	errno = 0;
	if (sendto(fd, "", 1, 0, (void *)&ss, len) < 0)
		puts(errname(errno));
	else
		puts("0");
	return 0;
}

static int udp_marks(char **a)
{
	struct sockaddr_storage ss;
	socklen_t len = address(a[0], a[1], &ss);
	int v6 = ss.ss_family == AF_INET6, mark;
	int fd = socket(ss.ss_family, SOCK_DGRAM, 0);

	if (fd < 0)
		die("socket");
	for (mark = 0; mark < 4; mark++) {
		int tos = number(a[2]) << 2 | mark;

		if (v6 ? setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &tos,
				    sizeof(tos)) :
			 setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos)))
			die("setsockopt");
		if (sendto(fd, buf, 100 + mark - (v6 ? 48 : 28), 0,
			   (void *)&ss, len) < 0 && errno != ECONNREFUSED)
			die("sendto");
	}
	return 0;
}

/* Datagram: number u32, size u32 (big endian), then bytes made from both. */
static void fill(uint32_t seq, uint32_t size)
{
	uint32_t x = seq * 2654435761u ^ size, i, be;

	be = htonl(seq);
	memcpy(buf, &be, 4);
	be = htonl(size);
	memcpy(buf + 4, &be, 4);
	for (i = 8; i < size; i++) {
		x = x * 1664525u + 1013904223u;
		buf[i] = x >> 24;
	}
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void next_cpu(void)
{
	static int cpu;
	cpu_set_t set;
	int i;

	for (i = 0; i < CPU_SETSIZE; i++) {
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		cpu = (cpu + 1) % 64;
		if (!sched_setaffinity(0, sizeof(set), &set))
			return;
	}
}

static int udp_flow(int argc, char **a)
{
	long hop = argc > 5 ? number(a[5]) : 0;
	struct sockaddr_storage ss;
	socklen_t len = address(a[0], a[1], &ss);
	long count = number(a[2]), size = number(a[3]), rate = number(a[4]), i;
	int fd = socket(ss.ss_family, SOCK_DGRAM, 0);
	double begin = seconds();

	if (fd < 0)
		die("socket");
	if (size < 8 || size > 65507 || rate < 1)
		usage();
	for (i = 0; i < count; i++) {
		double ahead = (double)i / rate - (seconds() - begin);

		if (ahead > 0)
			usleep(ahead * 1e6);
		if (hop && i % hop == 0)
			next_cpu();
		fill(i, size);
		if (sendto(fd, buf, size, 0, (void *)&ss, len) < 0 &&
		    errno != ECONNREFUSED && errno != ENOBUFS)
			die("sendto");
	}
	return 0;
}

/* What a tunnel that is taken away and comes back answers is no end. */
static void __attribute__((noreturn)) udp_flood(int argc, char **a)
{
	struct sockaddr_storage ss;
	socklen_t len = address(a[0], a[1], &ss);
	long size = number(a[2]), rate = argc > 3 ? number(a[3]) : 0, i;
	int fd = socket(ss.ss_family, SOCK_DGRAM, 0);
	double begin = seconds();

	if (fd < 0)
		die("socket");
	if (size < 0 || size > 65507)
		usage();
	for (i = 0;; i++) {
		double ahead = rate ? (double)i / rate - (seconds() - begin) : 0;

		if (ahead > 0)
			usleep(ahead * 1e6);
		sendto(fd, buf, size, 0, (void *)&ss, len);
	}
}

static int udp_sink(char **a)
{
	struct sockaddr_in6 any = {
		.sin6_family = AF_INET6, .sin6_port = htons(number(a[0])),
	};
	long count = number(a[1]), timeout = number(a[2]) * 1000;
	long got = 0, late = 0, twice = 0, corrupt = 0, highest = -1;
	int fd = socket(AF_INET6, SOCK_DGRAM, 0), room = 8 << 20;
	unsigned char *seen = calloc(1, count + 1);
	static unsigned char in[65536];

	if (fd < 0 || !seen)
		die("socket");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (bind(fd, (void *)&any, sizeof(any)))
		die("bind");
	fputs("ready\n", stderr);
	while (got < count) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		uint32_t seq, size;
		ssize_t n;

		/* Waits without limit for the first one. */
		if (poll(&p, 1, highest < 0 ? -1 : timeout) <= 0)
			break;
		n = recv(fd, in, sizeof(in), 0);
		if (n < 8) {
			corrupt++;
			continue;
		}
		memcpy(&seq, in, 4);
		memcpy(&size, in + 4, 4);
		seq = ntohl(seq);
		size = ntohl(size);
		if (size != (size_t)n || seq >= (unsigned long)count) {
			corrupt++;
			continue;
		}
		fill(seq, size);
		if (memcmp(buf, in, n)) {
			corrupt++;
			continue;
		}
		if (seen[seq]) {
			twice++;
			continue;
		}
		seen[seq] = 1;
		got++;
		if ((long)seq < highest)
			late++;
		else
			highest = seq;
	}
	printf("%ld %ld %ld %ld %ld\n", got, highest + 1 - got, late, twice,
	       corrupt);
	return 0;
}

static int udp_hold(int argc, char **a)
{
	int v6 = number(a[0]) == 6, one = 1, i;

	for (i = 1; i < argc; i++) {
		struct sockaddr_in6 any6 = {
			.sin6_family = AF_INET6, .sin6_port = htons(number(a[i])),
		};
		struct sockaddr_in any4 = {
			.sin_family = AF_INET, .sin_port = htons(number(a[i])),
		};
		int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);

		if (fd < 0)
			die("socket");
		if (v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one,
				     sizeof(one)))
			die("setsockopt");
		if (v6 ? bind(fd, (void *)&any6, sizeof(any6)) :
			 bind(fd, (void *)&any4, sizeof(any4)))
			die("bind");
	}
	fputs("ready\n", stderr);
	pause();
	return 0;
}

static int packet(int argc, char **a)
{
	struct sockaddr_ll ll = {
		.sll_family = AF_PACKET,
		.sll_ifindex = if_nametoindex(a[0]),
		.sll_protocol = htons(number(a[1])),
	};
	int fd = socket(AF_PACKET, SOCK_RAW, 0);
	size_t n = content(a[2]);
	long count = argc > 3 ? number(a[3]) : 1;

	if (fd < 0 || !ll.sll_ifindex)
		die("socket");
	while (count--)
		if (sendto(fd, buf, n, 0, (void *)&ll, sizeof(ll)) < 0) {
			puts(errname(errno));
			return 0;
		}
	puts("0");
	return 0;
}

static void enter(const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die(path);
	close(fd);
}

static int new_host(char **a)
{
	/* /proc/sys/net is that of the process's own namespace. */
	static const char * const settings[] = {
		"accept_dad 0", "router_solicitations 0", "keep_addr_on_down 1",
	};
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	unsigned int i;
	int fd;

	enter(a[0]);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo))
		die("lo");
	close(fd);
	for (i = 0; i < 2 * sizeof(settings) / sizeof(*settings); i++) {
		char path[128], name[64];
		int value;

		sscanf(settings[i / 2], "%63s %d", name, &value);
		snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/%s",
			 i % 2 ? "default" : "all", name);
		fd = open(path, O_WRONLY);
		if (fd < 0) /* no IPv6 here */
			continue;
		dprintf(fd, "%d\n", value);
		close(fd);
	}
	return 0;
}

static int in_netns(char **a)
{
	enter(a[0]);
	execvp(a[1], a + 1);
	fprintf(stderr, "wire: %s: %s\n", a[1], strerror(errno));
	exit(127);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	char **a = argv + 2;
	int n = argc - 2;

	if (!strcmp(what, "tcp-listen") && n == 1)
		return tcp_listen(a);
	if (!strcmp(what, "tcp-send") && n == 2)
		return tcp_send(a);
	if (!strcmp(what, "udp-send") && n >= 3 && n <= 5)
		return udp_send(n, a);
	if (!strcmp(what, "udp-marks") && n == 3)
		return udp_marks(a);
	if (!strcmp(what, "udp-errno") && (n == 1 || n == 2))
		return udp_errno(n, a);
	if (!strcmp(what, "udp-flow") && (n == 5 || n == 6))
		return udp_flow(n, a);
	if (!strcmp(what, "udp-flood") && (n == 3 || n == 4))
		udp_flood(n, a);
	if (!strcmp(what, "udp-sink") && n == 3)
		return udp_sink(a);
	if (!strcmp(what, "udp-hold") && n >= 2)
		return udp_hold(n, a);
	if (!strcmp(what, "packet") && (n == 3 || n == 4))
		return packet(n, a);
	if (!strcmp(what, "new-host") && n == 1)
		return new_host(a);
	if (!strcmp(what, "netns") && n >= 2)
		return in_netns(a);
	usage();
}
