package events

import (
	"slices"
	"testing"
)

func TestEverySetOfV08HasAnExplanation(t *testing.T) {
	for _, e := range readV08Events(t) {
		for _, s := range e.Sets {
			if s.Doc() == "" {
				t.Errorf("%s is not explained", s)
			}
		}
	}
}

func TestEverySetHasMembersOnceAllEventsAreDeclared(t *testing.T) {
	for _, e := range readV08Events(t) {
		if _, ok := Lookup(e.Name); !ok {
			t.Skipf("%s is not declared yet", e.Name)
		}
	}
	for s := range setDocs {
		if !slices.Contains(Sets(), s) {
			t.Errorf("%s has no members", s)
		}
	}
}
