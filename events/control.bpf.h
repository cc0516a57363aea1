/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a process changes about itself or the machine by asking the kernel: handlers of signals, limits, prctl, the
 * clock; and executions that came to nothing. On the functions that decide, or after the syscall.
 */
#pragma once

#define SIGNALS 64

#define HANDLE_DEFAULT 0
#define HANDLE_IGNORE 1
#define HANDLE_FUNCTION 2

static __always_inline void signal_action_read(struct signal_action *to, const struct k_sigaction *from)
{
	to->handler = (u64)BPF_CORE_READ(from, sa.sa_handler);
	to->flags = BPF_CORE_READ(from, sa.sa_flags);
	to->mask = BPF_CORE_READ(from, sa.sa_mask.sig[0]);
}

/* signal_action_now reads what the current task does on a signal, which is from 1 to SIGNALS. */
static __always_inline void signal_action_now(struct signal_action *to, u32 sig)
{
	struct sighand_struct *sighand = BPF_CORE_READ(task_current(), sighand);

	signal_action_read(to, (void *)sighand + bpf_core_field_offset(struct sighand_struct, action) +
				       ((sig - 1) & (SIGNALS - 1)) * bpf_core_type_size(struct k_sigaction));
}

static __always_inline u8 handle_method(u64 handler)
{
	return handler > HANDLE_IGNORE ? HANDLE_FUNCTION : handler;
}

#define put_signal_action(e, old, action)                                                   \
	do {                                                                                \
		do_sigaction_##old##sa_flags(e, (action)->flags);                           \
		do_sigaction_##old##sa_mask(e, (action)->mask);                             \
		do_sigaction_##old##sa_handle_method(e, handle_method((action)->handler));  \
		do_sigaction_##old##sa_handler(e, (action)->handler);                       \
	} while (0)

/* sigaction_event sends the event; now is NULL if the call only asks, and asked tells whether it does. */
static __always_inline void sigaction_event(u8 rung, u32 sig, const struct signal_action *now,
					    const struct signal_action *old, bool asked)
{
	struct event *e = event_begin(EVENT_do_sigaction, rung);

	if (!e)
		return;
	do_sigaction_sig(e, sig);
	do_sigaction_is_sa_initialized(e, now != NULL);
	if (now)
		put_signal_action(e, , now);
	do_sigaction_is_old_sa_initialized(e, asked);
	if (old)
		put_signal_action(e, old_, old);
	event_submit(e, 0);
}

HOOK3(do_sigaction, int, sig, struct k_sigaction *, act, struct k_sigaction *, oact)
{
	struct signal_action now = {}, old = {};

	if (sig < 1 || sig > SIGNALS)
		return 0;
	signal_action_now(&old, sig);
	if (!act) {
		sigaction_event(rung, sig, NULL, &old, oact != NULL);
		return 0;
	}
	signal_action_read(&now, act);
	sigaction_event(rung, sig, &now, &old, oact != NULL);
	return 0;
}

/* The old action is overwritten by the call. */
ENTER_TAIL(do_sigaction_enter)
{
	struct task_state *state = task_state();
	u32 sig = args[0];

	if (!state || sig < 1 || sig > SIGNALS)
		return;
	signal_action_now(&state->action, sig);
	state->valid |= STATE_SIGNAL;
}

EXIT_TAIL(do_sigaction_exit)
{
	struct task_state *state = task_state_take(STATE_SIGNAL);
	bool two_arguments = nr == ID_signal; /* signal(2), which returns the old handler */
	struct signal_action now = {}, old;
	u32 sig = args[0];

	if (!state || (two_arguments ? (u64)ret >= (u64)-4095 : ret != 0) || sig < 1 || sig > SIGNALS)
		return;
	old = state->action;
	if (!two_arguments && !args[1]) {
		sigaction_event(RUNG_TRACEPOINT, sig, NULL, &old, args[2] != 0);
		return;
	}
	signal_action_now(&now, sig);
	sigaction_event(RUNG_TRACEPOINT, sig, &now, &old, two_arguments || args[2]);
}

LSM_HOOK3(task_setrlimit, task_setrlimit, struct task_struct *, task, u32, resource, struct rlimit *, limit)
{
	struct event *e = event_begin(EVENT_security_task_setrlimit, rung);

	if (!e)
		return 0;
	security_task_setrlimit_target_host_pid(e, BPF_CORE_READ(task, tgid));
	security_task_setrlimit_resource(e, resource);
	security_task_setrlimit_new_rlim_cur(e, BPF_CORE_READ(limit, rlim_cur));
	security_task_setrlimit_new_rlim_max(e, BPF_CORE_READ(limit, rlim_max));
	return event_submit(e, 0);
}

/* The limits of the caller are read from the kernel, those of another process from the caller's memory. */
EXIT_TAIL(security_task_setrlimit_exit)
{
	bool any_process = nr == ID_prlimit64;
	u64 resource = any_process ? args[1] : args[0];
	u64 given = any_process ? args[2] : args[1];
	struct rlimit limit = {};
	struct signal_struct *signal;
	bool own;
	struct event *e;

	if (ret != 0 || !given)
		return;
	e = event_begin(EVENT_security_task_setrlimit, RUNG_TRACEPOINT);
	if (!e)
		return;
	own = !any_process || !(u32)args[0] || (u32)args[0] == e->header.pid;
	if (own) {
		signal = BPF_CORE_READ(task_current(), signal);
		bpf_core_read(&limit, sizeof(limit), &signal->rlim[resource & (RLIMITS - 1)]);
		security_task_setrlimit_target_host_pid(e, e->header.host_pid);
	} else {
		bpf_probe_read_user(&limit, sizeof(limit), (void *)given);
		if (e->header.pid == e->header.host_pid) /* numbers of other namespaces mean nothing here */
			security_task_setrlimit_target_host_pid(e, args[0]);
	}
	security_task_setrlimit_resource(e, resource);
	security_task_setrlimit_new_rlim_cur(e, limit.rlim_cur);
	security_task_setrlimit_new_rlim_max(e, limit.rlim_max);
	event_submit(e, 0);
}

static __always_inline void put_prctl(struct event *e, u32 option, u64 arg2, u64 arg3, u64 arg4, u64 arg5)
{
	security_task_prctl_option(e, option);
	security_task_prctl_arg2(e, arg2);
	security_task_prctl_arg3(e, arg3);
	security_task_prctl_arg4(e, arg4);
	security_task_prctl_arg5(e, arg5);
	if (option == PR_SET_VMA && arg2 == PR_SET_VMA_ANON_NAME)
		put_user_str(e, security_task_prctl_vma_name, arg5);
}

LSM_HOOK5(task_prctl, task_prctl, int, option, u64, arg2, u64, arg3, u64, arg4, u64, arg5)
{
	struct event *e = event_begin(EVENT_security_task_prctl, rung);

	if (!e)
		return 0;
	put_prctl(e, option, arg2, arg3, arg4, arg5);
	return event_submit(e, 0);
}

EXIT_TAIL(security_task_prctl_exit)
{
	struct event *e = event_begin(EVENT_security_task_prctl, RUNG_TRACEPOINT);

	if (!e)
		return;
	put_prctl(e, args[0], args[1], args[2], args[3], args[4]);
	event_submit(e, ret);
}

HOOK2(security_settime64, struct timespec64 *, given_time, struct timezone *, given_zone)
{
	struct event *e = event_begin(EVENT_security_settime64, rung);
	struct timespec64 *time = unknown(given_time);
	struct timezone *zone = unknown(given_zone);

	if (!e)
		return 0;
	if (time) {
		security_settime64_tv_sec(e, BPF_CORE_READ(time, tv_sec));
		security_settime64_tv_nsec(e, BPF_CORE_READ(time, tv_nsec));
	}
	if (zone) {
		security_settime64_tz_minuteswest(e, BPF_CORE_READ(zone, tz_minuteswest));
		security_settime64_tz_dsttime(e, BPF_CORE_READ(zone, tz_dsttime));
	}
	return event_submit(e, 0);
}

/* The LSM knows the hook under another name than its function has. */
SEC("lsm/settime")
int security_settime64_lsm(u64 *ctx)
{
	security_settime64_seen(RUNG_LSM, (struct timespec64 *)ctx[0], (struct timezone *)ctx[1]);
	return (int)ctx[2];
}

/* read_time reads two numbers of the caller: a time of 64 or of 32 bits. */
static __always_inline bool read_time(s64 time[2], u64 address, bool short_numbers)
{
	s32 numbers[2] = {};

	if (!address)
		return false;
	if (!short_numbers)
		return !bpf_probe_read_user(time, 16, (void *)address);
	if (bpf_probe_read_user(numbers, sizeof(numbers), (void *)address))
		return false;
	time[0] = numbers[0];
	time[1] = numbers[1];
	return true;
}

EXIT_TAIL(security_settime64_exit)
{
	u64 time_at = args[0], zone_at = 0;
	s64 time[2] = {};
	s32 zone[2];
	struct event *e;

	if (ret != 0)
		return;
	if (nr == ID_settimeofday)
		zone_at = args[1];
	else if ((u32)args[0] != CLOCK_REALTIME) /* clocks of devices */
		return;
	else
		time_at = args[1];
	e = event_begin(EVENT_security_settime64, RUNG_TRACEPOINT);
	if (!e)
		return;
	if (read_time(time, time_at, nr == ID_clock_settime32 || (compat && nr == ID_settimeofday))) {
		security_settime64_tv_sec(e, time[0]);
		security_settime64_tv_nsec(e, nr == ID_settimeofday ? time[1] * 1000 : time[1]);
	}
	if (zone_at && !bpf_probe_read_user(zone, sizeof(zone), (void *)zone_at)) {
		security_settime64_tz_minuteswest(e, zone[0]);
		security_settime64_tz_dsttime(e, zone[1]);
	}
	event_submit(e, 0);
}

#define put_count(setter, e, count)         \
	do {                                \
		int __count = (count);      \
		if (__count >= 0)           \
			setter(e, __count); \
	} while (0)

/* What the caller asked for is still in its memory, because the new image never came into being. */
EXIT_TAIL(process_execute_failed)
{
	bool at = nr == ID_execveat; /* which has the directory first */
	u64 argv = at ? args[2] : args[1], envp = at ? args[3] : args[2];
	struct file *stdin;
	bool narrow;
	struct event *e;

	if (ret >= 0)
		return;
	e = event_begin(EVENT_process_execute_failed, RUNG_TRACEPOINT);
	if (!e)
		return;
	if (at) {
		process_execute_failed_dirfd(e, args[0]);
		process_execute_failed_flags(e, args[4]);
	}
	put_user_str(e, process_execute_failed_pathname, at ? args[1] : args[0]);
	stdin = task_file(0);
	if (stdin) {
		process_execute_failed_stdin_type(e, BPF_CORE_READ(stdin, f_inode, i_mode) & S_IFMT);
		put_file_path(e, process_execute_failed_stdin_path, stdin);
	}
	narrow = narrow_pointers(compat);
	put_count(process_execute_failed_argc, e, user_str_array_count(e->number, argv, narrow));
	put_count(process_execute_failed_envc, e, user_str_array_count(e->number, envp, narrow));
	put_user_str_array(e, process_execute_failed_argv, argv, narrow);
	if (exec_env)
		put_user_str_array(e, process_execute_failed_envp, envp, narrow);
	event_submit(e, ret);
}
