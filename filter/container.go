package filter

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cilium/ebpf"

	"github.com/tracee-go/tracee/internal/cgroup"
)

// containerRule is what the flags say about containers.
type containerRule struct {
	only, not bool // container, !container

	fresh, old          bool // =new, !=new
	started, notStarted bool // =started, !=started
	ids                 []term[string]
	listed              bool // there are = flags
}

// Container is what --trace container can tell apart.
type Container struct {
	ID      string // empty: the host
	Existed bool   // when tracing began
	Started bool   // since then
}

// The words that container knows besides ids.
const (
	newContainers     = "new"
	startedContainers = "started"
)

func (f *Filter) parseContainer(x expression) error {
	r := &f.container
	switch {
	case x.operator == "" && x.name[0] == '!':
		r.not = true
		return nil
	case x.operator == "":
		r.only = true
		return nil
	}
	if err := x.check(equal, notEqual); err != nil {
		return err
	}
	for _, value := range x.values {
		if err := r.add(x.operator, value); err != nil {
			return err
		}
	}
	r.listed = r.listed || x.operator == equal
	return nil
}

func (r *containerRule) add(op operator, value string) error {
	switch {
	case value == newContainers && op == equal:
		r.fresh = true
	case value == newContainers:
		r.old = true
	case value == startedContainers && op == equal:
		r.started = true
	case value == startedContainers:
		r.notStarted = true
	default:
		id := strings.TrimSuffix(value, "*")
		if id == "" || len(id) > containerIDSize || strings.ContainsFunc(id, notOfContainers) {
			return fmt.Errorf("invalid filter value: %s (container takes new, started, or the beginning of a container's id: "+
				"up to %d characters)", value, containerIDSize)
		}
		r.ids = append(r.ids, term[string]{op, id})
		if lower := strings.ToLower(id); lower != id && strings.Trim(lower, "0123456789abcdef") == "" {
			r.ids = append(r.ids, term[string]{op, lower}) // hexadecimal digits in capitals
		}
	}
	return nil
}

func (r *containerRule) active() bool {
	return r.only || r.not || r.fresh || r.old || r.started || r.notStarted || len(r.ids) > 0
}

// judgeID says what the flags say about an id, or about the beginning of one.
func (r *containerRule) judgeID(id string) (v verdict) {
	for _, t := range r.ids {
		begins := strings.HasPrefix(id, t.value)
		v.excluded = v.excluded || begins && t.operator == notEqual
		v.included = v.included || begins && t.operator == equal
	}
	return v
}

// admits is the rule in plain Go; container_passes of bpf/lib/container.h is the same.
func (r *containerRule) admits(c Container) bool {
	running := c.ID != "" && (c.Existed || c.Started)
	v := r.judgeID(c.ID)
	switch {
	case r.only && !running, r.not && running, r.notStarted && running:
		return false
	case r.old && !(c.ID != "" && c.Existed):
		return false
	case v.excluded:
		return false
	case v.included:
		return true
	case r.fresh && running && !c.Existed, r.started && running:
		return true
	default:
		return !r.listed
	}
}

// AdmitsContainer says whether events about a container are wanted, such as that it was made.
func (f *Filter) AdmitsContainer(c Container) bool { return f == nil || f.container.admits(c) }

// NeedsContainers says that there are flags about containers.
func (f *Filter) NeedsContainers() bool { return f != nil && f.container.active() }

// ShowsContainers says that what is traced runs in containers, for the tables.
func (f *Filter) ShowsContainers() bool {
	r := f.container
	r.not, r.notStarted = false, false
	return r.active()
}

// compile gives the rule as the kernel side holds it, and the listed ids. Of those it looks for the longest that fits, so
// each has the verdict of all that it begins with.
func (r *containerRule) compile() (rule filterContainerRule, ids map[filterContainerKey]uint8) {
	if !r.active() {
		return rule, nil
	}
	rule = filterContainerRule{
		Active: 1, Running: bit(r.only), Old: bit(r.old), NotStarted: bit(r.notStarted || r.not), Fresh: bit(r.fresh), Started: bit(r.started),
		Listed: bit(len(r.ids) > 0), Unlisted: inOrOut(!r.listed),
	}
	ids = map[filterContainerKey]uint8{}
	for _, t := range r.ids {
		for _, name := range cgroup.Spellings(t.value) {
			var key filterContainerKey
			key.PrefixLength = uint32(copy(key.Text[:], name)) * 8
			ids[key] = inOrOut(!r.judgeID(t.value).excluded)
		}
	}
	return rule, ids
}

func bit(on bool) uint8 {
	if on {
		return 1
	}
	return 0
}

// The names of what lib/container.h declares.
const (
	containerRuleName = "container_rule"
	containerIDs      = "container_ids"
)

// configureContainers sets constant and size of what is said about containers.
func (f *Filter) configureContainers(spec *ebpf.CollectionSpec) error {
	rule, ids := f.container.compile()
	if rule.Active == 0 {
		return nil
	}
	variable, m := spec.Variables[containerRuleName], spec.Maps[containerIDs]
	if variable == nil || m == nil {
		return errors.New("configure filters: the object knows no containers")
	}
	m.MaxEntries = uint32(max(1, len(ids)))
	if err := variable.Set(rule); err != nil {
		return fmt.Errorf("configure filters: %w", err)
	}
	return nil
}

func (f *Filter) installContainers(loaded map[string]*ebpf.Map) error {
	_, ids := f.container.compile()
	for key, verdict := range ids {
		if err := put(loaded, containerIDs, key, verdict); err != nil {
			return err
		}
	}
	return nil
}

// ListedContainer is the kernel side's verdict on the id of a container: what container_group.verdict holds.
func (f *Filter) ListedContainer(id string) uint8 {
	switch v := f.container.judgeID(id); {
	case v.excluded:
		return verdictOut
	case v.included:
		return verdictIn
	default:
		return 0
	}
}

// notOfContainers tells characters that no runtime takes for a name: it takes letters, digits, and _ . - within.
func notOfContainers(r rune) bool {
	return r >= utf8.RuneSelf || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_.-", r)
}
