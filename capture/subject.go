package capture

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/internal/library"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

// subject is a process of which evidence is kept, by its directory in /proc. That never becomes the one of another process
// that gets the number later.
type subject struct {
	dir *os.File // nil: the process was gone
	err error    // why
	// what is known of its program, from when it was executed
	program detect.Process
}

var errNumberTaken = errors.New("another process has its number")

// subjectOf takes hold of the process of a finding, which may be gone already.
func subjectOf(f detect.Finding, e *trace.Event) (s subject) {
	if len(f.Process) > 0 && f.Process[0].EntityID == e.ProcessEntityID {
		s.program = f.Process[0]
	}
	s.dir, s.err = os.OpenFile("/proc/"+strconv.Itoa(e.HostProcessID), os.O_RDONLY|unix.O_DIRECTORY, 0)
	if s.err != nil {
		return s
	}
	stat, err := library.ReadStat(s.path("stat"))
	if err == nil && e.ThreadStartTime > 0 && stat.Start > time.Duration(e.ThreadStartTime) {
		err = errNumberTaken // it began after the thread that did it
	}
	if err != nil {
		s.close()
		s.dir, s.err = nil, err
	}
	return s
}

// path is that of a file of the process, as long as the process is there.
func (s *subject) path(rest string) string {
	return "/proc/self/fd/" + strconv.Itoa(int(s.dir.Fd())) + "/" + rest
}

func (s *subject) close() {
	if s.dir != nil {
		_ = s.dir.Close()
	}
}

// gone says why there is nothing of the process any more; nil: it runs.
func (s *subject) gone() error {
	err := s.err
	if s.dir != nil {
		var stat library.ThreadStat
		if stat, err = library.ReadStat(s.path("stat")); err == nil && stat.Ended() {
			err = errors.New("it has ended")
		}
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("gone before it could be looked at: %w", bare(err))
}

// openImage opens the program that the process runs. Of a process that is gone it is the file that was executed, if that is
// still where it was; the note says so.
func (s *subject) openImage(n *notice) (f *os.File, note string, err error) {
	if s.dir != nil {
		if f, err = s.openOwn(n); err == nil {
			return f, "", nil
		}
	}
	if gone := s.gone(); gone != nil {
		err = gone
	}
	n.path, n.key = s.program.Executable, fileKey{device: uint32(s.program.Device), inode: s.program.Inode}
	if n.key.inode == 0 {
		return nil, "", err
	}
	if f, _ = hold(n.key, waysTo(n)...); f == nil {
		f = holdByParent(n.key, n.parent)
	}
	return f, fmt.Sprintf("%v; this is the file that it ran", err), err
}

// openOwn opens the program by the process itself, and notes which file that is.
func (s *subject) openOwn(n *notice) (*os.File, error) {
	link := s.path("exe")
	name, err := os.Readlink(link)
	if err != nil {
		return nil, bare(err)
	}
	f, err := library.OpenRegular(link)
	if err != nil {
		return nil, err
	}
	n.path, n.key = strings.TrimSuffix(name, " (deleted)"), keyOf(f)
	return f, nil
}
