package main

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/tracee-go/tracee/internal/vm"
)

// A testRun is what tests did in one place.
type testRun struct {
	kernel  string // as the table names it
	result  vm.Result
	death   error // why there is no guest, or how it died
	results []result
	again   *testRun // of what did not pass; nil: not needed, or not possible
}

func newRun(kernel string, r vm.Result, death error) testRun {
	run := testRun{kernel: kernel, result: r, death: death}
	for _, job := range r.Jobs {
		run.results = append(run.results, findResults(job.Output)...)
	}
	return run
}

// count says how many results there are of each kind, whichever run they are of.
func (r testRun) count() map[verdict]int {
	counts := make(map[verdict]int)
	for _, result := range r.verdicts() {
		counts[result.verdict]++
	}
	return counts
}

// good reports whether every job and the guest came to a good end, and no result is bad.
func (r testRun) good() bool {
	for _, job := range r.result.Jobs {
		if !job.Passed() {
			return false
		}
	}
	for _, result := range r.results {
		if result.verdict == fail || result.verdict == garbled {
			return false
		}
	}
	return r.death == nil
}

// passed reports whether all went well, at the first or the second attempt, and not because everything was skipped.
func (r testRun) passed() bool {
	counts := r.count()
	return (r.good() || r.again != nil && r.again.good()) && counts[pass]+counts[flaky] > 0
}

// verdicts are the results of both runs: what failed in one and passed in the other is flaky.
func (r testRun) verdicts() []result {
	if r.again == nil {
		return r.results
	}
	second := map[result]verdict{}
	for _, result := range r.again.results {
		second[result.what()] = result.verdict
	}
	var all []result
	for _, result := range r.results {
		again, ran := second[result.what()]
		delete(second, result.what())
		switch {
		case result.verdict != fail && result.verdict != garbled:
			if again == fail {
				result.verdict = flaky
			}
		case again == pass, !ran && r.again.good(): // what does not say the same about itself twice, or nothing at all
			result.verdict = flaky
		}
		all = append(all, result)
	}
	for _, result := range r.again.results {
		if _, unseen := second[result.what()]; unseen { // where the first run did not come to
			all = append(all, result)
		}
	}
	return all
}

// explain shows what is needed to understand a run that went wrong.
func (r testRun) explain(w io.Writer) {
	const lines = 150
	for _, job := range r.result.Jobs {
		if !job.Passed() {
			fmt.Fprintf(w, "\n--- %s: %s %s; what did not pass:\n%s\n", r.kernel, job.Name, job, lastLines(complaints(job.Output), lines))
		}
	}
	switch {
	case r.death != nil:
		fmt.Fprintf(w, "\n--- %s: %v; its last messages:\n%s\n", r.kernel, r.death, r.result.Console)
	case slices.ContainsFunc(r.result.Jobs, wasKilled): // the kernel says why, such as for want of memory
		fmt.Fprintf(w, "\n--- %s: the last messages of its kernel:\n%s\n", r.kernel, r.result.Console)
	}
}

func wasKilled(job vm.JobResult) bool { return job.State == vm.Killed }

// routine matches the lines of tests that say nothing but that all is well.
var routine = regexp.MustCompile(`^(=== (RUN|PAUSE|CONT|NAME) | *--- (PASS|SKIP): |.*RESULT event=\S+ rung=\S+ result=(pass|skip))`)

// complaints leaves out what is routine. The test that runs last is named, in case it never ended.
func complaints(output []byte) string {
	var kept strings.Builder
	last := ""
	for line := range strings.Lines(string(output)) {
		if name, begun := strings.CutPrefix(line, "=== RUN   "); begun {
			last = name
		}
		if !routine.MatchString(line) {
			kept.WriteString(line)
		}
	}
	return kept.String() + "the last test begun: " + last
}

func lastLines(output string, lines int) string {
	all := strings.SplitAfter(output, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "")
}
