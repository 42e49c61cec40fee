// SPDX-License-Identifier: GPL-2.0
/*
 * What connections expect: other connections that they have announced.
 *
 * Context: threads, or what the functions say; nothing here sleeps.
 * Lock: nf_conntrack_expect_lock, inside of those of hash buckets.
 */
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_core.h>
#include <net/netfilter/nf_conntrack_expect.h>
#include <net/netfilter/nf_conntrack_helper.h>

#include "ct_sync.h"
#include "relations.h"
#include "status.h"
#include "tuple.h"

static_assert(CT_SYNC_EXPECT_CLASSES == NF_CT_MAX_EXPECT_CLASSES);

/* Flags of an expectation that mean the same on every node. */
#define EXPECT_FLAGS_SENT	(NF_CT_EXPECT_PERMANENT | NF_CT_EXPECT_INACTIVE)
/*
 * Ours, in nf_conntrack_expect.flags: it has not been told of since the first of
 * its list was. netlink shows the bits of NF_CT_EXPECT_MASK only.
 */
#define EXPECT_STALE		BIT(16)
static_assert(!(EXPECT_STALE & (NF_CT_EXPECT_MASK | NF_CT_EXPECT_DEAD)));

/* --- of the primary -------------------------------------------------------- */

/* Whether another node can make of it what it is here: a function must have a name. */
static bool is_sendable(const struct nf_conn *ct, const struct nf_conntrack_expect *exp)
{
	return !(exp->flags & NF_CT_EXPECT_USERSPACE) &&
	       exp->tuple.src.l3num == nf_ct_l3num(ct) &&
	       exp->class < NF_CT_MAX_EXPECT_CLASSES &&
	       (!exp->expectfn || nf_ct_helper_expectfn_find_by_symbol(exp->expectfn));
}

/* Counts what a connection expects, and what of that is not sent. Context: RCU. */
static void count_locked(const struct nf_conn *ct, const struct nf_conn_help *help,
			 u8 *sent, u8 *left_out)
{
	const struct nf_conntrack_expect *exp;
	u32 sendable = 0, others = 0;

	lockdep_assert_held(&nf_conntrack_expect_lock);
	hlist_for_each_entry(exp, &help->expectations, lnode) {
		if (nf_ct_exp_is_expired(exp))
			continue;
		if (is_sendable(ct, exp))
			sendable++;
		else
			others++;
	}
	*sent = min(sendable, CT_SYNC_EXPECTATIONS_MAX);
	*left_out = min(others + sendable - *sent, U8_MAX);
}

/*
 * The same, without the lock. Context: RCU; BH may be disabled and the bucket
 * locked: the kernel takes the locks in that order as well, to end a connection.
 */
void ct_sync_expectations_count(const struct nf_conn *ct, u8 *sent, u8 *left_out)
{
	spin_lock_bh(&nf_conntrack_expect_lock);
	count_locked(ct, nfct_help(ct), sent, left_out);
	spin_unlock_bh(&nf_conntrack_expect_lock);
}

static void read_expectation(const struct nf_conntrack_expect *exp,
			     struct ct_sync_expectation *expectation)
{
	const struct nf_ct_helper_expectfn *function;
	const struct nf_conntrack_helper *helper;
	s32 left = READ_ONCE(exp->timeout) - nfct_time_stamp;

	ct_sync_tuple_read(&exp->tuple, &expectation->tuple);
	memcpy(expectation->source_mask, &exp->mask.src.u3, sizeof(expectation->source_mask));
	expectation->source_port_mask = ntohs(exp->mask.src.u.all);
	expectation->timeout_s = DIV_ROUND_UP(max(left, 1), HZ);
	expectation->protocol = exp->tuple.dst.protonum;
	expectation->flags = exp->flags & EXPECT_FLAGS_SENT;
	expectation->class = exp->class;
	expectation->direction = exp->dir;
	memcpy(expectation->nat_address, &exp->saved_addr, sizeof(expectation->nat_address));
	expectation->nat_port = ntohs(exp->saved_proto.all);
	function = nf_ct_helper_expectfn_find_by_symbol(exp->expectfn);
	if (function)
		strscpy_pad(expectation->function, function->name);
	helper = rcu_dereference(exp->assign_helper);
	if (helper)
		strscpy_pad(expectation->helper, helper->name);
}

/* The expectation that is number @index of those that are sent, the oldest first. */
static const struct nf_conntrack_expect *expectation_at(const struct nf_conn *ct, u8 index)
{
	const struct nf_conn_help *help = nfct_help(ct);
	const struct nf_conntrack_expect *exp;
	u8 sent, left_out;

	if (!help)
		return NULL;
	count_locked(ct, help, &sent, &left_out);
	if (index >= sent)
		return NULL;
	/* The list has the newest first. */
	hlist_for_each_entry(exp, &help->expectations, lnode)
		if (!nf_ct_exp_is_expired(exp) && is_sendable(ct, exp) && ++index == sent)
			return exp;
	return NULL;
}

/* Reads one expectation of the connection @key; false when there are not as many (any more). */
bool ct_sync_expectation_read(struct net *net, const struct ct_sync_key *key, u8 index,
			      struct ct_sync_expectation *expectation)
{
	const struct nf_conntrack_expect *exp;
	struct nf_conn *ct;

	memset(expectation, 0, sizeof(*expectation));
	ct = ct_sync_find_original(net, key);
	if (!ct)
		return false;
	rcu_read_lock();
	spin_lock_bh(&nf_conntrack_expect_lock);
	exp = expectation_at(ct, index);
	if (exp)
		read_expectation(exp, expectation);
	spin_unlock_bh(&nf_conntrack_expect_lock);
	rcu_read_unlock();
	nf_ct_put(ct);
	return exp;
}

/* --- of a copy -------------------------------------------------------------- */

/* What the names in a record are on this node. */
struct resolved {
	void (*function)(struct nf_conn *ct, struct nf_conntrack_expect *exp);
	struct nf_conntrack_helper *helper;
};

/* False when one is not there: without its NAT the expected connection would be a wrong one. */
static bool resolve(const struct nf_conn *ct, const struct ct_sync_expectation *expectation,
		    struct resolved *resolved)
{
	const struct nf_conntrack_helper *helper = ct_sync_helper_of(ct);
	const struct nf_ct_helper_expectfn *function = NULL;

	if (!helper || expectation->class > helper->expect_class_max)
		return false;
	if (expectation->function[0])
		function = nf_ct_helper_expectfn_find_by_name((const char *)expectation->function);
	resolved->function = function ? function->expectfn : NULL;
	resolved->helper = ct_sync_helper_find(expectation->helper,
					       nf_ct_l3num(ct) == NFPROTO_IPV6 ? 6 : 4,
					       expectation->protocol);
	return !expectation->function[0] == !function &&
	       !expectation->helper[0] == !resolved->helper;
}

/* Makes an expectation that nobody else sees, or NULL. */
static struct nf_conntrack_expect *make(struct nf_conn *ct, const struct resolved *resolved,
					const struct ct_sync_expectation *expectation)
{
	struct nf_conntrack_expect *exp = nf_ct_expect_alloc(ct);
	struct nf_conntrack_tuple tuple;

	if (!exp)
		return NULL;
	ct_sync_tuple_write(&expectation->tuple, nf_ct_l3num(ct) == NFPROTO_IPV6 ? 6 : 4,
			    expectation->protocol, IP_CT_DIR_ORIGINAL, &tuple);
	nf_ct_expect_init(exp, expectation->class, nf_ct_l3num(ct), &tuple.src.u3, &tuple.dst.u3,
			  expectation->protocol, &tuple.src.u.all, &tuple.dst.u.all);
	memcpy(&exp->mask.src.u3, expectation->source_mask, sizeof(exp->mask.src.u3));
	exp->mask.src.u.all = htons(expectation->source_port_mask);
	exp->flags = expectation->flags & EXPECT_FLAGS_SENT;
	exp->expectfn = resolved->function;
	rcu_assign_pointer(exp->assign_helper, resolved->helper);
	memcpy(&exp->saved_addr, expectation->nat_address, sizeof(exp->saved_addr));
	exp->saved_proto.all = htons(expectation->nat_port);
	exp->dir = expectation->direction;
	return exp;
}

static bool is_same(const struct nf_conntrack_expect *a, const struct nf_conntrack_expect *b)
{
	return nf_ct_tuple_equal(&a->tuple, &b->tuple) &&
	       nf_ct_tuple_mask_equal(&a->mask, &b->mask) &&
	       a->class == b->class && a->expectfn == b->expectfn &&
	       rcu_access_pointer(a->assign_helper) == rcu_access_pointer(b->assign_helper) &&
	       nf_inet_addr_cmp(&a->saved_addr, &b->saved_addr) &&
	       a->saved_proto.all == b->saved_proto.all && a->dir == b->dir;
}

static void set_timeout(struct nf_conntrack_expect *exp, u32 timeout_s)
{
	u64 timeout = min_t(u64, (u64)timeout_s * HZ, INT_MAX / 2);

	WRITE_ONCE(exp->timeout, nfct_time_stamp + (u32)timeout);
}

/*
 * Begins a list where @expectation is its first, and looks whether it is there
 * already: then only what may change is written.
 */
static bool refresh(struct nf_conn_help *help, const struct nf_conntrack_expect *new,
		    const struct ct_sync_expectation *expectation)
{
	struct nf_conntrack_expect *exp;
	bool found = false;

	spin_lock_bh(&nf_conntrack_expect_lock);
	hlist_for_each_entry(exp, &help->expectations, lnode) {
		if (!found && !nf_ct_exp_is_expired(exp) && is_same(exp, new)) {
			WRITE_ONCE(exp->flags, new->flags);
			set_timeout(exp, expectation->timeout_s);
			found = true;
		} else if (!expectation->index) {
			WRITE_ONCE(exp->flags, exp->flags | EXPECT_STALE);
		}
	}
	spin_unlock_bh(&nf_conntrack_expect_lock);
	return found;
}

static bool add(struct nf_conntrack_expect *new, const struct ct_sync_expectation *expectation)
{
	if (nf_ct_expect_related(new, 0) < 0)
		return false;
	spin_lock_bh(&nf_conntrack_expect_lock);
	set_timeout(new, expectation->timeout_s);
	spin_unlock_bh(&nf_conntrack_expect_lock);
	return true;
}

/* Ends what was not told of since the list began. */
static void end_list(struct nf_conn_help *help)
{
	struct nf_conntrack_expect *exp;
	struct hlist_node *next;

	spin_lock_bh(&nf_conntrack_expect_lock);
	hlist_for_each_entry_safe(exp, next, &help->expectations, lnode)
		if (exp->flags & EXPECT_STALE)
			nf_ct_unlink_expect(exp);
	spin_unlock_bh(&nf_conntrack_expect_lock);
}

static int expect(struct nf_conn *ct, const struct ct_sync_expectation *expectation)
{
	struct nf_conntrack_expect *new;
	int expected = CT_SYNC_EXPECT_REFUSED;
	struct resolved resolved;

	if (!resolve(ct, expectation, &resolved))
		return CT_SYNC_EXPECT_REFUSED;
	new = make(ct, &resolved, expectation);
	if (!new)
		return CT_SYNC_EXPECT_REFUSED;
	if (refresh(nfct_help(ct), new, expectation))
		expected = CT_SYNC_EXPECT_KNOWN;
	else if (add(new, expectation))
		expected = CT_SYNC_EXPECT_ADDED;
	nf_ct_expect_put(new);
	return expected;
}

/*
 * Has the copy of connection @key expect what a record says, and when that is the
 * last one of the list nothing else. Returns enum ct_sync_expected.
 */
int ct_sync_expect(struct net *net, const struct ct_sync_key *key,
		   const struct ct_sync_expectation *expectation)
{
	struct nf_conn *ct = ct_sync_find_original(net, key);
	int expected = CT_SYNC_EXPECT_REFUSED;

	if (!ct)
		return CT_SYNC_EXPECT_REFUSED;
	rcu_read_lock();
	if (test_bit(CT_SYNC_SHARED_BIT, &ct->status) && !nf_ct_is_dying(ct) && nfct_help(ct)) {
		expected = expect(ct, expectation);
		if (expectation->index + 1 >= expectation->count)
			end_list(nfct_help(ct));
	}
	rcu_read_unlock();
	nf_ct_put(ct);
	return expected;
}
