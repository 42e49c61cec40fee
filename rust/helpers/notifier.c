// SPDX-License-Identifier: GPL-2.0
/*
 * The conntrack event notifier, shared with ctnetlink.
 *
 * A namespace has one slot for a notifier. ctnetlink takes it in every
 * namespace, when it is loaded: by whoever runs "conntrack -L". So this module
 * loads it first, and puts a notifier of its own in front of whatever the slot
 * holds. Events are called through and the other's verdict is returned.
 *
 * The slot is changed by cmpxchg(), without the mutex of the kernel, which is
 * not exported: the only others that write it are ctnetlink's load and unload,
 * about which the module notifier in netns.c tells us before and after.
 *
 * Locks: notifier_mutex, inside pernet_ops_rwsem and net_rwsem; inside of it the
 * mutex of the protocol, whose holders take none of these.
 * After ct_sync_notifier_disarm() no event runs any more (synchronize_rcu).
 */
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_ecache.h>

#include "ct_sync.h"
#include "netns.h"

static DEFINE_MUTEX(notifier_mutex);
static bool ctnetlink_loading;

/*
 * Ours comes first: an end of a connection that we must refuse comes again, and
 * listeners of ctnetlink are not to see it twice.
 */
static int ct_event(unsigned int events, const struct nf_ct_event *item)
{
	struct ct_sync_net *sn = ct_sync_pernet(nf_ct_net(item->ct));
	const struct nf_ct_event_notifier *next;
	void *engine = READ_ONCE(sn->engine);
	int err;

	if (engine) {
		err = ct_sync_rs_event(engine, events, item->ct);
		if (err < 0)
			return err;
	}
	next = READ_ONCE(sn->next);
	return next ? next->ct_event(events, item) : 0;
}

/*
 * Has a connection told of though no event is about itself. One that is not in
 * the table yet is left alone: its dirty bit would hide the event of its beginning.
 * Context: RCU.
 */
static void tell_of(struct ct_sync_net *sn, struct nf_conn *ct)
{
	void *engine = READ_ONCE(sn->engine);

	if (engine && nf_ct_is_confirmed(ct) && !nf_ct_is_dying(ct))
		ct_sync_rs_event(engine, BIT(IPCT_HELPER), ct);
}

/* Runs under nf_conntrack_expect_lock: what is expected now is read by the sender. */
static int exp_event(unsigned int events, const struct nf_exp_event *item)
{
	struct ct_sync_net *sn = ct_sync_pernet(nf_ct_exp_net(item->exp));
	const struct nf_ct_event_notifier *next;

	tell_of(sn, item->exp->master);
	next = READ_ONCE(sn->next);
	return next ? next->exp_event(events, item) : 0;
}

/* For a packet of a connection that may have changed without an event. Context: RCU. */
void ct_sync_notifier_packet(struct nf_conn *ct)
{
	if (ct_sync_rs_changes_silently(ct))
		tell_of(ct_sync_pernet(nf_ct_net(ct)), ct);
}

static const struct nf_ct_event_notifier notifier = {
	.ct_event = ct_event,
	.exp_event = exp_event,
};

static struct nf_ct_event_notifier **slot_of(struct net *net)
{
	return (struct nf_ct_event_notifier **)&net->ct.nf_conntrack_event_cb;
}

/* Puts ours in front of what the slot holds now. */
static void wrap(struct ct_sync_net *sn)
{
	struct nf_ct_event_notifier **slot = slot_of(sn->net);
	struct nf_ct_event_notifier *other = READ_ONCE(*slot);

	do {
		if (other == &notifier)
			return;
		/* Ordered before the slot by the cmpxchg. */
		WRITE_ONCE(sn->next, other);
	} while (!try_cmpxchg(slot, &other, (struct nf_ct_event_notifier *)&notifier));
}

/* Puts back what ours is in front of, if the slot is still ours. */
static void unwrap(struct ct_sync_net *sn)
{
	struct nf_ct_event_notifier *ours = (struct nf_ct_event_notifier *)&notifier;

	try_cmpxchg(slot_of(sn->net), &ours, (struct nf_ct_event_notifier *)sn->next);
}

/*
 * Starts events for @engine, until ct_sync_notifier_disarm(). While armed, new
 * entries get the event extension even when nobody listens by netlink.
 */
int ct_sync_notifier_arm(struct net *net, void *engine)
{
	struct ct_sync_net *sn = ct_sync_pernet(net);
	int err = -EBUSY;

	mutex_lock(&notifier_mutex);
	if (!sn->armed) {
		if (!sn->events_held)
			sn->events_before = READ_ONCE(net->ct.sysctl_events);
		sn->events_held = true;
		WRITE_ONCE(net->ct.sysctl_events, 1);
		WRITE_ONCE(sn->engine, engine);
		sn->armed = true;
		if (!ctnetlink_loading)
			wrap(sn);
		err = 0;
	}
	mutex_unlock(&notifier_mutex);
	return err;
}

void ct_sync_notifier_disarm(struct net *net)
{
	struct ct_sync_net *sn = ct_sync_pernet(net);

	mutex_lock(&notifier_mutex);
	if (sn->armed) {
		sn->armed = false;
		unwrap(sn);
		WRITE_ONCE(sn->engine, NULL);
	}
	mutex_unlock(&notifier_mutex);
	synchronize_rcu();
}

/*
 * Restores the user's setting, when nothing will be armed again: entries that
 * are made between two engines must have the extension too.
 */
void ct_sync_notifier_release(struct net *net)
{
	struct ct_sync_net *sn = ct_sync_pernet(net);

	mutex_lock(&notifier_mutex);
	if (sn->events_held && READ_ONCE(net->ct.sysctl_events) == 1)
		WRITE_ONCE(net->ct.sysctl_events, sn->events_before);
	sn->events_held = false;
	mutex_unlock(&notifier_mutex);
}

/* Whether ctnetlink is between "about to be loaded" and "loaded, failed or gone". */
void ct_sync_notifier_set_loading(bool loading)
{
	mutex_lock(&notifier_mutex);
	ctnetlink_loading = loading;
	mutex_unlock(&notifier_mutex);
}

/*
 * Follows ctnetlink in one namespace. While it is being loaded the slot must be
 * empty, or its registration warns. Afterwards, also when it is gone, whatever
 * the slot holds then is wrapped: a pointer kept from before may point into
 * freed text. Events in between were missed.
 */
void ct_sync_notifier_follow(struct net *net)
{
	struct ct_sync_net *sn = ct_sync_pernet(net);

	mutex_lock(&notifier_mutex);
	if (sn->armed && ctnetlink_loading) {
		unwrap(sn);
	} else if (sn->armed) {
		wrap(sn);
		ct_sync_rs_events_missed(sn->engine);
	}
	mutex_unlock(&notifier_mutex);
}
