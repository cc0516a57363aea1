package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/tracee-go/tracee/internal/vm"
	"github.com/tracee-go/tracee/internal/vm/wire"
)

// attempts is a place whose runs are given.
func attempts(outputs ...string) (place, *[]selection) {
	var asked []selection
	return place{"6.1", func(_ context.Context, tests []selection, log io.Writer) testRun {
		asked = append(asked, tests...)
		output := outputs[0]
		outputs = outputs[1:]
		if log != nil {
			io.WriteString(log, output)
		}
		job := vm.JobResult{Name: "test", State: vm.Exited, Output: []byte(output)}
		if strings.Contains(output, "FAIL") {
			job.Exit = wire.Exit{Code: 1}
		}
		return newRun("6.1", vm.Result{Jobs: []vm.JobResult{job}}, nil)
	}}, &asked
}

func TestOnlyWhatDidNotPassIsRunAgain(t *testing.T) {
	const good = "RESULT event=a rung=lsm result=pass detail=\n--- PASS: TestA (0.00s)\n"
	const bad = good + "RESULT event=b rung=lsm result=fail detail=\n--- FAIL: TestB (0.00s)\n"
	const mended = "RESULT event=b rung=lsm result=pass detail=\n--- PASS: TestB (0.00s)\n"
	tests := []struct {
		name    string
		outputs []string
		skipped []string // at each run
		want    string
	}{
		{"content", []string{good}, []string{""}, "map[pass:1] true"},
		{"flaky", []string{bad, mended}, []string{"", "^(TestA)$"}, "map[flaky:1 pass:1] true"},
		{"bad", []string{bad, bad}, []string{"", "^(TestA)$"}, "map[fail:1 pass:1] false"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var progress strings.Builder
			m := matrix{options: options{timeout: time.Minute, verbose: true}, binaries: make([]binary, 1), progress: &progress}
			p, asked := attempts(test.outputs...)
			run := m.test(t.Context(), p, selection{run: "Test"})
			if got := fmt.Sprint(run.count(), run.passed()); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			for i, s := range *asked {
				if s.run != "Test" || s.skip != test.skipped[i] {
					t.Errorf("run %d: got %+v, want Test without %q", i, s, test.skipped[i])
				}
			}
			if len(*asked) != len(test.outputs) {
				t.Errorf("got %d runs, want %d", len(*asked), len(test.outputs))
			}
			if !strings.Contains(progress.String(), "6.1: --- PASS: TestA (0.00s)\n") {
				t.Errorf("got %q, want the name of the kernel before each line", progress.String())
			}
		})
	}
}
