// SPDX-License-Identifier: GPL-2.0-only
/*
 * uapi-probe: sends one generic netlink message to the family "wireguard",
 * made exactly as described on the command line, well-formed or not, and
 * prints what the kernel answers: "ERRNO: text of the extended ack".
 *
 *   uapi-probe [-v] [-u] set|get|cmd:N ATTRIBUTE...
 *
 * ATTRIBUTE is one of
 *   u8:A=V u16:A=V u32:A=V	a number in host byte order
 *   str:A=TEXT			with its NUL
 *   hex:A=0102...		bytes
 *   fill:A=LEN*HH		LEN bytes of the value HH (hex)
 *   in4:A=ADDRESS:PORT		a struct sockaddr_in
 *   if:A=NAME			u32, the index of that interface
 *   [A ... ]			nested
 *   (A ... )			nested, without NLA_F_NESTED
 * A is a number or a name out of linux/wireguard.h without its prefix, as in
 * IFNAME (WGDEVICE_A_IFNAME); which enumeration is meant follows from the
 * depth. A "get" is sent as a dump. -v prints the attributes that come back, -u
 * asks as an ordinary user.
 *
 * Exit status: 0 if an answer came, whatever it says; 1 if none; 2 for wrong
 * usage.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/wireguard.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "errname.h"

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

static const char * const device_names[] = {
	"UNSPEC", "IFINDEX", "IFNAME", "PRIVATE_KEY", "PUBLIC_KEY", "FLAGS",
	"LISTEN_PORT", "FWMARK", "PEERS",
};

static const char * const peer_names[] = {
	"UNSPEC", "PUBLIC_KEY", "PRESHARED_KEY", "FLAGS", "ENDPOINT",
	"PERSISTENT_KEEPALIVE_INTERVAL", "LAST_HANDSHAKE_TIME", "RX_BYTES",
	"TX_BYTES", "ALLOWEDIPS", "PROTOCOL_VERSION",
};

static const char * const ip_names[] = {
	"UNSPEC", "FAMILY", "IPADDR", "CIDR_MASK", "FLAGS",
};

/* The depth of a message: device, list of peers, peer, list of ips, ip. */
static const struct {
	const char * const *names;
	unsigned int count;
} levels[] = {
	{ device_names, sizeof(device_names) / sizeof(*device_names) },
	{ NULL, 0 },
	{ peer_names, sizeof(peer_names) / sizeof(*peer_names) },
	{ NULL, 0 },
	{ ip_names, sizeof(ip_names) / sizeof(*ip_names) },
};

#define LEVELS (sizeof(levels) / sizeof(*levels))

static unsigned char out[65536] __attribute__((aligned(8)));
static size_t len;
static unsigned char in[1 << 17] __attribute__((aligned(8)));

static void usage(const char *what)
{
	fprintf(stderr, "uapi-probe: wrong usage: %s\n", what);
	exit(2);
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static struct nlattr *put(int type, const void *data, size_t n)
{
	struct nlattr *a = (void *)(out + len);

	if (len + NLA_HDRLEN + n + 4 > sizeof(out))
		usage("message too long");
	a->nla_type = type;
	a->nla_len = NLA_HDRLEN + n;
	if (n)
		memcpy((char *)a + NLA_HDRLEN, data, n);
	len += NLA_ALIGN(a->nla_len);
	return a;
}

static int attribute(const char *name, unsigned int depth)
{
	char *end;
	long v = strtol(name, &end, 0);
	unsigned int i;

	if (*name && !*end)
		return v;
	for (i = 0; depth < LEVELS && i < levels[depth].count; i++)
		if (!strcmp(levels[depth].names[i], name))
			return i;
	usage(name);
	return 0;
}

static void put_value(const char *kind, int type, char *value)
{
	unsigned char data[4096] = { 0 };
	size_t n = 0;

	if (!strcmp(kind, "u8")) {
		uint8_t v = strtoul(value, NULL, 0);

		put(type, &v, 1);
	} else if (!strcmp(kind, "u16")) {
		uint16_t v = strtoul(value, NULL, 0);

		put(type, &v, 2);
	} else if (!strcmp(kind, "u32")) {
		uint32_t v = strtoul(value, NULL, 0);

		put(type, &v, 4);
	} else if (!strcmp(kind, "if")) {
		uint32_t v = if_nametoindex(value);

		put(type, &v, 4);
	} else if (!strcmp(kind, "str")) {
		put(type, value, strlen(value) + 1);
	} else if (!strcmp(kind, "hex")) {
		for (; value[0] && value[1] && n < sizeof(data); value += 2) {
			char byte[3] = { value[0], value[1], 0 };

			data[n++] = strtoul(byte, NULL, 16);
		}
		put(type, data, n);
	} else if (!strcmp(kind, "fill")) {
		char *end;

		n = strtoul(value, &end, 10);
		if (*end != '*' || n > sizeof(data))
			usage(value);
		memset(data, strtoul(end + 1, NULL, 16), n);
		put(type, data, n);
	} else if (!strcmp(kind, "in4")) {
		struct sockaddr_in sin = { .sin_family = AF_INET };
		char *port = strchr(value, ':');

		if (!port)
			usage(value);
		*port++ = 0;
		if (inet_pton(AF_INET, value, &sin.sin_addr) != 1)
			usage(value);
		sin.sin_port = htons(atoi(port));
		put(type, &sin, sizeof(sin));
	} else {
		usage(kind);
	}
}

static void build(int argc, char **argv)
{
	struct nlattr *open[8];
	unsigned int depth = 0;
	int i;

	for (i = 0; i < argc; i++) {
		char *s = argv[i], *kind, *eq;

		if (*s == '[' || *s == '(') {
			int type = attribute(s + 1, depth);

			if (depth == sizeof(open) / sizeof(*open))
				usage("nested too deep");
			if (*s == '[')
				type |= NLA_F_NESTED;
			open[depth++] = put(type, NULL, 0);
			continue;
		}
		if (*s == ']' || *s == ')') {
			if (!depth)
				usage("a bracket too many");
			depth--;
			open[depth]->nla_len = out + len - (unsigned char *)open[depth];
			continue;
		}
		kind = s;
		s = strchr(s, ':');
		eq = strchr(kind, '=');
		if (!s || !eq || s > eq)
			usage(kind);
		*s++ = 0;
		*eq++ = 0;
		put_value(kind, attribute(s, depth), eq);
	}
	if (depth)
		usage("a bracket is missing");
}

static void print(const unsigned char *p, size_t n, unsigned int depth)
{
	while (n >= NLA_HDRLEN) {
		const struct nlattr *a = (const void *)p;
		unsigned int type = a->nla_type & NLA_TYPE_MASK;
		size_t size = a->nla_len - NLA_HDRLEN, i;
		const unsigned char *data = p + NLA_HDRLEN;

		if (a->nla_len < NLA_HDRLEN || a->nla_len > n)
			break;
		printf("%*s", depth * 2, "");
		if (depth < LEVELS && type && type < levels[depth].count)
			printf("%s", levels[depth].names[type]);
		else
			printf("%u", type);
		if (a->nla_type & NLA_F_NESTED) {
			printf(" {\n");
			print(data, size, depth + 1);
			printf("%*s}\n", depth * 2, "");
		} else {
			printf(" %zu ", size);
			for (i = 0; i < size && i < 40; i++)
				printf("%02x", data[i]);
			printf("\n");
		}
		size = NLA_ALIGN((size_t)a->nla_len);
		n -= size < n ? size : n;
		p += NLA_ALIGN(a->nla_len);
	}
}

/* The errno of an answer, or -1 to read on. */
static int answer(int fd, int verbose, char *text, size_t room)
{
	ssize_t n = recv(fd, in, sizeof(in), 0);
	struct nlmsghdr *h = (void *)in;

	*text = 0;
	if (n < 0)
		die("recv");
	for (; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
		if (h->nlmsg_type == NLMSG_ERROR ||
		    h->nlmsg_type == NLMSG_DONE) {
			int error = -*(int *)NLMSG_DATA(h);
			unsigned char *p = NLMSG_DATA(h), *end;

			end = (unsigned char *)h + h->nlmsg_len;
			if (h->nlmsg_type == NLMSG_DONE) {
				p += sizeof(int);
			} else {
				p += sizeof(struct nlmsgerr);
				if (!(h->nlmsg_flags & NLM_F_CAPPED))
					p += ((struct nlmsgerr *)NLMSG_DATA(h))
						     ->msg.nlmsg_len -
					     NLMSG_HDRLEN;
			}
			while (h->nlmsg_flags & NLM_F_ACK_TLVS &&
			       p + NLA_HDRLEN <= end) {
				struct nlattr *a = (void *)p;

				if (a->nla_len < NLA_HDRLEN)
					break;
				if ((a->nla_type & NLA_TYPE_MASK) ==
				    NLMSGERR_ATTR_MSG)
					snprintf(text, room, "%s",
						 (char *)p + NLA_HDRLEN);
				p += NLA_ALIGN(a->nla_len);
			}
			return error;
		}
		if (verbose)
			print((unsigned char *)NLMSG_DATA(h) + GENL_HDRLEN,
			      h->nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN, 0);
	}
	return -1;
}

static int talk(int fd, int family, int command, int version, int flags,
		int verbose, char *text, size_t room)
{
	struct nlmsghdr *h = (void *)out;
	struct genlmsghdr *g = NLMSG_DATA(h);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int error;

	h->nlmsg_len = len;
	h->nlmsg_type = family;
	h->nlmsg_flags = NLM_F_REQUEST | flags;
	h->nlmsg_seq = 1;
	g->cmd = command;
	g->version = version;
	if (send(fd, out, len, 0) != (ssize_t)len)
		die("send");
	do {
		if (poll(&p, 1, 30000) <= 0) {
			fputs("uapi-probe: no answer\n", stderr);
			exit(1);
		}
		error = answer(fd, verbose, text, room);
	} while (error < 0);
	return error;
}

static int find_family(int fd, const char *name)
{
	char text[256];
	int error;
	struct nlattr *a;
	unsigned char *p;

	len = NLMSG_HDRLEN + GENL_HDRLEN;
	put(CTRL_ATTR_FAMILY_NAME, name, strlen(name) + 1);
	/* The reply comes before the ack, in a datagram of its own. */
	{
		struct nlmsghdr *h = (void *)out;
		struct genlmsghdr *g = NLMSG_DATA(h);
		ssize_t n;

		h->nlmsg_len = len;
		h->nlmsg_type = GENL_ID_CTRL;
		h->nlmsg_flags = NLM_F_REQUEST;
		g->cmd = CTRL_CMD_GETFAMILY;
		g->version = 1;
		if (send(fd, out, len, 0) != (ssize_t)len)
			die("send");
		n = recv(fd, in, sizeof(in), 0);
		h = (void *)in;
		if (n < NLMSG_HDRLEN || h->nlmsg_type == NLMSG_ERROR) {
			error = n < NLMSG_HDRLEN ? EIO :
			      -((struct nlmsgerr *)NLMSG_DATA(h))->error;
			snprintf(text, sizeof(text), "%s", errname(error));
			fprintf(stderr, "uapi-probe: no family %s: %s\n", name,
				text);
			exit(1);
		}
		p = (unsigned char *)NLMSG_DATA(h) + GENL_HDRLEN;
		while (p < in + n) {
			a = (void *)p;
			if (a->nla_type == CTRL_ATTR_FAMILY_ID)
				return *(uint16_t *)(p + NLA_HDRLEN);
			p += NLA_ALIGN(a->nla_len);
		}
	}
	die("family");
	return 0;
}

int main(int argc, char **argv)
{
	int fd, family, command, error, one = 1, verbose = 0, nobody = 0;
	char text[512];

	if (argc > 1 && !strcmp(argv[1], "-v")) {
		verbose = 1;
		argc--;
		argv++;
	}
	if (argc > 1 && !strcmp(argv[1], "-u")) {
		nobody = 1;
		argc--;
		argv++;
	}
	if (argc < 2)
		usage("nothing to send");
	if (!strcmp(argv[1], "set"))
		command = WG_CMD_SET_DEVICE;
	else if (!strcmp(argv[1], "get"))
		command = WG_CMD_GET_DEVICE;
	else if (!strncmp(argv[1], "cmd:", 4))
		command = atoi(argv[1] + 4);
	else
		usage(argv[1]);

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	family = find_family(fd, WG_GENL_NAME);

	if (nobody && (setgid(65534) || setuid(65534)))
		die("setuid");

	memset(out, 0, sizeof(out));
	len = NLMSG_HDRLEN + GENL_HDRLEN;
	build(argc - 2, argv + 2);
	error = talk(fd, family, command, WG_GENL_VERSION,
		     command == WG_CMD_GET_DEVICE ? NLM_F_DUMP | NLM_F_ACK :
						    NLM_F_ACK,
		     verbose, text, sizeof(text));
	printf("%s: %s\n", errname(error), text);
	return 0;
}
