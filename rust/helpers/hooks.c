// SPDX-License-Identifier: GPL-2.0
/*
 * Packet hooks: of a namespace, and of a device. They look at single words and
 * leave the rest to Rust; what they are for is said in rust/hooks.rs and
 * rust/l2drop.rs.
 *
 * nf_unregister_net_hook() returns after no hook runs any more on a device that
 * goes away; those of a namespace end with synchronize_net().
 */
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_netdev.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <net/netfilter/nf_conntrack.h>

#include "pernet.h"

/* Before conntrack (-200) and with the raw table, where NOTRACK belongs. */
#define RAW_PRIORITY		(-300)
/* Behind conntrack, which finds the connection of a packet. */
#define HELPED_PRIORITY		(NF_IP_PRI_CONNTRACK + 1)
/* First of all, so that nothing else acts on a frame that is dropped. */
#define DEVICE_PRIORITY		INT_MIN

/* Packets of one interface are not tracked. */
static unsigned int untrack_hook(void *priv, struct sk_buff *skb,
				 const struct nf_hook_state *state)
{
	const struct ct_sync_net *sn = priv;
	const struct net_device *dev = state->in ?: state->out;
	u32 ifindex = READ_ONCE(sn->words.ifindex);

	if (ifindex && dev && dev->ifindex == ifindex && READ_ONCE(sn->words.untrack) &&
	    !skb_nfct(skb))
		nf_ct_set(skb, NULL, IP_CT_UNTRACKED);
	return NF_ACCEPT;
}

/* Packets to this node that came in by another interface. */
static unsigned int foreign_hook(void *priv, struct sk_buff *skb,
				 const struct nf_hook_state *state)
{
	const struct ct_sync_net *sn = priv;
	u32 ifindex = READ_ONCE(sn->words.ifindex);

	if (ifindex && state->in && state->in->ifindex != ifindex)
		ct_sync_ops.foreign(sn->owner, skb);
	return NF_ACCEPT;
}

/* Packets of connections with a helper. */
static unsigned int helped_hook(void *priv, struct sk_buff *skb,
				const struct nf_hook_state *state)
{
	const struct ct_sync_net *sn = priv;
	enum ip_conntrack_info info;
	struct nf_conn *ct = nf_ct_get(skb, &info);
	void *listener;

	if (!ct || !test_bit(IPS_HELPER_BIT, &ct->status))
		return NF_ACCEPT;
	listener = READ_ONCE(sn->listener);
	if (listener)
		ct_sync_ops.packet(listener, ct);
	return NF_ACCEPT;
}

static const struct nf_hook_ops net_hooks[] = {
	{ .hook = untrack_hook, .pf = NFPROTO_INET,
	  .hooknum = NF_INET_PRE_ROUTING, .priority = RAW_PRIORITY },
	{ .hook = untrack_hook, .pf = NFPROTO_INET,
	  .hooknum = NF_INET_LOCAL_OUT, .priority = RAW_PRIORITY },
	{ .hook = helped_hook, .pf = NFPROTO_INET,
	  .hooknum = NF_INET_PRE_ROUTING, .priority = HELPED_PRIORITY },
	{ .hook = foreign_hook, .pf = NFPROTO_INET,
	  .hooknum = NF_INET_LOCAL_IN, .priority = RAW_PRIORITY },
};

int ct_sync_hooks_register(struct net *net)
{
	struct ct_sync_net *sn = ct_sync_pernet(net);
	struct nf_hook_ops *hooks = kmemdup(net_hooks, sizeof(net_hooks), GFP_KERNEL);
	size_t i;
	int err;

	if (!hooks)
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(net_hooks); i++)
		hooks[i].priv = sn;
	err = nf_register_net_hooks(net, hooks, ARRAY_SIZE(net_hooks));
	if (err < 0)
		kfree(hooks);
	else
		sn->hooks = hooks;
	return err;
}

void ct_sync_hooks_unregister(struct net *net)
{
	struct ct_sync_net *sn = ct_sync_pernet(net);

	nf_unregister_net_hooks(net, sn->hooks, ARRAY_SIZE(net_hooks));
	/* The core frees its own copy of the pointers after a grace period. */
	synchronize_net();
	kfree(sn->hooks);
}

struct ct_sync_hook_words *ct_sync_hook_words(struct net *net)
{
	return &ct_sync_pernet(net)->words;
}

/* --- of a device ------------------------------------------------------------ */

/* What comes in and what goes out, as long as the word says so. */
static unsigned int device_hook(void *priv, struct sk_buff *skb,
				const struct nf_hook_state *state)
{
	const struct ct_sync_net *sn = priv;

	if (!READ_ONCE(sn->words.watch) || ct_sync_ops.passes(sn->owner, skb))
		return NF_ACCEPT;
	return NF_DROP;
}

struct ct_sync_device_hooks {
	struct net *net;
	struct net_device *dev;
	netdevice_tracker tracker;
	struct nf_hook_ops ops[2];
};

/* Returns an error pointer on failure. Context: rtnl. */
struct ct_sync_device_hooks *ct_sync_device_hooks_register(struct net_device *dev)
{
	static const unsigned int numbers[] = { NF_NETDEV_INGRESS, NF_NETDEV_EGRESS };
	struct ct_sync_device_hooks *hooks = kzalloc_obj(*hooks, GFP_KERNEL);
	int i, err;

	if (!hooks)
		return ERR_PTR(-ENOMEM);
	hooks->net = dev_net(dev);
	hooks->dev = dev;
	for (i = 0; i < ARRAY_SIZE(numbers); i++)
		hooks->ops[i] = (struct nf_hook_ops){
			.hook = device_hook, .priv = ct_sync_pernet(hooks->net), .dev = dev,
			.pf = NFPROTO_NETDEV, .hooknum = numbers[i], .priority = DEVICE_PRIORITY,
		};
	err = nf_register_net_hooks(hooks->net, hooks->ops, ARRAY_SIZE(numbers));
	if (err < 0) {
		synchronize_net();
		kfree(hooks);
		return ERR_PTR(err);
	}
	netdev_hold(dev, &hooks->tracker, GFP_KERNEL);
	return hooks;
}

void ct_sync_device_hooks_unregister(struct ct_sync_device_hooks *hooks)
{
	nf_unregister_net_hooks(hooks->net, hooks->ops, ARRAY_SIZE(hooks->ops));
	synchronize_net();
	netdev_put(hooks->dev, &hooks->tracker);
	kfree(hooks);
}

struct net_device *ct_sync_device_hooks_dev(struct ct_sync_device_hooks *hooks)
{
	return hooks->dev;
}

/* --- packets and devices ----------------------------------------------------- */

/* Copies bytes of a packet from its network header on; false if it has not as many. */
bool ct_sync_skb_copy(const struct sk_buff *skb, u32 offset, u8 *to, u32 length)
{
	return !skb_copy_bits(skb, skb_network_offset(skb) + offset, to, length);
}

/* ETH_P_*, in host byte order. */
u16 ct_sync_skb_protocol(const struct sk_buff *skb)
{
	return ntohs(skb->protocol);
}

struct net_device *ct_sync_netdev_first(struct net *net)
{
	return first_net_device(net);
}

struct net_device *ct_sync_netdev_next(struct net_device *dev)
{
	return next_net_device(dev);
}

const char *ct_sync_netdev_name(const struct net_device *dev)
{
	return dev->name;
}

u32 ct_sync_netdev_flags(const struct net_device *dev)
{
	return READ_ONCE(dev->flags);
}

u32 ct_sync_netdev_ifindex(const struct net_device *dev)
{
	return dev->ifindex;
}

u32 ct_sync_netdev_mtu(const struct net_device *dev)
{
	return READ_ONCE(dev->mtu);
}

/* As after a link came up: gratuitous ARP, unsolicited NA. Context: rtnl. */
void ct_sync_netdev_announce(struct net_device *dev)
{
	if (netif_running(dev))
		__netdev_notify_peers(dev);
}
