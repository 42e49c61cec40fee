// SPDX-License-Identifier: GPL-2.0
/*
 * Namespaces, devices and modules that come and go, and the module parameter
 * that module! of the kernel crate cannot express (a string).
 *
 * Order of registration: namespaces, devices, modules; undone in reverse. A
 * namespace is torn down in pre_exit: proc and sysctl files first, then
 * deferred work, then Rust's instance.
 */
#include <linux/kmod.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/proc_fs.h>
#include <linux/rtnetlink.h>
#include <linux/seq_file_net.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "ct_sync.h"
#include "netns.h"

#define CTNETLINK	"nf_conntrack_netlink"

MODULE_SOFTDEP("pre: " CTNETLINK);

static char syncdev[CT_SYNC_NAME_MAX];
module_param_string(syncdev, syncdev, sizeof(syncdev), 0444);
MODULE_PARM_DESC(syncdev, "Interface for replication in the initial namespace; empty is off");

static unsigned int ct_sync_net_id __read_mostly;

struct ct_sync_net *ct_sync_pernet(const struct net *net)
{
	return net_generic(net, ct_sync_net_id);
}

const char *ct_sync_param_syncdev(void)
{
	return syncdev;
}

void *ct_sync_init_net_instance(void)
{
	return ct_sync_pernet(&init_net)->instance;
}

static void reconcile_work(struct work_struct *work)
{
	struct ct_sync_net *sn = container_of(work, struct ct_sync_net, reconcile);

	ct_sync_rs_reconcile(sn->instance);
}

/* Has ct_sync_rs_reconcile() called soon, from a context that may sleep. */
static void reconcile_later(struct net *net)
{
	struct ct_sync_net *sn = ct_sync_pernet(net);

	if (!READ_ONCE(sn->closing))
		queue_work(system_long_wq, &sn->reconcile);
}

static int proc_show(struct seq_file *seq, void *unused)
{
	ct_sync_rs_show(ct_sync_pernet(seq_file_single_net(seq))->instance, seq);
	return 0;
}

static int __net_init net_init(struct net *net)
{
	struct ct_sync_net *sn = ct_sync_pernet(net);
	int err;

	sn->net = net;
	INIT_LIST_HEAD(&sn->l2drop_devices);
	INIT_WORK(&sn->reconcile, reconcile_work);
	INIT_WORK(&sn->announce, ct_sync_l2drop_announce);
	err = ct_sync_rs_net_init(net, &sn->instance);
	if (err < 0)
		return err;
	if (!proc_create_net_single("ct_sync", 0444, net->proc_net, proc_show, NULL)) {
		ct_sync_rs_net_pre_exit(sn->instance);
		ct_sync_rs_net_exit(sn->instance);
		return -ENOMEM;
	}
	return 0;
}

static void net_pre_exit(struct net *net)
{
	struct ct_sync_net *sn = ct_sync_pernet(net);

	remove_proc_entry("ct_sync", net->proc_net);
	/* Under rtnl, as the netdevice notifier that schedules the work. */
	rtnl_lock();
	WRITE_ONCE(sn->closing, true);
	rtnl_unlock();
	cancel_work_sync(&sn->reconcile);
	ct_sync_rs_net_pre_exit(sn->instance);
	ct_sync_notifier_release(net);
	cancel_work_sync(&sn->announce);
}

static void net_exit(struct net *net)
{
	ct_sync_rs_net_exit(ct_sync_pernet(net)->instance);
}

static struct pernet_operations net_ops = {
	.init = net_init,
	.pre_exit = net_pre_exit,
	.exit = net_exit,
	.id = &ct_sync_net_id,
	.size = sizeof(struct ct_sync_net),
};

static int device_event(struct notifier_block *unused, unsigned long event, void *info)
{
	struct net_device *dev = netdev_notifier_info_to_dev(info);

	switch (event) {
	case NETDEV_REGISTER:
	case NETDEV_UNREGISTER:
	case NETDEV_CHANGENAME:
	case NETDEV_CHANGEUPPER:
		ct_sync_l2drop_device_event(dev, event);
		fallthrough;
	case NETDEV_CHANGEMTU:
	case NETDEV_UP:
		reconcile_later(dev_net(dev));
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block device_notifier = { .notifier_call = device_event };

static int module_event(struct notifier_block *unused, unsigned long event, void *data)
{
	const struct module *module = data;
	struct net *net;

	if (strcmp(module->name, CTNETLINK))
		return NOTIFY_DONE;
	ct_sync_notifier_set_loading(event == MODULE_STATE_COMING);
	down_read(&net_rwsem);
	for_each_net(net)
		ct_sync_notifier_follow(net);
	up_read(&net_rwsem);
	return NOTIFY_DONE;
}

static struct notifier_block module_notifier = { .notifier_call = module_event };

int ct_sync_subsystem_register(void)
{
	int err;

	request_module(CTNETLINK);
	err = register_pernet_subsys(&net_ops);
	if (err < 0)
		return err;
	err = register_netdevice_notifier(&device_notifier);
	if (err < 0)
		goto pernet;
	err = register_module_notifier(&module_notifier);
	if (err < 0)
		goto netdevice;
	return 0;

netdevice:
	unregister_netdevice_notifier(&device_notifier);
pernet:
	unregister_pernet_subsys(&net_ops);
	return err;
}

void ct_sync_subsystem_unregister(void)
{
	unregister_module_notifier(&module_notifier);
	unregister_netdevice_notifier(&device_notifier);
	unregister_pernet_subsys(&net_ops);
}

/* Finds an interface by name: its index and MTU, or -ENODEV. */
int ct_sync_device_find(struct net *net, const char *name, u32 *ifindex, u32 *mtu)
{
	struct net_device *dev;
	int err = -ENODEV;

	rcu_read_lock();
	dev = dev_get_by_name_rcu(net, name);
	if (dev) {
		*ifindex = dev->ifindex;
		*mtu = READ_ONCE(dev->mtu);
		err = 0;
	}
	rcu_read_unlock();
	return err;
}

u32 ct_sync_net_inum(struct net *net)
{
	return net->ns.inum;
}
