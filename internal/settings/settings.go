// Package settings reads and writes configuration files: YAML whose keys are the flags of a command.
//
// Start from Read and File.Apply. A file is a mapping; a key is the long name of a flag, and takes what the flag takes: a
// scalar, or a list if the flag may be repeated. Nothing is ignored: an unknown key, a key that is given twice or a value
// of another type is a Problem with its line, and all problems are told, not only the first. What a flag on the command
// line says wins over the file, whole lists too. Files are bounded, and aliases, of which small files can make large
// documents, are refused.
package settings

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// MaxFile is how large a file may be.
const MaxFile = 1 << 20

// A Problem is what is wrong with a line of a file.
type Problem struct {
	Path string
	Line int
	Text string
}

func (p Problem) Error() string { return fmt.Sprintf("%s:%d: %s", p.Path, p.Line, p.Text) }

// Problems are all that is wrong, in the order of the file.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Sorted are the problems by files, in the order of their first ones, and lines.
func (p Problems) Sorted() Problems {
	first := map[string]int{}
	for i := range p {
		if _, ok := first[p[i].Path]; !ok {
			first[p[i].Path] = i
		}
	}
	return slices.SortedStableFunc(slices.Values(p), func(a, b Problem) int {
		return cmp.Or(cmp.Compare(first[a.Path], first[b.Path]), cmp.Compare(a.Line, b.Line))
	})
}

// OrNil is the problems as an error, nil if there are none.
func (p Problems) OrNil() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

// File is a file that was read.
type File struct {
	Path string
	root *yaml.Node // a mapping, nil if the file is empty
}

// Read reads a file. The error is a Problems if the file is there, but is no mapping.
func Read(path string) (*File, error) {
	content, err := Content(path)
	if err != nil {
		return nil, err
	}
	documents, problems := Parse(path, content)
	switch {
	case len(problems) > 0:
		return nil, problems
	case len(documents) == 0:
		return &File{Path: path}, nil
	case len(documents) > 1:
		return nil, Problems{{path, documents[1].Line, "a second document: a configuration is one"}}
	case documents[0].Kind != yaml.MappingNode:
		return nil, Problems{{path, documents[0].Line, "want a mapping: lines of key: value"}}
	}
	return &File{Path: path, root: documents[0]}, nil
}

// Content reads a file of at most MaxFile bytes.
func Content(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, MaxFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(content) > MaxFile:
		return nil, Problems{{path, 1, fmt.Sprintf("the file is larger than %d MiB", MaxFile>>20)}}
	}
	return content, nil
}

// Parse takes YAML apart into its documents, the empty ones left out. None of them has an alias.
func Parse(path string, content []byte) (documents []*yaml.Node, problems Problems) {
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	for {
		var node yaml.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err != nil {
			return nil, Problems{explain(path, err)}
		}
		if node.Kind != yaml.DocumentNode || len(node.Content) != 1 || node.Content[0].Tag == "!!null" {
			continue
		}
		if alias := findAlias(&node); alias != nil {
			return nil, Problems{{path, alias.Line, "aliases (*" + alias.Value + ") are not read: write the value out"}}
		}
		documents = append(documents, node.Content[0])
	}
}

func findAlias(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n
	}
	for _, inner := range n.Content {
		if found := findAlias(inner); found != nil {
			return found
		}
	}
	return nil
}

var yamlLine = regexp.MustCompile(`line (\d+): `)

// explain turns an error of the YAML library into a problem.
func explain(path string, err error) Problem {
	message := strings.TrimPrefix(strings.Join(strings.Fields(err.Error()), " "), "yaml: ")
	line := 1
	if m := yamlLine.FindStringSubmatchIndex(message); m != nil {
		line, _ = strconv.Atoi(message[m[2]:m[3]])
		message = message[:m[0]] + message[m[1]:]
	}
	return Problem{path, line, message}
}

// onlyFlag marks flags that have no key.
const onlyFlag = "only on the command line"

// OnlyFlags says which flags have no key: those that ask for something else than to run.
func OnlyFlags(flags *pflag.FlagSet, names ...string) {
	for _, name := range names {
		if err := flags.SetAnnotation(name, onlyFlag, nil); err != nil {
			panic(err) // of a flag that is not declared
		}
	}
}

func hasKey(f *pflag.Flag) bool {
	_, without := f.Annotations[onlyFlag]
	return !without
}

// Keys are the keys of the flags, in the order of their declarations.
func Keys(flags *pflag.FlagSet) []string {
	var keys []string
	flags.VisitAll(func(f *pflag.Flag) {
		if hasKey(f) {
			keys = append(keys, f.Name)
		}
	})
	return keys
}

// A Hint tells what may have been meant by a name that is unknown: package suggest has one.
type Hint func(given string, known []string) string

// Apply gives the flags the values of the file, but for those that were given already. Sections are keys that are no
// flags', which the caller reads by Section.
func (f *File) Apply(flags *pflag.FlagSet, hint Hint, sections ...string) error {
	if f.root == nil {
		return nil
	}
	known := append(Keys(flags), sections...)
	byKey := map[string]*pflag.Flag{}
	flags.VisitAll(func(flag *pflag.Flag) {
		if hasKey(flag) {
			byKey[flag.Name] = flag
		}
	})
	for _, s := range sections {
		byKey[s] = nil
	}
	given := map[string]int{}
	var problems Problems
	for i := 0; i+1 < len(f.root.Content); i += 2 {
		key, value := f.root.Content[i], f.root.Content[i+1]
		flag, ok := byKey[key.Value]
		switch first := given[key.Value]; {
		case !ok:
			problems = append(problems, f.unknown(key, flags, hint(key.Value, known)))
			continue
		case first > 0:
			problems = append(problems, Problem{f.Path, key.Line, fmt.Sprintf("%s is given twice (also in line %d)", key.Value, first)})
			continue
		}
		given[key.Value] = key.Line
		if flag != nil {
			problems = append(problems, f.set(flags, flag, value)...)
		}
	}
	return problems.OrNil()
}

func (f *File) unknown(key *yaml.Node, flags *pflag.FlagSet, hint string) Problem {
	if flag := flags.Lookup(key.Value); flag != nil {
		if flag.Name == key.Value {
			return Problem{f.Path, key.Line, fmt.Sprintf("%s is a flag only: it has no key", key.Value)}
		}
		return Problem{f.Path, key.Line, fmt.Sprintf("unknown key %q (did you mean %s?)", key.Value, flag.Name)}
	}
	return Problem{f.Path, key.Line, fmt.Sprintf("unknown key %q%s", key.Value, hint)}
}

// set gives a flag what the file says, unless the command line has done so. The file is checked all the same.
func (f *File) set(flags *pflag.FlagSet, flag *pflag.Flag, value *yaml.Node) (problems Problems) {
	values := []*yaml.Node{value}
	repeated := repeats(flag)
	if value.Kind == yaml.SequenceNode && repeated {
		values = value.Content
	}
	fromLine := flag.Changed
	for i, v := range values {
		if wrong := f.wrong(flag, v); wrong != "" {
			problems = append(problems, Problem{f.Path, v.Line, flag.Name + ": " + wrong})
			continue
		}
		if fromLine {
			continue
		}
		if err := setValue(flags, flag, v.Value, i); err != nil {
			problems = append(problems, Problem{f.Path, v.Line, fmt.Sprintf("%s: %q: want %s", flag.Name, v.Value, wants(flag))})
		}
	}
	if len(values) == 0 && !fromLine {
		if list, ok := flag.Value.(pflag.SliceValue); ok { // it stands for none, whatever the default
			_ = list.Replace(nil)
			flag.Changed = true
		}
	}
	return problems
}

// setValue is the flag's Set; the first of several replaces a default.
func setValue(flags *pflag.FlagSet, flag *pflag.Flag, value string, i int) error {
	if list, ok := flag.Value.(pflag.SliceValue); ok {
		if i == 0 {
			flag.Changed = true
			return list.Replace([]string{value})
		}
		return list.Append(value)
	}
	return flags.Set(flag.Name, value)
}

func repeats(flag *pflag.Flag) bool {
	_, ok := flag.Value.(pflag.SliceValue)
	return ok
}

// tags are the types of YAML that a flag takes, by its own type; texts for all others.
var tags = map[string]struct{ tag, wants string }{
	"bool": {"!!bool", "true or false"},
	"int":  {"!!int", "a whole number"},
	"uint": {"!!int", "a whole number that is not negative"},
}

func wants(flag *pflag.Flag) string {
	switch t, ok := tags[flag.Value.Type()]; {
	case ok:
		return t.wants
	case flag.Value.Type() == "duration":
		return "a time, as 10s"
	case repeats(flag):
		return "a text, or a list of texts"
	default:
		return "a text"
	}
}

// wrong says why a value can not be the flag's; empty: its type is right.
func (f *File) wrong(flag *pflag.Flag, v *yaml.Node) string {
	want := wants(flag)
	if v.Kind != yaml.ScalarNode {
		return "want " + want + ", not " + map[yaml.Kind]string{yaml.SequenceNode: "a list", yaml.MappingNode: "a mapping"}[v.Kind]
	}
	t, ok := tags[flag.Value.Type()]
	switch {
	case ok && v.Tag != t.tag:
		return fmt.Sprintf("%q: want %s", v.Value, want)
	case ok, v.Tag == "!!str" && v.Value != "help":
		return ""
	case v.Tag == "!!str":
		return "help is for the command line"
	case flag.Value.Type() == "duration" && v.Tag == "!!int" && v.Value == "0":
		return ""
	case v.Tag == "!!null":
		return "want " + want + ", not nothing"
	case flag.Value.Type() == "duration":
		return fmt.Sprintf("%s: want %s", v.Value, want)
	default:
		return fmt.Sprintf("%s: want %s (write it between quotes)", v.Value, want)
	}
}

// Section returns the value of a key that is no flag's; nil if the file has none.
func (f *File) Section(name string) *yaml.Node {
	if f == nil || f.root == nil {
		return nil
	}
	for i := 0; i+1 < len(f.root.Content); i += 2 {
		if f.root.Content[i].Value == name {
			return f.root.Content[i+1]
		}
	}
	return nil
}

// Line is the line of a key, 0 if the file does not have it.
func (f *File) Line(key string) int {
	if f == nil || f.root == nil {
		return 0
	}
	for i := 0; i+1 < len(f.root.Content); i += 2 {
		if f.root.Content[i].Value == key {
			return f.root.Content[i].Line
		}
	}
	return 0
}
