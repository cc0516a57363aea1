// Command plugin is a Go plugin with one signature: programs that are executed from /dev/shm. Build it from the same
// source as the program that loads it:
//
//	CGO_ENABLED=1 go build -buildmode=plugin -o rules/shm.so ./rules/testdata/plugin
package main

import (
	"strings"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/protocol"
	"github.com/tracee-go/tracee/types/trace"
)

// ExportedSignatures is what the engine looks for.
var ExportedSignatures = []detect.Signature{&fromMemory{}}

type fromMemory struct{ found detect.SignatureHandler }

func (s *fromMemory) GetMetadata() (detect.SignatureMetadata, error) {
	return detect.SignatureMetadata{
		ID: "GO-1", Version: "0.1.0", Name: "Executed from shared memory",
		Properties: map[string]any{"Severity": 2},
	}, nil
}

func (s *fromMemory) GetSelectedEvents() ([]detect.SignatureEventSelector, error) {
	return []detect.SignatureEventSelector{{Source: "tracee", Name: "sched_process_exec"}}, nil
}

func (s *fromMemory) Init(handler detect.SignatureHandler) error { s.found = handler; return nil }
func (s *fromMemory) OnSignal(detect.Signal) error               { return nil }
func (s *fromMemory) Close()                                     {}

func (s *fromMemory) OnEvent(event protocol.Event) error {
	e, ok := event.Payload.(*trace.Event) // valid until OnEvent returns; Clone keeps it
	if !ok {
		return nil
	}
	path, ok := e.Lookup("pathname")
	if ok && strings.HasPrefix(path.Text(), "/dev/shm/") {
		s.found(detect.Finding{Data: map[string]any{"path": path.Text()}, Event: event})
	}
	return nil
}

func main() {}
