package tracer

import (
	"sync"
	"testing"

	"github.com/cilium/ebpf"
)

func TestProgramsThatNobodyExpectedAreReadWhenTheyAreAskedFor(t *testing.T) {
	needRoot(t)
	expected := []string{"sched_process_fork", "sys_exit"}
	l, end := loaderOfPrograms(t, expected, nil, "netfilter_change", "io_uring_submit")
	defer end()
	if _, err := l.load("no_such_program"); err == nil {
		t.Error("a program that is not there was loaded")
	}
	if n := len(l.spec.Programs); n != len(expected) {
		t.Errorf("%d programs were read, want %d", n, len(expected))
	}
	maps := len(l.maps)
	names := append([]string{"netfilter_change", "security_file_open_exit", "io_uring_submit"}, expected...)
	programs := make([]*ebpf.Program, len(names))
	var loading sync.WaitGroup
	for i, name := range names {
		loading.Go(func() {
			var err error
			if programs[i], err = l.load(name); err != nil {
				t.Error(err)
			}
		})
	}
	loading.Wait()
	for _, p := range programs {
		p.Close()
	}
	if len(l.maps) != maps+1 {
		t.Errorf("%d maps, then %d; want one more, of the texts of netfilter_change", maps, len(l.maps))
	}
}
