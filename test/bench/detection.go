package main

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/recording"
	"github.com/tracee-go/tracee/rules"
	"github.com/tracee-go/tracee/signatures"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/detect/cases"
	"github.com/tracee-go/tracee/types/trace"
)

// Files that detection is measured with, from the root of the repository.
const (
	mixedStream   = "cli/testdata/mixed.json.gz"
	yamlRules     = "cli/testdata/declared"
	regoRules     = "signatures/rego"
	testCases     = "signatures/testdata/*.yaml"
	naiveEvents   = 1 << 14    // shown to what is slow, and a round at least in each turn
	heapMayGrowBy = 4096       // KiB
	fast, fine    = 1e6, 200e3 // events/s per core
)

// detector is a way to detect.
type detector struct {
	name    string
	aim     float64 // events/s per core; 0: none
	events  int     // that it is to be shown
	show    func(*trace.Event)
	found   *int
	shown   int
	took    time.Duration
	growth  int64 // of the heap in all turns, KiB
	inCases int   // findings in the test cases of signatures
}

// measureDetection shows a recorded stream to signatures, and to OPA as it would be asked without thought: each rule about each
// event that it selects. All take turns, and processor time is counted, that of the collector of garbage included.
func measureDetection(_ context.Context, o options, r *report) error {
	stream, err := recording.Read(mixedStream, schemaOf)
	if err != nil {
		return fmt.Errorf("%w (run from the root of the repository)", err)
	}
	detectors, err := newDetectors(o)
	if err != nil {
		return err
	}
	for _, d := range detectors {
		stream.Play(1, d.show)
	}
	for range o.rounds {
		for _, d := range detectors {
			d.turn(stream, d.events/o.rounds)
		}
	}
	if err := showCases(detectors); err != nil {
		return err
	}
	naive := detectors[len(detectors)-1]
	r.begin(fmt.Sprintf("detection, of a recorded stream of %d events, again and again", len(stream.Events)),
		"signatures", "events", "events/s per core", "aim", "times naive", "the heap grew", "aim", "findings in test cases")
	for _, d := range detectors {
		aim := ""
		if d.aim > 0 {
			aim = r.aimAtLeast(d.rate(), d.aim, "%.0f")
		}
		r.row(d.name, fmt.Sprint(d.shown), fmt.Sprintf("%.0f", d.rate()), aim, fmt.Sprintf("%.1f", d.rate()/naive.rate()),
			fmt.Sprintf("%d KiB", d.growth), r.aim(float64(d.growth), heapMayGrowBy, "%.0f KiB"), fmt.Sprint(d.inCases))
	}
	r.end()
	if rego := detectors[len(detectors)-2]; rego.inCases != naive.inCases {
		return fmt.Errorf("the rules find %d times in test cases, and asked naively %d times", rego.inCases, naive.inCases)
	}
	return nil
}

// showCases shows the events of all test cases, so that one sees that the same is found in both ways: the recorded stream is that
// of a machine at work, where there is little to find.
func showCases(detectors []*detector) error {
	files, err := filepath.Glob(testCases)
	if err != nil {
		return err
	}
	for _, d := range detectors {
		before := *d.found
		for _, file := range files {
			all, err := cases.Read(file)
			if err != nil {
				return err
			}
			for _, c := range all {
				if err := c.Run(d.show); err != nil {
					return err
				}
			}
		}
		d.inCases = *d.found - before
	}
	return nil
}

// newDetectors makes the detectors, the Rego rules and what asks the same ones naively as the last two.
func newDetectors(o options) ([]*detector, error) {
	yaml, err := loadedRules(yamlRules)
	if err != nil {
		return nil, err
	}
	rego, err := loadedRules(regoRules)
	if err != nil {
		return nil, err
	}
	ask, err := newNaive(regoRules)
	if err != nil {
		return nil, err
	}
	builtIn := signatures.All()
	list := []*detector{
		detecting(fmt.Sprintf("%d built in", len(builtIn)), fast, builtIn),
		detecting(fmt.Sprintf("%d in YAML", len(yaml)), fast, yaml),
		detecting(fmt.Sprintf("%d in Rego", len(rego)), fine, rego),
		{name: "the same, naively", show: ask.show, found: &ask.found},
	}
	for _, d := range list {
		d.events = o.events
	}
	list[len(list)-1].events = naiveEvents
	return list, nil
}

func loadedRules(dir string) ([]detect.Signature, error) {
	set, errs := rules.LoadDir(dir, rules.Options{})
	if len(errs) > 0 {
		return nil, fmt.Errorf("%w (run from the root of the repository)", errs[0])
	}
	return set.Signatures, nil
}

func schemaOf(name string) *trace.Schema {
	if e, ok := events.Lookup(name); ok {
		return e.Schema()
	}
	return nil
}

// detecting is the engine, which shows every finding of rules, as asking naively does.
func detecting(name string, aim float64, all []detect.Signature) *detector {
	d := &detector{name: name, aim: aim, found: new(int)}
	engine, _ := rules.New(rules.Config{
		Signatures: all, Log: slog.New(slog.DiscardHandler), Finding: func(detect.Finding) { *d.found++ },
	})
	d.show = engine.Handle
	return d
}

// turn shows a detector its part of the events, and then looks at the heap.
func (d *detector) turn(stream *recording.Stream, events int) {
	without := heapKiB()
	before := usage(unix.RUSAGE_SELF)
	d.shown += stream.Play(events, d.show)
	d.took += usage(unix.RUSAGE_SELF) - before
	d.growth += heapKiB() - without
}

func (d *detector) rate() float64 { return float64(d.shown) / math.Max(d.took.Seconds(), 1e-9) }

// heapKiB is what is left on the heap when all garbage is collected.
func heapKiB() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) >> 10
}
