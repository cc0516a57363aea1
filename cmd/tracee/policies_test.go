package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// somePolicies are about what one program opens, and what is found of it.
const somePolicies = `
name: etc
scope: [comm=act]
rules:
- event: security_file_open
  filters: [args.pathname=/etc/*]
signatures: [TRC-2]
---
name: audited
scope: [comm=act, uid=0]
rules:
- event: security_file_open
  filters: ["args.pathname=/etc/hosts,/proc/version"]
outputs: [audit]
---
name: excepted
scope: [comm=act]
signatures: [TRC-2]
exceptions:
- {signature: TRC-2, reason: it is a test, owner: tests, expires: 2099-01-01, executable: {path: %s}}
`

func TestPoliciesSayWhatIsShownWhere(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	path, audit := filepath.Join(dir, "policies.yaml"), filepath.Join(dir, "audit.json")
	program, err := exec.LookPath("act")
	if err == nil {
		program, err = filepath.EvalSymlinks(program)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, fmt.Appendf(nil, somePolicies, program), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "tracee", "--policy", path, "--output", "json", "--output", "file://"+audit+"?name=audit&select=all")
	p.awaitStderr(ready)
	for _, name := range []string{"/proc/version", "/etc/hosts", "/etc/hostname"} {
		perform(t, "read", name)
	}
	perform(t, "ptrace")
	contain(t, audit, `"signature":{"id":"TRC-2"`)
	var printed strings.Builder
	for !strings.Contains(printed.String(), `"signature":{"id":"TRC-2"`) {
		printed.WriteString(p.line() + "\n")
	}
	content, err := os.ReadFile(audit)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		text     string
		policies string // those of a line with the text
	}{
		{`"value":"/proc/version"`, `["audited"]`},
		{`"value":"/etc/hosts"`, `["etc","audited"]`},
		{`"value":"/etc/hostname"`, `["etc"]`},
		{`"signature":{"id":"TRC-2"`, `["etc"]`},
	} {
		want.policies = `"matchedPolicies":` + want.policies
		inAudit, onStdout := lineWith(string(content), want.text), lineWith(printed.String(), want.text)
		if !strings.Contains(inAudit, want.policies) {
			t.Errorf("audit: got %q, want %s", inAudit, want.policies)
		}
		if shown := want.policies != `"matchedPolicies":["audited"]`; shown != strings.Contains(onStdout, want.policies) {
			t.Errorf("standard output: got %q, want %s: %v", onStdout, want.policies, shown)
		}
	}
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	p.exit(0, patience)
	p.awaitStderr("1 taken out by exceptions")
}

func lineWith(text, part string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			return line
		}
	}
	return ""
}
