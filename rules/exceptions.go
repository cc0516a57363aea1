package rules

import (
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

// Exception says which findings are known to be harmless, why, and who answers for that. All conditions that it has must
// be met.
type Exception struct {
	Signatures []string
	Reason     string
	Owner      string
	Expires    time.Time
	Where      Place

	executable *executable
	image      string // of the container, a pattern; empty: any
	user       *int
	comm       string            // a pattern
	arguments  map[string]string // patterns, by the name of the argument

	used    atomic.Uint64
	expired atomic.Uint64
}

// executable identifies a program.
type executable struct {
	path          string
	device, inode uint64
	sha256        string
	hashes        hashes
}

// Used is how many findings the exception took out.
func (x *Exception) Used() uint64 { return x.used.Load() }

// Expired is how many findings it would have taken out, had its time not been over.
func (x *Exception) Expired() uint64 { return x.expired.Load() }

// exceptions are those of an engine, by signature.
type exceptions map[string][]*Exception

func newExceptions(list []*Exception) exceptions {
	all := exceptions{}
	for _, x := range list {
		for _, id := range x.Signatures {
			all[id] = append(all[id], x)
		}
	}
	return all
}

// apply reports whether an exception takes a finding out.
func (all exceptions) apply(f detect.Finding, e *trace.Event) bool {
	return slices.ContainsFunc(all[f.SigMetadata.ID], func(x *Exception) bool { return x.takesOut(f, e) })
}

func (x *Exception) takesOut(f detect.Finding, e *trace.Event) bool {
	if !x.covers(f, e) {
		return false
	}
	// The time of the event, so that a recorded stream always gives the same.
	if e.Timestamp > int(x.Expires.UnixNano()) {
		x.expired.Add(1)
		return false
	}
	x.used.Add(1)
	return true
}

// TakesOut says whether the exception takes a finding out, and counts it. The finding is as an engine delivers it.
func (x *Exception) TakesOut(f detect.Finding) bool {
	e, ok := f.Event.Payload.(*trace.Event)
	return ok && slices.Contains(x.Signatures, f.SigMetadata.ID) && x.takesOut(f, e)
}

func (x *Exception) covers(f detect.Finding, e *trace.Event) bool {
	if x.user != nil && *x.user != e.UserID {
		return false
	}
	if x.image != "" && (e.ContainerImage == "" || !like(x.image, e.ContainerImage)) {
		return false
	}
	if x.comm != "" && !like(x.comm, e.ProcessName) {
		return false
	}
	for name, pattern := range x.arguments {
		a, ok := e.Lookup(name)
		// What only the caller says, or was cut, proves nothing.
		if !ok || a.Truncated() || !like(pattern, a.Text()) {
			return false
		}
	}
	return x.executable == nil || x.executable.is(f)
}

func (p *executable) is(f detect.Finding) bool {
	if len(f.Process) == 0 {
		return false
	}
	by := f.Process[0]
	switch {
	case by.Executable == "" || !like(p.path, by.Executable):
		return false
	case p.inode != 0 && (p.inode != by.Inode || p.device != by.Device):
		return false
	case p.sha256 != "":
		return p.hashes.of(by) == p.sha256
	}
	return true
}

// like matches a text with a pattern of package path, in which * stops at slashes, or which ends with /** for all below.
func like(pattern, text string) bool {
	if dir, ok := strings.CutSuffix(pattern, "**"); ok && strings.HasSuffix(dir, "/") {
		return strings.HasPrefix(text, dir) && !slices.Contains(strings.Split(text, "/"), "..")
	}
	met, err := path.Match(pattern, text)
	return err == nil && met || pattern == text
}
