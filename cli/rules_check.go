package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/suggest"
	"github.com/tracee-go/tracee/rules"
	"github.com/tracee-go/tracee/signatures"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/detect/cases"
)

// A rulesTool is a command below tracee-rules for people who write rules.
type rulesTool struct {
	name, usage, doc string
	run              func(c *rulesCommand, args []string) error
}

var rulesTools = []rulesTool{
	{"test", "test DIR", "run the tests of the rules in DIR: testdata/<id>.yaml in it or below", (*rulesCommand).testRules},
	{"lint", "lint DIR", "say what is wrong with the rules and exceptions in DIR", (*rulesCommand).lint},
	{"explain", "explain ID [DIR]", "say what a signature does, what it looks at and who excepts from it", (*rulesCommand).explain},
}

// tool finds a tool by the first argument.
func tool(args []string) (rulesTool, bool) {
	i := slices.IndexFunc(rulesTools, func(t rulesTool) bool { return len(args) > 0 && args[0] == t.name })
	if i < 0 {
		return rulesTool{}, false
	}
	return rulesTools[i], true
}

// runTool runs a tool; where it was called wrongly, it says how to.
func (c *rulesCommand) runTool(t rulesTool, args []string) error {
	if slices.Contains(args, "--help") || slices.Contains(args, "-h") {
		_, err := fmt.Fprintf(c.stdout, "tracee-rules %s: %s\n", t.usage, t.doc)
		return err
	}
	return t.run(c, args)
}

func oneDirectory(args []string, usage string) (string, error) {
	if len(args) != 1 {
		return "", fmt.Errorf("want one directory: tracee-rules %s", usage)
	}
	info, err := os.Stat(args[0])
	if err != nil {
		return "", fmt.Errorf("rules directory %s: %w", args[0], errors.Unwrap(err))
	}
	if !info.IsDir() {
		return "", fmt.Errorf("rules directory %s: it is a file", args[0])
	}
	return args[0], nil
}

// lint prints all problems of a directory: of its files, and of its signatures beside the built-in ones.
func (c *rulesCommand) lint(args []string) error {
	dir, err := oneDirectory(args, "lint DIR")
	if err != nil {
		return err
	}
	set, errs := rules.LoadDir(dir, rules.Options{})
	problems, stand := lintSet(set)
	for _, err := range errs {
		problems = append(problems, err.Error())
	}
	slices.Sort(problems)
	for _, s := range stand {
		fmt.Fprintf(c.stdout, "%s: signature %s stands in for the built-in one\n", set.Files[s], idOf(s))
	}
	for _, p := range problems {
		fmt.Fprintln(c.stdout, p)
	}
	fmt.Fprintf(c.stderr, "tracee-rules: %s, %s, %s\n", count(uint64(len(set.Signatures)), "signature"),
		count(uint64(len(set.Exceptions)), "exception"), count(uint64(len(problems)), "problem"))
	if len(problems) > 0 {
		return errSaid
	}
	return nil
}

// lintSet finds what only shows when signatures are looked at together, and which of them stand in for built-in ones.
func lintSet(set *rules.Set) (problems []string, stand []detect.Signature) {
	var log strings.Builder
	all, stand := joined(signatures.All(), set)
	engine, refused := rules.New(rules.Config{Signatures: all, Files: set.Files, Log: slog.New(slog.NewTextHandler(&log, nil))})
	defer engine.Close()
	for _, err := range refused {
		problems = append(problems, err.Error())
	}
	for _, err := range rules.ExceptionDoubts(set.Exceptions, all) {
		problems = append(problems, err.Error())
	}
	return problems, stand
}

// testRules runs the tests of a directory's signatures, each in an engine of its own.
func (c *rulesCommand) testRules(args []string) error {
	dir, err := oneDirectory(args, "test DIR")
	if err != nil {
		return err
	}
	files, err := testFiles(dir)
	if err != nil {
		return err
	}
	set, errs := rules.LoadDir(dir, rules.Options{})
	failed := 0
	for _, err := range errs {
		var file *rules.FileError
		if errors.As(err, &file) && file.Kept {
			continue
		}
		failed++
		fmt.Fprintln(c.stdout, "FAIL", err)
	}
	passed := 0
	for _, s := range set.Signatures {
		p, f := c.testOne(s, files)
		passed, failed = passed+p, failed+f
	}
	for _, path := range strayTests(files, set) {
		fmt.Fprintf(c.stdout, "--   %s: no signature in %s has this id\n", path, dir)
	}
	fmt.Fprintf(c.stderr, "tracee-rules: %d passed, %d failed\n", passed, failed)
	if failed > 0 {
		return errSaid
	}
	return nil
}

// testFiles are the files in directories called testdata.
func testFiles(dir string) (files []string, err error) {
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Base(filepath.Dir(path)) == "testdata" {
			files = append(files, path)
		}
		return err
	})
	return files, err
}

// testOne runs the cases of one signature.
func (c *rulesCommand) testOne(s detect.Signature, files []string) (passed, failed int) {
	m, err := s.GetMetadata()
	if err != nil {
		return 0, 0
	}
	any := false
	for _, path := range files {
		if filepath.Base(path) != m.ID+".yaml" {
			continue
		}
		any = true
		all, err := cases.Read(path)
		if err != nil {
			fmt.Fprintf(c.stdout, "FAIL %s: %v\n", m.ID, err)
			failed++
		}
		for i := range all {
			if err := runCase(s, &all[i]); err != nil {
				fmt.Fprintf(c.stdout, "FAIL %s: %s: %v\n", m.ID, all[i].Name, err)
				failed++
				continue
			}
			fmt.Fprintf(c.stdout, "ok   %s: %s\n", m.ID, all[i].Name)
			passed++
		}
	}
	if !any {
		fmt.Fprintf(c.stdout, "--   %s: no tests (testdata/%s.yaml)\n", m.ID, m.ID)
	}
	return passed, failed
}

// runCase runs one case on a signature. Every engine initialises it anew.
func runCase(s detect.Signature, test *cases.Case) error {
	if err := checkNames(test); err != nil {
		return err
	}
	var got []string
	var log strings.Builder
	engine, refused := rules.New(rules.Config{
		Signatures: []detect.Signature{s},
		Log:        slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError})),
		Finding:    func(f detect.Finding) { got = append(got, fmt.Sprint(f.Data)) },
	})
	if err := errors.Join(refused...); err != nil {
		return err
	}
	err := test.Run(engine.Handle)
	engine.Close()
	if err == nil {
		err = test.Compare(got)
	}
	if log.Len() > 0 {
		err = errors.Join(err, errors.New(strings.TrimSpace(log.String())))
	}
	return err
}

// explain says all there is to say about a signature.
func (c *rulesCommand) explain(args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return errors.New("want the id of a signature: tracee-rules explain ID [DIR]")
	}
	set := &rules.Set{}
	dir := c.rulesDir
	if len(args) == 2 {
		dir = args[1]
	}
	if _, err := os.Stat(dir); err == nil {
		set, _ = rules.LoadDir(dir, rules.Options{})
	} else if len(args) == 2 {
		return fmt.Errorf("rules directory %s: %w", dir, errors.Unwrap(err))
	}
	selected, err := selectSignatures(append(signatures.All(), set.Signatures...), args[:1])
	if err != nil {
		return err
	}
	for _, s := range selected {
		if err := c.explainOne(s, set); err != nil {
			return err
		}
	}
	return nil
}

func (c *rulesCommand) explainOne(s detect.Signature, set *rules.Set) error {
	m, err := s.GetMetadata()
	if err != nil {
		return err
	}
	selectors, err := s.GetSelectedEvents()
	if err != nil {
		return err
	}
	from := "built in"
	if place, ok := set.Files[s]; ok {
		from = place.String()
	}
	var b strings.Builder
	about := []string{m.Severity(), from}
	if m.Version != "" {
		about = slices.Insert(about, 1, "version "+m.Version)
	}
	fmt.Fprintf(&b, "%s  %s  (%s)\n", m.ID, m.Name, strings.Join(about, ", "))
	width := lineWidth(c.stdout)
	line := func(text string) { writeLines(&b, "    ", text, width) }
	if m.Description != "" {
		line(m.Description)
	}
	for _, key := range sortedKeys(m.Properties) {
		line(fmt.Sprintf("%s: %v", key, m.Properties[key]))
	}
	if response, benign := saidOf(m); response != "" {
		line("what to do: " + response)
		line("what else causes it: " + benign)
	}
	if len(m.Tags) > 0 {
		line("tags: " + strings.Join(m.Tags, ", "))
	}
	b.WriteString("  looks at\n")
	for _, selector := range selectors {
		writeSelector(&b, selector, width)
	}
	for _, x := range set.Exceptions {
		if slices.Contains(x.Signatures, m.ID) {
			fmt.Fprintf(&b, "  exception of %s until %s: %s\n", x.Owner, x.Expires.Format("2006-01-02"), x.Reason)
		}
	}
	_, err = io.WriteString(c.stdout, b.String())
	return err
}

func writeSelector(b *strings.Builder, s detect.SignatureEventSelector, width int) {
	from := ""
	if s.Origin != "" && s.Origin != "*" {
		from = " from " + s.Origin
	}
	e, ok := events.Lookup(s.Name)
	if !ok {
		fmt.Fprintf(b, "    %s%s%s (no such event here)\n", s.Name, suggest.DidYouMean(s.Name, eventNames()), from)
		return
	}
	writeLines(b, "    ", s.Name+from+": "+cmp.Or(e.Doc, "the syscall of this name"), width)
	if e.Unseen != "" {
		writeLines(b, "        ", "not seen on the last rung: "+e.Unseen, width)
	}
}
