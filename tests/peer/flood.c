// SPDX-License-Identifier: GPL-2.0-only
/*
 * flood: sends frames that were made before, over and over, fast.
 *
 *   flood IF FILE COUNT [PER_SECOND]
 *
 * FILE holds records: u16 length (little endian), a whole Ethernet frame.
 * COUNT frames are sent out of IF, going round; as fast as they go, or
 * PER_SECOND. Prints how many the kernel took. Exit status: 0, 1 for a failed
 * system call, 2 for wrong usage.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_FRAMES	65536
#define BATCH		32

static struct iovec frames[MAX_FRAMES];

static void die(const char *what)
{
	fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
	exit(1);
}

static long load(const char *name)
{
	FILE *f = fopen(name, "rb");
	unsigned char head[2];
	long n = 0;

	if (!f)
		die(name);
	while (n < MAX_FRAMES && fread(head, 2, 1, f) == 1) {
		size_t len = head[0] | head[1] << 8;
		void *p = malloc(len);

		if (!p || fread(p, len, 1, f) != 1)
			die("reading frames");
		frames[n].iov_base = p;
		frames[n++].iov_len = len;
	}
	fclose(f);
	return n;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET };
	long count, rate, total, sent = 0, taken = 0;
	struct mmsghdr batch[BATCH] = { 0 };
	double begin;
	int fd, i;

	if (argc < 4 || argc > 5) {
		fputs("flood: wrong usage, see the head of flood.c\n", stderr);
		return 2;
	}
	total = load(argv[2]);
	count = atol(argv[3]);
	rate = argc > 4 ? atol(argv[4]) : 0;
	ll.sll_ifindex = if_nametoindex(argv[1]);
	fd = socket(AF_PACKET, SOCK_RAW, 0);
	if (fd < 0 || !ll.sll_ifindex || !total)
		die("setting up");
	for (i = 0; i < BATCH; i++) {
		batch[i].msg_hdr.msg_name = &ll;
		batch[i].msg_hdr.msg_namelen = sizeof(ll);
		batch[i].msg_hdr.msg_iovlen = 1;
	}
	begin = seconds();
	while (sent < count) {
		long n = count - sent < BATCH ? count - sent : BATCH;
		double ahead = rate ? (double)sent / rate -
				      (seconds() - begin) : 0;
		int r;

		if (ahead > 0)
			usleep(ahead * 1e6);
		for (i = 0; i < n; i++)
			batch[i].msg_hdr.msg_iov = &frames[(sent + i) % total];
		r = sendmmsg(fd, batch, n, 0);
		if (r < 0 && errno != ENOBUFS && errno != EAGAIN)
			die("sendmmsg");
		if (r > 0)
			taken += r;
		sent += n;
	}
	printf("%ld\n", taken);
	return 0;
}
