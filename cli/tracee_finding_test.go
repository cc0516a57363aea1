package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/sink/schema"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/protocol"
	"github.com/tracee-go/tracee/types/trace"
)

// found is a finding about the connection of a program that chose its names to deceive.
func found(t *testing.T) detect.Finding {
	t.Helper()
	schema, ok := events.Lookup("openat")
	if !ok {
		t.Fatal("no openat")
	}
	var b trace.Builder
	b.Reset(schema.Schema())
	if err := b.Set(1, "/tmp/\x1b[2J\n"+strings.Repeat("x", 2*argumentShown)); err != nil {
		t.Fatal(err)
	}
	e := &trace.Event{
		Timestamp: int(time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC).UnixNano()), EventID: schema.ID, EventName: "openat",
		ProcessName: "a\nb", HostName: "host", HostProcessID: 7, HostParentProcessID: 1, UserID: 1000,
		ContainerID: strings.Repeat("c", 64),
	}
	b.Finish(e)
	return detect.Finding{
		Data:  map[string]any{"port": "4444", "ip": "127.0.0.1"},
		Event: protocol.Event{Payload: e},
		SigMetadata: detect.SignatureMetadata{
			ID: "TRC-1", Version: "0.1.0", Name: "Standard Input/Output Over Socket", Description: "what it is",
			Properties: map[string]any{"Severity": 3},
		},
	}
}

func TestTextOfAFindingSaysWhatWhoAndHow(t *testing.T) {
	f := found(t)
	when := schema.EventTime(f.Event.Payload.(*trace.Event)).Format("15:04:05.000")
	want := when + `  high      TRC-1  Standard Input/Output Over Socket
    what it is
    process  a\nb (pid 7, parent 1, uid 1000) in container cccccccccccc on host
    event    openat pathname=/tmp/\x1b[2J\n` + strings.Repeat("x", argumentShown-len("/tmp/\x1b[2J\n")) + `…
    data     ip=127.0.0.1 port=4444
`
	if got := string(renderFinding("text", f, false)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestFindingWithoutSeverityIsUnrated(t *testing.T) {
	for value, want := range map[any]string{0: "info", json.Number("4"): "critical", 5: "unrated", "high": "unrated", nil: "unrated"} {
		m := detect.SignatureMetadata{Properties: map[string]any{"Severity": value}}
		if got := m.Severity(); got != want {
			t.Errorf("%v: got %s, want %s", value, got, want)
		}
	}
}

func TestJSONOfAFindingIsOneLine(t *testing.T) {
	line := string(renderFinding("json", found(t), false))
	const want = `{"time":"2026-01-02T03:04:05.000000006Z","signature":{"id":"TRC-1","version":"0.1.0",` +
		`"name":"Standard Input/Output Over Socket","description":"what it is","tags":null,"properties":{"Severity":3}},` +
		`"data":{"ip":"127.0.0.1","port":"4444"},"event":{"timestamp":`
	if !strings.HasPrefix(line, want) || strings.Count(line, "\n") != 1 || !json.Valid([]byte(line)) {
		t.Errorf("got %s, want a line that begins with %s", line, want)
	}
}

func TestDataThatHasNoJSONDoesNotHideTheFinding(t *testing.T) {
	f := found(t)
	f.Data = map[string]any{"channel": make(chan int)}
	var got struct {
		Signature struct{ ID string }
		Data      map[string]string
	}
	if err := json.Unmarshal(renderFinding("json", f, false), &got); err != nil {
		t.Fatal(err)
	}
	if got.Signature.ID != "TRC-1" || !strings.Contains(got.Data["error"], "can not be shown") {
		t.Errorf("got %+v", got)
	}
}

// A rule of a user's may give a finding about anything.
func TestFindingWithoutAnEventIsRendered(t *testing.T) {
	f := found(t)
	f.Event.Payload = "something else"
	for _, format := range []string{"text", "json"} {
		if got := string(renderFinding(format, f, false)); !strings.Contains(got, "TRC-1") {
			t.Errorf("%s: got %q", format, got)
		}
	}
}
