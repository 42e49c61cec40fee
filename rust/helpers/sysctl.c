// SPDX-License-Identifier: GPL-2.0
/*
 * Sysctl files whose text Rust reads and writes: the folders and the copying.
 *
 * Context: process. unregister_net_sysctl_table() waits for handlers that run.
 */
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysctl.h>
#include <net/net_namespace.h>

#include "abi.h"

struct ct_sync_sysctl {
	const struct ct_sync_sysctl_ops *ops;
	void *owner;
	struct ctl_table_header *headers[CT_SYNC_SYSCTL_FOLDERS];
	struct ctl_table tables[];
};

static int handle(const struct ctl_table *table, int write, void *buffer,
		  size_t *length, loff_t *position)
{
	const struct ct_sync_sysctl *sysctl = table->extra1;
	u32 index = (u32)(unsigned long)table->extra2;
	char text[CT_SYNC_SYSCTL_MAX] = "";
	struct ctl_table copy = { .data = text, .maxlen = sizeof(text), .mode = table->mode };
	int err;

	if (!write) {
		err = sysctl->ops->read(sysctl->owner, index, text, sizeof(text));
		return err < 0 ? err : proc_dostring(&copy, 0, buffer, length, position);
	}
	if (*position)
		return -EINVAL;
	if (*length >= sizeof(text))
		return -E2BIG;
	err = proc_dostring(&copy, 1, buffer, length, position);
	if (err < 0)
		return err;
	return sysctl->ops->write(sysctl->owner, index, text, strlen(text));
}

static void fill(struct ct_sync_sysctl *sysctl, const struct ct_sync_sysctl_file *files, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++)
		sysctl->tables[i] = (struct ctl_table){
			.procname = files[i].name, .mode = files[i].mode,
			.maxlen = CT_SYNC_SYSCTL_MAX, .proc_handler = handle,
			.extra1 = sysctl, .extra2 = (void *)(unsigned long)i,
		};
}

/* Returns what ct_sync_sysctl_unregister() takes, or NULL. */
struct ct_sync_sysctl *ct_sync_sysctl_register(struct net *net,
					       const struct ct_sync_sysctl_ops *ops, void *owner,
					       const struct ct_sync_sysctl_file *files, u32 count)
{
	struct ct_sync_sysctl *sysctl = kzalloc(struct_size(sysctl, tables, count), GFP_KERNEL);
	u32 i;

	if (!sysctl)
		return NULL;
	sysctl->ops = ops;
	sysctl->owner = owner;
	fill(sysctl, files, count);
	for (i = 0; i < CT_SYNC_SYSCTL_FOLDERS; i++) {
		sysctl->headers[i] = register_net_sysctl_sz(net, ops->folders[i], sysctl->tables, count);
		if (!sysctl->headers[i]) {
			ct_sync_sysctl_unregister(sysctl);
			return NULL;
		}
	}
	return sysctl;
}

void ct_sync_sysctl_unregister(struct ct_sync_sysctl *sysctl)
{
	u32 i = CT_SYNC_SYSCTL_FOLDERS;

	while (i--)
		if (sysctl->headers[i])
			unregister_net_sysctl_table(sysctl->headers[i]);
	kfree(sysctl);
}
