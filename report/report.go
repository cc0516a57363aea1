// Package report makes one page of HTML of what Tracee recorded: findings with what they mean and what led to them, the
// processes involved, what happened when, and which artifacts there are.
//
// Start from Write. Recordings are what tracee, tracee-ebpf and tracee-rules write, mixed as they come: events as JSON or
// gob, findings as JSON, the manifest of artifacts. Each is read twice, first for the findings and then for the events
// around them, so that memory and page are bounded whatever the size of the recording; the page says what it left out.
//
// Nothing in a recording is trusted: every text goes through html/template, the page carries a policy that allows no
// script but its own and no connection at all, and what can not be read is counted and told. The package asks nothing of
// the system but for its inputs.
package report

import (
	"fmt"
	"io"
	"time"
)

// Input is one recording. Open is called twice.
type Input struct {
	Name string
	Open func() (io.ReadCloser, error)
}

// Config says what to report about.
type Config struct {
	Inputs  []Input
	Made    time.Time // when the report was made
	Version string    // of the program that makes it
}

// Summary is what the report is about, for the one who made it.
type Summary struct {
	Events, Findings, Artifacts uint64
	Broken                      uint64 // records that could not be understood
}

// Write reads the recordings and writes the page.
func Write(to io.Writer, c Config) (Summary, error) {
	r := newRecording()
	for i := range c.Inputs {
		if err := r.readFindings(c.Inputs[i]); err != nil {
			return r.summary, err
		}
	}
	r.prepare()
	for i := range c.Inputs {
		if err := r.readEvents(c.Inputs[i]); err != nil {
			return r.summary, err
		}
	}
	if r.summary.Events+r.summary.Findings+r.summary.Artifacts == 0 {
		return r.summary, fmt.Errorf("nothing to report: no event, finding or artifact in it (%s that could not be read)",
			number(r.summary.Broken, "record"))
	}
	return r.summary, render(to, r.page(c))
}

// Bounds of what is kept in memory and shown. What is beyond them is counted.
const (
	maxGroups      = 300  // signatures with findings
	maxInstances   = 600  // findings in detail
	maxOfGroup     = 25   // of which so many may be of one signature
	maxNearby      = 6000 // events around findings, for all of them
	maxNearbyEach  = 40
	minNearbyEach  = 8
	maxProcesses   = 3000 // that are followed
	maxNodes       = 500  // that are shown in the tree
	maxArtifacts   = 1000
	maxNames       = 4096 // different names of events, or of programs, that are counted
	maxShownNames  = 40
	maxExamples    = 5 // records that could not be read
	nearby         = 10 * time.Second
	textShown      = 300  // bytes of one text
	argumentsShown = 1000 // bytes of a command line, or of the arguments of an event
)
