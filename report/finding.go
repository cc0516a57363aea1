package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/tracee-go/tracee/output"
	"github.com/tracee-go/tracee/rules/lineage"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

// recordedFinding is a finding as tracee prints it, and as the template rawjson.tmpl of tracee-rules does.
type recordedFinding struct {
	Time      string            `json:"time"`
	Signature recordedSignature `json:"signature"`
	Data      map[string]any    `json:"data"`
	Event     json.RawMessage   `json:"event"`

	Process    *recordedProcess  `json:"process"`
	Ancestors  []recordedProcess `json:"ancestors"`
	LostNearby uint64            `json:"lostNearby"`
	Repeated   uint64            `json:"repeated"`

	SigMetadata recordedSignature `json:"SigMetadata"`
	Context     json.RawMessage   `json:"Context"`
}

type recordedSignature struct {
	ID, Version, Name, Description string
	Tags                           []string
	Properties                     map[string]any
}

type recordedProcess struct {
	EntityID   uint64   `json:"entityId"`
	PID        int      `json:"pid"`
	Name       string   `json:"name"`
	Executable string   `json:"executable"`
	Arguments  []string `json:"arguments"`
	User       int      `json:"user"`
}

// decodeFinding reads a line that may be a finding.
func decodeFinding(line []byte) (*recordedFinding, bool) {
	var f recordedFinding
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber() // ids do not fit into what JSON's numbers are otherwise
	if decoder.Decode(&f) != nil {
		return nil, false
	}
	if f.Signature.ID == "" {
		f.Signature, f.Event = f.SigMetadata, f.Context
	}
	return &f, f.Signature.ID != "" && len(f.Event) > 0
}

// group is the findings of one signature.
type group struct {
	signature detect.SignatureMetadata
	severity  int // place in detect.Severities; -1: unrated
	count     uint64
	repeated  uint64
	shown     []*finding
	key       string
}

// finding is one that is shown.
type finding struct {
	number   int // among those that were read
	group    *group
	time     int
	data     []pair
	event    string // what it was seen at, and its arguments
	args     []pair
	host     string
	where    string // the container
	key      lineage.Key
	line     []*process // the process, then its ancestors
	lost     uint64
	repeated uint64

	before, after []nearEvent
}

// addFinding takes a finding in, if there is room for its details, and counts it in any case.
func (r *recording) addFinding(f *recordedFinding) {
	var e trace.Event
	reader := trace.NewJSONReader(bytes.NewReader(f.Event), schema)
	if err := reader.Read(&e); err != nil {
		e = trace.Event{} // the finding says what it says, all the same
	}
	r.summary.Findings++
	at := e.Timestamp
	if t, err := time.Parse(time.RFC3339Nano, f.Time); err == nil && at == 0 {
		at = int(t.UnixNano())
	}
	g := r.group(f.Signature)
	r.span(at)
	g.count++
	g.repeated += f.Repeated
	r.chart.finding(at, g.severity)
	if !r.roomFor(g) {
		r.unshown++
		return
	}
	made := &finding{
		number: int(r.summary.Findings), group: g, time: at, data: dataText(f.Data), key: lineage.KeyOf(&e),
		event: cut(e.EventName, 60), args: argumentsOf(&e), host: cut(e.HostName, 60), where: containerOf(&e),
		lost: f.LostNearby, repeated: f.Repeated,
	}
	made.line = r.lineOf(&e, f)
	g.shown = append(g.shown, made)
	r.shown++
}

// group finds the group of a signature. The last one takes those for which there is no room.
func (r *recording) group(s recordedSignature) *group {
	key := s.ID + "\x00" + s.Name
	if g, ok := r.groups[key]; ok {
		return g
	}
	if len(r.groups) >= maxGroups {
		s = recordedSignature{ID: "…", Name: "Findings of further signatures"}
		key = "…"
		if g, ok := r.groups[key]; ok {
			return g
		}
	}
	g := &group{key: key, signature: detect.SignatureMetadata{
		ID: cut(s.ID, 60), Version: s.Version, Name: cut(s.Name, textShown), Description: cut(s.Description, argumentsShown),
		Properties: s.Properties,
	}}
	for _, tag := range s.Tags[:min(len(s.Tags), 20)] {
		g.signature.Tags = append(g.signature.Tags, cut(tag, 60))
	}
	g.severity = detect.SeverityLevel(g.signature.Severity())
	r.groups[key] = g
	return g
}

// roomFor reports whether details of one more finding are kept. If all room is taken, one of lower severity gives way.
func (r *recording) roomFor(g *group) bool {
	if len(g.shown) >= maxOfGroup {
		return false
	}
	if r.shown < maxInstances {
		return true
	}
	var lowest *group
	for _, other := range r.groups {
		if other.severity >= g.severity || len(other.shown) == 0 {
			continue
		}
		if lowest == nil || other.severity < lowest.severity ||
			other.severity == lowest.severity && (len(other.shown) > len(lowest.shown) || len(other.shown) == len(lowest.shown) && other.key < lowest.key) {
			lowest = other
		}
	}
	if lowest == nil {
		return false
	}
	lowest.shown = lowest.shown[:len(lowest.shown)-1]
	r.shown--
	r.unshown++
	return true
}

// sortedGroups has the worst first.
func (r *recording) sortedGroups() []*group {
	var all []*group
	for _, g := range r.groups {
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b *group) int {
		if a.severity != b.severity {
			return b.severity - a.severity
		}
		return strings.Compare(a.key, b.key)
	})
	return all
}

// dataText lists what the signature says of a finding.
func dataText(data map[string]any) (list []pair) {
	for key, value := range data {
		list = append(list, pair{cut(key, 60), valueText(value)})
	}
	slices.SortFunc(list, func(a, b pair) int { return strings.Compare(a.Name, b.Name) })
	return list[:min(len(list), maxPairs)]
}

// maxPairs bounds what a finding, or an event, says by name.
const maxPairs = 50

func valueText(value any) string {
	switch value.(type) {
	case map[string]any, []any:
		if text, err := json.Marshal(value); err == nil {
			return cut(string(text), argumentsShown)
		}
	}
	return cut(fmt.Sprint(value), argumentsShown)
}

// pair is something with a name.
type pair struct{ Name, Value string }

// argumentsOf lists the arguments of an event.
func argumentsOf(e *trace.Event) (list []pair) {
	e.ParseArguments = true
	for a := range e.All() {
		if len(list) == maxPairs {
			break
		}
		list = append(list, pair{cut(a.Name(), 60), cut(argumentText(a), argumentsShown)})
	}
	return list
}

// argumentText is an argument as people write it.
func argumentText(a trace.Arg) string {
	switch a.Type().Kind {
	case trace.Sockaddr:
		address, _ := a.Value().(map[string]string)
		for family, port := range map[string]string{"sin_addr": "sin_port", "sin6_addr": "sin6_port"} {
			if address[family] != "" {
				return net.JoinHostPort(address[family], address[port])
			}
		}
		if address["sun_path"] != "" {
			return address["sun_path"]
		}
	case trace.Strings:
		return commandLine(a.Strings())
	}
	return a.Text()
}

// cut makes a text visible, and short.
func cut(text string, limit int) string {
	more := len(text) > limit
	if more {
		text = text[:limit]
		for len(text) > 0 && text[len(text)-1]&0xc0 == 0x80 { // half a letter
			text = text[:len(text)-1]
		}
		if n := len(text); n > 0 && text[n-1] >= 0xc0 {
			text = text[:n-1]
		}
	}
	text = output.Printable(text)
	if more {
		text += "…"
	}
	return text
}

// number says how many there are of something.
func number(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return grouped(n) + " " + what + "s"
}

// grouped writes a number with thin spaces between its thousands.
func grouped(n uint64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "\u202f" + text[i:]
	}
	return text
}
