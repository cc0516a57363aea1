/* SPDX-License-Identifier: GPL-2.0 */
/*
 * BPF by others: its syscall, and the maps and programs that processes get descriptors of.
 *
 * On the tracepoint rung from the files behind the descriptors: the kernel gives those of BPF names of their own, which
 * no other file without a file system has. Kernel >= 5.10.
 */
#pragma once

#define BPF_FILE_NAME 8 /* what is compared of a name */

/* object_behind returns what the kernel keeps behind a descriptor of BPF, NULL if it is not of the kind. */
static __always_inline void *object_behind(u32 fd, const char kind[BPF_FILE_NAME])
{
	struct file *file = task_file(fd);
	char name[BPF_FILE_NAME] = {};
	struct dentry *dentry;

	if (!file)
		return NULL;
	dentry = READ(file, f_path.dentry);
	bpf_probe_read_kernel(name, sizeof(name), READ(dentry, d_name.name));
	for (u32 i = 0; i < BPF_FILE_NAME; i++) {
		if (name[i] != kind[i])
			return NULL;
	}
	return READ(file, private_data);
}

static __always_inline int bpf_event(u8 rung, s32 command)
{
	struct event *e = event_begin(EVENT_security_bpf, rung);

	if (!e)
		return 0;
	security_bpf_cmd(e, command);
	return event_submit(e, 0);
}

LSM_HOOK1(bpf, bpf, s32, command)
{
	return bpf_event(rung, command);
}

/* These errors come before the LSM hook as well as after it. */
EXIT_TAIL(security_bpf_exit)
{
	if (ret != -EPERM && ret != -EFAULT && ret != -E2BIG)
		bpf_event(RUNG_TRACEPOINT, args[0]);
}

static __always_inline int bpf_map_event(u8 rung, struct bpf_map *map)
{
	struct event *e = event_begin(EVENT_security_bpf_map, rung);

	if (!e)
		return 0;
	security_bpf_map_map_id(e, READ(map, id));
	put_str(e, security_bpf_map_map_name, map->name);
	return event_submit(e, 0);
}

LSM_HOOK1(bpf_map, bpf_map, struct bpf_map *, map)
{
	return bpf_map_event(rung, map);
}

EXIT_TAIL(security_bpf_map_exit)
{
	struct bpf_map *map;

	if (ret < 0 || (args[0] != BPF_MAP_CREATE && args[0] != BPF_OBJ_GET && args[0] != BPF_MAP_GET_FD_BY_ID))
		return;
	map = object_behind(ret, "bpf-map");
	if (map)
		bpf_map_event(RUNG_TRACEPOINT, map);
}

static __always_inline int bpf_prog_event(u8 rung, struct bpf_prog *prog, bool load)
{
	struct event *e = event_begin(EVENT_security_bpf_prog, rung);
	struct bpf_prog_aux *aux;

	if (!e)
		return 0;
	aux = READ(prog, aux);
	security_bpf_prog_type(e, READ(prog, type));
	put_str(e, security_bpf_prog_name, aux->name);
	security_bpf_prog_id(e, READ(aux, id));
	security_bpf_prog_load(e, load);
	return event_submit(e, 0);
}

LSM_HOOK1(bpf_prog, bpf_prog, struct bpf_prog *, prog)
{
	struct task_struct *task = task_current();
	u64 args[6];

	task_syscall_args(task_registers(task), task_in_compat_syscall(task), args);
	return bpf_prog_event(rung, prog, current_syscall_id() == ID_bpf && args[0] == BPF_PROG_LOAD);
}

EXIT_TAIL(security_bpf_prog_exit)
{
	struct bpf_prog *prog;

	if (ret < 0 || (args[0] != BPF_PROG_LOAD && args[0] != BPF_OBJ_GET && args[0] != BPF_PROG_GET_FD_BY_ID))
		return;
	prog = object_behind(ret, "bpf-prog");
	if (prog)
		bpf_prog_event(RUNG_TRACEPOINT, prog, args[0] == BPF_PROG_LOAD);
}
