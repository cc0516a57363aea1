package packed_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tracee-go/tracee/bpf/packed"
)

func TestEveryObjectUnpacks(t *testing.T) {
	paths, err := filepath.Glob("../*_bpfel.o" + packed.Suffix)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no packed objects: %v", err)
	}
	for _, path := range paths {
		object, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := packed.Read(object)
		if err != nil {
			t.Errorf("%s: %v", path, err)
		} else if len(plain) <= len(object) {
			t.Errorf("%s: %d bytes packed, %d plain", path, len(object), len(plain))
		}
		if _, err := packed.Reader(object[:len(object)/2]); err == nil {
			t.Errorf("half of %s unpacks without an error", path)
		}
	}
}
