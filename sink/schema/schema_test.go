package schema

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/protocol"
	"github.com/tracee-go/tracee/types/trace"
)

var update = flag.Bool("update", false, "write the golden files")

func lookup(name string) *trace.Schema {
	if e, ok := events.Lookup(name); ok {
		return e.Schema()
	}
	return nil
}

// samples reads the events of the tests.
func samples(t testing.TB) (list []*trace.Event) {
	t.Helper()
	text, err := os.ReadFile("testdata/events.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	r := trace.NewJSONReader(bytes.NewReader(text), lookup)
	for {
		var e trace.Event
		err := r.Read(&e)
		if errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		if lookup(e.EventName) == nil {
			t.Fatalf("there is no event %s", e.EventName)
		}
		list = append(list, e.Clone())
	}
}

func finding(e *trace.Event) *detect.Finding {
	return &detect.Finding{
		Data:  map[string]any{"path": "/etc/cron.d/x", "number": 3, "list": []string{"a", "b"}},
		Event: protocol.Event{Payload: e},
		SigMetadata: detect.SignatureMetadata{
			ID: "TRC-2107", Version: "0.1.0", Name: "Rule of udev written", Description: "A rule of \"udev\" was written", Tags: []string{"linux"},
			Properties: map[string]any{
				"Severity": 2, "MITRE ATT&CK": "Persistence: Event Triggered Execution: Udev Rules", "Technique": "T1546.017",
			},
		},
		Process: []detect.Process{
			{EntityID: 11, PID: 7, Name: "tee", Executable: "/usr/bin/tee", Arguments: []string{"tee", "a b"}},
			{EntityID: 12, PID: 1, Name: "bash", Executable: "/usr/bin/bash", Arguments: []string{"-bash"}},
		},
		LostNearby: 4, Repeated: 2, Policies: []string{"shells"},
	}
}

var product = Product{Version: "1.2.3", Host: "node1"}

// lines are what an encoder makes of the samples, and of a finding at some of them.
func lines(t testing.TB, x Encoder) (list [][]byte) {
	for _, e := range samples(t) {
		list = append(list, x.AppendEvent(nil, e))
		if strings.HasPrefix(e.EventName, "security_") || e.EventName == "sched_process_exec" {
			list = append(list, x.AppendFinding(nil, finding(e), e))
		}
	}
	return list
}

func TestFormatsAreAsTheGoldenFilesSay(t *testing.T) {
	for _, f := range Formats {
		var got bytes.Buffer
		for _, line := range lines(t, f.New(product)) {
			if err := json.Indent(&got, line, "", " "); err != nil {
				t.Fatalf("%s: %v in %s", f.Name, err, line)
			}
			got.WriteByte('\n')
		}
		golden := filepath.Join("testdata", f.Name+".golden")
		if *update {
			if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", f.Name, diff)
		}
	}
}

// table reads a list of published names: the first word of a line is a name, the others say of what kind its values are.
func table(t *testing.T, name string) map[string][]string {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	known := map[string][]string{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if words := strings.Fields(lines.Text()); len(words) > 0 && words[0] != "#" {
			known[words[0]] = words[1:]
		}
	}
	return known
}

// each calls visit with the path of every value that is no object. Elements of lists have the path of the list.
func each(path string, value any, visit func(path string, value any)) {
	switch v := value.(type) {
	case map[string]any:
		for key, value := range v {
			each(strings.TrimPrefix(path+"."+key, "."), value, visit)
		}
	case []any:
		for _, value := range v {
			each(path, value, visit)
		}
	default:
		visit(path, value)
	}
}

func decode(t *testing.T, line []byte) map[string]any {
	t.Helper()
	var value map[string]any
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	return value
}

func isOf(kind string, value any) bool {
	_, text := value.(string)
	number, isNumber := value.(json.Number)
	switch kind {
	case "long", "integer":
		_, err := strconv.ParseInt(string(number), 10, 64)
		return isNumber && err == nil
	case "boolean":
		_, ok := value.(bool)
		return ok
	}
	return text
}

func TestFieldsOfECSArePublishedOnes(t *testing.T) {
	known := table(t, "ecs-fields.txt")
	allowed := table(t, "ecs-values.txt")
	for _, line := range lines(t, &ECS{product}) {
		each("", decode(t, line), func(path string, value any) {
			if strings.HasPrefix(path, "tracee.") {
				if text, ok := value.(string); !ok && strings.HasPrefix(path, "tracee.args.") {
					t.Errorf("%s is %v, and no text: %s", path, text, line)
				}
				return
			}
			if kind, ok := known[path]; !ok {
				t.Errorf("%s is no field of ECS", path)
			} else if !isOf(kind[0], value) {
				t.Errorf("%s: %v is not of type %s", path, value, kind[0])
			}
			if values := allowed[path]; values != nil && !slices.Contains(values, fmt.Sprint(value)) {
				t.Errorf("%s: %v is none of %v", path, value, values)
			}
		})
	}
}

func TestObjectsOfOCSFAreAsPublished(t *testing.T) {
	known := table(t, "ocsf-attributes.txt")
	for _, line := range lines(t, &OCSF{product}) {
		event := decode(t, line)
		number := func(name string) string { return fmt.Sprint(event[name]) }
		class, activity := number("class_uid"), number("activity_id")
		if want := class + fmt.Sprintf("%02s", activity); number("type_uid") != want {
			t.Errorf("type_uid is %s, want %s", number("type_uid"), want)
		}
		if activities := known["activities:"+class]; !slices.Contains(activities, activity) {
			t.Errorf("class %s has no activity %s", class, activity)
		}
		checkOCSF(t, known, "class:"+class, event)
		if t.Failed() {
			t.Fatalf("in %s", line)
		}
	}
}

// checkOCSF compares an object with the attributes of its kind: name, name! (required), name:kind for an object.
func checkOCSF(t *testing.T, known map[string][]string, kind string, object map[string]any) {
	t.Helper()
	attributes := known[kind]
	if strings.HasPrefix(kind, "class:") {
		attributes = append(slices.Clone(known["class"]), attributes...)
	}
	kinds := map[string]string{}
	for _, a := range attributes {
		name, of, _ := strings.Cut(a, ":")
		name, required := strings.CutSuffix(name, "!")
		kinds[name] = of
		if _, ok := object[name]; required && !ok {
			t.Errorf("%s lacks %s", kind, name)
		}
	}
	for name, value := range object {
		of, ok := kinds[name]
		if !ok {
			t.Errorf("%s has no attribute %s", kind, name)
		}
		if name == "unmapped" {
			continue
		}
		list, isList := value.([]any)
		if !isList {
			list = []any{value}
		}
		for _, value := range list {
			if inner, ok := value.(map[string]any); ok {
				if known[of] == nil {
					t.Errorf("%s.%s is an object, of which nothing is known", kind, name)
				}
				checkOCSF(t, known, of, inner)
			} else if of == "integer" && !isOf("long", value) || of == "" && !isOf("", value) {
				t.Errorf("%s.%s: %v is of another type", kind, name, value)
			}
		}
	}
}

func TestEveryDeedIsAboutAnEventThatExists(t *testing.T) {
	for name, d := range deeds {
		e, ok := events.Lookup(name)
		if !ok {
			t.Errorf("there is no event %s", name)
			continue
		}
		for _, argument := range []string{d.path, d.target, d.child} {
			if argument != "" && e.Schema().Index(argument) < 0 {
				t.Errorf("%s has no argument %s", name, argument)
			}
		}
	}
}

// TestEveryEventHasAForm encodes all events of the catalogue without arguments.
func TestEveryEventHasAForm(t *testing.T) {
	for _, known := range events.All() {
		var b trace.Builder
		b.Reset(known.Schema())
		e := &trace.Event{EventID: known.ID, EventName: known.Name}
		b.Finish(e)
		for _, f := range Formats {
			x := f.New(Product{})
			for _, line := range [][]byte{x.AppendEvent(nil, e), x.AppendFinding(nil, &detect.Finding{}, e)} {
				if !json.Valid(line) {
					t.Errorf("%s of %s: %s", f.Name, known.Name, line)
				}
			}
		}
	}
}

func TestTextsOfProgramsCanNotBreakOut(t *testing.T) {
	e := samples(t)[0]
	e.ProcessName, e.HostName, e.Executable = "a\"},\n\x00", "\xff</script>", "/\"\\\x1b"
	for _, f := range Formats {
		line := f.New(Product{}).AppendEvent(nil, e)
		if !json.Valid(line) || bytes.ContainsAny(line, "\n\x00\x1b<") {
			t.Errorf("%s: %q", f.Name, line)
		}
	}
}

func BenchmarkFormats(b *testing.B) {
	list := samples(b)
	for _, f := range Formats {
		b.Run(f.Name, func(b *testing.B) {
			x := f.New(product)
			var text []byte
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				text = x.AppendEvent(text[:0], list[i%len(list)])
				i++
			}
		})
	}
}
