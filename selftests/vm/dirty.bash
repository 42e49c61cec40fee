# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034 # used by those who source it
#
# What must not be in the kernel's log after a test: an extended regular expression.

DIRTY='WARNING:|BUG:|Oops|general protection|refcount_t|leak|lockdep|circular locking|INFO: |stall|unregister_netdevice: waiting'
DIRTY+='|Call Trace|KASAN|UBSAN|sleeping function|soft lockup|hung task|unable to handle|scheduling while atomic|nf_conntrack: table full'
DIRTY+='|ODEBUG|suspicious RCU usage|inconsistent lock state|ref_tracker|rust_kernel: panicked|page allocation failure'
