package tracer

import (
	"fmt"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

func TestProgramsAreFittedToTheKernelAsTheLibraryDoesIt(t *testing.T) {
	needRoot(t)
	l, end := loaderOf(t, nil, "kill", "security_file_open", "sched_process_exec", "task_rename", "security_socket_connect")
	defer end()
	for _, name := range []string{
		"sys_exit", "security_file_open_exit", "sched_process_exec", "task_rename", "security_socket_connect_exit",
	} {
		by := func(spec *ebpf.ProgramSpec) string {
			t.Helper()
			program, err := l.verified(spec)
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprint(translatedOf(t, program))
		}
		spec := l.spec.Programs[name]
		byLibrary := by(spec.Copy())
		if err := l.relocated.apply(spec); err != nil {
			t.Fatal(err)
		}
		for i := range spec.Instructions {
			in := &spec.Instructions[i]
			if left := btf.CORERelocationMetadata(in); left != nil {
				t.Errorf("%s: %s is not done", name, left)
			}
			if in.Reference() == "bpf_rdonly_cast" && !in.IsKfuncCall() {
				t.Errorf("%s: whether the kernel has bpf_rdonly_cast is not known", name)
			}
		}
		if by(spec) != byLibrary {
			t.Errorf("%s: the kernel gets something else than from the library", name)
		}
	}
}
