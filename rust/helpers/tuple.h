/* SPDX-License-Identifier: GPL-2.0 */
/* Between the flat keys of ct_sync.h and the kernel's tuples and zones. */
#ifndef CT_SYNC_TUPLE_H
#define CT_SYNC_TUPLE_H

#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_core.h>
#include <net/netfilter/nf_conntrack_zones.h>

#include "ct_sync.h"

/* The kernel's status bits that mean the same on every node. */
#define CT_SYNC_STATUS_SENT \
	(IPS_SEEN_REPLY | IPS_ASSURED | IPS_NAT_MASK | IPS_FIXED_TIMEOUT)

static inline void ct_sync_tuple_read(const struct nf_conntrack_tuple *tuple,
				      struct ct_sync_endpoints *ends)
{
	size_t length = tuple->src.l3num == NFPROTO_IPV6 ? 16 : 4;

	memcpy(ends->src, &tuple->src.u3, length);
	memcpy(ends->dst, &tuple->dst.u3, length);
	ends->src_port = ntohs(tuple->src.u.all);
	ends->dst_port = ntohs(tuple->dst.u.all);
}

static inline void ct_sync_tuple_write(const struct ct_sync_endpoints *ends, u8 family,
				       u8 protocol, u8 dir, struct nf_conntrack_tuple *tuple)
{
	size_t length = family == 6 ? 16 : 4;

	memset(tuple, 0, sizeof(*tuple));
	tuple->src.l3num = family == 6 ? NFPROTO_IPV6 : NFPROTO_IPV4;
	memcpy(&tuple->src.u3, ends->src, length);
	memcpy(&tuple->dst.u3, ends->dst, length);
	tuple->src.u.all = htons(ends->src_port);
	tuple->dst.u.all = htons(ends->dst_port);
	tuple->dst.protonum = protocol;
	tuple->dst.dir = dir;
}

static inline void ct_sync_zone_write(const struct ct_sync_key *key,
				      struct nf_conntrack_zone *zone)
{
	nf_ct_zone_init(zone, key->zone, key->zone_dir, 0);
}

/*
 * The entry that has one of its tuples where the @of direction of @key's
 * connection has @ends, with a reference. Each direction is looked up in the
 * zone that it is in: one direction may be in a zone and the other in none.
 */
static inline struct nf_conn *ct_sync_find(struct net *net, const struct ct_sync_key *key,
					   enum ip_conntrack_dir of,
					   const struct ct_sync_endpoints *ends, u8 *dir)
{
	struct nf_conntrack_tuple_hash *h;
	struct nf_conntrack_tuple tuple;
	struct nf_conntrack_zone zone;

	ct_sync_zone_write(key, &zone);
	nf_ct_zone_init(&zone, nf_ct_zone_id(&zone, of), NF_CT_DEFAULT_ZONE_DIR, 0);
	ct_sync_tuple_write(ends, key->family, key->protocol, IP_CT_DIR_ORIGINAL, &tuple);
	h = nf_conntrack_find_get(net, &zone, &tuple);
	if (!h)
		return NULL;
	*dir = NF_CT_DIRECTION(h);
	return nf_ct_tuplehash_to_ctrack(h);
}

/* Whether an entry is in the zone of a key. */
static inline bool ct_sync_in_zone(const struct nf_conn *ct, const struct ct_sync_key *key)
{
	const struct nf_conntrack_zone *zone = nf_ct_zone(ct);

	return zone->id == key->zone && zone->dir == key->zone_dir;
}

/* The entry whose original direction is @key, with a reference. */
static inline struct nf_conn *ct_sync_find_original(struct net *net,
						    const struct ct_sync_key *key)
{
	struct nf_conn *ct;
	u8 dir;

	ct = ct_sync_find(net, key, IP_CT_DIR_ORIGINAL, &key->original, &dir);
	if (ct && (dir != IP_CT_DIR_ORIGINAL || !ct_sync_in_zone(ct, key))) {
		nf_ct_put(ct);
		return NULL;
	}
	return ct;
}

/*
 * The same, for whom it matters that an entry which is there is found: a lookup
 * may miss one that a resize of the hash table is moving. A resize holds all
 * locks of the table until it is over.
 */
static inline struct nf_conn *ct_sync_find_surely(struct net *net, const struct ct_sync_key *key)
{
	struct nf_conn *ct = ct_sync_find_original(net, key);

	if (ct)
		return ct;
	local_bh_disable();
	nf_conntrack_lock(&nf_conntrack_locks[0]);
	spin_unlock(&nf_conntrack_locks[0]);
	local_bh_enable();
	return ct_sync_find_original(net, key);
}

#endif /* CT_SYNC_TUPLE_H */
