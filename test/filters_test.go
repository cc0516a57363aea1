package test

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/tracer"
)

// filterCase runs one child whose events a filter keeps, and one whose events it does not.
type filterCase struct {
	name    string
	flags   string // separated by blanks; PID and NAMESPACE stand for those of the kept child, and of the test
	kept    string
	dropped string
	keep    func(*want) bool // which of the kept child's; nil: all
}

var filterCases = []filterCase{
	{name: "nothing", flags: "", kept: "plain"},
	{name: "comm", flags: "comm=alpha", kept: "named alpha", dropped: "named alphabet"},
	{name: "comm list", flags: "comm=x,alphabet,y", kept: "named alphabet", dropped: "named alpha"},
	{name: "comm prefix", flags: "comm=alpha*", kept: "named alphabet", dropped: "plain"},
	{name: "comm but", flags: "comm!=alpha", kept: "named alphabet", dropped: "named alpha"},
	{name: "comm parts", flags: "comm=*phab*", kept: "named alphabet", dropped: "named alpha"},
	{name: "uid", flags: "uid=1234", kept: "ordinary", dropped: "plain"},
	{name: "uid range", flags: "uid>1000 uid<=1234", kept: "ordinary", dropped: "plain"},
	{name: "uid but", flags: "uid!=1234", kept: "plain", dropped: "ordinary"},
	{name: "pid", flags: "pid=PID", kept: "plain", dropped: "plain"},
	{name: "pid list", flags: "pid=1,2,3,4,5,6,7,8,9,10,PID", kept: "plain", dropped: "plain"},
	{name: "mntns", flags: "mntns!=NAMESPACE", kept: "apart", dropped: "plain"},
	{name: "two fields", flags: "uid=1234 pid=PID", kept: "ordinary", dropped: "ordinary"},
	{
		name: "return value", flags: "getpgid.retval<0", kept: "plain",
		keep: func(w *want) bool { return w.Event != "getpgid" || w.Return < 0 },
	},
	{
		name: "number", flags: "getpgid.pid!=0 getpgid.pid<0x7000002", kept: "plain",
		keep: func(w *want) bool { return w.Event != "getpgid" || w.Arguments["pid"] == int32(0x7000001) },
	},
	{
		name: "text", flags: "openat.pathname=/*one", kept: "plain",
		keep: func(w *want) bool {
			return w.Event != "openat" || strings.HasSuffix(w.Arguments["pathname"].(string), "one")
		},
	},
	{
		name: "text and number", flags: "openat.pathname!=*one openat.dirfd=-5", kept: "plain",
		keep: func(w *want) bool {
			return w.Event != "openat" ||
				w.Arguments["dirfd"] == int32(-5) && !strings.HasSuffix(w.Arguments["pathname"].(string), "one")
		},
	},
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
			kept := spawn(t, "filter/"+row.kept)
			names := strings.NewReplacer("PID", itoa(kept.pid), "NAMESPACE", itoa(int(stat.Ino)))
			flags := append(strings.Fields(names.Replace(row.flags)), "event=openat,getpgid")
			s := start(t, tracer.Config{Events: []*events.Event{lookup("openat"), lookup("getpgid")}}, flags...)
			pids := []int{kept.pid}
			if row.dropped != "" { // first, so that the end of the other is the end of both
				dropped := spawn(t, "filter/"+row.dropped)
				pids = append(pids, dropped.pid)
				dropped.release(0, nil)
				dropped.finish()
			}
			found, seen := s.run(kept, 0)
			var wants []want
			for i := range found.Wants {
				if row.keep == nil || row.keep(&found.Wants[i]) {
					wants = append(wants, found.Wants[i])
				}
			}
			kept.compareAll(wants, of(seen, pids, "openat", "getpgid"))
		})
	}
}
