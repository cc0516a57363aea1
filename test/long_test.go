package test

import (
	"encoding/gob"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/tracer"
)

// blockMax is how many bytes are kept of the arguments of an exec, and of its environment.
const blockMax = 128 << 10

// longList is a list of strings with so many bytes in all, terminating NULs included; no two strings are the same.
func longList(name string, bytes int) []string {
	var list []string
	for bytes > 0 {
		s := fmt.Sprintf("%s=%d", name, len(list))
		s += strings.Repeat("x", min(1000+7*len(list)%13, bytes-1-len(s)))
		list = append(list, s)
		if bytes -= len(s) + 1; bytes < 20 && bytes > 0 { // too few for a name
			list[len(list)-1] += strings.Repeat("y", bytes)
			bytes = 0
		}
	}
	return list
}

// shortStrings is a list of so many strings.
func shortStrings(count int) []string {
	var list []string
	for i := range count {
		list = append(list, "argument "+itoa(i))
	}
	return list
}

// firstBytes is a list of strings that was cut behind so many bytes.
type firstBytes struct {
	Whole []string
	Bytes int
}

func init() { gob.Register(firstBytes{}) }

func (m firstBytes) match(got any) error {
	whole := strings.Join(m.Whole, "\x00")
	if text := strings.Join(got.([]string), "\x00"); text != strings.TrimSuffix(whole[:m.Bytes], "\x00") {
		return fmt.Errorf("got %d bytes, want the first %d of %d", len(text), m.Bytes, len(whole))
	}
	return nil
}

// longCases are executions with long arguments: argv is the program's name and the list.
var longCases = []struct {
	name      string
	argv, env func() []string
}{
	{"100 KB of arguments", func() []string { return longList("argument", 100<<10) }, func() []string { return []string{"A=1"} }},
	{"127 KiB each", func() []string { return longList("argument", 127<<10) }, func() []string { return longList("VARIABLE", 127<<10) }},
	{"128 KiB of environment", func() []string { return nil }, func() []string { return longList("VARIABLE", blockMax) }},
	{"5000 arguments", func() []string { return shortStrings(5000) }, func() []string { return nil }},
	{"200 KB of arguments", func() []string { return longList("argument", 200<<10) }, func() []string { return []string{"B=2"} }},
	{"1 MB of arguments", func() []string { return longList("argument", 1<<20) }, func() []string { return longList("VARIABLE", 40<<10) }},
}

// keptOf adds a list to what is wanted of an event: whole, or cut and marked.
func (w *want) keptOf(argument string, list []string) {
	w.Arguments[argument] = list
	if n := len(strings.Join(list, "\x00")) + 1; len(list) > 0 && n > blockMax {
		w.Arguments[argument] = firstBytes{list, blockMax}
		w.Truncated = append(w.Truncated, argument)
	}
}

// longTriggers are the rows of sched_process_exec.
func longTriggers() []trigger {
	var rows []trigger
	for _, c := range longCases {
		rows = append(rows, trigger{"sched_process_exec", c.name, func(a *actor) {
			file, argv, env := program(a), append([]string{"true"}, c.argv()...), c.env()
			w := a.wantExec(file, file, file, argv, env)
			w.keptOf("argv", argv)
			w.keptOf("env", env)
			a.exec(file, argv, env)
		}})
	}
	return rows
}

// longFailures are the rows of process_execute_failed, whose strings still lie in the caller's memory, each where it likes.
func longFailures() []trigger {
	var rows []trigger
	for _, c := range longCases {
		rows = append(rows, trigger{"process_execute_failed", c.name, func(a *actor) {
			path, argv, env := a.path("missing"), append([]string{"true"}, c.argv()...), c.env()
			w := a.want("process_execute_failed", arguments{
				"pathname": path, "stdin_type": anything{}, "stdin_path": anything{},
				"argc": int32(len(argv)), "envc": int32(len(env)),
			})
			w.Return = raw(unix.SYS_EXECVE, cString(path), list(argv...), list(env...))
			w.keptOf("argv", argv)
			w.keptOf("envp", env)
		}})
	}
	return rows
}

// longCalls are the cases of execve and execveat, whose events travel in the other ring.
func longCalls() []syscallCase {
	argv, env := append([]string{"true"}, longList("argument", 127<<10)...), longList("VARIABLE", 140<<10)
	wanted := func(a *actor, event, path string, values arguments) {
		values["pathname"] = path
		w := a.want(event, values)
		w.keptOf("argv", argv)
		w.keptOf("envp", env)
		a.send()
	}
	return []syscallCase{
		{"long execve", "execve", func(a *actor) {
			file := program(a)
			wanted(a, "execve", file, arguments{})
			raw(unix.SYS_EXECVE, cString(file), list(argv...), list(env...))
		}},
		{"long execveat", "execveat", func(a *actor) {
			file := program(a)
			wanted(a, "execveat", file, arguments{"dirfd": int32(unix.AT_FDCWD), "flags": int32(0)})
			raw(unix.SYS_EXECVEAT, atCwd, cString(file), list(argv...), list(env...), 0)
		}},
	}
}

func longActions() map[string]func(*actor) {
	all := map[string]func(*actor){}
	for _, row := range append(longTriggers(), longFailures()...) {
		all[row.action()] = row.do
	}
	for _, row := range longCalls() {
		all["syscalls/"+row.name] = row.do
	}
	return all
}

func TestLongArgumentsAreWhole(t *testing.T) {
	s := start(t, tracer.Config{
		Events: []*events.Event{
			events.SchedProcessExec, events.ProcessExecuteFailed, lookup("execve"), lookup("execveat"),
		},
		ExecEnv: true,
	})
	rows := longTriggers()
	if calledBack() {
		rows = append(rows, longFailures()...)
	}
	for _, row := range rows {
		t.Run(row.action(), func(t *testing.T) { s.trigger(t, row) })
	}
	for _, row := range longCalls() {
		t.Run(row.name, func(t *testing.T) { s.syscallCase(t, row) })
	}
	for _, loss := range s.tracer.Stats().Lost {
		if loss.Reason != tracer.ProgramMissed { // of whatever event: those here were all seen
			t.Errorf("lost: %+v", loss)
		}
	}
}
