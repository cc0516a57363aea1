package rules

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/detect/detecttest"
)

// TestShippedRulesAgreeWithTheBuiltInSignatures shows the same data to the Rego form of a signature as to its Go form.
func TestShippedRulesAgreeWithTheBuiltInSignatures(t *testing.T) {
	const dir = "../signatures/rego"
	set, errs := LoadDir(dir, Options{})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	loaded := set.Signatures
	if got, want := len(loaded), 12; got != want {
		t.Errorf("loaded %d rule files, want %d", got, want)
	}
	for i, s := range loaded {
		metadata, err := s.GetMetadata()
		if err != nil {
			t.Fatal(err)
		}
		data := filepath.Join("../signatures/testdata", metadata.ID+".yaml")
		// What remembers something in Go can not do so in Rego, and has data of its own.
		if own := filepath.Join("testdata/shipped", metadata.ID+".yaml"); exists(own) {
			data = own
		}
		t.Run(metadata.ID, func(t *testing.T) {
			detecttest.Run(t, data, func() detect.Signature { return loaded[i] })
		})
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
