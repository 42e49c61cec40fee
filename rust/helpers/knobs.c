// SPDX-License-Identifier: GPL-2.0
/*
 * The sysctl files. Which there are, and what they mean, is decided in
 * rust/config.rs: here are only the two folders and the copying of text.
 *
 * Context: process. unregister_net_sysctl_table() waits for handlers that run.
 */
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysctl.h>
#include <net/net_namespace.h>

#include "ct_sync.h"

/* Where they belong, and where hooks written in 2005 look for them. */
static const char *const folders[] = {
	"net/netfilter/ct_sync",
	"net/ipv4/netfilter/ct_sync",
};

struct knobs {
	struct ctl_table_header *headers[ARRAY_SIZE(folders)];
	struct ctl_table tables[];
};

static int handle_knob(const struct ctl_table *table, int write, void *buffer,
		       size_t *length, loff_t *position)
{
	u32 index = (u32)(unsigned long)table->extra2;
	char text[CT_SYNC_KNOB_MAX] = "";
	struct ctl_table copy = { .data = text, .maxlen = sizeof(text), .mode = table->mode };
	int err;

	if (!write) {
		err = ct_sync_rs_knob_read(table->extra1, index, text, sizeof(text));
		return err < 0 ? err : proc_dostring(&copy, 0, buffer, length, position);
	}
	if (*position)
		return -EINVAL;
	if (*length >= sizeof(text))
		return -E2BIG;
	err = proc_dostring(&copy, 1, buffer, length, position);
	if (err < 0)
		return err;
	return ct_sync_rs_knob_write(table->extra1, index, text, strlen(text));
}

/* Returns what ct_sync_knobs_unregister() takes, or NULL. */
void *ct_sync_knobs_register(struct net *net, void *instance,
			     const char *const *names, const u16 *modes, u32 count)
{
	struct knobs *knobs;
	u32 i;

	knobs = kzalloc(struct_size(knobs, tables, count), GFP_KERNEL);
	if (!knobs)
		return NULL;
	for (i = 0; i < count; i++) {
		knobs->tables[i].procname = names[i];
		knobs->tables[i].mode = modes[i];
		knobs->tables[i].maxlen = CT_SYNC_KNOB_MAX;
		knobs->tables[i].proc_handler = handle_knob;
		knobs->tables[i].extra1 = instance;
		knobs->tables[i].extra2 = (void *)(unsigned long)i;
	}
	for (i = 0; i < ARRAY_SIZE(folders); i++) {
		knobs->headers[i] = register_net_sysctl_sz(net, folders[i], knobs->tables, count);
		if (!knobs->headers[i]) {
			ct_sync_knobs_unregister(knobs);
			return NULL;
		}
	}
	return knobs;
}

void ct_sync_knobs_unregister(void *pointer)
{
	struct knobs *knobs = pointer;
	u32 i = ARRAY_SIZE(folders);

	while (i--)
		if (knobs->headers[i])
			unregister_net_sysctl_table(knobs->headers[i]);
	kfree(knobs);
}
