package schema

import (
	"net/netip"
	"path"
	"strings"
	"time"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

const ecsVersion = "8.17.0"

// ECS writes the Elastic Common Schema. Arguments stand as texts under tracee.args, whatever their types, so that an index has
// one type for each.
type ECS struct{ Product }

// AppendEvent writes an event.
func (x *ECS) AppendEvent(b []byte, e *trace.Event) []byte {
	o := object{b}
	d := deedOf(e)
	o.open("")
	o.time("@timestamp", EventTime(e))
	o.open("ecs")
	o.text("version", ecsVersion)
	o.close()
	o.open("event")
	o.raw("kind", `"event"`)
	o.texts("category", []string{categoryOf(d, e)})
	o.texts("type", d.types)
	o.text("action", e.EventName)
	o.text("outcome", outcome(e))
	o.module("tracee.events")
	o.close()
	x.appendRest(&o, d, e, nil)
	o.close()
	return o.b
}

// module names who says so.
func (o *object) module(dataset string) {
	o.raw("module", `"tracee"`)
	o.raw("provider", `"tracee"`)
	o.text("dataset", dataset)
}

// AppendFinding writes a finding.
func (x *ECS) AppendFinding(b []byte, f *detect.Finding, e *trace.Event) []byte {
	o := object{b}
	m := f.SigMetadata
	o.open("")
	o.time("@timestamp", EventTime(e))
	o.text("message", m.Name)
	o.texts("tags", m.Tags)
	o.open("ecs")
	o.text("version", ecsVersion)
	o.close()
	o.open("event")
	o.raw("kind", `"alert"`)
	o.raw("category", `["intrusion_detection"]`)
	o.raw("type", `["info"]`)
	o.text("action", e.EventName)
	o.text("code", m.ID)
	if level, ok := severity(m); ok {
		o.int("severity", int64(level))
	}
	o.module("tracee.findings")
	o.close()
	o.open("rule")
	o.text("id", m.ID)
	o.text("name", m.Name)
	o.text("description", m.Description)
	o.text("version", m.Version)
	o.close()
	o.threat(attackOf(m))
	x.appendRest(&o, deedOf(e), e, f)
	o.close()
	return o.b
}

func (o *object) threat(a attack) {
	if a == (attack{}) {
		return
	}
	one := func(name string, fields func()) {
		o.open(name)
		fields()
		o.close()
	}
	list := func(name, value string) {
		if value != "" {
			o.texts(name, []string{value})
		}
	}
	one("threat", func() {
		o.raw("framework", `"MITRE ATT&CK"`)
		one("tactic", func() { list("id", a.tacticID); list("name", a.tactic) })
		one("technique", func() {
			list("id", a.techniqueID)
			list("name", a.technique)
			one("subtechnique", func() { list("id", a.partID); list("name", a.part) })
		})
	})
}

// appendRest writes who did what to whom, and where. The finding may be nil.
func (x *ECS) appendRest(o *object, d deed, e *trace.Event, f *detect.Finding) {
	o.ecsProcess(d, e, f)
	o.open("user")
	o.number("id", uint64(uint32(e.UserID)))
	o.close()
	if d.class == file || d.class == library || d.path != "" && d.class != process {
		o.ecsFile(d, e)
	}
	if d.class >= network {
		o.ecsNetwork(d, e)
	}
	o.open("host")
	o.text("name", x.host(e))
	o.text("hostname", x.host(e))
	o.raw("os", `{"type":"linux"}`)
	o.close()
	o.ecsContainer(e)
	if e.ReturnValue < 0 && outcome(e) == "failure" {
		o.open("error")
		o.text("code", e.Errno)
		o.close()
	}
	o.ecsRemains(e, f)
}

func (o *object) ecsProcess(d deed, e *trace.Event, f *detect.Finding) {
	o.open("process")
	o.int("pid", int64(e.HostProcessID))
	o.text("name", e.ProcessName)
	if e.ProcessEntityID != 0 {
		o.number("entity_id", e.ProcessEntityID)
	}
	arguments := argumentsOf(d, e, f)
	if runs := executableOf(d, e); runs != "" {
		o.text("executable", runs)
	}
	o.texts("args", arguments)
	if len(arguments) > 0 {
		o.int("args_count", int64(len(arguments)))
		o.text("command_line", commandLine(arguments))
	}
	if a, ok := e.Lookup("exit_code"); ok && d.activity == processTerminate {
		o.int("exit_code", a.Int()>>8&0xff)
	}
	if a, ok := e.Lookup("sha256"); ok && d.class == process {
		o.open("hash")
		o.text("sha256", a.Text())
		o.close()
	}
	o.open("thread")
	o.int("id", int64(e.HostThreadID))
	o.close()
	o.open("parent")
	o.int("pid", int64(e.HostParentProcessID))
	if e.ParentEntityID != 0 {
		o.number("entity_id", e.ParentEntityID)
	}
	if f != nil && len(f.Process) > 1 {
		parent := f.Process[1]
		o.text("name", parent.Name)
		o.text("executable", parent.Executable)
		o.texts("args", parent.Arguments)
	}
	o.close()
	o.close()
}

// argumentsOf are those of the process: of the execution that the event is, or what is known of it otherwise.
func argumentsOf(d deed, e *trace.Event, f *detect.Finding) []string {
	if a, ok := e.Lookup("argv"); ok && d.class == process && outcome(e) != "failure" {
		return a.Strings()
	}
	if f != nil && len(f.Process) > 0 {
		return f.Process[0].Arguments
	}
	return nil
}

// executableOf is the path of the program that the process runs.
func executableOf(d deed, e *trace.Event) string {
	if a, ok := e.Lookup("pathname"); ok && d.class == process && outcome(e) != "failure" {
		return a.Text()
	}
	return e.Executable
}

func (o *object) ecsFile(d deed, e *trace.Event) {
	o.open("file")
	if a, ok := e.Lookup(d.path); ok {
		name := a.Text()
		o.text("path", name)
		o.text("name", path.Base(name))
		o.text("directory", directory(name))
		o.text("extension", strings.TrimPrefix(path.Ext(name), "."))
	}
	if d.target != "" {
		o.argument("target_path", e, d.target)
	}
	if a, ok := e.Lookup("inode"); ok {
		o.number("inode", a.Uint())
	}
	if a, ok := e.Lookup("dev"); ok {
		o.number("device", a.Uint())
	}
	if a, ok := e.Lookup("ctime"); ok && a.Uint() != 0 {
		o.time("ctime", time.Unix(0, int64(a.Uint())))
	}
	o.close()
}

func directory(name string) string {
	if dir := path.Dir(name); dir != "." {
		return dir
	}
	return ""
}

func (o *object) ecsNetwork(d deed, e *trace.Event) {
	t := trafficOf(d, e)
	o.ecsEndpoint("source", t.source, t.sourceName, "")
	o.ecsEndpoint("destination", t.destination, t.destinationName, t.path)
	o.open("network")
	o.text("transport", t.transport)
	switch address := t.either(); {
	case address.Is4():
		o.raw("type", `"ipv4"`)
	case address.IsValid():
		o.raw("type", `"ipv6"`)
	}
	switch d.class {
	case dns:
		o.raw("protocol", `"dns"`)
	case web:
		o.raw("protocol", `"http"`)
	}
	switch {
	case t.known && t.incoming:
		o.raw("direction", `"ingress"`)
	case t.known:
		o.raw("direction", `"egress"`)
	}
	o.close()
	switch d.class {
	case dns:
		o.ecsDNS(d, e)
	case web:
		r := request(e)
		o.open("http")
		o.open("request")
		o.text("method", r.Method)
		o.close()
		o.close()
		o.open("url")
		o.text("domain", r.Host)
		o.text("path", r.URIPath)
		o.close()
	}
	if a, ok := e.Lookup("server_name"); ok {
		o.open("tls")
		o.open("client")
		o.text("server_name", a.Text())
		o.close()
		o.close()
	}
}

// either is an address of the traffic, to know its kind.
func (t *traffic) either() netip.Addr {
	if t.destination.Addr().IsValid() {
		return t.destination.Addr()
	}
	return t.source.Addr()
}

func (o *object) ecsEndpoint(name string, address netip.AddrPort, domain, socket string) {
	o.open(name)
	if address.Addr().IsValid() {
		o.text("address", address.Addr().String())
		o.text("ip", address.Addr().WithZone("").String())
	} else {
		o.text("address", socket)
	}
	o.known("port", uint64(address.Port()))
	o.text("domain", domain)
	o.close()
}

func (o *object) ecsDNS(d deed, e *trace.Event) {
	q, answers := question(e)
	o.open("dns")
	if d.activity == dnsResponse {
		o.raw("type", `"answer"`)
	} else {
		o.raw("type", `"query"`)
	}
	o.open("question")
	o.text("name", q.Query)
	o.text("type", q.QueryType)
	o.text("class", q.QueryClass)
	o.close()
	if len(answers) > 0 {
		o.raw("answers", "[")
		for _, a := range answers {
			o.open("")
			o.text("data", a.Answer)
			o.text("type", a.Type)
			o.int("ttl", int64(a.TTL))
			o.close()
		}
		o.b = append(o.b, ']')
	}
	o.close()
}

func (o *object) ecsContainer(e *trace.Event) {
	if e.ContainerID == "" {
		return
	}
	o.open("container")
	o.text("id", e.ContainerID)
	o.text("name", e.ContainerName)
	if e.ContainerImage != "" {
		o.open("image")
		o.text("name", e.ContainerImage)
		if e.ContainerImageDigest != "" {
			o.open("hash")
			o.texts("all", []string{e.ContainerImageDigest})
			o.close()
		}
		o.close()
	}
	o.text("runtime", e.ContainerRuntime)
	o.close()
	if e.PodName == "" {
		return
	}
	o.open("orchestrator")
	o.raw("type", `"kubernetes"`)
	o.text("namespace", e.PodNamespace)
	o.open("resource")
	o.raw("type", `"pod"`)
	o.text("name", e.PodName)
	o.text("id", e.PodUID)
	o.close()
	o.close()
}

// ecsRemains writes what the schema has no fields for.
func (o *object) ecsRemains(e *trace.Event, f *detect.Finding) {
	o.open("tracee")
	o.int("event_id", int64(e.EventID))
	o.int("return_value", int64(e.ReturnValue))
	o.text("syscall_via", e.Via)
	if e.Rung != trace.NoRung {
		o.text("rung", e.Rung.String())
	}
	o.open("args")
	var scratch [256]byte
	for a := range e.All() {
		o.key(a.Name())
		if a.HasText() {
			o.b = trace.AppendJSONString(o.b, a.Text())
		} else {
			value := a.AppendJSONValue(scratch[:0])
			o.b = trace.AppendJSONString(o.b, strings.Trim(string(value), `"`))
		}
	}
	o.close()
	if f == nil {
		o.texts("matched_policies", e.MatchedPolicies)
	} else {
		o.texts("matched_policies", f.Policies)
		o.known("lost_nearby", f.LostNearby)
		o.known("repeated", f.Repeated)
		o.open("data")
		for _, key := range sortedKeys(f.Data) {
			o.comma()
			o.b = append(trace.AppendJSONString(o.b, key), ':')
			o.b = trace.AppendJSONString(o.b, textOf(f.Data[key]))
		}
		o.close()
	}
	o.close()
}
