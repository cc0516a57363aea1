package filter

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tracee-go/tracee/types/trace"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s, -want +got:\n%s", path, diff)
	}
}

// flagsOf takes the values of --trace as a line separates them.
func flagsOf(line string) []string { return strings.Split(line, " --trace ") }

func TestScopeFilterAdmits(t *testing.T) {
	for _, test := range []struct {
		flags   string
		in, out []trace.Event
	}{
		{"pid=510,1709", pids(510, 1709), pids(1, 511)},
		{"p=510 --trace p=1709", pids(510, 1709), pids(1, 511)},
		{"pi=510", pids(510), pids(1)},
		{"pid=0x1fe", pids(510), pids(1)},
		{"pid>0 --trace pid<1000", pids(1, 999), pids(0, 1000)},
		{"pid>=10 --trace pid<=20", pids(10, 20), pids(9, 21)},
		{"pid>10,20", pids(21), pids(11, 20)},
		{"pid<10,20", pids(9), pids(10, 19)},
		{"pid<0", nil, pids(0, 1)},
		{"pid>4294967295", nil, pids(0, 1<<32-1)},
		{"pid>5 --trace pid<3", nil, pids(2, 4, 6)},
		{"pid!=5", pids(4), pids(5)},
		{"pid=5 --trace pid>100", pids(5, 101), pids(6, 100)},
		{"pid!=200 --trace pid>100", pids(101, 201), pids(100, 200)},
		{"pid=0 --trace pid!=5", pids(0), pids(1, 5)},
		{"pid=5 --trace pid!=5", nil, pids(1, 5)},
		{"uid=0", []trace.Event{{UserID: 0}}, []trace.Event{{UserID: 1000}}},
		{"u>0 --trace u!=1000", []trace.Event{{UserID: 1}}, []trace.Event{{UserID: 0}, {UserID: 1000}}},
		{"mntns=4026531840", []trace.Event{{MountNS: 4026531840}}, []trace.Event{{MountNS: 1}}},
		{"pidns!=4026531836", []trace.Event{{PIDNS: 1}}, []trace.Event{{PIDNS: 4026531836}}},
		{"uts!=ab356bc4dd554", []trace.Event{{HostName: "a"}}, []trace.Event{{HostName: "ab356bc4dd554"}}},
		{"uts=a.b", []trace.Event{{HostName: "a.b"}}, []trace.Event{{HostName: "a"}}},
		{"comm=ls", comms("ls"), comms("lsof", "")},
		{"comm=foo.sh", comms("foo.sh"), comms("foo")},
		{"comm=a=b", comms("a=b"), comms("a")},
		{"comm=cat,vim,ping", comms("cat", "vim", "ping"), comms("ca")},
		{"comm=ba*,*sh,*o*o*", comms("bash", "zsh", "foo"), comms("cat", "o")},
		{"comm!=k*", comms("bash"), comms("kworker")},
		{"comm=bash* --trace comm!=bashful", comms("bash"), comms("bashful", "zsh")},
		{"comm=bash --trace comm!=b*", nil, comms("bash", "zsh")},
		{"comm=* --trace comm!=b*", comms("", "zsh"), comms("bash")},
		{"comm!=*", nil, comms("", "bash")},
		{"comm=gnome-session-binary", comms("gnome-session-b"), comms("gnome-session")},
		{"comm=bash --trace uid>0", []trace.Event{{ProcessName: "bash", UserID: 1}}, comms("bash")},
	} {
		f := parse(t, flagsOf(test.flags)...)
		for i := range test.in {
			if !f.admits(&test.in[i]) {
				t.Errorf("%s rejects %+v", test.flags, test.in[i])
			}
		}
		for i := range test.out {
			if f.admits(&test.out[i]) {
				t.Errorf("%s admits %+v", test.flags, test.out[i])
			}
		}
	}
}

// admits is what the rules of scope fields say, as they are compiled for user space.
func (f *Filter) admits(e *trace.Event) bool {
	for i := range fields {
		if r, field := &f.scope[i], &fields[i]; field.Kind == String16 {
			if !r.admitsText(field.text(e)) {
				return false
			}
		} else if !r.admitsNumber(field.number(e)) {
			return false
		}
	}
	return true
}

func pids(pids ...int) (events []trace.Event) {
	for _, pid := range pids {
		events = append(events, trace.Event{HostProcessID: pid, ProcessID: 7, HostThreadID: 8})
	}
	return events
}

func comms(names ...string) (events []trace.Event) {
	for _, name := range names {
		events = append(events, trace.Event{ProcessName: name})
	}
	return events
}

func TestSelectionHolds(t *testing.T) {
	for _, test := range []struct {
		flags, in, out string
	}{
		{"pid=1", "execve openat", "read close_range2 sys_enter"},
		{"event=execve,open", "execve open", "openat ptrace"},
		{"e=execve --trace ev=open", "execve open", "openat"},
		{"event=open*", "open openat openat2 open_by_handle_at", "execve"},
		{"event=*at", "openat mkdirat", "open"},
		{"event=security_*_bind", "security_socket_bind", "bind"},
		{"event!=open*,dup*", "execve close", "open openat dup dup3"},
		{"set=fs", "read write openat", "execve"},
		{"s=fs --trace e!=open,openat", "read creat", "open openat"},
		{"set=fs --trace set!=fs_read_write", "openat", "read write"},
		{"set!=fs", "execve ptrace", "openat read"},
		{"set=fs_f* --trace set!=*read_write", "openat", "read write execve"},
		{"set=lsm_hooks,proc", "security_file_open execve", "read"},
		{"event=open --trace event!=open", "open", "openat"},
		{"event=open* --trace event!=openat", "open openat2", "openat"},
		{"set=fs --trace event=ptrace", "ptrace read", "execve"},
		{"event!=*", "", "open execve"},
	} {
		var names []string
		for _, e := range parse(t, flagsOf(test.flags)...).Selection("default") {
			names = append(names, e.Name)
		}
		for _, name := range strings.Fields(test.in) {
			if !slices.Contains(names, name) {
				t.Errorf("%s does not select %s", test.flags, name)
			}
		}
		for _, name := range strings.Fields(test.out) {
			if slices.Contains(names, name) {
				t.Errorf("%s selects %s", test.flags, name)
			}
		}
	}
}

func TestParseErrors(t *testing.T) {
	var got strings.Builder
	for _, line := range []string{
		"", "=5", "!", "UID>0", "unknown=1", "xyz", "comm.x=5", "pids=1", "openat=5",
		"uid", "uid=", "uid!", "uid!5", "uid==0", "uid=-1", "uid= 1", "uid=1,", "uid=\t", "uid=%s", "uid=x", "uid=0x",
		"uid=4294967296", "mntns=18446744073709551616",
		"comm", "comm=", "comm>a", "comm=a,,b", "comm=abcdefghijkl*mnop", "uts<=a", "com=bash",
		"event=", "event>a", "event=openatt", "event=bl*ah", "event=print_syscall_table", "event!=clonee", "event=zzzzzzzz",
		"set=defualt", "set!=nothing", "set=",
		"open.", "open.=1", ".pathname=a", "blabla.bla=5", "openatt.pathname=a", "open.bla=5", "open.pathname.x=5",
		"getpid.bla=5", "openat.pathname", "openat.pathname=", "openat.pathname>a", "close.fd=abc",
		"openat.dirfd=4294967296", "openat.dirfd<A", "openat.flags<O_CREAT", "openat.flags=1O",
		"close.fd>1*", "bpf.attr=x",
		".retval=0", "open.retvall=0", "open.retval", "open.retval=x", "open.retval=1*", "blabla.retval=0",
		"container=", "container=a/b", "container>1", "!container=new", "!containers", "container=" + strings.Repeat("a", 65),
		"net=nosuch0", "net!=lo", "net=", "net=lo,nosuch0.1", "net=nosuch*", "set=*zz*",
		"follow=1", "f!=bash", "comm=a*,b*," + strings.Repeat("x", 14) + "*," + strings.Repeat("y*,", 50) + "z --trace follow",
		"pid=old", "pid>new", "uid=new", "tid=new",
		"tree", "tree=", "tree!=", "tree>5", "tree=bash", "tree=0", "tree=-1", "tree=1,", "tre=1",
		"executable", "executable=", "executable<a", "executable=" + strings.Repeat("/usr", 65),
		"cgroup=x", "cgroup=/nosuch.slice", "cgroup>/", "ppid=new", "tid=4294967296",
	} {
		f, err := Parse(flagsOf(line))
		if err == nil {
			t.Errorf("%q was accepted: %+v", line, f)
			continue
		}
		got.WriteString(line + "\n\t" + err.Error() + "\n")
	}
	golden(t, "errors.golden", got.String())
}

func TestParseWarnings(t *testing.T) {
	var got strings.Builder
	for _, line := range []string{
		"openat.pathname=/etc/shadow",
		"event=open --trace openat.pathname=/etc/shadow --trace openat.retval<0",
		"event!=open --trace open.retval=0 --trace open.retval=1",
		"comm=gnome-session-binary,gnome-session-binary --trace uts!=abcdefghijklmnop",
		"read.fd=0",
		"follow", "comm=bash --trace follow", "tree=4294967295", "executable=bash,/bin/sh,*/zsh",
	} {
		f := parse(t, flagsOf(line)...)
		got.WriteString(line + "\n")
		for _, w := range f.Warnings {
			got.WriteString("\t" + w + "\n")
		}
	}
	golden(t, "warnings.golden", got.String())
}

func TestHelpExamplesParse(t *testing.T) {
	golden(t, "help.golden", Help())
	all := slices.Clone(examples)
	for _, f := range fields {
		all = append(all, example{flags: f.Example})
	}
	for _, e := range all {
		f, err := Parse(flagsOf(e.flags))
		if err != nil {
			t.Errorf("%s: %v", e.flags, err)
		} else if len(f.Warnings) > 0 && !strings.HasPrefix(e.flags, "tree") { // whose processes are not here
			t.Errorf("%s: %q", e.flags, f.Warnings)
		}
	}
}

func TestParseNeverPanics(t *testing.T) {
	names := []string{"", "p", "pid", "comm", "event", "set", "openat.pathname", "openat.flags", "close.retval", ".", "!c"}
	for _, name := range names {
		for _, rest := range []string{"", "=", "!", "!=", "<", ">=", "=,", "=*", "=**", "=a", "=5", "=new", "!=,5", "=-"} {
			Parse([]string{name + rest})
		}
	}
}
