// Package detecttest tests signatures by data: events in, findings out.
//
// Start from Run, which works alike for signatures written in Go and in any rule language. A test file is YAML, a list
// of cases; each case begins with a fresh signature:
//
//   - name: a process asks its parent to trace it
//     events:
//   - event: ptrace
//     processName: strace
//     args: {request: PTRACE_TRACEME}
//     want: ["map[]"]
//
// An event has the field names of the JSON format. Arguments are given by their values, in the form of parse-arguments:
// a string, a whole number, a boolean, a list of strings, bytes (!!binary, in base64), or a map of strings, which is a
// socket address; what travels as JSON is its type and the JSON: !document '[]trace.HookedSymbolData [{"SymbolName": "kill"}]'.
// Findings are compared by their Data as it is printed.
package detecttest

import (
	"encoding/base64"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/protocol"
	"github.com/tracee-go/tracee/types/trace"
)

// Case is one test of a signature.
type Case struct {
	Name   string   `yaml:"name"`
	Events []*Event `yaml:"events"`
	Want   []string `yaml:"want"` // the Data of the findings, as printed
}

// Event describes an event in a test file.
type Event struct {
	EventName        string `yaml:"event"`
	Timestamp        int    `yaml:"timestamp"`
	ProcessID        int    `yaml:"processId"`
	ThreadID         int    `yaml:"threadId"`
	HostProcessID    int    `yaml:"hostProcessId"`
	HostThreadID     int    `yaml:"hostThreadId"`
	HostParentID     int    `yaml:"hostParentProcessId"`
	UserID           int    `yaml:"userId"`
	ProcessName      string `yaml:"processName"`
	ContainerID      string `yaml:"containerId"`
	ContainerStarted bool   `yaml:"containerStarted"`
	ReturnValue      int    `yaml:"returnValue"`
	Executable       string `yaml:"executable"`
	Via              string `yaml:"via"`
	Compat           bool   `yaml:"compat"`

	Args yaml.Node `yaml:"args"` // a mapping; its order is the order of the arguments
}

// Run runs the cases of a file, each as a subtest, on signatures that the function makes.
func Run(t *testing.T, path string, signature func() detect.Signature) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var cases []Case
	if err := yaml.Unmarshal(raw, &cases); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) { c.run(t, signature()) })
	}
}

func (c *Case) run(t *testing.T, s detect.Signature) {
	t.Helper()
	var got []string
	if err := s.Init(func(f detect.Finding) { got = append(got, fmt.Sprint(f.Data)) }); err != nil {
		t.Fatal(err)
	}
	selectors, err := s.GetSelectedEvents()
	if err != nil {
		t.Fatal(err)
	}
	for i, described := range c.Events {
		e, err := described.Build()
		if err != nil {
			t.Fatalf("event %d: %v", i+1, err)
		}
		if !selected(selectors, e) {
			continue
		}
		event := protocol.Event{Payload: e}
		event.Headers.Selector = protocol.Selector{Name: e.EventName, Origin: e.Origin(), Source: "tracee"}
		if err := s.OnEvent(event); err != nil {
			t.Errorf("event %d: %v", i+1, err)
		}
	}
	if err := s.OnSignal(detect.SignalSourceComplete("tracee")); err != nil {
		t.Errorf("signal: %v", err)
	}
	s.Close()
	if !slices.Equal(got, c.Want) {
		t.Errorf("findings: got %q, want %q", got, c.Want)
	}
}

func selected(selectors []detect.SignatureEventSelector, e *trace.Event) bool {
	return slices.ContainsFunc(selectors, func(s detect.SignatureEventSelector) bool {
		return s.Source == "tracee" && (s.Name == e.EventName || s.Name == "*" || s.Name == "") &&
			(s.Origin == e.Origin() || s.Origin == "*" || s.Origin == "")
	})
}

var (
	textType     = &trace.Type{Name: "const char*", Kind: trace.String}
	numberType   = &trace.Type{Name: "long", Kind: trace.Int64}
	boolType     = &trace.Type{Name: "bool", Kind: trace.Bool}
	bytesType    = &trace.Type{Name: "bytes", Kind: trace.Bytes}
	listType     = &trace.Type{Name: "const char**", Kind: trace.Strings}
	sockaddrType = &trace.Type{Name: "struct sockaddr*", Kind: trace.Sockaddr}
)

// Build makes the event that is described.
func (d *Event) Build() (*trace.Event, error) {
	schema := &trace.Schema{Name: d.EventName}
	var values []any
	for i := 0; i+1 < len(d.Args.Content); i += 2 {
		t, value, err := argument(d.Args.Content[i+1])
		if err != nil {
			return nil, err
		}
		schema.Fields = append(schema.Fields, trace.Field{Name: d.Args.Content[i].Value, Type: t})
		values = append(values, value)
	}
	var b trace.Builder
	b.Reset(schema)
	for i, value := range values {
		if err := b.Set(i, value); err != nil {
			return nil, err
		}
	}
	e := &trace.Event{
		Timestamp: d.Timestamp, ProcessID: d.ProcessID, ThreadID: d.ThreadID, HostProcessID: d.HostProcessID,
		HostThreadID: d.HostThreadID, ProcessName: d.ProcessName, ContainerID: d.ContainerID,
		ReturnValue: d.ReturnValue, ParseArguments: true, HostParentProcessID: d.HostParentID, UserID: d.UserID,
		Executable: d.Executable, Via: d.Via, Compat: d.Compat,
	}
	e.ContextFlags.ContainerStarted = d.ContainerStarted
	b.Finish(e)
	return e, nil
}

func argument(node *yaml.Node) (*trace.Type, any, error) {
	switch {
	case node.Kind == yaml.SequenceNode:
		value, err := decode[[]string](node)
		return listType, value, err
	case node.Kind == yaml.MappingNode:
		value, err := decode[map[string]string](node)
		return sockaddrType, value, err
	case node.Tag == "!!int":
		value, err := decode[int](node)
		return numberType, value, err
	case node.Tag == "!!binary":
		value, err := base64.StdEncoding.DecodeString(node.Value)
		return bytesType, value, err
	case node.Tag == "!document":
		name, value, _ := strings.Cut(node.Value, " ")
		return &trace.Type{Name: name, Kind: trace.Document}, []byte(value), nil
	case node.Tag == "!!bool":
		value, err := decode[bool](node)
		return boolType, value, err
	default:
		return textType, node.Value, nil
	}
}

func decode[T any](node *yaml.Node) (any, error) {
	var value T
	err := node.Decode(&value)
	return value, err
}
