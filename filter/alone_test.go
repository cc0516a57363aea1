package filter

import (
	"strings"
	"testing"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

func TestAloneDecidesWhatTheKernelDoesOtherwise(t *testing.T) {
	open, _ := events.Lookup("openat")
	var b trace.Builder
	b.Reset(open.Schema())
	b.Text(1, "/tmp/x")
	e := &trace.Event{
		EventID: open.ID, EventName: "openat", ProcessName: "cat", UserID: 5, HostProcessID: 7, ReturnValue: 3,
		Executable: "/usr/bin/cat", ContainerID: "abc", ContextFlags: trace.ContextFlags{ContainerStarted: true},
	}
	b.Finish(e)
	for _, test := range []struct {
		flags string
		want  bool
	}{
		{"", true},
		{"event=openat", true}, {"event=open*", true}, {"event=close", false}, {"event!=openat", false}, {"event!=close", true},
		{"set=fs", true}, {"set=net", false},
		{"uid=5", true}, {"uid>5", false}, {"pid=7", true}, {"comm=cat", true}, {"comm!=cat", false},
		{"executable=/usr/bin/*", true}, {"executable=/bin/x", false},
		{"container", true}, {"!container", false}, {"container=abc", true}, {"container=def", false},
		{"openat.pathname=/tmp/*", true}, {"openat.pathname=/etc/*", false}, {"close.fd=1", true},
		{"openat.retval>5", false},
		{"uid=5 comm=dog", false},
	} {
		f, err := Parse(strings.Fields(test.flags))
		if err != nil {
			t.Fatal(err)
		}
		alone, err := f.Alone()
		if err != nil {
			t.Fatal(err)
		}
		if got := alone(e); got != test.want {
			t.Errorf("%s: got %v", test.flags, got)
		}
	}
	for _, flags := range []string{"tree=1", "uid=5 follow", "pid=new", "container=new"} {
		f, err := Parse(strings.Fields(flags))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Alone(); err == nil {
			t.Errorf("%s: no error", flags)
		}
	}
}
