package capture

import (
	"strings"
	"testing"
)

// FuzzManifest reads any file as a manifest: of what a crash left, every whole line that is a record is read.
func FuzzManifest(f *testing.F) {
	for _, text := range []string{"", "\n", "{}", "{}\n{", "null\n{\"kind\":1}\n{\"size\":-1}\n", "{\"size\":1e99}\n{}\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		records, torn, err := readRecords(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if want := text != "" && !strings.HasSuffix(text, "\n"); torn != want {
			t.Errorf("torn: got %t, want %t", torn, want)
		}
		more, _, _ := readRecords(strings.NewReader(text + "\n{}\n"))
		if len(more) != len(records)+1 {
			t.Errorf("%d records, and with one more line %d", len(records), len(more))
		}
	})
}
