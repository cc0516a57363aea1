package tracer

import (
	"errors"
	"os"
	"testing"

	"github.com/tracee-go/tracee/bpf"
	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

func TestOnlyProgramsOfTheirRungAreInSectionsThatAreLeftOut(t *testing.T) {
	for _, rung := range []trace.Rung{trace.LSM, trace.Fentry, trace.Kprobe} {
		from := ofAllRungs()
		from.rungs.errors[rung] = errors.New("refused")
		object, err := bpf.Open(true)
		if err != nil {
			t.Fatal(err)
		}
		spec, err := object.Spec(func(string, string) bool { return true })
		if err != nil {
			t.Fatal(err)
		}
		left := map[string]bool{}
		for name, p := range spec.Programs {
			left[name] = from.useless(p.SectionName)
		}
		ofRung := 0
		for _, e := range events.All() {
			for _, hook := range e.Hooks {
				names := map[string]bool{}
				addPrograms(names, hook)
				for name := range names {
					if left[name] && hook.Rung != rung {
						t.Errorf("%s on rung %s needs %s, which is left out without rung %s", e.Name, hook.Rung, name, rung)
					}
					if left[name] {
						ofRung++
					}
				}
			}
		}
		if ofRung == 0 {
			t.Errorf("no program is left out without rung %s", rung)
		}
	}
}

func TestWhatIsReadAheadIsUsedOnce(t *testing.T) {
	ahead := ReadAhead()
	first, second := ahead.take(), ahead.take()
	first.wait()
	if first == second {
		t.Error("both use the same")
	}
	var none *Ahead
	if none.take() == nil {
		t.Error("without, nothing can be read")
	}
	t.Setenv("TRACEE_BTF_FILE", "/does/not/exist")
	late := ReadAhead().take()
	if _, err := late.object(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what can not be read: got %v", err)
	}
}
