package signatures

import (
	"slices"
	"strings"
)

// fileIndex finds the rules that a path is of interest to, all at once, and tries only the patterns that could match: every
// file that anybody opens comes by here. Rules ask for the same path one after the other, so the last answer is kept.
type fileIndex struct {
	byName      map[string][]numbered[*patterns] // rules that have a path of this last name
	byRoot      map[string][]numbered[broad]     // patterns that begin with this directory
	byExtension map[string][]numbered[broad]     // patterns for any name with this ending
	hidden      []numbered[broad]                // patterns with a name in them that begins with a dot
	others      []numbered[broad]
	binds       []bind

	asked     []byte // the path of the last question
	hits      []uint64
	elsewhere []uint64 // the same for the path as it is on a system whose root is mounted there
	nobody    []uint64 // as many bits, none of them set
}

// numbered is something of a rule.
type numbered[T any] struct {
	rule  int
	thing T
}

// broad is a pattern that more than one name matches: all below a directory, or a glob.
type broad struct {
	below    string
	anywhere bool
	glob     *glob
}

func (b *broad) match(path string) bool {
	switch {
	case b.glob != nil:
		return b.glob.match(path)
	case b.anywhere:
		return strings.Contains(path, b.below)
	default:
		return strings.HasPrefix(path, b.below)
	}
}

// bind is a directory or file that is mounted again elsewhere.
type bind struct {
	from, to  string
	namespace int // of mounts, where it was done
}

// bindsRemembered bounds the bind mounts that are remembered; the oldest is forgotten.
const bindsRemembered = 64

func newFileIndex() *fileIndex {
	x := &fileIndex{
		byName: map[string][]numbered[*patterns]{}, byRoot: map[string][]numbered[broad]{}, byExtension: map[string][]numbered[broad]{},
	}
	for _, bits := range []*[]uint64{&x.hits, &x.elsewhere, &x.nobody} {
		*bits = make([]uint64, (len(fileRules)+groups+63)/64)
	}
	for n, r := range fileRules {
		p := compile(r.paths)
		for name := range p.exact {
			x.byName[base(name)] = append(x.byName[base(name)], numbered[*patterns]{n, p})
		}
		for name := range p.byName {
			x.byName[name] = append(x.byName[name], numbered[*patterns]{n, p})
		}
		for _, directory := range p.below {
			x.add(n, directory, broad{below: directory})
		}
		for _, directory := range p.anyBelow {
			x.add(n, directory, broad{below: directory, anywhere: true})
		}
		for i := range p.globs {
			g := &p.globs[i]
			x.add(n, g.pattern, broad{glob: g, anywhere: g.anywhere})
		}
	}
	return x
}

// add puts a pattern where it is found by what a path must have for it.
func (x *fileIndex) add(rule int, text string, b broad) {
	entry := numbered[broad]{rule, b}
	extension, whole := strings.CutPrefix(text, "/*.")
	switch root := rootOf(text); {
	case !b.anywhere && root != "" && !strings.Contains(root, "*"):
		x.byRoot[root] = append(x.byRoot[root], entry)
	case strings.Contains(text, "/."):
		x.hidden = append(x.hidden, entry)
	case whole && !strings.ContainsAny(extension, "*./"):
		x.byExtension[extension] = append(x.byExtension[extension], entry)
	default:
		x.others = append(x.others, entry)
	}
}

// rootOf returns the first directory of a path: "/etc/" of "/etc/passwd".
func rootOf(path string) string {
	if path == "" || path[0] != '/' {
		return ""
	}
	return path[:strings.IndexByte(path[1:], '/')+2]
}

func (x *fileIndex) has(path string, rule int) bool {
	return isHit(x.wanting(path), rule)
}

// any reports whether a path is of interest to any rule.
func (x *fileIndex) any(path string) bool {
	return slices.ContainsFunc(x.wanting(path), func(word uint64) bool { return word != 0 })
}

// wanting returns a bit for each rule: whether a path is of interest to it. Valid until the next question.
func (x *fileIndex) wanting(path string) []uint64 {
	if string(x.asked) != path {
		x.ask(path)
	}
	return x.hits
}

func (x *fileIndex) ask(path string) {
	x.asked = append(x.asked[:0], path...)
	clear(x.hits)
	clear(x.elsewhere)
	x.find(path, x.hits)
	if real := x.behind(path); real != path {
		x.find(real, x.hits)
	}
	if own, ok := belowMountedRoot(path); ok {
		x.find(own, x.elsewhere)
	}
}

// hasElsewhere is has for the path as it is on a system whose root is mounted, as the host's is in a container at /host.
func (x *fileIndex) hasElsewhere(path string, rule int) bool {
	x.wanting(path)
	return isHit(x.elsewhere, rule)
}

// belowMountedRoot takes a directory from the beginning of a path that is none of a system's own, and which one of these follows.
func belowMountedRoot(path string) (rest string, ok bool) {
	first := rootOf(path)
	if len(first) < 2 || rootDirectories[first] {
		return "", false
	}
	rest = path[len(first)-1:]
	return rest, rootDirectories[rootOf(rest)]
}

var rootDirectories = func() map[string]bool {
	all := map[string]bool{}
	for _, name := range strings.Fields("bin boot dev etc home lib lib32 lib64 libx32 opt proc root run sbin snap srv sys tmp usr var") {
		all["/"+name+"/"] = true
	}
	return all
}()

func (x *fileIndex) find(path string, found []uint64) {
	name := base(path)
	for _, r := range x.byName[name] {
		if r.thing.match(path) {
			hit(found, r.rule)
		}
	}
	try(x.byRoot[rootOf(path)], path, found)
	if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
		try(x.byExtension[name[dot+1:]], path, found)
	}
	if strings.Contains(path, "/.") {
		try(x.hidden, path, found)
	}
	try(x.others, path, found)
}

func try(list []numbered[broad], path string, found []uint64) {
	for i := range list {
		if list[i].thing.match(path) {
			hit(found, list[i].rule)
		}
	}
}

func hit(found []uint64, rule int) { found[rule/64] |= 1 << (rule % 64) }

func isHit(found []uint64, rule int) bool { return found[rule/64]&(1<<(rule%64)) != 0 }

// behind follows bind mounts from a path to where its file lies, whoever made them.
func (x *fileIndex) behind(path string) string {
	for i := len(x.binds) - 1; i >= 0; i-- {
		if real, ok := x.binds[i].follow(path); ok {
			return real
		}
	}
	return path
}

// behindIn follows the bind mounts of one mount namespace only.
func (x *fileIndex) behindIn(namespace int, path string) string {
	for i := len(x.binds) - 1; i >= 0; i-- {
		if x.binds[i].namespace != namespace {
			continue
		}
		if real, ok := x.binds[i].follow(path); ok {
			return real
		}
	}
	return path
}

// follow returns where a path leads if it is in the mount.
func (b *bind) follow(path string) (string, bool) {
	rest, ok := strings.CutPrefix(path, b.to)
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	return strings.TrimSuffix(b.from, "/") + rest, true
}

// bindMount is the flag MS_BIND of mount.
const bindMount = 0x1000

// unmounted forgets what was mounted.
func (x *fileIndex) unmounted(path string, namespace int) {
	x.binds = slices.DeleteFunc(x.binds, func(b bind) bool { return b.to == path && b.namespace == namespace })
	x.asked = x.asked[:0]
}

// mounted remembers what is mounted a second time.
func (x *fileIndex) mounted(m mount, namespace int) {
	b := bind{from: strings.Clone(m.from), to: strings.Clone(m.to), namespace: namespace}
	if !strings.HasPrefix(b.from, "/") || len(b.to) < 2 || b.from == b.to {
		return
	}
	b.from = x.behind(b.from)
	if len(x.binds) == bindsRemembered {
		x.binds = x.binds[1:]
	}
	x.binds = append(slices.DeleteFunc(x.binds, func(old bind) bool { return old.to == b.to && old.namespace == b.namespace }), b)
	x.asked = x.asked[:0]
}
