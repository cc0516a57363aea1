package cli

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tracee-go/tracee/rules"
	"github.com/tracee-go/tracee/signatures"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

// mixed is a recorded stream: shells, find, md5sum, python and others at work.
func mixed(tb testing.TB) []*trace.Event {
	tb.Helper()
	file, err := os.Open("testdata/mixed.json.gz")
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		tb.Fatal(err)
	}
	var all []*trace.Event
	for reader := trace.NewJSONReader(unpacked, eventSchema); ; {
		var e trace.Event
		err := reader.Read(&e)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, e.Clone())
	}
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

// replayed is how many events a measurement shows at least.
const replayed = 1_000_000

// replay shows the stream again and again, with times that go on, and returns how many events that were.
func replay(g *rules.Engine, all []*trace.Event, n int) int {
	span := all[len(all)-1].Timestamp - all[0].Timestamp
	shown := 0
	for shown < n {
		for _, e := range all {
			g.Handle(e)
			e.Timestamp += span
		}
		shown += len(all)
	}
	return shown
}

func BenchmarkDetection(b *testing.B) {
	for _, name := range []string{"go", "yaml", "go+yaml", "rego"} {
		b.Run(name, func(b *testing.B) {
			g, _ := rules.New(rules.Config{Signatures: detectors[name](b), Repeats: time.Minute, Log: slog.New(slog.DiscardHandler)})
			all := mixed(b)
			shown, before := 0, processorTime(b)
			for b.Loop() {
				shown += replay(g, all, replayed)
			}
			b.ReportMetric(float64(shown)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(shown)/(processorTime(b)-before).Seconds(), "events/s/core")
			b.ReportMetric(0, "ns/op")
			if s := g.Stats(); s.Errors > 0 {
				b.Errorf("stats: %+v", s)
			}
		})
	}
}

// processorTime is what the process has used, the collector of garbage included; others may be busy on this machine.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
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
	all := mixed(t)
	for name, signatures := range detectors {
		g, _ := rules.New(rules.Config{Signatures: signatures(t), Repeats: time.Minute, Log: slog.New(slog.DiscardHandler)})
		replay(g, all, len(all))
		before := heap()
		replay(g, all, 20*len(all))
		if grown := heap() - before; grown > 4<<20 {
			t.Errorf("%s: the heap grew by %d KiB in %d events", name, grown>>10, 20*len(all))
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
