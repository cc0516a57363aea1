package suggest

import "testing"

func TestDidYouMeanSuggestsOnlyWhatIsNear(t *testing.T) {
	known := []string{"open", "openat", "openat2", "close", "TRC-1"}
	for given, want := range map[string]string{
		"openatt": " (did you mean openat?)",
		"trc-1":   " (did you mean TRC-1?)",
		"clsoe":   " (did you mean close?)",
		"xyzzy":   "",
		"":        "",
	} {
		if got := DidYouMean(given, known); got != want {
			t.Errorf("%q: got %q, want %q", given, got, want)
		}
	}
}
