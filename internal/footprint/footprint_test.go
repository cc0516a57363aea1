package footprint

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const smaps = `00400000-01b79000 r-xp 00000000 fe:00 42                         /usr/bin/tracee
Rss:               16488 kB
Anonymous:             0 kB
01b79000-03c25000 r--p 01779000 fe:00 42                         /usr/bin/tracee
Rss:               17328 kB
Anonymous:             0 kB
03c25000-03c26000 r--p 03825000 fe:00 42                         /usr/bin/tracee
Rss:                   4 kB
Anonymous:             4 kB
03c26000-03e97000 rw-p 03826000 fe:00 42                         /usr/bin/tracee
Rss:                1368 kB
Anonymous:             0 kB
03e97000-03fa7000 rw-p 00000000 00:00 0 
Rss:                 600 kB
Anonymous:             0 kB
7f0000000000-7f0000001000 r-xp 00000000 fe:00 43                 /usr/lib/usr/bin/tracee.so
Rss:                   4 kB
Anonymous:             0 kB
7f0000001000-7f0000002000 r-xp 00000000 fe:00 44                 /other/usr/bin/tracee
Rss:                   4 kB
Anonymous:             0 kB
`

func TestOnlyPagesOfTheFileThatNobodyWroteAreGivenBack(t *testing.T) {
	got, err := unwritten(strings.NewReader(smaps), "/usr/bin/tracee")
	if want := []mapping{{0x400000, 0x3c25000}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %x, %v, want %x", got, err, want)
	}
}

func TestProgramIsSmallerAfterwardsAndGoesOn(t *testing.T) {
	before := fileRSS(t)
	var keeper Keeper
	if err := keeper.Shrink(); err != nil {
		t.Fatal(err)
	}
	after := fileRSS(t)
	if after >= before {
		t.Errorf("of its file, %d kB were in memory, and are %d", before, after)
	}
}

func TestCollectorRestsUntilTheStartIsOver(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(math.MaxInt64))
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	expect := func(when string, percent int, limit int64) {
		t.Helper()
		gotLimit := debug.SetMemoryLimit(-1)
		got := debug.SetGCPercent(percent)
		if got != percent || gotLimit != limit {
			t.Errorf("%s: collects at %d %%, or at %d bytes; want %d, %d", when, got, gotLimit, percent, limit)
		}
	}
	t.Setenv("GOGC", "100")
	Hurry()
	expect("GOGC is set", 100, math.MaxInt64)
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "1GiB")
	Hurry()
	expect("GOMEMLIMIT is set", 100, math.MaxInt64)
	t.Setenv("GOMEMLIMIT", "")
	Hurry()
	expect("while it starts", -1, startLimit)
	if err := new(Keeper).Shrink(); err != nil {
		t.Fatal(err)
	}
	expect("afterwards", gcPercent, math.MaxInt64)
}

func TestNoTouchBringsMoreThanAPieceOfTheFile(t *testing.T) {
	var keeper Keeper
	for range 2 { // what is divided is found, and is divided once
		if err := keeper.Shrink(); err != nil {
			t.Fatal(err)
		}
		program, err := os.Readlink("/proc/self/exe")
		if err != nil {
			t.Fatal(err)
		}
		maps, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Fatal(err)
		}
		pieces, size := 0, 0
		for line := range strings.Lines(string(maps)) {
			var m mapping
			var rights string
			if n, _ := fmt.Sscanf(line, "%x-%x %s", &m.begin, &m.end, &rights); n != 3 || !strings.HasSuffix(line, " "+program+"\n") ||
				rights != "r--p" && rights != "r-xp" {
				continue
			}
			pieces, size = pieces+1, size+int(m.end-m.begin)
			if m.end-m.begin > piece {
				t.Errorf("a piece of %d bytes of the file is mapped as one, want %d at most", m.end-m.begin, piece)
			}
		}
		if pieces < size/piece || pieces > size/piece+10 {
			t.Errorf("%d bytes of the file are mapped in %d pieces of %d bytes", size, pieces, piece)
		}
	}
}

func TestPagesAreUnmappedAgainOnlyWhenManyHaveComeBack(t *testing.T) {
	var keeper Keeper
	if err := keeper.Shrink(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, make([]byte, worthwhile+worthwhile/2), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := keeper.Trim(); err != nil { // what is needed is there
		t.Fatal(err)
	}
	left := keeper.files
	for _, test := range []struct {
		mapped int
		trims  bool
	}{{worthwhile / 2, false}, {worthwhile + worthwhile/2, true}} {
		pages, err := unix.Mmap(int(file.Fd()), 0, test.mapped, unix.PROT_READ, unix.MAP_SHARED|unix.MAP_POPULATE)
		if err != nil {
			t.Fatal(err)
		}
		if err := keeper.Trim(); err != nil {
			t.Fatal(err)
		}
		if trimmed := keeper.files != left; trimmed != test.trims {
			t.Errorf("%d bytes of files more: pages unmapped %t, want %t", test.mapped, trimmed, test.trims)
		}
		if err := unix.Munmap(pages); err != nil {
			t.Fatal(err)
		}
	}
}

// fileRSS is what of files this process has in memory, in kB.
func fileRSS(t *testing.T) (size int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if n, _ := fmt.Sscanf(line, "RssFile: %d kB", &size); n == 1 {
			return size
		}
	}
	t.Fatal("no RssFile in /proc/self/status")
	return 0
}
