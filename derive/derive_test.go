package derive

import (
	"slices"
	"testing"

	"github.com/tracee-go/tracee/events"
)

// elsewhere are derived by package container, which knows what they are about.
var elsewhere = []*events.Event{events.ContainerCreate, events.ContainerRemove, events.ExistingContainer, events.ContainerEnriched}

func TestEveryDerivedEventIsMadeHere(t *testing.T) {
	made := map[*events.Event]bool{}
	for _, each := range derivations {
		if len(each.event.From) == 0 {
			t.Errorf("%s is derived, but its declaration does not say from what", each.event.Name)
		}
		if made[each.event] {
			t.Errorf("%s is derived twice", each.event.Name)
		}
		made[each.event] = true
	}
	for _, e := range events.All() {
		if len(e.From) > 0 && !made[e] && !slices.Contains(elsewhere, e) {
			t.Errorf("%s is declared to be derived, but nothing makes it", e.Name)
		}
		for _, from := range e.From {
			if from.ID > e.ID && len(from.From) > 0 {
				t.Errorf("%s is made of %s, which is derived itself and comes later", e.Name, from.Name)
			}
		}
	}
}
