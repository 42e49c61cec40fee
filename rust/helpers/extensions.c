// SPDX-License-Identifier: GPL-2.0
/*
 * What conntrack keeps in extensions of an entry: labels, start, counters,
 * SYN proxy, timeout policy; and the security mark.
 *
 * Context: reading under RCU, maybe with a bucket's lock held; resolving in
 * threads, it may sleep and is under the mutex of the protocol; the rest in
 * threads under RCU. Extensions can be added only before an entry is confirmed.
 */
#include <linux/security.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_acct.h>
#include <net/netfilter/nf_conntrack_extend.h>
#include <net/netfilter/nf_conntrack_l4proto.h>
#include <net/netfilter/nf_conntrack_labels.h>
#include <net/netfilter/nf_conntrack_synproxy.h>
#include <net/netfilter/nf_conntrack_timeout.h>
#include <net/netfilter/nf_conntrack_timestamp.h>

#include "ct_sync.h"
#include "netns.h"

#ifdef CONFIG_NF_CONNTRACK_LABELS
static_assert(sizeof(struct nf_conn_labels) == CT_SYNC_LABEL_WORDS * sizeof(u64));
#endif
static_assert((int)TCP_CONNTRACK_TIMEOUT_MAX <= CT_SYNC_POLICY_MAX);
static_assert(sizeof(unsigned int) == sizeof(u32));

/* Longest timeout of a policy in seconds, so that jiffies do not overflow. */
#define POLICY_SECONDS_MAX	(INT_MAX / 2 / HZ)

/* --- Timeout policies ------------------------------------------------------ */

/* The policy of an entry, if it has one. Context: RCU. */
static const struct nf_ct_timeout *policy_of(const struct nf_conn *ct)
{
#ifdef CONFIG_NF_CONNTRACK_TIMEOUT
	const struct nf_conn_timeout *timeout = nf_ct_timeout_find(ct);

	return timeout ? rcu_dereference(timeout->timeout) : NULL;
#else
	return NULL;
#endif
}

/* How many timeouts the policies of a protocol have in this kernel. */
static u32 policy_length(const struct nf_conntrack_l4proto *l4proto)
{
#ifdef CONFIG_NF_CONNTRACK_TIMEOUT
	u32 length = l4proto->ctnl_timeout.obj_size / sizeof(unsigned int);

	return length <= CT_SYNC_POLICY_MAX ? length : 0;
#else
	return 0;
#endif
}

/*
 * A policy is read by value. Its name would be of no use: the kernel has no way
 * from the policies of nft to theirs, and the other node might not have it.
 */
static void read_policy(const struct nf_conn *ct, struct ct_sync_extras *extras)
{
	const struct nf_ct_timeout *policy = policy_of(ct);
	const unsigned int *timeouts;
	u32 i;

	if (!policy)
		return;
	timeouts = (const unsigned int *)policy->data;
	extras->policy_length = policy_length(policy->l4proto);
	for (i = 0; i < extras->policy_length; i++)
		extras->policy_s[i] = READ_ONCE(timeouts[i]) / HZ;
}

static unsigned int policy_jiffies(const struct ct_sync_extras *extras, u32 i)
{
	return min_t(u32, extras->policy_s[i], POLICY_SECONDS_MAX) * HZ;
}

static bool policy_is_as(const struct nf_ct_timeout *policy, const struct ct_sync_extras *extras)
{
	const unsigned int *timeouts = (const unsigned int *)policy->data;
	u32 i;

	if (policy_length(policy->l4proto) != extras->policy_length)
		return false;
	for (i = 0; i < extras->policy_length; i++)
		if (READ_ONCE(timeouts[i]) != policy_jiffies(extras, i))
			return false;
	return true;
}

static void policy_put(struct nf_ct_timeout *policy)
{
	if (policy && refcount_dec_and_test(&policy->refcnt))
		kfree_rcu(policy, rcu);
}

static struct nf_ct_timeout *policy_new(u16 l3num, const struct nf_conntrack_l4proto *l4proto,
					const struct ct_sync_extras *extras)
{
	size_t size = extras->policy_length * sizeof(unsigned int);
	struct nf_ct_timeout *policy = kzalloc(sizeof(*policy) + size, GFP_KERNEL);
	u32 i;

	if (!policy)
		return NULL;
	refcount_set(&policy->refcnt, 1);
	policy->l3num = l3num;
	policy->l4proto = l4proto;
	for (i = 0; i < extras->policy_length; i++)
		((unsigned int *)policy->data)[i] = policy_jiffies(extras, i);
	return policy;
}

/*
 * A policy with the timeouts of a record, NULL if this kernel's tracker of the
 * protocol has another number of them. It belongs to the entries that use it
 * and to this node's few latest ones, so that connections share it.
 */
static struct nf_ct_timeout *policy_find(struct net *net, const struct ct_sync_entry *entry)
{
	u16 l3num = entry->key.family == 6 ? NFPROTO_IPV6 : NFPROTO_IPV4;
	const struct nf_conntrack_l4proto *l4proto = nf_ct_l4proto_find(entry->key.protocol);
	struct ct_sync_net *sn = ct_sync_pernet(net);
	struct nf_ct_timeout *policy;
	u32 i;

	if (entry->extras.policy_length != policy_length(l4proto))
		return NULL;
	for (i = 0; i < CT_SYNC_POLICIES; i++) {
		policy = sn->policies[i];
		if (policy && policy->l3num == l3num && policy->l4proto == l4proto &&
		    policy_is_as(policy, &entry->extras))
			return policy;
	}
	policy = policy_new(l3num, l4proto, &entry->extras);
	if (!policy)
		return NULL;
	i = sn->policy_next++ % CT_SYNC_POLICIES;
	policy_put(sn->policies[i]);
	sn->policies[i] = policy;
	return policy;
}

/* --- Security marks -------------------------------------------------------- */

/* The number of a context is one node's own, so its name is sent. */
static void read_secmark(const struct nf_conn *ct, struct ct_sync_extras *extras)
{
#ifdef CONFIG_NF_CONNTRACK_SECMARK
	u32 secmark = READ_ONCE(ct->secmark);
	struct lsm_context context;
	size_t length;

	if (!secmark)
		return;
	extras->has |= CT_SYNC_LOST_SECMARK;
	if (security_secid_to_secctx(secmark, &context) < 0)
		return;
	/* Some modules count the NUL, some do not. */
	length = strnlen(context.context, context.len);
	if (length && length <= CT_SYNC_SECCTX_MAX) {
		memcpy(extras->secctx, context.context, length);
		extras->secctx_length = length;
		extras->has &= ~CT_SYNC_LOST_SECMARK;
	}
	security_release_secctx(&context);
#endif
}

static void resolve_secmark(const struct ct_sync_extras *extras,
			    struct ct_sync_resolved *resolved)
{
	char context[CT_SYNC_SECCTX_MAX + 1] = {};
	size_t length = min_t(size_t, extras->secctx_length, CT_SYNC_SECCTX_MAX);

	if (!IS_ENABLED(CONFIG_NF_CONNTRACK_SECMARK)) {
		resolved->lost |= CT_SYNC_LOST_CONTEXT;
		return;
	}
	memcpy(context, extras->secctx, length);
	resolved->secmark_known = !security_secctx_to_secid(context, length, &resolved->secmark);
	if (!resolved->secmark_known)
		resolved->lost |= CT_SYNC_LOST_CONTEXT;
}

/* --- All of them ----------------------------------------------------------- */

/* Reads what an entry has; @extras is zero before. */
void ct_sync_extras_read(struct nf_conn *ct, struct ct_sync_extras *extras)
{
	const struct nf_conn_synproxy *synproxy = nfct_synproxy(ct);
	const struct nf_conn_labels *labels = nf_ct_labels_find(ct);
	const struct nf_conn_tstamp *tstamp = nf_conn_tstamp_find(ct);
	const struct nf_conn_acct *acct = nf_conn_acct_find(ct);
	int i;

	for (i = 0; labels && i < CT_SYNC_LABEL_WORDS; i++)
		extras->labels[i] = READ_ONCE(labels->bits[i]);
	if (tstamp)
		extras->started_ns = READ_ONCE(tstamp->start);
	for (i = 0; acct && i < IP_CT_DIR_MAX; i++) {
		extras->has |= CT_SYNC_HAS_COUNTERS;
		extras->packets[i] = atomic64_read(&acct->counter[i].packets);
		extras->bytes[i] = atomic64_read(&acct->counter[i].bytes);
	}
	if (synproxy) {
		extras->has |= CT_SYNC_HAS_SYNPROXY;
		extras->synproxy[0] = READ_ONCE(synproxy->isn);
		extras->synproxy[1] = READ_ONCE(synproxy->its);
		extras->synproxy[2] = READ_ONCE(synproxy->tsoff);
	}
	read_policy(ct, extras);
	read_secmark(ct, extras);
}

/* Finds out what a record means on this node, before anything is written. May sleep. */
void ct_sync_extras_resolve(struct net *net, const struct ct_sync_entry *entry,
			    struct ct_sync_resolved *resolved)
{
	memset(resolved, 0, sizeof(*resolved));
	if (entry->extras.policy_length) {
		resolved->policy = policy_find(net, entry);
		if (!resolved->policy)
			resolved->lost |= CT_SYNC_LOST_POLICY;
	}
	if (entry->extras.secctx_length)
		resolve_secmark(&entry->extras, resolved);
	else
		resolved->secmark_known = true;
}

/*
 * Whether an entry has the extensions that a record needs. If not, only a new
 * entry helps. A kernel that lacks one is content without it.
 */
bool ct_sync_extras_fit(const struct nf_conn *ct, const struct ct_sync_extras *extras,
			const struct ct_sync_resolved *resolved)
{
	bool synproxy = extras->has & CT_SYNC_HAS_SYNPROXY;
	const struct nf_ct_timeout *policy;
	bool fit;

	if (IS_ENABLED(CONFIG_NETFILTER_SYNPROXY) && synproxy != !!nfct_synproxy(ct))
		return false;
	if (resolved->lost & CT_SYNC_LOST_POLICY)
		return true;
	rcu_read_lock();
	policy = policy_of(ct);
	fit = !!policy == !!resolved->policy && (!policy || policy_is_as(policy, extras));
	rcu_read_unlock();
	return fit;
}

/* Whether ct_sync_extras_write() would change nothing that matters; counters do not. */
bool ct_sync_extras_are_as(const struct nf_conn *ct, const struct ct_sync_extras *extras,
			   const struct ct_sync_resolved *resolved)
{
	const struct nf_conn_synproxy *synproxy = nfct_synproxy(ct);
	const struct nf_conn_labels *labels = nf_ct_labels_find(ct);
	const struct nf_conn_tstamp *tstamp = nf_conn_tstamp_find(ct);

	if (labels && memcmp(labels->bits, extras->labels, sizeof(extras->labels)))
		return false;
	if (tstamp && extras->started_ns && tstamp->start != extras->started_ns)
		return false;
	if (synproxy && (synproxy->isn != extras->synproxy[0] ||
			 synproxy->its != extras->synproxy[1] ||
			 synproxy->tsoff != extras->synproxy[2]))
		return false;
#ifdef CONFIG_NF_CONNTRACK_SECMARK
	if (resolved->secmark_known && READ_ONCE(ct->secmark) != resolved->secmark)
		return false;
#endif
	return true;
}

/* Whether a new entry has an extension, at the latest now. */
static bool has_extension(struct nf_conn *ct, enum nf_ct_ext_id id)
{
	return nf_ct_ext_exist(ct, id) || nf_ct_ext_add(ct, id, GFP_ATOMIC);
}

/*
 * Gives a new entry the extensions that a record needs. Labels have room in
 * every entry, since a rule may set them later on. The SYN proxy takes an entry
 * with its extension for one of its own, so no other may have it.
 */
void ct_sync_extras_add(struct nf_conn *ct, const struct ct_sync_extras *extras,
			struct ct_sync_resolved *resolved)
{
	bool kept = true;

	nf_ct_acct_ext_add(ct, GFP_ATOMIC);
	nf_ct_tstamp_ext_add(ct, GFP_ATOMIC);
	if (extras->has & CT_SYNC_HAS_COUNTERS)
		kept &= has_extension(ct, NF_CT_EXT_ACCT);
#ifdef CONFIG_NF_CONNTRACK_TIMESTAMP
	if (extras->started_ns)
		kept &= has_extension(ct, NF_CT_EXT_TSTAMP);
#endif
#ifdef CONFIG_NF_CONNTRACK_LABELS
	kept &= has_extension(ct, NF_CT_EXT_LABELS);
#endif
	if (extras->has & CT_SYNC_HAS_SYNPROXY)
		kept &= !!nfct_synproxy_ext_add(ct);
	if (resolved->policy)
		kept &= !!nf_ct_timeout_ext_add(ct, resolved->policy, GFP_ATOMIC);
	if (!kept)
		resolved->lost |= CT_SYNC_LOST_EXTENSION;
}

/* Has an entry say what a record says, as far as it has the extensions. */
void ct_sync_extras_write(struct nf_conn *ct, const struct ct_sync_extras *extras,
			  const struct ct_sync_resolved *resolved)
{
	struct nf_conn_synproxy *synproxy = nfct_synproxy(ct);
	struct nf_conn_labels *labels = nf_ct_labels_find(ct);
	struct nf_conn_tstamp *tstamp = nf_conn_tstamp_find(ct);
	struct nf_conn_acct *acct = nf_conn_acct_find(ct);
	int i;

	for (i = 0; labels && i < CT_SYNC_LABEL_WORDS; i++)
		WRITE_ONCE(labels->bits[i], extras->labels[i]);
	if (tstamp && extras->started_ns)
		WRITE_ONCE(tstamp->start, extras->started_ns);
	for (i = 0; acct && extras->has & CT_SYNC_HAS_COUNTERS && i < IP_CT_DIR_MAX; i++) {
		atomic64_set(&acct->counter[i].packets, extras->packets[i]);
		atomic64_set(&acct->counter[i].bytes, extras->bytes[i]);
	}
	if (synproxy) {
		WRITE_ONCE(synproxy->isn, extras->synproxy[0]);
		WRITE_ONCE(synproxy->its, extras->synproxy[1]);
		WRITE_ONCE(synproxy->tsoff, extras->synproxy[2]);
	}
#ifdef CONFIG_NF_CONNTRACK_SECMARK
	if (resolved->secmark_known)
		WRITE_ONCE(ct->secmark, resolved->secmark);
#endif
}

/* Lets go of the policies that are kept. */
void ct_sync_extras_release(struct net *net)
{
	struct ct_sync_net *sn = ct_sync_pernet(net);
	u32 i;

	for (i = 0; i < CT_SYNC_POLICIES; i++)
		policy_put(sn->policies[i]);
}
