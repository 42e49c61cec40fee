// SPDX-License-Identifier: GPL-2.0
/*
 * Fields of struct nf_conn, whose layout depends on the configuration of the
 * kernel, and the operations on it that are macros or inline functions.
 *
 * What the caller must hold is said in rust/kapi/conn.rs.
 */
#include <linux/bitops.h>
#include <linux/jiffies.h>
#include <linux/netfilter/nf_conntrack_proto_gre.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_zones.h>

#include "abi.h"

#if BITS_PER_LONG != 64
#error "ct_sync needs the upper half of nf_conn.status: 64-bit kernels only"
#endif
/* Bits 32 and up are free; which of them are ours is in rust/conntrack/status.rs. */
static_assert(__IPS_MAX_BIT <= 32);

void ct_sync_conn_get(struct nf_conn *ct)
{
	nf_conntrack_get(&ct->ct_general);
}

void ct_sync_conn_put(struct nf_conn *ct)
{
	nf_ct_put(ct);
}

void ct_sync_conn_set_count(struct nf_conn *ct, int count)
{
	/* Lockless lookups may still see the object's former life: as in init_conntrack(). */
	smp_wmb();
	refcount_set(&ct->ct_general.use, count);
}

void ct_sync_conn_lock(struct nf_conn *ct)
{
	spin_lock_bh(&ct->lock);
}

void ct_sync_conn_unlock(struct nf_conn *ct)
{
	spin_unlock_bh(&ct->lock);
}

struct net *ct_sync_conn_net(const struct nf_conn *ct)
{
	return nf_ct_net(ct);
}

const struct nf_conntrack_tuple *ct_sync_conn_tuple(const struct nf_conn *ct, u8 dir)
{
	return nf_ct_tuple(ct, dir);
}

const struct nf_conntrack_zone *ct_sync_conn_zone(const struct nf_conn *ct)
{
	return nf_ct_zone(ct);
}

unsigned long *ct_sync_conn_status(struct nf_conn *ct)
{
	return &ct->status;
}

u32 *ct_sync_conn_timeout(struct nf_conn *ct)
{
	return &ct->timeout;
}

/* NULL in a kernel without connection marks; so with all that follow. */
u32 *ct_sync_conn_mark(struct nf_conn *ct)
{
#ifdef CONFIG_NF_CONNTRACK_MARK
	return &ct->mark;
#else
	return NULL;
#endif
}

u32 *ct_sync_conn_secmark(struct nf_conn *ct)
{
#ifdef CONFIG_NF_CONNTRACK_SECMARK
	return &ct->secmark;
#else
	return NULL;
#endif
}

struct nf_conn **ct_sync_conn_master(struct nf_conn *ct)
{
	return &ct->master;
}

struct ip_ct_tcp *ct_sync_conn_tcp(struct nf_conn *ct)
{
	return &ct->proto.tcp;
}

struct ip_ct_sctp *ct_sync_conn_sctp(struct nf_conn *ct)
{
#ifdef CONFIG_NF_CT_PROTO_SCTP
	return &ct->proto.sctp;
#else
	return NULL;
#endif
}

struct nf_ct_gre *ct_sync_conn_gre(struct nf_conn *ct)
{
#ifdef CONFIG_NF_CT_PROTO_GRE
	return &ct->proto.gre;
#else
	return NULL;
#endif
}

void ct_sync_bit_set(unsigned long *word, u32 bit)
{
	set_bit(bit, word);
}

/* This and the next are full barriers, also when they change nothing. */
bool ct_sync_bit_test_and_set(unsigned long *word, u32 bit)
{
	return test_and_set_bit(bit, word);
}

bool ct_sync_bit_test_and_clear(unsigned long *word, u32 bit)
{
	return test_and_clear_bit(bit, word);
}

u32 ct_sync_jiffies(void)
{
	return nfct_time_stamp;
}

u32 ct_sync_hz(void)
{
	return HZ;
}
