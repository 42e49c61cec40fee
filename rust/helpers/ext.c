// SPDX-License-Identifier: GPL-2.0
/*
 * Extensions of an entry, the ones that this kernel has; and security contexts.
 * They can be added only before an entry is confirmed: see rust/kapi/new_conn.rs.
 */
#include <linux/security.h>
#include <linux/timekeeping.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_acct.h>
#include <net/netfilter/nf_conntrack_ecache.h>
#include <net/netfilter/nf_conntrack_extend.h>
#include <net/netfilter/nf_conntrack_labels.h>
#include <net/netfilter/nf_conntrack_seqadj.h>
#include <net/netfilter/nf_conntrack_synproxy.h>
#include <net/netfilter/nf_conntrack_timestamp.h>
#include <net/netfilter/nf_nat.h>

#include "abi.h"

struct nf_conn_labels *ct_sync_labels(const struct nf_conn *ct)
{
	return nf_ct_labels_find(ct);
}

struct nf_conn_acct *ct_sync_acct(const struct nf_conn *ct)
{
	return nf_conn_acct_find(ct);
}

struct nf_conn_tstamp *ct_sync_tstamp(const struct nf_conn *ct)
{
	return nf_conn_tstamp_find(ct);
}

struct nf_conn_synproxy *ct_sync_synproxy(const struct nf_conn *ct)
{
	return nfct_synproxy(ct);
}

struct nf_conn_seqadj *ct_sync_seqadj(const struct nf_conn *ct)
{
	return nfct_seqadj(ct);
}

/* Which events an entry reports, as bits; none without the extension. */
u32 ct_sync_ecache_mask(const struct nf_conn *ct)
{
	const struct nf_conntrack_ecache *ecache = nf_ct_ecache_find(ct);

	return ecache ? ecache->ctmask : 0;
}

/* Whether an entry has an extension, at the latest now. */
static bool has(struct nf_conn *ct, enum nf_ct_ext_id id)
{
	return nf_ct_ext_exist(ct, id) || nf_ct_ext_add(ct, id, GFP_ATOMIC);
}

/* A kernel without an extension is content without it. */
bool ct_sync_add_labels(struct nf_conn *ct)
{
#ifdef CONFIG_NF_CONNTRACK_LABELS
	return has(ct, NF_CT_EXT_LABELS);
#else
	return true;
#endif
}

/* With @always also where the namespace does not count. */
bool ct_sync_add_acct(struct nf_conn *ct, bool always)
{
	if (always)
		return has(ct, NF_CT_EXT_ACCT);
	nf_ct_acct_ext_add(ct, GFP_ATOMIC);
	return true;
}

bool ct_sync_add_tstamp(struct nf_conn *ct, bool always)
{
#ifdef CONFIG_NF_CONNTRACK_TIMESTAMP
	if (always)
		return has(ct, NF_CT_EXT_TSTAMP);
	nf_ct_tstamp_ext_add(ct, GFP_ATOMIC);
#endif
	return true;
}

bool ct_sync_add_synproxy(struct nf_conn *ct)
{
	return nfct_synproxy_ext_add(ct);
}

bool ct_sync_add_seqadj(struct nf_conn *ct)
{
	return nfct_seqadj_ext_add(ct);
}

bool ct_sync_add_ecache(struct nf_conn *ct)
{
	return nf_ct_ecache_ext_add(ct, 0, 0, GFP_ATOMIC);
}

bool ct_sync_add_nat(struct nf_conn *ct)
{
	return nf_ct_nat_ext_add(ct);
}

/* The index of the interface to which a masqueraded entry is tied, or 0. */
int *ct_sync_masquerade(const struct nf_conn *ct)
{
#if IS_ENABLED(CONFIG_NF_NAT_MASQUERADE)
	struct nf_conn_nat *nat = nfct_nat(ct);

	return nat ? &nat->masq_index : NULL;
#else
	return NULL;
#endif
}

bool ct_sync_has_synproxy(void)
{
	return IS_ENABLED(CONFIG_NETFILTER_SYNPROXY);
}

bool ct_sync_has_secmark(void)
{
	return IS_ENABLED(CONFIG_NF_CONNTRACK_SECMARK);
}

bool ct_sync_tracks_sctp(void)
{
	return IS_ENABLED(CONFIG_NF_CT_PROTO_SCTP);
}

u64 ct_sync_real_ns(void)
{
	return ktime_get_real_ns();
}

/* The context of a mark, without NUL: its length, -ENAMETOOLONG, or what the LSM says. */
long ct_sync_secctx(u32 secmark, u8 *context, unsigned long context_max)
{
	struct lsm_context text;
	int err = security_secid_to_secctx(secmark, &text);
	size_t length;

	if (err < 0)
		return err;
	/* Some modules count the NUL, some do not. */
	length = strnlen(text.context, text.len);
	if (length <= context_max)
		memcpy(context, text.context, length);
	security_release_secctx(&text);
	return length <= context_max ? length : -ENAMETOOLONG;
}
