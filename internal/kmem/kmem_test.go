package kmem

import (
	"os"
	"testing"

	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

func open(t *testing.T) (*Reader, Types) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("reading kernel memory needs root")
	}
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		t.Skipf("no type information of this kernel: %v", err)
	}
	r, err := Open(btf.NewCache())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r, NewTypes(spec)
}

func TestTheReaderFindsItsOwnTask(t *testing.T) {
	r, types := open(t)
	task, err := r.Task()
	if err != nil {
		t.Fatal(err)
	}
	tgid, err := types.Offset("task_struct", "tgid")
	if err != nil {
		t.Fatal(err)
	}
	word, err := r.Word(task + tgid)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := int(uint32(word)), unix.Getpid(); got != want {
		t.Errorf("process id of the task: got %d, want %d", got, want)
	}
}

func TestWhatIsNotMappedIsUnreadable(t *testing.T) {
	r, _ := open(t)
	task, err := r.Task()
	if err != nil {
		t.Fatal(err)
	}
	var readable []bool
	err = r.Each([]uint64{0, task, 8, task, 0xffff8000_00000000 - 8}, 8, func(_ int, memory []byte) {
		readable = append(readable, memory != nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{false, true, false, true, false} {
		if readable[i] != want {
			t.Errorf("address %d: readable is %t, want %t", i, readable[i], want)
		}
	}
}

func TestLongMemoryIsReadInParts(t *testing.T) {
	r, types := open(t)
	size, err := types.Size("task_struct")
	if err != nil {
		t.Fatal(err)
	}
	tgid, err := types.Offset("task_struct", "tgid")
	if err != nil {
		t.Fatal(err)
	}
	task, err := r.Task()
	if err != nil {
		t.Fatal(err)
	}
	memory := make([]byte, size)
	if err := r.Read(task, memory); err != nil {
		t.Fatal(err)
	}
	if got, want := int(memory[tgid])|int(memory[tgid+1])<<8, unix.Getpid()&0xffff; got != want {
		t.Errorf("process id in a task of %d bytes: got %d, want %d", size, got, want)
	}
}
