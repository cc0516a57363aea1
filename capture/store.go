package capture

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sys/unix"
)

const (
	outDir    = "out"
	partial   = ".partial"
	hostDir   = "host"
	fileMode  = 0o600
	dirMode   = 0o700
	namesakes = 1 << 20 // artifacts of one name, at most
)

// Stats count what became of artifacts.
type Stats struct {
	Captured, Incomplete, Missed, Evicted, Refused uint64
	Lost                                           uint64 // notices of the kernel side, and of the queue
}

// store is the directory of artifacts. It is used by one goroutine.
type store struct {
	root     *os.Root
	path     string // of the directory out
	quota    Quota
	manifest *manifest
	kept     []keptFile // oldest first
	bytes    int64
	by       map[string]int64 // bytes, by directory
	stats    Stats
	buffer   []byte                    // what is copied goes through
	away     *lru.Cache[awayKey, bool] // of what was turned away
}

// awayMax is of how many things it is remembered that there is no artifact of them.
const awayMax = 8192

// awayKey is what is turned away as one, however often it is written on, or executed.
type awayKey struct {
	kind, container, name string
	device                uint32
	inode                 uint64
}

// Why there is no artifact. The second of these was told before.
var (
	errRefused = errors.New("a quota leaves no room")
	errAgain   = errors.New("there is still none")
)

// keptFile is a file of which the manifest says that it was captured.
type keptFile struct {
	artifact, dir string
	kind          string
	size, time    int64
}

// openStore opens or makes <dir>/out, and mends what a crash has left there.
func openStore(o Options) (*store, error) {
	s, err := openOut(o)
	if err != nil {
		return nil, fmt.Errorf("capture directory %s: %w", o.Dir, err)
	}
	var records []Record
	if s.manifest, records, err = openManifest(s.root); err != nil {
		s.root.Close()
		return nil, fmt.Errorf("capture directory %s: %w", s.path, err)
	}
	if err := s.recover(records); err != nil {
		return nil, errors.Join(fmt.Errorf("capture directory %s: %w", s.path, err), s.close())
	}
	return s, nil
}

func openOut(o Options) (*store, error) {
	if err := os.MkdirAll(o.Dir, dirMode); err != nil {
		return nil, bare(err)
	}
	base, err := os.OpenRoot(o.Dir)
	if err != nil {
		return nil, bare(err)
	}
	defer base.Close()
	if err := ours(base); err != nil {
		return nil, err
	}
	if o.ClearDir {
		if err := base.RemoveAll(outDir); err != nil {
			return nil, bare(err)
		}
	}
	if err := base.Mkdir(outDir, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, bare(err)
	}
	if info, err := base.Lstat(outDir); err != nil || !info.IsDir() {
		return nil, errors.Join(bare(err), errors.New("out is not a directory (choose another by dir:)"))
	}
	root, err := base.OpenRoot(outDir)
	if err != nil {
		return nil, bare(err)
	}
	if err := errors.Join(owned(root), root.Chmod(".", dirMode)); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	away, err := lru.New[awayKey, bool](awayMax)
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return &store{
		root: root, path: filepath.Join(o.Dir, outDir), quota: o.Quota, by: map[string]int64{}, away: away,
	}, nil
}

// readyFile is how v0.8 says that it watches; pidMode lets its group wait for it.
const (
	readyFile = "tracee.pid"
	pidMode   = 0o640
)

// MarkReady leaves the file by which v0.8 says that it watches, where nothing is captured.
func MarkReady(dir, pid string) error {
	s, err := openOut(Options{Dir: dir})
	if err != nil {
		return fmt.Errorf("%s in %s: %w", readyFile, filepath.Join(dir, outDir), err)
	}
	defer s.root.Close()
	return s.markReady(pid)
}

func (s *store) markReady(pid string) error {
	if err := s.replace(readyFile, []byte(pid+"\n")); err != nil {
		return err
	}
	return s.root.Chmod(readyFile, pidMode)
}

// bare is an error without the path, which is told already.
func bare(err error) error {
	var of *fs.PathError
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// owned refuses a directory of somebody else, who could exchange what is in it.
func owned(root *os.Root) error {
	info, err := root.Stat(".")
	if err != nil {
		return err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 && int(stat.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to user %d (choose another by dir:)", root.Name(), stat.Uid)
	}
	return nil
}

// ours refuses a directory in which somebody else could put another in the place of out.
func ours(root *os.Root) error {
	info, err := root.Stat(".")
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSticky == 0 && info.Mode().Perm()&0o022 != 0 {
		return errors.New("others may write there (choose another by dir:, or chmod go-w)")
	}
	return owned(root)
}

// directoryOf is the name of the directory of a container, or of the host.
func directoryOf(container string) string {
	if container == "" {
		return hostDir
	}
	return safeName(container)
}

// directory makes the directory of a container, or of the host.
func (s *store) directory(container string) (string, error) {
	dir := directoryOf(container)
	err := s.root.Mkdir(dir, dirMode)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return dir, err
	}
	if info, err := s.root.Lstat(dir); err != nil || !info.IsDir() {
		return dir, errors.Join(err, fmt.Errorf("%s is not a directory", dir))
	}
	return dir, nil
}

// unused returns the name, or one like it, of which there is no file.
func (s *store) unused(dir, name string) string {
	for i := 1; i < namesakes; i++ {
		candidate := path.Join(dir, name)
		if i > 1 {
			candidate = fmt.Sprintf("%s.%d", candidate, i)
		}
		if !s.exists(candidate) && !s.exists(candidate+partial) {
			return candidate
		}
	}
	return path.Join(dir, name)
}

func (s *store) exists(name string) bool {
	_, err := s.root.Lstat(name)
	return err == nil
}

// room makes room for n more bytes of a directory, by a quota, and says whether there is.
func (s *store) room(dir string, n int64) bool {
	q := s.quota
	for {
		switch {
		case q.Container > 0 && s.by[dir]+n > q.Container:
			if q.Refuse || !s.evictOldest(dir) {
				return false
			}
		case q.Total > 0 && s.bytes+n > q.Total:
			if q.Refuse || !s.evictOldest("") {
				return false
			}
		default:
			return true
		}
	}
}

func (s *store) account(dir string, n int64) {
	s.bytes += n
	if s.by[dir] += n; s.by[dir] == 0 {
		delete(s.by, dir)
	}
}

// evictOldest removes the oldest artifact of a directory, or of all; false: there is none.
func (s *store) evictOldest(dir string) bool {
	for i, k := range s.kept {
		if dir == "" || k.dir == dir {
			return s.evict(i, "a quota")
		}
	}
	return false
}

func (s *store) evict(i int, reason string) bool {
	k := s.kept[i]
	if err := s.root.Remove(k.artifact); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	s.kept = append(s.kept[:i], s.kept[i+1:]...)
	s.account(k.dir, -k.size)
	s.stats.Evicted++
	s.manifest.add(Record{Time: time.Now().UnixNano(), State: Evicted, Kind: k.kind, Artifact: k.artifact, Size: k.size, Reason: reason})
	return true
}

// age removes what is too old.
func (s *store) age() {
	if s.quota.Age == 0 {
		return
	}
	limit := time.Now().Add(-s.quota.Age).UnixNano()
	for len(s.kept) > 0 && s.kept[0].time < limit {
		if !s.evict(0, "older than "+s.quota.Age.String()) {
			return
		}
	}
}

// keep takes a captured file into the books.
func (s *store) keep(r Record, dir string) {
	s.kept = append(s.kept, keptFile{artifact: r.Artifact, dir: dir, kind: r.Kind, size: r.Size, time: r.Time})
}

// forget takes it out of them, without its bytes, and says whether it was there.
func (s *store) forget(artifact string) bool {
	for i, k := range s.kept {
		if k.artifact == artifact {
			s.kept = append(s.kept[:i], s.kept[i+1:]...)
			return true
		}
	}
	return false
}

// miss records that nothing could be captured.
func (s *store) miss(r Record, reason string) Record {
	r.Time, r.State, r.Complete, r.Reason = time.Now().UnixNano(), Missed, false, reason
	s.stats.Missed++
	s.manifest.add(r)
	return r
}

func awayOf(r Record, name string) awayKey {
	return awayKey{r.Kind, r.ContainerID, cmp.Or(r.Pathname, name), r.Device, r.Inode}
}

// turnAway records that there can be no artifact, once until there is one.
func (s *store) turnAway(r Record, name string, why error) error {
	if seen, _ := s.away.ContainsOrAdd(awayOf(r, name), true); seen {
		return errAgain
	}
	if why != errRefused {
		s.miss(r, why.Error())
		return why
	}
	r.Time, r.State, r.Reason = time.Now().UnixNano(), Refused, why.Error()
	s.stats.Refused++
	s.manifest.add(r)
	return why
}

// note records something of which there is nothing to capture.
func (s *store) note(r Record) {
	r.Time, r.State = time.Now().UnixNano(), Noted
	s.manifest.add(r)
}

// appendLine adds a line to an index file, as v0.8 has them.
func (s *store) appendLine(name, line string) error {
	f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW, fileMode)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	return errors.Join(err, f.Close())
}

// replace writes a file anew, so that whoever reads it sees the one or the other.
func (s *store) replace(name string, content []byte) error {
	if err := s.root.WriteFile(name+partial, content, fileMode); err != nil {
		return err
	}
	return s.root.Rename(name+partial, name)
}

func (s *store) close() error {
	return errors.Join(s.manifest.close(), s.root.Close())
}
