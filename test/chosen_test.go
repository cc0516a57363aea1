package test

import (
	"flag"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tracee-go/tracee/events"
)

// chosen keeps the events whose triggers, subtests of the test, match -test.run: in a guest it takes a minute until the
// programs of all are verified.
func chosen(test string, all []*events.Event) []*events.Event {
	pattern := flag.Lookup("test.run").Value.String()
	var kept []*events.Event
	for _, e := range slices.Backward(all) { // what an event is made of is declared before
		needed := func(other *events.Event) bool { return slices.Contains(other.From, e) }
		if matchesRun(pattern, test+"/"+e.Name) || slices.ContainsFunc(kept, needed) {
			kept = append(kept, e)
		}
	}
	slices.Reverse(kept)
	return kept
}

// matchesRun tells whether the pattern selects a test, or may select a part of it: alternatives are apart from each
// other, and each has an expression per level of the name.
func matchesRun(pattern, name string) bool {
	levels := strings.Split(name, "/")
	return slices.ContainsFunc(splitOutside(pattern, '|'), func(alternative string) bool {
		for i, expression := range splitOutside(alternative, '/') {
			if i >= len(levels) {
				break
			}
			if matched, err := regexp.MatchString(expression, levels[i]); err != nil || !matched {
				return false
			}
		}
		return true
	})
}

// splitOutside splits a regular expression where the separator is in no brackets.
func splitOutside(pattern string, separator rune) []string {
	depth, parts := 0, []string{""}
	for _, r := range pattern {
		switch {
		case strings.ContainsRune("([", r):
			depth++
		case strings.ContainsRune(")]", r):
			depth--
		}
		if r == separator && depth == 0 {
			parts = append(parts, "")
			continue
		}
		parts[len(parts)-1] += string(r)
	}
	return parts
}

func TestRunIsMatchedAsGoDoes(t *testing.T) {
	for _, test := range []struct {
		pattern, name string
		want          bool
	}{
		{"", "TestA/x", true},
		{"TestA", "TestA/x", true},
		{"TestB", "TestA/x", false},
		{"TestA/x", "TestA/x", true},
		{"TestA/x/deeper", "TestA/x", true},
		{"TestA/(y|x)", "TestA/x", true},
		{"TestA/y|TestB", "TestA/x", false},
		{"TestB|A/x", "TestA/x", true},
		{"/[x/]", "TestA/x", true},
	} {
		if got := matchesRun(test.pattern, test.name); got != test.want {
			t.Errorf("%q of %q: got %t, want %t", test.name, test.pattern, got, test.want)
		}
	}
}
