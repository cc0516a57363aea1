package derive

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/kallsyms"
	"github.com/tracee-go/tracee/types/trace"
)

const (
	ownCode, hookCode  = 0xffffffff81000100, 0xffffffffc0100000
	hiddenCode, probed = 0xffffffffc0200000, 0xffffffffc0300000
)

// hookedKernel knows a kernel with a rootkit, without asking this one.
func hookedKernel() *kernelSymbols {
	return &kernelSymbols{
		start: 0xffffffff81000000, end: 0xffffffff82000000, read: time.Now(),
		known: map[uint64]kallsyms.Symbol{
			hookCode:   {Address: hookCode, Name: "hook", Owner: "rootkit"},
			hiddenCode: {Address: hiddenCode, Owner: kallsyms.Hidden},
			probed:     {Address: probed, Name: "kprobe_optinsn_page", Owner: kallsyms.BuiltIn + "kprobes"},
		},
	}
}

// derivedOf lets a maker see events with these addresses, one after the other, and returns the arguments it emits.
func derivedOf(t *testing.T, event, from *events.Event, lists ...[]uint64) (emitted []map[string]any) {
	t.Helper()
	var make maker
	for _, each := range derivations {
		if each.event == event {
			make = each.start(&settings{symbols: hookedKernel()})
		}
	}
	for _, list := range lists {
		text, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		var source, result trace.Builder
		source.Reset(from.Schema())
		source.Tail(0, text)
		e := trace.Event{EventName: from.Name}
		source.Finish(&e)
		err = make(&e, func(fill func(*trace.Builder)) bool {
			result.Reset(event.Schema())
			fill(&result)
			var e trace.Event
			result.Finish(&e)
			values := map[string]any{}
			for _, a := range e.Args() {
				values[a.Name] = a.Value
			}
			emitted = append(emitted, values)
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return emitted
}

// syscallsWith puts addresses among those of syscalls.
func syscallsWith(places map[int]uint64) []uint64 {
	addresses := make([]uint64, events.SyscallDispatchers+len(events.Dispatchers))
	addresses[0], addresses[1] = ownCode, ownCode
	for place, address := range places {
		addresses[place] = address
	}
	return addresses
}

func TestHookedSyscallsAreListed(t *testing.T) {
	kill := lookupNumber(t, "kill")
	got := derivedOf(t, events.HookedSyscalls, events.PrintSyscallTable,
		syscallsWith(nil),
		syscallsWith(map[int]uint64{kill: hookCode, 1: probed, events.SyscallDispatchers: hiddenCode}),
	)
	want := []map[string]any{
		{"hooked_syscalls": []trace.HookedSymbolData{}},
		{"hooked_syscalls": []trace.HookedSymbolData{
			{SymbolName: "kill", ModuleOwner: "rootkit"}, {SymbolName: events.Dispatchers[0], ModuleOwner: "hidden"},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestEachHookedSyscallIsToldOnce(t *testing.T) {
	kill := lookupNumber(t, "kill")
	hooked := syscallsWith(map[int]uint64{kill: hookCode})
	got := derivedOf(t, events.HookedSyscall, events.PrintSyscallTable,
		hooked, hooked, syscallsWith(nil), hooked, syscallsWith(map[int]uint64{kill: hiddenCode}))
	byModule := map[string]any{"syscall": "kill", "address": "0xffffffffc0100000", "function": "hook", "owner": "rootkit"}
	byHidden := map[string]any{"syscall": "kill", "address": "0xffffffffc0200000", "owner": "hidden"}
	if diff := cmp.Diff([]map[string]any{byModule, byModule, byHidden}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestHookedSeqOpsAreNamed(t *testing.T) {
	addresses := make([]uint64, len(events.NetSeqOps)*len(events.SeqFunctions))
	for i := range addresses {
		addresses[i] = ownCode
	}
	clean := append([]uint64(nil), addresses...)
	clean[20] = 0 // a protocol that is not there
	addresses[0], addresses[9] = hookCode, hiddenCode
	got := derivedOf(t, events.HookedSeqOps, events.PrintNetSeqOps, clean, addresses)
	want := []map[string]any{
		{"hooked_seq_ops": map[string]trace.HookedSymbolData{}},
		{"hooked_seq_ops": map[string]trace.HookedSymbolData{
			"tcp4_seq_ops_show": {SymbolName: "hook", ModuleOwner: "rootkit"},
			"udp_seq_ops_start": {ModuleOwner: "hidden"},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// lookupNumber is a syscall's place in the native table.
func lookupNumber(t *testing.T, name string) int {
	t.Helper()
	native, compat := nativeABIs()
	for place := range events.CompatSyscalls {
		if events.SyscallAt(native, compat, place) == name {
			return place
		}
	}
	t.Fatalf("no syscall %s", name)
	return 0
}
