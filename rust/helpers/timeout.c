// SPDX-License-Identifier: GPL-2.0
/* How long entries live: the timeouts of protocols, and policies of timeouts. */
#include <linux/in.h>
#include <linux/slab.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_l4proto.h>
#include <net/netfilter/nf_conntrack_timeout.h>

#include "abi.h"

static_assert(sizeof(unsigned int) == sizeof(u32));

/* The policy of an entry, if it has one. Context: RCU. */
struct nf_ct_timeout *ct_sync_policy(const struct nf_conn *ct)
{
	const struct nf_conn_timeout *timeout = nf_ct_timeout_find(ct);

	return timeout ? rcu_dereference(timeout->timeout) : NULL;
}

u32 *ct_sync_policy_data(struct nf_ct_timeout *policy)
{
	return (u32 *)policy->data;
}

/* How many timeouts the policies of a protocol have in this kernel. */
u32 ct_sync_policy_length(const struct nf_conntrack_l4proto *l4proto)
{
#ifdef CONFIG_NF_CONNTRACK_TIMEOUT
	return l4proto->ctnl_timeout.obj_size / sizeof(unsigned int);
#else
	return 0;
#endif
}

/* A policy with one reference, whose timeouts are all 0; NULL without memory. */
struct nf_ct_timeout *ct_sync_policy_new(u16 l3num, const struct nf_conntrack_l4proto *l4proto,
					 u32 length)
{
	struct nf_ct_timeout *policy;

	policy = kzalloc(sizeof(*policy) + length * sizeof(unsigned int), GFP_KERNEL);
	if (!policy)
		return NULL;
	refcount_set(&policy->refcnt, 1);
	policy->l3num = l3num;
	policy->l4proto = l4proto;
	return policy;
}

void ct_sync_policy_get(struct nf_ct_timeout *policy)
{
	refcount_inc(&policy->refcnt);
}

void ct_sync_policy_put(struct nf_ct_timeout *policy)
{
	if (refcount_dec_and_test(&policy->refcnt))
		kfree_rcu(policy, rcu);
}

bool ct_sync_add_policy(struct nf_conn *ct, struct nf_ct_timeout *policy)
{
	return nf_ct_timeout_ext_add(ct, policy, GFP_ATOMIC);
}

/* The timeouts of a protocol in a namespace, in jiffies; returns how many there are. */
u32 ct_sync_protocol_timeouts(struct net *net, u8 protocol, const u32 **timeouts)
{
	switch (protocol) {
	case IPPROTO_TCP:
		*timeouts = nf_tcp_pernet(net)->timeouts;
		return TCP_CONNTRACK_MAX;
	case IPPROTO_UDP:
		*timeouts = nf_udp_pernet(net)->timeouts;
		return UDP_CT_MAX;
#ifdef CONFIG_NF_CT_PROTO_SCTP
	case IPPROTO_SCTP:
		*timeouts = nf_sctp_pernet(net)->timeouts;
		return SCTP_CONNTRACK_MAX;
#endif
#ifdef CONFIG_NF_CT_PROTO_GRE
	case IPPROTO_GRE:
		*timeouts = nf_gre_pernet(net)->timeouts;
		return GRE_CT_MAX;
#endif
	case IPPROTO_ICMP:
		*timeouts = &nf_icmp_pernet(net)->timeout;
		return 1;
	case IPPROTO_ICMPV6:
		*timeouts = &nf_icmpv6_pernet(net)->timeout;
		return 1;
	default:
		*timeouts = &nf_generic_pernet(net)->timeout;
		return 1;
	}
}
