// SPDX-License-Identifier: GPL-2.0
/*
 * Writing the conntrack table: upsert, delete, sweep, and what a change of role
 * means for timeouts and TCP windows.
 *
 * Context: threads; nothing here sleeps but for cond_resched().
 *
 * The order of an insertion follows ctnetlink_create_conntrack(): extensions
 * and NAT can be added only before the entry is confirmed.
 */
#include <linux/netfilter.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_acct.h>
#include <net/netfilter/nf_conntrack_core.h>
#include <net/netfilter/nf_conntrack_ecache.h>
#include <net/netfilter/nf_conntrack_l4proto.h>
#include <net/netfilter/nf_conntrack_labels.h>
#include <net/netfilter/nf_conntrack_seqadj.h>
#include <net/netfilter/nf_conntrack_synproxy.h>
#include <net/netfilter/nf_conntrack_timeout.h>
#include <net/netfilter/nf_conntrack_timestamp.h>
#include <net/netfilter/nf_nat.h>

#include "ct_sync.h"
#include "status.h"
#include "tuple.h"

/*
 * The timeout of a replicated entry on a backup, in jiffies: half of what fits
 * (at 250 Hz 49 days), so that time arithmetic on it cannot overflow. No event
 * tells when the primary refreshes a timeout, so the copy of a busy connection
 * must not expire by itself.
 */
#define PINNED_JIFFIES	(INT_MAX / 2)

static void pin(struct nf_conn *ct)
{
	set_bit(CT_SYNC_PINNED_BIT, &ct->status);
	WRITE_ONCE(ct->timeout, nfct_time_stamp + PINNED_JIFFIES);
}

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
static unsigned int gre_timeout(const struct nf_conn *ct, const unsigned int *policy)
{
	const unsigned int *timeouts = policy ?: nf_gre_pernet(nf_ct_net(ct))->timeouts;

	return timeouts[test_bit(IPS_SEEN_REPLY_BIT, &ct->status) ?
			GRE_CT_REPLIED : GRE_CT_UNREPLIED];
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
		return gre_timeout(ct, policy);
#endif
	case IPPROTO_ICMP:
		return policy ? *policy : nf_icmp_pernet(net)->timeout;
	case IPPROTO_ICMPV6:
		return policy ? *policy : nf_icmpv6_pernet(net)->timeout;
	default:
		return policy ? *policy : nf_generic_pernet(net)->timeout;
	}
}

/*
 * The windows of a copy are always old, and old windows make valid packets
 * INVALID. So they are zeroed, which makes tcp_in_window() learn them anew, and
 * the direction is liberal for a while: a retransmission that the peer already
 * has would otherwise teach a wrong window for good. ct_sync_end_grace_all()
 * ends that, where the primary's own entry was strict.
 */
static void write_tcp(struct nf_conn *ct, const struct ct_sync_entry *entry)
{
	bool exact = entry->has & CT_SYNC_HAS_TCP_WINDOW;
	struct ip_ct_tcp *tcp = &ct->proto.tcp;
	int dir;

	spin_lock_bh(&ct->lock);
	tcp->state = entry->state;
	for (dir = 0; dir < IP_CT_DIR_MAX; dir++) {
		struct ip_ct_tcp_state *seen = &tcp->seen[dir];

		seen->td_scale = entry->tcp_scale[dir];
		seen->flags = entry->tcp_flags[dir];
		seen->td_end = exact ? entry->tcp_window[dir].end : 0;
		seen->td_maxend = exact ? entry->tcp_window[dir].max_end : 0;
		seen->td_maxwin = exact ? entry->tcp_window[dir].max_window : 0;
		seen->td_maxack = exact ? entry->tcp_window[dir].max_ack : 0;
		if (seen->flags & IP_CT_TCP_FLAG_BE_LIBERAL) {
			clear_bit(CT_SYNC_GRACE_BIT + dir, &ct->status);
		} else {
			seen->flags |= IP_CT_TCP_FLAG_BE_LIBERAL;
			set_bit(CT_SYNC_GRACE_BIT + dir, &ct->status);
		}
	}
	tcp->retrans = 0;
	spin_unlock_bh(&ct->lock);
}

static void write_sctp(struct nf_conn *ct, const struct ct_sync_entry *entry)
{
#ifdef CONFIG_NF_CT_PROTO_SCTP
	spin_lock_bh(&ct->lock);
	ct->proto.sctp.state = entry->state;
	ct->proto.sctp.vtag[0] = htonl(entry->sctp_vtag[0]);
	ct->proto.sctp.vtag[1] = htonl(entry->sctp_vtag[1]);
	spin_unlock_bh(&ct->lock);
#endif
}

/* Everything of an entry that may change while a connection lives. */
static void write_state(struct nf_conn *ct, const struct ct_sync_entry *entry, u8 mark)
{
	u32 rising = entry->status & (IPS_SEEN_REPLY | IPS_ASSURED | IPS_FIXED_TIMEOUT);
	unsigned int bit;

	for (bit = 0; bit < __IPS_MAX_BIT; bit++)
		if (rising & BIT(bit))
			set_bit(bit, &ct->status);
	if (entry->has & CT_SYNC_HAS_TCP)
		write_tcp(ct, entry);
	if (entry->has & CT_SYNC_HAS_SCTP)
		write_sctp(ct, entry);
#ifdef CONFIG_NF_CONNTRACK_MARK
	WRITE_ONCE(ct->mark, entry->mark);
#endif
	set_bit(CT_SYNC_SHARED_BIT, &ct->status);
	ct_sync_mark_set(ct, mark);
	if (entry->status & IPS_FIXED_TIMEOUT)
		WRITE_ONCE(ct->timeout, nfct_time_stamp +
			   (u32)min_t(u64, (u64)entry->timeout_s * HZ, PINNED_JIFFIES));
	else
		pin(ct);
}

/* Maps one side exactly: a range of one address and, where there is one, one port. */
static bool setup_nat_side(struct nf_conn *ct, const struct nf_conntrack_tuple *target,
			   enum nf_nat_manip_type side)
{
	struct nf_nat_range2 range = { .flags = NF_NAT_RANGE_MAP_IPS };
	u8 protocol = target->dst.protonum;
	bool icmp = protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;

	range.min_addr = side == NF_NAT_MANIP_SRC ? target->src.u3 : target->dst.u3;
	range.max_addr = range.min_addr;
	range.min_proto.all = side == NF_NAT_MANIP_SRC ? target->src.u.all : target->dst.u.all;
	range.max_proto = range.min_proto;
	if (!(icmp && side == NF_NAT_MANIP_DST))
		range.flags |= NF_NAT_RANGE_PROTO_SPECIFIED;
	return nf_nat_setup_info(ct, &range, side) == NF_ACCEPT;
}

/*
 * Gives a new entry the NAT of the primary's. nf_nat decides about tuples that
 * are taken; whatever it decides, only the primary's mapping is accepted.
 */
static bool setup_nat(struct nf_conn *ct, const struct ct_sync_entry *entry)
{
	struct nf_conntrack_tuple reply, target;

	ct_sync_tuple_write(&entry->reply, entry->key.family, entry->key.protocol,
			    IP_CT_DIR_REPLY, &reply);
	if (entry->status & IPS_NAT_MASK) {
		if (!nf_ct_invert_tuple(&target, &reply))
			return false;
		if (!nf_ct_nat_ext_add(ct) ||
		    !setup_nat_side(ct, &target, NF_NAT_MANIP_DST) ||
		    !setup_nat_side(ct, &target, NF_NAT_MANIP_SRC))
			return false;
	}
	return nf_ct_tuple_equal(nf_ct_tuple(ct, IP_CT_DIR_REPLY), &reply);
}

static void add_extensions(struct nf_conn *ct)
{
	nf_ct_acct_ext_add(ct, GFP_ATOMIC);
	nf_ct_tstamp_ext_add(ct, GFP_ATOMIC);
	/* Without it the second takeover would replicate nothing. */
	nf_ct_ecache_ext_add(ct, 0, 0, GFP_ATOMIC);
	nf_ct_labels_ext_add(ct);
	nfct_seqadj_ext_add(ct);
	nfct_synproxy_ext_add(ct);
}

static bool is_supported(const struct ct_sync_entry *entry)
{
	u8 protocol = entry->key.protocol;

	if (entry->has & CT_SYNC_HAS_TCP)
		return protocol == IPPROTO_TCP && entry->state < TCP_CONNTRACK_MAX;
	if (entry->has & CT_SYNC_HAS_SCTP)
		return IS_ENABLED(CONFIG_NF_CT_PROTO_SCTP) && protocol == IPPROTO_SCTP &&
		       entry->state < SCTP_CONNTRACK_MAX;
	return protocol != IPPROTO_TCP && protocol != IPPROTO_SCTP;
}

/* An entry that no one else sees yet, or an error pointer. */
static struct nf_conn *allocate(struct net *net, const struct ct_sync_entry *entry)
{
	const struct ct_sync_key *key = &entry->key;
	struct nf_conntrack_tuple original, inverse;
	struct nf_conntrack_zone zone;

	ct_sync_zone_write(key, &zone);
	ct_sync_tuple_write(&key->original, key->family, key->protocol,
			    IP_CT_DIR_ORIGINAL, &original);
	if (!nf_ct_invert_tuple(&inverse, &original))
		return ERR_PTR(-EINVAL);
	return nf_conntrack_alloc(net, &zone, &original, &inverse, GFP_ATOMIC);
}

static int allocation_failure(struct net *net, const struct nf_conn *error)
{
	if (PTR_ERR(error) == -EINVAL)
		return CT_SYNC_REFUSED;
	if (nf_conntrack_count(net) >= READ_ONCE(nf_conntrack_max))
		return CT_SYNC_TABLE_FULL;
	return CT_SYNC_NO_MEMORY;
}

static int insert(struct net *net, const struct ct_sync_entry *entry, u8 mark)
{
	struct nf_conn_tstamp *tstamp;
	struct nf_conn *ct;
	int err;

	ct = allocate(net, entry);
	if (IS_ERR(ct))
		return allocation_failure(net, ct);

	rcu_read_lock();
	if (!setup_nat(ct, entry)) {
		rcu_read_unlock();
		nf_conntrack_free(ct);
		return CT_SYNC_NAT_DIVERGED;
	}
	add_extensions(ct);
	ct->status |= IPS_CONFIRMED;
	memset(&ct->proto, 0, sizeof(ct->proto));
	write_state(ct, entry, mark);
	tstamp = nf_conn_tstamp_find(ct);
	if (tstamp)
		tstamp->start = ktime_get_real_ns();

	err = nf_conntrack_hash_check_insert(ct);
	rcu_read_unlock();
	if (err < 0) {
		nf_conntrack_free(ct);
		return err == -EEXIST ? CT_SYNC_CONFLICT : CT_SYNC_REFUSED;
	}
	nf_ct_put(ct);
	return CT_SYNC_INSERTED;
}

/* Flags that change with packets of which no event tells; nobody misses them. */
#define TCP_FLAGS_SILENT (IP_CT_TCP_FLAG_MAXACK_SET | IP_CT_TCP_FLAG_DATA_UNACKNOWLEDGED | \
			  IP_CT_EXP_CHALLENGE_ACK)

static bool tcp_is_as(struct nf_conn *ct, const struct ct_sync_entry *entry)
{
	unsigned long grace = READ_ONCE(ct->status) >> CT_SYNC_GRACE_BIT;
	const struct ip_ct_tcp *tcp = &ct->proto.tcp;
	bool same;
	int dir;

	spin_lock_bh(&ct->lock);
	same = tcp->state == entry->state;
	for (dir = 0; dir < IP_CT_DIR_MAX; dir++) {
		u8 flags = tcp->seen[dir].flags;

		if (grace & BIT(dir))
			flags &= ~IP_CT_TCP_FLAG_BE_LIBERAL;
		same &= !((flags ^ entry->tcp_flags[dir]) & ~TCP_FLAGS_SILENT) &&
			tcp->seen[dir].td_scale == entry->tcp_scale[dir];
	}
	spin_unlock_bh(&ct->lock);
	return same;
}

static bool sctp_is_as(const struct nf_conn *ct, const struct ct_sync_entry *entry)
{
#ifdef CONFIG_NF_CT_PROTO_SCTP
	return ct->proto.sctp.state == entry->state &&
	       ct->proto.sctp.vtag[0] == htonl(entry->sctp_vtag[0]) &&
	       ct->proto.sctp.vtag[1] == htonl(entry->sctp_vtag[1]);
#else
	return true;
#endif
}

/* Whether write_state() would change nothing that matters; timeouts and windows do not. */
static bool is_as(struct nf_conn *ct, const struct ct_sync_entry *entry)
{
	u32 rising = entry->status & (IPS_SEEN_REPLY | IPS_ASSURED | IPS_FIXED_TIMEOUT);

	if (~READ_ONCE(ct->status) & rising)
		return false;
#ifdef CONFIG_NF_CONNTRACK_MARK
	if (READ_ONCE(ct->mark) != entry->mark)
		return false;
#endif
	if (entry->has & CT_SYNC_HAS_TCP)
		return tcp_is_as(ct, entry);
	return !(entry->has & CT_SYNC_HAS_SCTP) || sctp_is_as(ct, entry);
}

/* Whether an entry is the copy of the same connection, so that an update will do. */
static bool is_same(const struct nf_conn *ct, u8 dir, const struct ct_sync_entry *entry)
{
	struct nf_conntrack_tuple reply;

	ct_sync_tuple_write(&entry->reply, entry->key.family, entry->key.protocol,
			    IP_CT_DIR_REPLY, &reply);
	return dir == IP_CT_DIR_ORIGINAL &&
	       test_bit(CT_SYNC_SHARED_BIT, &ct->status) &&
	       nf_ct_tuple_equal(nf_ct_tuple(ct, IP_CT_DIR_REPLY), &reply);
}

/*
 * Makes room for a record where another entry has one of its tuples. A copy of
 * an older connection gives way: the primary cannot have both. So does a local
 * entry that is not assured: a stray packet makes one. Another is kept.
 */
static int evict(struct nf_conn *ct)
{
	bool shared = test_bit(CT_SYNC_SHARED_BIT, &ct->status);

	if (!shared && test_bit(IPS_ASSURED_BIT, &ct->status))
		return CT_SYNC_CONFLICT;
	nf_ct_delete(ct, 0, 0);
	return shared ? CT_SYNC_UPDATED : CT_SYNC_REPLACED_LOCAL;
}

static int evict_reply(struct net *net, const struct ct_sync_entry *entry)
{
	struct nf_conn *ct;
	int evicted;
	u8 dir;

	ct = ct_sync_find(net, &entry->key, &entry->reply, &dir);
	if (!ct)
		return CT_SYNC_UPDATED;
	evicted = evict(ct);
	nf_ct_put(ct);
	return evicted;
}

/* Makes the table say what a record says. Returns enum ct_sync_applied. */
int ct_sync_upsert(struct net *net, const struct ct_sync_entry *entry, u8 mark)
{
	int evicted = CT_SYNC_UPDATED, applied;
	struct nf_conn *ct;
	u8 dir;

	if (!is_supported(entry))
		return CT_SYNC_UNSUPPORTED_PROTOCOL;

	ct = ct_sync_find(net, &entry->key, &entry->key.original, &dir);
	if (ct) {
		if (!nf_ct_is_dying(ct) && is_same(ct, dir, entry)) {
			applied = is_as(ct, entry) ? CT_SYNC_UNCHANGED : CT_SYNC_UPDATED;
			write_state(ct, entry, mark);
			nf_ct_put(ct);
			return applied;
		}
		evicted = evict(ct);
		nf_ct_put(ct);
		if (evicted == CT_SYNC_CONFLICT)
			return CT_SYNC_CONFLICT;
	}

	applied = insert(net, entry, mark);
	if (applied == CT_SYNC_CONFLICT || applied == CT_SYNC_NAT_DIVERGED) {
		evicted = evict_reply(net, entry);
		if (evicted == CT_SYNC_CONFLICT)
			return CT_SYNC_CONFLICT;
		applied = insert(net, entry, mark);
	}
	if (applied == CT_SYNC_INSERTED && evicted == CT_SYNC_REPLACED_LOCAL)
		return CT_SYNC_REPLACED_LOCAL;
	return applied;
}

/* Ends the copy of a connection; an entry of this node's own stays. */
int ct_sync_delete(struct net *net, const struct ct_sync_key *key)
{
	struct nf_conn *ct = ct_sync_find_original(net, key);
	int applied = CT_SYNC_NOT_THERE;

	if (!ct)
		return CT_SYNC_NOT_THERE;
	if (test_bit(CT_SYNC_SHARED_BIT, &ct->status) && !nf_ct_is_dying(ct)) {
		nf_ct_delete(ct, 0, 0);
		applied = CT_SYNC_DELETED;
	}
	nf_ct_put(ct);
	return applied;
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
	pass->changed++;
	return 1;
}

/* Deletes every shared entry that does not bear @mark; returns how many. */
u32 ct_sync_sweep(struct net *net, u8 mark)
{
	return run_pass(net, sweep_one, mark);
}

static int pin_one(struct nf_conn *ct, void *data)
{
	struct pass *pass = data;

	if (!test_bit(CT_SYNC_SHARED_BIT, &ct->status) ||
	    test_bit(IPS_FIXED_TIMEOUT_BIT, &ct->status))
		return 0;
	pin(ct);
	pass->changed++;
	return 0;
}

/* A primary that becomes a backup: shared entries wait for the new primary's word. */
u32 ct_sync_pin_all(struct net *net)
{
	return run_pass(net, pin_one, 0);
}

static int unpin_one(struct nf_conn *ct, void *data)
{
	struct pass *pass = data;
	unsigned int timeout;

	if (!test_and_clear_bit(CT_SYNC_PINNED_BIT, &ct->status))
		return 0;
	timeout = protocol_timeout(ct);
	/* A packet that came first has set a timeout of its own already. */
	if (nf_ct_expires(ct) > PINNED_JIFFIES / 2)
		WRITE_ONCE(ct->timeout, nfct_time_stamp + timeout);
	pass->changed++;
	return 0;
}

/* A backup that becomes the primary: each entry gets its protocol's full timeout. */
u32 ct_sync_unpin_all(struct net *net)
{
	return run_pass(net, unpin_one, 0);
}

static int end_grace_one(struct nf_conn *ct, void *data)
{
	struct pass *pass = data;
	int dir;

	if (nf_ct_protonum(ct) != IPPROTO_TCP ||
	    !(READ_ONCE(ct->status) & CT_SYNC_GRACE_MASK))
		return 0;
	spin_lock_bh(&ct->lock);
	for (dir = 0; dir < IP_CT_DIR_MAX; dir++)
		if (test_and_clear_bit(CT_SYNC_GRACE_BIT + dir, &ct->status))
			ct->proto.tcp.seen[dir].flags &= ~IP_CT_TCP_FLAG_BE_LIBERAL;
	spin_unlock_bh(&ct->lock);
	pass->changed++;
	return 0;
}

/* Tracks strictly again what was liberal only because of the takeover. */
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
