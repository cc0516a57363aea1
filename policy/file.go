package policy

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/internal/settings"
	"github.com/tracee-go/tracee/internal/suggest"
)

// Words are the names that a policy may use beside those of events.
type Words struct {
	Signatures []string // ids and other names
	Severities []string
	Outputs    []string
	Evidence   []string
}

// Load reads the policies of files, and of the .yaml and .yml files of directories. All that is wrong is told.
func Load(paths []string, words Words) (all []*Policy, problems settings.Problems) {
	for _, path := range paths {
		files, err := filesOf(path)
		if err != nil {
			problems = append(problems, settings.Problem{Path: path, Line: 1, Text: reason(err)})
		}
		for _, file := range files {
			content, err := settings.Content(file)
			if err != nil {
				problems = append(problems, settings.Problem{Path: file, Line: 1, Text: reason(err)})
				continue
			}
			documents, wrong := settings.Parse(file, content)
			problems = append(problems, wrong...)
			if len(documents) == 0 && len(wrong) == 0 {
				problems = append(problems, settings.Problem{Path: file, Line: 1, Text: "the file is empty"})
			}
			for _, d := range documents {
				r := &reader{path: file, words: words}
				if p := r.document(d); p != nil {
					all = append(all, p)
				}
				problems = append(problems, r.problems...)
			}
		}
	}
	return all, problems
}

// reason is the error without the path, which stands before it.
func reason(err error) string {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

func filesOf(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return []string{path}, nil // reading tells
	}
	entries, err := os.ReadDir(path)
	var files []string
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); (ext == ".yaml" || ext == ".yml") && !strings.HasPrefix(e.Name(), ".") {
			files = append(files, filepath.Join(path, e.Name()))
		}
	}
	if err == nil && len(files) == 0 {
		err = errors.New("the directory has no policies: files that end in .yaml or .yml")
	}
	return files, err
}

// Section reads the list of policies of a configuration; nil is an empty one.
func Section(path string, list *yaml.Node, words Words) (all []*Policy, problems settings.Problems) {
	if list == nil || list.Tag == "!!null" {
		return nil, nil
	}
	if list.Kind != yaml.SequenceNode {
		return nil, settings.Problems{{Path: path, Line: list.Line, Text: "policies: want a list"}}
	}
	for _, node := range list.Content {
		r := &reader{path: path, words: words}
		if p := r.document(node); p != nil {
			all = append(all, p)
		}
		problems = append(problems, r.problems...)
	}
	return all, problems
}

// Distinct tells of names that several policies have.
func Distinct(all []*Policy) (problems settings.Problems) {
	first := map[string]*Policy{}
	for _, p := range all {
		if other := first[p.Name]; other != nil {
			problems = append(problems, settings.Problem{Path: p.Path, Line: p.Line,
				Text: fmt.Sprintf("policy %s: the name is taken by %s:%d", p.Name, other.Path, other.Line)})
			continue
		}
		first[p.Name] = p
	}
	return problems
}

// reader reads one policy, and collects what is wrong with it.
type reader struct {
	path     string
	words    Words
	problems settings.Problems
}

func (r *reader) wrong(n *yaml.Node, format string, values ...any) {
	r.problems = append(r.problems, settings.Problem{Path: r.path, Line: n.Line, Text: fmt.Sprintf(format, values...)})
}

// versions and kinds of resources of Kubernetes that are policies.
var (
	versions = []string{"tracee.aquasec.com/v1beta1", "aquasecurity.github.io/v1beta1"}
	kinds    = []string{"Policy", "TraceePolicy"}
)

// document reads a policy: plain, or shaped as a resource of Kubernetes.
func (r *reader) document(n *yaml.Node) *Policy {
	p := &Policy{Path: r.path, Line: n.Line}
	if n.Kind != yaml.MappingNode {
		r.wrong(n, "a policy is a mapping, with name and rules")
		return nil
	}
	if field(n, "apiVersion") != nil || field(n, "kind") != nil {
		r.resource(n, p)
	} else {
		r.fields(n, append(r.bodyFields(p), named{"name", func(v *yaml.Node) { p.Name = r.text(v, "name") }},
			named{"description", func(v *yaml.Node) { p.Description = r.text(v, "description") }}))
	}
	if p.Name == "" {
		r.wrong(n, "the policy has no name")
	}
	if len(p.Rules) == 0 && !p.Signatures.Any() && len(r.problems) == 0 {
		r.wrong(n, "policy %s selects nothing: give it rules or signatures", p.Name)
	}
	if p.Scope == nil {
		p.Scope, _ = filter.ParseScope(nil)
	}
	if len(r.problems) > 0 {
		return nil
	}
	return p
}

func (r *reader) resource(n *yaml.Node, p *Policy) {
	one := func(name string, known []string) func(*yaml.Node) {
		return func(v *yaml.Node) {
			if text := r.text(v, name); !slices.Contains(known, text) {
				r.wrong(v, "%s %q is not read: want %s", name, text, strings.Join(known, " or "))
			}
		}
	}
	ignored := func(*yaml.Node) {}
	r.fields(n, []named{
		{"apiVersion", one("apiVersion", versions)},
		{"kind", one("kind", kinds)},
		{"status", ignored},
		{"metadata", func(v *yaml.Node) {
			r.fields(v, []named{
				{"name", func(v *yaml.Node) { p.Name = r.text(v, "name") }},
				{"annotations", func(v *yaml.Node) {
					if d := field(v, "description"); d != nil {
						p.Description = d.Value
					}
				}},
				{"labels", ignored}, {"namespace", ignored}, {"uid", ignored}, {"generation", ignored},
				{"resourceVersion", ignored}, {"creationTimestamp", ignored}, {"managedFields", ignored},
			})
		}},
		{"spec", func(v *yaml.Node) { r.fields(v, r.bodyFields(p)) }},
	})
}

// named is a field and what reads it.
type named struct {
	name string
	read func(*yaml.Node)
}

// fields reads the fields of a mapping, each once.
func (r *reader) fields(n *yaml.Node, known []named) {
	names := make([]string, len(known))
	for i := range known {
		names[i] = known[i].name
	}
	if n.Kind != yaml.MappingNode {
		r.wrong(n, "want a mapping of %s", strings.Join(names, ", "))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		at := slices.Index(names, key.Value)
		switch {
		case at < 0:
			r.wrong(key, "unknown field %q%s", key.Value, cmp.Or(suggest.DidYouMean(key.Value, names), want(names)))
		case seen[key.Value]:
			r.wrong(key, "%s is given twice", key.Value)
		default:
			seen[key.Value] = true
			known[at].read(n.Content[i+1])
		}
	}
}

func field(n *yaml.Node, name string) *yaml.Node {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}

// bodyFields are what both forms have: those of Tracee's policies, and ours.
func (r *reader) bodyFields(p *Policy) []named {
	return []named{
		{"scope", func(v *yaml.Node) {
			scope, err := filter.ParseScope(r.texts(v, "scope"))
			if err != nil {
				r.wrong(v, "scope: %v", err)
				return
			}
			p.Scope = scope
		}},
		{"defaultActions", r.actions}, {"defaultAction", r.actions},
		{"rules", func(v *yaml.Node) { r.rules(v, p) }},
		{"signatures", func(v *yaml.Node) { r.signatures(v, &p.Signatures) }},
		{"exceptions", func(v *yaml.Node) { p.Exceptions = v }},
		{"outputs", func(v *yaml.Node) { p.Outputs = r.oneOf(v, "outputs", r.words.Outputs) }},
		{"evidence", func(v *yaml.Node) {
			for _, level := range r.oneOf(v, "evidence", r.words.Evidence) {
				p.Evidence = level
			}
		}},
	}
}

// actions reads what Tracee's policies call so: to tell of an event is the only one.
func (r *reader) actions(v *yaml.Node) {
	for _, action := range r.texts(v, "actions") {
		if action != "log" {
			r.wrong(v, "action %q is not available: events and findings go to outputs (write log, or leave it out)", action)
		}
	}
}

func (r *reader) rules(list *yaml.Node, p *Policy) {
	if list.Kind != yaml.SequenceNode {
		r.wrong(list, "rules: want a list")
		return
	}
	for _, n := range list.Content {
		switch n.Kind {
		case yaml.ScalarNode: // the name of an event alone
			r.rule(n, n, nil, p)
			continue
		case yaml.MappingNode:
		default:
			r.wrong(n, "a rule is the name of an event, or a mapping of event and filters")
			continue
		}
		before := len(r.problems)
		var event *yaml.Node
		var filters []string
		r.fields(n, []named{
			{"event", func(v *yaml.Node) { event = v }},
			{"filters", func(v *yaml.Node) { filters = r.texts(v, "filters") }},
			{"actions", r.actions}, {"action", r.actions},
		})
		switch {
		case event != nil && event.Kind == yaml.ScalarNode:
			r.rule(n, event, filters, p)
		case len(r.problems) == before:
			r.wrong(n, "a rule without an event (want event: and its name)")
		}
	}
}

// rule takes an event or, as Tracee's policies write it, a signature in the place of one.
func (r *reader) rule(n, name *yaml.Node, filters []string, p *Policy) {
	e, ok := events.Lookup(name.Value)
	if ok && !e.Internal {
		selector, err := filter.NewSelector(e, filters)
		if err != nil {
			r.wrong(n, "rule of %s: %v", e.Name, err)
			return
		}
		p.Rules = append(p.Rules, selector)
		return
	}
	id := name.Value
	if known, ok := signatureNames[id]; ok {
		id = known
	}
	switch {
	case !slices.Contains(r.words.Signatures, id):
		known := slices.Collect(maps.Keys(signatureNames))
		for _, e := range events.InSet(events.AllEvents) {
			known = append(known, e.Name)
		}
		r.wrong(name, "unknown event %q%s", name.Value, suggest.DidYouMean(name.Value, append(known, r.words.Signatures...)))
	case len(filters) > 0:
		r.wrong(n, "rule of %s: filters of findings are not available: narrow the scope", name.Value)
	default:
		p.Signatures.IDs = append(p.Signatures.IDs, id)
	}
}

// signatures reads "all", a list of ids, or ids and severities.
func (r *reader) signatures(v *yaml.Node, s *Signatures) {
	ids := func(v *yaml.Node) { s.IDs = append(s.IDs, r.oneOf(v, "signatures", r.words.Signatures)...) }
	switch {
	case v.Kind == yaml.ScalarNode && v.Value == "all":
		s.All = true
	case v.Kind == yaml.MappingNode:
		r.fields(v, []named{
			{"ids", ids},
			{"severities", func(v *yaml.Node) { s.Severities = r.oneOf(v, "severities", r.words.Severities) }},
		})
	default:
		ids(v)
	}
}

// namesTold is up to how many names that are known are told to who gives another.
const namesTold = 9

// want is a hint that tells names, if those are few.
func want(names []string) string {
	if len(names) > namesTold {
		return ""
	}
	return " (want " + strings.Join(names, ", ") + ")"
}

// oneOf reads texts each of which must be known.
func (r *reader) oneOf(v *yaml.Node, what string, known []string) []string {
	values := r.texts(v, what)
	for _, value := range values {
		if !slices.Contains(known, value) {
			r.wrong(v, "%s: unknown %q%s", what, value, cmp.Or(suggest.DidYouMean(value, known), want(known)))
		}
	}
	return values
}

// texts reads a text or a list of texts.
func (r *reader) texts(v *yaml.Node, what string) []string {
	list := []*yaml.Node{v}
	if v.Kind == yaml.SequenceNode {
		list = v.Content
	}
	var texts []string
	for _, n := range list {
		before := len(r.problems)
		if text := r.text(n, what); len(r.problems) == before {
			texts = append(texts, text)
		}
	}
	return texts
}

func (r *reader) text(v *yaml.Node, what string) string {
	if v.Kind != yaml.ScalarNode || v.Tag == "!!null" {
		r.wrong(v, "%s: want a text", what)
		return ""
	}
	return v.Value
}

// signatureNames are the names by which Tracee's policies know v0.8's signatures.
var signatureNames = map[string]string{
	"anti_debugging": "TRC-102", "aslr_inspection": "TRC-109", "cgroup_notify_on_release": "TRC-106",
	"cgroup_release_agent": "TRC-1010", "core_pattern_modification": "TRC-1011", "default_loader_mod": "TRC-1012",
	"disk_mount": "TRC-1014", "docker_abuse": "TRC-1019", "dropped_executable": "TRC-1022",
	"dynamic_code_loading": "TRC-104", "fileless_execution": "TRC-105", "hidden_file_created": "TRC-1015",
	"illegitimate_shell": "TRC-1016", "k8s_api_connection": "TRC-1013", "k8s_cert_theft": "TRC-1018",
	"kernel_module_loading": "TRC-1017", "ld_preload": "TRC-107", "proc_fops_hooking": "TRC-1020",
	"proc_kcore_read": "TRC-1021", "proc_mem_access": "TRC-1023", "proc_mem_code_injection": "TRC-1024",
	"process_vm_write_inject": "TRC-1025", "ptrace_code_injection": "TRC-103", "rcd_modification": "TRC-1026",
	"sched_debug_recon": "TRC-1029", "scheduled_task_mod": "TRC-1027", "stdio_over_socket": "TRC-101",
	"sudoers_modification": "TRC-1028", "syscall_hooking": "TRC-1030", "system_request_key_mod": "TRC-1031",
}
