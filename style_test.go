// Package tracee_test checks what the compiler does not: the rules of CONTRIBUTING.md about imports, sizes, words and
// generated files, and that catalogue and BPF objects name the same programs.
//
// It reads the source only; it needs no privileges, and no compiler but Go's.
package tracee_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/tracee-go/tracee/bpf"
	"github.com/tracee-go/tracee/bpf/packed"
	"github.com/tracee-go/tracee/events"
)

const (
	module           = "github.com/tracee-go/tracee"
	maxFileLines     = 600
	maxFunctionLines = 60
	maxBPFColumns    = 120
	tabColumns       = 8
)

// tables are files that are long because they hold one row per thing.
var tables = []string{"events/syscalls.go", "bpf/kernel/vmlinux.h"}

// A goFile is a parsed file of the module.
type goFile struct {
	path      string // from the root, with slashes
	text      []byte
	syntax    *ast.File
	positions *token.FileSet
}

func (f *goFile) dir() string     { return path.Dir(f.path) }
func (f *goFile) test() bool      { return strings.HasSuffix(f.path, "_test.go") }
func (f *goFile) generated() bool { return ast.IsGenerated(f.syntax) }
func (f *goFile) command() bool   { return f.syntax.Name.Name == "main" }

func (f *goFile) lines(n ast.Node) int {
	return f.positions.Position(n.End()).Line - f.positions.Position(n.Pos()).Line + 1
}

// longestTable counts the lines of the longest composite literal in a function: the cases of a test.
func (f *goFile) longestTable(function *ast.FuncDecl) int {
	longest := 0
	ast.Inspect(function, func(n ast.Node) bool {
		if table, ok := n.(*ast.CompositeLit); ok {
			longest = max(longest, f.lines(table))
		}
		return true
	})
	return longest
}

// imports lists what the file imports of this module, as directories from the root, and of others, as paths.
func (f *goFile) imports() (inside, outside []string) {
	for _, spec := range f.syntax.Imports {
		name := strings.Trim(spec.Path.Value, `"`)
		switch dir, ok := strings.CutPrefix(name, module+"/"); {
		case ok:
			inside = append(inside, dir)
		case name == module:
			inside = append(inside, ".")
		default:
			outside = append(outside, name)
		}
	}
	return inside, outside
}

// find lists the files of the tree with one of the suffixes, without hidden directories and build output.
func find(suffixes ...string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := strings.HasPrefix(entry.Name(), ".") && name != "."
		if entry.IsDir() && (hidden || name == "dist") {
			return fs.SkipDir
		}
		matches := func(suffix string) bool { return strings.HasSuffix(name, suffix) }
		if !entry.IsDir() && slices.ContainsFunc(suffixes, matches) {
			found = append(found, filepath.ToSlash(name))
		}
		return nil
	})
	return found, err
}

// parseModule parses all Go files once.
var parseModule = sync.OnceValues(func() ([]*goFile, error) {
	names, err := find(".go")
	if err != nil {
		return nil, err
	}
	var files []*goFile
	for _, name := range names {
		f := &goFile{path: name, positions: token.NewFileSet()}
		if f.text, err = os.ReadFile(name); err != nil {
			return nil, err
		}
		if f.syntax, err = parser.ParseFile(f.positions, name, f.text, parser.ParseComments); err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
})

func goFiles(t *testing.T) []*goFile {
	t.Helper()
	files, err := parseModule()
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// A cFile is a hand-written file of the kernel side.
type cFile struct {
	path  string
	lines []string
}

func cFiles(t *testing.T) []cFile {
	t.Helper()
	names, err := find(".c", ".h")
	if err != nil {
		t.Fatal(err)
	}
	var files []cFile
	for _, name := range names {
		if strings.HasPrefix(name, "bpf/include/") || strings.HasPrefix(name, "bpf/gen/") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, cFile{name, strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")})
	}
	return files
}

// floors of the house, by top-level directory; a package imports from lower floors only.
var floors = map[string]int{
	"cmd": 6, "packaging": 6,
	"cli": 5,
	".":   4, "report": 4, "top": 4,

	"capture": 3, "container": 3, "derive": 3, "output": 3, "policy": 3, "process": 3, "rules": 3, "signatures": 3, "sink": 3, "tracer": 3,

	"filter": 2,

	"bpf": 1, "events": 1, "internal": 1, "stream": 1,

	"types": 0,
}

// room is the part of the house that a package belongs to: within it, packages may import each other.
func room(dir string) string {
	parts := strings.Split(dir, "/")
	if parts[0] == "internal" && len(parts) > 1 {
		return parts[0] + "/" + parts[1]
	}
	return parts[0]
}

func floorOf(dir string) (int, bool) {
	first, _, _ := strings.Cut(dir, "/")
	floor, ok := floors[first]
	return floor, ok
}

func TestImportsGoDown(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.test() || room(f.dir()) == "test" {
			continue
		}
		floor, ok := floorOf(f.dir())
		if !ok {
			t.Errorf("%s: its directory has no floor: add it to the table in style_test.go and to ARCHITECTURE.md", f.path)
			continue
		}
		if f.command() {
			floor = floors["cmd"] // a generator stands above the package it belongs to
		}
		inside, _ := f.imports()
		for _, dir := range inside {
			below, ok := floorOf(dir)
			if room(dir) != room(f.dir()) && (!ok || below >= floor) {
				t.Errorf("%s imports %s, which is not on a lower floor", f.path, dir)
			}
			if room(f.dir()) == "signatures" && room(dir) != "signatures" && room(dir) != "types" {
				t.Errorf("%s imports %s: signatures import types only", f.path, dir)
			}
		}
	}
}

func TestCatalogueAndTypesDoNotKnowTheEBPFLibrary(t *testing.T) {
	for _, f := range goFiles(t) {
		_, outside := f.imports()
		for _, name := range outside {
			knows := strings.HasPrefix(name, "github.com/cilium/ebpf")
			if r := room(f.dir()); knows && (r == "events" || r == "types") {
				t.Errorf("%s imports %s", f.path, name)
			}
		}
	}
}

func TestNoCgo(t *testing.T) {
	for _, f := range goFiles(t) {
		if _, outside := f.imports(); slices.Contains(outside, "C") {
			t.Errorf("%s uses cgo", f.path)
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	lines := map[string]int{} // of the longest package comment, by directory
	for _, f := range goFiles(t) {
		lines[f.dir()] = max(lines[f.dir()], strings.Count(f.syntax.Doc.Text(), "\n"))
	}
	for dir, n := range lines {
		if n < 2 {
			t.Errorf("package %s has a comment of %d lines, want at least 2", dir, n)
		}
	}
}

func TestPackagesAreNamedAfterWhatTheyHold(t *testing.T) {
	meaningless := []string{"util", "utils", "common", "helper", "helpers", "misc", "types"}
	for _, f := range goFiles(t) {
		if name := f.syntax.Name.Name; slices.Contains(meaningless, name) {
			t.Errorf("%s: package %s could hold anything", f.path, name)
		}
	}
}

func TestFilesAndFunctionsAreShort(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.generated() {
			continue
		}
		if n := bytes.Count(f.text, []byte("\n")); n > maxFileLines && !slices.Contains(tables, f.path) {
			t.Errorf("%s has %d lines, more than %d", f.path, n, maxFileLines)
		}
		for _, d := range f.syntax.Decls {
			function, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			n := f.lines(function)
			if f.test() {
				n -= f.longestTable(function)
			}
			if n > maxFunctionLines {
				where := f.positions.Position(function.Pos())
				t.Errorf("%s: %s has %d lines, more than %d", where, function.Name.Name, n, maxFunctionLines)
			}
		}
	}
	for _, f := range cFiles(t) {
		if n := len(f.lines); n > maxFileLines && !slices.Contains(tables, f.path) {
			t.Errorf("%s has %d lines, more than %d", f.path, n, maxFileLines)
		}
		checkCFunctions(t, f)
	}
}

// checkCFunctions relies on the braces of a function's body being alone at the beginning of their lines.
func checkCFunctions(t *testing.T, f cFile) {
	t.Helper()
	start := -1
	for i, line := range f.lines {
		switch {
		case line == "{":
			start = i
		case line == "}" && start >= 0:
			if n := i - start + 2; n > maxFunctionLines {
				t.Errorf("%s:%d: function has %d lines, more than %d", f.path, start, n, maxFunctionLines)
			}
			start = -1
		}
	}
}

// Words for what should be generated or filed instead.
var (
	twinWords = regexp.MustCompile(`(?i)must match|keep(ing)? in sync|kept in sync`)
	looseEnds = regexp.MustCompile(`\b(TODO|FIXME|XXX)\b(\(#\d+\))?`)
)

func TestCommentsPromiseNothing(t *testing.T) {
	for _, f := range goFiles(t) {
		for _, group := range f.syntax.Comments {
			for _, comment := range group.List {
				checkWords(t, f.positions.Position(comment.Pos()).String(), comment.Text)
			}
		}
	}
	for _, f := range cFiles(t) {
		for i, line := range f.lines {
			checkWords(t, fmt.Sprintf("%s:%d", f.path, i+1), line)
		}
	}
}

func checkWords(t *testing.T, where, text string) {
	t.Helper()
	if words := twinWords.FindString(text); words != "" {
		t.Errorf("%s: %q: generate one from the other instead", where, words)
	}
	for _, match := range looseEnds.FindAllStringSubmatch(text, -1) {
		if match[2] == "" {
			t.Errorf("%s: %s without the number of an issue", where, match[1])
		}
	}
}

func TestBPFStyle(t *testing.T) {
	for _, f := range cFiles(t) {
		first := 0
		for first < len(f.lines)-1 && (strings.HasPrefix(f.lines[first], "//go:build") || f.lines[first] == "") {
			first++ // go build would take the file for cgo
		}
		if !strings.Contains(f.lines[first], "SPDX-License-Identifier: GPL-2.0") {
			t.Errorf("%s does not begin with its licence (SPDX-License-Identifier)", f.path)
		}
		if strings.HasSuffix(f.path, ".h") && !slices.Contains(f.lines, "#pragma once") {
			t.Errorf("%s lacks #pragma once", f.path)
		}
		for i, line := range f.lines {
			if strings.Contains(line, "bpf_printk") {
				t.Errorf("%s:%d: bpf_printk", f.path, i+1)
			}
			columns := 0
			for _, c := range line {
				columns++
				if c == '\t' {
					columns += tabColumns - 1 - (columns-1)%tabColumns
				}
			}
			if columns > maxBPFColumns {
				t.Errorf("%s:%d: %d columns, more than %d", f.path, i+1, columns, maxBPFColumns)
			}
		}
	}
}

var treeLine = regexp.MustCompile(`^((?:│   |    )*)[├└]── (\S+)`)

// readmeTree reads the paths that the tree in README.md names, directories with a slash at their end.
func readmeTree(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, tree, ok := strings.Cut(string(text), "\n```\ntracee/\n")
	if !ok {
		t.Fatal("README.md has no tree: a block whose first line is tracee/")
	}
	tree, _, _ = strings.Cut(tree, "```")
	var parents, named []string
	for line := range strings.Lines(tree) {
		match := treeLine.FindStringSubmatch(line)
		if match == nil {
			t.Errorf("README.md: %q is no line of a tree", line)
			continue
		}
		depth := len([]rune(match[1])) / 4
		if depth > len(parents) {
			t.Fatalf("README.md: %s has no parent", match[2])
		}
		parents = append(parents[:depth], match[2])
		named = append(named, strings.Join(parents, ""))
	}
	return named
}

func TestReadmeShowsTheRealTree(t *testing.T) {
	named := readmeTree(t)
	for _, name := range named {
		info, err := os.Stat(name)
		if err != nil {
			t.Errorf("README.md names %s: %v", name, err)
		} else if info.IsDir() != strings.HasSuffix(name, "/") {
			t.Errorf("README.md: a slash ends the names of directories, and of nothing else: %s", name)
		}
	}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if entry.IsDir() {
			name += "/"
		}
		if !strings.HasPrefix(name, ".") && name != "dist/" && !slices.Contains(named, name) {
			t.Errorf("README.md does not name %s", name)
		}
	}
}

func TestGeneratedFilesAreCurrent(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "bpf/gen"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, generator := range [][]string{
		{"./events/gen", root},
		{"./filter/gen", filepath.Join(root, "bpf/gen/filters.h")},
		{"./cli/manual", filepath.Join(root, "docs/man")},
		{"./events/symbols", "events/symbols.txt", filepath.Join(root, "symbols.go")},
	} {
		if output, err := exec.Command("go", append([]string{"run"}, generator...)...).CombinedOutput(); err != nil {
			t.Fatalf("go run %s: %v\n%s", strings.Join(generator, " "), err, output)
		}
	}
	for _, dir := range []string{"bpf/gen", "docs/events", "docs/man"} {
		compareTrees(t, filepath.Join(root, dir), dir)
	}
	want, err := os.ReadFile(filepath.Join(root, "symbols.go"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile("events/symbols.go"); err != nil || !bytes.Equal(got, want) {
		t.Error("events/symbols.go is stale: run make generate")
	}
}

// compareTrees reports how the committed files differ from fresh ones.
func compareTrees(t *testing.T, fresh, committed string) {
	t.Helper()
	names := map[string]bool{}
	for _, dir := range []string{fresh, committed} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			names[entry.Name()] = true
		}
	}
	for name := range names {
		want, err := os.ReadFile(filepath.Join(fresh, name))
		if err != nil {
			t.Errorf("%s/%s is generated by nothing", committed, name)
			continue
		}
		if got, err := os.ReadFile(filepath.Join(committed, name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s/%s is stale: run make generate", committed, name)
		}
	}
}

// dispatchers belong to all syscalls or operations of io_uring, so no declaration names them.
var dispatchers = []string{"sys_enter", "sys_exit", "io_uring_complete"}

func TestCatalogue(t *testing.T) {
	objects, err := filepath.Glob("bpf/tracee_*_bpfel.o" + packed.Suffix)
	if err != nil || len(objects) == 0 {
		t.Fatalf("no BPF objects: %v", err)
	}
	declared := declaredPrograms(t)
	for _, object := range objects {
		spec := readObject(t, object)
		for name, by := range declared {
			program := spec.Programs[name]
			if program == nil {
				t.Errorf("%s has no program %s, which %s declares", object, name, by.event)
				continue
			}
			if by.attach != "" && program.AttachTo != by.attach {
				t.Errorf("%s: program %s attaches to %s, but %s needs it at %s",
					object, name, program.AttachTo, by.event, by.attach)
			}
		}
		for name := range spec.Programs {
			if _, ok := declared[name]; !ok && !slices.Contains(dispatchers, name) {
				t.Errorf("%s: no declaration names program %s", object, name)
			}
		}
	}
}

func readObject(t *testing.T, path string) *ebpf.CollectionSpec {
	t.Helper()
	object, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	read, err := bpf.Read(object)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := read.Spec(func(string, string) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// A declaredProgram is one that a hook of an event names.
type declaredProgram struct {
	event  string
	attach string // what it has to be attached to; empty: whatever its section says
}

// declaredPrograms collects all programs that hooks name, and checks what else hooks name: syscalls.
func declaredPrograms(t *testing.T) map[string]declaredProgram {
	t.Helper()
	declared := map[string]declaredProgram{}
	for _, e := range events.All() {
		for _, hook := range e.Hooks {
			for _, name := range hook.With {
				declared[name] = declaredProgram{event: e.Name}
			}
			for _, tail := range hook.Enter {
				declared[tail.Program] = declaredProgram{e.Name, "sys_enter"}
				checkSyscalls(t, e, tail.Syscalls)
			}
			for _, tail := range hook.Uring {
				declared[tail.Program] = declaredProgram{e.Name, "io_uring_complete"}
				if tail.Unanswered != "" {
					declared[tail.Unanswered] = declaredProgram{e.Name, "io_uring_submit_req"}
				}
				checkOperations(t, e, tail.Operations)
			}
			checkSyscalls(t, e, hook.Exit)
			switch {
			case hook.Program == "":
			case hook.Exit != nil:
				declared[hook.Program] = declaredProgram{e.Name, "sys_exit"}
			case strings.HasSuffix(hook.Program, "_fentry"):
				declared[hook.Program] = declaredProgram{e.Name, strings.TrimSuffix(hook.Program, "_fentry")}
			default:
				declared[hook.Program] = declaredProgram{event: e.Name}
			}
		}
	}
	return declared
}

func checkOperations(t *testing.T, by *events.Event, names []string) {
	t.Helper()
	for _, name := range names {
		if !slices.Contains(events.OperationsOfUring(), name) {
			t.Errorf("%s hooks operation %s, which io_uring does not have", by.Name, name)
		}
	}
}

func checkSyscalls(t *testing.T, by *events.Event, names []string) {
	t.Helper()
	for _, name := range names {
		if e, ok := events.Lookup(name); !ok || !e.Syscall {
			t.Errorf("%s hooks syscall %s, which the catalogue does not have", by.Name, name)
		}
	}
}
