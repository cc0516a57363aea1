package process

import (
	"bytes"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/internal/library"
)

const (
	vdsoName = "[vdso]"
	maxVDSO  = 1 << 20
	// narrowEnd is the end of the addresses of 32-bit processes, whose vdso is another.
	narrowEnd = 1 << 32
)

// ownVDSO is the code that the kernel maps into every 64-bit process, as this one has it.
var ownVDSO = sync.OnceValues(func() (functions *library.Functions, size uint64) {
	text, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return nil, 0
	}
	for _, r := range parseMaps(text) {
		if size = r.end - r.start; r.name != vdsoName || size > maxVDSO {
			continue
		}
		image := make([]byte, size)
		local := []unix.Iovec{{Base: &image[0]}}
		local[0].SetLen(len(image))
		remote := []unix.RemoteIovec{{Base: uintptr(r.start), Len: len(image)}}
		if n, err := unix.ProcessVMReadv(os.Getpid(), local, remote, 0); err != nil || n != len(image) {
			return nil, 0
		}
		if functions, err = library.ReadFunctions(bytes.NewReader(image)); err != nil {
			return nil, 0
		}
		return functions, size
	}
	return nil, 0
})

// vdsoFunctions are those of a region that is the vdso, nil if it is none, or not the same as ours.
func vdsoFunctions(r *region) *library.Functions {
	if r.name != vdsoName || r.start < narrowEnd {
		return nil
	}
	functions, size := ownVDSO()
	if r.end-r.start != size {
		return nil
	}
	return functions
}
