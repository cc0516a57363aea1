package cli

import (
	"testing"

	"github.com/tracee-go/tracee/types/detect"
)

func TestPacketsAreRememberedOnlyIfSomebodyMayAsk(t *testing.T) {
	asking := func(names ...any) []detect.SignatureMetadata {
		return []detect.SignatureMetadata{{}, {Properties: map[string]any{"Evidence": names}}}
	}
	for _, test := range []struct {
		level      string
		signatures []detect.SignatureMetadata
		want       bool
	}{
		{"none", asking("packets"), false},
		{"asked", nil, false},
		{"asked", asking("files", "memory"), false},
		{"asked", asking("files", "packets"), true},
		{"asked", asking("all"), true},
		{"high", nil, true},
		{"low", nil, true},
	} {
		if got := packetsWanted([]string{"", test.level}, test.signatures); got != test.want {
			t.Errorf("--evidence %s, %v: got %t, want %t", test.level, test.signatures, got, test.want)
		}
	}
}
