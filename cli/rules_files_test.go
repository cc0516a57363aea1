package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tracee-go/tracee/signatures/rego"
)

// listed runs tracee-rules --list with a directory that holds the given rule file.
func listed(t *testing.T, name string, content []byte, flags ...string) (stdout, stderr string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	args := append([]string{"--list", "--allow-high-capabilities", "--rules-dir", dir}, flags...)
	if code := Rules(args, os.Stdin, &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, &errs)
	}
	return out.String(), errs.String()
}

func TestAnIdIsOneSignature(t *testing.T) {
	content, err := rego.Files.ReadFile("disk_mount.rego")
	if err != nil {
		t.Fatal(err)
	}
	const row = "\nTRC-11 "
	stdout, stderr := listed(t, "disk_mount.rego", content)
	if got := strings.Count(stdout, row); got != 1 || strings.Contains(stderr, "TRC-11") {
		t.Errorf("a shipped file: %d rows of TRC-11, stderr %q; want 1 and nothing said", got, stderr)
	}
	changed := bytes.Replace(content, []byte("Container Device"), []byte("My"), 1)
	stdout, stderr = listed(t, "disk_mount.rego", changed)
	if got := strings.Count(stdout, row); got != 1 || !strings.Contains(stdout, "My Mount Detected") {
		t.Errorf("a changed file: %d rows of TRC-11 in %s; want 1, the file's", got, stdout)
	}
	if !strings.Contains(stderr, "stands in for a built-in signature") {
		t.Errorf("a changed file: stderr %q does not say so", stderr)
	}
}

func TestARuleOfAnyLanguageStandsInForABuiltInOne(t *testing.T) {
	const mine = "kind: Signatures\napiVersion: tracee/v1\nsignatures:\n- {id: TRC-2, name: mine, match: {event: openat}}\n"
	stdout, stderr := listed(t, "mine.yaml", []byte(mine))
	if got := strings.Count(stdout, "\nTRC-2 "); got != 1 || !strings.Contains(stdout, " mine ") {
		t.Errorf("%d rows of TRC-2 in %s; want 1, the file's", got, stdout)
	}
	if !strings.Contains(stderr, "mine.yaml:4") {
		t.Errorf("stderr %q does not say which file stands in", stderr)
	}
}

func TestASignatureIsFoundByTheIdsOfLaterVersions(t *testing.T) {
	stdout, _ := listed(t, "none.txt", nil, "--rules", "TRC-1014")
	if !strings.HasPrefix(stdout, "Loaded 1 signature(s): [TRC-11]\n") {
		t.Errorf("got %q, want TRC-11", stdout)
	}
}
