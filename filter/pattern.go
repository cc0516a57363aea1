package filter

import (
	"strings"

	"github.com/tracee-go/tracee/internal/library"
)

// pattern is a text in which * stands for any text.
type pattern struct {
	parts   []string // what lies between the stars; one part: no star
	library bool     // the text says which libraries are meant, see library.Matches
}

func newPattern(s string) pattern { return pattern{parts: strings.Split(s, "*")} }

// exact says that the pattern has no star: it is one text.
func (p *pattern) exact() bool { return len(p.parts) == 1 }

// anything says that the pattern is only stars.
func (p *pattern) anything() bool { return len(p.parts) > 1 && p.length() == 0 }

// length is the number of bytes that every matching text has at least.
func (p *pattern) length() int {
	n := 0
	for _, part := range p.parts {
		n += len(part)
	}
	return n
}

// cut is the pattern of all texts that begin as the given number of letters says.
func (p *pattern) cut(letters int) pattern {
	var c pattern
	for _, part := range p.parts {
		part = part[:min(len(part), letters)]
		letters -= len(part)
		c.parts = append(c.parts, part)
		if letters == 0 {
			break
		}
	}
	c.parts = append(c.parts, "")
	return c
}

// match does not allocate. Taking the first place of each part in turn is enough, because a later place of one part
// never leaves more room for the next.
func (p *pattern) match(s string) bool {
	first, last := p.parts[0], p.parts[len(p.parts)-1]
	if p.library {
		return library.Matches(first, s)
	}
	if p.exact() {
		return s == first
	}
	if len(s) < len(first)+len(last) || !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, part := range p.parts[1 : len(p.parts)-1] {
		_, rest, found := strings.Cut(s, part)
		if !found {
			return false
		}
		s = rest
	}
	return true
}
