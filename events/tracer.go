package events

import "github.com/tracee-go/tracee/types/trace"

// What the tracer says once, before anything happens.
var (
	TraceeInfo = declare(Event{
		ID: 831, Name: "tracee_info",
		Args: []trace.Field{
			{Name: "boot_time", Type: U64, Doc: "of the machine, ns since the epoch"},
			{Name: "start_time", Type: U64, Doc: "of the tracer, ns since the epoch"},
			{Name: "version", Type: Str},
		},
		Doc: "Tracee has started to watch. Once, at the beginning.",
	})
	InitNamespaces = declare(Event{
		ID: 2000, Name: "init_namespaces",
		Args: []trace.Field{
			{Name: "cgroup", Type: U32},
			{Name: "ipc", Type: U32},
			{Name: "mnt", Type: U32},
			{Name: "net", Type: U32},
			{Name: "pid", Type: U32},
			{Name: "pid_for_children", Type: U32},
			{Name: "time", Type: U32},
			{Name: "time_for_children", Type: U32},
			{Name: "user", Type: U32},
			{Name: "uts", Type: U32},
		},
		Doc: "The namespaces of the machine's first process, to tell a container from the host. Once, at the beginning.",
	})
)

// LostEvents is how the tracer speaks about itself in the stream.
var LostEvents = declare(Event{
	ID: 800, Name: "lost_events",
	Args: []trace.Field{
		{Name: "event", Type: Str, Doc: "the event that was lost, or the program, if several events share it"},
		{Name: "lost", Type: U64, Doc: "how many since the last such record"},
		{Name: "reason", Type: Str, Doc: "ring_full: the reader was too slow; no_buffer: programs nested too deeply; program_missed: the kernel did not run the program (not each of these would have been an event)"},
	},
	Doc: "Events were lost between the previous event in the stream and this one. Always in the stream; it passes every filter.",
})
