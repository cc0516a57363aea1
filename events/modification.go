package events

import "github.com/tracee-go/tracee/types/trace"

// FileModification is about what happened to a file between its opening and its closing.
var FileModification = declare(Event{
	ID: 838, Name: "file_modification",
	Hooks: Ladder{Hook{
		Rung:    trace.Tracepoint,
		Program: "file_modification_open",
		Exit:    []string{"open", "openat", "openat2", "creat", "open_by_handle_at"},
		Enter: []Tail{
			{Program: "file_modification_close", Syscalls: []string{"close", "close_range", "dup2", "dup3"}},
			{Program: "file_modification_exec", Syscalls: []string{"execve", "execveat"}},
		},
		With: []string{"file_modification_exit"},
	}.byUring("file_modification_uring", uringOpens...)},
	Args: []trace.Field{
		{Name: "file_path", Type: Str},
		{Name: "dev", Type: DevT},
		{Name: "inode", Type: ULong},
		{Name: "old_ctime", Type: ULong, Doc: "last change of the inode before, ns since the epoch; absent if opening emptied the file"},
		{Name: "new_ctime", Type: ULong, Doc: "the same when it was closed"},
	},
	Doc: "A regular file that was open for writing is closed for the last time, and has changed since it was opened. It is " +
		"the process that closes it, and another one may have changed it meanwhile.",
	Unseen: "Changes within one tick of the kernel's clock; a file whose last user is a mapping, a message on a socket or an " +
		"io_uring; one that is closed while another thread is about to use it; and of what an exec or an exit closes, descriptors from " +
		"4096 up (before Linux 5.17, from 64 up).",
})
