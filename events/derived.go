package events

import "github.com/tracee-go/tracee/types/trace"

// Events that user space makes of others; package derive has a file for each.
var (
	SymbolsLoaded = declare(Event{
		ID: 758, Name: "symbols_loaded",
		Sets: []Set{Derived, FS, SecurityAlert},
		From: []*Event{SharedObjectLoaded},
		Args: []trace.Field{
			{Name: "library_path", Type: LibraryPath},
			{Name: "symbols", Type: Symbols, Doc: "names that it defines, for others to be linked to; sorted; the first 32 KiB of them"},
		},
		Doc: "A process loaded a library that defines symbols. With filters on symbols, such as symbols_loaded.symbols=fopen, the " +
			"event has those that pass, and is not made if none does; without, it has all. A filter on library_path takes a path, " +
			"with all that lies below, or the name of a library of the system, which may leave out the version: " +
			"symbols_loaded.library_path!=libc. Libraries are read after they were loaded: what can not be reached any more is logged.",
	})
	SymbolsCollision = declare(Event{
		ID: 828, Name: "symbols_collision",
		Sets: []Set{Derived, LSMHooks, FS, FSFileOps, Proc, ProcMem},
		From: []*Event{SharedObjectLoaded, SchedProcessFork, SchedProcessExec, SchedProcessExit},
		Args: []trace.Field{
			{Name: "loaded_path", Type: LibraryPath, Doc: "the library that is loaded now"},
			{Name: "collision_path", Type: LibraryPath, Doc: "one that the process has loaded before, whether or not it still has it"},
			{Name: "symbols", Type: Symbols, Doc: "names that both define; sorted; the first 32 KiB of them"},
		},
		Doc: "Two libraries of a process define the same symbol: one of them stands in for the other, as LD_PRELOAD makes it. " +
			"Not counted are names that every linker puts into every library, those that the parts of the C library share, and weak " +
			"ones of C++, unless a filter on symbols admits them. Filters are as for symbols_loaded.",
	})
)
