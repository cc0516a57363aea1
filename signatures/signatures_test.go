package signatures

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"go.yaml.in/yaml/v3"

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

func TestEverySignatureIsTriedBothWays(t *testing.T) {
	const enough = 2
	for _, d := range all {
		raw, err := os.ReadFile(filepath.Join("testdata", d.id+".yaml"))
		if err != nil {
			t.Error(err)
			continue
		}
		var cases []detecttest.Case
		if err := yaml.Unmarshal(raw, &cases); err != nil {
			t.Errorf("%s: %v", d.id, err)
		}
		found, silent := 0, 0
		for _, c := range cases {
			if len(c.Want) > 0 {
				found++
			} else {
				silent++
			}
		}
		if found < enough || silent < enough {
			t.Errorf("%s: %d cases with findings and %d without, want at least %d of each", d.id, found, silent, enough)
		}
	}
}

func TestEverySignatureSaysWhatToDo(t *testing.T) {
	number := regexp.MustCompile(`^T\d{4}(\.\d{3})?$`)
	for _, d := range all {
		if d.name == "" || d.doc == "" || d.response == "" || d.benign == "" || d.technique.tactic == "" || d.technique.name == "" {
			t.Errorf("%s: incomplete: %+v", d.id, d)
		}
		if !number.MatchString(d.technique.id) || d.technique.former != "" && !number.MatchString(d.technique.former) {
			t.Errorf("%s: %q and %q are not numbers of techniques", d.id, d.technique.id, d.technique.former)
		}
		if d.severity < info || d.severity > critical {
			t.Errorf("%s: severity %d", d.id, d.severity)
		}
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
		if idNumber(got[i]) > idNumber(got[i+1]) {
			t.Errorf("order: got %v", got)
		}
	}
}
