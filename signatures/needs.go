package signatures

import (
	"strconv"

	"github.com/tracee-go/tracee/types/detect"
)

// need says which of the events of a name a signature needs: those that meet all conditions. Of an event for which it says
// nothing it needs all, so it is only said where most do not matter, and where a condition is plain.
func need(event string, conditions ...detect.Condition) detect.Need {
	return detect.Need{Event: event, Conditions: conditions}
}

// like asks for a text that matches a pattern.
func like(argument string, patterns ...string) detect.Condition {
	return detect.Condition{Argument: argument, Operator: "=", Values: patterns}
}

// among asks for one of some numbers. A number that has a name is asked for by its value, which is all that the kernel knows.
func among(argument string, numbers ...int) detect.Condition {
	c := detect.Condition{Argument: argument, Operator: "="}
	for _, n := range numbers {
		c.Values = append(c.Values, strconv.Itoa(n))
	}
	return c
}

// succeeded asks for calls that did not fail.
var succeeded = detect.Condition{Argument: "retval", Operator: ">=", Values: []string{"0"}}

// around puts something before and behind each of some texts.
func around(before string, texts []string, behind string) []string {
	list := make([]string, len(texts))
	for i, t := range texts {
		list[i] = before + t + behind
	}
	return list
}

// Requests of ptrace, of linux/ptrace.h.
const (
	traceMe                     = 0
	pokeText, pokeData, pokeUsr = 4, 5, 6
	setRegs, setFpRegs          = 13, 15
	attach                      = 16
	setRegset                   = 0x4205
	seize                       = 0x4206
	setSyscallInfo              = 0x4212
)

// Needs implements detect.Selective.
func (s *signature) Needs() []detect.Need { return s.needs }

var _ detect.Selective = (*signature)(nil)
