/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The bits of ours in nf_conn.status.
 *
 * The kernel uses bits 0 to 15 (enum ip_conntrack_status), and netlink shows
 * the low 32; the status is an unsigned long, so on 64-bit machines the upper
 * half is free. All changes are atomic, as the kernel's own are.
 */
#ifndef CT_SYNC_STATUS_H
#define CT_SYNC_STATUS_H

#include <linux/bitops.h>
#include <net/netfilter/nf_conntrack.h>

#if BITS_PER_LONG != 64
#error "ct_sync needs the upper half of nf_conn.status: 64-bit kernels only"
#endif
static_assert(__IPS_MAX_BIT <= 32);

/* An event was queued, and the sender has not read the entry since. */
#define CT_SYNC_DIRTY_BIT	32
/* Peers know this entry: it was sent, or it was received. */
#define CT_SYNC_SHARED_BIT	33
/* IP_CT_TCP_FLAG_BE_LIBERAL was set here, by us: original, reply direction. */
#define CT_SYNC_GRACE_BIT	34
#define CT_SYNC_GRACE_MASK	(3UL << CT_SYNC_GRACE_BIT)
/* Its timeout is fixed, by us: it waits for the primary's word. */
#define CT_SYNC_PINNED_BIT	36
/* The resync or walk that touched it last, 1 to 255; 0 is none. */
#define CT_SYNC_MARK_SHIFT	40
#define CT_SYNC_MARK_MASK	(0xffUL << CT_SYNC_MARK_SHIFT)

static inline u8 ct_sync_mark_of(const struct nf_conn *ct)
{
	return (READ_ONCE(ct->status) & CT_SYNC_MARK_MASK) >> CT_SYNC_MARK_SHIFT;
}

static inline void ct_sync_mark_set(struct nf_conn *ct, u8 mark)
{
	unsigned long old = READ_ONCE(ct->status), new;

	do {
		new = (old & ~CT_SYNC_MARK_MASK) |
		      ((unsigned long)mark << CT_SYNC_MARK_SHIFT);
	} while (old != new && !try_cmpxchg(&ct->status, &old, new));
}

/* Before an entry is deleted because the primary does not have it: that is no loss. */
static inline void ct_sync_renounce(struct nf_conn *ct)
{
	clear_bit(CT_SYNC_SHARED_BIT, &ct->status);
	/* Pairs with ct_sync_take_loss(), which is called by whoever sets DYING. */
	smp_mb__after_atomic();
}

#endif /* CT_SYNC_STATUS_H */
