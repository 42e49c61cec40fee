// SPDX-License-Identifier: GPL-2.0
/*
 * Kernel threads, and a signal that wakes one of them from any context.
 *
 * The signal takes no lock of its own: a producer that finds it raised already
 * does no more than read it, and the one that raises it wakes the task under
 * RCU (rcuwait).
 */
#include <linux/cpumask.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/ratelimit.h>
#include <linux/rcuwait.h>
#include <linux/sched.h>

#include "abi.h"

static_assert(sizeof(struct rcuwait) == sizeof(void *));

/* Returns the running thread, with a reference that kthread_stop_put() drops. */
struct task_struct *ct_sync_thread_start(int (*body)(void *), void *data,
					 const char *name, u32 namespace_id)
{
	struct task_struct *thread;

	thread = kthread_create(body, data, "%s/%u", name, namespace_id);
	if (IS_ERR(thread))
		return thread;
	get_task_struct(thread);
	wake_up_process(thread);
	return thread;
}

void ct_sync_signal_raise(struct ct_sync_signal *signal)
{
	/* What was published before must be seen by a waiter that sees "raised". */
	smp_mb();
	if (READ_ONCE(signal->raised) || xchg(&signal->raised, 1))
		return;
	rcuwait_wake_up((struct rcuwait *)&signal->task);
}

/*
 * Waits until the signal is raised, the thread is to stop, or the time is over;
 * the signal is lowered before this returns. One waiter at a time.
 */
void ct_sync_signal_wait(struct ct_sync_signal *signal, u64 timeout_ns)
{
	struct rcuwait *wait = (struct rcuwait *)&signal->task;
	ktime_t timeout = ns_to_ktime(timeout_ns);

	prepare_to_rcuwait(wait);
	set_current_state(TASK_INTERRUPTIBLE);
	if (timeout_ns && !READ_ONCE(signal->raised) && !kthread_should_stop())
		schedule_hrtimeout(&timeout, HRTIMER_MODE_REL);
	finish_rcuwait(wait);
	xchg(&signal->raised, 0);
}

u32 ct_sync_this_cpu(void)
{
	return raw_smp_processor_id();
}

u32 ct_sync_cpus(void)
{
	return nr_cpu_ids;
}

#define LOG_LIMIT(subject) \
	[subject] = RATELIMIT_STATE_INIT(limits[subject], 5 * HZ, 20)

/* Whether one more line about a subject may be logged. */
bool ct_sync_log_allowed(u32 subject)
{
	static struct ratelimit_state limits[CT_SYNC_LOG_SUBJECTS] = {
		LOG_LIMIT(0), LOG_LIMIT(1), LOG_LIMIT(2),
	};

	return subject < ARRAY_SIZE(limits) && __ratelimit(&limits[subject]);
}
