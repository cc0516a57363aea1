// Package cases reads tests of signatures that are data: events in, findings out.
//
// Start from Read, and Case.Check, which runs one case and says what is wrong. A file is YAML, a list of cases; each begins
// with a fresh signature:
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
package cases

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

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
	EventName           string `yaml:"event"`
	Timestamp           int    `yaml:"timestamp"`
	ThreadStartTime     int    `yaml:"threadStartTime"`
	ProcessorID         int    `yaml:"processorId"`
	CgroupID            uint   `yaml:"cgroupId"`
	ProcessID           int    `yaml:"processId"`
	ThreadID            int    `yaml:"threadId"`
	ParentProcessID     int    `yaml:"parentProcessId"`
	HostProcessID       int    `yaml:"hostProcessId"`
	HostThreadID        int    `yaml:"hostThreadId"`
	HostParentProcessID int    `yaml:"hostParentProcessId"`
	UserID              int    `yaml:"userId"`
	MountNS             int    `yaml:"mountNamespace"`
	PIDNS               int    `yaml:"pidNamespace"`
	ProcessEntityID     uint64 `yaml:"processEntityId"`
	ParentEntityID      uint64 `yaml:"parentEntityId"`
	ThreadEntityID      uint64 `yaml:"threadEntityId"`
	ProcessName         string `yaml:"processName"`
	Executable          string `yaml:"executable"`
	HostName            string `yaml:"hostName"`
	ContainerID         string `yaml:"containerId"`
	ContainerImage      string `yaml:"containerImage"`
	ContainerName       string `yaml:"containerName"`
	PodName             string `yaml:"podName"`
	PodNamespace        string `yaml:"podNamespace"`
	PodUID              string `yaml:"podUID"`
	ContainerStarted    bool   `yaml:"containerStarted"`
	ReturnValue         int    `yaml:"returnValue"`
	Via                 string `yaml:"via"`
	Compat              bool   `yaml:"compat"`

	Truncated []string  `yaml:"truncated"` // names of arguments that are not whole
	Args      yaml.Node `yaml:"args"`      // a mapping; its order is the order of the arguments
}

// Read reads the cases of a file.
func Read(path string) ([]Case, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var all []Case
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	decoder.KnownFields(true) // a misspelt one would make a case that nothing can fail
	if err := decoder.Decode(&all); err != nil && !errors.Is(err, io.EOF) {
		text := strings.TrimPrefix(err.Error(), "yaml: unmarshal errors:\n  ")
		text = unknownField.ReplaceAllString(strings.ReplaceAll(text, "\n  ", "; "), `unknown field "$1"`)
		return nil, fmt.Errorf("%s: %s", path, text)
	}
	return all, nil
}

// unknownField is how the decoder says it.
var unknownField = regexp.MustCompile(`field (\S+) not found in type \S+`)

// Run shows the events of the case to a handler, one after the other.
func (c *Case) Run(handle func(*trace.Event)) error {
	for i, described := range c.Events {
		if described == nil {
			return fmt.Errorf("event %d is empty", i+1)
		}
		e, err := described.Build()
		if err != nil {
			return fmt.Errorf("event %d: %w", i+1, err)
		}
		handle(e)
	}
	return nil
}

// Compare says how findings differ from those that the case wants; nil: not at all.
func (c *Case) Compare(got []string) error {
	if !slices.Equal(got, c.Want) {
		return fmt.Errorf("findings: got %q, want %q", got, c.Want)
	}
	return nil
}

// Check runs the case on a fresh signature alone and returns what is wrong.
func (c *Case) Check(s detect.Signature) (wrong []error) {
	var got []string
	if err := s.Init(func(f detect.Finding) { got = append(got, fmt.Sprint(f.Data)) }); err != nil {
		return []error{err}
	}
	selectors, err := s.GetSelectedEvents()
	if err != nil {
		return []error{err}
	}
	err = c.Run(func(e *trace.Event) {
		if !selected(selectors, e) {
			return
		}
		event := protocol.Event{Payload: e}
		event.Headers.Selector = protocol.Selector{Name: e.EventName, Origin: e.Origin(), Source: "tracee"}
		if err := s.OnEvent(event); err != nil {
			wrong = append(wrong, fmt.Errorf("on %s: %w", e.EventName, err))
		}
	})
	if err != nil {
		return append(wrong, err)
	}
	if err := s.OnSignal(detect.SignalSourceComplete("tracee")); err != nil {
		wrong = append(wrong, fmt.Errorf("signal: %w", err))
	}
	s.Close()
	if err := c.Compare(got); err != nil {
		wrong = append(wrong, err)
	}
	return wrong
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
	for _, name := range d.Truncated {
		if schema.Index(name) < 0 {
			return nil, fmt.Errorf("truncated: the event has no argument %q", name)
		}
	}
	var b trace.Builder
	b.Reset(schema)
	for i, value := range values {
		if err := b.Set(i, value); err != nil {
			return nil, err
		}
		if slices.Contains(d.Truncated, schema.Fields[i].Name) {
			b.Truncate(i)
		}
	}
	e := &trace.Event{
		Timestamp: d.Timestamp, ProcessID: d.ProcessID, ThreadID: d.ThreadID, ParentProcessID: d.ParentProcessID,
		HostProcessID: d.HostProcessID, HostThreadID: d.HostThreadID, HostParentProcessID: d.HostParentProcessID,
		UserID: d.UserID, ProcessName: d.ProcessName, Executable: d.Executable, HostName: d.HostName,
		ContainerID: d.ContainerID, ContainerImage: d.ContainerImage, ReturnValue: d.ReturnValue, Via: d.Via,
		Compat: d.Compat, ParseArguments: true,

		ThreadStartTime: d.ThreadStartTime, ProcessorID: d.ProcessorID, CgroupID: d.CgroupID, MountNS: d.MountNS, PIDNS: d.PIDNS,
		ProcessEntityID: d.ProcessEntityID, ParentEntityID: d.ParentEntityID, ThreadEntityID: d.ThreadEntityID,
		ContainerName: d.ContainerName, PodName: d.PodName, PodNamespace: d.PodNamespace, PodUID: d.PodUID,
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
