package cases

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func read(t *testing.T, text string) ([]Case, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Read(path)
}

// A case with a name that is misspelt would say what nobody meant, and might never fail.
func TestMisspeltNamesAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"- name: a\n  events: []\n  wants: [x]\n":                        `line 3: unknown field "wants"`,
		"- name: a\n  events:\n  - {event: openat, processNam: cat}\n":   `line 3: unknown field "processNam"`,
		"- name: a\n  events:\n  - {event: openat, truncated: [path]}\n": `event 1: truncated: the event has no argument "path"`,
	} {
		all, err := read(t, text)
		if err == nil {
			err = all[0].Run(nil)
		}
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

// What a rule can ask of an event, a case can say of it.
func TestEventsOfCasesHaveTheContextOfJSON(t *testing.T) {
	context := map[string]any{
		"timestamp": 1, "threadStartTime": 2, "processorId": 3, "processId": 4, "cgroupId": 5, "threadId": 6, "parentProcessId": 7,
		"hostProcessId": 8, "hostThreadId": 9, "hostParentProcessId": 10, "userId": 11, "mountNamespace": 12, "pidNamespace": 13,
		"processName": "a", "hostName": "b", "containerId": "c", "containerImage": "d", "containerName": "e", "podName": "f",
		"podNamespace": "g", "podUID": "h", "returnValue": 14, "processEntityId": 15, "parentEntityId": 16, "threadEntityId": 17,
	}
	text, err := json.Marshal(context)
	if err != nil {
		t.Fatal(err)
	}
	all, err := read(t, "- events: ["+string(text)+"]")
	if err != nil {
		t.Fatal(err)
	}
	e, err := all[0].Events[0].Build()
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(e.AppendJSON(nil), &got); err != nil {
		t.Fatal(err)
	}
	for name, want := range context {
		if n, ok := want.(int); ok {
			want = float64(n)
		}
		if got[name] != want {
			t.Errorf("%s: got %v, want %v", name, got[name], want)
		}
	}
}
