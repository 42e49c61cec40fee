// SPDX-License-Identifier: GPL-2.0
/*
 * The callbacks of conntrack events, and the slot of a namespace in which a
 * notifier is. Who is in front of whom is decided in rust/slot.rs.
 */
#include <linux/rcupdate.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_ecache.h>

#include "pernet.h"

/*
 * Ours comes first: an end of a connection that we must refuse comes again, and
 * listeners behind us are not to see it twice.
 */
static int ct_event(unsigned int events, const struct nf_ct_event *item)
{
	struct ct_sync_net *sn = ct_sync_pernet(nf_ct_net(item->ct));
	const struct nf_ct_event_notifier *next;
	void *listener = READ_ONCE(sn->listener);
	int err;

	if (listener) {
		err = ct_sync_ops.event(listener, events, item->ct);
		if (err < 0)
			return err;
	}
	next = READ_ONCE(sn->next);
	return next ? next->ct_event(events, item) : 0;
}

/* Runs under nf_conntrack_expect_lock. */
static int exp_event(unsigned int events, const struct nf_exp_event *item)
{
	struct ct_sync_net *sn = ct_sync_pernet(nf_ct_exp_net(item->exp));
	const struct nf_ct_event_notifier *next;
	void *listener = READ_ONCE(sn->listener);

	if (listener)
		ct_sync_ops.expectation(listener, item->exp->master);
	next = READ_ONCE(sn->next);
	return next ? next->exp_event(events, item) : 0;
}

static const struct nf_ct_event_notifier notifier = {
	.ct_event = ct_event,
	.exp_event = exp_event,
};

const void *ct_sync_slot_ours(void)
{
	return &notifier;
}

const void *ct_sync_slot_holder(struct net *net)
{
	return rcu_access_pointer(net->ct.nf_conntrack_event_cb);
}

/*
 * The mutex with which the kernel changes the slot is not exported, hence the
 * cmpxchg. The only others that write it are ctnetlink's load and unload.
 */
bool ct_sync_slot_exchange(struct net *net, const void *from, const void *to)
{
	void **slot = (__force void **)&net->ct.nf_conntrack_event_cb;
	void *old = (void *)from;

	return try_cmpxchg(slot, &old, (void *)to);
}

const void *ct_sync_slot_next(struct net *net)
{
	return ct_sync_pernet(net)->next;
}

/* Which notifier is behind ours. */
void ct_sync_slot_set_next(struct net *net, const void *next)
{
	WRITE_ONCE(ct_sync_pernet(net)->next, next);
}

/* Who hears events; with NULL, nobody hears any more when this returns. */
void ct_sync_listener_set(struct net *net, void *listener)
{
	WRITE_ONCE(ct_sync_pernet(net)->listener, listener);
	if (!listener)
		synchronize_rcu();
}

u8 *ct_sync_events_setting(struct net *net)
{
	return &net->ct.sysctl_events;
}
