package rules

import (
	"fmt"
	"hash/maphash"
	"time"

	"github.com/tracee-go/tracee/rules/lineage"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

// maxFolds bounds the findings that stand for others at a time.
const maxFolds = 4096

// folder lets one finding stand for others like it: of the same signature, by the same process, with the same data, or
// without any, on an event with the same texts. The first is delivered at once. When its window is over and there were
// others, the last of them is delivered with their number. A signature never silences another.
type folder struct {
	window int
	folds  map[foldKey]*fold
	order  []*fold // by the end of their windows
	seed   maphash.Seed
}

type foldKey struct {
	signature string
	process   lineage.Key
	object    uint64
}

type fold struct {
	key   foldKey
	until int
	count uint64
	last  detect.Finding
}

func newFolder(window time.Duration) *folder {
	return &folder{window: int(window), folds: map[foldKey]*fold{}, seed: maphash.MakeSeed()}
}

// repeats reports whether an earlier finding stands for this one.
func (f *folder) repeats(finding detect.Finding, hand func(detect.Finding)) bool {
	e := finding.Event.Payload.(*trace.Event)
	key := foldKey{finding.SigMetadata.ID, lineage.KeyOf(e), f.object(finding, e)}
	known, ok := f.folds[key]
	if ok && e.Timestamp <= known.until {
		known.count++
		known.last = finding
		return true
	}
	if ok {
		f.pass(e.Timestamp, hand)
	}
	for len(f.order) >= maxFolds {
		f.end(hand)
	}
	known = &fold{key: key, until: e.Timestamp + f.window}
	f.folds[key] = known
	f.order = append(f.order, known)
	return false
}

// object is what a finding is about.
func (f *folder) object(finding detect.Finding, e *trace.Event) uint64 {
	var h maphash.Hash
	h.SetSeed(f.seed)
	_, _ = h.WriteString(e.EventName)
	if len(finding.Data) > 0 {
		fmt.Fprint(&h, finding.Data)
		return h.Sum64()
	}
	for a := range e.All() {
		if a.Type().Kind == trace.String {
			_, _ = h.WriteString(a.Name())
			_, _ = h.Write(a.Raw())
		}
	}
	return h.Sum64()
}

// pass ends the windows that are over at a time.
func (f *folder) pass(now int, hand func(detect.Finding)) {
	for len(f.order) > 0 && f.order[0].until < now {
		f.end(hand)
	}
}

// flush ends all windows.
func (f *folder) flush(hand func(detect.Finding)) {
	for len(f.order) > 0 {
		f.end(hand)
	}
}

// end ends the oldest window.
func (f *folder) end(hand func(detect.Finding)) {
	oldest := f.order[0]
	f.order = f.order[1:]
	if f.folds[oldest.key] == oldest {
		delete(f.folds, oldest.key)
	}
	if oldest.count > 0 {
		oldest.last.Repeated = oldest.count
		hand(oldest.last)
	}
}
