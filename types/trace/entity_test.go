package trace

import (
	"testing"

	"pgregory.net/rapid"
)

// The ids are in files, and must mean the same for ever.
func TestEntityIDsNeverChange(t *testing.T) {
	for _, c := range []struct {
		pid   uint32
		start uint64
		want  uint64
	}{
		{0, 0, 0},
		{0, 77, 0},
		{1, 0, 16294208416658607535},
		{1, 22_000_000, 2505600556212172814},
		{4_194_304, 1 << 62, 15160279497475226894},
	} {
		if got := EntityID(c.pid, c.start); got != c.want {
			t.Errorf("EntityID(%d, %d) = %d, want %d", c.pid, c.start, got, c.want)
		}
	}
}

func TestANumberThatIsUsedAgainIsSomebodyElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pid, start := rapid.Uint32Min(1).Draw(t, "pid"), rapid.Uint64().Draw(t, "start")
		id := EntityID(pid, start)
		if id == 0 {
			t.Fatal("somebody is nobody")
		}
		if other := rapid.Uint64().Draw(t, "other start"); other != start && EntityID(pid, other) == id {
			t.Fatalf("the same number %d and id at %d and %d", pid, start, other)
		}
		if other := rapid.Uint32Min(1).Draw(t, "other pid"); other != pid && EntityID(other, start) == id {
			t.Fatalf("the same start %d and id for %d and %d", start, pid, other)
		}
	})
}
