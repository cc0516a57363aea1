package filter

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"pgregory.net/rapid"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

// sampleArguments are arguments of every kind that the kernel decides about.
var sampleArguments = map[string][]string{
	"openat":             {"dirfd", "pathname", "mode", "retval"},
	"pread64":            {"fd", "buf", "count", "offset", "retval"},
	"ptrace":             {"request", "pid", "addr"},
	"sched_process_exit": {"exit_code", "process_group_exit"},
	"security_file_open": {"pathname", "flags", "dev", "inode", "syscall_pathname"},
	"connect":            {"sockfd", "addr"},
}

// argumentCase is some flags and events to be judged by them.
type argumentCase struct {
	flags  []string
	events []*trace.Event
}

func (c argumentCase) String() string { return strings.Join(c.flags, " --trace ") }

var (
	signedNumbers = rapid.OneOf(
		rapid.Int64Range(-3, 8),
		rapid.SampledFrom([]int64{math.MinInt64, math.MinInt32, math.MaxInt32, math.MaxInt64, -1 << 32, 1 << 32, 255, 256}))
	longTexts = rapid.OneOf(
		rapid.StringOfN(rapid.RuneFrom([]rune("ab/")), 0, 12, -1),
		rapid.Custom(func(t *rapid.T) string {
			return strings.Repeat("ab/", rapid.OneOf(rapid.IntRange(18, 30), rapid.IntRange(0, 1300)).Draw(t, "length")) + rapid.StringOfN(rapid.RuneFrom([]rune("ab")), 0, 4, -1).Draw(t, "end")
		}))
	argumentPatterns = rapid.OneOf(
		rapid.StringOfN(rapid.RuneFrom([]rune("ab/*")), 1, 6, -1),
		rapid.Custom(func(t *rapid.T) string { // longer than a word, or than an automaton
			return strings.Repeat("ab/", rapid.OneOf(rapid.IntRange(18, 30), rapid.IntRange(80, 90)).Draw(t, "length")) + rapid.SampledFrom([]string{"", "*", "a", "*b"}).Draw(t, "end")
		}))
)

// Addresses that are nearly the same, and what may be said of them.
var (
	addresses = rapid.Custom(func(t *rapid.T) map[string]string {
		number := func() string { return rapid.SampledFrom([]string{"1", "10", "100", "255", "0"}).Draw(t, "number") }
		switch rapid.IntRange(0, 3).Draw(t, "family") {
		case 0:
			return map[string]string{"sa_family": "AF_INET6", "sin6_addr": "::" + number(), "sin6_port": "80", "sin6_flowinfo": "0", "sin6_scopeid": "0"}
		case 1:
			name := rapid.StringOfN(rapid.RuneFrom([]rune("a0/\x00")), 0, 100, -1).Draw(t, "path")
			return map[string]string{"sa_family": "AF_UNIX", "sun_path": name}
		default:
			port := rapid.SampledFrom([]string{"0", "8", "80", "443", "8080", "65535"}).Draw(t, "port")
			return map[string]string{"sa_family": "AF_INET", "sin_addr": strings.Join([]string{number(), number(), number(), number()}, "."), "sin_port": port}
		}
	})
	addressPatterns = rapid.OneOf(
		rapid.Map(addresses, func(m map[string]string) string {
			return "*" + strings.NewReplacer("map[", "", "]", "").Replace(fmt.Sprint(m["sin_addr"], m["sun_path"], m["sin6_addr"])) + "*"
		}),
		rapid.Map(addresses, func(m map[string]string) string { return fmt.Sprint(m) }),
		rapid.SampledFrom([]string{"*sin_port:80*", "*sin_port:80]", "*sin_addr:10.*", "*AF_UNIX*", "*:/a*", "map[sa_family:AF_INET *", "*"}))
)

// argumentCases draws flags about one event, and events of that kind.
var argumentCases = rapid.Custom(func(t *rapid.T) argumentCase {
	names := []string{"connect", "openat", "pread64", "ptrace", "sched_process_exit", "security_file_open"}
	e, _ := events.Lookup(rapid.SampledFrom(names).Draw(t, "event"))
	c := argumentCase{flags: []string{"event=" + e.Name}}
	for range rapid.IntRange(1, 4).Draw(t, "flags") {
		c.flags = append(c.flags, drawArgument(t, e))
	}
	for range 4 {
		c.events = append(c.events, drawRecord(t, e))
	}
	return c
})

// drawArgument makes a flag about an argument, with values of its type.
func drawArgument(t *rapid.T, e *events.Event) string {
	argument := rapid.SampledFrom(sampleArguments[e.Name]).Draw(t, "argument")
	var kind trace.Kind
	if i := e.Schema().Index(argument); i >= 0 {
		kind = e.Args[i].Type.Kind
	}
	operators := []operator{equal, notEqual}
	if kind != trace.String && kind != trace.Bool && kind != trace.Sockaddr {
		operators = append(operators, less, lessEqual, greater, greaterEqual)
	}
	count := rapid.OneOf(rapid.Just(1), rapid.IntRange(1, 12)).Draw(t, "values")
	var values []string
	for range count {
		values = append(values, drawArgumentValue(t, kind))
	}
	return e.Name + "." + argument + string(rapid.SampledFrom(operators).Draw(t, "operator")) + strings.Join(values, ",")
}

func drawArgumentValue(t *rapid.T, kind trace.Kind) string {
	n := signedNumbers.Draw(t, "number")
	switch kind {
	case trace.String:
		return argumentPatterns.Draw(t, "pattern")
	case trace.Sockaddr:
		return addressPatterns.Draw(t, "pattern")
	case trace.Bool:
		return strconv.FormatBool(n < 2)
	case trace.Int32:
		return strconv.FormatInt(int64(int32(n)), 10)
	case trace.Uint32:
		return strconv.FormatUint(uint64(uint32(n)), 10)
	case trace.Uint64, trace.Pointer:
		return strconv.FormatUint(uint64(n), 10)
	default:
		return strconv.FormatInt(n, 10)
	}
}

// drawRecord makes an event, of which some arguments may be absent.
func drawRecord(t *rapid.T, e *events.Event) *trace.Event {
	var b trace.Builder
	b.Reset(e.Schema())
	for i, field := range e.Args {
		if rapid.IntRange(0, 9).Draw(t, "absent") == 0 {
			continue
		}
		switch {
		case field.Type.Kind == trace.String:
			b.Text(i, longTexts.Draw(t, field.Name))
		case field.Type.Kind == trace.Sockaddr:
			if err := b.Set(i, addresses.Draw(t, field.Name)); err != nil {
				t.Fatal(err)
			}
		case field.Type.Kind == trace.Bool:
			b.Slot(i, uint64(rapid.IntRange(0, 1).Draw(t, field.Name)))
		case field.Type.Kind.InSlot(): // the upper half of a slot is whatever was in the register
			b.Slot(i, uint64(signedNumbers.Draw(t, field.Name)))
		}
	}
	event := &trace.Event{ReturnValue: int(signedNumbers.Draw(t, "retval"))}
	b.Finish(event)
	event.Compat = e.Syscall && rapid.IntRange(0, 3).Draw(t, "compat") == 0
	return event
}

// judge is the kernel side of argument filters, in a program of its own.
type judge struct {
	objects scopeObjects
	stale   map[filterNumberKey]uint8
}

func newJudge(t failer) *judge {
	t.Helper()
	spec, err := loadScope()
	if err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]uint32{judgedMap: 1, testsMap: 64, automataMap: 64, numbersMap: 1024} {
		spec.Maps[name].MaxEntries = size
	}
	if err := spec.Variables[argumentsSwitch].Set(true); err != nil {
		t.Fatal(err)
	}
	k := &judge{}
	if err := spec.LoadAndAssign(&k.objects, nil); err != nil {
		t.Fatal(fmt.Sprintf("%+v", err))
	}
	return k
}

// install replaces what the kernel side judges by.
func (k *judge) install(t failer, j *Judges) {
	t.Helper()
	for key := range k.stale {
		if err := k.objects.FilterValues.Delete(key); err != nil {
			t.Fatal(err)
		}
	}
	var event uint32
	if err := k.objects.FilterJudged.NextKey(nil, &event); err == nil {
		if err := k.objects.FilterJudged.Delete(event); err != nil {
			t.Fatal(err)
		}
	}
	k.stale = j.numbers
	if err := j.Install(map[string]*ebpf.Map{
		numbersMap: k.objects.FilterValues, judgedMap: k.objects.FilterJudged, testsMap: k.objects.FilterTests,
		automataMap: k.objects.FilterAutomata,
	}); err != nil {
		t.Fatal(err)
	}
}

// passes asks the kernel side about an event, as its record is in the kernel.
func (k *judge) passes(t failer, e *trace.Event) bool {
	t.Helper()
	declared, _ := events.LookupID(e.EventID)
	present, truncated, body := e.Record()
	input := scopeEvent{}
	input.Header = scopeEventHeader{
		Event: uint16(declared.Index), Present: present, Truncated: truncated, Retval: int64(e.ReturnValue), Size: uint32(len(body)),
	}
	copy(input.Body[:], body)
	if e.Compat {
		input.Header.Flags = events.RecordCompat
		input.Header.Present = scatter(input.Body[:], declared.Registers(events.I386), present)
	}
	if err := k.objects.Input.Put(uint32(0), &input); err != nil {
		t.Fatal(err)
	}
	verdict, err := k.objects.Arguments.Run(&ebpf.RunOptions{Data: make([]byte, 14)})
	if err != nil {
		t.Fatal(err)
	}
	return verdict == 1
}

// scatter brings arguments into the slots of their registers, as a record has them.
func scatter(body []byte, registers []events.Register, present uint64) (scattered uint64) {
	arguments := slices.Clone(body[:8*len(registers)])
	for i, r := range registers {
		value := binary.LittleEndian.Uint64(arguments[8*i:])
		binary.LittleEndian.PutUint64(body[8*r.Low:], value)
		scattered |= present >> i & 1 << r.Low
		if r.High != 0 {
			binary.LittleEndian.PutUint64(body[8*r.Low:], value&0xffffffff)
			binary.LittleEndian.PutUint64(body[8*r.High:], value>>32)
		}
	}
	return scattered
}

// disagreement compares the kernel side, user space and the oracle; empty: they agree. The kernel side may let pass what
// user space rejects, but only for a reason.
func (c argumentCase) disagreement(t failer, k *judge, spoil func(*Filter, *Judges)) string {
	t.Helper()
	f := parse(t, c.flags...)
	j, err := f.Judges(Needs{})
	if err != nil {
		t.Fatal(err)
	}
	spoil(f, j)
	k.install(t, j)
	for _, e := range c.events {
		kernel, match, want := k.passes(t, e), f.Match(e), reference(c.flags).admitsArguments(e)
		if match != want || want && !kernel || !want && kernel && c.decidable(e) {
			return fmt.Sprintf("%s on %v (return value %d, compat %v): kernel %v, match %v, reference %v",
				c, e.Args(), e.ReturnValue, e.Compat, kernel, match, want)
		}
	}
	return ""
}

// decidable says that the kernel side must not leave the decision to user space.
func (c argumentCase) decidable(e *trace.Event) bool {
	if _, ok := e.Lookup("addr"); e.Compat || ok && !strings.Contains(fmt.Sprint(e.Args()), "AF_INET ") {
		return false
	}
	var letters int
	for _, flag := range c.flags {
		for value := range strings.SplitSeq(flag[strings.IndexAny(flag, "=!<>"):], ",") {
			if len(value) > maxPattern-2 {
				return false
			}
			letters += len(value)
		}
	}
	return letters <= maxPattern
}

func TestKernelMatchAndReferenceAgreeAboutArguments(t *testing.T) {
	needRoot(t)
	k := newJudge(t)
	defer k.objects.Close()
	rapid.Check(t, func(t *rapid.T) {
		for range 10 {
			if wrong := argumentCases.Draw(t, "case").disagreement(t, k, func(*Filter, *Judges) {}); wrong != "" {
				t.Fatal(wrong)
			}
		}
	})
}

// spoilTests changes tests of a kind; 0: of all.
func spoilTests(kind uint8, spoil func(*filterTest)) func(*Filter, *Judges) {
	return func(_ *Filter, j *Judges) {
		for i := range j.tests {
			if kind == 0 || j.tests[i].Kind == kind {
				spoil(&j.tests[i])
			}
		}
	}
}

// spoilAutomata changes what the kernel side knows of patterns.
func spoilAutomata(spoil func(*filterAutomaton)) func(*Filter, *Judges) {
	return func(_ *Filter, j *Judges) {
		for i := range j.automata {
			spoil(&j.automata[i])
		}
	}
}

// bugs are errors of each part that decides; the property must find every one of them.
var bugs = map[string]func(*Filter, *Judges){
	"the end of a range is outside":             spoilTests(0, func(t *filterTest) { t.Max -= uint64(t.Ranged) }),
	"the beginning of a range is outside":       spoilTests(0, func(t *filterTest) { t.Min += uint64(t.Ranged) }),
	"signed numbers compare like unsigned ones": spoilTests(testSigned, func(t *filterTest) { t.Flip = 0 }),
	"negative return values are large":          spoilTests(testReturn, func(t *filterTest) { t.Flip = 0 }),
	"all of the slot is compared":               spoilTests(0, func(t *filterTest) { t.Shift = 0 }),
	"!= admits":                                 spoilTests(0, func(t *filterTest) { t.Verdicts = [inlineValues]uint8{1, 1, 1, 1} }),
	"= admits everything":                       spoilTests(0, func(t *filterTest) { t.Unlisted = verdictIn }),
	"ranges are forgotten":                      spoilTests(0, func(t *filterTest) { t.Ranged = 0 }),
	"long lists are not looked up":              spoilTests(0, func(t *filterTest) { t.Lookup = 0 }),
	"the next argument is compared":             spoilTests(testText, func(t *filterTest) { t.Slot++ }),
	"the 32-bit ABI is taken for the other": func(_ *Filter, j *Judges) {
		for i := range j.tests {
			j.tests[i].NativeOnly = 0
		}
	},
	"long patterns end with a word":          spoilAutomata(func(a *filterAutomaton) { a.Wide = 0 }),
	"only the first of several tests counts": spoilTests(0, func(t *filterTest) { t.Last = 1 }),
	"socket addresses are texts":             spoilTests(testAddress, func(t *filterTest) { t.Kind = testText }),
	"truth values are numbers":               spoilTests(testBool, func(t *filterTest) { t.Values[0] ^= 1 }),
	"a prefix may be anywhere":               spoilAutomata(func(a *filterAutomaton) { a.Floating = a.First }),
	"a text may go on behind a suffix": spoilAutomata(func(a *filterAutomaton) {
		for w := range a.In {
			a.Sticky[w] |= a.In[w]
		}
	}),
	"* stands for one letter":      spoilAutomata(func(a *filterAutomaton) { a.Sticky = letterBits{} }),
	"texts that are excluded pass": spoilAutomata(func(a *filterAutomaton) { a.Out = letterBits{} }),
	"user space admits what is missing": func(f *Filter, _ *Judges) {
		for id, conditions := range f.conditions {
			for i, r := range f.arguments {
				holds := conditions[i]
				f.conditions[id][i] = func(e *trace.Event) bool {
					_, ok := e.Lookup(r.name)
					return !ok && r.t != nil || holds(e)
				}
			}
		}
	},
	"user space forgets patterns": func(f *Filter, _ *Judges) {
		for _, r := range f.arguments {
			r.texts = r.texts[:min(1, len(r.texts))]
		}
	},
}

func TestPropertyOfArgumentsFindsBugs(t *testing.T) {
	needRoot(t)
	k := newJudge(t)
	defer k.objects.Close()
	const attempts = 4000
	for name, spoil := range bugs {
		t.Run(name, func(t *testing.T) {
			for i := range attempts {
				if wrong := argumentCases.Example(i).disagreement(t, k, spoil); wrong != "" {
					t.Logf("found after %d cases: %.300s", i+1, wrong)
					return
				}
			}
			t.Errorf("not found by %d cases", attempts)
		})
	}
}
