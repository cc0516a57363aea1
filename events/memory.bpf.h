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

/* protection_alert compares what is asked for with what is: 0 when it is nothing to tell of. */
static __always_inline u32 protection_alert(u64 flags, u64 requested)
{
	bool was_x = flags & VM_EXEC, was_w = flags & VM_WRITE;
	bool to_x = requested & PROT_EXEC, to_w = requested & PROT_WRITE;

	if (!was_x && to_x)
		return ALERT_MPROTECT_X_ADD;
	if (was_x && !was_w && to_x && to_w)
		return ALERT_MPROTECT_W_ADD;
	if (was_x && was_w && to_x && !to_w)
		return ALERT_MPROTECT_W_REM;
	return 0;
}

ENTER_TAIL(mprotect_enter)
{
	struct mapping mapping = mapping_at(task_current(), args[0]);
	struct task_state *state;
	u32 alert = mapping.found ? protection_alert(mapping.flags, args[2]) : 0;

	if (!alert)
		return;
	state = task_state();
	if (!state)
		return;
	state->memory_alert = alert;
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
