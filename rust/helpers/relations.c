// SPDX-License-Identifier: GPL-2.0
/*
 * What ties a connection to others: its helper and its master; and what a
 * helper's NAT has done to its sequence numbers.
 *
 * Context: threads, or what the callers say; nothing here sleeps but
 * ct_sync_relations_prepare().
 */
#include <linux/kmod.h>
#include <linux/netfilter/nf_conntrack_proto_gre.h>
#include <linux/ratelimit.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_core.h>
#include <net/netfilter/nf_conntrack_expect.h>
#include <net/netfilter/nf_conntrack_helper.h>
#include <net/netfilter/nf_conntrack_seqadj.h>

#include "ct_sync.h"
#include "relations.h"
#include "status.h"
#include "tuple.h"

static_assert(CT_SYNC_HELPER_NAME_MAX == NF_CT_HELPER_NAME_LEN);

/* --- reading --------------------------------------------------------------- */

/* The helper of a connection, unless a program does its work. Context: RCU. */
struct nf_conntrack_helper *ct_sync_helper_of(const struct nf_conn *ct)
{
	const struct nf_conn_help *help = nfct_help(ct);
	struct nf_conntrack_helper *helper = help ? rcu_dereference(help->helper) : NULL;

	return helper && helper->flags & NF_CT_HELPER_F_USERSPACE ? NULL : helper;
}

static void read_helper(const struct nf_conn *ct, u8 *name)
{
	const struct nf_conntrack_helper *helper = ct_sync_helper_of(ct);

	if (helper)
		memcpy(name, helper->name, strnlen(helper->name, NF_CT_HELPER_NAME_LEN - 1));
}

static void read_seqadj(struct nf_conn *ct, struct ct_sync_seqadj *values)
{
	const struct nf_conn_seqadj *seqadj = nfct_seqadj(ct);
	int dir;

	if (!seqadj || !test_bit(IPS_SEQ_ADJUST_BIT, &ct->status))
		return;
	spin_lock_bh(&ct->lock);
	for (dir = 0; dir < IP_CT_DIR_MAX; dir++) {
		values[dir].position = seqadj->seq[dir].correction_pos;
		values[dir].before = seqadj->seq[dir].offset_before;
		values[dir].after = seqadj->seq[dir].offset_after;
	}
	spin_unlock_bh(&ct->lock);
}

/* Context: RCU; BH may be disabled and the bucket locked. */
void ct_sync_relations_read(struct nf_conn *ct, struct ct_sync_relations *relations)
{
	/* Set before the entry is confirmed; the entry has a reference to it. */
	const struct nf_conn *master = ct->master;
	const struct nf_conn_help *help = nfct_help(ct);

	read_seqadj(ct, relations->seqadj);
	read_helper(ct, relations->helper);
	if (help && !hlist_empty(&help->expectations))
		ct_sync_expectations_count(ct, &relations->expectations,
					   &relations->expectations_left_out);
	if (master && test_bit(IPS_EXPECTED_BIT, &ct->status)) {
		ct_sync_tuple_read(nf_ct_tuple(master, IP_CT_DIR_ORIGINAL), &relations->master);
		relations->master_protocol = nf_ct_protonum(master);
		read_helper(master, relations->master_helper);
	}
}

/*
 * Whether packets of a connection may change what no event tells of: its sequence
 * adjustments, or how long what it expects is waited for. Context: RCU.
 */
bool ct_sync_changes_silently(const struct nf_conn *ct)
{
	const struct nf_conn_help *help = nfct_help(ct);

	return help && nf_ct_is_confirmed(ct) &&
	       (test_bit(IPS_SEQ_ADJUST_BIT, &ct->status) || !hlist_empty(&help->expectations));
}

/* --- helper and master of a copy ------------------------------------------- */

/* The helper of that name, if there is one that works in the kernel. Context: RCU. */
struct nf_conntrack_helper *ct_sync_helper_find(const u8 *name, u8 family, u8 protocol)
{
	struct nf_conntrack_helper *helper;

	if (!name[0])
		return NULL;
	helper = __nf_conntrack_helper_find((const char *)name,
					    family == 6 ? NFPROTO_IPV6 : NFPROTO_IPV4, protocol);
	if (!helper || helper->flags & NF_CT_HELPER_F_USERSPACE ||
	    !rcu_access_pointer(helper->help))
		return NULL;
	return helper;
}

/*
 * Has the module of a helper loaded that is not there. Nobody waits for that: a
 * later record of the connection, at the latest that of a scrub, finds it.
 */
static void load_helper(const u8 *name)
{
	static DEFINE_RATELIMIT_STATE(limit, HZ, 1);

	ratelimit_set_flags(&limit, RATELIMIT_MSG_ON_RELEASE);
	if (__ratelimit(&limit))
		request_module_nowait("nfct-helper-%s", name);
}

/* Before a record is applied: returns CT_SYNC_LOST_HELPER if its helper is not there. May sleep. */
u32 ct_sync_relations_prepare(const struct ct_sync_entry *entry)
{
	const u8 *name = entry->relations.helper;
	bool missing;

	if (!name[0])
		return 0;
	rcu_read_lock();
	missing = !ct_sync_helper_find(name, entry->key.family, entry->key.protocol);
	rcu_read_unlock();
	if (!missing)
		return 0;
	load_helper(name);
	return CT_SYNC_LOST_HELPER;
}

/* Gives an entry that is not confirmed a helper, if there is one of that name. Context: RCU. */
static bool add_helper(struct nf_conn *ct, const u8 *name)
{
	struct nf_conntrack_helper *helper;
	struct nf_conn_help *help;

	helper = ct_sync_helper_find(name, nf_ct_l3num(ct) == NFPROTO_IPV6 ? 6 : 4,
				     nf_ct_protonum(ct));
	if (!helper)
		return true;
	help = nf_ct_helper_ext_add(ct, GFP_ATOMIC);
	if (!help)
		return false;
	if (refcount_inc_not_zero(&helper->ct_refcnt))
		RCU_INIT_POINTER(help->helper, helper);
	return true;
}

/* False when there was no memory. Context: RCU; to be called before NAT is set up. */
bool ct_sync_relations_add(struct nf_conn *ct, const struct ct_sync_entry *entry)
{
	return add_helper(ct, entry->relations.helper);
}

static void master_key(const struct ct_sync_entry *entry, struct ct_sync_key *key)
{
	*key = entry->key;
	key->original = entry->relations.master;
	key->protocol = entry->relations.master_protocol;
}

/*
 * An entry that stands in for a master that is not there (any more): it is in no
 * hash table, has the master's tuple and helper, and ends with its only child.
 */
static struct nf_conn *stand_in(struct net *net, const struct ct_sync_entry *entry)
{
	struct nf_conntrack_tuple original, inverse;
	struct nf_conntrack_zone zone;
	struct ct_sync_key key;
	struct nf_conn *ct;

	master_key(entry, &key);
	ct_sync_zone_write(&key, &zone);
	ct_sync_tuple_write(&key.original, key.family, key.protocol,
			    IP_CT_DIR_ORIGINAL, &original);
	if (!nf_ct_invert_tuple(&inverse, &original))
		return NULL;
	ct = nf_conntrack_alloc(net, &zone, &original, &inverse, GFP_ATOMIC);
	if (IS_ERR(ct))
		return NULL;
	if (!add_helper(ct, entry->relations.master_helper)) {
		nf_conntrack_free(ct);
		return NULL;
	}
	/* Lockless lookups may still see the object's former life: as in init_conntrack(). */
	smp_wmb();
	refcount_set(&ct->ct_general.use, 1);
	return ct;
}

/*
 * Ties a new entry to its master, before its NAT is set up. Returns CT_SYNC_LOST_*.
 * IPS_EXPECTED without a master would crash ctnetlink. Context: RCU.
 */
u32 ct_sync_relations_tie(struct net *net, struct nf_conn *ct, const struct ct_sync_entry *entry)
{
	struct ct_sync_key key;
	u32 lost = 0;

	if (!entry->relations.master_protocol)
		return 0;
	master_key(entry, &key);
	ct->master = ct_sync_find_original(net, &key);
	if (!ct->master) {
		lost = CT_SYNC_LOST_MASTER;
		ct->master = stand_in(net, entry);
	}
	if (ct->master)
		__set_bit(IPS_EXPECTED_BIT, &ct->status);
	return lost;
}

/* Whether the master of a copy stands in for one that has come since: then another copy is due. */
static bool is_stood_in_for(const struct nf_conn *master, const struct ct_sync_entry *entry)
{
	struct ct_sync_key key;
	struct nf_conn *ct;

	if (nf_ct_is_confirmed(master))
		return false;
	master_key(entry, &key);
	ct = ct_sync_find_original(nf_ct_net(master), &key);
	if (ct)
		nf_ct_put(ct);
	return ct;
}

static bool master_fits(const struct nf_conn *ct, const struct ct_sync_entry *entry)
{
	struct nf_conntrack_tuple master;

	if (!entry->relations.master_protocol)
		return !ct->master;
	if (!ct->master)
		return false;
	ct_sync_tuple_write(&entry->relations.master, entry->key.family,
			    entry->relations.master_protocol, IP_CT_DIR_ORIGINAL, &master);
	return nf_ct_tuple_equal(nf_ct_tuple(ct->master, IP_CT_DIR_ORIGINAL), &master) &&
	       !is_stood_in_for(ct->master, entry);
}

/* Whether an entry has the helper and the master that the record names. */
bool ct_sync_relations_fit(const struct nf_conn *ct, const struct ct_sync_entry *entry)
{
	const struct nf_conntrack_helper *helper;
	bool fit;

	rcu_read_lock();
	helper = ct_sync_helper_find(entry->relations.helper, entry->key.family,
				     entry->key.protocol);
	fit = ct_sync_helper_of(ct) == helper && master_fits(ct, entry);
	rcu_read_unlock();
	return fit;
}

/* --- what changes while a connection lives ---------------------------------- */

bool ct_sync_relations_are_as(struct nf_conn *ct, const struct ct_sync_entry *entry)
{
	struct ct_sync_seqadj values[IP_CT_DIR_MAX] = {};

	read_seqadj(ct, values);
	return !memcmp(values, entry->relations.seqadj, sizeof(values));
}

static void write_seqadj(struct nf_conn *ct, const struct ct_sync_seqadj *values)
{
	static const struct ct_sync_seqadj none[IP_CT_DIR_MAX];
	struct nf_conn_seqadj *seqadj = nfct_seqadj(ct);
	bool adjusted = memcmp(values, none, sizeof(none));
	int dir;

	if (!seqadj || !(adjusted || test_bit(IPS_SEQ_ADJUST_BIT, &ct->status)))
		return;
	spin_lock_bh(&ct->lock);
	for (dir = 0; dir < IP_CT_DIR_MAX; dir++) {
		seqadj->seq[dir].correction_pos = values[dir].position;
		seqadj->seq[dir].offset_before = values[dir].before;
		seqadj->seq[dir].offset_after = values[dir].after;
	}
	spin_unlock_bh(&ct->lock);
	if (adjusted)
		set_bit(IPS_SEQ_ADJUST_BIT, &ct->status);
}

/*
 * Only FTP's helper has from_nlattr(): after it, the next packet of each side
 * counts as the beginning of a line. A node that was primary before knows where
 * lines began by then, so this is due with each record.
 */
static void pick_up(struct nf_conn *ct)
{
	const struct nf_conntrack_helper *helper;

	rcu_read_lock();
	helper = ct_sync_helper_of(ct);
	if (helper && helper->from_nlattr)
		helper->from_nlattr(NULL, ct);
	rcu_read_unlock();
}

/*
 * A packet of a PPTP call names the receiver's key only: the sender's is looked
 * up in a list that the helper has made of the call's reply. Without it the
 * call's packets would not find their entry. Due after the entry is tied and
 * inserted; the kernel takes it off the list with the entry or its master.
 */
void ct_sync_relations_map_keys(struct nf_conn *ct)
{
#ifdef CONFIG_NF_CT_PROTO_GRE
	const struct nf_conntrack_tuple *original = nf_ct_tuple(ct, IP_CT_DIR_ORIGINAL);
	const struct nf_conntrack_helper *helper;

	if (nf_ct_protonum(ct) != IPPROTO_GRE || !original->src.u.gre.key || !ct->master)
		return;
	rcu_read_lock();
	helper = ct_sync_helper_of(ct->master);
	if (helper && !strcmp(helper->name, "pptp"))
		nf_ct_gre_keymap_add(ct->master, original, nf_ct_tuple(ct, IP_CT_DIR_REPLY));
	rcu_read_unlock();
#endif
}

/* What is expected is told of by records of its own, unless it is nothing. */
void ct_sync_relations_write(struct nf_conn *ct, const struct ct_sync_entry *entry)
{
	pick_up(ct);
	write_seqadj(ct, entry->relations.seqadj);
	if (!entry->relations.expectations)
		nf_ct_remove_expectations(ct);
}
