/* SPDX-License-Identifier: GPL-2.0 */
/* TCP windows that this node cannot know. */
#ifndef CT_SYNC_WINDOW_H
#define CT_SYNC_WINDOW_H

#include <net/netfilter/nf_conntrack.h>

#include "status.h"

/*
 * Has tcp_in_window() learn a direction's window anew. Old windows make valid
 * packets INVALID; zeroed ones are learnt from the next packet. That may be a
 * retransmission which the peer already has, and then what is learnt is wrong
 * for good. So the direction is liberal until ct_sync_end_grace_all() finds
 * that the windows were learnt. Context: the lock of the entry is held.
 */
static inline void ct_sync_window_forget(struct nf_conn *ct, int dir)
{
	struct ip_ct_tcp_state *seen = &ct->proto.tcp.seen[dir];

	seen->td_end = 0;
	seen->td_maxend = 0;
	seen->td_maxwin = 0;
	seen->td_maxack = 0;
	/* Data that may be acknowledged by now must not shorten the timeout. */
	seen->flags &= ~(IP_CT_TCP_FLAG_MAXACK_SET | IP_CT_TCP_FLAG_DATA_UNACKNOWLEDGED);
	/* Nor may a zero, which stands for a window that is closed. */
	ct->proto.tcp.last_win = 1;
	if (!(seen->flags & IP_CT_TCP_FLAG_BE_LIBERAL)) {
		seen->flags |= IP_CT_TCP_FLAG_BE_LIBERAL;
		set_bit(CT_SYNC_GRACE_BIT + dir, &ct->status);
	}
}

/* Whether the windows are needed as they are: a SYN-ACK is checked against the SYN's. */
static inline bool ct_sync_window_is_exact(const struct nf_conn *ct)
{
	return ct->proto.tcp.state == TCP_CONNTRACK_SYN_SENT ||
	       ct->proto.tcp.state == TCP_CONNTRACK_SYN_SENT2;
}

/*
 * Whether the windows of both directions are known: each has sent a segment
 * that was within them, for which tcp_in_window() sets the flag.
 */
static inline bool ct_sync_windows_are_learnt(const struct nf_conn *ct)
{
	const struct ip_ct_tcp_state *seen = ct->proto.tcp.seen;

	return seen[0].flags & seen[1].flags & IP_CT_TCP_FLAG_MAXACK_SET;
}

#endif /* CT_SYNC_WINDOW_H */
