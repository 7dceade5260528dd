// SPDX-License-Identifier: GPL-2.0-only
/*
 * sockopt: senders and receivers that use what few programs do: segmentation of
 * UDP, send times, timestamps, a TUN device. The datagrams are those that
 * `wire udp-sink` checks.
 *
 *   sockopt gso ADDRESS PORT COUNT SIZE BURST [LAST [PAUSE]]
 *                                        COUNT datagrams of SIZE bytes, BURST of them
 *                                        in each send (UDP_SEGMENT), the last of these
 *                                        of LAST bytes (as the others), PAUSE
 *                                        microseconds apart (5,000)
 *   sockopt fan PORT COUNT SIZE PER_SECOND ADDRESS...
 *                                        COUNT datagrams, to each address in turn
 *   sockopt txtime ADDRESS PORT COUNT monotonic|tai AHEAD
 *                                        each is to be sent AHEAD ms after the
 *                                        last, the first in AHEAD ms (SO_TXTIME)
 *   sockopt rx-stamps PORT COUNT SECONDS receives; prints how many came, and how
 *                                        many of them with a software timestamp
 *                                        of the last SECONDS
 *   sockopt tx-stamps ADDRESS PORT COUNT sends; prints how many software
 *                                        timestamps of sending came back
 *   sockopt small-buffer ADDRESS PORT COUNT SIZE
 *                                        sends by a socket with the smallest send
 *                                        buffer; prints how many went without
 *                                        having to wait
 *   sockopt tun NAME                     makes a TUN device; sends as packets the
 *                                        lines of hex bytes of standard input
 *
 * Exit status: 0, 1 for a failed system call (named on standard error), 2 for
 * wrong usage.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/net_tstamp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef SOL_UDP
#define SOL_UDP		17
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT	103
#endif
#ifndef SO_TXTIME
#define SO_TXTIME	61
#endif

static unsigned char buf[65536];

static void die(const char *what)
{
	fprintf(stderr, "sockopt: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void usage(void)
{
	fputs("sockopt: wrong usage, see the head of sockopt.c\n", stderr);
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

static double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static socklen_t address(const char *host, long port, struct sockaddr_storage *ss)
{
	struct sockaddr_in6 *v6 = (void *)ss;
	struct sockaddr_in *v4 = (void *)ss;

	memset(ss, 0, sizeof(*ss));
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		return sizeof(*v4);
	}
	if (inet_pton(AF_INET6, host, &v6->sin6_addr) != 1)
		usage();
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	return sizeof(*v6);
}

static int udp_to(const char *host, long port)
{
	struct sockaddr_storage ss;
	socklen_t len = address(host, port, &ss);
	int fd = socket(ss.ss_family, SOCK_DGRAM, 0);

	if (fd < 0)
		die("socket");
	if (connect(fd, (void *)&ss, len))
		die("connect");
	return fd;
}

/* The datagrams of `wire udp-flow`: number, size, bytes made from both. */
static void fill(unsigned char *p, uint32_t seq, uint32_t size)
{
	uint32_t x = seq * 2654435761u ^ size, i, be;

	be = htonl(seq);
	memcpy(p, &be, 4);
	be = htonl(size);
	memcpy(p + 4, &be, 4);
	for (i = 8; i < size; i++) {
		x = x * 1664525u + 1013904223u;
		p[i] = x >> 24;
	}
}

static int gso(int argc, char **a)
{
	long count = number(a[2]), burst = number(a[4]), i, n;
	int fd = udp_to(a[0], number(a[1])), size = number(a[3]);
	int last = argc > 5 ? number(a[5]) : size;
	long pause = argc > 6 ? number(a[6]) : 5000;

	if (size < 8 || burst < 1 || size * burst > (long)sizeof(buf) ||
	    last < 8 || last > size)
		usage();
	if (setsockopt(fd, SOL_UDP, UDP_SEGMENT, &size, sizeof(size)))
		die("UDP_SEGMENT");
	for (i = 0; i < count; i += n) {
		for (n = 0; n < burst && i + n < count; n++)
			fill(buf + n * size, i + n,
			     n == burst - 1 ? last : size);
		while (send(fd, buf, (n - 1) * size + (n == burst ? last : size),
			    0) < 0)
			if (errno != ECONNREFUSED && errno != ENOBUFS)
				die("send");
		/* the receiver may be slow: a burst each 5 ms */
		if (pause)
			usleep(pause);
	}
	return 0;
}

static int fan(int argc, char **a)
{
	long port = number(a[0]), count = number(a[1]), size = number(a[2]);
	long rate = number(a[3]), i;
	double begin = seconds(CLOCK_MONOTONIC);
	int fds[64], n = argc - 4;

	if (n > 64 || size < 8 || size > (long)sizeof(buf) || rate < 1)
		usage();
	for (i = 0; i < n; i++)
		fds[i] = udp_to(a[4 + i], port);
	for (i = 0; i < count; i++) {
		double ahead = (double)i / rate -
			       (seconds(CLOCK_MONOTONIC) - begin);

		if (ahead > 0)
			usleep(ahead * 1e6);
		fill(buf, i, size);
		if (send(fds[i % n], buf, size, 0) < 0 &&
		    errno != ECONNREFUSED && errno != ENOBUFS)
			die("send");
	}
	return 0;
}

static int txtime(char **a)
{
	clockid_t clock = strcmp(a[3], "tai") ? CLOCK_MONOTONIC : CLOCK_TAI;
	struct sock_txtime st = { .clockid = clock };
	long count = number(a[2]), ahead = number(a[4]), i;
	int fd = udp_to(a[0], number(a[1]));
	struct timespec t;
	uint64_t when;

	if (setsockopt(fd, SOL_SOCKET, SO_TXTIME, &st, sizeof(st)))
		die("SO_TXTIME");
	clock_gettime(clock, &t);
	when = t.tv_sec * 1000000000ull + t.tv_nsec;
	for (i = 0; i < count; i++) {
		union {
			char room[CMSG_SPACE(sizeof(when))];
			struct cmsghdr align;
		} u = { 0 };
		struct iovec iov = { .iov_base = buf, .iov_len = 100 };
		struct msghdr msg = {
			.msg_iov = &iov, .msg_iovlen = 1,
			.msg_control = &u, .msg_controllen = sizeof(u),
		};
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

		when += ahead * 1000000ull;
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SO_TXTIME;
		c->cmsg_len = CMSG_LEN(sizeof(when));
		memcpy(CMSG_DATA(c), &when, sizeof(when));
		fill(buf, i, 100);
		while (sendmsg(fd, &msg, 0) < 0)
			if (errno != ECONNREFUSED)
				die("sendmsg");
	}
	return 0;
}

/* The software timestamp of a message, 0 if it has none. */
static double stamp_of(struct msghdr *msg)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		struct scm_timestamping ts;

		if (c->cmsg_level != SOL_SOCKET ||
		    c->cmsg_type != SO_TIMESTAMPING)
			continue;
		memcpy(&ts, CMSG_DATA(c), sizeof(ts));
		return ts.ts[0].tv_sec + ts.ts[0].tv_nsec / 1e9;
	}
	return 0;
}

static ssize_t get(int fd, int flags, double *stamp)
{
	static unsigned char in[65536];
	static char control[1024];
	struct iovec iov = { .iov_base = in, .iov_len = sizeof(in) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(fd, &msg, flags);

	*stamp = n < 0 ? 0 : stamp_of(&msg);
	return n;
}

static int rx_stamps(char **a)
{
	struct sockaddr_in6 any = {
		.sin6_family = AF_INET6, .sin6_port = htons(number(a[0])),
	};
	int flags = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
	long count = number(a[1]), limit = number(a[2]), came = 0, stamped = 0;
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);

	if (fd < 0)
		die("socket");
	if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof(flags)))
		die("SO_TIMESTAMPING");
	if (bind(fd, (void *)&any, sizeof(any)))
		die("bind");
	fputs("ready\n", stderr);
	while (came < count) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		double now, stamp;

		if (poll(&p, 1, came ? limit * 1000 : -1) <= 0)
			break;
		if (get(fd, 0, &stamp) < 0)
			die("recvmsg");
		now = seconds(CLOCK_REALTIME);
		came++;
		if (stamp > now - limit && stamp <= now)
			stamped++;
	}
	printf("%ld %ld\n", came, stamped);
	return 0;
}

static int tx_stamps(char **a)
{
	int flags = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE |
		    SOF_TIMESTAMPING_OPT_TSONLY | SOF_TIMESTAMPING_OPT_ID;
	long count = number(a[2]), i, stamped = 0;
	int fd = udp_to(a[0], number(a[1]));
	double begin = seconds(CLOCK_REALTIME), end, stamp;

	if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof(flags)))
		die("SO_TIMESTAMPING");
	for (i = 0; i < count; i++) {
		fill(buf, i, 100);
		/* an ICMP error of the last one is told in place of sending */
		while (send(fd, buf, 100, 0) < 0)
			if (errno != ECONNREFUSED)
				die("send");
	}
	end = seconds(CLOCK_MONOTONIC) + 2;
	while (stamped < count && seconds(CLOCK_MONOTONIC) < end) {
		if (get(fd, MSG_ERRQUEUE | MSG_DONTWAIT, &stamp) < 0) {
			usleep(10000);
			continue;
		}
		if (stamp >= begin && stamp <= seconds(CLOCK_REALTIME))
			stamped++;
	}
	printf("%ld\n", stamped);
	return 0;
}

static int small_buffer(char **a)
{
	long count = number(a[2]), size = number(a[3]), i, went = 0;
	int fd = udp_to(a[0], number(a[1])), room = 1;

	if (size < 8 || size > (long)sizeof(buf))
		usage();
	/* the kernel makes it the least that there can be */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)))
		die("SO_SNDBUF");
	for (i = 0; i < count; i++) {
		fill(buf, i, size);
		if (send(fd, buf, size, MSG_DONTWAIT) == size)
			went++;
		else if (errno != EAGAIN && errno != ENOBUFS)
			die("send");
	}
	printf("%ld\n", went);
	return 0;
}

static int tun(char **a)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR);
	static char line[140000];

	if (fd < 0)
		die("/dev/net/tun");
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", a[0]);
	if (ioctl(fd, TUNSETIFF, &ifr))
		die("TUNSETIFF");
	fputs("ready\n", stderr);
	while (fgets(line, sizeof(line), stdin)) {
		size_t n = 0;
		char *s = line;

		for (; s[0] > ' ' && s[1] > ' '; s += 2) {
			char byte[3] = { s[0], s[1], 0 };

			buf[n++] = strtoul(byte, NULL, 16);
		}
		if (write(fd, buf, n) < 0)
			die("write");
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	char **a = argv + 2;
	int n = argc - 2;

	if (!strcmp(what, "gso") && n >= 5 && n <= 7)
		return gso(n, a);
	if (!strcmp(what, "fan") && n >= 5)
		return fan(n, a);
	if (!strcmp(what, "txtime") && n == 5)
		return txtime(a);
	if (!strcmp(what, "rx-stamps") && n == 3)
		return rx_stamps(a);
	if (!strcmp(what, "tx-stamps") && n == 3)
		return tx_stamps(a);
	if (!strcmp(what, "small-buffer") && n == 4)
		return small_buffer(a);
	if (!strcmp(what, "tun") && n == 1)
		return tun(a);
	usage();
}
