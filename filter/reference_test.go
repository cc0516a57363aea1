package filter

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/tracee-go/tracee/types/trace"
)

// reference is the oracle: the meaning of flags as docs/guide/filters.md states it, evaluated from their text, slowly, and
// by nothing that the package does it by. It knows the filters that random tests make.
type reference []string

// facts are what filters ask of a process beside its events.
type facts struct {
	fresh, followed bool
	executable      string
	ancestors       []int // its own number first
}

// claim is what all flags about one thing say.
type claim struct{ equal, notEqual, ranges []string }

var referenceOperators = []string{"<=", ">=", "!=", "=", "<", ">"}

// claims sorts the flags by what they are about, the values of ranges behind their operators.
func (r reference) claims() map[string]*claim {
	claims := map[string]*claim{}
	for _, flag := range r {
		i := strings.IndexAny(flag, "=!<>")
		if i < 0 {
			continue
		}
		name, rest := flag[:i], flag[i:]
		if claims[name] == nil {
			claims[name] = &claim{}
		}
		for _, op := range referenceOperators {
			list, ok := strings.CutPrefix(rest, op)
			if !ok {
				continue
			}
			for value := range strings.SplitSeq(list, ",") {
				switch op {
				case "=":
					claims[name].equal = append(claims[name].equal, value)
				case "!=":
					claims[name].notEqual = append(claims[name].notEqual, value)
				default:
					claims[name].ranges = append(claims[name].ranges, op+value)
				}
			}
			break
		}
	}
	return claims
}

// anyOf says that one of the values is the thing's.
func anyOf(values []string, is func(string) bool) bool {
	for _, value := range values {
		if is(value) {
			return true
		}
	}
	return false
}

// within says that a number is in all ranges.
func (c *claim) within(number string) bool {
	n := integer(number)
	return !anyOf(c.ranges, func(text string) bool {
		op := strings.TrimRight(text, "-0123456789")
		order := n.Cmp(integer(text[len(op):]))
		return !(order < 0 && op[0] == '<' || order > 0 && op[0] == '>' || order == 0 && len(op) == 2)
	})
}

func integer(text string) *big.Int {
	n, ok := new(big.Int).SetString(text, 10)
	if !ok {
		panic("not a number: " + text)
	}
	return n
}

// glob matches with * for any text: reached[i] says that the pattern so far matches the first i bytes.
func glob(pattern, text string) bool {
	reached := make([]bool, len(text)+1)
	reached[0] = true
	for _, letter := range []byte(pattern) {
		next := make([]bool, len(reached))
		for i := range next {
			if letter == '*' {
				next[i] = reached[i] || i > 0 && next[i-1]
			} else {
				next[i] = i > 0 && reached[i-1] && text[i-1] == letter
			}
		}
		reached = next
	}
	return reached[len(text)]
}

// task is the rule of scope fields.
func (c *claim) task(is func(string) bool, number string) bool {
	switch {
	case anyOf(c.notEqual, is):
		return false
	case anyOf(c.equal, is):
		return true
	case len(c.ranges) > 0:
		return c.within(number)
	default:
		return len(c.equal) == 0
	}
}

// argument is the rule of arguments and return values.
func (c *claim) argument(is func(string) bool, number string) bool {
	return !anyOf(c.notEqual, is) && (len(c.equal) == 0 || anyOf(c.equal, is)) && (len(c.ranges) == 0 || c.within(number))
}

// admitsTask is what the flags about tasks and processes say.
func (r reference) admitsTask(e *trace.Event, f facts) bool {
	numbers := map[string]int{
		"cgroup": int(e.CgroupID), "mntns": e.MountNS, "pid": e.HostProcessID, "pidns": e.PIDNS, "ppid": e.HostParentProcessID,
		"tid": e.HostThreadID, "uid": e.UserID,
	}
	texts := map[string]string{"comm": e.ProcessName, "uts": e.HostName, "executable": f.executable}
	for name, c := range r.claims() {
		if number, ok := numbers[name]; ok {
			decimal := fmt.Sprint(number)
			is := func(value string) bool { return value == decimal || value == "new" && f.fresh }
			if !c.task(is, decimal) {
				return false
			}
		} else if text, ok := texts[name]; ok {
			if !c.task(func(value string) bool { return glob(value, text) }, "") {
				return false
			}
		} else if name == "tree" && !c.tree(f.ancestors) {
			return false
		}
	}
	return true
}

// tree asks the nearest ancestor that is listed.
func (c *claim) tree(ancestors []int) bool {
	for _, pid := range ancestors {
		is := func(value string) bool { return value == fmt.Sprint(pid) }
		if anyOf(c.notEqual, is) || anyOf(c.equal, is) {
			return !anyOf(c.notEqual, is)
		}
	}
	return len(c.equal) == 0
}

// admitsArguments is what the flags about arguments say.
func (r reference) admitsArguments(e *trace.Event) bool {
	for name, c := range r.claims() {
		event, argument, dotted := strings.Cut(name, ".")
		if !dotted || event != e.EventName {
			continue
		}
		value := fmt.Sprint(e.ReturnValue)
		if argument != "retval" {
			a, ok := e.Lookup(argument)
			if !ok {
				return false
			}
			if value = fmt.Sprint(a.Value()); a.Type().Kind == trace.Pointer { // of type uintptr
				value = fmt.Sprint(a.Uint())
			}
		}
		if !c.argument(func(pattern string) bool { return glob(pattern, value) }, value) {
			return false
		}
	}
	return true
}
