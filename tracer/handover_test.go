package tracer

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Occurrences are seen by two programs, one after the other, which may wait in between. Whatever is the same of them, each is
// delivered once, by the one or by the other.
func TestEachOccurrenceIsDeliveredOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var first, second []*sight
		at := uint64(0)
		for range rapid.IntRange(1, 30).Draw(t, "occurrences") {
			at += rapid.Uint64Range(1, 50).Draw(t, "later")
			first = append(first, &sight{at: at})
			at += rapid.Uint64Range(1, 50).Draw(t, "twin later")
			second = append(second, &sight{at: at})
		}
		occurrences := len(first)
		h := handover{cut: rapid.Uint64Range(0, at+1).Draw(t, "cut")}
		old, fresh := first, second
		if rapid.Bool().Draw(t, "newest first") {
			old, fresh = second, first
		}
		pair(slices.Clone(first), slices.Clone(second))
		delivered := 0
		for i := range occurrences {
			byOld, byNew := old[i].at < h.cut, h.counts(fresh[i])
			if byOld && byNew {
				t.Fatalf("occurrence %d of %v and %v comes twice, cut at %d", i, first[i].at, second[i].at, h.cut)
			}
			if byOld || byNew {
				delivered++
			}
		}
		if delivered != occurrences {
			t.Fatalf("%d of %d are delivered", delivered, occurrences)
		}
	})
}

// What only one of them is asked for has no twin: its own time decides.
func TestWhatHasNoTwinIsDeliveredByItsTime(t *testing.T) {
	h := handover{cut: 100}
	only := []*sight{{at: 99}, {at: 100}}
	pair(nil, only)
	if h.counts(only[0]) || !h.counts(only[1]) {
		t.Error("its time does not decide")
	}
	if chunk := (&sight{at: 99, chunk: true}); !h.counts(chunk) {
		t.Error("a chunk is left out")
	}
}
