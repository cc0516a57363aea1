package events

import "github.com/tracee-go/tracee/types/trace"

var protectCalls = []string{"mprotect", "pkey_mprotect"}

// MemProtAlert is about memory that is written and executed.
var MemProtAlert = declare(Event{
	ID: 714, Name: "mem_prot_alert", Critical: true,
	Hooks: Ladder{{
		Rung:    trace.Tracepoint,
		Program: "mem_prot_alert",
		Exit:    append([]string{"mmap", "mmap2"}, protectCalls...),
		Enter:   []Tail{{Program: "mprotect_enter", Syscalls: protectCalls}},
	}},
	Args: []trace.Field{{Name: "alert", Type: AlertT}},
	Doc:  "Memory became writable and executable, or executable after it was writable: unpacking, just-in-time compilation, injected code.",
	Unseen: "Changes by other means than mmap, mprotect and pkey_mprotect; of a range over several mappings, only the " +
		"protection of the first.",
})
