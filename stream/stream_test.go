package stream

import (
	"errors"
	"slices"
	"testing"

	"github.com/tracee-go/tracee/types/trace"
)

func numbers(n int) []*trace.Event {
	all := make([]*trace.Event, n)
	for i := range all {
		all[i] = &trace.Event{ReturnValue: i}
	}
	return all
}

func returnValues(all []*trace.Event) []int {
	var values []int
	for _, e := range all {
		values = append(values, e.ReturnValue)
	}
	return values
}

func TestChainRunsStagesInOrder(t *testing.T) {
	double := Each(func(e *trace.Event) error { e.ReturnValue *= 2; return nil })
	small := Keep(func(e *trace.Event) bool { return e.ReturnValue < 6 })
	got := returnValues(slices.Collect(Chain(slices.Values(numbers(5)), double, small)))
	if want := []int{0, 2, 4}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestEachEndsTheStreamAtAnError(t *testing.T) {
	seen := 0
	fail := Each(func(*trace.Event) error {
		if seen++; seen == 3 {
			return errors.New("full")
		}
		return nil
	})
	got := slices.Collect(Chain(slices.Values(numbers(5)), fail))
	if len(got) != 2 || seen != 3 {
		t.Errorf("got %d events, %d seen; want 2 and 3", len(got), seen)
	}
}

func TestStoppingTheRangeStopsTheStages(t *testing.T) {
	seen := 0
	look := Each(func(*trace.Event) error { seen++; return nil })
	for range Chain(slices.Values(numbers(5)), look, Keep(func(*trace.Event) bool { return true })) {
		break
	}
	if seen != 1 {
		t.Errorf("got %d events seen, want 1", seen)
	}
}
