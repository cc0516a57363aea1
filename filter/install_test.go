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

//go:generate go tool bpf2go -cc clang-16 -target bpfel -type event_header scope testdata/scope.bpf.c -- -mcpu=v3 -Wall -Werror -I../bpf/include

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
	var objects scopeObjects
	if err := spec.LoadAndAssign(&objects, nil); err != nil {
		t.Fatal(fmt.Sprintf("%+v", err))
	}
	maps := map[string]*ebpf.Map{numbersMap: objects.FilterValues, textsMap: objects.FilterStrings}
	if err := f.Install(maps); err != nil {
		t.Fatal(err)
	}
	return &objects
}

// kernelPasses asks the kernel side about an event. What lies behind the NUL of texts is noise.
func kernelPasses(t failer, objects *scopeObjects, e *trace.Event, noise int8) bool {
	t.Helper()
	h := scopeEventHeader{
		HostPid: uint32(e.HostProcessID), Uid: uint32(e.UserID),
		MntNs: uint32(e.MountNS), PidNs: uint32(e.PIDNS),
		Comm: headerText(e.ProcessName, noise), Uts: headerText(e.HostName, noise),
	}
	if err := objects.Input.Put(uint32(0), h); err != nil {
		t.Fatal(err)
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
		var values []string
		for range rapid.IntRange(1, 4).Draw(t, "values") {
			values = append(values, drawValue(t, field))
		}
		op := rapid.SampledFrom(operators).Draw(t, "operator")
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
		ProcessName: textValues.Draw(t, "comm"), HostName: textValues.Draw(t, "uts"),
	}
}

func TestKernelAndMatchAgreeWithReference(t *testing.T) {
	needRoot(t)
	rapid.Check(t, func(t *rapid.T) {
		var flags []string
		for i := range fields {
			if rapid.Bool().Draw(t, fields[i].Name) {
				flags = append(flags, drawFlags(t, &fields[i])...)
			}
		}
		f := parse(t, flags...)
		objects := load(t, f)
		defer objects.Close()
		for range 20 {
			e := drawEvent(t)
			kernel := kernelPasses(t, objects, e, rapid.Int8().Draw(t, "noise"))
			if got, want := kernel && f.Match(e), f.Reference(e); got != want {
				t.Fatalf("%q on pid %d uid %d mntns %d pidns %d comm %q uts %q: kernel %v, then match %v; reference %v",
					flags, e.HostProcessID, e.UserID, e.MountNS, e.PIDNS, e.ProcessName, e.HostName,
					kernel, got, want)
			}
		}
	})
}

func TestPatternsBeyondTheAutomatonAreLeftToMatch(t *testing.T) {
	needRoot(t)
	f := parse(t, "comm=aaaaaaaaaa*,bbbbbbbbbb*,cccccccccc*,dddddddddd*,eeeeeeeeee*,ffffffffff*,gggggggggg*", "uid=0")
	objects := load(t, f)
	defer objects.Close()
	e := &trace.Event{ProcessName: "other"}
	if !kernelPasses(t, objects, e, 0) || f.Match(e) {
		t.Error("the kernel must pass what it can not decide, and Match must reject it")
	}
	e.ProcessName = "ggggggggggg"
	if !kernelPasses(t, objects, e, 0) || !f.Match(e) {
		t.Error("a listed name was rejected")
	}
	e.UserID = 1
	if kernelPasses(t, objects, e, 0) {
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
