// SPDX-License-Identifier: GPL-2.0
/*
 * Compares what rust/kapi/abi.rs says of the kernel with the kernel's headers:
 * nothing here is ever run. A constant, a struct or a function that is different
 * in the kernel that this is built for is an error of the compiler.
 */
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/inetdevice.h>
#include <linux/if_ether.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_proto_gre.h>
#include <linux/rtnetlink.h>
#include <linux/random.h>
#include <linux/security.h>
#include <linux/timekeeping.h>
#include <net/addrconf.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_acct.h>
#include <net/netfilter/nf_conntrack_core.h>
#include <net/netfilter/nf_conntrack_expect.h>
#include <net/netfilter/nf_conntrack_helper.h>
#include <net/netfilter/nf_conntrack_l4proto.h>
#include <net/netfilter/nf_conntrack_labels.h>
#include <net/netfilter/nf_conntrack_seqadj.h>
#include <net/netfilter/nf_conntrack_synproxy.h>
#include <net/netfilter/nf_conntrack_timeout.h>
#include <net/netfilter/nf_conntrack_timestamp.h>
#include <net/netfilter/nf_conntrack_zones.h>
#include <net/netfilter/nf_nat.h>
#include <net/route.h>

/* What a number is besides its size; all are false of what is no number. */
#define IS(value, type) __builtin_types_compatible_p(typeof(value), type)
#define IS_SIGNED(value) (IS(value, s8) || IS(value, s16) || IS(value, int) || \
			  IS(value, long) || IS(value, long long))
#define IS_UNSIGNED(value) (IS(value, u8) || IS(value, u16) || IS(value, u32) || \
			    IS(value, unsigned long) || IS(value, unsigned long long))
#define SAME_KIND(ours, theirs) ((!IS_SIGNED(theirs) || IS_SIGNED(ours)) && \
				 (!IS_UNSIGNED(theirs) || IS_UNSIGNED(ours)) && \
				 (!IS(theirs, bool) || IS(ours, bool)))

#define CT_SYNC_ABI_CHECKS
#include "abi.h"
