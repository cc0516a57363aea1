package filter

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/tracee-go/tracee/types/trace"
	"pgregory.net/rapid"
)

//go:generate go tool bpf2go -cc clang-16 -target bpfel -type event -type event_header -type process scope testdata/scope.bpf.c -- -mcpu=v3 -Wall -Werror -I../bpf/include

// failer is what testing.T and rapid.T have in common.
type failer interface {
	Helper()
	Fatal(...any)
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("loading BPF programs needs root")
	}
}

func parse(t failer, flags ...string) *Filter {
	t.Helper()
	f, err := Parse(flags)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// processStart is when the processes of the test began: before tracing.
const processStart = 7

// load returns the test program with a filter.
func load(t failer, f *Filter) *scopeObjects {
	t.Helper()
	spec, err := loadScope()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Configure(spec); err != nil {
		t.Fatal(err)
	}
	j, err := f.Judges(Needs{})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Configure(spec); err != nil {
		t.Fatal(err)
	}
	if err := spec.Variables["tracing_since"].Set(uint64(processStart + 1)); err != nil {
		t.Fatal(err)
	}
	var objects scopeObjects
	if err := spec.LoadAndAssign(&objects, nil); err != nil {
		t.Fatal(fmt.Sprintf("%+v", err))
	}
	maps := map[string]*ebpf.Map{
		numbersMap: objects.FilterValues, textsMap: objects.FilterStrings, rootsMap: objects.ProcessRoots,
		automataMap: objects.FilterAutomata,
	}
	if err := f.Install(maps); err != nil {
		t.Fatal(err)
	}
	return &objects
}

// kernelPasses asks the kernel side about an event. What lies behind the NUL of texts is noise.
func kernelPasses(t failer, objects *scopeObjects, e *trace.Event, noise int8, kept scopeProcess) bool {
	t.Helper()
	input := scopeEvent{Header: scopeEventHeader{
		HostPid: uint32(e.HostProcessID), HostTid: uint32(e.HostThreadID), HostPpid: uint32(e.HostParentProcessID),
		Uid: uint32(e.UserID), MntNs: uint32(e.MountNS), PidNs: uint32(e.PIDNS), CgroupId: uint64(e.CgroupID),
		Comm: headerText(e.ProcessName, noise), Uts: headerText(e.HostName, noise), ProcessStartTime: processStart,
	}}
	if err := objects.Input.Put(uint32(0), &input); err != nil {
		t.Fatal(err)
	}
	process := trace.EntityID(uint32(e.HostProcessID), processStart)
	if kept != (scopeProcess{}) {
		if err := objects.Processes.Put(process, kept); err != nil {
			t.Fatal(err)
		}
		defer objects.Processes.Delete(process)
	}
	verdict, err := objects.Scope.Run(&ebpf.RunOptions{Data: make([]byte, 14)})
	if err != nil {
		t.Fatal(err)
	}
	return verdict == 1
}

func headerText(s string, noise int8) (text [textSize]int8) {
	for i := range text {
		switch {
		case i < len(s):
			text[i] = int8(s[i])
		case i > len(s):
			text[i] = noise
		}
	}
	return text
}

var (
	numberValues = rapid.OneOf(
		rapid.Uint32Range(0, 12),
		rapid.SampledFrom([]uint32{1000, 1<<31 - 1, 1 << 31, 1<<32 - 2, 1<<32 - 1}))
	textValues    = rapid.StringOfN(rapid.RuneFrom([]rune("ab\xffz")), 0, nameLength/2, nameLength)
	patternValues = rapid.StringOfN(rapid.RuneFrom([]rune("ab*")), 1, 8, -1)
)

// drawFlags makes flags about one field.
func drawFlags(t *rapid.T, field *Field) []string {
	var flags []string
	for range rapid.IntRange(0, 3).Draw(t, "flags") {
		operators := []operator{equal, notEqual}
		if field.Kind != String16 {
			operators = append(operators, less, greater, lessEqual, greaterEqual)
		}
		op := rapid.SampledFrom(operators).Draw(t, "operator")
		var values []string
		for range rapid.IntRange(1, 6).Draw(t, "values") {
			value := drawValue(t, field)
			if field.Fresh && (op == equal || op == notEqual) && rapid.IntRange(0, 3).Draw(t, "new") == 0 {
				value = freshWord
			}
			values = append(values, value)
		}
		flags = append(flags, field.Name+string(op)+strings.Join(values, ","))
	}
	return flags
}

func drawValue(t *rapid.T, field *Field) string {
	if field.Kind != String16 {
		return strconv.FormatUint(uint64(numberValues.Draw(t, "number")), 10)
	}
	if s := textValues.Draw(t, "text"); s != "" && rapid.Bool().Draw(t, "exact") {
		return s
	}
	return patternValues.Draw(t, "pattern")
}

func drawEvent(t *rapid.T) *trace.Event {
	number := func(name string) int { return int(numberValues.Draw(t, name)) }
	return &trace.Event{
		HostProcessID: number("pid"), UserID: number("uid"), MountNS: number("mntns"), PIDNS: number("pidns"),
		HostThreadID: number("tid"), HostParentProcessID: number("ppid"), CgroupID: uint(number("cgroup")),
		ProcessName: textValues.Draw(t, "comm"), HostName: textValues.Draw(t, "uts"),
	}
}

// taskCase is flags about tasks and processes.
var taskCases = rapid.Custom(func(t *rapid.T) (c taskCase) {
	for i := range fields {
		if rapid.Bool().Draw(t, fields[i].Name) {
			c.flags = append(c.flags, drawFlags(t, &fields[i])...)
		}
	}
	c.flags = append(c.flags, drawProcessFlags(t)...)
	for range 20 {
		c.events, c.facts = append(c.events, drawEvent(t)), append(c.facts, drawFacts(t))
		c.noise = append(c.noise, rapid.Int8().Draw(t, "noise"))
	}
	return c
})

type taskCase struct {
	flags  []string
	events []*trace.Event
	facts  []facts
	noise  []int8
}

// disagreement compares the kernel side, with what user space decides behind it, with the oracle; empty: they agree.
func (c taskCase) disagreement(t failer, spoil func(*Filter)) string {
	t.Helper()
	f := parse(t, c.flags...)
	follows := f.process.follow
	spoil(f)
	objects := load(t, f)
	defer objects.Close()
	for i, e := range c.events {
		process := c.facts[i]
		kernel := kernelPasses(t, objects, e, c.noise[i], f.kept(process))
		want := follows && process.followed || reference(c.flags).admitsTask(e, process)
		if got := kernel && f.Match(e); got != want {
			return fmt.Sprintf("%q on %+v (%+v): kernel %v, then match %v; reference %v", c.flags, e, process, kernel, got, want)
		}
	}
	return ""
}

func TestKernelAndMatchAgreeWithReference(t *testing.T) {
	needRoot(t)
	rapid.Check(t, func(t *rapid.T) {
		if wrong := taskCases.Draw(t, "case").disagreement(t, func(*Filter) {}); wrong != "" {
			t.Fatal(wrong)
		}
	})
}

// eachTerm changes what the flags say about numbers.
func eachTerm(change func(*term[uint64])) func(*Filter) {
	return func(f *Filter) {
		for i := range f.scope {
			for j := range f.scope[i].numbers {
				change(&f.scope[i].numbers[j])
			}
		}
	}
}

func TestPropertyOfTasksFindsBugs(t *testing.T) {
	needRoot(t)
	const attempts = 300
	for name, spoil := range map[string]func(*Filter){
		"!= is =": eachTerm(func(t *term[uint64]) {
			if t.operator == notEqual {
				t.operator = equal
			}
		}),
		"<= is <": eachTerm(func(t *term[uint64]) {
			if t.operator == lessEqual {
				t.operator = less
			}
		}),
		"new is forgotten": func(f *Filter) {
			for i := range f.scope {
				f.scope[i].fresh, f.scope[i].old = false, false
			}
		},
		"patterns are forgotten": func(f *Filter) {
			for i := range f.scope {
				f.scope[i].texts = nil
			}
		},
		"follow is forgotten":       func(f *Filter) { f.process.follow = false },
		"executables are forgotten": func(f *Filter) { f.process.executable = nil },
		"trees admit": func(f *Filter) {
			for i := range f.process.tree {
				f.process.tree[i].operator = equal
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			for i := range attempts {
				if wrong := taskCases.Example(i).disagreement(t, spoil); wrong != "" {
					t.Logf("found after %d cases: %.300s", i+1, wrong)
					return
				}
			}
			t.Errorf("not found by %d cases", attempts)
		})
	}
}

var executables = rapid.SampledFrom([]string{"", "/bin/a", "/bin/b", "/usr/bin/a"})

// drawProcessFlags makes flags about processes.
func drawProcessFlags(t *rapid.T) (flags []string) {
	op := func() string { return rapid.SampledFrom([]string{"=", "!="}).Draw(t, "operator") }
	for range rapid.IntRange(0, 2).Draw(t, "trees") {
		flags = append(flags, fmt.Sprint("tree", op(), rapid.IntRange(1, 4).Draw(t, "root"), ",", rapid.IntRange(1, 4).Draw(t, "root")))
	}
	for range rapid.IntRange(0, 2).Draw(t, "executables") {
		flags = append(flags, "executable"+op()+rapid.SampledFrom([]string{"/bin/a,*/b", "*", "/usr*", "/bin/b"}).Draw(t, "path"))
	}
	if rapid.Bool().Draw(t, "follow") {
		flags = append(flags, "follow")
	}
	return flags
}

func drawFacts(t *rapid.T) facts {
	return facts{
		fresh: rapid.Bool().Draw(t, "fresh"), followed: rapid.Bool().Draw(t, "followed"), executable: executables.Draw(t, "executable"),
		ancestors: rapid.SliceOfN(rapid.IntRange(1, 6), 1, 3).Draw(t, "ancestors"),
	}
}

// kept is what the kernel side keeps of a process.
func (f *Filter) kept(process facts) (kept scopeProcess) {
	for _, pid := range process.ancestors {
		if kept.Tree = f.process.roots()[uint32(pid)]; kept.Tree != 0 {
			break
		}
	}
	kept.Executable = bit(f.process.admitsExecutable(process.executable) != f.process.admitsExecutable(""))
	kept.Executed, kept.Followed = bit(process.fresh), bit(process.followed)
	return kept
}

func TestPatternsBeyondTheAutomatonAreLeftToMatch(t *testing.T) {
	needRoot(t)
	f := parse(t, "comm=aaaaaaaaaa*,bbbbbbbbbb*,cccccccccc*,dddddddddd*,eeeeeeeeee*,ffffffffff*,gggggggggg*", "uid=0")
	objects := load(t, f)
	defer objects.Close()
	e := &trace.Event{ProcessName: "other"}
	if !kernelPasses(t, objects, e, 0, scopeProcess{}) || f.Match(e) {
		t.Error("the kernel must pass what it can not decide, and Match must reject it")
	}
	e.ProcessName = "ggggggggggg"
	if !kernelPasses(t, objects, e, 0, scopeProcess{}) || !f.Match(e) {
		t.Error("a listed name was rejected")
	}
	e.UserID = 1
	if kernelPasses(t, objects, e, 0, scopeProcess{}) {
		t.Error("the other fields must still be decided in the kernel")
	}
}

// instructions returns how many instructions the verifier leaves of the test program.
func instructions(t *testing.T, flags ...string) int {
	t.Helper()
	objects := load(t, parse(t, flags...))
	defer objects.Close()
	info, err := objects.Scope.Info()
	if err != nil {
		t.Fatal(err)
	}
	left, err := info.Instructions()
	if err != nil {
		t.Fatal(err)
	}
	size, _ := info.JitedSize()
	t.Logf("%-50s %4d instructions, %5d bytes of machine code", strings.Join(flags, " "), len(left), size)
	return len(left)
}

func TestUnusedFieldsCostNothing(t *testing.T) {
	needRoot(t)
	none := instructions(t)
	one := instructions(t, "uid=1000")
	four := instructions(t, "uid=1000", "pid!=1", "pidns=1", "mntns=2")
	instructions(t, "uid>=1000")
	instructions(t, "uid=1,2,3,4")
	instructions(t, "uid=1,2,3,4,5")
	instructions(t, "comm=bash")
	instructions(t, "comm=ba*,*sh")
	instructions(t, "uid>=1000", "comm=ba*,bash", "uts=a", "pid!=1,2,3,4,5")
	if per := (four - none) / 4; one-none > 22 || per > 22 {
		t.Errorf("a simple check costs %d instructions for one field, %d for each of four; want at most 22", one-none, per)
	}
	// What is left: the lookup of the header and, per field, loading the constant that says there is no rule.
	if limit := 20 + 3*len(fields); none > limit {
		t.Errorf("without filters, %d instructions are left; want at most %d", none, limit)
	}
}

func TestMapsHoldOneEntryWhenNothingIsListed(t *testing.T) {
	spec, err := loadScope()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		flags          []string
		numbers, texts uint32
	}{
		{nil, 1, 1},
		{[]string{"uid=1,2,3,4"}, 1, 1},
		{[]string{"uid=1,2,3,4,5", "pid!=1,2,3,4,5,6"}, 11, 1},
		{[]string{"comm=a,b", "uts=a"}, 1, 3},
	} {
		if err := parse(t, test.flags...).Configure(spec); err != nil {
			t.Fatal(err)
		}
		numbers, texts := spec.Maps[numbersMap].MaxEntries, spec.Maps[textsMap].MaxEntries
		if numbers != test.numbers || texts != test.texts {
			t.Errorf("%q: %d numbers, %d texts; want %d, %d", test.flags, numbers, texts, test.numbers, test.texts)
		}
	}
}
