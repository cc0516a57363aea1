/* SPDX-License-Identifier: GPL-2.0 */
/* Control groups, from the BTF tracepoints of the cgroup core. Kernel >= 5.11. */
#pragma once

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(cgroup_mkdir, struct cgroup *cgroup, const char *path)
{
	struct event *e = event_begin(EVENT_cgroup_mkdir, RUNG_TRACEPOINT);

	if (!e)
		return 0;
	cgroup_mkdir_cgroup_id(e, BPF_CORE_READ(cgroup, kn, id));
	put_str(e, cgroup_mkdir_cgroup_path, path);
	cgroup_mkdir_hierarchy_id(e, BPF_CORE_READ(cgroup, root, hierarchy_id));
	return event_submit(e, 0);
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(cgroup_rmdir, struct cgroup *cgroup, const char *path)
{
	struct event *e = event_begin(EVENT_cgroup_rmdir, RUNG_TRACEPOINT);

	if (!e)
		return 0;
	cgroup_rmdir_cgroup_id(e, BPF_CORE_READ(cgroup, kn, id));
	put_str(e, cgroup_rmdir_cgroup_path, path);
	cgroup_rmdir_hierarchy_id(e, BPF_CORE_READ(cgroup, root, hierarchy_id));
	return event_submit(e, 0);
}

SEC("tp_btf/cgroup_attach_task")
int BPF_PROG(cgroup_attach_task, struct cgroup *cgroup, const char *path, struct task_struct *task)
{
	struct event *e = event_begin(EVENT_cgroup_attach_task, RUNG_TRACEPOINT);

	if (!e)
		return 0;
	put_str(e, cgroup_attach_task_cgroup_path, path);
	put_str(e, cgroup_attach_task_comm, task->comm);
	cgroup_attach_task_pid(e, task->pid);
	return event_submit(e, 0);
}
