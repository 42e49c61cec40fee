/* SPDX-License-Identifier: GPL-2.0 */
/* Timeouts of copies on a backup. */
#ifndef CT_SYNC_TIMEOUT_H
#define CT_SYNC_TIMEOUT_H

#include <net/netfilter/nf_conntrack.h>

#include "status.h"

/*
 * The timeout of a replicated entry on a backup, in jiffies: half of what fits
 * (at 250 Hz 49 days), so that time arithmetic on it cannot overflow. No event
 * tells when the primary refreshes a timeout, so the copy of a busy connection
 * must not expire by itself.
 */
#define PINNED_JIFFIES	(INT_MAX / 2)

/*
 * The kernel's own bit keeps packets that stray through a backup from setting
 * a timeout. It counts as ours while the pinned bit is there, so that bit is
 * set before it and cleared after it.
 */
static inline void ct_sync_pin(struct nf_conn *ct)
{
	set_bit(CT_SYNC_PINNED_BIT, &ct->status);
	/* For readers of the status word: never fixed without pinned. */
	smp_mb__after_atomic();
	set_bit(IPS_FIXED_TIMEOUT_BIT, &ct->status);
	WRITE_ONCE(ct->timeout, nfct_time_stamp + PINNED_JIFFIES);
}

/* Its timeout was fixed on the primary, by a rule of the user's: it is the same here. */
static inline void ct_sync_fix(struct nf_conn *ct, u32 timeout_s)
{
	u64 timeout = min_t(u64, (u64)timeout_s * HZ, PINNED_JIFFIES);

	WRITE_ONCE(ct->timeout, nfct_time_stamp + (u32)timeout);
	set_bit(IPS_FIXED_TIMEOUT_BIT, &ct->status);
	clear_bit(CT_SYNC_PINNED_BIT, &ct->status);
}

/* Whether its timeout was fixed by a rule of the user's. */
static inline bool ct_sync_is_fixed(const struct nf_conn *ct)
{
	unsigned long status = READ_ONCE(ct->status);

	return status & IPS_FIXED_TIMEOUT && !(status & BIT(CT_SYNC_PINNED_BIT));
}

#endif /* CT_SYNC_TIMEOUT_H */
