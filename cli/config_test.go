package cli

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/tracee-go/tracee/internal/settings"
	"github.com/tracee-go/tracee/signatures"
)

// checkFile is what "tracee config check" says.
func checkFile(t *testing.T, path string) string {
	t.Helper()
	var stderr strings.Builder
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	c := &traceeCommand{stdout: null, stderr: &stderr}
	if err := c.checkConfig([]string{path}); err != nil && stderr.Len() == 0 && !strings.Contains(err.Error(), "/dev/null") {
		return err.Error()
	}
	return stderr.String()
}

func TestConfigurationOfTheGuideIsOne(t *testing.T) {
	dir, names := writeExamples(t, "../docs/guide/configuration.md")
	if len(names) == 0 {
		t.Fatal("the guide shows no file")
	}
	for _, name := range names {
		if wrong := checkFile(t, filepath.Join(dir, name)); wrong != "" {
			t.Errorf("%s: %s", name, wrong)
		}
	}
}

func TestConfigurationOfTheManualIsOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tracee.yaml")
	if err := os.WriteFile(path, []byte(settingsExample), 0o600); err != nil {
		t.Fatal(err)
	}
	if wrong := checkFile(t, path); wrong != "" {
		t.Error(wrong)
	}
}

func TestPoliciesOfTheGuideAreSome(t *testing.T) {
	dir, names := writeExamples(t, "../docs/guide/policies.md")
	c := &traceeCommand{log: slog.New(slog.DiscardHandler)}
	for _, name := range names {
		c.policyFiles = append(c.policyFiles, filepath.Join(dir, name))
	}
	p, err := c.loadPolicies(signatures.All())
	if err != nil {
		t.Fatal(err)
	}
	all := p.set.Policies()
	if len(all) != 2 || len(all[0].Rules) != 3 || len(p.exceptions[all[0]]) != 1 || !p.evidence() || len(p.signatures(signatures.All())) < 5 {
		t.Fatalf("got %+v", all)
	}
	if one := all[1]; one.Name != "files-of-web" || len(one.Rules) != 1 || !slices.Equal(one.Signatures.IDs, []string{"TRC-2"}) {
		t.Errorf("got %+v", one)
	}
}

func TestEveryFlagOfTraceeHasItsKey(t *testing.T) {
	c := &traceeCommand{stderr: io.Discard}
	flags := c.flags()
	keys := settings.Keys(flags)
	flags.VisitAll(func(f *pflag.Flag) {
		without := f.Name == "config" || f.Name == "version"
		if found := strings.Contains(" "+strings.Join(keys, " ")+" ", " "+f.Name+" "); found == without {
			t.Errorf("--%s has a key: %v", f.Name, found)
		}
	})
}

func TestFileInTheUsualPlaceIsRead(t *testing.T) {
	old := configDefault
	t.Cleanup(func() { configDefault = old })
	configDefault = filepath.Join(t.TempDir(), "tracee.yaml")
	repeats := func(args ...string) string {
		c := &traceeCommand{stdout: os.Stdout, stderr: io.Discard}
		if _, err := c.parse(args); err != nil {
			t.Fatal(err)
		}
		return c.repeats.String()
	}
	if got := repeats(); got != "1m0s" {
		t.Errorf("without a file: got %s", got)
	}
	if err := os.WriteFile(configDefault, []byte("repeats: 7s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{"7s": nil, "1m0s": {"--config", os.DevNull}, "9s": {"--repeats=9s"}} {
		if got := repeats(args...); got != want {
			t.Errorf("%q: got %s, want %s", args, got, want)
		}
	}
}
