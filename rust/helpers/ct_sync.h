/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the C helpers and the Rust side of ct_sync say to each other, but for what
 * abi.h has, which is made of rust/kapi/abi.rs.
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

/* --- notifier.c: conntrack events ---------------------------------------- */

int ct_sync_notifier_arm(struct net *net, void *engine);
void ct_sync_notifier_disarm(struct net *net);
int ct_sync_rs_event(void *engine, u32 events, struct nf_conn *ct);
void ct_sync_rs_events_missed(void *engine);
bool ct_sync_rs_changes_silently(struct nf_conn *ct);

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
