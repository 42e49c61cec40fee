// SPDX-License-Identifier: GPL-2.0
/*
 * Helpers of connections, and what connections expect. Context: RCU, unless a
 * function says more; the list of a connection under ct_sync_expect_lock().
 */
#include <linux/kmod.h>
#include <linux/netfilter/nf_conntrack_proto_gre.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_core.h>
#include <net/netfilter/nf_conntrack_expect.h>
#include <net/netfilter/nf_conntrack_helper.h>

#include "abi.h"

struct nf_conn_help *ct_sync_help(const struct nf_conn *ct)
{
	return nfct_help(ct);
}

struct nf_conntrack_helper *ct_sync_help_helper(const struct nf_conn_help *help)
{
	return rcu_dereference(help->helper);
}

/* For an entry that nobody sees. False if the helper is just being unregistered. */
bool ct_sync_help_set_helper(struct nf_conn_help *help, struct nf_conntrack_helper *helper)
{
	if (!refcount_inc_not_zero(&helper->ct_refcnt))
		return false;
	RCU_INIT_POINTER(help->helper, helper);
	return true;
}

const char *ct_sync_helper_name(const struct nf_conntrack_helper *helper)
{
	return helper->name;
}

u32 ct_sync_helper_flags(const struct nf_conntrack_helper *helper)
{
	return helper->flags;
}

/* False once its module has unregistered it: connections keep the object. */
bool ct_sync_helper_works(const struct nf_conntrack_helper *helper)
{
	return rcu_access_pointer(helper->help);
}

u32 ct_sync_helper_class_max(const struct nf_conntrack_helper *helper)
{
	return helper->expect_class_max;
}

/* Has the helper take the next packets of a connection as ctnetlink has it. */
void ct_sync_helper_pick_up(struct nf_conntrack_helper *helper, struct nf_conn *ct)
{
	if (helper->from_nlattr)
		helper->from_nlattr(NULL, ct);
}

/* Nobody waits for it. Context: process. */
void ct_sync_helper_request(const char *name)
{
	request_module_nowait("nfct-helper-%s", name);
}

/* Enters a connection of GRE into the list of keys of its master. */
void ct_sync_gre_keymap_add(struct nf_conn *ct, struct nf_conn *master)
{
#ifdef CONFIG_NF_CT_PROTO_GRE
	nf_ct_gre_keymap_add(master, nf_ct_tuple(ct, IP_CT_DIR_ORIGINAL),
			     nf_ct_tuple(ct, IP_CT_DIR_REPLY));
#endif
}

void ct_sync_expect_lock(void)
{
	spin_lock_bh(&nf_conntrack_expect_lock);
}

void ct_sync_expect_unlock(void)
{
	spin_unlock_bh(&nf_conntrack_expect_lock);
}

struct nf_conntrack_expect *ct_sync_expect_first(struct nf_conn_help *help)
{
	/* Once: without the lock it tells whether there is one. */
	return hlist_entry_safe(READ_ONCE(help->expectations.first),
				struct nf_conntrack_expect, lnode);
}

struct nf_conntrack_expect *ct_sync_expect_next(struct nf_conntrack_expect *exp)
{
	return hlist_entry_safe(exp->lnode.next, struct nf_conntrack_expect, lnode);
}

void ct_sync_expect_read(const struct nf_conntrack_expect *exp,
			 struct ct_sync_expect_fields *fields)
{
	fields->tuple = exp->tuple;
	fields->mask = exp->mask;
	memcpy(fields->saved_addr, &exp->saved_addr, sizeof(fields->saved_addr));
	fields->saved_proto = (__force u16)exp->saved_proto.all;
	fields->dir = exp->dir;
	fields->class = exp->class;
	fields->flags = READ_ONCE(exp->flags);
	fields->expectfn = (unsigned long)exp->expectfn;
	fields->assign_helper = (unsigned long)rcu_access_pointer(exp->assign_helper);
}

/* Fills an expectation that nobody sees. */
void ct_sync_expect_init(struct nf_conntrack_expect *exp,
			 const struct ct_sync_expect_fields *fields)
{
	const struct nf_conntrack_tuple *tuple = &fields->tuple;

	nf_ct_expect_init(exp, fields->class, tuple->src.l3num, &tuple->src.u3, &tuple->dst.u3,
			  tuple->dst.protonum, &tuple->src.u.all, &tuple->dst.u.all);
	exp->mask = fields->mask;
	exp->flags = fields->flags;
	exp->expectfn = (void *)fields->expectfn;
	rcu_assign_pointer(exp->assign_helper, (struct nf_conntrack_helper *)fields->assign_helper);
	memcpy(&exp->saved_addr, fields->saved_addr, sizeof(exp->saved_addr));
	exp->saved_proto.all = (__force __be16)fields->saved_proto;
	exp->dir = fields->dir;
}

u32 *ct_sync_expect_flags(struct nf_conntrack_expect *exp)
{
	return &exp->flags;
}

u32 *ct_sync_expect_timeout(struct nf_conntrack_expect *exp)
{
	return &exp->timeout;
}

/* The name of a function for expected connections; NULL if it has none. */
const char *ct_sync_function_name(unsigned long function)
{
	const struct nf_ct_helper_expectfn *found;

	found = nf_ct_helper_expectfn_find_by_symbol((const void *)function);
	return found ? found->name : NULL;
}

unsigned long ct_sync_function_find(const char *name)
{
	const struct nf_ct_helper_expectfn *found = nf_ct_helper_expectfn_find_by_name(name);

	return found ? (unsigned long)found->expectfn : 0;
}
