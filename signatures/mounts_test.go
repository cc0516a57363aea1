package signatures

import (
	"path/filepath"
	"testing"

	"github.com/tracee-go/tracee/types/detect/cases"
)

// TestTreesOutliveTheEventThatToldOfThem has the memory of an event used again, as that of the ring's records is.
func TestTreesOutliveTheEventThatToldOfThem(t *testing.T) {
	all, err := cases.Read(filepath.Join("testdata", "TRC-2218.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range all {
		for _, described := range test.Events {
			e, err := described.Build()
			if err != nil {
				t.Fatal(err)
			}
			if e.EventName != "open_tree" {
				continue
			}
			m := newMounts()
			m.learn(e)
			name, _ := e.Lookup("filename")
			want := string(name.Raw())
			clear(name.Raw())
			if got, _ := m.trees.get(tree{entity(e), e.ReturnValue}); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			return
		}
	}
	t.Error("no case has open_tree")
}
