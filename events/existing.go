package events

import "github.com/tracee-go/tracee/types/trace"

const existingDoc = " Once for each, right after tracing began; the context is that of its process. "

// What was there before tracing began; see docs/decisions/0011-what-ran-before.md.
var (
	ProcessImage = declare(Event{
		ID: 895, Name: "process_image", Internal: true, Critical: true, Unfiltered: true,
		Hooks: Ladder{{With: []string{
			"process_image_exec", "process_image_fork", "process_image_exit", "process_image_existing",
		}}},
		Args: []trace.Field{
			{Name: "process", Type: U64, Doc: "its entity id"},
			{Name: "pathname", Type: Str, Doc: "the file that it runs from now on"},
			{Name: "maker", Type: U64, Doc: "entity id of the process that it comes from, and whose program it runs"},
		},
		Doc: "Which program a process runs. With neither program nor maker the process ended. Of all processes, whatever the " +
			"filters say; it fills the executable of other events and is never shown.",
	})
	ProcessScope = declare(Event{
		ID: 990, Name: "process_scope", Internal: true,
		Hooks: Ladder{{Rung: trace.Tracepoint, With: []string{"scope_free", "scope_exec", "scope_fork", "scope_existing"}}},
		Args:  []trace.Field{{Name: "pathname", Type: Str, Doc: "the file that the process runs"}},
		Doc: "What filters ask of a process, kept from its fork to its end. Nobody is told of it; losses of this name are processes " +
			"that were not judged by tree, follow, executable or pid=new, for want of room.",
	})
	ExistingProcess = declare(Event{
		ID: 896, Name: "existing_process",
		Hooks: Ladder{{With: []string{"existing_process"}}},
		Args: []trace.Field{
			{Name: "pathname", Type: Str, Doc: "the file that it runs; a kernel thread has none"},
			{Name: "dev", Type: DevT},
			{Name: "inode", Type: ULong},
			{Name: "cred", Type: CredT},
		},
		Doc: "A process that runs already." + existingDoc + "Its start is the context's threadStartTime.",
	})
	ExistingFile = declare(Event{
		ID: 897, Name: "existing_file",
		Hooks: Ladder{{With: []string{"existing_file"}}},
		Args: []trace.Field{
			{Name: "fd", Type: Int},
			{Name: "pathname", Type: Str},
			{Name: "flags", Type: OpenFlags},
			{Name: "dev", Type: DevT},
			{Name: "inode", Type: ULong},
		},
		Doc: "A file, directory or device that a process has open already." + existingDoc,
	})
	ExistingSocket = declare(Event{
		ID: 898, Name: "existing_socket",
		Hooks: Ladder{{With: []string{"existing_socket"}}},
		Args: []trace.Field{
			{Name: "sockfd", Type: Int},
			{Name: "family", Type: SocketDomain},
			{Name: "type", Type: SocketType},
			{Name: "protocol", Type: Int},
			{Name: "state", Type: Int, Doc: "of the kernel's struct sock: 1 is connected, 10 is listening"},
			{Name: "local_addr", Type: SockaddrPtr},
			{Name: "remote_addr", Type: SockaddrPtr},
		},
		Doc: "A socket that a process has already." + existingDoc,
	})
)
