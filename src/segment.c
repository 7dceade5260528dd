// SPDX-License-Identifier: GPL-2.0-only
/* TCP's GSO packets to messages. See segment.h. */

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/mm.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/checksum.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/sock.h>
#include <net/tcp.h>
#include "aead.h"
#include "crypt.h"
#include "packet.h"
#include "pages.h"
#include "segment.h"
#include "session.h"
#include "socket.h"

/* Messages of one datagram; some devices do not take more. */
#define MAX_MESSAGES	64

/* Fewer messages that are there at once are not worth a datagram to hang in. */
#define GATHER_LEAST	4

/* Bytes of one datagram, so that IPv4's total length can be said. */
#define MAX_BYTES	(IP_MAX_MTU - sizeof(struct iphdr) - \
			 sizeof(struct udphdr))

/* What is written before a text while it is sealed, but the header. */
#define BEFORE_FIRST	ALIGN(WG_AEAD_HEADROOM - \
			      sizeof(struct wg_msg_data), 16)

/* Room before a message: headers that are still to come. */
#define HEADROOM	ALIGN(LL_MAX_HEADER + WG_OUTER_HEADROOM, 16)

/**
 * struct plan - a packet, and what all of its segments have in common
 * @skb: the packet, data at its IP header
 * @session: whose messages they will be
 * @counter: of the first
 * @headers: length of IP and TCP header in bytes
 * @network: length of the IP header in bytes
 * @payload: all that is behind the headers, bytes
 * @mss: of it, in each segment but the last
 * @segments: how many
 * @mtu: limit of padding, bytes
 * @seq: TCP sequence number of the first
 * @id: IPv4 identification of the first
 * @v6: IPv6
 * @each: length of each message but the last, bytes
 * @listed: messages hang in a list, each by itself; else in fragments
 */
struct plan {
	struct sk_buff *skb;
	const struct wg_session *session;
	u64 counter;
	unsigned int headers;
	unsigned int network;
	unsigned int payload;
	unsigned int mss;
	unsigned int segments;
	u32 mtu;
	u32 seq;
	u16 id;
	bool v6;
	unsigned int each;
	bool listed;
};

static unsigned int message_len(unsigned int text, u32 mtu)
{
	return sizeof(struct wg_msg_data) + wg_padded_len(text, mtu) +
	       WG_TAG_LEN;
}

/* Length of the IP header, or 0 where it is none that is known here. */
static unsigned int network_len(struct sk_buff *skb)
{
	const unsigned int types = SKB_GSO_TCPV4 | SKB_GSO_TCPV6 |
				   SKB_GSO_TCP_ECN | SKB_GSO_DODGY;
	const struct ipv6hdr *ip6;
	const struct iphdr *ip;

	if ((skb_shinfo(skb)->gso_type & ~types) || skb->encapsulation)
		return 0;
	if (skb_shinfo(skb)->gso_type & SKB_GSO_TCPV4) {
		if (skb->protocol != htons(ETH_P_IP))
			return 0;
		ip = ip_hdr(skb);
		return ip->version == 4 && ip->ihl >= 5 &&
		       ip->protocol == IPPROTO_TCP && !ip_is_fragment(ip) ?
			ip->ihl * 4 : 0;
	}
	if (skb_shinfo(skb)->gso_type & SKB_GSO_TCPV6) {
		if (skb->protocol != htons(ETH_P_IPV6))
			return 0;
		ip6 = ipv6_hdr(skb);
		return ip6->version == 6 && ip6->nexthdr == IPPROTO_TCP ?
			sizeof(*ip6) : 0;
	}
	return 0;
}

unsigned int wg_segment_count(struct sk_buff *skb, u32 mtu)
{
	unsigned int network, tcp, headers, mss = skb_shinfo(skb)->gso_size;
	unsigned int n;

	/* its IP header has been looked at, and is linear */
	network = network_len(skb);
	if (!network || skb->ip_summed != CHECKSUM_PARTIAL ||
	    skb_network_offset(skb) || skb_transport_offset(skb) != network ||
	    skb_checksum_start_offset(skb) != network)
		return 0;
	/* time stamps go with segments */
	if (skb_shinfo(skb)->tx_flags & SKBTX_ANY_TSTAMP)
		return 0;
	if (!pskb_may_pull(skb, network + sizeof(struct tcphdr)))
		return 0;
	tcp = tcp_hdrlen(skb);
	headers = network + tcp;
	if (tcp < sizeof(struct tcphdr) || !pskb_may_pull(skb, headers) ||
	    skb->len - headers <= mss || !mss || mss == GSO_BY_FRAGS)
		return 0;
	/* a message fits into a page, and headers in it are aligned */
	if (BEFORE_FIRST + message_len(headers + mss, mtu) > PAGE_SIZE ||
	    message_len(headers + mss, mtu) % 4)
		return 0;
	n = DIV_ROUND_UP(skb->len - headers, mss);
	return n <= WG_MAX_SEGMENTS ? n : 0;
}

static void make_plan(struct plan *plan, struct sk_buff *skb,
		      const struct wg_session *session)
{
	struct wg_skb_cb *cb = wg_cb(skb);

	plan->skb = skb;
	plan->session = session;
	plan->counter = cb->counter;
	plan->network = skb_transport_offset(skb);
	plan->headers = plan->network + tcp_hdrlen(skb);
	plan->payload = skb->len - plan->headers;
	plan->mss = skb_shinfo(skb)->gso_size;
	/* what was counted is what has counters */
	plan->segments = cb->segments;
	WARN_ON_ONCE(plan->segments !=
		     DIV_ROUND_UP(plan->payload, plan->mss));
	plan->mtu = cb->mtu;
	plan->seq = ntohl(tcp_hdr(skb)->seq);
	plan->v6 = skb->protocol == htons(ETH_P_IPV6);
	plan->id = plan->v6 ? 0 : ntohs(ip_hdr(skb)->id);
	plan->each = message_len(plan->headers + plan->mss, plan->mtu);
	/* of the last one's length there is only one in each packet */
	plan->listed = plan->each >= WG_PIECE_LEAST &&
		       wg_piece_skb_size(HEADROOM, plan->each) <= PAGE_SIZE &&
		       !wg_socket_wants_pages(session->peer);
}

static unsigned int text_len(const struct plan *plan, unsigned int i)
{
	return plan->headers +
	       min(plan->mss, plan->payload - i * plan->mss);
}

/* Writes segment @i, of @len bytes. */
static void write_text(const struct plan *plan, unsigned int i, u8 *text,
		       unsigned int len)
{
	struct tcphdr *tcp = (struct tcphdr *)(text + plan->network);
	unsigned int of_tcp = len - plan->network;
	unsigned int at = i * plan->mss;
	struct sk_buff *skb = plan->skb;
	__wsum sum;

	memcpy(text, skb->data, plan->headers);
	sum = skb_copy_and_csum_bits(skb, plan->headers + at,
				     text + plan->headers,
				     len - plan->headers);
	tcp->seq = htonl(plan->seq + at);
	if (i)
		tcp->cwr = 0;
	if (i + 1 < plan->segments) {
		tcp->fin = 0;
		tcp->psh = 0;
	}
	tcp->check = 0;
	sum = csum_partial(tcp, plan->headers - plan->network, sum);
	if (plan->v6) {
		struct ipv6hdr *ip6 = (struct ipv6hdr *)text;

		ip6->payload_len = htons(of_tcp);
		tcp->check = csum_ipv6_magic(&ip6->saddr, &ip6->daddr, of_tcp,
					     IPPROTO_TCP, sum);
	} else {
		struct iphdr *ip = (struct iphdr *)text;

		ip->tot_len = htons(len);
		ip->id = htons(plan->id + i);
		ip_send_check(ip);
		tcp->check = csum_tcpudp_magic(ip->saddr, ip->daddr, of_tcp,
					       IPPROTO_TCP, sum);
	}
}

/* Makes message @i at @to, spoils what is before, and returns its length. */
static unsigned int write_message(const struct plan *plan, unsigned int i,
				  struct wg_aead *aead, u8 *to)
{
	struct wg_msg_data *msg = (struct wg_msg_data *)to;
	unsigned int len = text_len(plan, i);
	unsigned int padded = wg_padded_len(len, plan->mtu);
	u8 *text = to + sizeof(*msg);

	write_text(plan, i, text, len);
	memset(text + len, 0, padded - len);
	wg_aead_seal(aead, text, padded, plan->counter + i);
	msg->type = cpu_to_le32(WG_MSG_DATA);
	msg->receiver = cpu_to_le32(plan->session->remote_index);
	put_unaligned_le64(plan->counter + i, &msg->counter);
	return sizeof(*msg) + padded + WG_TAG_LEN;
}

/*
 * Messages from @first on, at most @most, into one piece of memory that
 * becomes a fragment of @to. The last comes first: sealing a message spoils
 * the end of the one before. Returns how many, 0 where memory is short.
 */
static unsigned int fill(const struct plan *plan, unsigned int first,
			 unsigned int most, struct wg_aead *aead,
			 struct sk_buff *to)
{
	unsigned int n, i, bytes, each = plan->each;
	struct wg_piece piece;
	u8 *at;

	if (!wg_piece_get(&piece, BEFORE_FIRST + each,
			  BEFORE_FIRST + most * each))
		return 0;
	n = min((piece.size - BEFORE_FIRST) / each, most);
	at = page_address(piece.page) + piece.offset + BEFORE_FIRST;
	bytes = (n - 1) * each;
	for (i = n; i-- > 0; ) {
		unsigned int len = write_message(plan, first + i, aead,
						 at + i * each);

		if (i == n - 1)
			bytes += len;
	}
	skb_add_rx_frag(to, skb_shinfo(to)->nr_frags, piece.page,
			piece.offset + BEFORE_FIRST, bytes, piece.size);
	return n;
}

/*
 * What the stack is told of @skb, whose data is what UDP will carry, and which
 * was made of @from.
 */
static void dress(struct sk_buff *skb, const struct sk_buff *from)
{
	skb_copy_header(skb, from);
	skb_reset_mac_header(skb);
	skb_reset_network_header(skb);
	skb_reset_transport_header(skb);
	skb->encapsulation = 0;
	skb->remcsum_offload = 0;
	skb->ip_summed = CHECKSUM_NONE;
	skb_shinfo(skb)->gso_size = 0;
	skb_shinfo(skb)->gso_segs = 0;
	skb_shinfo(skb)->gso_type = 0;
}

/* Linear part for outer headers alone, of @room bytes, or NULL. */
static struct sk_buff *make_head(const struct sk_buff *from, unsigned int room)
{
	struct sk_buff *skb = alloc_skb(room, GFP_ATOMIC);

	if (unlikely(!skb))
		return NULL;
	skb_reserve(skb, room);
	dress(skb, from);
	return skb;
}

/* Of @skb, which carries @count messages, UDP's header to come. */
static void mark_gso(struct sk_buff *skb, unsigned int count,
		     unsigned int each)
{
	skb_shinfo(skb)->gso_size = each;
	skb_shinfo(skb)->gso_segs = count;
	skb_shinfo(skb)->gso_type = SKB_GSO_UDP_L4;
	/* the UDP header will be right before */
	skb->ip_summed = CHECKSUM_PARTIAL;
	skb->csum_start = skb_headroom(skb) - sizeof(struct udphdr);
	skb->csum_offset = offsetof(struct udphdr, check);
}

/* Messages in fragments, for a device that cuts. Or NULL. */
static struct sk_buff *make_paged(const struct plan *plan, unsigned int first,
				  unsigned int most, struct wg_aead *aead)
{
	struct sk_buff *skb = make_head(plan->skb, HEADROOM);
	unsigned int n, got = 0;

	if (unlikely(!skb))
		return NULL;
	while (got < most && skb_shinfo(skb)->nr_frags < MAX_SKB_FRAGS) {
		n = fill(plan, first + got, most - got, aead, skb);
		if (unlikely(!n))
			break;
		got += n;
	}
	if (unlikely(!got)) {
		kfree_skb(skb);
		return NULL;
	}
	wg_cb(skb)->segments = got;
	return skb;
}

/* Message @i by itself, with room for outer headers, or NULL. */
static struct sk_buff *make_linear(const struct plan *plan, unsigned int i,
				   struct wg_aead *aead)
{
	unsigned int len = message_len(text_len(plan, i), plan->mtu);
	struct sk_buff *skb = wg_piece_skb(HEADROOM, len);

	if (likely(skb))
		skb_put(skb, write_message(plan, i, aead, skb->data));
	return skb;
}

/* Hangs messages, linked by skb->next, below @head, which has no data. */
static void hang(struct sk_buff *head, struct sk_buff *list)
{
	struct sk_buff *one;

	skb_shinfo(head)->frag_list = list;
	for (one = list; one; one = one->next) {
		/* whoever cuts writes headers before them, and no payload */
		__skb_header_release(one);
		head->data_len += one->len;
		head->len += one->len;
		head->truesize += one->truesize;
	}
}

/*
 * Messages in a list, each ready for headers: the stack cuts by letting them
 * go, and copies nothing. Or NULL.
 */
static struct sk_buff *make_listed(const struct plan *plan, unsigned int first,
				   unsigned int most, struct wg_aead *aead)
{
	struct sk_buff *list = NULL, **end = &list, *one, *skb;
	unsigned int got = 0;

	while (got < most) {
		one = make_linear(plan, first + got, aead);
		if (unlikely(!one))
			break;
		*end = one;
		end = &one->next;
		got++;
	}
	if (unlikely(!got))
		return NULL;
	if (got == 1) {
		skb = list;
		dress(skb, plan->skb);
	} else {
		skb = make_head(plan->skb, HEADROOM);
		if (unlikely(!skb)) {
			kfree_skb_list(list);
			return NULL;
		}
		hang(skb, list);
	}
	wg_cb(skb)->segments = got;
	return skb;
}

/* A datagram of messages from @first on, or NULL. */
static struct sk_buff *make_datagram(const struct plan *plan,
				     unsigned int first, struct wg_aead *aead)
{
	unsigned int most = min3(plan->segments - first,
				 (unsigned int)MAX_MESSAGES,
				 (unsigned int)(MAX_BYTES / plan->each));
	struct sk_buff *skb;

	if (plan->listed)
		skb = make_listed(plan, first, most, aead);
	else
		skb = make_paged(plan, first, most, aead);
	if (unlikely(!skb))
		return NULL;
	wg_cb(skb)->ok = true;
	if (wg_cb(skb)->segments > 1)
		mark_gso(skb, wg_cb(skb)->segments, plan->each);
	return skb;
}

static bool is_charged(const struct sk_buff *skb)
{
	return skb->sk && is_skb_wmem(skb) && sk_fullsock(skb->sk);
}

/*
 * TCP holds back until what it sent has left: the datagrams take the packet's
 * place. Where the stack cuts one of them, right before the device, that counts
 * as having left: then what is in the device's ring is not seen by TCP.
 */
static void charge(struct sk_buff *list, struct sk_buff *skb)
{
	struct sock *sk = skb->sk;
	int delta = -skb->truesize;
	struct sk_buff *pos;

	if (!is_charged(skb) || !sk_is_tcp(sk))
		return;
	for (pos = list; pos; pos = pos->next) {
		pos->destructor = skb->destructor;
		pos->sk = sk;
		delta += pos->truesize;
	}
	skb->destructor = NULL;
	skb->sk = NULL;
	if (delta >= 0)
		refcount_add(delta, &sk->sk_wmem_alloc);
	else
		WARN_ON_ONCE(refcount_sub_and_test(-delta,
						   &sk->sk_wmem_alloc));
}

struct sk_buff *wg_segment_seal(struct sk_buff *skb, struct wg_aead *aead,
				const struct wg_session *session)
{
	struct sk_buff *list = NULL, **end = &list, *one;
	unsigned int first = 0;
	struct plan plan;

	make_plan(&plan, skb, session);
	while (first < plan.segments) {
		one = make_datagram(&plan, first, aead);
		if (unlikely(!one))
			break;
		first += wg_cb(one)->segments;
		*end = one;
		end = &one->next;
	}
	if (likely(list))
		charge(list, skb);
	if (likely(first == plan.segments))
		consume_skb(skb);
	else
		kfree_skb(skb);
	return list;
}

/* Whether a message may hang in a list that its device cuts, or the receiver. */
static bool can_hang(struct sk_buff *skb, unsigned int room)
{
	return wg_cb(skb)->segments == 1 && !skb_is_nonlinear(skb) &&
	       !skb_cloned(skb) && skb_headroom(skb) >= room &&
	       /* time stamps go with messages */
	       !(skb_shinfo(skb)->tx_flags & SKBTX_ANY_TSTAMP) &&
	       (!skb->sk || is_charged(skb));
}

/* Of one flow, to whoever makes queues of them, and marked alike. */
static bool is_alike(struct sk_buff *a, struct sk_buff *b)
{
	return a->hash == b->hash && a->priority == b->priority &&
	       skb_get_queue_mapping(a) == skb_get_queue_mapping(b) &&
	       wg_cb(a)->dsfield == wg_cb(b)->dsfield;
}

/**
 * struct run - messages that may become one datagram
 * @last: the last of them
 * @charged: one that is charged to a socket, the only one of them, or NULL
 * @count: how many
 * @charge: bytes that are charged to that socket
 */
struct run {
	struct sk_buff *last;
	struct sk_buff *charged;
	unsigned int count;
	unsigned int charge;
};

/*
 * Whether one that holds a charge can go with another, if there is any: the
 * datagram has one socket, which hears of its end in one way.
 */
static bool goes_with(const struct sk_buff *skb, const struct sk_buff *charged)
{
	return !skb->sk || !charged ||
	       (skb->sk == charged->sk &&
		skb->destructor == charged->destructor);
}

/* The messages from @first on that may become one datagram. */
static void find_run(struct run *run, struct sk_buff *first, unsigned int room)
{
	unsigned int bytes = first->len;
	struct sk_buff *skb = first;

	*run = (struct run){ .last = first, .count = 1 };
	if (!can_hang(first, room))
		return;
	for (;;) {
		if (skb->sk) {
			run->charged = skb;
			run->charge += skb->truesize;
		}
		/* a shorter one is the last of its datagram */
		if (skb->len < first->len)
			return;
		skb = skb->next;
		if (!skb || !can_hang(skb, room) || !is_alike(first, skb) ||
		    skb->len > first->len || run->count == MAX_MESSAGES ||
		    bytes + skb->len > MAX_BYTES ||
		    !goes_with(skb, run->charged))
			return;
		bytes += skb->len;
		run->last = skb;
		run->count++;
	}
}

/* Moves what the messages of a run are charged with to @head, which has them. */
static void move_charge(struct sk_buff *head, const struct run *run)
{
	struct sock *sk = run->charged->sk;
	struct sk_buff *one;

	head->sk = sk;
	head->destructor = run->charged->destructor;
	skb_walk_frags(head, one) {
		one->destructor = NULL;
		one->sk = NULL;
	}
	refcount_add(head->truesize - run->charge, &sk->sk_wmem_alloc);
}

struct sk_buff *wg_segment_gather(struct sk_buff *list, struct wg_peer *peer)
{
	struct sk_buff *out = NULL, **end = &out, *first, *next, *head, *one;
	unsigned int room = wg_socket_list_room(peer);
	struct run run;

	if (!room)
		return list;
	for (first = list; first; first = next) {
		find_run(&run, first, room);
		next = run.last->next;
		*end = first;
		head = run.count >= GATHER_LEAST ? make_head(first, room) :
						   NULL;
		if (!head) {
			end = &run.last->next;
			continue;
		}
		run.last->next = NULL;
		hang(head, first);
		for (one = first->next; one; one = one->next)
			wg_cb(head)->data |= wg_cb(one)->data;
		wg_cb(head)->segments = run.count;
		mark_gso(head, run.count, first->len);
		if (run.charged)
			move_charge(head, &run);
		*end = head;
		end = &head->next;
	}
	*end = NULL;
	return out;
}
