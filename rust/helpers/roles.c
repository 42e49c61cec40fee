// SPDX-License-Identifier: GPL-2.0
/*
 * Passes over the whole table: the end of a resync, and what a change of role
 * means for timeouts and TCP windows.
 *
 * Context: threads; nf_ct_iterate_cleanup_net() sleeps in between.
 */
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_core.h>
#include <net/netfilter/nf_conntrack_l4proto.h>
#include <net/netfilter/nf_conntrack_timeout.h>

#include "ct_sync.h"
#include "status.h"
#include "timeout.h"
#include "window.h"

static unsigned int tcp_timeout(const struct nf_conn *ct, const unsigned int *policy)
{
	const unsigned int *timeouts = policy ?: nf_tcp_pernet(nf_ct_net(ct))->timeouts;
	u8 state = READ_ONCE(ct->proto.tcp.state);

	return timeouts[state < TCP_CONNTRACK_MAX ? state : TCP_CONNTRACK_ESTABLISHED];
}

static unsigned int udp_timeout(const struct nf_conn *ct, const unsigned int *policy)
{
	const unsigned int *timeouts = policy ?: nf_udp_pernet(nf_ct_net(ct))->timeouts;

	return timeouts[test_bit(IPS_SEEN_REPLY_BIT, &ct->status) ?
			UDP_CT_REPLIED : UDP_CT_UNREPLIED];
}

#ifdef CONFIG_NF_CT_PROTO_SCTP
static unsigned int sctp_timeout(const struct nf_conn *ct, const unsigned int *policy)
{
	const unsigned int *timeouts = policy ?: nf_sctp_pernet(nf_ct_net(ct))->timeouts;
	u8 state = READ_ONCE(ct->proto.sctp.state);

	return timeouts[state < SCTP_CONNTRACK_MAX ? state : SCTP_CONNTRACK_ESTABLISHED];
}
#endif

#ifdef CONFIG_NF_CT_PROTO_GRE
/* The tracker keeps them in the entry; a copy has them from its insertion. */
static unsigned int gre_timeout(const struct nf_conn *ct)
{
	return test_bit(IPS_SEEN_REPLY_BIT, &ct->status) ? ct->proto.gre.stream_timeout :
							   ct->proto.gre.timeout;
}
#endif

/* The full timeout of the entry's protocol and state, in jiffies. */
static unsigned int protocol_timeout(const struct nf_conn *ct)
{
	const unsigned int *policy = nf_ct_timeout_lookup(ct);
	struct net *net = nf_ct_net(ct);

	switch (nf_ct_protonum(ct)) {
	case IPPROTO_TCP:
		return tcp_timeout(ct, policy);
	case IPPROTO_UDP:
		return udp_timeout(ct, policy);
#ifdef CONFIG_NF_CT_PROTO_SCTP
	case IPPROTO_SCTP:
		return sctp_timeout(ct, policy);
#endif
#ifdef CONFIG_NF_CT_PROTO_GRE
	case IPPROTO_GRE:
		return gre_timeout(ct);
#endif
	case IPPROTO_ICMP:
		return policy ? *policy : nf_icmp_pernet(net)->timeout;
	case IPPROTO_ICMPV6:
		return policy ? *policy : nf_icmpv6_pernet(net)->timeout;
	default:
		return policy ? *policy : nf_generic_pernet(net)->timeout;
	}
}

static void unpin(struct nf_conn *ct, unsigned long timeout)
{
	WRITE_ONCE(ct->timeout, nfct_time_stamp + timeout);
	clear_bit(IPS_FIXED_TIMEOUT_BIT, &ct->status);
	/* As in ct_sync_pin(). */
	smp_mb__after_atomic();
	clear_bit(CT_SYNC_PINNED_BIT, &ct->status);
}

/* What a pass over the table does with each entry, and how many it changed. */
struct pass {
	u8 mark;
	u32 changed;
};

static u32 run_pass(struct net *net, int (*each)(struct nf_conn *ct, void *data), u8 mark)
{
	struct pass pass = { .mark = mark };
	struct nf_ct_iter_data iter = { .net = net, .data = &pass };

	nf_ct_iterate_cleanup_net(each, &iter);
	return pass.changed;
}

static int sweep_one(struct nf_conn *ct, void *data)
{
	struct pass *pass = data;

	if (!test_bit(CT_SYNC_SHARED_BIT, &ct->status) ||
	    ct_sync_mark_of(ct) == pass->mark)
		return 0;
	ct_sync_renounce(ct);
	pass->changed++;
	return 1;
}

/* Deletes every shared entry that does not bear @mark; returns how many. */
u32 ct_sync_sweep(struct net *net, u8 mark)
{
	return run_pass(net, sweep_one, mark);
}

static void forget_windows(struct nf_conn *ct)
{
	int dir;

	spin_lock_bh(&ct->lock);
	for (dir = 0; dir < IP_CT_DIR_MAX && !ct_sync_window_is_exact(ct); dir++)
		ct_sync_window_forget(ct, dir);
	spin_unlock_bh(&ct->lock);
}

static int pin_one(struct nf_conn *ct, void *data)
{
	struct pass *pass = data;

	if (!test_bit(CT_SYNC_SHARED_BIT, &ct->status))
		return 0;
	if (nf_ct_protonum(ct) == IPPROTO_TCP)
		forget_windows(ct);
	if (ct_sync_is_fixed(ct))
		return 0;
	ct_sync_pin(ct);
	pass->changed++;
	return 0;
}

/*
 * A primary that becomes a backup: shared entries wait for the new primary's
 * word. Their windows are out of date from now on, and this node may become
 * primary again before it was told of each.
 */
u32 ct_sync_pin_all(struct net *net)
{
	return run_pass(net, pin_one, 0);
}

static int unpin_one(struct nf_conn *ct, void *data)
{
	struct pass *pass = data;

	if (!test_bit(CT_SYNC_PINNED_BIT, &ct->status))
		return 0;
	rcu_read_lock();
	unpin(ct, protocol_timeout(ct));
	rcu_read_unlock();
	pass->changed++;
	return 0;
}

/* A backup that becomes the primary: each entry gets its protocol's full timeout. */
u32 ct_sync_unpin_all(struct net *net)
{
	return run_pass(net, unpin_one, 0);
}

static void end_grace(struct nf_conn *ct)
{
	int dir;

	for (dir = 0; dir < IP_CT_DIR_MAX; dir++)
		if (test_and_clear_bit(CT_SYNC_GRACE_BIT + dir, &ct->status))
			ct->proto.tcp.seen[dir].flags &= ~IP_CT_TCP_FLAG_BE_LIBERAL;
}

static int end_grace_one(struct nf_conn *ct, void *data)
{
	struct pass *pass = data;
	bool learnt;

	if (nf_ct_protonum(ct) != IPPROTO_TCP ||
	    !(READ_ONCE(ct->status) & CT_SYNC_GRACE_MASK))
		return 0;
	spin_lock_bh(&ct->lock);
	learnt = ct_sync_windows_are_learnt(ct);
	if (learnt)
		end_grace(ct);
	spin_unlock_bh(&ct->lock);
	if (!learnt) {
		forget_windows(ct);
		pass->changed++;
	}
	return 0;
}

/*
 * Tracks strictly again what was liberal only because of the takeover, where
 * the windows are known by now; returns how many entries are left. What one
 * side alone has taught these is forgotten, since it may be wrong.
 */
u32 ct_sync_end_grace_all(struct net *net)
{
	return run_pass(net, end_grace_one, 0);
}

static int forget_marks_one(struct nf_conn *ct, void *data)
{
	struct pass *pass = data;

	clear_bit(CT_SYNC_DIRTY_BIT, &ct->status);
	ct_sync_mark_set(ct, 0);
	pass->changed++;
	return 0;
}

/*
 * Clears what an earlier run has left in the entries: a mark that a new walk
 * takes for its own would hide the entry from it, and a dirty bit whose key is
 * gone would hide its events. Before the notifier is armed.
 */
u32 ct_sync_forget_marks(struct net *net)
{
	return run_pass(net, forget_marks_one, 0);
}
