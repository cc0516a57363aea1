package events

import "github.com/tracee-go/tracee/types/trace"

var containerArgs = []trace.Field{
	{Name: "runtime", Type: Str, Doc: "docker, containerd, crio, podman, runc, crun, lxc, or unknown: by the name of the control group"},
	{Name: "container_id", Type: Str},
	{Name: "ctime", Type: ULong, Doc: "when its control group was made, ns since the epoch"},
	{Name: "container_image", Type: Str, Doc: "empty without --containers"},
	{Name: "container_name", Type: Str, Doc: "empty without --containers"},
	{Name: "pod_name", Type: Str, Doc: "empty without --containers"},
	{Name: "pod_namespace", Type: Str, Doc: "empty without --containers"},
	{Name: "pod_uid", Type: Str, Doc: "empty without --containers"},
	{Name: "container_image_digest", Type: Str, Doc: "empty without --containers; the image's id where it has no digest"},
}

// groupArgs are those of a control group, and with them, for one that is not gone, when it was made.
func groupArgs(more ...trace.Field) []trace.Field {
	return append([]trace.Field{{Name: "cgroup_id", Type: U64}, {Name: "cgroup_path", Type: Str}}, more...)
}

// What is known of containers, and what package container makes of that. Control groups of containers are those whose
// name is, or holds, the id of one, or in which a program begins as the first of its namespaces, and all within them.
var (
	ContainerGroupMade = declare(Event{
		ID: 890, Name: "container_group_made", Internal: true, Critical: true, Unfiltered: true,
		Hooks: Ladder{{Rung: trace.Tracepoint, Program: "container_group_made", With: []string{"container_started"}}},
		Args:  groupArgs(trace.Field{Name: "time", Type: U64, Doc: "ns since the machine started"}),
		Doc:   "A control group of a container was made, or is known to be one by what begins in it.",
	})
	ContainerGroupRemoved = declare(Event{
		ID: 891, Name: "container_group_removed", Internal: true, Critical: true, Unfiltered: true,
		Hooks: Ladder{tracepoint("container_group_removed")},
		Args:  groupArgs(),
		Doc:   "A control group of a container was removed.",
	})
	ContainerGroupFound = declare(Event{
		ID: 892, Name: "container_group_found", Internal: true,
		Args: groupArgs(trace.Field{Name: "ctime", Type: U64, Doc: "ns since the epoch"}),
		Doc:  "A control group of a container was there when tracing began.",
	})
	ContainerEnriched = declare(Event{
		ID: 893, Name: "container_enriched",
		From: []*Event{ContainerGroupMade, ContainerGroupFound},
		Args: containerArgs,
		Doc: "The runtime has told about a container, too late for container_create or existing_container. Events of the container have " +
			"its name from here on. Of the filters only container applies.",
	})
	ContainerCreate = declare(Event{
		ID: 2001, Name: "container_create",
		From: []*Event{ContainerGroupMade},
		Args: containerArgs,
		Doc: "A container is made: the runtime has made its control group, in which nothing runs yet. Once for each container, " +
			"not for control groups that it makes itself. The process is the one that made the group. Where the group's name does not tell " +
			"(ctr, runc, LXC), it is the first program of the container, and the event comes before that program's. Of the filters only " +
			"container applies.",
	})
	ContainerRemove = declare(Event{
		ID: 2002, Name: "container_remove",
		From: []*Event{ContainerGroupRemoved},
		Args: containerArgs[:2],
		Doc:  "A container is gone: its control group was removed. Of the filters only container applies.",
	})
	ExistingContainer = declare(Event{
		ID: 2003, Name: "existing_container",
		From: []*Event{ContainerGroupFound},
		Args: containerArgs,
		Doc:  "A container that was there when tracing began. Once for each, at the beginning. Of the filters only container applies.",
	})
)

// ContainerGroups are the events that tell about containers, which are needed to know them.
var ContainerGroups = []*Event{ContainerGroupMade, ContainerGroupRemoved, ContainerGroupFound}
