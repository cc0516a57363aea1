package main

import (
	"strings"
)

// A verdict is what a test says about one event on one rung.
type verdict string

// garbled is a result line that cannot be read. It counts as a failure, or a misspelt line would pass for no line.
const (
	pass    verdict = "pass"
	fail    verdict = "fail"
	skip    verdict = "skip"
	flaky   verdict = "flaky" // said by nobody: passed at one attempt of two
	garbled verdict = "garbled"
)

// A result is one line of the table.
type result struct {
	event   string
	rung    string
	verdict verdict
	detail  string
}

// what is the result without its verdict.
func (r result) what() result {
	r.verdict = ""
	return r
}

const marker = "RESULT event="

// findResults collects the result lines of what a test wrote. Anything may stand before a result in its line: the
// output of tests is not always at its beginning.
func findResults(output []byte) []result {
	var results []result
	for line := range strings.Lines(string(output)) {
		if start := strings.Index(line, marker); start >= 0 {
			results = append(results, parseResult(strings.TrimSpace(line[start:])))
		}
	}
	return results
}

func parseResult(line string) result {
	r := result{verdict: garbled, detail: line}
	fields := strings.SplitN(line, " ", 5) // the marker, three values, the detail
	if len(fields) < 4 {
		return r
	}
	event, hasEvent := strings.CutPrefix(fields[1], "event=")
	rung, hasRung := strings.CutPrefix(fields[2], "rung=")
	said, hasResult := strings.CutPrefix(fields[3], "result=")
	if !hasEvent || !hasRung || !hasResult || event == "" {
		return r
	}
	r.event, r.rung = event, rung
	switch v := verdict(said); v {
	case pass, fail, skip:
		r.verdict, r.detail = v, ""
	default:
		return r
	}
	if len(fields) == 5 {
		r.detail = strings.TrimPrefix(fields[4], "detail=")
	}
	return r
}
