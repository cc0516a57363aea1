package filter

import (
	"testing"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

// event builds an event with the arguments named; the others were not captured.
func event(t testing.TB, name string, arguments map[string]any) *trace.Event {
	t.Helper()
	declared, ok := events.Lookup(name)
	if !ok {
		t.Fatalf("no event %s", name)
	}
	var b trace.Builder
	b.Reset(declared.Schema())
	for argument, value := range arguments {
		i := declared.Schema().Index(argument)
		if i < 0 {
			t.Fatalf("%s has no argument %s", name, argument)
		}
		if err := b.Set(i, value); err != nil {
			t.Fatal(err)
		}
	}
	e := &trace.Event{}
	b.Finish(e)
	return e
}

type args = map[string]any

func TestMatchArguments(t *testing.T) {
	openat := func(flags int) *trace.Event {
		return event(t, "openat", args{"dirfd": -100, "pathname": "/tmp/a", "flags": flags, "mode": 0o644})
	}
	connect := event(t, "connect", args{"addr": map[string]string{
		"sa_family": "AF_INET", "sin_addr": "10.0.0.1", "sin_port": "80",
	}})
	execve := event(t, "execve", args{"pathname": "/bin/ls", "argv": []string{"ls", "-l"}})
	for _, test := range []struct {
		flags string
		e     *trace.Event
		want  bool
	}{
		{"pid=1", openat(0), true},
		{"close.fd=5", openat(0), true},
		{"close.fd=5", event(t, "close", args{"fd": 5}), true},
		{"close.fd=0x5", event(t, "close", args{"fd": 5}), true},
		{"close.fd=5", event(t, "close", args{"fd": 6}), false},
		{"close.fd=5", event(t, "close", nil), false},
		{"close.fd!=5", event(t, "close", nil), false},
		{"close.fd!=5", event(t, "close", args{"fd": 6}), true},
		{"close.fd=3,5", event(t, "close", args{"fd": 5}), true},
		{"close.fd!=3,5", event(t, "close", args{"fd": 5}), false},
		{"close.fd=3 --trace close.fd=5", event(t, "close", args{"fd": 5}), true},
		{"close.fd>2 --trace close.fd<=9", event(t, "close", args{"fd": 9}), true},
		{"close.fd>2 --trace close.fd<=9", event(t, "close", args{"fd": 10}), false},
		{"close.fd=20 --trace close.fd<=9", event(t, "close", args{"fd": 20}), false},
		{"close.fd<0", event(t, "close", args{"fd": -1}), true},
		{"close.fd=0xffffffff", event(t, "close", args{"fd": -1}), true},
		{"close.fd=1*", event(t, "close", args{"fd": 17}), true},
		{"read.count>9223372036854775807", event(t, "read", args{"count": uint64(1 << 63)}), true},
		{"openat.dirfd=-100", openat(0), true},
		{"openat.pathname=/tmp*", openat(0), true},
		{"openat.pathname=*/a", openat(0), true},
		{"openat.pathname=*mp*", openat(0), true},
		{"openat.pathname=/tmp", openat(0), false},
		{"openat.pathname!=/tmp/1,/bin/ls", openat(0), true},
		{"openat.pathname!=/tmp/a,/bin/ls", openat(0), false},
		{"openat.pathname=/tmp* --trace openat.pathname!=/tmp/a", openat(0), false},
		{"openat.pathname=/tmp* --trace openat.dirfd=3", openat(0), false},
		{"openat.pathname=/a.retval", openat(0), false},
		{"openat.flags=1", openat(1), true},
		{"openat.flags=O_WRONLY", openat(1), true},
		{"openat.flags=O_RDONLY", openat(0), true},
		{"openat.flags=O_RDONLY", openat(1), false},
		{"openat.flags!=O_RDONLY", openat(1), true},
		{"openat.flags=*O_CREAT*", openat(0o101), true},
		{"openat.flags=*O_CREAT*", openat(1), false},
		{"openat.flags=O_RDONLY,1", openat(1), true},
		{"connect.addr=*sin_port:80*", connect, true},
		{"connect.addr=map[sa_family:AF_INET sin_addr:10.0.0.1 sin_port:80]", connect, true},
		{"connect.addr=*sin_port:81*", connect, false},
		{"execve.argv=[ls -l]", execve, true},
		{"execve.argv=*-a*", execve, false},
		{"openat.pathname=/tmp* --trace openat.pathname=/etc*", openat(0), true},
	} {
		for _, parsed := range []bool{false, true} {
			test.e.ParseArguments = parsed
			if got := parse(t, flagsOf(test.flags)...).Match(test.e); got != test.want {
				t.Errorf("%s on %v (parse-arguments %v): %v, want %v", test.flags, test.e.Args(), parsed, got, test.want)
			}
		}
	}
}

func TestMatchReturnValue(t *testing.T) {
	for _, test := range []struct {
		flags string
		value int
		want  bool
	}{
		{"openat.retval<0", -2, true},
		{"openat.retval<0", 3, false},
		{"openat.retval=-2,-13", -13, true},
		{"openat.retval!=0", 0, false},
		{"openat.retval=2 --trace openat.retval>1", 2, true},
		{"openat.retval=2 --trace openat.retval>1", 3, false},
		{"openat.retval>=-1 --trace openat.retval<=1", -1, true},
	} {
		e := event(t, "openat", nil)
		e.ReturnValue = test.value
		if got := parse(t, flagsOf(test.flags)...).Match(e); got != test.want {
			t.Errorf("%s on %d: %v, want %v", test.flags, test.value, got, test.want)
		}
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	e := event(t, "openat", args{"dirfd": -100, "pathname": "/tmp/a", "flags": 0})
	for _, flags := range []string{
		"openat.pathname=/etc/*,*passwd,*x*", "openat.pathname=/tmp/*", "openat.dirfd=3", "openat.dirfd<0", "openat.retval<0",
	} {
		f := parse(t, flags)
		if n := testing.AllocsPerRun(100, func() { f.Match(e) }); n != 0 {
			t.Errorf("%s: %v allocations", flags, n)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	e := event(b, "openat", args{"dirfd": -100, "pathname": "/tmp/a", "flags": 0})
	for _, flags := range []string{"pid=1", "close.fd=5", "openat.dirfd=3", "openat.pathname=/etc/shadow", "openat.pathname=*b*"} {
		f := parse(b, flags)
		b.Run(flags, func(b *testing.B) {
			for b.Loop() {
				f.Match(e)
			}
		})
	}
}
