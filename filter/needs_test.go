package filter

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

// opened is an openat of a path.
func opened(t *testing.T, path string, ret int) *trace.Event {
	e := event(t, "openat", args{"dirfd": -100, "pathname": path, "flags": 0})
	e.ReturnValue = ret
	return e
}

func TestKernelSendsWhatFlagsAdmitAndWhatOthersNeed(t *testing.T) {
	needRoot(t)
	k := newJudge(t)
	defer k.objects.Close()
	openat, _ := events.Lookup("openat")
	failed := Conditions{{"pathname", "=", []string{"/etc/*", "*.so"}}, {"retval", "<", []string{"0"}}}
	flag := []string{"event=openat", "openat.pathname=/tmp/a"}
	for _, test := range []struct {
		name, want string // of the paths of the events that are sent
		flags      []string
		needs      []Conditions
		alone      bool
	}{
		{"flags", "/tmp/a", flag, nil, false},
		{"flags and needs", "/tmp/a /etc/a", flag, []Conditions{failed}, false},
		{"no flags, all is shown", "/tmp/a /tmp/b /etc/a /etc/b", []string{"event=openat"}, []Conditions{failed}, false},
		{"needs alone", "/etc/a", []string{"event=openat"}, []Conditions{failed}, true},
		{"needs alone, whatever the flags say", "/etc/a", flag, []Conditions{failed}, true},
		{"several needs", "/tmp/b /etc/a", flag, []Conditions{failed, {{"pathname", "=", []string{"/tmp/b"}}}}, true},
		{"needed whole", "/tmp/a /tmp/b /etc/a /etc/b", flag, []Conditions{failed, nil}, false},
		{"needed by what the kernel can not tell", "/tmp/a /tmp/b /etc/a /etc/b", flag, []Conditions{{{"flags", "=", []string{"*O_CREAT*"}}}}, true},
		{"a whole and a part that it can not tell", "/etc/a", flag,
			[]Conditions{append(Conditions{{"flags", "=", []string{"O_RDONLY"}}}, failed...)}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			needs := Needs{Alone: test.alone}
			for _, c := range test.needs {
				needs.Add(openat, c)
			}
			j, err := parse(t, test.flags...).Judges(needs)
			if err != nil {
				t.Fatal(err)
			}
			k.install(t, j)
			var sent []string
			for _, e := range []*trace.Event{
				opened(t, "/tmp/a", 3), opened(t, "/tmp/b", 3), opened(t, "/etc/a", -2), opened(t, "/etc/b", 3),
			} {
				if k.passes(t, e) {
					a, _ := e.Lookup("pathname")
					sent = append(sent, a.Text())
				}
			}
			if got := strings.Join(sent, " "); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestConditionsAreChecked(t *testing.T) {
	openat, _ := events.Lookup("openat")
	for _, test := range []struct {
		condition Condition
		want      string // in the error; empty: there is none
	}{
		{Condition{"pathname", "=", []string{"/etc/*"}}, ""},
		{Condition{"retval", ">=", []string{"0"}}, ""},
		{Condition{"path", "=", []string{"/etc/*"}}, "openat has dirfd, pathname"},
		{Condition{"pathname", "<", []string{"/etc/*"}}, "takes = and != only"},
		{Condition{"dirfd", "~", []string{"1"}}, "invalid operator"},
		{Condition{"dirfd", "=", nil}, "a value is missing"},
		{Condition{"retval", "=", []string{"x"}}, "is a number"},
	} {
		err := Conditions{test.condition}.Check(openat)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %v, want %q", test.condition, err, test.want)
		}
	}
}

func TestListsOfOneArgumentAreOneTest(t *testing.T) {
	openat, _ := events.Lookup("openat")
	needs := Needs{Alone: true}
	for i := range maxTests + 1 {
		needs.Add(openat, Conditions{{"pathname", "=", []string{fmt.Sprintf("/s/%d", i)}}})
	}
	j, err := parse(t).Judges(needs)
	if err != nil {
		t.Fatal(err)
	}
	if !j.Judged(openat) || len(j.tests) != 1 {
		t.Errorf("%d tests", len(j.tests))
	}
}

func TestTooManyTestsLetEverythingPass(t *testing.T) {
	openat, _ := events.Lookup("openat")
	needs := Needs{Alone: true}
	for i := range maxTests + 1 {
		needs.Add(openat, Conditions{{"dirfd", ">", []string{strings.Repeat("1", i%9+1)}}})
	}
	j, err := parse(t).Judges(needs)
	if err != nil {
		t.Fatal(err)
	}
	if j.Judged(openat) || len(j.tests)+len(j.automata)+len(j.numbers) > 0 {
		t.Errorf("%d tests are left of too many", len(j.tests))
	}
}

func TestFunctionsAreSpareThatNoTestCalls(t *testing.T) {
	long := "a" + strings.Repeat("b", 70) + "*"
	for _, test := range []struct {
		flags []string
		want  []string
	}{
		{nil, []string{"address_text", "text_step_wide"}},
		{[]string{"kill.sig=9"}, []string{"address_text", "text_step_wide"}},
		{[]string{"openat.pathname=/etc/*"}, []string{"address_text", "text_step_wide"}},
		{[]string{"openat.pathname=" + long}, []string{"address_text"}},
		{[]string{"security_socket_connect.remote_addr=*AF_UNIX*"}, []string{"text_step_wide"}},
		{[]string{"security_socket_connect.remote_addr=*AF_UNIX*", "openat.pathname=" + long}, nil},
	} {
		j, err := parse(t, test.flags...).Judges(Needs{})
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.Sorted(maps.Keys(j.Spare(true))); !slices.Equal(got, test.want) {
			t.Errorf("%q: got %q, want %q", test.flags, got, test.want)
		}
		if got := slices.Sorted(maps.Keys(j.Spare(false))); !slices.Equal(got, []string{"test_passes"}) {
			t.Errorf("%q: a program that judges nothing: got %q", test.flags, got)
		}
	}
}
