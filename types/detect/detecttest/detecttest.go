// Package detecttest runs tests of signatures that are data: events in, findings out.
//
// Start from Run, which works alike for signatures written in Go and in any rule language. Package cases says what a file
// looks like.
package detecttest

import (
	"testing"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/detect/cases"
)

// Event describes an event in a test file.
type Event = cases.Event

// Case is one test of a signature.
type Case = cases.Case

// Run runs the cases of a file, each as a subtest, on signatures that the function makes.
func Run(t *testing.T, path string, signature func() detect.Signature) {
	t.Helper()
	all, err := cases.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		t.Run(c.Name, func(t *testing.T) {
			for _, err := range c.Check(signature()) {
				t.Error(err)
			}
		})
	}
}
