package events

import "github.com/tracee-go/tracee/types/trace"

// nr holds the numbers of a syscall: amd64, i386, arm64; none where it does not exist.
type nr [abis]int

// sets are those that a syscall is in besides Syscalls.
type sets []Set

// args are the arguments of a syscall, at most six, in the order of its registers.
type args []arg

type arg struct {
	name string
	t    *trace.Type
}

// syscallRow is one line of the table of syscalls.
type syscallRow struct {
	id      int // v0.8's: the amd64 number; from 3000 for those that only 32-bit ABIs have
	name    string
	numbers nr
	sets    sets
	args    args
}

// descriptors are the types of arguments called fd, which parse-arguments-fds shows with the path of their file, as v0.8.3
// does. Other descriptors stay numbers: rules compare them.
var descriptors = map[*trace.Type]*trace.Type{Int: FD, UInt: UFD}

// declareSyscall turns a row into an event of the catalogue.
func declareSyscall(row *syscallRow) {
	fields := make([]trace.Field, len(row.args))
	for i, a := range row.args {
		fields[i] = trace.Field{Name: a.name, Type: a.t}
		if typ := descriptors[a.t]; typ != nil && a.name == "fd" {
			fields[i].Type = typ
		}
	}
	for _, w := range pointedStructs[row.name].words {
		fields = append(fields, trace.Field{Name: w.name, Type: w.t})
	}
	declare(Event{
		ID:      row.id,
		Name:    row.name,
		Syscall: true,
		Sets:    row.sets.withSyscalls(),
		Args:    fields,
		Numbers: Numbers(row.numbers),
		Hooks:   syscallHooks[row.name],
	})
}

// withSyscalls adds the set of all syscalls where --list of v0.8 shows it: first, but after Default.
func (s sets) withSyscalls() []Set {
	if len(s) > 0 && s[0] == Default {
		return append([]Set{Default, Syscalls}, s[1:]...)
	}
	return append([]Set{Syscalls}, s...)
}
