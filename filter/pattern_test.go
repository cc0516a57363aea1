package filter

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestPatternMatches(t *testing.T) {
	for _, test := range []struct {
		pattern, text string
		want          bool
	}{
		{"abc", "abc", true},
		{"abc", "abcd", false},
		{"abc*", "abc", true},
		{"abc*", "abcd", true},
		{"abc*", "xabc", false},
		{"*abc", "xabc", true},
		{"*abc", "abcx", false},
		{"*abc*", "xabcx", true},
		{"*abc*", "abxc", false},
		{"a*c", "abbbc", true},
		{"a*c", "ac", true},
		{"aa*aa", "aaa", false},
		{"a*b*c", "axbxc", true},
		{"*", "", true},
		{"**", "x", true},
	} {
		p := newPattern(test.pattern)
		if got := p.match(test.text); got != test.want {
			t.Errorf("%q on %q: %v, want %v", test.pattern, test.text, got, test.want)
		}
	}
}

func TestPatternAgreesWithRegexp(t *testing.T) {
	letters := rapid.StringOfN(rapid.RuneFrom([]rune("ab")), 0, 12, -1)
	stars := rapid.StringOfN(rapid.RuneFrom([]rune("ab*")), 0, 8, -1)
	rapid.Check(t, func(t *rapid.T) {
		pattern, text := stars.Draw(t, "pattern"), letters.Draw(t, "text")
		p := newPattern(pattern)
		want := regexp.MustCompile("^" + strings.ReplaceAll(pattern, "*", ".*") + "$").MatchString(text)
		if got := p.match(text); got != want {
			t.Fatalf("%q on %q: %v, want %v", pattern, text, got, want)
		}
	})
}
