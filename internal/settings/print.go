package settings

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// Print writes the values that flags have as a file that gives them, each with what its help says. Sections of the file
// follow, as they are.
func Print(flags *pflag.FlagSet, file *File, sections ...string) ([]byte, error) {
	root := &yaml.Node{Kind: yaml.MappingNode}
	for _, s := range Describe(flags) {
		key := text(s.Key)
		key.HeadComment = s.Does
		root.Content = append(root.Content, key, valueOf(s.Flag))
	}
	for _, name := range sections {
		if value := file.Section(name); value != nil {
			root.Content = append(root.Content, text(name), value)
		}
	}
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(root); err != nil {
		return nil, fmt.Errorf("print the configuration: %w", err)
	}
	return b.Bytes(), nil
}

func text(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	return n
}

func valueOf(f *pflag.Flag) *yaml.Node {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for _, value := range list.GetSlice() {
			n.Content = append(n.Content, quoted(value))
		}
		if len(n.Content) == 0 {
			n.Style = yaml.FlowStyle
		}
		return n
	}
	value := f.Value.String()
	if t, ok := tags[f.Value.Type()]; ok {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: t.tag, Value: value}
	}
	return quoted(value)
}

// quoted is a text between quotes where it would else be read as something else. Of several lines, those that begin with a
// tab can not be written as a block.
func quoted(s string) *yaml.Node {
	n := text(s)
	if _, err := strconv.ParseFloat(s, 64); err == nil || s == "" || strings.ContainsFunc(s, unicode.IsControl) {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}
