package events

import "github.com/tracee-go/tracee/types/trace"

// Control groups.
var (
	CgroupAttachTask = declare(Event{
		ID: 718, Name: "cgroup_attach_task",
		Hooks: Ladder{tracepoint("cgroup_attach_task")},
		Args: []trace.Field{
			{Name: "cgroup_path", Type: Str},
			{Name: "comm", Type: Str, Doc: "of the task that is moved"},
			{Name: "pid", Type: PidT, Doc: "of the task that is moved, in the initial pid namespace"},
		},
		Doc: "A task is put into a control group.",
	})
	CgroupMkdir = declare(Event{
		ID: 719, Name: "cgroup_mkdir", Critical: true,
		Hooks: Ladder{tracepoint("cgroup_mkdir")},
		Args: []trace.Field{
			{Name: "cgroup_id", Type: U64},
			{Name: "cgroup_path", Type: Str},
			{Name: "hierarchy_id", Type: U32},
		},
		Doc: "A control group is made: how containers begin.",
	})
	CgroupRmdir = declare(Event{
		ID: 720, Name: "cgroup_rmdir", Critical: true,
		Hooks: Ladder{tracepoint("cgroup_rmdir")},
		Args: []trace.Field{
			{Name: "cgroup_id", Type: U64},
			{Name: "cgroup_path", Type: Str},
			{Name: "hierarchy_id", Type: U32},
		},
		Doc: "A control group is removed.",
	})
)
