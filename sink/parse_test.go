package sink

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/protocol"
	"github.com/tracee-go/tracee/types/trace"
)

func parsed(t *testing.T, text string) *Destination {
	t.Helper()
	d, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestExamplesOfAllKindsCanBeRead(t *testing.T) {
	for _, k := range kinds() {
		d := parsed(t, k.example)
		if d.Name == "" || strings.Contains(d.Name, "?") || !IsURL(k.example) {
			t.Errorf("%s: name %q", k.example, d.Name)
		}
		if k.doc == "" || k.form == "" {
			t.Errorf("%s says nothing", k.example)
		}
	}
}

func TestParametersMeanWhatTheySay(t *testing.T) {
	d := parsed(t, "file:///var/log//a%20b.json?name=log&format=ocsf&select=all&severity=high&filter=uid=0&filter=comm!=a+b,c&queue=5"+
		"&queue-size=1MB&spill=/var/spool&spill-size=2GiB&batch=7&timeout=3s&size=100k&age=2d&keep=3&gzip=true")
	if d.Name != "log" || d.Format != "ocsf" || !d.Events || !d.Findings || d.Severity != 3 || d.path != "/var/log/a b.json" {
		t.Errorf("got %+v", d)
	}
	q := d.queue
	if q.Queue != 5 || q.QueueBytes != 1<<20 || q.SpillMax != 2<<30 || q.Batch != 7 || q.Timeout != 3*time.Second {
		t.Errorf("queue: %+v", q)
	}
	if o := d.options; o.size != 100<<10 || o.age != 48*time.Hour || o.keep != 3 || !o.compress || o.spillDir != "/var/spool" {
		t.Errorf("options: %+v", o)
	}
	if strings.Join(d.filters, " ") != "uid=0 comm!=a+b,c" {
		t.Errorf("filters: %q", d.filters)
	}
	if d := parsed(t, "kafka://a,b:1,[::1]:2/topic"); d.address != "a:9092,b:1,[::1]:2" || d.Format != "json" {
		t.Errorf("kafka: %+v", d)
	}
	if d := parsed(t, "elasticsearch+http://h/i"); d.address != "h:9200" || d.Format != "ecs" {
		t.Errorf("elasticsearch: %+v", d)
	}
}

func TestMistakesAreToldWithAHint(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"fiel:///x", "unknown scheme fiel (did you mean file?)"},
		{"nothing", "want scheme://address"},
		{"file://x", "no absolute path of a file (want file:///path)"},
		{"file:///", "no absolute path"},
		{"file:///x?sise=1", `unknown parameter "sise" (did you mean size?)`},
		{"file:///x?size=lots", "size=lots: want a size, such as 64MB"},
		{"file:///x?size=-1", "want a size"},
		{"file:///x?size=9999999999GB", "want a size"},
		{"file:///x?age=yesterday", "want a time, such as 30s"},
		{"file:///x?size", "size has no value (write size=100MB)"},
		{"file:///x?keep=3", "which size or age make"},
		{"file:///x?format=xml", "want json, ecs, ocsf"},
		{"file:///x?select=event", "want events, findings or all (did you mean events?)"},
		{"file:///x?severity=hihg", "(did you mean high?)"},
		{"file:///x?filter=uidd=0", "filter: "},
		{"file:///x?filter=tree=1", "filter: tree can be told while tracing only"},
		{"file:///x?queue=0", "want a number from 1 up"},
		{"file:///x?spill-size=1MB", "give both"},
		{"file:///x?name=a%20b", "a name has no spaces"},
		{"file:///x%zz", "invalid URL escape"},
		{"stdout://x", "has no address"},
		{"syslog+unix://dev/log", "no absolute path of a socket"},
		{"syslog+tcp://", "no address"},
		{"syslog+tcp://h/x", "no paths"},
		{"syslog+tcp://h:99999", `port "99999"`},
		{"syslog+tcp://h?facility=local9", "want daemon, local0"},
		{"webhook+https://user:secret@h/x", "credentials do not belong on a command line"},
		{"webhook+https:///x", "no address"},
		{"kafka://h", "no topic"},
		{"kafka://h/t?sasl=plain", "credentials and sasl go together"},
		{"nats://h/a.>", "no subject"},
		{"otlp+grpc://h/x", "no paths"},
		{"otlp+http://a,b", "one address only"},
		{"elasticsearch+http://h/Upper", "in lower case"},
	} {
		_, err := Parse(test.text)
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "invalid output "+test.text) {
			t.Errorf("%s: got %v, want %s", test.text, err, test.want)
		}
	}
}

func TestOtherValuesOfOutputAreNoURLs(t *testing.T) {
	for _, value := range []string{"json", "format:json", "out-file:/a://b", "gotemplate=/x://y", "option:sort-events", "://x", ""} {
		if IsURL(value) {
			t.Error(value)
		}
	}
}

// event makes an event of openat.
func event(path string, number int) *trace.Event {
	known, _ := events.Lookup("openat")
	var b trace.Builder
	b.Reset(known.Schema())
	b.Text(1, path)
	e := &trace.Event{Timestamp: number, EventID: known.ID, EventName: known.Name, ProcessName: "cat", HostName: "h"}
	b.Finish(e)
	return e
}

func findingOf(e *trace.Event, severity any) detect.Finding {
	return detect.Finding{
		Event:       protocol.Event{Payload: e},
		SigMetadata: detect.SignatureMetadata{ID: "T-1", Name: "Name", Properties: map[string]any{"Severity": severity}},
	}
}

func TestDestinationsTakeWhatTheyAskFor(t *testing.T) {
	etc, tmp := event("/etc/x", 1), event("/tmp/x", 2)
	etc.MatchedPolicies, tmp.MatchedPolicies = []string{"all", "mine"}, []string{"other"}
	for _, test := range []struct {
		query                     string
		policies                  []string
		etc, tmp, low, high, none bool // two events, findings at the first
	}{
		{"", nil, false, false, true, true, true},
		{"select=events", nil, true, true, false, false, false},
		{"select=all&severity=high", nil, true, true, false, true, false},
		{"select=all&filter=openat.pathname=/etc/*", nil, true, false, true, true, true},
		{"select=all&filter=event=close", nil, false, false, false, false, false},
		{"select=all", []string{}, false, false, false, false, false},
		{"select=all", []string{"other"}, false, true, false, false, false},
		{"select=all&severity=high", []string{"mine"}, true, false, false, true, false},
	} {
		d := parsed(t, "stdout://?"+test.query)
		d.Policies = test.policies
		if err := d.settle(true); err != nil {
			t.Fatal(err)
		}
		admits := func(severity any) bool {
			f := findingOf(etc, severity)
			f.Policies = etc.MatchedPolicies
			return d.AdmitsFinding(&f, etc)
		}
		got := []bool{d.Admits(etc), d.Admits(tmp), admits(1), admits(3), admits(nil)}
		for i, want := range []bool{test.etc, test.tmp, test.low, test.high, test.none} {
			if got[i] != want {
				t.Errorf("%s %q: question %d: got %v", test.query, test.policies, i, got[i])
			}
		}
	}
	d := parsed(t, "stdout://?select=events&filter=event=close")
	if lost := (&trace.Event{EventID: events.LostEvents.ID, EventName: "lost_events"}); !d.Admits(lost) {
		t.Error("losses do not pass")
	}
	for _, query := range []string{"select=findings", "severity=low"} {
		if err := parsed(t, "stdout://?"+query).settle(false); err == nil {
			t.Errorf("%s without findings: no error", query)
		}
	}
}

func TestHelpNamesEverySchemeAndParameter(t *testing.T) {
	help := Help()
	doc, err := os.ReadFile("../docs/guide/destinations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, scheme := range schemes() {
		if base, _, _ := strings.Cut(scheme, "+"); !strings.Contains(help, base) || !strings.Contains(string(doc), scheme+"://") {
			t.Errorf("help or guide lack %s", scheme)
		}
	}
	all := append([]parameter{}, common...)
	for _, k := range kinds() {
		all = append(all, k.parameters...)
	}
	for _, p := range all {
		if !strings.Contains(help, p.name+"=") || !strings.Contains(string(doc), "`"+p.name+"=") {
			t.Errorf("help or guide lack %s", p.name)
		}
	}
}
