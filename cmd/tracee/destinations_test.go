package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestDestinationsGetWhatTheyAskForThoughOneIsDead(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	findings, execs := filepath.Join(dir, "findings.json"), filepath.Join(dir, "execs.json")
	p := start(t, "tracee", "--rules", "TRC-2", "--output", "file://"+findings,
		"--output", "file://"+execs+"?select=events&format=ecs&filter=event=sched_process_exec&filter=comm=act",
		"--output", "kafka://127.0.0.1:1/topic?name=dead&select=all&spill="+filepath.Join(dir, "spill"))
	p.awaitStderr(ready)
	perform(t, "ptrace")
	contain(t, findings, `"signature":{"id":"TRC-2"`)
	contain(t, execs, `"action":"sched_process_exec"`)
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	p.exit(0, patience)
	p.awaitStderr("tracee: output dead: 0 sent, ")
	p.awaitStderr(" bytes kept on disk for the next run")
	p.awaitStderr("tracee: output file://" + findings + ": ")
}

// contain waits until a file contains a text.
func contain(t *testing.T, path, text string) {
	t.Helper()
	var got []byte
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		got, _ = os.ReadFile(path) // it comes
		if strings.Contains(string(got), text) {
			return
		}
	}
	t.Fatalf("%s: got %.2000q, want %s in it", path, got, text)
}

func TestMistakesInDestinationsEndTraceeBeforeItStarts(t *testing.T) {
	for url, want := range map[string]string{
		"file://x":                         "invalid output file://x: no absolute path of a file (want file:///path)",
		"kafka://h/t?severity=hihg":        "(did you mean high?)",
		"file:///dev/full":                 "output file:///dev/full: it is no regular file",
		"webhook+https://me:secret@host/x": "credentials do not belong on a command line",
		"json:/tmp/x":                      "or a destination such as file:///var/log/tracee.json",
	} {
		p := start(t, "tracee", "--output", url)
		p.exit(1, patience)
		if !strings.Contains(p.stderr.String(), want) || strings.Contains(p.stderr.String(), ready) {
			t.Errorf("%s: %s", url, &p.stderr)
		}
	}
}
