package main

import (
	"errors"
	"maps"
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
		{"nothing but skips", runOf("RESULT event=a rung=lsm result=skip detail=\n", nil), false},
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
			"RESULT event=x rung=kprobe result=fail detail=a|b\n"+
			"RESULT event=x rung=fentry result=skip detail=c: no |\n", nil),
		runOf("", errors.New("died")),
	}
	runs[1].kernel = "6.12"
	var text strings.Builder
	writeText(&text, runs)
	const wantText = `KERNEL  EVENT  RUNG    RESULT  DETAIL
6.1     x      kprobe  fail    a|b
6.1     x      fentry  skip    c: no |

6.1 (6.1.0): 1 pass, 1 fail, 1 skip, 1s in all
6.12 (6.1.0): 0 pass, 0 fail, 0 skip, 1s in all; died; NOTHING PASSED
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
	for _, want := range []string{
		"| event | rung | 6.1 | 6.12 |\n|---|---|---|---|\n| security_file_open | lsm | ✓ | · |\n" +
			"| x | fentry | skip | · |\n| x | kprobe | **fail** | · |\n",
		"| x | fentry | 6.1 | c: no \\| |\n",
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("got\n%s\nwant %q in it", page, want)
		}
	}
}

func TestSecondAttemptIsTold(t *testing.T) {
	const bad = "RESULT event=b rung=lsm result=fail detail=x\n"
	const good = "RESULT event=b rung=lsm result=pass detail=x\n"
	const other = "RESULT event=a rung=lsm result=pass detail=\n"
	failing := func(output string) testRun {
		r := runOf(output, nil)
		r.result.Jobs[0].Exit = wire.Exit{Code: 1}
		return r
	}
	tests := []struct {
		name   string
		first  testRun
		again  testRun
		want   map[verdict]int
		passed bool
	}{
		{"mended", failing(other + bad), runOf(good, nil), map[verdict]int{pass: 1, flaky: 1}, true},
		{"without a result of its own", failing(other), runOf("", nil), map[verdict]int{pass: 1}, true},
		{"failed again", failing(other + bad), failing(bad), map[verdict]int{pass: 1, fail: 1}, false},
		{
			"failed elsewhere", failing(other + bad), failing(good + "RESULT event=a rung=lsm result=fail detail=\n"),
			map[verdict]int{flaky: 2},
			false,
		},
		{"died, then not", runOf(other, vm.ErrPanic), runOf(good, nil), map[verdict]int{pass: 2}, true},
		{"died again", runOf(other, vm.ErrPanic), runOf(good, vm.ErrPanic), map[verdict]int{pass: 2}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.first.again = &test.again
			if got := test.first.count(); !maps.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
			if got := test.first.passed(); got != test.passed {
				t.Errorf("passed: got %t, want %t: %s", got, test.passed, test.first.summary())
			}
		})
	}
}

func TestOnlyWhatEndedWellIsNotRunAgain(t *testing.T) {
	job := func(state vm.State, code int, output string) vm.JobResult {
		return vm.JobResult{State: state, Output: []byte(output), Exit: wire.Exit{Code: code}}
	}
	tests := []struct {
		name string
		job  vm.JobResult
		want string
	}{
		{"all passed", job(vm.Exited, 0, "--- PASS: TestA (0.00s)\n"), "."},
		{"one failed", job(vm.Exited, 1, "--- PASS: TestA (0.00s)\n--- FAIL: TestB (0.00s)\n    --- PASS: TestB/x (0.00s)\n"), "^(TestA)$"},
		{"hangs", job(vm.TimedOut, -1, "--- PASS: TestA (0.00s)\n--- SKIP: TestB (0.00s)\n=== RUN TestC\n"), "^(TestA|TestB)$"},
		{"hangs, and says so", job(vm.Exited, 2, "--- PASS: TestA (0.00s)\n=== RUN TestC\npanic: test timed out after 40m0s\n"), "^(TestA)$"},
		{"failed when all tests had passed", job(vm.Exited, 1, "--- PASS: TestA (0.00s)\nFAIL: something left\n"), nothing},
		{"not a word", job(vm.NotRun, 0, ""), nothing},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := endedWell(test.job); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
