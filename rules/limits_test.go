package rules

import (
	"errors"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/types"

	"github.com/tracee-go/tracee/types/detect"
)

const (
	ours  = "kind: Signatures\napiVersion: tracee/v1\nsignatures:\n- id: BAD\n  match: {event: openat, when: '%'}\n"
	cel   = "kind: SignaturesConfig\napiVersion: tracee.aquasecurity.github.io/v1alpha1\nsignatures:\n- metadata: {id: BAD, name: BAD}\n  eventSelectors: [{source: tracee, name: openat}]\n  expression: '%'\n"
	tens  = "[1, 2, 3, 4, 5, 6, 7, 8, 9, 0]"
	loops = tens + ".exists(a, " + tens + ".exists(b, " + tens + ".exists(c, " + tens + ".exists(d, " + tens + ".exists(e, " + tens + ".exists(f, " +
		tens + ".exists(g, " + tens + ".exists(h, a + b + c + d + e + f + g + h + input.returnValue == -1))))))))"
	lists = tens + ".map(a, " + tens + ".map(b, " + tens + ".map(c, " + tens + ".map(d, " + tens + ".map(e, " + tens + ".map(f, " + tens + ".map(g, " +
		tens + ".map(h, a + input.returnValue)))))))).size() == 0"
)

// harmful are rules that hurt: by language and by what they do.
var harmful = []struct {
	name, file string
	says       string // about each event
	text       string
}{
	{"Rego that thinks too long", "bad.rego", "took too long", rule("BAD", `tracee_match { count([x | x := numbers.range(1, 100000)[_]; numbers.range(1, 100000)[_] == x]) == 0 }`)},
	{"Rego that eats memory", "bad.rego", "too much memory", rule("BAD", `tracee_match { count([s | i := numbers.range(1, 10000)[_]; s := sprintf("%1000000d", [i])]) == 0 }`)},
	{"Rego that panics", "bad.rego", "panic: at the disco", rule("BAD", `tracee_match { test.panic("") }`)},
	{"Rego that fails", "bad.rego", "conflict", rule("BAD", "tracee_match { f(1) == 1 }\nf(x) = 1 { x == 1 }\nf(x) = 2 { x < 2 }")},
	{"YAML that thinks too long", "bad.yaml", "took too long", strings.ReplaceAll(ours, "%", loops)},
	{"YAML that eats memory", "bad.yaml", "cut off", strings.ReplaceAll(ours, "%", lists)},
	{"YAML that fails", "bad.yaml", "division by zero", strings.ReplaceAll(ours, "%", "1 / input.returnValue == 1")},
	{"CEL that thinks too long", "bad.yaml", "took too long", strings.ReplaceAll(cel, "%", loops)},
	{"CEL that eats memory", "bad.yaml", "cut off", strings.ReplaceAll(cel, "%", lists)},
	{"CEL that fails", "bad.yaml", "division by zero", strings.ReplaceAll(cel, "%", "1 / input.returnValue == 1")},
}

func TestHarmfulRuleIsCutOffAndHurtsNoOther(t *testing.T) {
	if testing.Short() {
		t.Skip("short: rules take their time")
	}
	rego.RegisterBuiltin1(&rego.Function{Name: "test.panic", Decl: types.NewFunction(types.Args(types.S), types.B)},
		func(rego.BuiltinContext, *ast.Term) (*ast.Term, error) { panic("at the disco") })
	const n = 100
	for _, test := range harmful {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, test.file, test.text)
			write(t, dir, "quick.rego", rule("QUICK", `tracee_match { input.eventName == "openat" }`))
			var log strings.Builder
			found := map[string]int{}
			g, _ := New(Config{
				Signatures: limited(loadAll(t, dir, Options{}), test.says), Log: logTo(&log),
				Finding: func(f detect.Finding) { found[f.SigMetadata.ID]++ },
			})
			for range n {
				g.Handle(event("openat", "/a"))
			}
			g.Close()
			want := Stats{Events: n, Signatures: 2, Detections: n, Errors: maxStrikes, CutOff: 1}
			if strings.HasSuffix(test.name, "fails") { // that costs nothing
				want.Errors, want.CutOff = n, 0
			}
			if got := g.Stats(); got != want || found["QUICK"] != n {
				t.Errorf("found %v, stats %+v, want %+v\n%s", found, got, want, log.String())
			}
			if !strings.Contains(log.String(), test.says) || strings.Count(log.String(), "signature failed") > 2 { // the second counts the others
				t.Errorf("log:\n%s", log.String())
			}
		})
	}
}

// limited gives the bad Rego rule little time, so that tests are short; and one that shall use up its memory much of it.
func limited(all []detect.Signature, says string) []detect.Signature {
	for _, s := range all {
		r, ok := s.(*regoSignature)
		switch {
		case !ok || r.metadata.ID != "BAD":
		case strings.Contains(says, "memory"):
			r.budget.Time = time.Minute
		default:
			r.budget.Time = regoTime / 4
		}
	}
	return all
}

func TestRegoRuleThatWaitsForSomebodyIsCutOff(t *testing.T) {
	if testing.Short() {
		t.Skip("short: it waits")
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	dir := t.TempDir()
	write(t, dir, "bad.rego", rule("BAD", `tracee_match { http.send({"method": "get", "url": "http://`+silent.Addr().String()+`/"}).status_code == 200 }`))
	g, _ := New(Config{Signatures: loadAll(t, dir, Options{}), Log: logTo(new(strings.Builder))})
	for range 10 {
		g.Handle(event("openat", "/a"))
	}
	g.Close()
	if s := g.Stats(); s.CutOff != 1 || s.Errors != maxStrikes {
		t.Errorf("stats %+v", s)
	}
}

func TestRegoRuleThatThinksTooLongWhenItIsLoadedIsLeftOut(t *testing.T) {
	if testing.Short() {
		t.Skip("short: it takes its time")
	}
	const long = `count([x | x := numbers.range(1, 100000)[_]; numbers.range(1, 100000)[_] == x])`
	dir := t.TempDir()
	write(t, dir, "metadata.rego", strings.Replace(rule("A", `tracee_match { true }`), `"version": "1"`, `"version": `+long, 1))
	write(t, dir, "selection.rego", strings.Replace(rule("B", `tracee_match { true }`), `s := {"source"`, long+` > 0; s := {"source"`, 1))
	// The last to be loaded: for a while it makes the collector leave so much garbage that the others would meet the limit of memory.
	write(t, dir, "wasteful.rego", strings.Replace(rule("C", `tracee_match { true }`), `"version": "1"`, `"version": [s | i := numbers.range(1, 100000)[_]; s := sprintf("%1000000d", [i])]`, 1))
	write(t, dir, "partial.rego", rule("D", `tracee_match { `+long+` > 0 }`))
	runtime.GC() // what tests before have left
	set, errs := LoadDir(dir, Options{PartialEval: true})
	if len(set.Signatures) != 0 || len(errs) != 4 {
		t.Errorf("loaded %d, errors %v", len(set.Signatures), errs)
	}
	for name, why := range map[string]string{"metadata": "took too long", "selection": "took too long", "wasteful": "", "partial": "took too long"} {
		if !mentions(errs, filepath.Join(dir, name+".rego")+": the rule "+why) { // a busy machine runs out of time before memory
			t.Errorf("%s: %v", name, errors.Join(errs...))
		}
	}
}
