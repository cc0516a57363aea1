package filter

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/suggest"
)

const useHelp = "invalid filter option specified, use '--trace help' for more info"

// expression is one value of --trace, taken apart.
type expression struct {
	name     string // before the operator
	rest     string // operator and values, as given
	operator operator
	values   []string
}

// Parse reads the values of --trace, each of which is one expression. The value "help" is the caller's: see Help.
func Parse(flags []string) (*Filter, error) {
	f := &Filter{}
	for _, flag := range flags {
		if err := f.parse(split(flag)); err != nil {
			return nil, err
		}
	}
	f.undecided = f.withoutRoom()
	if err := f.checkFollow(); err != nil {
		return nil, err
	}
	f.conditions = map[int][]condition{}
	for _, r := range f.arguments {
		f.conditions[r.event.ID] = append(f.conditions[r.event.ID], r.condition())
		if !f.events.includes(r.event, events.Default) {
			f.warn("filter on %s.%s has no effect: the event is not selected (add event=%s)",
				r.event.Name, r.name, r.event.Name)
		}
	}
	return f, nil
}

// split takes a flag apart. The name decides what kind of filter it is, so values may hold anything but commas.
func split(flag string) expression {
	x := expression{name: flag}
	if i := strings.IndexAny(flag, "=!<>"); i > 0 {
		x.name, x.rest = flag[:i], flag[i:]
	}
	for _, op := range []operator{lessEqual, greaterEqual, notEqual, equal, less, greater} {
		if list, ok := strings.CutPrefix(x.rest, string(op)); ok {
			x.operator = op
			if list != "" {
				x.values = strings.Split(list, ",")
			}
			break
		}
	}
	return x
}

func (f *Filter) parse(x expression) error {
	if x.name == "" {
		return errors.New(useHelp + " (the filter is empty)")
	}
	if event, argument, dotted := strings.Cut(x.name, "."); dotted {
		return f.parseArgument(x, event, argument)
	}
	for i := range fields {
		if x.is(fields[i].Name, fields[i].Short) {
			return f.parseField(i, x)
		}
	}
	switch {
	case x.is("container", "c"), x.is("!container", "!c"):
		return f.parseContainer(x)
	case x.is("event", "e"):
		return f.parseEvent(x)
	case x.is("set", "s"):
		return f.parseSet(x)
	case x.is("net", "net"):
		return f.parseInterfaces(x)
	case x.is("executable", "exe"):
		return f.parseExecutable(x)
	case x.is("follow", "f"):
		return f.parseFollow(x)
	case x.is("tree", "tree"):
		return f.parseTree(x)
	default:
		return errors.New(useHelp + x.hint())
	}
}

// hint tells what may have been meant by a name that is no filter's.
func (x *expression) hint() string {
	if _, ok := events.Lookup(x.name); ok {
		return " (an event is selected by event=" + x.name + ")"
	}
	return suggest.DidYouMean(x.name, names())
}

// is says that the expression's name is the given one, or an abbreviation no shorter than short.
func (x *expression) is(name, short string) bool {
	return strings.HasPrefix(name, x.name) && strings.HasPrefix(x.name, short)
}

// check demands one of the operators, and values that are not empty.
func (x *expression) check(allowed ...operator) error {
	const message = "invalid operator and/or values given to filter: %s (%s)"
	switch {
	case x.operator == "":
		return fmt.Errorf(message, x.rest, "write "+x.name+"=value")
	case !slices.Contains(allowed, x.operator):
		return fmt.Errorf(message, x.rest, x.name+" takes = and != only")
	case len(x.values) == 0:
		return fmt.Errorf(message, x.rest, "a value is missing")
	case slices.Contains(x.values, ""):
		return fmt.Errorf(message, x.rest, "an empty value in the list")
	default:
		return nil
	}
}

// checkNumber is check for numbers, which take every operator.
func (x *expression) checkNumber() error {
	return x.check(equal, notEqual, less, greater, lessEqual, greaterEqual)
}

func (f *Filter) parseField(i int, x expression) error {
	if fields[i].Kind == String16 {
		return f.parseName(i, x)
	}
	if err := x.checkNumber(); err != nil {
		return err
	}
	for _, value := range x.values {
		if err := f.parseNumber(i, x.operator, value); err != nil {
			return err
		}
	}
	return nil
}

func (f *Filter) parseNumber(i int, op operator, value string) error {
	r := &f.scope[i]
	switch {
	case fields[i].Fresh && value == freshWord:
		return r.addFresh(op)
	case fields[i].Name == cgroupField && strings.HasPrefix(value, "/"):
		return r.addGroups(op, value)
	}
	n, err := parseUnsigned(value, 64)
	if err == nil && n > fields[i].max() {
		err = strconv.ErrRange
	}
	if err != nil {
		return badNumber(value, fields[i].takes(), err)
	}
	r.numbers = append(r.numbers, term[uint64]{op, n})
	return nil
}

// takes says what values of a field of numbers are.
func (f *Field) takes() string {
	switch {
	case f.Fresh:
		return f.Name + " is an unsigned number, or " + freshWord
	case f.Name == cgroupField:
		return f.Name + " is an unsigned number, or a path that begins with /"
	default:
		return f.Name + " is an unsigned number"
	}
}

// nameLength is the longest text that a String16 field holds.
const nameLength = textSize - 1

func (f *Filter) parseName(i int, x expression) error {
	if err := x.check(equal, notEqual); err != nil {
		return err
	}
	for _, value := range x.values {
		p := newPattern(value)
		switch {
		case p.exact() && len(value) > nameLength:
			cut := value[:nameLength]
			f.warn("%s is at most %d bytes: comparing with %q instead of %q", fields[i].Name, nameLength, cut, value)
			p = newPattern(cut)
		case p.length() > nameLength:
			return fmt.Errorf("invalid filter value: %s (%s is at most %d bytes)", value, fields[i].Name, nameLength)
		}
		r := &f.scope[i]
		r.texts = append(r.texts, term[pattern]{x.operator, p})
	}
	return nil
}

func (f *Filter) warn(format string, values ...any) {
	if w := fmt.Sprintf(format, values...); !slices.Contains(f.Warnings, w) {
		f.Warnings = append(f.Warnings, w)
	}
}

// parseUnsigned reads a number in decimal, or in hexadecimal after 0x.
func parseUnsigned(value string, bits int) (uint64, error) {
	if digits, ok := strings.CutPrefix(value, "0x"); ok {
		return strconv.ParseUint(digits, 16, bits)
	}
	return strconv.ParseUint(value, 10, bits)
}

// parseSigned is parseUnsigned for signed numbers. Hexadecimal gives the bits: 0xffffffff is -1 in 32 bits.
func parseSigned(value string, bits int) (int64, error) {
	if strings.HasPrefix(value, "0x") {
		n, err := parseUnsigned(value, bits)
		return int64(n<<(64-bits)) >> (64 - bits), err
	}
	return strconv.ParseInt(value, 10, bits)
}

func badNumber(value, expected string, err error) error {
	switch {
	case errors.Is(err, strconv.ErrRange):
		return fmt.Errorf("filter value is too big: %s", value)
	case strings.HasPrefix(value, "="):
		return fmt.Errorf("invalid filter value: %s (write one = only)", value)
	default:
		return fmt.Errorf("invalid filter value: %s (%s)", value, expected)
	}
}

// names are what a flag can begin with.
func names() []string {
	names := []string{"container", "event", "executable", "follow", "net", "set", "tree"}
	for i := range fields {
		names = append(names, fields[i].Name)
	}
	return names
}
