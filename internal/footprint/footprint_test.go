package footprint

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
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
	if want := []mapping{{0x400000, 0x1b79000}, {0x1b79000, 0x3c25000}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %x, %v, want %x", got, err, want)
	}
}

func TestProgramIsSmallerAfterwardsAndGoesOn(t *testing.T) {
	before := fileRSS(t)
	if err := Shrink(); err != nil {
		t.Fatal(err)
	}
	after := fileRSS(t)
	if after >= before {
		t.Errorf("of its file, %d kB were in memory, and are %d", before, after)
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
