/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory protection. The protection of before is read from the mapping at entry (bpf_find_vma, kernel >= 5.17), because
 * the call replaces it; the event is sent at exit, and only if the call did what it was asked to.
 */
#pragma once

#define ALERT_MMAP_WX 1
#define ALERT_MPROTECT_X_ADD 2
#define ALERT_MPROTECT_W_ADD 3
#define ALERT_MPROTECT_W_REM 4

struct protection_change {
	u64 requested;
	u32 alert;
};

static long compare_protection(struct task_struct *task, struct vm_area_struct *vma, struct protection_change *change)
{
	u64 flags = BPF_CORE_READ(vma, vm_flags);
	bool was_x = flags & VM_EXEC, was_w = flags & VM_WRITE;
	bool to_x = change->requested & PROT_EXEC, to_w = change->requested & PROT_WRITE;

	if (!was_x && to_x)
		change->alert = ALERT_MPROTECT_X_ADD;
	else if (was_x && !was_w && to_x && to_w)
		change->alert = ALERT_MPROTECT_W_ADD;
	else if (was_x && was_w && to_x && !to_w)
		change->alert = ALERT_MPROTECT_W_REM;
	return 0;
}

ENTER_TAIL(mprotect_enter)
{
	struct protection_change change = { .requested = args[2] };
	struct task_state *state;

	if (have_helper(find_vma))
		bpf_find_vma(task_current(), args[0], compare_protection, &change, 0);
	if (!change.alert)
		return;
	state = task_state();
	if (!state)
		return;
	state->memory_alert = change.alert;
	state->valid |= STATE_MEMORY;
}

static __always_inline void memory_alert(u32 alert)
{
	struct event *e = event_begin(EVENT_mem_prot_alert, RUNG_TRACEPOINT);

	if (!e)
		return;
	mem_prot_alert_alert(e, alert);
	event_submit(e, 0);
}

EXIT_TAIL(mem_prot_alert)
{
	struct task_state *state;

	if (nr != ID_mprotect && nr != ID_pkey_mprotect) {
		if ((u64)ret < (u64)-4095 && (args[2] & PROT_WRITE) && (args[2] & PROT_EXEC))
			memory_alert(ALERT_MMAP_WX);
		return;
	}
	state = task_state_take(STATE_MEMORY);
	if (state && ret == 0)
		memory_alert(state->memory_alert);
}
