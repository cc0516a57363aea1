package policy

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/types/trace"
)

var words = Words{
	Signatures: []string{"TRC-102", "TRC-1"}, Severities: []string{"low", "high"}, Outputs: []string{"stdout"},
	Evidence: []string{"none", "high"},
}

func load(t *testing.T, content string) ([]*Policy, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "p.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	all, problems := Load([]string{path}, words)
	return all, append(problems, Distinct(all)...).OrNil()
}

func TestFormsOfTraceeAreRead(t *testing.T) {
	for _, content := range []string{`
name: overview policy
description: sample
scope:
  - global
defaultActions:
  - log
rules:
  - event: anti_debugging
  - event: security_file_open
    filters:
      - args.pathname=/tmp/*
  - event: close
    filters:
      - retval!=0
`, `
apiVersion: aquasecurity.github.io/v1beta1
kind: TraceePolicy
metadata:
  name: overview policy
  annotations: {description: sample, other: x}
spec:
  scope: [global]
  rules:
    - event: anti_debugging
    - event: security_file_open
      filters: [data.pathname=/tmp/*]
    - event: close
      filters: [retval!=0]
`} {
		all, err := load(t, content)
		if err != nil || len(all) != 1 {
			t.Fatalf("got %d policies, %v", len(all), err)
		}
		p := all[0]
		if p.Name != "overview policy" || p.Description != "sample" || len(p.Rules) != 2 || !p.Signatures.Has("low", "TRC-102") {
			t.Errorf("got %+v", p)
		}
	}
}

func TestWhatIsWrongIsToldWithItsLine(t *testing.T) {
	for _, test := range []struct{ content, want string }{
		{"name: a\nrules: [opennat]\n", `:2: unknown event "opennat" (did you mean openat?)`},
		{"name: a\nrule: [openat]\n", `:2: unknown field "rule" (did you mean rules?)`},
		{"name: a\n", ":1: policy a selects nothing"},
		{"name: a\nrules: [[openat]]\n", ":2: a rule is the name of an event, or a mapping of event and filters"},
		{"name: a\nrules:\n- openat: yes\n", `:3: unknown field "openat" (want event, filters, actions, action)`},
		{"name: a\nrules: [anti_debuging]\n", "(did you mean anti_debugging?)"},
		{"apiVersion: tracee.aquasec.com/v1beta1\nkind: Policy\nmetadata: a\nspec: {rules: [openat]}\n", ":3: want a mapping of name, annotations"},
		{"name: a\nrules:\n- event: [openat]\n", ":3: a rule without an event (want event: and its name)"},
		{"rules: [openat]\n", ":1: the policy has no name"},
		{"name: a\nrules:\n- event: openat\n  filters: [args.path=/x]\n", ":3: rule of openat: invalid argument filter argument name: path (openat has dirfd, pathname"},
		{"name: a\nrules:\n- event: openat\n  filters: [pathname=/x]\n", `unknown filter "pathname" (did you mean args.pathname?)`},
		{"name: a\nscope: [event=openat]\nrules: [openat]\n", ":2: scope: \"event=openat\" is about events"},
		{"name: a\nscope: [global, uid=0]\nrules: [openat]\n", "global does not go with other scopes"},
		{"name: a\nscope: [uidd=0]\nrules: [openat]\n", "did you mean uid?"},
		{"name: a\ndefaultActions: [webhook]\nrules: [openat]\n", `:2: action "webhook" is not available`},
		{"name: a\nsignatures: [TRC-3]\n", `:2: signatures: unknown "TRC-3" (did you mean TRC-1?)`},
		{"name: a\noutputs: [stdot]\nrules: [openat]\n", `outputs: unknown "stdot" (did you mean stdout?)`},
		{"name: a\nrules:\n- event: TRC-102\n  filters: [uid=0]\n", "filters of findings are not available"},
		{"apiVersion: v1\nkind: Policy\nmetadata: {name: a}\nspec: {rules: [openat]}\n", `:1: apiVersion "v1" is not read`},
		{"name: a\nrules: [openat]\n---\nname: a\nrules: [openat]\n", "policy a: the name is taken by"},
		{"", "the file is empty"},
	} {
		if _, err := load(t, test.content); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: got %v, want %q", test.content, err, test.want)
		}
	}
}

func TestScopesThatOnlyTheKernelDecidesMustBeTheSame(t *testing.T) {
	all, err := load(t, "name: a\nscope: [tree=1]\nrules: [openat]\n---\nname: b\nrules: [openat]\n")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(all, nil); err == nil || !strings.Contains(err.Error(), "policy a: scope tree can be decided in the kernel only") {
		t.Errorf("got %v", err)
	}
	s, err := New(all[:1], nil)
	if err != nil || !slices.Equal(s.KernelScope(), []string{"tree=1"}) {
		t.Errorf("one alone: got %q, %v", s.KernelScope(), err)
	}
	global, err := filter.Parse([]string{"tree=2"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(all[:1], global); err == nil || !strings.Contains(err.Error(), "--trace is about the same things") {
		t.Errorf("got %v", err)
	}
}

// text is a policy as its text, by which the oracle judges.
type text struct {
	name  string
	scope []string
	rules []ruleText
}

type ruleText struct {
	event   string
	filters []string
}

func (p text) yaml() string {
	var b strings.Builder
	fmt.Fprintf(&b, "name: %q\nscope: %s\nrules:\n", p.name, quoted(p.scope))
	for _, r := range p.rules {
		fmt.Fprintf(&b, "  - event: %s\n    filters: %s\n", r.event, quoted(r.filters))
	}
	return b.String()
}

func quoted(list []string) string {
	var texts []string
	for _, s := range list {
		texts = append(texts, fmt.Sprintf("%q", s))
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

// compares is one filter by its text: values of the tests are small numbers, or words with a * at the end.
func compares(rest, value string) (equal, holds bool) {
	op := strings.TrimRight(rest, "-0123456789abcdefghijklmnopqrstuvwxyz/,*")
	any := false
	for want := range strings.SplitSeq(rest[len(op):], ",") {
		prefix, cut := strings.CutSuffix(want, "*")
		any = any || want == value || cut && strings.HasPrefix(value, prefix)
	}
	var have, limit int
	fmt.Sscan(value, &have)
	fmt.Sscan(rest[len(op):], &limit)
	switch op {
	case "=":
		return true, any
	case "!=":
		return false, !any
	case ">=":
		return false, have >= limit
	default:
		return false, have < limit
	}
}

// holds is the rule of filters of a rule: of each thing one of the = filters, and all others.
func holds(filters []string, valueOf func(name string) (string, bool)) bool {
	listed, met := map[string]bool{}, map[string]bool{}
	for _, f := range filters {
		i := strings.IndexAny(f, "=!<>")
		value, ok := valueOf(f[:i])
		if !ok {
			return false
		}
		equal, good := compares(f[i:], value)
		if equal {
			listed[f[:i]] = true
			met[f[:i]] = met[f[:i]] || good
		} else if !good {
			return false
		}
	}
	for name := range listed {
		if !met[name] {
			return false
		}
	}
	return true
}

// matches is the oracle.
func (p text) matches(e *trace.Event) bool {
	inScope := holds(p.scope, func(name string) (string, bool) {
		return map[string]string{"uid": fmt.Sprint(e.UserID), "comm": e.ProcessName, "executable": e.Executable}[name], true
	})
	return inScope && slices.ContainsFunc(p.rules, func(r ruleText) bool {
		return r.event == e.EventName && holds(r.filters, func(name string) (string, bool) {
			switch name {
			case "retval":
				return fmt.Sprint(e.ReturnValue), true
			case "pid":
				return fmt.Sprint(e.ProcessID), true
			case "comm":
				return e.ProcessName, true
			}
			a, ok := e.Lookup(strings.TrimPrefix(strings.TrimPrefix(name, "args."), "data."))
			if !ok {
				return "", false
			}
			return fmt.Sprint(a.Value()), true
		})
	})
}

func drawPolicy(t *rapid.T, i int) text {
	oneOf := func(list ...string) *rapid.Generator[string] { return rapid.SampledFrom(list) }
	p := text{name: fmt.Sprintf("p%d", i)}
	// One filter for each thing: how several combine in a scope is package filter's.
	for _, g := range []*rapid.Generator[string]{
		oneOf("", "", "uid=0", "uid!=0", "uid<2", "uid>=1", "uid=1,2"), oneOf("", "", "comm=cat", "comm=c*", "comm!=cat,vim"),
		oneOf("", "", "executable=/bin/*", "executable!=/bin/cat"),
	} {
		if s := g.Draw(t, "scope"); s != "" {
			p.scope = append(p.scope, s)
		}
	}
	byEvent := map[string]*rapid.Generator[string]{
		"openat": oneOf("args.pathname=/etc/*", "data.pathname!=/etc/hosts", "args.pathname=/etc/hosts,/tmp/*", "args.dirfd=3", "retval=0", "retval!=0", "pid>=2", "comm=vim"),
		"close":  oneOf("args.fd=3", "args.fd!=3", "data.fd<3", "retval<0", "comm=c*", "pid=1"),
	}
	for range rapid.IntRange(1, 3).Draw(t, "rules") {
		event := oneOf("openat", "close").Draw(t, "event")
		p.rules = append(p.rules, ruleText{event, rapid.SliceOfN(byEvent[event], 0, 3).Draw(t, "filters")})
	}
	return p
}

func drawEvent(t *rapid.T) *trace.Event {
	small := func(name string) int { return rapid.IntRange(-1, 3).Draw(t, name) }
	word := func(list ...string) string { return rapid.SampledFrom(list).Draw(t, "word") }
	e := &trace.Event{
		UserID: small("uid") + 1, ProcessID: small("pid") + 1, ReturnValue: small("ret"), ProcessName: word("cat", "cp", "vim"),
		Executable: word("/bin/cat", "/bin/cp", "/usr/vim", ""),
	}
	name := word("openat", "close", "close", "dup")
	declared, _ := events.Lookup(name)
	var b trace.Builder
	b.Reset(declared.Schema())
	if name == "openat" {
		b.Slot(0, uint64(uint32(small("dirfd"))))
		if rapid.Bool().Draw(t, "captured") {
			b.Text(1, word("/etc/hosts", "/etc/passwd", "/tmp/x"))
		}
	} else {
		b.Slot(0, uint64(uint32(small("fd"))))
	}
	b.Finish(e)
	return e
}

// disagreement is what a set and the oracle say differently of random policies and events; empty: nothing.
func disagreement(t *rapid.T, dir string, broken func(*Set, *trace.Event) []string) string {
	var all []*Policy
	var texts []text
	for i := range rapid.IntRange(1, 70).Draw(t, "policies") {
		texts = append(texts, drawPolicy(t, i))
	}
	path := filepath.Join(dir, "p.yaml")
	var b strings.Builder
	for _, p := range texts {
		b.WriteString("---\n" + p.yaml())
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	all, problems := Load([]string{path}, words)
	if err := problems.OrNil(); err != nil {
		t.Fatal(err)
	}
	set, err := New(all, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		e := drawEvent(t)
		var want []string
		for _, p := range texts {
			if p.matches(e) {
				want = append(want, p.name)
			}
		}
		if set.decided { // in the kernel, which has left out the rest
			if all[0].Scope.Admits(e, false) != holds(texts[0].scope, func(name string) (string, bool) {
				return map[string]string{"uid": fmt.Sprint(e.UserID), "comm": e.ProcessName, "executable": e.Executable}[name], true
			}) {
				return fmt.Sprintf("scope %q of %+v", texts[0].scope, e)
			}
			if !all[0].Scope.Admits(e, false) {
				continue
			}
		}
		if got := broken(set, e); !slices.Equal(got, want) {
			return fmt.Sprintf("%+v\n%s\ngot %q, want %q", e, b.String(), got, want)
		}
	}
	return ""
}

func TestPoliciesMeanWhatTheOracleSays(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		if d := disagreement(t, dir, (*Set).Match); d != "" {
			t.Fatal(d)
		}
	})
}

func TestOracleFindsBugs(t *testing.T) {
	dir := t.TempDir()
	for name, bug := range map[string]func(*Set, *trace.Event) []string{
		"only the first policy": func(s *Set, e *trace.Event) []string { return s.Match(e)[:min(1, len(s.Match(e)))] },
		"no scope": func(s *Set, e *trace.Event) []string {
			other := *s
			other.decided, other.names, other.bits = true, map[string][]string{}, make([]byte, len(s.bits))
			return other.Match(e)
		},
		"first rule only": func(s *Set, e *trace.Event) []string {
			other := *s
			other.names, other.bits, other.byEvent = map[string][]string{}, make([]byte, len(s.bits)), map[int][]selection{}
			for id, all := range s.byEvent {
				for _, each := range all {
					other.byEvent[id] = append(other.byEvent[id], selection{each.policy, each.selectors[:1]})
				}
			}
			return other.Match(e)
		},
		"return value negated": func(s *Set, e *trace.Event) []string {
			c := e.Clone()
			c.ReturnValue = -e.ReturnValue
			return s.Match(c)
		},
	} {
		found := false
		for seed := 0; seed < 400 && !found; seed++ {
			found = rapid.Custom(func(t *rapid.T) bool { return disagreement(t, dir, bug) != "" }).Example(seed)
		}
		if !found {
			t.Errorf("%s: not found", name)
		}
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	all, err := load(t, "name: a\nscope: [uid=0, comm=c*]\nrules:\n- event: close\n  filters: [args.fd=3]\n")
	if err != nil {
		t.Fatal(err)
	}
	set, err := New(all, nil)
	if err != nil {
		t.Fatal(err)
	}
	declared, _ := events.Lookup("close")
	e := &trace.Event{ProcessName: "cat"}
	var b trace.Builder
	b.Reset(declared.Schema())
	b.Slot(0, 3)
	b.Finish(e)
	if n := testing.AllocsPerRun(100, func() { set.Match(e) }); n > 0 || len(set.Match(e)) != 1 {
		t.Errorf("%v allocations, matched %q", n, set.Match(e))
	}
}
