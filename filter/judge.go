package filter

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

// Judges are the tests of arguments that the kernel side makes before it sends an event. They let pass what the flags
// admit and what others need, and what only user space can tell.
type Judges struct {
	tests    []filterTest
	automata []filterAutomaton
	numbers  map[filterNumberKey]uint8
	events   map[*events.Event]filterTests
}

// Judges compiles what the flags say about arguments, and what others need.
func (f *Filter) Judges(needs Needs) (*Judges, error) {
	j := &Judges{
		automata: slices.Clone(compileTexts(f.process.executable).automata), // the first, see filterProcessRule
		numbers:  map[filterNumberKey]uint8{},
		events:   map[*events.Event]filterTests{},
	}
	for _, e := range events.All() {
		alternatives, err := f.alternatives(e, needs)
		if err != nil {
			return nil, err
		}
		j.add(e, alternatives)
	}
	return j, nil
}

// Judged says whether there are tests for an event.
func (j *Judges) Judged(e *events.Event) bool { return j.events[e].Count > 0 }

// alternative is a list of rules that must all hold.
type alternative []*argumentRule

// alternatives are those of an event, one of which must hold; nil: all of it is wanted.
func (f *Filter) alternatives(e *events.Event, needs Needs) ([]alternative, error) {
	var byFlags alternative
	for _, r := range f.arguments {
		if r.event == e {
			byFlags = append(byFlags, r)
		}
	}
	wanted, needed := needs.Any[e]
	if !needed {
		if byFlags == nil {
			return nil, nil
		}
		return []alternative{byFlags}, nil
	}
	var all []alternative
	if !needs.Alone {
		if byFlags == nil {
			return nil, nil
		}
		all = append(all, byFlags)
	}
	for _, conditions := range wanted {
		if len(conditions) == 0 {
			return nil, nil
		}
		rules, err := conditions.rules(e)
		if err != nil {
			return nil, err
		}
		all = append(all, rules)
	}
	return all, nil
}

// add compiles the alternatives of an event. If one of them has no test that the kernel can make, or there are too many
// tests, everything passes.
func (j *Judges) add(e *events.Event, alternatives []alternative) {
	first, firstAutomaton := len(j.tests), len(j.automata)
	for _, rules := range alternatives {
		before := len(j.tests)
		for _, r := range rules {
			if test, ok := j.test(r); ok {
				j.tests = append(j.tests, test)
			}
		}
		if len(j.tests) == before || len(j.tests)-first > maxTests {
			j.tests, j.automata = j.tests[:first], j.automata[:firstAutomaton]
			maps.DeleteFunc(j.numbers, func(k filterNumberKey, _ uint8) bool { return int(k.Field) >= len(fields)+first })
			return
		}
		j.tests[len(j.tests)-1].Last = 1
	}
	if len(j.tests) > first {
		j.events[e] = filterTests{First: uint32(first), Count: uint32(len(j.tests) - first)}
	}
}

// test compiles a rule; false: the kernel can say nothing about it.
func (j *Judges) test(r *argumentRule) (filterTest, bool) {
	if r.t == nil {
		test := filterTest{Kind: testReturn}
		compileTest(j, &test, r.signed)
		return test, true
	}
	i := r.event.Schema().Index(r.name)
	low, native, compat := r.slots(i)
	if !native {
		return filterTest{}, false
	}
	test := filterTest{Slot: uint8(low), NativeOnly: bit(!compat)}
	form, bits := formOf(r.t)
	test.Shift = uint8(64 - bits)
	switch {
	case r.t.Kind == trace.Sockaddr, r.t.Kind == trace.String && r.t != events.LibraryPath && r.t != events.AddressT:
		c := compileTexts(r.texts)
		if r.needed && !c.whole && len(c.automata) == 0 {
			return filterTest{}, false // there is no room for what is looked for
		}
		test.Kind, test.Shift = testText, 0
		if r.t.Kind == trace.Sockaddr {
			test.Kind = testAddress
		}
		test.Unlisted, test.Automata, test.Automaton = c.unlisted, uint8(len(c.automata)), uint32(len(j.automata))
		j.automata = append(j.automata, c.automata...)
		return test, true // if only that it was captured
	case form == asBool:
		test.Kind, test.Shift = testBool, 0
		compileTest(j, &test, r.bools())
	case form == asSigned:
		test.Kind = testSigned
		compileTest(j, &test, withNames(r.signed, r.texts))
	case form == asUnsigned:
		test.Kind = testNumber
		compileTest(j, &test, withNames(r.unsigned, r.texts))
	default:
		return filterTest{}, false
	}
	return test, true
}

// slots tells in which slot of a record the kernel side puts an argument: the one of its number, unless the ABI passes
// it otherwise. compat says that the same is so through the 32-bit ABI.
func (r *argumentRule) slots(i int) (slot int, native, compat bool) {
	if !r.event.Syscall {
		return i, true, true
	}
	usual := func(abi events.ABI) bool {
		at := r.event.Registers(abi)[i]
		return at.Low == i && at.High == 0
	}
	native, compat = true, true
	for _, abi := range []events.ABI{events.AMD64, events.ARM64} {
		native = native && usual(abi)
	}
	return i, native, usual(events.I386)
}

// bools are the terms of a rule about a truth value, as numbers.
func (r *argumentRule) bools() numbers[uint64] {
	var n numbers[uint64]
	for _, t := range r.texts {
		value := uint64(0)
		if t.value.parts[0] == "true" {
			value = 1
		}
		n = append(n, term[uint64]{t.operator, value})
	}
	return n
}

// withNames leaves out the = terms if names that only user space knows are as good.
func withNames[T uint64 | int64](n numbers[T], names texts) numbers[T] {
	listed := slices.ContainsFunc(names, func(t term[pattern]) bool { return t.operator == equal })
	if !listed {
		return n
	}
	return slices.DeleteFunc(slices.Clone(n), func(t term[T]) bool { return t.operator == equal })
}

// compileTest fills a test about numbers. Signed ones are moved up by half of their range, so that they compare like others.
func compileTest[T uint64 | int64](j *Judges, test *filterTest, n numbers[T]) {
	var zero T
	if zero-1 < 0 {
		test.Flip = 1 << 63
	}
	limits := filterRule{Max: math.MaxUint64}
	test.Unlisted = verdictIn
	listed := map[uint64]uint8{}
	for _, t := range n {
		value := uint64(t.value) ^ test.Flip
		switch t.operator {
		case equal:
			test.Unlisted = verdictOut
			fallthrough
		case notEqual:
			var v verdict
			n.judge(t.value, &v)
			listed[value] = inOrOut(v.argument())
		default:
			limits.narrow(t.operator, value)
		}
	}
	test.Min, test.Max, test.Ranged = limits.Min, limits.Max, limits.Ranged
	if len(listed) <= inlineValues {
		for _, value := range slices.Sorted(maps.Keys(listed)) {
			test.Values[test.Count], test.Verdicts[test.Count] = value, listed[value]
			test.Count++
		}
		return
	}
	// Behind the numbers of fields; nothing else says which test a value belongs to.
	test.Lookup, test.Field = 1, uint32(len(fields)+len(j.tests))
	for value, verdict := range listed {
		j.numbers[filterNumberKey{Field: test.Field, Value: value}] = verdict
	}
}

// The names of what argument.bpf.h declares.
const (
	argumentsSwitch = "filter_arguments"
	judgedMap       = "filter_judged"
	testsMap        = "filter_tests"
	automataMap     = "filter_automata"
)

// Configure writes what is constant into a collection that is not loaded yet, and sizes its maps. It comes after that of
// the filter.
func (j *Judges) Configure(spec *ebpf.CollectionSpec) error {
	if err := setSwitch(spec, len(j.tests)+len(j.automata) > 0); err != nil {
		return err
	}
	for name, entries := range map[string]int{
		judgedMap: len(j.events), testsMap: len(j.tests), automataMap: len(j.automata),
	} {
		spec.Maps[name].MaxEntries = uint32(max(1, entries))
	}
	spec.Maps[numbersMap].MaxEntries += uint32(len(j.numbers))
	return nil
}

// SwitchOff makes it constant for programs that send no event with tests that none has any.
func (j *Judges) SwitchOff(spec *ebpf.CollectionSpec) error { return setSwitch(spec, false) }

func setSwitch(spec *ebpf.CollectionSpec, on bool) error {
	variable := spec.Variables[argumentsSwitch]
	if variable == nil {
		return errors.New("configure filters: the object knows no arguments")
	}
	if err := variable.Set(on); err != nil {
		return fmt.Errorf("configure filters: %w", err)
	}
	return nil
}

// Spare names functions of argument.bpf.h that a program never calls, by whether it judges, with what they would return: that user
// space decides. To follow one of them takes the verifier as long as all the rest of most programs.
func (j *Judges) Spare(judges bool) map[string]int32 {
	if !judges {
		return map[string]int32{"test_passes": 1}
	}
	spare := map[string]int32{"address_text": 0, "text_step_wide": 1}
	for i := range j.tests {
		if j.tests[i].Kind == testAddress {
			delete(spare, "address_text")
		}
	}
	for i := range j.automata {
		if j.automata[i].Wide != 0 {
			delete(spare, "text_step_wide")
		}
	}
	return spare
}

// Install fills the maps of a loaded collection; call it before programs are attached.
func (j *Judges) Install(loaded map[string]*ebpf.Map) error {
	for key, verdict := range j.numbers {
		if err := put(loaded, numbersMap, key, verdict); err != nil {
			return err
		}
	}
	for i := range j.tests {
		if err := put(loaded, testsMap, uint32(i), j.tests[i]); err != nil {
			return err
		}
	}
	for i := range j.automata {
		if err := put(loaded, automataMap, uint32(i), j.automata[i]); err != nil {
			return err
		}
	}
	judged := slices.SortedFunc(maps.Keys(j.events), func(a, b *events.Event) int { return cmp.Compare(a.Index, b.Index) })
	for _, e := range judged {
		if err := put(loaded, judgedMap, uint32(e.Index), j.events[e]); err != nil {
			return err
		}
	}
	return nil
}
