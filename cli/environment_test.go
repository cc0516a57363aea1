package cli

import (
	"os"
	"strings"
	"testing"
)

func TestWarningsOfTheEnvironment(t *testing.T) {
	file := t.TempDir() + "/ftrace_enabled"
	warnings := func() string {
		var b strings.Builder
		warnOfEnvironment((&logOptions{}).logger(&b), file)
		return b.String()
	}
	if got := warnings(); got != "" {
		t.Errorf("without anything odd: got %s", got)
	}
	for state, want := range map[string]string{"1\n": "", "0\n": "ftrace is switched off"} {
		if err := os.WriteFile(file, []byte(state), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := warnings(); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q: got %s, want %s", state, got, want)
		}
	}
	t.Setenv("TRACEE_BPF_FILE", "/tmp/tracee.o")
	if got := warnings(); !strings.Contains(got, "TRACEE_BPF_FILE is ignored") {
		t.Errorf("got %s", got)
	}
}
