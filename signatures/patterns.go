package signatures

import (
	"path"
	"strings"
)

// patterns are paths to look for. A pattern begins with "/", or with "**/" where it counts in any directory: what is
// below another root, such as a container's, a mount elsewhere, or /proc/1/root. A "*" stands for any part of a name, and
// a slash at the end for all that lies below.
type patterns struct {
	exact    map[string]bool
	below    []string            // directories with a slash at both ends
	anyBelow []string            // the same, in any directory
	byName   map[string][]string // in any directory, by the last name: what comes before it
	globs    []glob
}

type glob struct {
	pattern  string
	literal  string // the longest part without a star, which a name must have
	slashes  int
	anywhere bool
}

func newGlob(pattern string, anywhere bool) glob {
	g := glob{pattern: pattern, slashes: strings.Count(pattern, "/"), anywhere: anywhere}
	for part := range strings.SplitSeq(pattern, "*") {
		if len(part) > len(g.literal) {
			g.literal = part
		}
	}
	return g
}

func compile(list []string) *patterns {
	p := &patterns{exact: map[string]bool{}, byName: map[string][]string{}}
	for _, pattern := range list {
		rest, anywhere := strings.CutPrefix(pattern, "**")
		switch {
		case strings.Contains(rest, "*"):
			p.globs = append(p.globs, newGlob(rest, anywhere))
		case strings.HasSuffix(rest, "/") && anywhere:
			p.anyBelow = append(p.anyBelow, rest)
		case strings.HasSuffix(rest, "/"):
			p.below = append(p.below, rest)
		case anywhere:
			p.byName[base(rest)] = append(p.byName[base(rest)], rest)
		default:
			p.exact[rest] = true
		}
	}
	return p
}

func (p *patterns) match(name string) bool {
	if p.exact[name] {
		return true
	}
	for _, suffix := range p.byName[base(name)] {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	for _, directory := range p.below {
		if strings.HasPrefix(name, directory) {
			return true
		}
	}
	for _, directory := range p.anyBelow {
		if strings.Contains(name, directory) {
			return true
		}
	}
	for i := range p.globs {
		if p.globs[i].match(name) {
			return true
		}
	}
	return false
}

// match compares as many of the last names as the pattern has, and all of them where it is not for any directory. A
// pattern that ends in a slash takes what is below.
func (g *glob) match(name string) bool {
	if !strings.Contains(name, g.literal) {
		return false
	}
	if strings.HasSuffix(g.pattern, "/") {
		return g.matchBelow(name)
	}
	if g.anywhere {
		name = lastNames(name, g.slashes)
	}
	ok, _ := path.Match(g.pattern, name)
	return ok
}

func (g *glob) matchBelow(name string) bool {
	directory := strings.TrimSuffix(g.pattern, "/")
	for end := strings.LastIndexByte(name, '/'); end > 0; end = strings.LastIndexByte(name[:end], '/') {
		part := name[:end]
		if g.anywhere {
			part = lastNames(part, g.slashes-1)
		}
		if ok, _ := path.Match(directory, part); ok {
			return true
		}
	}
	return false
}

// lastNames returns the end of a path that begins with the n-th slash from behind.
func lastNames(name string, n int) string {
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '/' {
			if n--; n == 0 {
				return name[i:]
			}
		}
	}
	return name
}
