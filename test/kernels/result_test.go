package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tracee-go/tracee/internal/vm"
	"github.com/tracee-go/tracee/internal/vm/wire"
)

func TestResultLinesAreFound(t *testing.T) {
	const output = `=== RUN   TestOpen
RESULT event=security_file_open rung=lsm result=pass detail=path /tmp/x = y
some text RESULT event=openat rung=tracepoint result=skip detail=
RESULT event=execve rung=fentry result=fail
RESULT event=execve rung=fentry result=maybe detail=x
RESULT event=execve result=pass
RESULT nothing
--- PASS: TestOpen (0.00s)
`
	want := []result{
		{"security_file_open", "lsm", pass, "path /tmp/x = y"},
		{"openat", "tracepoint", skip, ""},
		{"execve", "fentry", fail, ""},
		{"execve", "fentry", garbled, "RESULT event=execve rung=fentry result=maybe detail=x"},
		{"", "", garbled, "RESULT event=execve result=pass"},
	}
	got := findResults([]byte(output))
	if len(got) != len(want) {
		t.Fatalf("got %d results, want %d: %v", len(got), len(want), got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("line %d: got %+v, want %+v", i, got[i], want[i])
		}
	}
}

func runOf(output string, death error) testRun {
	job := vm.JobResult{Name: "test", State: vm.Exited, Output: []byte(output)}
	return newRun("6.1", vm.Result{Release: "6.1.0", Jobs: []vm.JobResult{job}, Total: time.Second}, death)
}

func TestOnlyAGoodRunPasses(t *testing.T) {
	const good = "RESULT event=a rung=lsm result=pass detail=\n"
	failed := runOf(good, nil)
	failed.result.Jobs[0].Exit = wire.Exit{Code: 1}
	tests := []struct {
		name string
		run  testRun
		want bool
	}{
		{"pass", runOf(good, nil), true},
		{"skip", runOf("RESULT event=a rung=lsm result=skip detail=\n", nil), true},
		{"fail", runOf(good+"RESULT event=b rung=lsm result=fail detail=\n", nil), false},
		{"garbled", runOf(good+"RESULT event=b\n", nil), false},
		{"no results", runOf("PASS\n", nil), false},
		{"dead guest", runOf(good, vm.ErrPanic), false},
		{"failed binary", failed, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := test.run.passed(); got != test.want {
				t.Errorf("got %t, want %t: %s", got, test.want, test.run.summary())
			}
		})
	}
}

func TestTables(t *testing.T) {
	runs := []testRun{
		runOf("RESULT event=security_file_open rung=lsm result=pass detail=\n"+
			"RESULT event=x rung=kprobe result=fail detail=a|b\n", nil),
		runOf("", errors.New("died")),
	}
	var text strings.Builder
	writeText(&text, runs)
	const wantText = `KERNEL  EVENT               RUNG    RESULT  DETAIL
6.1     security_file_open  lsm     pass    
6.1     x                   kprobe  fail    a|b

6.1 (6.1.0): 1 pass, 1 fail, 0 skip, 1s in all
6.1 (6.1.0): 0 pass, 0 fail, 0 skip, 1s in all; died
`
	if got := text.String(); got != wantText {
		t.Errorf("got\n%s\nwant\n%s", got, wantText)
	}

	path := filepath.Join(t.TempDir(), "kernels.md")
	if err := writeMarkdown(path, runs); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := "| 6.1 | x | kprobe | fail | a\\|b |\n"; !strings.Contains(string(page), want) {
		t.Errorf("got\n%s\nwant %q in it", page, want)
	}
}
