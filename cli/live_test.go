package cli

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tracee-go/tracee/rules"
)

// TestABrokenConfigurationIsToldOfOnce reloads as long as the files look as if they had changed.
func TestABrokenConfigurationIsToldOfOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.yaml")
	if err := os.WriteFile(path, []byte("name: n\nrules:\n- event: nosuch\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	args := []string{"--policy", path, "--config", os.DevNull}
	c := &traceeCommand{stdout: os.Stdout, stderr: &said, log: slog.New(slog.DiscardHandler)}
	if _, err := c.parse(args); err != nil {
		t.Fatal(err)
	}
	engine, _ := rules.New(rules.Config{})
	defer engine.Close()
	l := &live{c: c, args: args, files: c.files(), engine: engine}
	for range 10 {
		if state := l.files.state(); state != l.tried {
			l.tried = state
			l.reload(context.Background())
		}
	}
	if n := strings.Count(said.String(), "was not reloaded"); n != 1 || l.failed != 1 {
		t.Errorf("told %d times: %s", n, &said)
	}
}
