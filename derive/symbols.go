package derive

import (
	"slices"

	"github.com/tracee-go/tracee/internal/library"
	"github.com/tracee-go/tracee/types/trace"
)

// mappingOf is what shared_object_loaded says.
func mappingOf(source *trace.Event) (library.Mapping, error) {
	m := library.Mapping{Task: source.HostThreadID, MountNamespace: source.MountNS}
	path, ok := source.Lookup("pathname")
	if !ok {
		return m, wrong(source, "pathname")
	}
	m.Path = path.Text()
	for name, to := range map[string]*uint64{"inode": &m.Inode, "ctime": &m.Ctime} {
		argument, ok := source.Lookup(name)
		if !ok {
			return m, wrong(source, name)
		}
		*to = argument.Uint()
	}
	dev, ok := source.Lookup("dev")
	if !ok {
		return m, wrong(source, "dev")
	}
	m.Dev = uint32(dev.Uint())
	return m, nil
}

// mostNames is how many bytes of names an event holds.
const mostNames = 32 << 10

// nameList are names of symbols, sorted, and as many as an event holds.
type nameList struct {
	names []string
	bytes int
	cut   bool
}

func newNameList(names []string) nameList {
	slices.Sort(names)
	l := nameList{names: names}
	for i, name := range names {
		if l.bytes += len(name) + 1; l.bytes > mostNames {
			l.names, l.cut = slices.Clip(slices.Clone(names[:i])), true
			break
		}
	}
	return l
}

// put stores the names in an argument.
func (l nameList) put(b *trace.Builder, index int) {
	b.Strings(index, l.names)
	if l.cut {
		b.Truncate(index)
	}
}
