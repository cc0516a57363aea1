package filter

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/cilium/ebpf"
)

// Configure writes the rules into the constants of a collection that is not loaded yet, and sizes its maps.
func (f *Filter) Configure(spec *ebpf.CollectionSpec) error {
	k := f.compile()
	for name, value := range map[string]any{"filter_rules": k.rules[:], "filter_patterns": k.patterns} {
		variable := spec.Variables[name]
		if variable == nil {
			return fmt.Errorf("configure filters: the object has no variable %s", name)
		}
		if err := variable.Set(value); err != nil {
			return fmt.Errorf("configure filters: %w", err)
		}
	}
	for name, entries := range map[string]int{numbersMap: len(k.numbers), textsMap: len(k.texts)} {
		m := spec.Maps[name]
		if m == nil {
			return fmt.Errorf("configure filters: the object has no map %s", name)
		}
		m.MaxEntries = uint32(max(1, entries))
	}
	if err := f.configureContainers(spec); err != nil {
		return err
	}
	if err := f.configureProcesses(spec); err != nil {
		return err
	}
	return f.configureInterfaces(spec)
}

// The maps of listed values, see filter.bpf.h.
const (
	numbersMap = "filter_values"
	textsMap   = "filter_strings"
)

// Install fills the maps of a loaded collection. Call it before programs are attached: until then the values of long
// lists count as not listed.
func (f *Filter) Install(loaded map[string]*ebpf.Map) error {
	k := f.compile()
	for key, verdict := range k.numbers {
		if err := put(loaded, numbersMap, key, verdict); err != nil {
			return err
		}
	}
	for key, verdict := range k.texts {
		if err := put(loaded, textsMap, key, verdict); err != nil {
			return err
		}
	}
	if err := f.installContainers(loaded); err != nil {
		return err
	}
	if err := f.installProcesses(loaded); err != nil {
		return err
	}
	return f.installInterfaces(loaded)
}

func put(loaded map[string]*ebpf.Map, name string, key, value any) error {
	m := loaded[name]
	if m == nil {
		return fmt.Errorf("install filters: the collection has no map %s", name)
	}
	if err := m.Put(key, value); err != nil {
		return fmt.Errorf("install filters: %s: %w", name, err)
	}
	return nil
}

// kernelSide is a filter as the kernel side holds it.
type kernelSide struct {
	rules    [len(fields)]filterRule
	patterns []filterPatterns // of the string fields, in the order of the table
	numbers  map[filterNumberKey]uint8
	texts    map[filterTextKey]uint8
}

func (f *Filter) compile() *kernelSide {
	k := &kernelSide{numbers: map[filterNumberKey]uint8{}, texts: map[filterTextKey]uint8{}}
	for i := range fields {
		r := &f.scope[i]
		if fields[i].Kind == String16 {
			k.patterns = append(k.patterns, filterPatterns{})
		}
		switch {
		case len(r.texts) > 0 && r.letters() <= maxLetters:
			k.compileTexts(i, r)
		case fields[i].Kind != String16 && r.active():
			k.compileNumbers(i, r)
		}
	}
	return k
}

// withoutRoom lists the fields whose patterns have more letters than the automaton. The kernel passes everything for
// them, and Match decides.
func (f *Filter) withoutRoom() []int {
	var without []int
	for i := range f.scope {
		if f.scope[i].letters() > maxLetters {
			without = append(without, i)
		}
	}
	return without
}

// letters counts what the patterns of a rule need in the automaton.
func (r *rule) letters() int {
	n := 0
	for i := range r.texts {
		if p := &r.texts[i].value; !p.exact() {
			n += p.length()
		}
	}
	return n
}

func inOrOut(in bool) uint8 {
	if in {
		return verdictIn
	}
	return verdictOut
}

// compileNumbers lists each value with its final verdict, so that the kernel side need not know why.
func (k *kernelSide) compileNumbers(i int, r *rule) {
	rule := &k.rules[i]
	*rule = filterRule{Active: 1, Max: fields[i].max(), Unlisted: inOrOut(!r.fresh)}
	switch {
	case r.old: // as for a number, != is stronger than =
		rule.Fresh = verdictOut
	case r.fresh:
		rule.Fresh = verdictIn
	}
	listed := map[uint64]uint8{}
	for _, t := range r.numbers {
		switch t.operator {
		case equal:
			rule.Unlisted = verdictOut
			fallthrough
		case notEqual:
			listed[t.value] = inOrOut(r.admitsNumber(t.value))
		default:
			rule.narrow(t.operator, t.value)
		}
	}
	if len(listed) > inlineValues {
		rule.Lookup = 1
		for value, verdict := range listed {
			k.numbers[filterNumberKey{Field: uint32(i), Value: value}] = verdict
		}
		return
	}
	for _, value := range slices.Sorted(maps.Keys(listed)) {
		rule.Values[rule.Count], rule.Verdicts[rule.Count] = value, listed[value]
		rule.Count++
	}
}

// narrow makes the range smaller. An empty range has Min above Max, and stays empty.
func (r *filterRule) narrow(op operator, limit uint64) {
	r.Ranged = 1
	switch {
	case op == lessEqual:
		r.Max = min(r.Max, limit)
	case op == greaterEqual:
		r.Min = max(r.Min, limit)
	case op == less && limit > 0:
		r.Max = min(r.Max, limit-1)
	case op == greater && limit < 1<<64-1:
		r.Min = max(r.Min, limit+1)
	default:
		r.Min, r.Max = max(r.Min, 1), 0
	}
}

func (k *kernelSide) compileTexts(i int, r *rule) {
	rule := &k.rules[i]
	*rule = filterRule{Active: 1, Unlisted: verdictIn}
	var automaton filterAutomaton
	bit := 0
	for j := range r.texts {
		t := &r.texts[j]
		if t.operator == equal {
			rule.Unlisted = verdictOut
		}
		switch {
		case t.value.exact():
			rule.Lookup = 1
			k.texts[textKey(i, t.value.parts[0])] = inOrOut(r.admitsText(t.value.parts[0]))
		case !t.value.anything():
			rule.Patterns = 1
			bit = automaton.add(&t.value, t.operator, bit)
		}
	}
	patterns := &k.patterns[len(k.patterns)-1]
	*patterns = automaton.narrow()
	r.settleUnlisted(rule, patterns)
}

// settleUnlisted applies patterns that match everything: they have no letters.
func (r *rule) settleUnlisted(to *filterRule, patterns *filterPatterns) {
	for i := range r.texts {
		if t := &r.texts[i]; t.value.anything() && t.operator == equal {
			to.Unlisted = verdictIn
		}
	}
	for i := range r.texts {
		if t := &r.texts[i]; t.value.anything() && t.operator == notEqual {
			to.Unlisted = verdictOut
			patterns.In = 0
		}
	}
}

func textKey(field int, text string) filterTextKey {
	var bytes [textSize]byte
	copy(bytes[:], text)
	return filterTextKey{
		Words: [2]uint64{binary.LittleEndian.Uint64(bytes[:8]), binary.LittleEndian.Uint64(bytes[8:])},
		Field: uint32(field),
	}
}
