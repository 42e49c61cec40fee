// SPDX-License-Identifier: GPL-2.0
/*
 * Reading the conntrack table: keys, snapshots, walks.
 *
 * Context: ct_sync_key_of(), ct_sync_mark_dirty(), ct_sync_take_loss() and the
 * ct_sync_is_*() are for the event notifier (softirq or process); the others for
 * threads.
 *
 * No reference to an entry outlives a call: a held reference counts against
 * the table's limit and stalls the exit of its namespace.
 */
#include <linux/inetdevice.h>
#include <linux/netfilter.h>
#include <net/addrconf.h>
#include <net/net_namespace.h>
#include <net/route.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_core.h>
#include <net/netfilter/nf_conntrack_ecache.h>
#include <net/netfilter/nf_conntrack_zones.h>

#include "ct_sync.h"
#include "relations.h"
#include "status.h"
#include "tuple.h"

void ct_sync_key_of(const struct nf_conn *ct, struct ct_sync_key *key)
{
	const struct nf_conntrack_tuple *tuple = nf_ct_tuple(ct, IP_CT_DIR_ORIGINAL);
	const struct nf_conntrack_zone *zone = nf_ct_zone(ct);

	memset(key, 0, sizeof(*key));
	ct_sync_tuple_read(tuple, &key->original);
	key->zone = zone->id;
	key->zone_dir = zone->dir;
	key->family = nf_ct_l3num(ct) == NFPROTO_IPV6 ? 6 : 4;
	key->protocol = nf_ct_protonum(ct);
}

/* Sets the dirty bit; true when it was clear, so that the key is to be queued. */
bool ct_sync_mark_dirty(struct nf_conn *ct)
{
	return !test_and_set_bit(CT_SYNC_DIRTY_BIT, &ct->status);
}

bool ct_sync_is_shared(const struct nf_conn *ct)
{
	return test_bit(CT_SYNC_SHARED_BIT, &ct->status);
}

/*
 * Whether the end of an entry on a backup is a loss: the primary has not said
 * it (who deletes a copy by its word clears the bit before), and its time was
 * not up, as of those with a timeout that a rule of the user's has fixed. Says
 * so once.
 */
bool ct_sync_take_loss(struct nf_conn *ct)
{
	return !nf_ct_is_expired(ct) &&
	       test_and_clear_bit(CT_SYNC_SHARED_BIT, &ct->status);
}

bool ct_sync_is_template(const struct nf_conn *ct)
{
	return nf_ct_is_template(ct);
}

/*
 * Whether an address is this node's own, in whatever VRF, or one that every
 * node receives itself (broadcast, multicast).
 */
static bool address_is_local(struct net *net, u8 family, const union nf_inet_addr *address)
{
	unsigned int type;

	if (family == NFPROTO_IPV6)
		return ipv6_addr_is_multicast(&address->in6) ||
		       ipv6_chk_addr(net, &address->in6, NULL, 0);

	if (__ip_dev_find(net, address->ip, false))
		return true;
	type = inet_addr_type(net, address->ip);
	return type == RTN_BROADCAST || type == RTN_MULTICAST;
}

/* The same of the addresses that a record has. Context: RCU. */
bool ct_sync_is_local(struct net *net, const struct ct_sync_entry *entry)
{
	u8 family = entry->key.family == 6 ? NFPROTO_IPV6 : NFPROTO_IPV4;
	union nf_inet_addr original = {}, reply = {};

	memcpy(&original, entry->key.original.src, sizeof(original));
	memcpy(&reply, entry->reply.src, sizeof(reply));
	return address_is_local(net, family, &original) || address_is_local(net, family, &reply);
}

/*
 * Whether a connection begins or ends on this node: its original source or its
 * reply source is a local address. No list of addresses is needed.
 */
static bool is_local(struct net *net, const struct nf_conn *ct)
{
	u8 family = nf_ct_l3num(ct);

	return address_is_local(net, family, &nf_ct_tuple(ct, IP_CT_DIR_ORIGINAL)->src.u3) ||
	       address_is_local(net, family, &nf_ct_tuple(ct, IP_CT_DIR_REPLY)->src.u3);
}

/* Whether an entry is replicated: CT_SYNC_PRESENT, _LOCAL or _UNMARKED. */
static int selected(struct net *net, const struct nf_conn *ct, u32 mark_mask)
{
	/* A clashing twin lives for a moment only and may not be copied. */
	if (test_bit(IPS_NAT_CLASH_BIT, &ct->status))
		return CT_SYNC_LOCAL;
#ifdef CONFIG_NF_CONNTRACK_MARK
	if (mark_mask && !(READ_ONCE(ct->mark) & mark_mask))
		return CT_SYNC_UNMARKED;
#endif
	return is_local(net, ct) ? CT_SYNC_LOCAL : CT_SYNC_PRESENT;
}

static void read_tcp(struct nf_conn *ct, struct ct_sync_entry *entry)
{
	unsigned long grace = READ_ONCE(ct->status) >> CT_SYNC_GRACE_BIT;
	const struct ip_ct_tcp *tcp = &ct->proto.tcp;
	int dir;

	entry->has |= CT_SYNC_HAS_TCP;
	spin_lock_bh(&ct->lock);
	entry->state = tcp->state;
	for (dir = 0; dir < IP_CT_DIR_MAX; dir++) {
		const struct ip_ct_tcp_state *seen = &tcp->seen[dir];
		u8 flags = seen->flags & ~IP_CT_TCP_FLAG_MAXACK_SET;

		if (grace & BIT(dir))
			flags &= ~IP_CT_TCP_FLAG_BE_LIBERAL;
		entry->tcp_flags[dir] = flags;
		entry->tcp_scale[dir] = seen->td_scale;
		/* A SYN-ACK is only accepted against the SYN's own window. */
		if (tcp->state != TCP_CONNTRACK_SYN_SENT &&
		    tcp->state != TCP_CONNTRACK_SYN_SENT2)
			continue;
		entry->has |= CT_SYNC_HAS_TCP_WINDOW;
		entry->tcp_window[dir].end = seen->td_end;
		entry->tcp_window[dir].max_end = seen->td_maxend;
		entry->tcp_window[dir].max_window = seen->td_maxwin;
		entry->tcp_window[dir].max_ack = seen->td_maxack;
	}
	spin_unlock_bh(&ct->lock);
}

static void read_sctp(struct nf_conn *ct, struct ct_sync_entry *entry)
{
#ifdef CONFIG_NF_CT_PROTO_SCTP
	entry->has |= CT_SYNC_HAS_SCTP;
	spin_lock_bh(&ct->lock);
	entry->state = ct->proto.sctp.state;
	entry->sctp_vtag[0] = ntohl(ct->proto.sctp.vtag[0]);
	entry->sctp_vtag[1] = ntohl(ct->proto.sctp.vtag[1]);
	spin_unlock_bh(&ct->lock);
#endif
}

static void read_entry(struct nf_conn *ct, struct ct_sync_entry *entry)
{
	unsigned long status = READ_ONCE(ct->status);

	/* Until the entry is unpinned, its fixed timeout is our own doing. */
	if (status & BIT(CT_SYNC_PINNED_BIT))
		status &= ~(unsigned long)IPS_FIXED_TIMEOUT;
	memset(entry, 0, sizeof(*entry));
	ct_sync_key_of(ct, &entry->key);
	ct_sync_tuple_read(nf_ct_tuple(ct, IP_CT_DIR_REPLY), &entry->reply);
	entry->status = status & CT_SYNC_STATUS_SENT;
#ifdef CONFIG_NF_CONNTRACK_MARK
	entry->mark = READ_ONCE(ct->mark);
#endif
	if (entry->status & IPS_FIXED_TIMEOUT)
		entry->timeout_s = nf_ct_expires(ct) / HZ;
	if (nf_ct_protonum(ct) == IPPROTO_TCP)
		read_tcp(ct, entry);
	else if (nf_ct_protonum(ct) == IPPROTO_SCTP)
		read_sctp(ct, entry);
	ct_sync_relations_read(ct, &entry->relations);
	ct_sync_extras_read(ct, &entry->extras);
}

/*
 * The dirty bit is cleared before anything is read: an event that comes later
 * sets it again, and the entry is read once more.
 */
static int read_truth(struct net *net, struct nf_conn *ct, u32 mark_mask,
		      struct ct_sync_entry *entry)
{
	/* A full barrier, which pairs with the one of ct_sync_mark_dirty(). */
	bool dirty = test_and_clear_bit(CT_SYNC_DIRTY_BIT, &ct->status), shared;
	int found;

	found = selected(net, ct, mark_mask);
	if (found != CT_SYNC_PRESENT)
		return test_and_clear_bit(CT_SYNC_SHARED_BIT, &ct->status) ?
		       CT_SYNC_WITHDRAWN : found;

	/*
	 * Pairs with nf_ct_delete(): it sets DYING, and the event of the end then
	 * reads SHARED. One of the two sees the other, by the barrier of this.
	 */
	shared = test_and_set_bit(CT_SYNC_SHARED_BIT, &ct->status);
	if (nf_ct_is_dying(ct))
		return CT_SYNC_ABSENT;
	read_entry(ct, entry);
	if (dirty)
		entry->has |= CT_SYNC_WAS_DIRTY;
	if (shared)
		entry->has |= CT_SYNC_WAS_SHARED;
	return CT_SYNC_PRESENT;
}

static bool is_there(const struct nf_conn *ct)
{
	return nf_ct_is_confirmed(ct) && !nf_ct_is_dying(ct);
}

static bool is_alive(const struct nf_conn *ct)
{
	return is_there(ct) && !nf_ct_is_expired(ct);
}

/* The truth about a key, now. Returns enum ct_sync_found. */
int ct_sync_snapshot(struct net *net, const struct ct_sync_key *key,
		     u32 mark_mask, struct ct_sync_entry *entry)
{
	struct nf_conn *ct = ct_sync_find_surely(net, key);
	int found = CT_SYNC_ABSENT;

	if (!ct)
		return CT_SYNC_ABSENT;
	if (is_alive(ct)) {
		rcu_read_lock();
		found = read_truth(net, ct, mark_mask, entry);
		rcu_read_unlock();
	}
	nf_ct_put(ct);
	return found;
}

static bool is_wanted(const struct nf_conn *ct, int mode, u8 mark)
{
	if (mode == CT_SYNC_WALK_DIRTY)
		return test_bit(CT_SYNC_DIRTY_BIT, &ct->status);
	return ct_sync_mark_of(ct) != mark;
}

static void read_withdrawn(const struct nf_conn *ct, struct ct_sync_entry *entry)
{
	memset(entry, 0, sizeof(*entry));
	ct_sync_key_of(ct, &entry->key);
	entry->has = CT_SYNC_IS_WITHDRAWN;
}

/*
 * An entry that has expired is over, though its end may not be told of until
 * somebody stumbles upon it: peers are told now, lest a sweep finds their copy.
 */
static int read_walked(struct net *net, struct nf_conn *ct, u32 mark_mask,
		       struct ct_sync_entry *entry)
{
	if (!nf_ct_is_expired(ct))
		return read_truth(net, ct, mark_mask, entry);
	return test_and_clear_bit(CT_SYNC_SHARED_BIT, &ct->status) ?
	       CT_SYNC_WITHDRAWN : CT_SYNC_ABSENT;
}

/*
 * Whether an entry does not report all events: it was made while nobody
 * listened, or a rule ("ct event set") restricts it. This cannot be changed any
 * more once the entry is confirmed.
 */
static bool is_mute(const struct nf_conn *ct)
{
	const struct nf_conntrack_ecache *ecache = nf_ct_ecache_find(ct);

	return !ecache || ecache->ctmask != (u16)~0;
}

/*
 * Reads what is wanted of one bucket. Returns false when @entries is full and
 * the bucket may hold more: what was read no longer counts as wanted, so the
 * bucket can be read again from its start.
 */
static bool walk_bucket(struct net *net, u32 bucket, int mode, u8 mark, u32 mark_mask,
			struct ct_sync_entry *entries, u32 entries_max, u32 *count,
			bool *mute)
{
	struct nf_conntrack_tuple_hash *h;
	struct hlist_nulls_node *n;

	hlist_nulls_for_each_entry(h, n, &nf_conntrack_hash[bucket], hnnode) {
		struct nf_conn *ct = nf_ct_tuplehash_to_ctrack(h);
		int found;

		if (NF_CT_DIRECTION(h) != IP_CT_DIR_ORIGINAL ||
		    !net_eq(nf_ct_net(ct), net) || !is_there(ct) ||
		    !is_wanted(ct, mode, mark))
			continue;
		if (*count == entries_max)
			return false;
		found = read_walked(net, ct, mark_mask, &entries[*count]);
		if (found == CT_SYNC_WITHDRAWN)
			read_withdrawn(ct, &entries[*count]);
		else if (found != CT_SYNC_PRESENT)
			continue;
		if (mode == CT_SYNC_WALK_UNMARKED)
			ct_sync_mark_set(ct, mark);
		if (is_mute(ct)) {
			/* Whatever is new of it is news, and no find of a scrub's. */
			entries[*count].has |= CT_SYNC_WAS_DIRTY;
			*mute = true;
		}
		(*count)++;
	}
	return true;
}

/*
 * Goes on with a walk until @entries is full or the table ends (@done). A
 * table that was resized meanwhile is walked from its start again; entries that
 * were read are not read twice. The bucket's lock is held as ctnetlink does.
 */
u32 ct_sync_walk(struct net *net, struct ct_sync_cursor *cursor, int mode,
		 u8 mark, u32 mark_mask, struct ct_sync_entry *entries,
		 u32 entries_max, bool *done, bool *mute)
{
	u32 buckets = 4096, count = 0;
	bool complete = true;

	*done = false;
	*mute = false;
	while (complete && buckets--) {
		spinlock_t *lock;

		local_bh_disable();
		lock = &nf_conntrack_locks[cursor->bucket % CONNTRACK_LOCKS];
		nf_conntrack_lock(lock);
		if (cursor->size != nf_conntrack_htable_size) {
			cursor->size = nf_conntrack_htable_size;
			cursor->bucket = 0;
			spin_unlock(lock);
			local_bh_enable();
			continue;
		}
		if (cursor->bucket >= cursor->size) {
			*done = true;
			complete = false;
		} else {
			rcu_read_lock();
			complete = walk_bucket(net, cursor->bucket, mode, mark, mark_mask,
					       entries, entries_max, &count, mute);
			rcu_read_unlock();
			if (complete)
				cursor->bucket++;
		}
		spin_unlock(lock);
		local_bh_enable();
	}
	cond_resched();
	return count;
}

u32 ct_sync_table_count(struct net *net)
{
	return nf_conntrack_count(net);
}

u32 ct_sync_table_max(struct net *net)
{
	return READ_ONCE(nf_conntrack_max);
}
