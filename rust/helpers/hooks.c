// SPDX-License-Identifier: GPL-2.0
/*
 * Packet hooks: notrack, foreign datagrams, connections with a helper, l2drop.
 *
 * Context: the hooks run in softirq and read only single words of struct
 * ct_sync_net. The list of l2drop devices is changed under rtnl.
 * nf_unregister_net_hook() returns after no hook runs any more on a device that
 * goes away; those of a namespace end before its pre_exit returns.
 */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_netdev.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <linux/udp.h>
#include <net/ip.h>
#include <net/netfilter/nf_conntrack.h>

#include "ct_sync.h"
#include "netns.h"

/* Before conntrack (-200) and with the raw table, where NOTRACK belongs. */
#define NOTRACK_PRIORITY	(-300)
/* Behind conntrack, which finds the connection of a packet. */
#define HELPED_PRIORITY		(NF_IP_PRI_CONNTRACK + 1)
/* First of all, so that nothing else acts on a frame that is dropped. */
#define L2DROP_PRIORITY		INT_MIN

#define PROTOCOL_VRRP		112	/* RFC 9568 */
#define PORT_BFD		3784	/* RFC 5881 */
#define PORT_BFD_ECHO		3785	/* RFC 5881 */
#define PORT_BFD_MULTIHOP	4784	/* RFC 5883 */
#define PORT_BFD_LAG		6784	/* RFC 7130 */

enum l2drop_mode {
	L2DROP_OFF = 0,
	L2DROP_ALL = 1,
	L2DROP_BUT_VRRP = 2,
};

static unsigned int notrack_hook(void *priv, struct sk_buff *skb,
				 const struct nf_hook_state *state)
{
	const struct ct_sync_net *sn = priv;
	const struct net_device *dev = state->in ?: state->out;
	u32 ifindex = READ_ONCE(sn->syncdev_ifindex);

	if (ifindex && dev && dev->ifindex == ifindex && READ_ONCE(sn->notrack) &&
	    !skb_nfct(skb))
		nf_ct_set(skb, NULL, IP_CT_UNTRACKED);
	return NF_ACCEPT;
}

static bool is_udp_to(const struct sk_buff *skb, u8 family, u16 port)
{
	unsigned int offset = skb_network_offset(skb);
	const struct udphdr *udp;
	struct udphdr udp_copy;

	if (family == NFPROTO_IPV4) {
		if (ip_hdr(skb)->protocol != IPPROTO_UDP || ip_is_fragment(ip_hdr(skb)))
			return false;
		offset += ip_hdrlen(skb);
	} else {
		if (ipv6_hdr(skb)->nexthdr != IPPROTO_UDP)
			return false;
		offset += sizeof(struct ipv6hdr);
	}
	udp = skb_header_pointer(skb, offset, sizeof(udp_copy), &udp_copy);
	return udp && ntohs(udp->dest) == port;
}

/* The socket is bound to syncdev and never sees these: only count them. */
static unsigned int local_in_hook(void *priv, struct sk_buff *skb,
				  const struct nf_hook_state *state)
{
	struct ct_sync_net *sn = priv;
	u32 ifindex = READ_ONCE(sn->syncdev_ifindex);

	if (ifindex && state->in && state->in->ifindex != ifindex &&
	    is_udp_to(skb, state->pf, READ_ONCE(sn->port)))
		atomic64_inc(&sn->wrong_device);
	return NF_ACCEPT;
}

/*
 * A helper's NAT changes sequence numbers without an event. What a packet has
 * changed is told of when the next one comes, in whatever direction.
 */
static unsigned int helped_hook(void *priv, struct sk_buff *skb,
				const struct nf_hook_state *state)
{
	enum ip_conntrack_info info;
	struct nf_conn *ct = nf_ct_get(skb, &info);

	if (ct && test_bit(IPS_HELPER_BIT, &ct->status))
		ct_sync_notifier_packet(ct);
	return NF_ACCEPT;
}

static const struct nf_hook_ops hooks[] = {
	{ .hook = notrack_hook, .pf = NFPROTO_INET,
	  .hooknum = NF_INET_PRE_ROUTING, .priority = NOTRACK_PRIORITY },
	{ .hook = notrack_hook, .pf = NFPROTO_INET,
	  .hooknum = NF_INET_LOCAL_OUT, .priority = NOTRACK_PRIORITY },
	{ .hook = helped_hook, .pf = NFPROTO_INET,
	  .hooknum = NF_INET_PRE_ROUTING, .priority = HELPED_PRIORITY },
	{ .hook = local_in_hook, .pf = NFPROTO_INET,
	  .hooknum = NF_INET_LOCAL_IN, .priority = NOTRACK_PRIORITY },
};

static struct nf_hook_ops *hooks_of(struct ct_sync_net *sn)
{
	struct nf_hook_ops *ops = kmemdup(hooks, sizeof(hooks), GFP_KERNEL);
	size_t i;

	for (i = 0; ops && i < ARRAY_SIZE(hooks); i++)
		ops[i].priv = sn;
	return ops;
}

int ct_sync_hooks_register(struct net *net)
{
	struct ct_sync_net *sn = ct_sync_pernet(net);
	int err;

	sn->hooks = hooks_of(sn);
	if (!sn->hooks)
		return -ENOMEM;
	err = nf_register_net_hooks(net, sn->hooks, ARRAY_SIZE(hooks));
	if (err < 0) {
		kfree(sn->hooks);
		sn->hooks = NULL;
	}
	return err;
}

void ct_sync_hooks_unregister(struct net *net)
{
	struct ct_sync_net *sn = ct_sync_pernet(net);

	if (!sn->hooks)
		return;
	nf_unregister_net_hooks(net, sn->hooks, ARRAY_SIZE(hooks));
	/* The core frees its own copy of the pointers after a grace period. */
	synchronize_net();
	kfree(sn->hooks);
	sn->hooks = NULL;
}

/* Which interface and port the hooks look for; @ifindex 0 is none. */
void ct_sync_hooks_set_syncdev(struct net *net, u32 ifindex, u16 port, bool notrack)
{
	struct ct_sync_net *sn = ct_sync_pernet(net);

	WRITE_ONCE(sn->port, port);
	WRITE_ONCE(sn->notrack, notrack);
	WRITE_ONCE(sn->syncdev_ifindex, ifindex);
}

u64 ct_sync_hooks_wrong_device(struct net *net)
{
	return atomic64_read(&ct_sync_pernet(net)->wrong_device);
}

/* --- l2drop --------------------------------------------------------------- */

/* The two hooks of one device. */
struct l2drop_device {
	struct list_head list;
	struct net_device *dev;
	struct nf_hook_ops ingress;
	struct nf_hook_ops egress;
};

static bool is_bfd_port(__be16 port)
{
	switch (ntohs(port)) {
	case PORT_BFD:
	case PORT_BFD_ECHO:
	case PORT_BFD_MULTIHOP:
	case PORT_BFD_LAG:
		return true;
	default:
		return false;
	}
}

static bool is_bfd(const struct sk_buff *skb, unsigned int offset)
{
	struct udphdr copy;
	const struct udphdr *udp = skb_header_pointer(skb, offset, sizeof(copy), &copy);

	return udp && is_bfd_port(udp->dest);
}

/* VRRP and BFD, of IPv4 and IPv6: what tells the nodes which of them is alive. */
static bool is_vrrp_or_bfd(const struct sk_buff *skb)
{
	unsigned int offset = skb_network_offset(skb);
	const struct iphdr *ip;
	const struct ipv6hdr *ip6;
	struct ipv6hdr copy;

	switch (skb->protocol) {
	case htons(ETH_P_IP):
		ip = skb_header_pointer(skb, offset, sizeof(*ip), &copy);
		if (!ip || ip_is_fragment(ip))
			return false;
		return ip->protocol == PROTOCOL_VRRP ||
		       (ip->protocol == IPPROTO_UDP && is_bfd(skb, offset + ip->ihl * 4));
	case htons(ETH_P_IPV6):
		ip6 = skb_header_pointer(skb, offset, sizeof(*ip6), &copy);
		if (!ip6)
			return false;
		return ip6->nexthdr == PROTOCOL_VRRP ||
		       (ip6->nexthdr == IPPROTO_UDP && is_bfd(skb, offset + sizeof(*ip6)));
	default:
		return false;
	}
}

static unsigned int l2drop_hook(void *priv, struct sk_buff *skb,
				const struct nf_hook_state *state)
{
	struct ct_sync_net *sn = priv;

	if (!READ_ONCE(sn->dropping))
		return NF_ACCEPT;
	if (READ_ONCE(sn->l2drop_mode) == L2DROP_BUT_VRRP && is_vrrp_or_bfd(skb))
		return NF_ACCEPT;
	atomic64_inc(&sn->l2dropped);
	return NF_DROP;
}

/* Frames of syncdev pass through the devices below it (VLAN, bond, bridge). */
static bool is_exempt(const struct ct_sync_net *sn, struct net_device *dev)
{
	struct net_device *syncdev;
	bool below = false;

	if (dev->flags & IFF_LOOPBACK || !strcmp(dev->name, sn->l2drop_syncdev))
		return true;
	syncdev = __dev_get_by_name(sn->net, sn->l2drop_syncdev);
	if (syncdev) {
		rcu_read_lock();
		below = netdev_has_upper_dev_all_rcu(dev, syncdev);
		rcu_read_unlock();
	}
	return below;
}

static void l2drop_remove(struct ct_sync_net *sn, struct l2drop_device *entry)
{
	nf_unregister_net_hook(sn->net, &entry->egress);
	nf_unregister_net_hook(sn->net, &entry->ingress);
	list_del(&entry->list);
	synchronize_net();
	kfree(entry);
}

static int l2drop_add(struct ct_sync_net *sn, struct net_device *dev)
{
	struct l2drop_device *entry;
	int err;

	entry = kzalloc_obj(*entry, GFP_KERNEL);
	if (!entry)
		return -ENOMEM;
	entry->dev = dev;
	entry->ingress = (struct nf_hook_ops){
		.hook = l2drop_hook, .priv = sn, .dev = dev, .pf = NFPROTO_NETDEV,
		.hooknum = NF_NETDEV_INGRESS, .priority = L2DROP_PRIORITY,
	};
	entry->egress = entry->ingress;
	entry->egress.hooknum = NF_NETDEV_EGRESS;

	err = nf_register_net_hook(sn->net, &entry->ingress);
	if (err < 0)
		goto free;
	err = nf_register_net_hook(sn->net, &entry->egress);
	if (err < 0)
		goto unregister;
	list_add(&entry->list, &sn->l2drop_devices);
	return 0;

unregister:
	nf_unregister_net_hook(sn->net, &entry->ingress);
	synchronize_net();
free:
	kfree(entry);
	return err;
}

static void l2drop_remove_all(struct ct_sync_net *sn)
{
	struct l2drop_device *entry, *next;

	list_for_each_entry_safe(entry, next, &sn->l2drop_devices, list)
		l2drop_remove(sn, entry);
}

static struct l2drop_device *l2drop_find(struct ct_sync_net *sn, const struct net_device *dev)
{
	struct l2drop_device *entry;

	list_for_each_entry(entry, &sn->l2drop_devices, list)
		if (entry->dev == dev)
			return entry;
	return NULL;
}

/* Gives one device hooks or takes them off, by what it is now. */
static int l2drop_update(struct ct_sync_net *sn, struct net_device *dev)
{
	struct l2drop_device *entry = l2drop_find(sn, dev);
	bool exempt = is_exempt(sn, dev);

	if (exempt && entry)
		l2drop_remove(sn, entry);
	return exempt || entry ? 0 : l2drop_add(sn, dev);
}

static int l2drop_update_all(struct ct_sync_net *sn)
{
	struct net_device *dev;
	int err;

	for_each_netdev(sn->net, dev) {
		err = l2drop_update(sn, dev);
		if (err < 0)
			return err;
	}
	return 0;
}

/*
 * Puts the hooks on all devices of the namespace but loopback, @syncdev and what
 * is below it, or removes them (@mode 0). Whether they drop is said by
 * ct_sync_l2drop_effective().
 */
int ct_sync_l2drop_set(struct net *net, u32 mode, const char *syncdev)
{
	struct ct_sync_net *sn = ct_sync_pernet(net);
	int err = 0;

	rtnl_lock();
	strscpy(sn->l2drop_syncdev, syncdev);
	WRITE_ONCE(sn->l2drop_mode, mode);
	if (mode != L2DROP_OFF)
		err = l2drop_update_all(sn);
	if (err < 0)
		WRITE_ONCE(sn->l2drop_mode, L2DROP_OFF);
	if (sn->l2drop_mode == L2DROP_OFF)
		l2drop_remove_all(sn);
	rtnl_unlock();
	return err;
}

/*
 * Tells the neighbours, as after a link came up: what this node said of its
 * addresses while it was blocked (gratuitous ARP, unsolicited NA) was dropped.
 */
void ct_sync_l2drop_announce(struct work_struct *work)
{
	struct ct_sync_net *sn = container_of(work, struct ct_sync_net, announce);
	struct l2drop_device *entry;

	rtnl_lock();
	list_for_each_entry(entry, &sn->l2drop_devices, list)
		if (netif_running(entry->dev))
			__netdev_notify_peers(entry->dev);
	rtnl_unlock();
}

/* Takes effect at once: one store, which every hook reads. */
void ct_sync_l2drop_effective(struct net *net, bool dropping)
{
	struct ct_sync_net *sn = ct_sync_pernet(net);
	bool lifted = READ_ONCE(sn->dropping) && !dropping;

	WRITE_ONCE(sn->dropping, dropping);
	if (lifted && READ_ONCE(sn->l2drop_mode) != L2DROP_OFF)
		queue_work(system_long_wq, &sn->announce);
}

u64 ct_sync_l2drop_count(struct net *net)
{
	return atomic64_read(&ct_sync_pernet(net)->l2dropped);
}

/*
 * Follows devices that come and go, are renamed, or get another above them:
 * syncdev may be among these. Context: netdevice notifier, rtnl held.
 */
void ct_sync_l2drop_device_event(struct net_device *dev, unsigned long event)
{
	struct ct_sync_net *sn = ct_sync_pernet(dev_net(dev));
	struct l2drop_device *entry = l2drop_find(sn, dev);

	if (sn->l2drop_mode == L2DROP_OFF)
		return;
	if (event != NETDEV_UNREGISTER) {
		if (l2drop_update_all(sn) < 0)
			netdev_err(dev, "ct_sync: no memory for l2drop: not all devices are blocked\n");
	} else if (entry) {
		l2drop_remove(sn, entry);
	}
}
