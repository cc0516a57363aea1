package cli

import (
	"slices"
	"strings"
	"testing"

	"github.com/tracee-go/tracee/events"
)

func TestListingNamesEveryEventOnce(t *testing.T) {
	listed := map[string]int{}
	for line := range strings.Lines(listing()) {
		if fields := strings.Fields(line); len(fields) > 1 && strings.HasSuffix(line, ")\n") {
			listed[fields[0]]++
		}
	}
	for _, e := range events.All() {
		want := 1
		if e.Internal {
			want = 0
		}
		if got := listed[e.Name]; got != want {
			t.Errorf("%s: listed %d times, want %d", e.Name, got, want)
		}
		delete(listed, e.Name)
	}
	if len(listed) > 0 {
		t.Errorf("not in the catalogue: %v", listed)
	}
}

func TestListingIsInTheOrderOfIDs(t *testing.T) {
	for section := range strings.SplitSeq(listing(), "\n\n") {
		var ids []int
		for line := range strings.Lines(section) {
			name, _, _ := strings.Cut(line, " ")
			if e, ok := events.Lookup(name); ok {
				ids = append(ids, e.ID)
			}
		}
		if !slices.IsSorted(ids) {
			t.Errorf("not sorted: %v", ids)
		}
	}
}
