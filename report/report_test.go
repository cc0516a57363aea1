package report

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tracee-go/tracee/types/trace"
)

// of makes a recording of texts.
func of(texts ...string) (inputs []Input) {
	for i, text := range texts {
		inputs = append(inputs, Input{
			Name: fmt.Sprintf("recording %d", i),
			Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil },
		})
	}
	return inputs
}

func write(t *testing.T, inputs []Input) (string, Summary) {
	t.Helper()
	var b strings.Builder
	summary, err := Write(&b, Config{Inputs: inputs, Made: time.Unix(0, 0), Version: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), summary
}

const begin = 1_790_000_000_000_000_000 // ns since the epoch

// anEvent is a line about a process, so many ms after the beginning. All of its texts are the given one.
func anEvent(pid, parent, ms int, name, text string) string {
	line, _ := json.Marshal(map[string]any{
		"timestamp": begin + ms*1_000_000, "hostProcessId": pid, "hostThreadId": pid, "hostParentProcessId": parent, "processName": text,
		"hostName": text, "containerId": text, "containerImage": text, "containerName": text, "podName": text, "podNamespace": text,
		"eventId": "1", "eventName": name, "executable": map[string]string{"path": text}, "returnValue": -2,
		"args": []map[string]any{
			{"name": "pathname", "type": "const char*", "value": text},
			{"name": "argv", "type": "const char*const*", "value": []string{text, text}},
			{"name": "env", "type": "const char*const*", "value": []string{text}},
			{"name": text + "x", "type": "const char*", "value": text},
		},
	})
	return string(line) + "\n"
}

// aFinding is a line about a process.
func aFinding(id string, severity, pid, ms int, text string) string {
	process := map[string]any{"pid": pid, "name": text, "executable": text, "arguments": []string{text, text}, "user": 0}
	line, _ := json.Marshal(map[string]any{
		"time": time.Unix(0, begin+int64(ms)*1_000_000).UTC().Format(time.RFC3339Nano),
		"signature": map[string]any{
			"id": id, "name": "name of " + id + text, "description": text, "tags": []string{text},
			"properties": map[string]any{"Severity": severity, "MITRE ATT&CK": text, "Technique": text},
		},
		"data":    map[string]any{"path" + text: text, "deep": map[string]any{text: []string{text}}},
		"event":   json.RawMessage(anEvent(pid, 1, ms, "security_file_open", text)),
		"process": process, "ancestors": []any{map[string]any{"pid": 1, "name": text, "arguments": []string{text}}},
		"repeated": 3, "lostNearby": 4,
	})
	return string(line) + "\n"
}

func anArtifact(pid int, text string) string {
	line, _ := json.Marshal(map[string]any{
		"time": begin, "state": "captured", "kind": "exec" + text, "artifact": "host/" + text, "pathname": text, "sha256": text, "reason": text,
		"processName": text, "hostProcessId": pid, "finding": "T-1", "size": 3,
	})
	return string(line) + "\n"
}

// everything is a recording with all that there can be, whose texts are the given one.
func everything(text string) string {
	return aFinding("T-1", 4, 7, 20, text) + aFinding("T-2"+text, 9, 7, 21, text) + anEvent(7, 1, 10, "openat", text) +
		anEvent(8, 7, 30, "sched_process_exec", text) + anEvent(8, 7, 31, "openat", text) + anEvent(99, 1, 40, "made_up_"+text, text) +
		anEvent(99, 1, 41, "lost_events", text) + anArtifact(7, text) + "{" + text + "\n"
}

// hostile is what somebody may call a file to take over the page that shows it.
const hostile = `</script></style></title><script>document.title="owned"</script><img src="x" onerror="document.title='owned'">` +
	`" onmouseover="document.title='owned'" x="'><svg/onload=document.title='owned'>javascript:alert(1){{.Head}}<!--` +
	"\x00\x1b[2J\u202e\u2028&#60;"

var (
	tags   = regexp.MustCompile(`<[^>]*>`)
	quoted = regexp.MustCompile(`"[^"]*"`)
)

// skeleton is the tags of a page with the names of their attributes.
func skeleton(page string) (found []string) {
	for _, tag := range tags.FindAllString(page, -1) {
		found = append(found, quoted.ReplaceAllString(tag, `""`))
	}
	return found
}

func TestTextsOfARecordingAreNothingButText(t *testing.T) {
	page, _ := write(t, of(everything(hostile)))
	harmless, _ := write(t, of(everything("abc")))
	if diff := cmp.Diff(skeleton(harmless), skeleton(page)); diff != "" {
		t.Errorf("texts change the page (-harmless +hostile):\n%s", diff)
	}
	if !strings.Contains(page, "document.title=") || strings.Contains(page, "\x1b") || strings.Contains(page, "\u202e") {
		t.Error("the texts are not shown, or drive whatever shows them")
	}
	for _, link := range regexp.MustCompile(`(?:href|src)="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if !strings.HasPrefix(link[1], "#") {
			t.Errorf("a text became the link %s", link[1])
		}
	}
}

func TestPolicyAllowsThePagesOwnScriptOnly(t *testing.T) {
	page, _ := write(t, of(everything("abc")))
	between := func(begin, end string) string {
		_, rest, _ := strings.Cut(page, begin)
		text, _, _ := strings.Cut(rest, end)
		return text
	}
	for _, text := range []string{between("<style>", "</style>"), between("<script>", "</script>")} {
		if !strings.Contains(page, "'"+hash(text)+"'") {
			t.Errorf("the policy does not allow what begins with %.40q", text)
		}
	}
	if !strings.Contains(page, `content="default-src 'none';`) || strings.Contains(page, "unsafe") || strings.Contains(page, ` style="`) {
		t.Error("the policy allows more than it should, or does not allow what is there")
	}
}

func TestPageTellsWhatTheRecordingHas(t *testing.T) {
	page, summary := write(t, of(everything("abc")))
	if want := (Summary{Events: 4, Findings: 2, Artifacts: 1, Broken: 1}); summary != want {
		t.Errorf("summary: got %+v, want %+v", summary, want)
	}
	for _, want := range []string{
		"<b>1</b> critical", "<b>1</b> unrated", "name of T-1abc", "1 record", "were lost", "3 repeats", "4 events shortly before",
		"host/abc", "made_up_abc", `href="#f-1"`, `id="f-1"`, "ENOENT", "found here",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not have %q", want)
		}
	}
}

func TestEndsOfProcessesAreSaidInWords(t *testing.T) {
	for code, want := range map[int]string{0: "", 1 << 8: "· exit 1", 127 << 8: "· exit 127", 9: "· killed by SIGKILL", 128 | 11: "· killed by SIGSEGV", 100: "· killed by signal 100"} {
		line := fmt.Sprintf(`{"timestamp":1,"hostProcessId":7,"hostThreadId":7,"processName":"x","eventId":"1","eventName":"sched_process_exit","args":[{"name":"exit_code","type":"long","value":%d}]}`, code)
		page, _ := write(t, of(line+"\n"))
		if got := regexp.MustCompile(`· (exit|killed)[^<]*`).FindString(page); got != want {
			t.Errorf("%d is shown as %q, want %q", code, got, want)
		}
	}
}

func TestMarksAreExplainedWhereThereAreSome(t *testing.T) {
	for lines, want := range map[string]bool{anEvent(7, 1, 1, "openat", "abc"): false, aFinding("T-1", 3, 7, 1, "abc"): true} {
		page, _ := write(t, of(lines))
		if got := strings.Contains(page, "A larger mark"); got != want {
			t.Errorf("explained: %t, want %t", got, want)
		}
	}
}

func TestWhatIsTheSameAgainAndAgainIsOneLine(t *testing.T) {
	lines := aFinding("T-1", 3, 7, 100, "abc")
	for i := range 7 {
		lines += anEvent(7, 1, 10+i, "openat", "abc")
	}
	lines += anEvent(7, 1, 110, "openat", "xyz") + anEvent(7, 1, 111, "openat", "abc") + anEvent(7, 1, 112, "openat", "abc")
	page, _ := write(t, of(lines))
	if rows := strings.Count(page, `<td class="ev`); rows != 3 || !strings.Contains(page, ">7×<") || !strings.Contains(page, ">2×<") {
		t.Errorf("%d rows, want 3, of 7, 1 and 2 events", rows)
	}
}

func TestBuiltInSignaturesSayWhatToDo(t *testing.T) {
	line := strings.ReplaceAll(aFinding("TRC-2301", 4, 7, 20, ""), "name of TRC-2301", "Shell on a connection that it made")
	page, _ := write(t, of(line))
	for _, want := range []string{"What to do", "Isolate the machine", "What else causes it", "https://attack.mitre.org/techniques/T1059/004/"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not have %q", want)
		}
	}
}

func TestRawFindingsOfTraceeRulesAreUnderstood(t *testing.T) {
	line := fmt.Sprintf(`{"Data":{"k":"value-of-k"},"Context":%s,"SigMetadata":{"ID":"TRC-9","Name":"n","Properties":{"Severity":3}}}`,
		strings.TrimSpace(anEvent(5, 1, 1, "openat", "abc")))
	page, summary := write(t, of(line))
	if summary.Findings != 1 || summary.Broken != 0 || !strings.Contains(page, "value-of-k") || !strings.Contains(page, "<b>1</b> high") {
		t.Errorf("got %+v", summary)
	}
}

func TestGobAndPackedRecordingsAreRead(t *testing.T) {
	reader := trace.NewJSONReader(strings.NewReader(anEvent(7, 1, 1, "openat", "abc")+anEvent(8, 7, 2, "openat", "abc")), schema)
	var events bytes.Buffer
	encoder := trace.NewGobWriter(&events)
	var e trace.Event
	for reader.Read(&e) == nil {
		if err := encoder.Write(&e); err != nil {
			t.Fatal(err)
		}
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := io.WriteString(w, aFinding("T-1", 3, 7, 1, "abc")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	_, summary := write(t, of(events.String(), packed.String()))
	if want := (Summary{Events: 2, Findings: 1}); summary != want {
		t.Errorf("summary: got %+v, want %+v", summary, want)
	}
}

func TestRecordingThatBreaksOffIsReportedAsFarAsItGoes(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	for i := range 2000 {
		if _, err := io.WriteString(w, anEvent(i, 1, i, "openat", fmt.Sprint(i*i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	page, summary := write(t, of(packed.String()[:packed.Len()/2]))
	if summary.Events == 0 || !strings.Contains(page, "recording 0 breaks off") {
		t.Errorf("got %+v", summary)
	}
}

func TestNothingIsNoReport(t *testing.T) {
	for _, text := range []string{"", "\n", "not JSON\n{}\n"} {
		if _, err := Write(io.Discard, Config{Inputs: of(text)}); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}

// endless is a recording that is not in memory.
type endless struct {
	lines func(i int) string
	n, i  int
	rest  string
}

func (e *endless) Read(p []byte) (int, error) {
	for e.rest == "" {
		if e.i == e.n {
			return 0, io.EOF
		}
		e.rest = e.lines(e.i)
		e.i++
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

func TestPageIsBoundedWhateverTheRecording(t *testing.T) {
	const n = 6_000
	text := strings.Repeat("x", 400)
	input := Input{Name: "much", Open: func() (io.ReadCloser, error) {
		return io.NopCloser(&endless{n: n, lines: func(i int) string {
			if i%6 == 0 {
				return aFinding(fmt.Sprintf("T-%d", i%200), i%5, i%3000, i, text)
			}
			return anEvent(i%5000, i%4000, i, fmt.Sprintf("event%d", i%2000), text)
		}}), nil
	}}
	page, summary := write(t, []Input{input})
	if want := (Summary{Events: n / 6 * 5, Findings: n / 6}); summary != want {
		t.Errorf("summary: got %+v, want %+v", summary, want)
	}
	if len(page) > 12<<20 {
		t.Errorf("the page has %d bytes", len(page))
	}
	for _, want := range []string{"findings are counted, but not shown in detail", "events are of processes that are not in the tree"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Count(page, `class="instance"`) != maxInstances {
		t.Errorf("got %d findings in detail, want %d", strings.Count(page, `class="instance"`), maxInstances)
	}
}

func TestWorstFindingsAreTheOnesShown(t *testing.T) {
	var b strings.Builder
	for i := range 2 * maxInstances {
		b.WriteString(aFinding(fmt.Sprintf("LOW-%d", i%200), 1, i, i, ""))
	}
	for i := range 20 {
		b.WriteString(aFinding("BAD-1", 4, i, i, ""))
	}
	page, _ := write(t, of(b.String()))
	_, bad, _ := strings.Cut(page, "BAD-1")
	bad, _, _ = strings.Cut(bad, "</article>")
	if got := strings.Count(bad, `class="instance"`); got != 20 {
		t.Errorf("got %d critical findings in detail, want 20", got)
	}
}

func TestProcessesInACircleAreShown(t *testing.T) {
	text := aFinding("T-1", 3, 7, 1, "abc") + anEvent(7, 8, 2, "openat", "abc") + anEvent(8, 7, 3, "openat", "abc")
	page, _ := write(t, of(text))
	if !strings.Contains(page, "abc (7)") || !strings.Contains(page, "abc (8)") {
		t.Error("the processes are not in the tree")
	}
}
