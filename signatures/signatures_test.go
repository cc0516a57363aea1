package signatures

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/detect/detecttest"
)

func TestSignaturesOnData(t *testing.T) {
	for i, s := range All() {
		metadata, err := s.GetMetadata()
		if err != nil {
			t.Fatal(err)
		}
		t.Run(metadata.ID, func(t *testing.T) {
			path := filepath.Join("testdata", metadata.ID+".yaml")
			detecttest.Run(t, path, func() detect.Signature { return All()[i] })
		})
	}
}

func TestEverySignatureHasTestData(t *testing.T) {
	files, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(files), len(All()); got != want {
		t.Errorf("testdata holds %d files for %d signatures", got, want)
	}
}

func TestAllReturnsFreshInstances(t *testing.T) {
	a, b := All(), All()
	for i := range a {
		if a[i] == b[i] {
			t.Errorf("signature %d is shared", i)
		}
	}
}

func TestAllIsSortedByNumber(t *testing.T) {
	var got []string
	for _, s := range All() {
		m, _ := s.GetMetadata()
		got = append(got, m.ID)
		if m.Version != "0.1.0" || m.Name == "" || m.Description == "" || m.Properties["Severity"] == nil {
			t.Errorf("%s: incomplete metadata: %+v", m.ID, m)
		}
	}
	for i := range got[1:] {
		if idNumber(got[i]) >= idNumber(got[i+1]) {
			t.Errorf("order: got %v", got)
		}
	}
}
