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

/* What a program is attached to, as far as the kernel keeps it: a link, an event of perf, or neither. */
struct attachment {
	struct bpf_prog *prog;
	struct bpf_link *link;
	struct perf_event *event;
};

/* attachment_by_bpf fills what the bpf syscall attached. */
static __always_inline void attachment_by_bpf(struct attachment *to, u32 command, u64 attr, long ret)
{
	u32 words[2] = {};

	if (command == BPF_PROG_ATTACH) { /* target_fd, attach_bpf_fd */
		bpf_probe_read_user(words, sizeof(words), (void *)attr);
		to->prog = ret == 0 ? object_behind(words[1], "bpf-prog") : NULL;
		return;
	}
	if (ret < 0 || (command != BPF_LINK_CREATE && command != BPF_RAW_TRACEPOINT_OPEN))
		return;
	to->link = object_behind(ret, "bpf_link");
	if (!to->link)
		return;
	to->prog = READ(to->link, prog);
	if (bpf_core_type_exists(struct bpf_perf_link)) {
		struct file *file = READ((struct bpf_perf_link *)to->link, perf_file);

		if (READ(to->link, type) == BPF_LINK_TYPE_PERF_EVENT)
			to->event = READ(file, private_data);
	}
}

/* attachment_read finds out what a syscall attached; there is no program if it did not. */
static __always_inline void attachment_read(struct attachment *to, u32 nr, const u64 args[6], long ret)
{
	struct file *file;
	u32 fd = -1;

	if (nr == ID_bpf) {
		attachment_by_bpf(to, args[0], args[1], ret);
	} else if (nr == ID_ioctl) {
		if (ret || (u32)args[1] != PERF_EVENT_IOC_SET_BPF)
			return;
		to->prog = object_behind(args[2], "bpf-prog");
		file = task_file(args[0]);
		if (file)
			to->event = READ(file, private_data);
	} else {
		if (ret || (u32)args[1] != SOL_SOCKET ||
		    ((u32)args[2] != SO_ATTACH_BPF && (u32)args[2] != SO_ATTACH_REUSEPORT_EBPF))
			return;
		bpf_probe_read_user(&fd, sizeof(fd), (void *)args[3]);
		to->prog = object_behind(fd, "bpf-prog");
	}
}

/* put_probed_function stores the function that a kprobe of perf is on. */
static __always_inline void put_probed_function(struct event *e, struct perf_event *event)
{
	struct pmu *pmu = READ(event, pmu);
	const char *pmu_name = READ(pmu, name);
	struct trace_kprobe *probe;
	struct list_head *first;
	void *at;
	char name[8] = {};

	bpf_probe_read_kernel_str(name, sizeof(name), pmu_name);
	if (!bpf_core_type_exists(struct trace_kprobe) || name[0] != 'k' || name[1] != 'p') /* "kprobe" */
		return;
	at = (void *)READ(event, tp_event) - bpf_core_field_offset(struct trace_probe_event, call);
	first = READ((struct trace_probe_event *)at, probes.next);
	at = (void *)first - bpf_core_field_offset(struct trace_probe, list);
	probe = at - bpf_core_field_offset(struct trace_kprobe, tp);
	if (READ(probe, symbol))
		put_str(e, bpf_attach_symbol_name, READ(probe, symbol));
	bpf_attach_symbol_addr(e, (u64)READ(probe, rp.kp.addr));
}

static __always_inline void put_attached_symbol(struct event *e, const struct attachment *attachment,
						struct bpf_prog_aux *aux)
{
	struct bpf_link *link = attachment->link;
	const char *function = READ(aux, attach_func_name);

	if (attachment->event) {
		put_probed_function(e, attachment->event);
	} else if (link && READ(link, type) == BPF_LINK_TYPE_RAW_TRACEPOINT) {
		struct bpf_raw_event_map *map = READ((struct bpf_raw_tp_link *)link, btp);
		struct tracepoint *tracepoint = READ(map, tp);

		put_str(e, bpf_attach_symbol_name, READ(tracepoint, name));
	} else if (function) {
		put_str(e, bpf_attach_symbol_name, function);
	}
}

EXIT_TAIL(bpf_attach)
{
	struct attachment attachment = {};
	struct bpf_prog_aux *aux;
	struct event *e;

	attachment_read(&attachment, nr, args, ret);
	if (!attachment.prog)
		return;
	e = event_begin(EVENT_bpf_attach, RUNG_TRACEPOINT);
	if (!e)
		return;
	aux = READ(attachment.prog, aux);
	bpf_attach_prog_type(e, READ(attachment.prog, type));
	put_str(e, bpf_attach_prog_name, aux->name);
	bpf_attach_prog_id(e, READ(aux, id));
	put_attached_symbol(e, &attachment, aux);
	bpf_attach_attach_type(e, READ(attachment.prog, expected_attach_type));
	event_submit(e, 0);
}
