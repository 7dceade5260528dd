// SPDX-License-Identifier: GPL-2.0-only
/*
 * load: a known amount of traffic between named network namespaces, with a
 * mark before and one after the part that is measured (see count.c), and the
 * time between the two.
 *
 *   load tcp FROM TO ADDRESS PORT STREAMS WARMUP BYTES [back ADDRESS]
 *              streams of TCP from namespace FROM to ADDRESS in TO; back: as
 *              many in the other direction, to ADDRESS in FROM
 *   load rr FROM TO ADDRESS PORT SIZE WARMUP COUNT
 *              UDP there and back, one at a time, between two processes
 *   load loaded FROM TO ADDRESS PORT SIZE WARMUP COUNT RATE [flood FILE N TARGET]
 *              the same while RATE datagrams of 1,200 bytes a second go that way;
 *              flood: and while N a second of FILE's messages of 148 bytes go
 *              from all of FROM's addresses in TARGET's network to port 51820 of
 *              TARGET
 *   load udp FROM TO ADDRESS PORT ADDRESSES SIZE WARMUP COUNT
 *              UDP one way, to ADDRESS, the one after it, ... in turn; no more
 *              than 64 are on their way
 *   load tcp-to NAMESPACE ADDRESS PORT WARMUP BYTES
 *   load tcp-at NAMESPACE ADDRESS PORT WARMUP BYTES
 *   load rr-to NAMESPACE ADDRESS PORT SIZE WARMUP COUNT
 *   load rr-at NAMESPACE ADDRESS PORT SIZE WARMUP COUNT
 *   load udp-to NAMESPACE ADDRESS PORT SIZE WARMUP COUNT
 *   load udp-at NAMESPACE ADDRESS PORT SIZE WARMUP COUNT
 *              one end of it, with marks of its own, where the other is another
 *              machine; what is AT its end is to begin first
 *   load run NAMESPACE COMMAND...
 *              whatever that executes; one unit
 *   load rtnl-probe NAMESPACE
 *              asks for the loopback device again and again, a millisecond
 *              apart, until SIGTERM; says how long the longest answer took
 *
 * Prints "units N ns T lost L": bytes, round trips or datagrams that arrived
 * between the marks. Of the mark's instruction no CPU takes notice. Round trips:
 * also "p50 N p99 N", ns; loaded: and "sent N came N flood N", of the datagrams
 * between the marks.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_STREAMS 64
#define IN_FLIGHT 64

/* Shared by all processes of a run. */
static struct shared {
	_Atomic uint64_t total;
	_Atomic uint64_t begin, end;	/* what total was at the marks */
	_Atomic uint64_t t0, t1;	/* ns */
	_Atomic uint64_t lost;
	_Atomic uint64_t sent, came;	/* beside what is measured */
	_Atomic uint64_t flooded;
	_Atomic uint32_t ready;
	uint64_t from, to;		/* where the marks belong */
} *sh;

static unsigned char buf[1 << 17];

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void usage(void)
{
	fputs("load: wrong usage, see the head of load.c\n", stderr);
	exit(2);
}

static long number(const char *s)
{
	char *end;
	long v = strtol(s, &end, 0);

	if (!*s || *end || v < 0)
		usage();
	return v;
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void mark_begin(void)
{
	sh->t0 = now();
#ifdef __x86_64__
	asm volatile("nopl 0x2db70001(%rax)");
#endif
}

static void mark_end(void)
{
#ifdef __x86_64__
	asm volatile("nopl 0x2db70002(%rax)");
#endif
	sh->t1 = now();
}

/* @n more have arrived: true once all that was wanted has. */
static bool arrived(uint64_t n)
{
	uint64_t before = atomic_fetch_add(&sh->total, n);
	uint64_t after = before + n;

	if (before < sh->from && after >= sh->from) {
		sh->begin = after;
		mark_begin();
	} else if (before < sh->to && after >= sh->to) {
		mark_end();
		sh->end = after;
	}
	return after >= sh->to;
}

static void enter(const char *ns)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", ns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die(path);
	close(fd);
}

static struct sockaddr_storage address(const char *text, int port,
				       socklen_t *len)
{
	struct sockaddr_storage ss = {};
	struct sockaddr_in *v4 = (void *)&ss;
	struct sockaddr_in6 *v6 = (void *)&ss;

	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		*len = sizeof(*v4);
	} else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		*len = sizeof(*v6);
	} else {
		usage();
	}
	return ss;
}

static int bound(const char *text, int port, int type)
{
	socklen_t len;
	struct sockaddr_storage ss = address(text, port, &len);
	int one = 1, fd = socket(ss.ss_family, type, 0);

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (void *)&ss, len))
		die("bind");
	return fd;
}

static int connected(const char *text, int port, int type)
{
	socklen_t len;
	struct sockaddr_storage ss = address(text, port, &len);
	int fd = socket(ss.ss_family, type, 0);

	if (fd < 0 || connect(fd, (void *)&ss, len))
		die("connect");
	return fd;
}

static void child(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
}

/* main() ends the line */
static void results(void)
{
	if (!sh->end) {
		fputs("load: it did not come to its end\n", stderr);
		exit(1);
	}
	printf("units %llu ns %llu lost %llu",
	       (unsigned long long)(sh->end - sh->begin),
	       (unsigned long long)(sh->t1 - sh->t0),
	       (unsigned long long)sh->lost);
}

/* ------------------------------------------------------------------ TCP */

static void tcp_receiver(const char *ns, const char *addr, int port, int streams)
{
	struct pollfd p[MAX_STREAMS];
	int i, l;

	child();
	enter(ns);
	l = bound(addr, port, SOCK_STREAM);
	if (listen(l, MAX_STREAMS))
		die("listen");
	sh->ready++;
	for (i = 0; i < streams; i++) {
		p[i].fd = accept(l, NULL, NULL);
		p[i].events = POLLIN;
		if (p[i].fd < 0)
			die("accept");
	}
	for (;;) {
		if (streams > 1 && poll(p, streams, -1) < 0)
			die("poll");
		for (i = 0; i < streams; i++) {
			ssize_t n;

			if (streams > 1 && !p[i].revents)
				continue;
			n = read(p[i].fd, buf, sizeof(buf));
			if (n <= 0)
				die("read");
			if (arrived(n))
				exit(0);
		}
	}
}

static void tcp_sender(const char *ns, const char *addr, int port)
{
	int fd;

	child();
	enter(ns);
	fd = connected(addr, port, SOCK_STREAM);
	while (write(fd, buf, sizeof(buf)) > 0)
		;
	exit(0);
}

static void tcp(int argc, char **argv)
{
	int streams, port, i, receivers = 1;
	pid_t pids[2 * MAX_STREAMS];
	int n = 0, status, failed = 0;

	if (argc != 7 && !(argc == 9 && !strcmp(argv[7], "back")))
		usage();
	port = number(argv[3]);
	streams = number(argv[4]);
	if (streams < 1 || streams > MAX_STREAMS)
		usage();
	sh->from = number(argv[5]);
	sh->to = sh->from + number(argv[6]);
	receivers = argc == 9 ? 2 : 1;
	for (i = 0; i < receivers; i++) {
		pid_t pid = fork();

		if (!pid)
			tcp_receiver(argv[!i], i ? argv[8] : argv[2], port, streams);
		pids[n++] = pid;
	}
	while (sh->ready < (uint32_t)receivers) {
		usleep(1000);
		if (waitpid(-1, &status, WNOHANG) > 0)
			exit(1);
	}
	for (i = 0; i < streams * receivers; i++) {
		int back = i >= streams;
		pid_t pid = fork();

		if (!pid)
			tcp_sender(argv[back], back ? argv[8] : argv[2], port);
		pids[n++] = pid;
	}
	/* the first receiver that ends has made the second mark, or failed */
	while (!sh->end && !failed) {
		pid_t pid = wait(&status);

		if (pid < 0)
			break;
		failed = !sh->end && status;
	}
	for (i = 0; i < n; i++)
		kill(pids[i], SIGKILL);
	while (wait(NULL) > 0)
		;
	results();
}

/* ------------------------------------------------------------------ UDP */

static void timeout(int fd, int seconds)
{
	struct timeval t = { .tv_sec = seconds };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Datagrams at @rate a second, to the port after @port, and who counts them. */
static void beside(char **argv, int port, long rate, pid_t pids[2])
{
	int fd;

	pids[0] = fork();
	if (!pids[0]) {
		child();
		enter(argv[1]);
		fd = bound(argv[2], port + 1, SOCK_DGRAM);
		sh->ready++;
		for (;;)
			if (recv(fd, buf, sizeof(buf), 0) > 0)
				sh->came++;
	}
	pids[1] = fork();
	if (!pids[1]) {
		uint64_t begin, n = 0;

		while (sh->ready < 2)	/* those who receive */
			usleep(1000);
		child();
		enter(argv[0]);
		fd = connected(argv[2], port + 1, SOCK_DGRAM);
		begin = now();
		for (;;) {
			/* what is due, then a rest of half a millisecond */
			uint64_t due = (now() - begin) * rate / 1000000000;

			for (; n < due; n++)
				if (send(fd, buf, 1200, 0) == 1200)
					sh->sent++;
			usleep(500);
		}
	}
}

/* @n messages a second, each from the next of our addresses of that network. */
static void flood(const char *ns, const char *file, long n, const char *target)
{
	int fds[256], addresses = 0, f, i;
	uint64_t begin, sent = 0, count;
	struct sockaddr_storage ss;
	socklen_t len;
	ssize_t size;
	char from[64];

	child();
	f = open(file, O_RDONLY);
	size = f < 0 ? -1 : read(f, buf, sizeof(buf));
	count = size / 148;
	if (size < 148)
		die(file);
	enter(ns);
	ss = address(target, 51820, &len);
	for (i = 0; i < 256; i++) {
		struct sockaddr_in me = *(struct sockaddr_in *)&ss;
		int fd = socket(AF_INET, SOCK_DGRAM, 0);

		if (fd < 0)
			die("socket");
		me.sin_addr.s_addr = htonl((ntohl(me.sin_addr.s_addr) & ~0xffu) + i);
		me.sin_port = 0;
		if (bind(fd, (void *)&me, sizeof(me)) ||
		    connect(fd, (void *)&ss, len))
			close(fd);
		else
			fds[addresses++] = fd;
	}
	if (!addresses) {
		snprintf(from, sizeof(from), "no address near %s", target);
		die(from);
	}
	sh->ready++;
	begin = now();
	for (;;) {
		uint64_t due = (now() - begin) * n / 1000000000;

		for (; sent < due; sent++)	/* errors: what ICMP told us */
			if (send(fds[sent % addresses], buf + sent % count * 148,
				 148, 0) == 148)
				sh->flooded++;
		usleep(500);
	}
}

static void rr(int argc, char **argv, bool loaded)
{
	uint64_t t, sent = 0, came = 0, flooded = 0, *took, n = 0;
	bool under_flood = loaded && argc == 12;
	pid_t pid, others[3] = { 0, 0, 0 };
	struct sockaddr_storage ss;
	int port, size, fd, i;
	bool over, measured;
	socklen_t len;

	if (argc != 7 + loaded && !under_flood)
		usage();
	port = number(argv[3]);
	size = number(argv[4]);
	sh->from = number(argv[5]);
	sh->to = sh->from + number(argv[6]);
	if (size < 1 || size > 65000 || !sh->from || sh->to == sh->from)
		usage();
	took = calloc(sh->to - sh->from, sizeof(*took));
	if (!took)
		die("memory");
	pid = fork();
	if (!pid) {
		child();
		enter(argv[1]);
		fd = bound(argv[2], port, SOCK_DGRAM);
		sh->ready++;
		for (;;) {
			ssize_t n;

			len = sizeof(ss);
			n = recvfrom(fd, buf, sizeof(buf), 0, (void *)&ss, &len);
			if (n < 0)
				die("recvfrom");
			if (sendto(fd, buf, n, 0, (void *)&ss, len) != n)
				die("sendto");
		}
	}
	if (loaded)
		beside(argv, port, number(argv[7]), others);
	if (under_flood) {
		others[2] = fork();
		if (!others[2])
			flood(argv[0], argv[9], number(argv[10]), argv[11]);
	}
	while (sh->ready < 1u + loaded + under_flood)
		usleep(1000);
	enter(argv[0]);
	fd = connected(argv[2], port, SOCK_DGRAM);
	timeout(fd, loaded ? 1 : 5);
	do {
		measured = sh->begin;
		t = now();
		if (send(fd, buf, size, 0) != size)
			die("send");
		if (recv(fd, buf, sizeof(buf), 0) != size)
			sh->lost++;
		if (measured)
			took[n++] = now() - t;
		over = arrived(1);
		if (sh->begin && !measured)
			sent = sh->sent, came = sh->came, flooded = sh->flooded;
	} while (!over && sh->lost < (under_flood ? 60 : 10));
	sent = sh->sent - sent;
	came = sh->came - came;
	flooded = sh->flooded - flooded;
	for (i = 0; i < 3; i++)
		if (others[i])
			kill(others[i], SIGKILL);
	kill(pid, SIGKILL);
	while (wait(NULL) > 0)
		;
	results();
	qsort(took, n, sizeof(*took), by_size);
	printf(" p50 %llu p99 %llu", (unsigned long long)took[n / 2],
	       (unsigned long long)took[n * 99 / 100]);
	if (loaded)
		printf(" sent %llu came %llu flood %llu", (unsigned long long)sent,
		       (unsigned long long)came, (unsigned long long)flooded);
}

/*
 * One sender, one receiver that owns a socket for every address. Each block of
 * IN_FLIGHT is acknowledged through a pipe, so that nothing overflows.
 */
static void udp(int argc, char **argv)
{
	int port, size, addresses, i, ack[2], fd;
	struct sockaddr_storage ss;
	uint64_t sent = 0;
	socklen_t len;
	pid_t pid;
	char c;

	if (argc != 8)
		usage();
	port = number(argv[3]);
	addresses = number(argv[4]);
	size = number(argv[5]);
	sh->from = number(argv[6]);
	sh->to = sh->from + number(argv[7]);
	if (addresses < 1 || size < 1 || size > 65000 || !sh->from)
		usage();
	if (pipe(ack))
		die("pipe");
	pid = fork();
	if (!pid) {
		uint64_t n = 0;
		int rx;

		child();
		enter(argv[1]);
		/* any address, one port: one queue to wait at */
		ss = address(strchr(argv[2], ':') ? "::" : "0.0.0.0", port, &len);
		rx = socket(ss.ss_family, SOCK_DGRAM, 0);
		i = 4 << 20;
		setsockopt(rx, SOL_SOCKET, SO_RCVBUFFORCE, &i, sizeof(i));
		if (rx < 0 || bind(rx, (void *)&ss, len))
			die("bind");
		timeout(rx, 1);
		sh->ready = 1;
		for (;;) {
			if (recv(rx, buf, sizeof(buf), 0) < 0) {
				/* what is missing of this block is lost */
				sh->lost += IN_FLIGHT - n;
				n = IN_FLIGHT;
			} else {
				n++;
				if (arrived(1))
					exit(0);
			}
			if (n == IN_FLIGHT) {
				n = 0;
				if (write(ack[1], "", 1) != 1)
					die("write");
			}
		}
	}
	while (!sh->ready)
		usleep(1000);
	enter(argv[0]);
	ss = address(argv[2], port, &len);
	fd = socket(ss.ss_family, SOCK_DGRAM, 0);
	if (fd < 0)
		die("socket");
	close(ack[1]);
	while (!sh->end) {
		struct sockaddr_storage to = ss;
		uint32_t n = sent++ % addresses;

		if (to.ss_family == AF_INET) {
			struct in_addr *a = &((struct sockaddr_in *)&to)->sin_addr;

			a->s_addr = htonl(ntohl(a->s_addr) + n);
		} else {
			struct in6_addr *a = &((struct sockaddr_in6 *)&to)->sin6_addr;

			a->s6_addr32[3] = htonl(ntohl(a->s6_addr32[3]) + n);
		}
		if (sendto(fd, buf, size, 0, (void *)&to, len) < 0)
			die("sendto");
		if (sent % IN_FLIGHT)
			continue;
		if (read(ack[0], &c, 1) != 1)
			break;
	}
	kill(pid, SIGKILL);
	wait(NULL);
	results();
}

/* ------------------------------------------------------------- one end */

static void tcp_end(int argc, char **argv, bool at)
{
	struct sockaddr_storage ss;
	int port, fd, tries, l;
	socklen_t len;
	ssize_t n;

	if (argc != 5)
		usage();
	port = number(argv[2]);
	sh->from = number(argv[3]);
	sh->to = sh->from + number(argv[4]);
	signal(SIGPIPE, SIG_IGN);
	enter(argv[0]);
	if (at) {
		l = bound(argv[1], port, SOCK_STREAM);
		if (listen(l, 1))
			die("listen");
		fd = accept(l, NULL, NULL);
		if (fd < 0)
			die("accept");
	} else {
		ss = address(argv[1], port, &len);
		for (tries = 0; ; tries++) {
			fd = socket(ss.ss_family, SOCK_STREAM, 0);
			if (fd >= 0 && !connect(fd, (void *)&ss, len))
				break;
			if (tries == 100)
				die("connect");
			close(fd);
			usleep(100000);
		}
	}
	do {
		n = at ? read(fd, buf, sizeof(buf)) : write(fd, buf, sizeof(buf));
		if (n <= 0)
			break;
	} while (!arrived(n) || !at);
	/* the one AT its end ends it, and so the other's writing */
	results();
}

/* NAMESPACE ADDRESS PORT SIZE WARMUP COUNT: the socket at that end, and the size */
static int udp_one(int argc, char **argv, bool at, int *size)
{
	int port;

	if (argc != 6)
		usage();
	port = number(argv[2]);
	*size = number(argv[3]);
	sh->from = number(argv[4]);
	sh->to = sh->from + number(argv[5]);
	if (*size < 1 || *size > 65000 || !sh->from)
		usage();
	enter(argv[0]);
	return at ? bound(argv[1], port, SOCK_DGRAM) :
		    connected(argv[1], port, SOCK_DGRAM);
}

static void rr_end(int argc, char **argv, bool at)
{
	int size, early = 0, fd = udp_one(argc, argv, at, &size);
	struct sockaddr_storage ss;
	socklen_t len;
	ssize_t n;

	timeout(fd, at ? 60 : 1);
	do {
		if (at) {
			len = sizeof(ss);
			n = recvfrom(fd, buf, sizeof(buf), 0, (void *)&ss, &len);
			if (n < 0)
				die("recvfrom");
			if (sendto(fd, buf, n, 0, (void *)&ss, len) != n)
				die("sendto");
		} else {
			n = send(fd, buf, size, 0);
			if (n == size)
				n = recv(fd, buf, sizeof(buf), 0);
			if (n < 0 && errno == ECONNREFUSED && early++ < 100) {
				/* the other end is not there yet */
				usleep(100000);
				continue;
			}
			if (n != size) {
				sh->lost++;
				continue;
			}
		}
		if (arrived(1))
			break;
	} while (sh->lost < 60);
	results();
}

/* As udp(), a datagram of one byte back for each IN_FLIGHT. */
static void udp_end(int argc, char **argv, bool at)
{
	int size, early = 0, n = 4 << 20, silent = 0, fd;
	struct sockaddr_storage ss;
	bool over = false;
	socklen_t len;
	ssize_t got;

	fd = udp_one(argc, argv, at, &size);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &n, sizeof(n));
	timeout(fd, at ? 60 : 3);
	n = 0;
	while (at && !over) {
		len = sizeof(ss);
		got = recvfrom(fd, buf, sizeof(buf), 0, (void *)&ss, &len);
		if (got < 0) {
			/* what is missing of this block is lost */
			if (!atomic_load(&sh->total) || ++silent == 10)
				die("recvfrom");
			/* or what says so was lost itself */
			if (n)
				sh->lost += IN_FLIGHT - n;
			n = IN_FLIGHT;
		} else {
			silent = 0;
			if (!n++)
				timeout(fd, 1);
			over = arrived(1);
		}
		if (over || n == IN_FLIGHT) {
			n = 0;
			if (sendto(fd, "", 1, 0, (void *)&ss, len) != 1)
				die("sendto");
		}
	}
	/* until the one at the other end has what it waits for */
	while (!at) {
		for (n = 0; n < IN_FLIGHT; n++)
			if (send(fd, buf, size, 0) != size)
				break;
		if (n == IN_FLIGHT && recv(fd, buf, sizeof(buf), 0) == 1) {
			over = over || arrived(IN_FLIGHT);
			silent = 0;
			continue;
		}
		if (over)
			break;
		if (errno == ECONNREFUSED && early++ < 100)
			usleep(100000);
		else if (++silent == 10)
			die("no answer");
	}
	results();
}

/* ----------------------------------------------------------------- rtnl */

static volatile sig_atomic_t over;

static void on_term(int sig)
{
	(void)sig;
	over = 1;
}

static void rtnl_probe(int argc, char **argv)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
	} ask = {
		.h = { sizeof(ask), RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK, 1, 0 },
		.i = { .ifi_family = AF_UNSPEC, .ifi_index = 1,
		       .ifi_flags = IFF_UP, .ifi_change = IFF_UP },
	};
	struct sched_param prio = { .sched_priority = 1 };
	uint64_t longest = 0, t;
	int fd;

	if (argc != 1)
		usage();
	enter(argv[0]);
	signal(SIGTERM, on_term);
	sched_setscheduler(0, SCHED_FIFO, &prio);
	fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	if (fd < 0)
		die("socket");
	while (!over) {
		t = now();
		if (send(fd, &ask, sizeof(ask), 0) < 0 ||
		    recv(fd, buf, sizeof(buf), 0) < 0)
			die("rtnetlink");
		t = now() - t;
		if (t > longest)
			longest = t;
		usleep(1000);
	}
	printf("longest %llu", (unsigned long long)longest);
}

/* ------------------------------------------------------------ a command */

static void run(int argc, char **argv)
{
	int status;
	pid_t pid;

	if (argc < 2)
		usage();
	sh->from = 1;
	sh->to = 2;
	enter(argv[0]);
	arrived(1);
	pid = fork();
	if (!pid) {
		execvp(argv[1], argv + 1);
		die(argv[1]);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		exit(1);
	arrived(1);
	results();
}

int main(int argc, char **argv)
{
	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sh == MAP_FAILED)
		die("mmap");
	if (argc < 3)
		usage();
	if (!strcmp(argv[1], "tcp"))
		tcp(argc - 2, argv + 2);
	else if (!strcmp(argv[1], "rr"))
		rr(argc - 2, argv + 2, false);
	else if (!strcmp(argv[1], "loaded"))
		rr(argc - 2, argv + 2, true);
	else if (!strcmp(argv[1], "udp"))
		udp(argc - 2, argv + 2);
	else if (!strcmp(argv[1], "tcp-to") || !strcmp(argv[1], "tcp-at"))
		tcp_end(argc - 2, argv + 2, argv[1][4] == 'a');
	else if (!strcmp(argv[1], "rr-to") || !strcmp(argv[1], "rr-at"))
		rr_end(argc - 2, argv + 2, argv[1][3] == 'a');
	else if (!strcmp(argv[1], "udp-to") || !strcmp(argv[1], "udp-at"))
		udp_end(argc - 2, argv + 2, argv[1][4] == 'a');
	else if (!strcmp(argv[1], "run"))
		run(argc - 2, argv + 2);
	else if (!strcmp(argv[1], "rtnl-probe"))
		rtnl_probe(argc - 2, argv + 2);
	else
		usage();
	putchar('\n');
	return 0;
}
