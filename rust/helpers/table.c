// SPDX-License-Identifier: GPL-2.0
/*
 * The hash table of conntrack, which all namespaces share, one bucket at a time.
 */
#include <linux/rculist.h>
#include <linux/rculist_nulls.h>
#include <linux/sched.h>
#include <net/net_namespace.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_core.h>

#include "abi.h"

static spinlock_t *lock_of(u32 bucket)
{
	return &nf_conntrack_locks[bucket % CONNTRACK_LOCKS];
}

/*
 * Locks a bucket as ctnetlink does when it dumps the table. Returns how many
 * buckets there are, which does not change until the bucket is unlocked: a
 * resize holds all locks.
 */
u32 ct_sync_bucket_lock(u32 bucket)
{
	local_bh_disable();
	nf_conntrack_lock(lock_of(bucket));
	rcu_read_lock();
	return nf_conntrack_htable_size;
}

void ct_sync_bucket_unlock(u32 bucket)
{
	rcu_read_unlock();
	spin_unlock(lock_of(bucket));
	local_bh_enable();
}

static struct nf_conntrack_tuple_hash *entry_at(struct hlist_nulls_node *node)
{
	struct nf_conntrack_tuple_hash *hash;

	return is_a_nulls(node) ? NULL : hlist_nulls_entry(node, typeof(*hash), hnnode);
}

struct nf_conntrack_tuple_hash *ct_sync_bucket_first(u32 bucket)
{
	return entry_at(nf_conntrack_hash[bucket].first);
}

struct nf_conntrack_tuple_hash *ct_sync_bucket_next(struct nf_conntrack_tuple_hash *hash)
{
	return entry_at(hash->hnnode.next);
}

struct nf_conn *ct_sync_conn_of(struct nf_conntrack_tuple_hash *hash)
{
	return nf_ct_tuplehash_to_ctrack(hash);
}

u32 ct_sync_table_max(void)
{
	return READ_ONCE(nf_conntrack_max);
}

void ct_sync_cond_resched(void)
{
	cond_resched();
}
