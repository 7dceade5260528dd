// SPDX-License-Identifier: GPL-2.0-only
/* export: tcp_wfree __sock_wfree sock_wfree */
#include <net/sock.h>
bool probe(struct sk_buff *skb);
bool probe(struct sk_buff *skb) { return is_skb_wmem(skb); }
