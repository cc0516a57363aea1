package cli

import (
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tracee-go/tracee/internal/recording"
	"github.com/tracee-go/tracee/rules"
	"github.com/tracee-go/tracee/signatures"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

// recorded is a stream of shells, find, md5sum, python and others at work.
func recorded(tb testing.TB) *recording.Stream {
	tb.Helper()
	stream, err := recording.Read("testdata/mixed.json.gz", eventSchema)
	if err != nil {
		tb.Fatal(err)
	}
	return stream
}

// mixed are the events of that stream.
func mixed(tb testing.TB) []*trace.Event {
	tb.Helper()
	return recorded(tb).Events
}

// detectors makes the signatures that are measured, by name.
var detectors = map[string]func(tb testing.TB) []detect.Signature{
	"go":   func(testing.TB) []detect.Signature { return signatures.All() },
	"yaml": func(tb testing.TB) []detect.Signature { return fromDir(tb, "testdata/declared") },
	"go+yaml": func(tb testing.TB) []detect.Signature {
		return append(signatures.All(), fromDir(tb, "testdata/declared")...)
	},
	"rego": func(tb testing.TB) []detect.Signature { return fromDir(tb, "../signatures/rego") },
}

func fromDir(tb testing.TB, dir string) []detect.Signature {
	tb.Helper()
	set, errs := rules.LoadDir(dir, rules.Options{})
	for _, err := range errs {
		tb.Fatal(err)
	}
	return set.Signatures
}

func TestReplayGivesTheSameFindingsEachTime(t *testing.T) {
	all := mixed(t)
	var runs [2][]string
	for i := range runs {
		found := &runs[i]
		g, _ := rules.New(rules.Config{
			Signatures: append(detectors["go+yaml"](t), detectors["rego"](t)...), Repeats: time.Second,
			Log:     slog.New(slog.DiscardHandler),
			Finding: func(f detect.Finding) { *found = append(*found, string(renderFinding("json", f, false))) },
		})
		for _, e := range all {
			g.Handle(e)
		}
		g.Close()
	}
	if !slices.Equal(runs[0], runs[1]) {
		t.Errorf("the findings differ:\n%s\n\n%s", strings.Join(runs[0], ""), strings.Join(runs[1], ""))
	}
	if len(runs[0]) == 0 {
		t.Error("nothing was found")
	}
}

func TestMemoryOfDetectionIsFlat(t *testing.T) {
	stream := recorded(t)
	n := len(stream.Events)
	for name, signatures := range detectors {
		g, _ := rules.New(rules.Config{Signatures: signatures(t), Repeats: time.Minute, Log: slog.New(slog.DiscardHandler)})
		stream.Play(n, g.Handle)
		before := heap()
		stream.Play(20*n, g.Handle)
		if grown := heap() - before; grown > 4<<20 {
			t.Errorf("%s: the heap grew by %d KiB in %d events", name, grown>>10, 20*n)
		}
		runtime.KeepAlive(g)
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestTenThousandRulesAreLoadedAndQuick(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	dir := t.TempDir()
	var text strings.Builder
	text.WriteString("kind: Signatures\napiVersion: tracee/v1\nsignatures:\n")
	for i := range 10_000 {
		fmt.Fprintf(&text, "- {id: R-%d, match: {event: security_file_open, when: \"args.pathname == '/secret/%d'\"}}\n", i, i)
	}
	if err := os.WriteFile(dir+"/many.yaml", []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	g, refused := rules.New(rules.Config{Signatures: fromDir(t, dir), Log: slog.New(slog.DiscardHandler)})
	if len(refused) > 0 {
		t.Fatal(refused[0])
	}
	t.Logf("loaded in %v", time.Since(started))
	if s := g.Stats(); s.Signatures != 10_000 {
		t.Errorf("signatures: got %d", s.Signatures)
	}
	if took := time.Since(started); took > time.Minute {
		t.Errorf("to load took %v", took)
	}
}
