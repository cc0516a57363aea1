package filter

import (
	"strings"
	"testing"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

func TestSelectorLooksAtArgumentsAndContext(t *testing.T) {
	openat, _ := events.Lookup("openat")
	e := &trace.Event{
		ProcessID: 7, UserID: 1000, ReturnValue: -2, ProcessName: "cat", Executable: "/bin/cat", ContainerID: "abc", PodName: "web-1",
	}
	var b trace.Builder
	b.Reset(openat.Schema())
	b.Text(1, "/etc/hosts")
	b.Finish(e)
	for filters, want := range map[string]bool{
		"":                                true,
		"args.pathname=/etc/*":            true,
		"data.pathname=/etc/*,/tmp/*":     true,
		"data.pathname!=/etc/hosts":       false,
		"args.dirfd=3":                    false, // it was not captured
		"args.dirfd!=3":                   false,
		"retval<0":                        true,
		"retval=-2 retval=0":              true,
		"retval<0 retval>-2":              false,
		"pid=7 comm=c* uid>=1000":         true,
		"processId=7 uid<1000":            false,
		"executable=*/cat podName!=web-2": true,
		"container":                       true,
		"host":                            false,
		"containerId=abc":                 true,
	} {
		s, err := NewSelector(openat, strings.Fields(filters))
		if err != nil {
			t.Errorf("%q: %v", filters, err)
			continue
		}
		if got := s.Match(e); got != want {
			t.Errorf("%q: got %v, want %v", filters, got, want)
		}
	}
	for filters, want := range map[string]string{
		"args.pathnam=x": "argument name: pathnam (openat has dirfd, pathname",
		"pathname=x":     `unknown filter "pathname" (did you mean args.pathname?)`,
		"comn=x":         "did you mean comm?",
		"pid=x":          "pid is a number",
		"comm>x":         "comm",
		"uid":            "uid",
		"container=abc":  `unknown filter "container" (did you mean containerId?)`,
	} {
		if _, err := NewSelector(openat, []string{filters}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", filters, err, want)
		}
	}
}
