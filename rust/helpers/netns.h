/* SPDX-License-Identifier: GPL-2.0 */
/* What the helpers keep for each network namespace. */
#ifndef CT_SYNC_NETNS_H
#define CT_SYNC_NETNS_H

#include <linux/list.h>
#include <linux/netfilter.h>
#include <linux/workqueue.h>
#include <net/net_namespace.h>
#include <net/netfilter/nf_conntrack_ecache.h>

#include "ct_sync.h"

/* Longest name of an interface, with its NUL, as IFNAMSIZ. */
#define CT_SYNC_NAME_MAX	16

struct ct_sync_net {
	struct net *net;
	/* Rust's instance; set by ct_sync_rs_net_init(). */
	void *instance;

	/* notifier.c; under notifier_mutex, read under RCU by events */
	void *engine;
	const struct nf_ct_event_notifier *next;
	bool armed;
	bool events_held;
	u8 events_before;

	/* netns.c */
	struct work_struct reconcile;
	bool closing;

	/* hooks.c; the first four are written once, then read by hooks */
	u32 syncdev_ifindex;
	u16 port;
	bool notrack;
	bool dropping;
	struct nf_hook_ops *hooks;
	u32 l2drop_mode;
	char l2drop_syncdev[CT_SYNC_NAME_MAX];
	struct list_head l2drop_devices;
	struct work_struct announce;
	atomic64_t l2dropped;
	atomic64_t wrong_device;
};

void ct_sync_l2drop_announce(struct work_struct *work);
void ct_sync_notifier_packet(struct nf_conn *ct);
void ct_sync_notifier_release(struct net *net);
void ct_sync_notifier_set_loading(bool loading);
void ct_sync_notifier_follow(struct net *net);

#endif /* CT_SYNC_NETNS_H */
