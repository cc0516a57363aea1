package signatures

import (
	"slices"
	"strings"

	"github.com/tracee-go/tracee/types/trace"
)

// commandRule recognises programs by what they are and by the arguments that they are started with.
type commandRule struct {
	programs programs            // any of these; nil: all
	when     func(*command) bool // nil: always
	except   programs            // whose children may be that
	within   programs            // whose descendants may be that
}

// command is a program that was started.
type command struct {
	path   string // of the executable
	name   string // of its file
	plain  string // the same without a version
	called string // the name that it was called by
	argv   []string
	line   string // the arguments, with blanks between
	script string // what a shell or an interpreter was given to run, as it was written
	stdin  string // the type of the file that is its standard input, such as S_IFIFO
}

// lineMax bounds what is looked at of the arguments of a program, in bytes.
const lineMax = 1 << 13

func readCommand(e *trace.Event) command {
	c := command{path: strings.Clone(text(e, "pathname")), argv: texts(e, "argv")}
	c.name = base(c.path)
	if len(c.argv) > 0 {
		c.called = base(c.argv[0])
	}
	c.line = strings.Join(c.argv, " ")
	c.line = c.line[:min(len(c.line), lineMax)]
	c.stdin = strings.Clone(text(e, "stdin_type"))
	c.findApplet()
	c.plain = withoutVersion(c.name)
	c.script = c.findScript()
	return c
}

// collections are many programs in one file, which looks at its name, or at its first argument.
var collections = named("busybox toybox coreutils")

// findApplet makes the program of a collection the one that the command is about.
func (c *command) findApplet() {
	if !collections.name(c.name) {
		return
	}
	if collections.name(c.called) && len(c.argv) > 1 {
		c.argv = c.argv[1:]
		c.called = base(c.argv[0])
	}
	if applet := strings.TrimPrefix(c.called, "-"); applet != "" {
		c.name = applet
	}
}

// findScript returns the first argument of a shell or an interpreter that is a file, "" if there is none.
func (c *command) findScript() string {
	if !c.runs(shells) && !c.runs(interpreters) {
		return ""
	}
	valued := false // the last option takes this argument
	for _, a := range c.argv[min(1, len(c.argv)):] {
		switch {
		case valued:
			valued = false
		case a == "-o", a == "-O", a == "-W", a == "-X", a == "-I", a == "--rcfile", a == "--init-file":
			valued = true
		case a == "-", strings.HasPrefix(a, "-c"), a == "-e" && !c.runs(shells), a == "-r", a == "-m":
			return ""
		case !strings.HasPrefix(a, "-"):
			return strings.Clone(a)
		}
	}
	return ""
}

// runs reports whether the program is one of a group.
func (c *command) runs(of programs) bool {
	return of[c.name] || of[c.plain] || c.called != c.name && of.name(c.called)
}

// runsAny is runs for a few names.
func (c *command) runsAny(names ...string) bool {
	for _, name := range names {
		if name == c.name || name == c.plain || c.called != c.name && (name == c.called || name == withoutVersion(c.called)) {
			return true
		}
	}
	return false
}

// has reports whether one of the words is an argument.
func (c *command) has(words ...string) bool {
	return len(c.argv) > 1 && slices.ContainsFunc(c.argv[1:], func(a string) bool { return slices.Contains(words, a) })
}

// hasPair reports whether one argument follows another.
func (c *command) hasPair(option, value string) bool {
	at := slices.Index(c.argv, option)
	return at > 0 && at+1 < len(c.argv) && c.argv[at+1] == value
}

// says reports whether one of the texts is in the arguments.
func (c *command) says(parts ...string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(c.line, part) })
}

// operand returns the first argument that is no option nor the value of one of those that take the next argument, "" if there is none.
func (c *command) operand(valued string) string {
	value, takeNext := false, named(valued)
	for _, a := range c.argv[min(1, len(c.argv)):] {
		switch {
		case value:
			value = false
		case takeNext[a]:
			value = true
		case !strings.HasPrefix(a, "-"):
			return a
		}
	}
	return ""
}

// shown is the command in the data of a finding.
func (c *command) shown() map[string]any {
	const most = 300
	line := c.line
	if len(line) > most {
		line = line[:most] + "…"
	}
	return map[string]any{"command": line, "program": c.path}
}

func (r *commandRule) newMatcher(s *surroundings) matcher { return &commandMatcher{r, s} }

type commandMatcher struct {
	*commandRule
	around *surroundings
}

func (m *commandMatcher) match(e *trace.Event) (map[string]any, bool) {
	m.around.see(e)
	if e.EventName != "sched_process_exec" {
		return nil, false
	}
	c := &m.around.command
	if m.programs != nil && !c.runs(m.programs) {
		return nil, false
	}
	if m.when != nil && !m.when(c) {
		return nil, false
	}
	if len(m.except) > 0 && m.except.path(m.around.parent(e)) {
		return nil, false
	}
	if len(m.within) > 0 {
		if _, inside := m.around.ancestor(e, m.within); inside {
			return nil, false
		}
	}
	return c.shown(), true
}
