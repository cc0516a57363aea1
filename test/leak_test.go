package test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// kernelObject is a program, map or link that this process holds, or held.
type kernelObject struct {
	kind string
	id   uint64
}

// used are those of all tracers that were closed.
var used []kernelObject

// leaked waits until the kernel has none of them any more, and returns those that stay. It frees programs and maps some
// time after they are closed, and those whose memory is mapped here when Go finds out that nobody refers to it.
func leaked() []kernelObject {
	left := used
	for end := time.Now().Add(patience); len(left) > 0 && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		runtime.GC()
		left = slices.DeleteFunc(left, func(o kernelObject) bool { return !o.exists() })
	}
	return left
}

// exists asks for the id that follows the one before, which takes no reference. To open and close a table of tails
// while the kernel is about to clear it would leave it there for ever (prog_array_map_clear).
func (o kernelObject) exists() bool {
	switch o.kind {
	case "prog_id":
		next, err := ebpf.ProgramGetNextID(ebpf.ProgramID(o.id - 1))
		return err == nil && uint64(next) == o.id
	case "map_id":
		next, err := ebpf.MapGetNextID(ebpf.MapID(o.id - 1))
		return err == nil && uint64(next) == o.id
	default:
		l, err := link.NewFromID(link.ID(o.id))
		if err != nil {
			return !errors.Is(err, os.ErrNotExist)
		}
		return l.Close() == nil
	}
}

// kernelObjects lists the BPF objects behind this process's descriptors. Those of a link name its program too.
func kernelObjects(t *testing.T) []kernelObject {
	t.Helper()
	files, err := filepath.Glob("/proc/self/fdinfo/*")
	if err != nil {
		t.Fatal(err)
	}
	var found []kernelObject
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil { // the descriptor of the directory
			continue
		}
		for line := range strings.Lines(string(text)) {
			kind, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			if kind != "prog_id" && kind != "map_id" && kind != "link_id" {
				continue
			}
			if id, err := strconv.ParseUint(strings.TrimSpace(value), 10, 32); err == nil {
				found = append(found, kernelObject{kind, id})
			}
		}
	}
	return found
}
