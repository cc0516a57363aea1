package declared

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/tracee-go/tracee/internal/suggest"
)

// MaxFile is the largest file that is read.
const MaxFile = 4 << 20

// What the documents of a file can be.
const (
	KindSignatures = "Signatures"
	KindCEL        = "SignaturesConfig"
	versionOurs    = "tracee/v1"
	versionCEL     = "tracee.aquasecurity.github.io/v1alpha1"
)

// text is a scalar that knows its line.
type text struct {
	value string
	line  int // where the text itself begins
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (t *text) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: want a text", node.Line)
	}
	t.value, t.line = node.Value, node.Line
	if node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		t.line++
	}
	return nil
}

// texts is one text or a list of them.
type texts []text

// UnmarshalYAML implements yaml.Unmarshaler.
func (t *texts) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.SequenceNode {
		var one text
		err := one.UnmarshalYAML(node)
		*t = texts{one}
		return err
	}
	for _, n := range node.Content {
		var one text
		if err := one.UnmarshalYAML(n); err != nil {
			return err
		}
		*t = append(*t, one)
	}
	return nil
}

// namedTexts keeps the order of a mapping.
type namedTexts []struct{ name, value text }

// UnmarshalYAML implements yaml.Unmarshaler.
func (t *namedTexts) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: want a mapping of names to expressions", node.Line)
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		var one struct{ name, value text }
		if err := errors.Join(one.name.UnmarshalYAML(node.Content[i]), one.value.UnmarshalYAML(node.Content[i+1])); err != nil {
			return err
		}
		*t = append(*t, one)
	}
	return nil
}

// fileStep is a condition on events.
type fileStep struct {
	Event   texts      `yaml:"event"`
	When    *text      `yaml:"when"`
	Keep    namedTexts `yaml:"keep"`
	Of      *text      `yaml:"of"`      // distinct
	AtLeast int        `yaml:"atLeast"` // count and distinct
}

// fileSignature is a signature of ours.
type fileSignature struct {
	ID          text           `yaml:"id"`
	Version     string         `yaml:"version"`
	Name        string         `yaml:"name"`
	Description string         `yaml:"description"`
	Severity    *text          `yaml:"severity"`
	Mitre       string         `yaml:"mitre"`
	Tags        []string       `yaml:"tags"`
	Properties  map[string]any `yaml:"properties"`
	Origin      texts          `yaml:"origin"`

	Match    *fileStep  `yaml:"match"`
	Sequence []fileStep `yaml:"sequence"`
	Count    *fileStep  `yaml:"count"`
	Distinct *fileStep  `yaml:"distinct"`
	Unless   *fileStep  `yaml:"unless"`
	Per      *text      `yaml:"per"`
	Within   *text      `yaml:"within"`
	Data     namedTexts `yaml:"data"`
}

// celSignature is a signature of v0.8.3.
type celSignature struct {
	Metadata struct {
		ID          text           `yaml:"id"`
		Version     string         `yaml:"version"`
		Name        string         `yaml:"name"`
		Description string         `yaml:"description"`
		Tags        []string       `yaml:"tags"`
		Properties  map[string]any `yaml:"properties"`
	} `yaml:"metadata"`
	EventSelectors []struct {
		Source text `yaml:"source"`
		Name   text `yaml:"name"`
		Origin text `yaml:"origin"`
	} `yaml:"eventSelectors"`
	Expression text `yaml:"expression"`
}

// Document is one document of a YAML file.
type Document struct {
	Kind    string
	Version string
	Line    int
	body    *yaml.Node
}

// Documents takes a file apart. On an error, those before it are returned as well.
func Documents(raw []byte) ([]Document, error) {
	if len(raw) > MaxFile {
		return nil, &Problem{Line: 1, Text: fmt.Sprintf("the file is larger than %d MiB", MaxFile>>20)}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	var all []Document
	for {
		var node yaml.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, explainYAML(err)
		}
		d, err := newDocument(&node)
		if err != nil {
			return all, err
		}
		all = append(all, d)
	}
}

func newDocument(node *yaml.Node) (Document, error) {
	if node.Kind == yaml.DocumentNode && len(node.Content) == 1 {
		node = node.Content[0]
	}
	d := Document{Line: node.Line, body: node}
	if node.Kind != yaml.MappingNode {
		return d, &Problem{Line: node.Line, Text: "want a mapping with kind, apiVersion and signatures"}
	}
	d.Kind, d.Version = d.scalar("kind"), d.scalar("apiVersion")
	return d, nil
}

func (d Document) field(name string) *yaml.Node {
	for i := 0; i+1 < len(d.body.Content); i += 2 {
		if d.body.Content[i].Value == name {
			return d.body.Content[i+1]
		}
	}
	return nil
}

func (d Document) scalar(name string) string {
	if n := d.field(name); n != nil && n.Kind == yaml.ScalarNode {
		return n.Value
	}
	return ""
}

// List returns the elements of a list field of the document.
func (d Document) List(name string) ([]*yaml.Node, error) {
	n := d.field(name)
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil, &Problem{Line: d.Line, Text: fmt.Sprintf("%s is missing, or no list", name)}
	}
	return n.Content, nil
}

// Decode reads a node into a struct, and refuses fields that the struct does not have.
func Decode(node *yaml.Node, into any) error {
	if err := knownFields(node, reflect.TypeOf(into).Elem()); err != nil {
		return err
	}
	if err := node.Decode(into); err != nil {
		return explainYAML(err)
	}
	return nil
}

var unmarshaler = reflect.TypeFor[yaml.Unmarshaler]()

func knownFields(node *yaml.Node, t reflect.Type) error {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(unmarshaler) {
		return nil
	}
	switch {
	case node.Kind == yaml.AliasNode:
		return knownFields(node.Alias, t)
	case node.Kind == yaml.SequenceNode && t.Kind() == reflect.Slice:
		for _, n := range node.Content {
			if err := knownFields(n, t.Elem()); err != nil {
				return err
			}
		}
	case node.Kind == yaml.MappingNode && t.Kind() == reflect.Struct:
		return knownKeys(node, t)
	}
	return nil
}

func knownKeys(node *yaml.Node, t reflect.Type) error {
	fields := map[string]reflect.Type{}
	var names []string
	for f := range t.Fields() {
		if name := f.Tag.Get("yaml"); name != "" {
			fields[name] = f.Type
			names = append(names, name)
		}
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		inner, ok := fields[key.Value]
		if !ok && key.Value != "<<" {
			return &Problem{Line: key.Line, Text: fmt.Sprintf("unknown field %q%s", key.Value, suggest.DidYouMean(key.Value, names))}
		}
		if ok {
			if err := knownFields(node.Content[i+1], inner); err != nil {
				return err
			}
		}
	}
	return nil
}

var yamlLine = regexp.MustCompile(`line (\d+): `)

// explainYAML turns an error of the YAML library into where and what.
func explainYAML(err error) error {
	message := strings.TrimPrefix(strings.Join(strings.Fields(err.Error()), " "), "yaml: ")
	message = strings.TrimPrefix(message, "unmarshal errors: ")
	line := 1
	if m := yamlLine.FindStringSubmatchIndex(message); m != nil {
		line, _ = strconv.Atoi(message[m[2]:m[3]])
		message = message[:m[0]] + message[m[1]:]
	}
	return &Problem{Line: line, Text: message}
}
