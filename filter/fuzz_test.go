package filter

import (
	"strings"
	"testing"

	"github.com/tracee-go/tracee/types/trace"
)

// FuzzParse reads any flags. What is accepted must be usable: it judges an event, and can be compiled for the kernel.
func FuzzParse(f *testing.F) {
	for _, e := range examples {
		f.Add(e.flags)
	}
	for i := range fields {
		f.Add(fields[i].Example)
	}
	for _, flags := range []string{
		"", "=", "!", "!c", "pid=new,5", "comm=*", "comm=a*b*c", "uid>=18446744073709551615", "event!=*", "tree!=1", "follow",
		"connect.addr=*sin_port:80*", "openat.flags=*O_CREAT*", "close.retval=0x80000000", "cgroup=/*", "executable=*/ls",
		"ptrace.request<=-9223372036854775808", "sched_process_exit.process_group_exit=T", ".=", "container=a*", "a.b.c=1",
	} {
		f.Add(flags)
	}
	e := &trace.Event{}
	f.Fuzz(func(t *testing.T, line string) {
		parsed, err := Parse(flagsOf(line))
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without a text")
			}
			return
		}
		parsed.compile()
		if _, err := parsed.Judges(Needs{}); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		parsed.Match(e)
		parsed.Selection("default")
		for _, r := range parsed.arguments {
			if parsed.Match(event(t, r.event.Name, nil)) && len(parsed.arguments) == 1 && r.t != nil {
				t.Errorf("%q matches an event without the argument", line)
			}
		}
	})
}

// FuzzConditions makes conditions of any text, as signatures may.
func FuzzConditions(f *testing.F) {
	f.Add("pathname", "=", "/etc/*")
	f.Add("retval", "<", "0")
	f.Add("", "", "")
	f.Fuzz(func(t *testing.T, argument, operator, values string) {
		c := Conditions{{Argument: argument, Operator: operator, Values: strings.Split(values, ",")}}
		opened, _ := lookupEvent("openat")
		if c.Check(opened) != nil {
			return
		}
		needs := Needs{Alone: true}
		needs.Add(opened, c)
		if _, err := parse(t).Judges(needs); err != nil {
			t.Errorf("%q: checked, but then: %v", c, err)
		}
	})
}
