// SPDX-License-Identifier: GPL-2.0
/*
 * Writing the conntrack table: what a record says becomes true here.
 *
 * Context: threads.
 *
 * The order of an insertion follows ctnetlink_create_conntrack(): extensions
 * and NAT can be added only before the entry is confirmed.
 */
#include <linux/netfilter.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_core.h>
#include <net/netfilter/nf_conntrack_ecache.h>
#include <net/netfilter/nf_conntrack_l4proto.h>
#include <net/netfilter/nf_conntrack_seqadj.h>
#include <net/netfilter/nf_conntrack_timeout.h>
#include <net/netfilter/nf_conntrack_timestamp.h>
#include <net/netfilter/nf_nat.h>

#include "ct_sync.h"
#include "relations.h"
#include "status.h"
#include "timeout.h"
#include "tuple.h"
#include "window.h"

/* How often an insertion is tried: an entry that dies is unlinked within microseconds. */
#define INSERT_ATTEMPTS	3

/*
 * The windows of a copy are always old, except in SYN_SENT. Where the primary's
 * own entry is strict, this one is liberal for a while: see window.h.
 */
static void write_tcp(struct nf_conn *ct, const struct ct_sync_entry *entry)
{
	struct ip_ct_tcp *tcp = &ct->proto.tcp;
	int dir;

	spin_lock_bh(&ct->lock);
	tcp->state = entry->state;
	for (dir = 0; dir < IP_CT_DIR_MAX; dir++) {
		struct ip_ct_tcp_state *seen = &tcp->seen[dir];

		seen->td_scale = entry->tcp_scale[dir];
		seen->flags = entry->tcp_flags[dir];
		clear_bit(CT_SYNC_GRACE_BIT + dir, &ct->status);
		ct_sync_window_forget(ct, dir);
		if (!(entry->has & CT_SYNC_HAS_TCP_WINDOW))
			continue;
		seen->td_end = entry->tcp_window[dir].end;
		seen->td_maxend = entry->tcp_window[dir].max_end;
		seen->td_maxwin = entry->tcp_window[dir].max_window;
		seen->td_maxack = entry->tcp_window[dir].max_ack;
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
	/*
	 * While an association is set up, the client may repeat its INIT, and the
	 * server's next INIT ACK then has another tag. COOKIE ACK ends that.
	 */
	ct->proto.sctp.init[IP_CT_DIR_ORIGINAL] = entry->state < SCTP_CONNTRACK_ESTABLISHED;
	spin_unlock_bh(&ct->lock);
#endif
}

/*
 * What the tracker of GRE sets at the first packet of a flow and obeys from
 * then on. It also overwrites the longer timeouts that the helper of PPTP has
 * set just before.
 */
static void write_gre(struct nf_conn *ct)
{
#ifdef CONFIG_NF_CT_PROTO_GRE
	const unsigned int *timeouts = nf_ct_timeout_lookup(ct);

	if (!timeouts)
		timeouts = nf_gre_pernet(nf_ct_net(ct))->timeouts;
	ct->proto.gre.timeout = timeouts[GRE_CT_UNREPLIED];
	ct->proto.gre.stream_timeout = timeouts[GRE_CT_REPLIED];
#endif
}

/* Everything of an entry that may change while a connection lives. */
static void write_state(struct nf_conn *ct, const struct ct_sync_entry *entry,
			const struct ct_sync_resolved *resolved, u8 mark)
{
	u32 rising = entry->status & (IPS_SEEN_REPLY | IPS_ASSURED);
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
	ct_sync_relations_write(ct, entry);
	ct_sync_extras_write(ct, &entry->extras, resolved);
	set_bit(CT_SYNC_SHARED_BIT, &ct->status);
	ct_sync_mark_set(ct, mark);
	if (entry->status & IPS_FIXED_TIMEOUT)
		ct_sync_fix(ct, entry->timeout_s);
	else
		ct_sync_pin(ct);
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

/* Whether an entry's reply direction is the record's. */
static bool has_reply(const struct nf_conn *ct, const struct ct_sync_entry *entry)
{
	struct nf_conntrack_tuple reply;

	ct_sync_tuple_write(&entry->reply, entry->key.family, entry->key.protocol,
			    IP_CT_DIR_REPLY, &reply);
	return nf_ct_tuple_equal(nf_ct_tuple(ct, IP_CT_DIR_REPLY), &reply);
}

/*
 * Gives a new entry the NAT of the primary's. nf_nat decides about tuples that
 * are taken; whatever it decides, only the primary's mapping is accepted.
 * Returns enum ct_sync_applied: why it cannot be inserted.
 */
static int setup_nat(struct nf_conn *ct, const struct ct_sync_entry *entry)
{
	struct nf_conntrack_tuple reply, target;

	ct_sync_tuple_write(&entry->reply, entry->key.family, entry->key.protocol,
			    IP_CT_DIR_REPLY, &reply);
	if (entry->status & IPS_NAT_MASK) {
		if (!nf_ct_invert_tuple(&target, &reply))
			return CT_SYNC_NAT_DIVERGED;
		if (!nf_ct_nat_ext_add(ct))
			return CT_SYNC_NO_MEMORY;
		if (!setup_nat_side(ct, &target, NF_NAT_MANIP_DST) ||
		    !setup_nat_side(ct, &target, NF_NAT_MANIP_SRC))
			return CT_SYNC_NAT_DIVERGED;
	}
	return has_reply(ct, entry) ? CT_SYNC_INSERTED : CT_SYNC_NAT_DIVERGED;
}

/* False when there was no memory for what a copy cannot do without. */
static bool add_extensions(struct nf_conn *ct, const struct ct_sync_entry *entry,
			   struct ct_sync_resolved *resolved)
{
	nfct_seqadj_ext_add(ct);
	ct_sync_extras_add(ct, &entry->extras, resolved);
	/* Without it the second takeover would replicate nothing. */
	return nf_ct_ecache_ext_add(ct, 0, 0, GFP_ATOMIC);
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

/* Frees an entry that could not be inserted. */
static void discard(struct nf_conn *ct)
{
	if (ct->master)
		nf_ct_put(ct->master);
	nf_conntrack_free(ct);
}

static int insert(struct net *net, const struct ct_sync_entry *entry,
		  struct ct_sync_resolved *resolved, u8 mark)
{
	struct nf_conn_tstamp *tstamp;
	struct nf_conn *ct;
	int applied, err;

	ct = allocate(net, entry);
	if (IS_ERR(ct))
		return allocation_failure(net, ct);

	rcu_read_lock();
	/* NAT changes the keys of GRE only where there is a master. */
	resolved->lost |= ct_sync_relations_tie(net, ct, entry);
	applied = ct_sync_relations_add(ct, entry) ? setup_nat(ct, entry) : CT_SYNC_NO_MEMORY;
	if (applied == CT_SYNC_INSERTED && !add_extensions(ct, entry, resolved))
		applied = CT_SYNC_NO_MEMORY;
	if (applied != CT_SYNC_INSERTED) {
		rcu_read_unlock();
		discard(ct);
		return applied;
	}
	ct->status |= IPS_CONFIRMED;
	memset(&ct->proto, 0, sizeof(ct->proto));
	if (entry->key.protocol == IPPROTO_GRE)
		write_gre(ct);
	tstamp = nf_conn_tstamp_find(ct);
	if (tstamp)
		tstamp->start = ktime_get_real_ns();
	write_state(ct, entry, resolved, mark);

	err = nf_conntrack_hash_check_insert(ct);
	rcu_read_unlock();
	if (err < 0) {
		discard(ct);
		return CT_SYNC_BUSY;
	}
	ct_sync_relations_map_keys(ct);
	nf_ct_put(ct);
	return CT_SYNC_INSERTED;
}

/*
 * Flags that change with packets of which no event tells; nobody misses them.
 * BE_LIBERAL comes with a flowtable, and with our own grace.
 */
#define TCP_FLAGS_SILENT (IP_CT_TCP_FLAG_MAXACK_SET | IP_CT_TCP_FLAG_DATA_UNACKNOWLEDGED | \
			  IP_CT_EXP_CHALLENGE_ACK | IP_CT_TCP_FLAG_BE_LIBERAL)

static bool tcp_is_as(struct nf_conn *ct, const struct ct_sync_entry *entry)
{
	const struct ip_ct_tcp *tcp = &ct->proto.tcp;
	bool same;
	int dir;

	spin_lock_bh(&ct->lock);
	same = tcp->state == entry->state;
	for (dir = 0; dir < IP_CT_DIR_MAX; dir++) {
		u8 flags = tcp->seen[dir].flags;

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
static bool is_as(struct nf_conn *ct, const struct ct_sync_entry *entry,
		  const struct ct_sync_resolved *resolved)
{
	u32 rising = entry->status & (IPS_SEEN_REPLY | IPS_ASSURED | IPS_FIXED_TIMEOUT);

	if (~READ_ONCE(ct->status) & rising)
		return false;
#ifdef CONFIG_NF_CONNTRACK_MARK
	if (READ_ONCE(ct->mark) != entry->mark)
		return false;
#endif
	if (!ct_sync_relations_are_as(ct, entry) ||
	    !ct_sync_extras_are_as(ct, &entry->extras, resolved))
		return false;
	if (entry->has & CT_SYNC_HAS_TCP)
		return tcp_is_as(ct, entry);
	return !(entry->has & CT_SYNC_HAS_SCTP) || sctp_is_as(ct, entry);
}

/*
 * Whether an entry is the copy of the same connection, so that an update will
 * do, as far as can be said without the reply. One that has seen more than the
 * record says is of an older connection with the same tuples, whose end and new
 * beginning became one record.
 */
static bool is_copy(const struct nf_conn *ct, u8 dir, const struct ct_sync_entry *entry,
		    const struct ct_sync_resolved *resolved)
{
	unsigned long status = READ_ONCE(ct->status);

	return dir == IP_CT_DIR_ORIGINAL && ct_sync_in_zone(ct, &entry->key) &&
	       status & BIT(CT_SYNC_SHARED_BIT) && !(status & IPS_DYING) &&
	       !(status & ~entry->status & (IPS_SEEN_REPLY | IPS_ASSURED)) &&
	       ct_sync_relations_fit(ct, entry) &&
	       ct_sync_extras_fit(ct, &entry->extras, resolved);
}

/*
 * Makes the copy of a connection as a record says that leaves out what never
 * changes. CT_SYNC_INCOMPLETE when there is no copy, or one of an older
 * connection: it has seen more, or has no NAT. Only a whole record helps then.
 */
int ct_sync_update(struct net *net, const struct ct_sync_entry *entry, u8 mark, u32 *lost)
{
	int applied = CT_SYNC_INCOMPLETE;
	struct ct_sync_resolved resolved;
	struct nf_conn *ct;
	u8 dir;

	*lost = 0;
	ct = ct_sync_find(net, &entry->key, IP_CT_DIR_ORIGINAL, &entry->key.original, &dir);
	if (!ct)
		return CT_SYNC_INCOMPLETE;
	ct_sync_extras_resolve(net, entry, &resolved);
	if (is_copy(ct, dir, entry, &resolved) &&
	    !(READ_ONCE(ct->status) & IPS_NAT_MASK) == !(entry->status & IPS_NAT_MASK)) {
		*lost = resolved.lost;
		applied = is_as(ct, entry, &resolved) ? CT_SYNC_UNCHANGED : CT_SYNC_UPDATED;
		write_state(ct, entry, &resolved, mark);
	}
	nf_ct_put(ct);
	return applied;
}

/* Updates the copy of the connection; CT_SYNC_NOT_THERE when there is none. */
static int update(struct net *net, const struct ct_sync_entry *entry,
		  const struct ct_sync_resolved *resolved, u8 mark)
{
	int applied = CT_SYNC_NOT_THERE;
	struct nf_conn *ct;
	u8 dir;

	ct = ct_sync_find(net, &entry->key, IP_CT_DIR_ORIGINAL, &entry->key.original, &dir);
	if (!ct)
		return CT_SYNC_NOT_THERE;
	if (is_copy(ct, dir, entry, resolved) && has_reply(ct, entry)) {
		applied = is_as(ct, entry, resolved) ? CT_SYNC_UNCHANGED : CT_SYNC_UPDATED;
		write_state(ct, entry, resolved, mark);
	}
	nf_ct_put(ct);
	return applied;
}

/*
 * Makes room for a record where another entry has one of its tuples. A copy of
 * an older connection gives way: the primary cannot have both. So does a local
 * entry that is not assured: a stray packet makes one. Another is kept.
 */
static int evict(struct net *net, const struct ct_sync_key *key, enum ip_conntrack_dir of,
		 const struct ct_sync_endpoints *ends)
{
	int evicted = CT_SYNC_REPLACED_LOCAL;
	struct nf_conn *ct;
	u8 dir;

	ct = ct_sync_find(net, key, of, ends, &dir);
	if (!ct)
		return CT_SYNC_NOT_THERE;
	if (test_bit(CT_SYNC_SHARED_BIT, &ct->status))
		evicted = CT_SYNC_DELETED;
	else if (test_bit(IPS_ASSURED_BIT, &ct->status))
		evicted = CT_SYNC_CONFLICT;
	if (evicted != CT_SYNC_CONFLICT) {
		ct_sync_renounce(ct);
		nf_ct_delete(ct, 0, 0);
	}
	nf_ct_put(ct);
	return evicted;
}

/* Evicts from both tuples of a record; false when an entry is there that is kept. */
static bool make_room(struct net *net, const struct ct_sync_entry *entry, bool *replaced)
{
	int original = evict(net, &entry->key, IP_CT_DIR_ORIGINAL, &entry->key.original);
	int reply;

	if (original == CT_SYNC_CONFLICT)
		return false;
	reply = evict(net, &entry->key, IP_CT_DIR_REPLY, &entry->reply);
	*replaced |= original == CT_SYNC_REPLACED_LOCAL || reply == CT_SYNC_REPLACED_LOCAL;
	return reply != CT_SYNC_CONFLICT;
}

static bool is_local(struct net *net, const struct ct_sync_entry *entry)
{
	bool local;

	rcu_read_lock();
	local = ct_sync_is_local(net, entry);
	rcu_read_unlock();
	return local;
}

/*
 * Makes the table say what a record says. Returns enum ct_sync_applied, and in
 * @lost CT_SYNC_LOST_*: what of the record could not be kept.
 *
 * A flow that the primary forwards to an address of this node is this node's
 * own affair; of what is a copy already that need not be asked again, which
 * would cost a resync two lookups of a route for each entry. Stray packets and
 * dying entries may get in the way of an insertion for a moment, hence the
 * attempts.
 */
int ct_sync_upsert(struct net *net, const struct ct_sync_entry *entry, u8 mark, u32 *lost)
{
	int attempts = INSERT_ATTEMPTS, applied;
	struct ct_sync_resolved resolved;
	bool replaced = false;

	*lost = 0;
	if (!is_supported(entry))
		return CT_SYNC_UNSUPPORTED_PROTOCOL;
	ct_sync_extras_resolve(net, entry, &resolved);
	resolved.lost |= ct_sync_relations_prepare(entry);
	*lost = resolved.lost;
	applied = update(net, entry, &resolved, mark);
	if (applied != CT_SYNC_NOT_THERE)
		return applied;
	*lost = 0;
	if (is_local(net, entry))
		return CT_SYNC_OWN;

	do {
		if (!make_room(net, entry, &replaced))
			return CT_SYNC_CONFLICT;
		applied = insert(net, entry, &resolved, mark);
	} while ((applied == CT_SYNC_BUSY || applied == CT_SYNC_NAT_DIVERGED) && --attempts);
	*lost = resolved.lost;

	return applied == CT_SYNC_INSERTED && replaced ? CT_SYNC_REPLACED_LOCAL : applied;
}

/* Ends the copy of a connection; an entry of this node's own stays. */
int ct_sync_delete(struct net *net, const struct ct_sync_key *key)
{
	struct nf_conn *ct = ct_sync_find_surely(net, key);
	int applied = CT_SYNC_NOT_THERE;

	if (!ct)
		return CT_SYNC_NOT_THERE;
	if (test_bit(CT_SYNC_SHARED_BIT, &ct->status) && !nf_ct_is_dying(ct)) {
		ct_sync_renounce(ct);
		nf_ct_delete(ct, 0, 0);
		applied = CT_SYNC_DELETED;
	}
	nf_ct_put(ct);
	return applied;
}
