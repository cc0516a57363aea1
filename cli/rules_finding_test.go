package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/protocol"
	"github.com/tracee-go/tracee/types/trace"
)

func TestAFindingCanNotForgeAnotherOrDriveTheTerminal(t *testing.T) {
	var text bytes.Buffer
	writeFinding(&text, detect.Finding{
		Data:        map[string]any{"path": "/tmp/\x1b]0;x\x07"},
		Event:       protocol.Event{Payload: &trace.Event{ProcessName: "sh\n\n*** Detection", HostName: "web\xff"}},
		SigMetadata: detect.SignatureMetadata{ID: "TRC-1", Name: "Name"},
	})
	const want = `
Data: map[path:/tmp/\x1b]0;x\a]
Command: sh\n\n*** Detection
Hostname: web\xff
`
	if got := text.String(); !strings.HasSuffix(got, want) {
		t.Errorf("got %s, want at its end %s", got, want)
	}
}
