/* SPDX-License-Identifier: GPL-2.0 */
/* What C keeps for each network namespace. */
#ifndef CT_SYNC_PERNET_H
#define CT_SYNC_PERNET_H

#include <linux/workqueue.h>
#include <net/net_namespace.h>
#include <net/netfilter/nf_conntrack_ecache.h>

#include "abi.h"

struct ct_sync_net {
	struct net *net;
	/* What Rust keeps, and is called with. */
	void *owner;

	/* netns.c */
	struct work_struct work[CT_SYNC_WORKS];
	bool closing;

	/* notifier.c; read under RCU */
	void *listener;
	const struct nf_ct_event_notifier *next;

	/* hooks.c; single words, which hooks read */
	struct ct_sync_hook_words words;
	struct nf_hook_ops *hooks;
};

struct ct_sync_net *ct_sync_pernet(const struct net *net);

/* Set once, before there is any namespace. */
extern struct ct_sync_net_ops ct_sync_ops;

#endif /* CT_SYNC_PERNET_H */
