/* SPDX-License-Identifier: GPL-2.0 */
/* Relations of an entry that is being read or written; see relations.c and expectations.c. */
#ifndef CT_SYNC_RELATIONS_H
#define CT_SYNC_RELATIONS_H

#include "ct_sync.h"

struct nf_conntrack_helper;

struct nf_conntrack_helper *ct_sync_helper_of(const struct nf_conn *ct);
struct nf_conntrack_helper *ct_sync_helper_find(const u8 *name, u8 family, u8 protocol);
void ct_sync_expectations_count(const struct nf_conn *ct, u8 *sent, u8 *left_out);
void ct_sync_relations_read(struct nf_conn *ct, struct ct_sync_relations *relations);
u32 ct_sync_relations_prepare(const struct ct_sync_entry *entry);
bool ct_sync_relations_add(struct nf_conn *ct, const struct ct_sync_entry *entry);
u32 ct_sync_relations_tie(struct net *net, struct nf_conn *ct, const struct ct_sync_entry *entry);
bool ct_sync_relations_fit(const struct nf_conn *ct, const struct ct_sync_entry *entry);
bool ct_sync_relations_are_as(struct nf_conn *ct, const struct ct_sync_entry *entry);
void ct_sync_relations_write(struct nf_conn *ct, const struct ct_sync_entry *entry);
void ct_sync_relations_map_keys(struct nf_conn *ct);
bool ct_sync_changes_silently(const struct nf_conn *ct);

#endif /* CT_SYNC_RELATIONS_H */
