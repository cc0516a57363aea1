package rules

import (
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

// origins is a set of origins, a bit for each.
type origins uint8

const (
	fromContainer origins = 1 << iota
	fromContainerInit
	fromHost
	fromAnywhere = fromContainer | fromContainerInit | fromHost
)

// originBit returns the bit of a named origin, all for "*" and none for what is unknown.
func originBit(name string) origins {
	switch name {
	case trace.OriginContainer:
		return fromContainer
	case trace.OriginContainerInit:
		return fromContainerInit
	case trace.OriginHost:
		return fromHost
	case "*":
		return fromAnywhere
	default:
		return 0
	}
}

// target is a signature that selected an event, and the origins it selected it from.
type target struct {
	*member
	origins origins
	sieve   detect.Sieve // that it shares with others; nil: it is to see each
	number  int          // under which the sieve knows it
}

// indexByName returns for each event name that a selector mentions who is shown the event, and who is shown all others.
func indexByName(members []*member) (index map[string][]target, rest []target) {
	index = make(map[string][]target)
	for _, m := range members {
		for _, s := range m.selectors {
			index[s.Name] = nil
		}
	}
	for name := range index {
		index[name] = targetsOf(members, name)
	}
	delete(index, "*")
	return index, targetsOf(members, "*")
}

func targetsOf(members []*member, name string) []target {
	var targets []target
	for _, m := range members {
		t := target{member: m}
		for _, s := range m.selectors {
			if s.Name == name || s.Name == "*" {
				t.origins |= originBit(s.Origin)
			}
		}
		if s, ok := m.signature.(detect.Sieved); ok {
			t.sieve, t.number = s.Sieve()
		}
		if t.origins != 0 {
			targets = append(targets, t)
		}
	}
	return targets
}
