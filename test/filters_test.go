package test

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/tracer"
	"github.com/tracee-go/tracee/types/trace"
)

// filterCase runs one child whose events a filter keeps, and before it one whose events it does not.
type filterCase struct {
	name    string
	flags   string // separated by blanks; PID and NAMESPACE stand for those of the kept child, and of the test
	kept    string
	dropped string
}

// filterCases are about the task, which the kernel decides. Each costs a tracer of its own.
var filterCases = []filterCase{
	{"comm", "comm=alpha comm!=alphabet", "named alpha", "named alphabet"},
	{"comm patterns", "comm=x,*phab*,alph", "named alphabet", "named alpha"},
	{"uid range", "uid>1000 uid<=1234", "ordinary", "plain"},
	{"pid list", "pid=1,2,3,4,5,6,7,8,9,10,PID", "plain", "plain"},
	{"mntns", "mntns!=NAMESPACE", "apart", "plain"},
	{"two fields", "uid=1234 pid=PID", "ordinary", "ordinary"},
}

// matchCases are about arguments and return values, and share one tracer.
var matchCases = []struct {
	name, flags string
	keep        func(*want) bool
}{
	{"return value", "getpgid.retval<0", func(w *want) bool { return w.Event != "getpgid" || w.Return < 0 }},
	{"number", "getpgid.pid!=0 getpgid.pid<0x7000002", func(w *want) bool {
		return w.Event != "getpgid" || w.Arguments["pid"] == int32(0x7000001)
	}},
	{"text", "openat.pathname=/nonexistent*one", func(w *want) bool {
		return w.Event != "openat" || w.Arguments["pathname"] == "/nonexistent/one"
	}},
	{"text and number", "openat.pathname!=*one openat.dirfd=-5", func(w *want) bool {
		return w.Event != "openat" ||
			w.Arguments["dirfd"] == int32(-5) && !strings.HasSuffix(w.Arguments["pathname"].(string), "one")
	}},
}

func filterActions() map[string]func(*actor) {
	named := func(name string) func(*actor) {
		return func(a *actor) {
			a.must(unix.SYS_PRCTL, unix.PR_SET_NAME, cString(name))
			a.filtered(name, 0)
		}
	}
	return map[string]func(*actor){
		"filter/plain":          func(a *actor) { a.filtered("", 0) },
		"filter/named alpha":    named("alpha"),
		"filter/named alphabet": named("alphabet"),
		"filter/ordinary": func(a *actor) {
			a.must(unix.SYS_SETRESUID, ordinaryUser, ordinaryUser, ordinaryUser)
			a.filtered("", ordinaryUser)
		},
		"filter/apart": func(a *actor) {
			a.must(unix.SYS_UNSHARE, unix.CLONE_NEWNS)
			a.filtered("", 0)
		},
	}
}

// filtered makes the calls that the filters decide about.
func (a *actor) filtered(name string, uid int) {
	for _, pid := range []int32{0, 0x7000001, 0x7000002} {
		a.call(nativeCalls(), "getpgid", [6]uintptr{uintptr(pid)}, arguments{"pid": pid})
	}
	for _, path := range []string{"/nonexistent/one", "/nonexistent/two", "/missing/one"} {
		for _, dirfd := range []int32{-5, 1000} {
			a.call(nativeCalls(), "openat", [6]uintptr{uintptr(dirfd), cString(path)}, arguments{
				"dirfd": dirfd, "pathname": path, "flags": int32(0), "mode": uint32(0),
			})
		}
	}
	for i := range a.Wants {
		a.Wants[i].Comm, a.Wants[i].UID = name, uid
	}
}

func TestFiltersKeepOnlyWhatTheyName(t *testing.T) {
	var stat unix.Stat_t
	if err := unix.Stat("/proc/self/ns/mnt", &stat); err != nil {
		t.Fatal(err)
	}
	for _, row := range filterCases {
		t.Run(row.name, func(t *testing.T) {
			kept, dropped := spawn(t, "filter/"+row.kept), spawn(t, "filter/"+row.dropped)
			names := strings.NewReplacer("PID", itoa(kept.pid), "NAMESPACE", itoa(int(stat.Ino)))
			s := start(t, filteredEvents(), strings.Fields(names.Replace(row.flags))...)
			dropped.release(0, nil) // first, so that the end of the other is the end of both
			dropped.finish()
			found, seen := s.run(kept, 0)
			kept.compareAll(found.Wants, of(seen, []int{kept.pid, dropped.pid}, "openat", "getpgid"))
		})
	}
}

func filteredEvents() tracer.Config {
	return tracer.Config{Events: []*events.Event{lookup("openat"), lookup("getpgid")}}
}

func TestArgumentFiltersKeepOnlyWhatTheyName(t *testing.T) {
	s := start(t, filteredEvents())
	var c *child
	var found findings
	var seen []*trace.Event
	s.try(t, func(t testing.TB) {
		c = spawn(t, "filter/plain")
		found, seen = s.run(c, 0)
		c.compareAll(found.Wants, of(seen, []int{c.pid}, "openat", "getpgid"))
	})
	if t.Failed() {
		return
	}
	for _, row := range matchCases {
		t.Run(row.name, func(t *testing.T) {
			f, err := filter.Parse(append(strings.Fields(row.flags), "event=openat,getpgid"))
			if err != nil {
				t.Fatal(err)
			}
			wants := slices.DeleteFunc(slices.Clone(found.Wants), func(w want) bool { return !row.keep(&w) })
			matching := slices.DeleteFunc(slices.Clone(seen), func(e *trace.Event) bool { return !f.Match(e) })
			c.t = t
			c.compareAll(wants, of(matching, []int{c.pid}, "openat", "getpgid"))
		})
	}
}
