// SPDX-License-Identifier: GPL-2.0
/*
 * Callback tables for namespaces, devices and modules that come and go, and the
 * module parameter that module! of the kernel crate cannot express (a string).
 *
 * Order of registration: namespaces, devices, modules; undone in reverse. A
 * namespace is torn down in pre_exit: the proc file first, then deferred work,
 * then what Rust keeps.
 */
#include <linux/kmod.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/proc_fs.h>
#include <linux/rtnetlink.h>
#include <linux/seq_file_net.h>
#include <net/netns/generic.h>

#include "pernet.h"

MODULE_VERSION(CT_SYNC_VERSION);
MODULE_SOFTDEP("pre: nf_conntrack_netlink");

static char syncdev[IFNAMSIZ];
module_param_string(syncdev, syncdev, sizeof(syncdev), 0444);
MODULE_PARM_DESC(syncdev, "Interface for replication in the initial namespace; empty is off");

static unsigned int ct_sync_net_id __read_mostly;
struct ct_sync_net_ops ct_sync_ops __read_mostly;

struct ct_sync_net *ct_sync_pernet(const struct net *net)
{
	return net_generic(net, ct_sync_net_id);
}

const char *ct_sync_param_syncdev(void)
{
	return syncdev;
}

const char *ct_sync_version(void)
{
	return CT_SYNC_VERSION;
}

void *ct_sync_init_net_owner(void)
{
	return ct_sync_pernet(&init_net)->owner;
}

static void run_first(struct work_struct *work)
{
	ct_sync_ops.work(container_of(work, struct ct_sync_net, work[0])->owner, 0);
}

static void run_second(struct work_struct *work)
{
	ct_sync_ops.work(container_of(work, struct ct_sync_net, work[1])->owner, 1);
}

/* Has the owner's work @which run soon, in a context that may sleep. */
void ct_sync_work_queue(struct net *net, u32 which)
{
	struct ct_sync_net *sn = ct_sync_pernet(net);

	if (!READ_ONCE(sn->closing))
		queue_work(system_long_wq, &sn->work[which]);
}

static int proc_show(struct seq_file *seq, void *unused)
{
	ct_sync_ops.show(ct_sync_pernet(seq_file_single_net(seq))->owner, seq);
	return 0;
}

static int __net_init net_init(struct net *net)
{
	struct ct_sync_net *sn = ct_sync_pernet(net);
	int err;

	sn->net = net;
	INIT_WORK(&sn->work[0], run_first);
	INIT_WORK(&sn->work[1], run_second);
	err = ct_sync_ops.init(net, &sn->owner);
	if (err < 0)
		return err;
	if (!proc_create_net_single(ct_sync_ops.name, 0444, net->proc_net, proc_show, NULL)) {
		ct_sync_ops.pre_exit(sn->owner);
		ct_sync_ops.exit(sn->owner);
		return -ENOMEM;
	}
	return 0;
}

static void net_pre_exit(struct net *net)
{
	struct ct_sync_net *sn = ct_sync_pernet(net);

	remove_proc_entry(ct_sync_ops.name, net->proc_net);
	/* Under rtnl, as the netdevice notifier that queues work. */
	rtnl_lock();
	WRITE_ONCE(sn->closing, true);
	rtnl_unlock();
	cancel_work_sync(&sn->work[0]);
	ct_sync_ops.pre_exit(sn->owner);
	cancel_work_sync(&sn->work[1]);
}

static void net_exit(struct net *net)
{
	ct_sync_ops.exit(ct_sync_pernet(net)->owner);
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

	ct_sync_ops.device(ct_sync_pernet(dev_net(dev))->owner, dev, event);
	return NOTIFY_DONE;
}

static struct notifier_block device_notifier = { .notifier_call = device_event };

static int module_event(struct notifier_block *unused, unsigned long event, void *data)
{
	const struct module *module = data;
	struct net *net;

	if (!ct_sync_ops.module_matters(module->name, event))
		return NOTIFY_DONE;
	down_read(&net_rwsem);
	for_each_net(net)
		ct_sync_ops.module_changed(ct_sync_pernet(net)->owner);
	up_read(&net_rwsem);
	return NOTIFY_DONE;
}

static struct notifier_block module_notifier = { .notifier_call = module_event };

int ct_sync_subsystem_register(const struct ct_sync_net_ops *ops)
{
	int err;

	ct_sync_ops = *ops;
	request_module("nf_conntrack_netlink");
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

u32 ct_sync_net_inum(struct net *net)
{
	return net->ns.inum;
}
