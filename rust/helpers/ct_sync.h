/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the C helpers and the Rust side of ct_sync say to each other.
 *
 * Rust never sees a kernel struct: helpers fill the flat structs below. Their
 * layout is declared a second time in rust/proto/entry.rs; both sides assert it.
 *
 * ct_sync_*     C functions, called by rust/kapi/
 * ct_sync_rs_*  Rust functions, called by the helpers
 */
#ifndef CT_SYNC_H
#define CT_SYNC_H

#include <linux/types.h>

struct net;
struct net_device;
struct nf_conn;
struct nf_ct_event_notifier;
struct seq_file;
struct socket;
struct task_struct;

/* --- What is replicated: see rust/proto/entry.rs ------------------------- */

struct ct_sync_endpoints {
	u8 src[16];
	u8 dst[16];
	u16 src_port;
	u16 dst_port;
};

struct ct_sync_key {
	struct ct_sync_endpoints original;
	u16 zone;
	u8 zone_dir;
	u8 family;
	u8 protocol;
	u8 hints;
	u8 reserved[2];
};

struct ct_sync_window {
	u32 end;
	u32 max_end;
	u32 max_window;
	u32 max_ack;
};

#define CT_SYNC_HAS_TCP		1
#define CT_SYNC_HAS_TCP_WINDOW	2
#define CT_SYNC_HAS_SCTP	4
#define CT_SYNC_WAS_SHARED	0x20
#define CT_SYNC_WAS_DIRTY	0x40
#define CT_SYNC_IS_WITHDRAWN	0x80

/* Longest name of a helper, and of what it does with a connection that it expected; with NUL. */
#define CT_SYNC_HELPER_NAME_MAX		16
#define CT_SYNC_FUNCTION_NAME_MAX	32
/* Expectations of a connection that are sent, and the classes that they are of. */
#define CT_SYNC_EXPECTATIONS_MAX	32U
#define CT_SYNC_EXPECT_CLASSES		4

struct ct_sync_seqadj {
	u32 position;
	s32 before;
	s32 after;
};

struct ct_sync_relations {
	struct ct_sync_seqadj seqadj[2];
	struct ct_sync_endpoints master;
	u8 helper[CT_SYNC_HELPER_NAME_MAX];
	u8 master_helper[CT_SYNC_HELPER_NAME_MAX];
	u8 master_protocol;
	u8 expectations;
	u8 expectations_left_out;
	u8 reserved;
};

struct ct_sync_expectation {
	struct ct_sync_endpoints tuple;
	u8 source_mask[16];
	u16 source_port_mask;
	u16 nat_port;
	u8 nat_address[16];
	u32 timeout_s;
	u8 function[CT_SYNC_FUNCTION_NAME_MAX];
	u8 helper[CT_SYNC_HELPER_NAME_MAX];
	u8 protocol;
	u8 flags;
	u8 class;
	u8 direction;
	u8 index;
	u8 count;
	u8 reserved[2];
};

#define CT_SYNC_LABEL_WORDS	2
/* Most timeouts of a policy: those of TCP. */
#define CT_SYNC_POLICY_MAX	14
/* Longest security context, without a NUL: SELinux' with some categories. */
#define CT_SYNC_SECCTX_MAX	64

#define CT_SYNC_HAS_SYNPROXY	1
#define CT_SYNC_HAS_COUNTERS	2
/* Only here: it has a security mark that cannot be told. */
#define CT_SYNC_LOST_SECMARK	0x80

/* What conntrack keeps in extensions, and the security mark. */
struct ct_sync_extras {
	u64 started_ns;
	u64 packets[2];
	u64 bytes[2];
	u64 labels[CT_SYNC_LABEL_WORDS];
	u32 synproxy[3];
	u32 policy_s[CT_SYNC_POLICY_MAX];
	u8 secctx[CT_SYNC_SECCTX_MAX];
	u8 secctx_length;
	u8 policy_length;
	u8 has;
	u8 reserved;
};

struct ct_sync_entry {
	struct ct_sync_key key;
	struct ct_sync_endpoints reply;
	u32 status;
	u32 mark;
	u32 timeout_s;
	struct ct_sync_window tcp_window[2];
	u32 sctp_vtag[2];
	u8 state;
	u8 tcp_flags[2];
	u8 tcp_scale[2];
	u8 has;
	u8 reserved[6];
	struct ct_sync_relations relations;
	struct ct_sync_extras extras;
};

static_assert(sizeof(struct ct_sync_endpoints) == 36);
static_assert(sizeof(struct ct_sync_key) == 44);
static_assert(sizeof(struct ct_sync_extras) == 192);
static_assert(sizeof(struct ct_sync_entry) == 432);
static_assert(offsetof(struct ct_sync_entry, reply) == 44);
static_assert(offsetof(struct ct_sync_entry, status) == 80);
static_assert(offsetof(struct ct_sync_entry, tcp_window) == 92);
static_assert(offsetof(struct ct_sync_entry, sctp_vtag) == 124);
static_assert(offsetof(struct ct_sync_entry, state) == 132);
static_assert(offsetof(struct ct_sync_entry, relations) == 144);
static_assert(sizeof(struct ct_sync_relations) == 96);
static_assert(offsetof(struct ct_sync_relations, master) == 24);
static_assert(offsetof(struct ct_sync_relations, helper) == 60);
static_assert(sizeof(struct ct_sync_expectation) == 132);
static_assert(offsetof(struct ct_sync_expectation, source_mask) == 36);
static_assert(offsetof(struct ct_sync_expectation, timeout_s) == 72);
static_assert(offsetof(struct ct_sync_expectation, protocol) == 124);
static_assert(offsetof(struct ct_sync_entry, extras) == 240);
static_assert(offsetof(struct ct_sync_extras, synproxy) == 56);
static_assert(offsetof(struct ct_sync_extras, secctx) == 124);

/* --- conntrack.c: reading the table -------------------------------------- */

/* What a lookup found. */
enum ct_sync_found {
	CT_SYNC_ABSENT = 0,	/* no such connection, or it is dying */
	CT_SYNC_PRESENT = 1,	/* the entry was filled */
	CT_SYNC_LOCAL = 2,	/* there is one, and it ends on this node */
	CT_SYNC_UNMARKED = 3,	/* there is one, without the mark that selects it */
	CT_SYNC_WITHDRAWN = 4,	/* one of these two, of which peers were told before */
};

/* Which entries a walk looks for. */
enum ct_sync_walk_mode {
	CT_SYNC_WALK_UNMARKED = 0,	/* whose mark differs from the walk's */
	CT_SYNC_WALK_DIRTY = 1,		/* whose dirty bit is set */
};

/* Where a walk of the table stands; all zero at its start. */
struct ct_sync_cursor {
	u32 bucket;
	u32 size;
};

bool ct_sync_is_local(struct net *net, const struct ct_sync_entry *entry);
void ct_sync_key_of(const struct nf_conn *ct, struct ct_sync_key *key);
bool ct_sync_mark_dirty(struct nf_conn *ct);
bool ct_sync_is_shared(const struct nf_conn *ct);
bool ct_sync_take_loss(struct nf_conn *ct);
bool ct_sync_is_template(const struct nf_conn *ct);

int ct_sync_snapshot(struct net *net, const struct ct_sync_key *key,
		     u32 mark_mask, struct ct_sync_entry *entry);
u32 ct_sync_walk(struct net *net, struct ct_sync_cursor *cursor, int mode,
		 u8 mark, u32 mark_mask, struct ct_sync_entry *entries,
		 u32 entries_max, bool *done, bool *mute);
u32 ct_sync_table_count(struct net *net);
u32 ct_sync_table_max(struct net *net);

/* --- apply.c: writing the table ------------------------------------------ */

/* What became of a record; the same order as Applied in rust/proto. */
enum ct_sync_applied {
	CT_SYNC_INSERTED = 0,
	CT_SYNC_UPDATED = 1,
	CT_SYNC_DELETED = 2,
	CT_SYNC_NOT_THERE = 3,
	CT_SYNC_REPLACED_LOCAL = 4,
	CT_SYNC_CONFLICT = 5,
	CT_SYNC_TABLE_FULL = 6,
	CT_SYNC_NO_MEMORY = 7,
	CT_SYNC_UNSUPPORTED_PROTOCOL = 8,
	CT_SYNC_NAT_DIVERGED = 9,
	CT_SYNC_REFUSED = 10,
	CT_SYNC_BUSY = 11,
	CT_SYNC_UNCHANGED = 12,
	CT_SYNC_INCOMPLETE = 13,
	CT_SYNC_OWN = 14,
};

/* What of a record could not be kept, though the rest was applied. */
#define CT_SYNC_LOST_POLICY	1
#define CT_SYNC_LOST_CONTEXT	2
#define CT_SYNC_LOST_EXTENSION	4
#define CT_SYNC_LOST_HELPER	8
#define CT_SYNC_LOST_MASTER	16

int ct_sync_upsert(struct net *net, const struct ct_sync_entry *entry, u8 mark, u32 *lost);
int ct_sync_update(struct net *net, const struct ct_sync_entry *entry, u8 mark, u32 *lost);
int ct_sync_delete(struct net *net, const struct ct_sync_key *key);

/* --- expectations.c: what connections expect ------------------------------- */

/* What became of a record about an expectation; the same order as Expected in rust/proto. */
enum ct_sync_expected {
	CT_SYNC_EXPECT_ADDED = 0,
	CT_SYNC_EXPECT_KNOWN = 1,
	CT_SYNC_EXPECT_REFUSED = 2,
};

bool ct_sync_expectation_read(struct net *net, const struct ct_sync_key *key, u8 index,
			      struct ct_sync_expectation *expectation);
int ct_sync_expect(struct net *net, const struct ct_sync_key *key,
		   const struct ct_sync_expectation *expectation);

/* --- extensions.c: what conntrack keeps in extensions, and the security mark -- */

struct nf_ct_timeout;

/* What the strings and numbers of a record are on this node. */
struct ct_sync_resolved {
	struct nf_ct_timeout *policy;
	u32 secmark;
	bool secmark_known;
	u32 lost;
};

void ct_sync_extras_read(struct nf_conn *ct, struct ct_sync_extras *extras);
void ct_sync_extras_resolve(struct net *net, const struct ct_sync_entry *entry,
			    struct ct_sync_resolved *resolved);
bool ct_sync_extras_fit(const struct nf_conn *ct, const struct ct_sync_extras *extras,
			const struct ct_sync_resolved *resolved);
bool ct_sync_extras_are_as(const struct nf_conn *ct, const struct ct_sync_extras *extras,
			   const struct ct_sync_resolved *resolved);
void ct_sync_extras_add(struct nf_conn *ct, const struct ct_sync_extras *extras,
			struct ct_sync_resolved *resolved);
void ct_sync_extras_write(struct nf_conn *ct, const struct ct_sync_extras *extras,
			  const struct ct_sync_resolved *resolved);
void ct_sync_extras_release(struct net *net);

/* --- roles.c: passes over the table --------------------------------------- */

u32 ct_sync_sweep(struct net *net, u8 mark);
u32 ct_sync_pin_all(struct net *net);
u32 ct_sync_unpin_all(struct net *net);
u32 ct_sync_end_grace_all(struct net *net);
u32 ct_sync_forget_marks(struct net *net);

/* --- notifier.c: conntrack events ---------------------------------------- */

int ct_sync_notifier_arm(struct net *net, void *engine);
void ct_sync_notifier_disarm(struct net *net);
int ct_sync_rs_event(void *engine, u32 events, struct nf_conn *ct);
void ct_sync_rs_events_missed(void *engine);

/* --- netns.c: what a network namespace owns ------------------------------ */

struct ct_sync_net;
struct ct_sync_net *ct_sync_pernet(const struct net *net);

int ct_sync_subsystem_register(void);
void ct_sync_subsystem_unregister(void);
void *ct_sync_init_net_instance(void);
const char *ct_sync_param_syncdev(void);
int ct_sync_device_find(struct net *net, const char *name, u32 *ifindex, u32 *mtu);
u32 ct_sync_net_inum(struct net *net);

int ct_sync_rs_net_init(struct net *net, void **instance);
void ct_sync_rs_net_pre_exit(void *instance);
void ct_sync_rs_net_exit(void *instance);
void ct_sync_rs_reconcile(void *instance);
void ct_sync_rs_show(void *instance, struct seq_file *seq);

/* --- knobs.c: sysctl ------------------------------------------------------ */

/* Longest text that a knob takes or gives, with its NUL. */
#define CT_SYNC_KNOB_MAX	1024

void *ct_sync_knobs_register(struct net *net, void *instance,
			     const char *const *names, const u16 *modes, u32 count);
void ct_sync_knobs_unregister(void *knobs);
int ct_sync_rs_knob_read(void *instance, u32 index, u8 *text, size_t text_max);
int ct_sync_rs_knob_write(void *instance, u32 index, const u8 *text, size_t length);

/* --- socket.c: the replication socket ------------------------------------- */

/* Where a datagram came from, or goes to; an IPv4 address takes four bytes. */
struct ct_sync_address {
	u8 family;
	u8 bytes[16];
};

struct socket *ct_sync_socket_open(struct net *net, u32 ifindex, u8 family,
				   const struct ct_sync_address *group, u32 peers,
				   u16 port);
void ct_sync_socket_release(struct socket *sock);
int ct_sync_socket_send(struct socket *sock, u32 ifindex,
			const struct ct_sync_address *to, u16 port,
			const u8 *frame, size_t length, bool wait);
int ct_sync_socket_receive(struct socket *sock, u8 *frame, size_t length_max,
			   struct ct_sync_address *from, int *ttl);
void ct_sync_socket_wait(struct socket *sock);

/* --- hooks.c: notrack, l2drop, foreign datagrams -------------------------- */

int ct_sync_hooks_register(struct net *net);
void ct_sync_hooks_unregister(struct net *net);
void ct_sync_hooks_set_syncdev(struct net *net, u32 ifindex, u16 port, bool notrack);
u64 ct_sync_hooks_wrong_device(struct net *net);
int ct_sync_l2drop_set(struct net *net, u32 mode, const char *syncdev);
void ct_sync_l2drop_effective(struct net *net, bool dropping);
u64 ct_sync_l2drop_count(struct net *net);
void ct_sync_l2drop_device_event(struct net_device *dev, unsigned long event);

/* --- thread.c: threads, and waking them ----------------------------------- */

struct ct_sync_signal {
	void *task;
	u32 raised;
	u32 reserved;
};

struct task_struct *ct_sync_thread_start(int (*body)(void *), void *data,
					 const char *name, u32 namespace_id);
void ct_sync_thread_stop(struct task_struct *thread);
bool ct_sync_thread_should_stop(void);
void ct_sync_signal_raise(struct ct_sync_signal *signal);
void ct_sync_signal_wait(struct ct_sync_signal *signal, u64 timeout_ns);
void ct_sync_yield(void);
u32 ct_sync_this_cpu(void);
u32 ct_sync_cpus(void);
u64 ct_sync_now_ns(void);
/*
 * What a line in the log is about: what somebody tried in vain, what has changed
 * on this node, what this node noticed about the cluster. Of each there are 20
 * lines in 5 s at most, so that nobody can flood the log, and mistakes hide
 * nothing.
 */
enum {
	CT_SYNC_LOG_MISTAKE,
	CT_SYNC_LOG_CHANGE,
	CT_SYNC_LOG_CLUSTER,
};

/* Whether one more line about the subject may be logged. */
bool ct_sync_log_allowed(u32 subject);
u32 ct_sync_random(void);

#endif /* CT_SYNC_H */
