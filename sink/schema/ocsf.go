package schema

import (
	"cmp"
	"net/netip"
	"path"
	"strconv"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

const ocsfVersion = "1.3.0"

// OCSF writes the Open Cybersecurity Schema Framework, with the profiles host and container.
type OCSF struct{ Product }

// ocsfClass is a class of events in OCSF.
type ocsfClass struct {
	uid  int
	name string
}

// Classes and categories of OCSF.
var (
	ocsfClasses = map[class]ocsfClass{
		general: {1003, "Kernel Activity"}, process: {1007, "Process Activity"}, file: {1001, "File System Activity"},
		module: {1002, "Kernel Extension Activity"}, library: {1005, "Module Activity"}, memory: {1004, "Memory Activity"},
		network: {4001, "Network Activity"}, dns: {4003, "DNS Activity"}, web: {4002, "HTTP Activity"},
	}
	ocsfFinding    = ocsfClass{2004, "Detection Finding"}
	ocsfCategories = map[int]string{1: "System Activity", 2: "Findings", 4: "Network Activity"}
)

// ocsfSeverities are severity_id and its name for detect.Severities.
var ocsfSeverities = []string{"Informational", "Low", "Medium", "High", "Critical"}

// httpActivities are the methods of HTTP that are activities.
var httpActivities = map[string]int{
	"CONNECT": 1, "DELETE": 2, "GET": 3, "HEAD": 4, "OPTIONS": 5, "POST": 6, "PUT": 7, "TRACE": 8,
}

// AppendEvent writes an event.
func (x *OCSF) AppendEvent(b []byte, e *trace.Event) []byte {
	o := object{b}
	d := deedOf(e)
	if d.class == web {
		d.activity = otherActivity
		if activity, ok := httpActivities[request(e).Method]; ok {
			d.activity = activity
		}
	}
	o.open("")
	x.head(&o, ocsfClasses[d.class], d.activity, e)
	if d.activity == otherActivity {
		o.text("activity_name", e.EventName)
	}
	o.raw("severity_id", "1")
	o.raw("severity", `"Informational"`)
	switch outcome(e) {
	case "success":
		o.raw("status_id", "1")
		o.raw("status", `"Success"`)
	case "failure":
		o.raw("status_id", "2")
		o.raw("status", `"Failure"`)
		o.text("status_code", statusCode(e))
	}
	o.ocsfActor(d, e)
	x.device(&o, e)
	o.ocsfObject(d, e)
	o.open("unmapped")
	o.texts("matched_policies", e.MatchedPolicies)
	o.ocsfRemains(e)
	o.close()
	o.close()
	return o.b
}

func statusCode(e *trace.Event) string {
	if e.Errno != "" {
		return e.Errno
	}
	return strconv.Itoa(e.ReturnValue)
}

// head writes what every event of OCSF begins with.
func (x *OCSF) head(o *object, c ocsfClass, activity int, e *trace.Event) {
	category := c.uid / 1000
	o.int("class_uid", int64(c.uid))
	o.text("class_name", c.name)
	o.int("category_uid", int64(category))
	o.text("category_name", ocsfCategories[category])
	o.int("activity_id", int64(activity))
	o.int("type_uid", int64(c.uid*100+activity))
	o.int("time", EventTime(e).UnixMilli())
	o.open("metadata")
	o.text("version", ocsfVersion)
	o.open("product")
	o.raw("name", `"Tracee"`)
	o.raw("vendor_name", `"Tracee"`)
	o.text("version", x.Version)
	o.close()
	o.raw("profiles", `["host","container"]`)
	o.text("event_code", e.EventName)
	o.close()
}

func (x *OCSF) device(o *object, e *trace.Event) {
	o.open("device")
	o.text("hostname", x.host(e))
	o.raw("type_id", "0")
	o.raw("os", `{"name":"Linux","type_id":200}`)
	o.close()
}

// ocsfActor writes who did it: for an execution or a fork, that is the one who makes the other process.
func (o *object) ocsfActor(d deed, e *trace.Event) {
	o.open("actor")
	if d.class == process && d.activity == processLaunch && d.child == "" {
		o.open("process")
		o.int("pid", int64(e.HostParentProcessID))
		if e.ParentEntityID != 0 {
			o.number("uid", e.ParentEntityID)
		}
		o.close()
	} else {
		o.ocsfProcess("process", d, e, nil)
	}
	o.ocsfUser(e)
	o.close()
}

func (o *object) ocsfUser(e *trace.Event) {
	o.open("user")
	o.number("uid", uint64(uint32(e.UserID)))
	o.close()
}

func (o *object) ocsfProcess(name string, d deed, e *trace.Event, f *detect.Finding) {
	o.open(name)
	o.text("name", e.ProcessName)
	o.int("pid", int64(e.HostProcessID))
	o.int("tid", int64(e.HostThreadID))
	if e.ProcessEntityID != 0 {
		o.number("uid", e.ProcessEntityID)
	}
	o.text("cmd_line", commandLine(argumentsOf(d, e, f)))
	o.ocsfPath("file", executableOf(d, e))
	o.ocsfUser(e)
	o.open("parent_process")
	o.int("pid", int64(e.HostParentProcessID))
	if e.ParentEntityID != 0 {
		o.number("uid", e.ParentEntityID)
	}
	if f != nil && len(f.Process) > 1 {
		o.text("name", f.Process[1].Name)
		o.text("cmd_line", commandLine(f.Process[1].Arguments))
		o.ocsfPath("file", f.Process[1].Executable)
	}
	o.close()
	if e.ContainerID != "" {
		o.int("namespace_pid", int64(e.ProcessID))
		o.ocsfContainer(e)
	}
	o.close()
}

// ocsfPath writes a regular file of which the path is known.
func (o *object) ocsfPath(name, file string) {
	if file == "" {
		return
	}
	o.open(name)
	o.text("name", path.Base(file))
	o.text("path", file)
	o.raw("type_id", "1")
	o.close()
}

func (o *object) ocsfContainer(e *trace.Event) {
	o.open("container")
	o.text("uid", e.ContainerID)
	o.text("name", e.ContainerName)
	if e.ContainerImage != "" {
		o.open("image")
		o.text("name", e.ContainerImage)
		o.text("uid", cmp.Or(e.ContainerImageDigest, e.ContainerImage))
		o.close()
	}
	o.text("runtime", e.ContainerRuntime)
	if e.PodName != "" {
		o.raw("orchestrator", `"kubernetes"`)
		o.text("pod_uuid", e.PodUID)
	}
	o.close()
}

// ocsfObject writes what it was done to.
func (o *object) ocsfObject(d deed, e *trace.Event) {
	switch d.class {
	case process:
		if a, ok := e.Lookup(d.child); ok {
			o.open("process")
			o.int("pid", a.Int())
			if id, ok := e.Lookup("child_process_entity_id"); ok {
				o.number("uid", id.Uint())
			}
			o.close()
			return
		}
		o.ocsfProcess("process", d, e, nil)
		if a, ok := e.Lookup("exit_code"); ok && d.activity == processTerminate {
			o.int("exit_code", a.Int()>>8&0xff)
		}
	case memory:
		o.ocsfProcess("process", d, e, nil)
	case file:
		o.ocsfFile("file", d.path, e)
		if d.target != "" {
			o.ocsfFile("file_result", d.target, e)
		}
	case module:
		o.open("driver")
		o.ocsfModule(d, e)
		o.close()
	case library:
		o.open("module")
		o.ocsfModule(d, e)
		o.close()
	case network, dns, web:
		o.ocsfNetwork(d, e)
	default:
		o.open("kernel")
		o.text("name", e.EventName)
		o.int("type_id", int64(kernelType(e)))
		o.close()
	}
}

func (o *object) ocsfModule(d deed, e *trace.Event) {
	if a, ok := e.Lookup(d.path); ok && a.Text() != "" {
		o.ocsfPath("file", a.Text())
		return
	}
	name := e.EventName // of what is loaded from memory, or by a descriptor, nothing else is known
	if a, ok := e.Lookup("name"); ok {
		name = a.Text()
	}
	o.open("file")
	o.text("name", name)
	o.raw("type_id", "0")
	o.close()
}

func (o *object) ocsfFile(name, argument string, e *trace.Event) {
	o.open(name)
	o.raw("type_id", "0")
	if a, ok := e.Lookup(argument); ok && a.Text() != "" {
		o.text("name", path.Base(a.Text()))
		o.text("path", a.Text())
		o.text("parent_folder", directory(a.Text()))
	} else {
		o.raw("name", `"unknown"`)
	}
	if a, ok := e.Lookup("inode"); ok && name == "file" {
		o.number("uid", a.Uint())
	}
	o.close()
}

func (o *object) ocsfNetwork(d deed, e *trace.Event) {
	t := trafficOf(d, e)
	o.ocsfEndpoint("src_endpoint", t.source, t.sourceName)
	if !t.source.Addr().IsValid() && !t.destination.Addr().IsValid() {
		o.open("dst_endpoint")
		o.text("name", cmp.Or(t.path, "unknown"))
		o.close()
	} else {
		o.ocsfEndpoint("dst_endpoint", t.destination, t.destinationName)
	}
	o.open("connection_info")
	o.int("direction_id", int64(t.direction()))
	o.text("protocol_name", t.transport)
	for number, name := range transports {
		if name == t.transport {
			o.int("protocol_num", int64(number))
		}
	}
	o.close()
	switch d.class {
	case dns:
		o.ocsfDNS(e)
	case web:
		r := request(e)
		o.open("http_request")
		o.text("http_method", r.Method)
		o.open("url")
		o.text("hostname", r.Host)
		o.text("path", r.URIPath)
		o.close()
		o.close()
	}
}

// direction is direction_id: 0 unknown, 1 inbound, 2 outbound.
func (t *traffic) direction() int {
	switch {
	case !t.known:
		return 0
	case t.incoming:
		return 1
	default:
		return 2
	}
}

func (o *object) ocsfEndpoint(name string, address netip.AddrPort, domain string) {
	if !address.Addr().IsValid() {
		return
	}
	o.open(name)
	o.text("ip", address.Addr().WithZone("").String())
	o.known("port", uint64(address.Port()))
	o.text("domain", domain)
	o.close()
}

func (o *object) ocsfDNS(e *trace.Event) {
	q, answers := question(e)
	o.open("query")
	o.text("hostname", q.Query)
	o.text("type", q.QueryType)
	o.text("class", q.QueryClass)
	o.close()
	if len(answers) == 0 {
		return
	}
	o.raw("answers", "[")
	for _, a := range answers {
		o.open("")
		o.text("rdata", a.Answer)
		o.text("type", a.Type)
		o.int("ttl", int64(a.TTL))
		o.close()
	}
	o.b = append(o.b, ']')
}

// ocsfRemains writes the event in its own words.
func (o *object) ocsfRemains(e *trace.Event) {
	o.int("event_id", int64(e.EventID))
	o.int("return_value", int64(e.ReturnValue))
	o.text("via", e.Via)
	o.text("pod_name", e.PodName)
	o.text("pod_namespace", e.PodNamespace)
	o.open("args")
	for a := range e.All() {
		o.key(a.Name())
		o.b = a.AppendJSONValue(o.b)
	}
	o.close()
}

// AppendFinding writes a finding.
func (x *OCSF) AppendFinding(b []byte, f *detect.Finding, e *trace.Event) []byte {
	o := object{b}
	m := f.SigMetadata
	o.open("")
	x.head(&o, ocsfFinding, 1, e)
	o.raw("activity_name", `"Create"`)
	if level, ok := severity(m); ok {
		o.int("severity_id", int64(level)+1)
		o.text("severity", ocsfSeverities[level])
	} else {
		o.raw("severity_id", "0")
	}
	o.raw("status_id", "1")
	o.raw("status", `"New"`)
	if f.Repeated > 0 {
		o.uint("count", f.Repeated+1)
	}
	o.text("message", m.Description)
	o.open("finding_info")
	o.text("uid", findingID(m.ID, e))
	o.text("title", m.Name)
	o.text("desc", m.Description)
	o.int("created_time", EventTime(e).UnixMilli())
	o.open("analytic")
	o.text("uid", m.ID)
	o.text("name", m.Name)
	o.text("version", m.Version)
	o.raw("type_id", "1")
	o.raw("type", `"Rule"`)
	o.close()
	o.ocsfAttacks(attackOf(m))
	o.close()
	x.evidences(&o, f, e)
	x.device(&o, e)
	o.open("unmapped")
	o.texts("tags", m.Tags)
	o.texts("matched_policies", f.Policies)
	o.known("lost_nearby", f.LostNearby)
	if len(f.Data) > 0 {
		o.key("data")
		o.b = appendAny(o.b, f.Data)
	}
	o.ocsfRemains(e)
	o.close()
	o.close()
	return o.b
}

// findingID is the same for the same finding, however often it is sent.
func findingID(signature string, e *trace.Event) string {
	return signature + "-" + strconv.FormatUint(e.ProcessEntityID, 16) + "-" + strconv.FormatInt(int64(e.Timestamp), 16)
}

func (o *object) ocsfAttacks(a attack) {
	if a == (attack{}) {
		return
	}
	part := func(name, id, text string) {
		o.open(name)
		o.text("uid", id)
		o.text("name", text)
		o.close()
	}
	o.raw("attacks", "[")
	o.open("")
	part("tactic", a.tacticID, a.tactic)
	part("technique", a.techniqueID, a.technique)
	part("sub_technique", a.partID, a.part)
	o.close()
	o.b = append(o.b, ']')
}

func (x *OCSF) evidences(o *object, f *detect.Finding, e *trace.Event) {
	d := deedOf(e)
	o.raw("evidences", "[")
	o.open("")
	o.open("actor")
	o.ocsfProcess("process", d, e, f)
	o.close()
	switch d.class {
	case file:
		o.ocsfFile("file", d.path, e)
	case network, dns:
		t := trafficOf(d, e)
		o.ocsfEndpoint("src_endpoint", t.source, t.sourceName)
		o.ocsfEndpoint("dst_endpoint", t.destination, t.destinationName)
	}
	o.close()
	o.b = append(o.b, ']')
}
