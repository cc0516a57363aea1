package test

import (
	"bytes"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/internal/kallsyms"
	"github.com/tracee-go/tracee/tracer"
	"github.com/tracee-go/tracee/types/trace"
)

// TestNothingIsHookedInAnIntactKernel is the control of the triggers: what they cause by a module must not be there without.
func TestNothingIsHookedInAnIntactKernel(t *testing.T) {
	hooks := []*events.Event{
		events.HookedSyscalls, events.HookedSyscall, events.HookedSeqOps, events.HookedProcFops,
		events.HiddenKernelModule, events.FtraceHook,
	}
	// With programs of every kind attached, which the kernel's lists show too.
	s := start(t, tracer.Config{Events: append(hooks, events.SecurityFileOpen, events.CommitCreds, events.KprobeAttach)})
	s.await(t, "first look", func(seen []*trace.Event) bool {
		return hasName(seen, "hooked_syscalls") && hasName(seen, "hooked_seq_ops")
	})
	// The looks come in the order of ids, and the end of a child after the first one.
	s.try(t, func(t testing.TB) { s.run(spawn(t, "plain end"), 0) })
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		switch e.EventName {
		case "hooked_syscalls", "hooked_seq_ops":
			hooked, _ := e.Lookup(e.EventName)
			if text := string(hooked.AppendText(nil)); text != "[]" && text != "map[]" {
				t.Errorf("%s: got %s", e.EventName, text)
			}
			if e.ProcessName != "tracee-ebpf" || e.HostProcessID != os.Getpid() {
				t.Errorf("%s is by %s[%d], want the tracer", e.EventName, e.ProcessName, e.HostProcessID)
			}
		case "hooked_syscall", "hooked_proc_fops", "hidden_kernel_module", "ftrace_hook":
			t.Errorf("not wanted: %s", show(e))
		}
	}
}

func hasName(seen []*trace.Event, name string) bool {
	for _, e := range seen {
		if e.EventName == name {
			return true
		}
	}
	return false
}

func integrityActions() map[string]func(*actor) {
	return map[string]func(*actor){"plain end": func(*actor) {}}
}

func TestMemoryIsDumpedAsItIs(t *testing.T) {
	symbols, err := kallsyms.Read()
	if err != nil {
		t.Fatal(err)
	}
	symbol, content := "linux_banner", []byte(nil)
	address, ok := symbols.Address(symbol)
	if ok {
		if content, err = os.ReadFile("/proc/version"); err != nil {
			t.Fatal(err)
		}
		content = content[:32]
	} else { // a kernel that lists no data; how its code is, nothing else tells
		symbol = "_stext"
		address, _ = symbols.Address(symbol)
	}
	s := start(t, tracer.Config{Events: []*events.Event{events.PrintMemDump}},
		"print_mem_dump.symbol_name="+symbol, "print_mem_dump.length=32")
	s.await(t, "dump", func(seen []*trace.Event) bool { return hasName(seen, "print_mem_dump") })
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if e.EventName != "print_mem_dump" {
			continue
		}
		machine := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
		for name, want := range (arguments{
			"address": uintptr(address), "length": uint64(32), "caller_context_id": uint64(1), "arch": machine,
			"symbol_name": symbol, "symbol_owner": "system",
		}) {
			got, _ := e.Lookup(name)
			if err := matches(got.Value(), want); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		dumped, _ := e.Lookup("bytes")
		got, _ := dumped.Value().([]byte)
		if len(got) != 32 || bytes.Equal(got, make([]byte, 32)) || content != nil && !bytes.Equal(got, content) {
			t.Errorf("bytes: got %q, want %q", got, content)
		}
	}
}

func TestADumpThatCanNotBeIsRefused(t *testing.T) {
	for _, test := range []struct{ flag, want string }{
		{"", "say what to dump"},
		{"print_mem_dump.symbol_name=no_such_symbol", "no symbol no_such_symbol"},
		{"print_mem_dump.length=5000", "1 to 4096"},
	} {
		t.Run(test.want, func(t *testing.T) {
			flags := []string{"event=print_mem_dump"}
			if test.flag != "" {
				flags = append(flags, test.flag)
			}
			f, err := filter.Parse(flags)
			if err != nil {
				t.Fatal(err)
			}
			_, err = tracer.New(tracer.Config{
				Events: []*events.Event{events.PrintMemDump}, Required: []*events.Event{events.PrintMemDump}, Filter: f,
			})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
		})
	}
}
