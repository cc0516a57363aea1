package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// flood is how many files are looked for: more than any pipe has room to tell of, and less than rings have.
const flood = 3000

// openNumbered tries to open numbered files that are not there, beginning with a number.
func openNumbered(t *testing.T, prefix string, from int) {
	for i := range flood {
		open(t, fmt.Sprintf("/nowhere/%s-%d", prefix, from+i))
	}
}

// readBytewise reads a line and nothing behind it.
func (p *process) readBytewise() string {
	p.t.Helper()
	if err := p.stdout.SetReadDeadline(time.Now().Add(patience)); err != nil {
		p.t.Fatal(err)
	}
	var line []byte
	for one := make([]byte, 1); ; line = append(line, one...) {
		if _, err := io.ReadFull(p.stdout, one); err != nil {
			p.t.Fatalf("%v; stderr: %s", err, &p.stderr)
		}
		if one[0] == '\n' {
			return string(line)
		}
	}
}

// endUnread sends a signal to a command whose output nobody reads, waits for its end, and returns how many lines it had written
// whole and how many it says are missing.
func (p *process) endUnread(missing string) (told, untold int) {
	p.t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	select {
	case <-p.ended:
	case <-time.After(2 * patience):
		p.t.Fatalf("it does not end; stderr: %s", &p.stderr)
	}
	if got := p.ProcessState.ExitCode(); got != 1 {
		p.t.Errorf("exit code: got %d, want 1", got)
	}
	match := regexp.MustCompile(`nobody read the output for 5 s after the signal: ` + missing + ` missing in it\n`).
		FindStringSubmatch(p.stderr.String())
	if match == nil {
		p.t.Fatalf("stderr: got %s, want how much is missing", &p.stderr)
	}
	untold, _ = strconv.Atoi(match[1])
	rest, err := io.ReadAll(p.stdout)
	if err != nil {
		p.t.Fatal(err)
	}
	return bytes.Count(rest, []byte("\n")), untold
}

// numberIn is the number of the file that a line is about.
func numberIn(t *testing.T, line string) int {
	t.Helper()
	match := regexp.MustCompile(`/nowhere/[a-z]+-(\d+)`).FindStringSubmatch(line)
	if match == nil {
		t.Fatalf("got %q, want a numbered file in it", line)
	}
	n, _ := strconv.Atoi(match[1])
	return n
}

func TestTraceeEBPFTellsWhatNobodyReadInTheEnd(t *testing.T) {
	needRoot(t)
	for _, format := range []string{"json", "table"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			p := start(t, "tracee-ebpf", "--output", format, "--output", "option:sort-events", "--trace", "event=openat", "--trace", "openat.pathname=/nowhere/"+format+"-*",
				"--trace", fmt.Sprintf("pid=%d", os.Getpid()))
			stop, stopped := make(chan bool), make(chan int)
			go func() {
				for i := 0; ; i++ {
					_, _ = os.Open(fmt.Sprintf("/nowhere/%s-%d", format, i))
					select {
					case <-stop:
						stopped <- i
						return
					case <-time.After(time.Millisecond):
					}
				}
			}()
			if format == "table" {
				p.readBytewise() // the titles
			}
			first := numberIn(t, p.readBytewise())
			close(stop)
			last := <-stopped
			openNumbered(t, format, last+1)
			told, untold := p.endUnread(`(\d+) events`)
			if want := last + flood - first; told+untold != want {
				t.Errorf("%d told and %d not, want %d in all: %s", told, untold, want, &p.stderr)
			}
		})
	}
}

func TestTraceeTellsWhatNobodyReadInTheEnd(t *testing.T) {
	needRoot(t)
	t.Parallel()
	dir := t.TempDir()
	rename(t, filepath.Join(dir, "kept.yaml"), keptRules)
	elsewhere := filepath.Join(t.TempDir(), "findings.json")
	p := start(t, "tracee", "--config", os.DevNull, "--rules-dir", dir, "--rules", "MINE-1", "--repeats", "0", "--output", "json",
		"--output", "file://"+elsewhere+"?queue=100000&queue-size=100MB")
	p.awaitStderr(ready)
	openNumbered(t, "n", 0)
	told, untold := p.endUnread(`(\d+) findings`)
	if told+untold != flood {
		t.Errorf("%d told and %d not, want %d in all", told, untold, flood)
	}
	text, err := os.ReadFile(elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	if got := bytes.Count(text, []byte("\n")); got != flood {
		t.Errorf("a file has %d findings, want all %d: %s", got, flood, &p.stderr)
	}
}

func TestTraceeRulesTellsWhatNobodyReadInTheEnd(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events.json")
	var text []byte
	for i := range flood {
		line, err := json.Marshal(map[string]any{
			"timestamp": i, "eventName": "ptrace", "eventId": "101", "processName": strconv.Itoa(i),
			"args": []any{map[string]any{"name": "request", "type": "string", "value": "PTRACE_TRACEME"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		text = append(append(text, line...), '\n')
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "tracee-rules", "--rules", "TRC-2", "--input-tracee", "file:"+path, "--input-tracee", "format:json",
		"--output-template", oneLine(t))
	if line := p.readBytewise(); !strings.HasPrefix(line, "Loaded 1 signature") {
		t.Errorf("got %q", line)
	}
	p.readBytewise() // a finding: from now on signals are waited for
	told, untold := p.endUnread(`(\d+) findings`)
	if told+untold > flood || told == 0 || untold == 0 {
		t.Errorf("%d told and %d not, want some of each, and %d at most", told, untold, flood)
	}
}

// oneLine is a template that fills a pipe soon.
func oneLine(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "line.tmpl")
	if err := os.WriteFile(path, []byte(strings.Repeat("{{.SigMetadata.ID}} ", 100)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Who has no patience sends a second signal.
func TestSecondSignalEndsWhatIsStuck(t *testing.T) {
	needRoot(t)
	stir(t)
	p := start(t, "tracee-ebpf", "--output", "json") // to a pipe that is not read
	p.readBytewise()
	openNumbered(t, "n", 0)
	for end := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		_ = p.Process.Signal(os.Interrupt)
		select {
		case <-p.ended:
			if got := p.ProcessState.ExitCode(); got != -1 {
				t.Errorf("exit code: got %d, want that a signal ended it", got)
			}
			return
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("it does not end: %s", &p.stderr)
		}
	}
}
