package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/patient"
	"github.com/tracee-go/tracee/internal/suggest"
	"github.com/tracee-go/tracee/types/trace"
)

const inputHelp = `--input-tracee says where events come from and how they are written. Give it once for each of the two:

  file:<path>     read the file or FIFO of this path
  file:stdin      read standard input
  format:json     a JSON object a line, as tracee-ebpf --output json writes
  format:gob      a gob stream, as tracee-ebpf --output format:gob writes

Examples:
  tracee-rules --input-tracee file:./events.json --input-tracee format:json
  tracee-rules --input-tracee file:./events.gob --input-tracee format:gob
  sudo tracee-ebpf -o format:gob | tracee-rules --input-tracee file:stdin --input-tracee format:gob
`

// inputOptions are the two halves of --input-tracee.
type inputOptions struct {
	path   string // "stdin" is standard input
	format string
}

func parseInput(values []string) (inputOptions, error) {
	var in inputOptions
	if len(values) == 0 {
		return in, errors.New("no tracee input options specified (try --input-tracee help)")
	}
	for _, option := range values {
		if err := in.set(option); err != nil {
			return in, err
		}
	}
	if in.format == "" {
		return in, errors.New("could not set up input source (add --input-tracee format:json or format:gob)")
	}
	if in.path == "" {
		return in, errors.New("could not set up input source (add --input-tracee file:stdin or file:<path>)")
	}
	return in, nil
}

// set takes one option. Only its first colon counts, so that a path may have others.
func (in *inputOptions) set(option string) error {
	key, value, ok := strings.Cut(option, ":")
	if !ok {
		return fmt.Errorf("invalid input-tracee option: %s (want file:<path>, file:stdin, format:json or format:gob)", option)
	}
	if key == "" || value == "" {
		return fmt.Errorf("empty key or value passed: key: >%s< value: >%s< (want file:<path> or format:json)", key, value)
	}
	switch key {
	case "file":
		return in.setFile(value)
	case "format":
		in.format = strings.ToLower(value)
		if in.format != "json" && in.format != "gob" {
			return fmt.Errorf("invalid tracee input format specified: %s (want json or gob)", value)
		}
		return nil
	default:
		return fmt.Errorf("invalid input-tracee option key: %s%s", key, suggest.DidYouMean(key, []string{"file", "format"}))
	}
}

func (in *inputOptions) setFile(path string) error {
	in.path = path
	if path == "stdin" {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		hint := errors.Unwrap(err).Error()
		if before, _, ok := strings.Cut(path, ",format:"); ok {
			hint = "give --input-tracee once for file:" + before + " and once for format:"
		}
		return fmt.Errorf("invalid Tracee input file: %s (%s)", path, hint)
	}
	if info.IsDir() {
		return fmt.Errorf("invalid file: %s (it is a directory)", path)
	}
	return nil
}

// openInput opens the file. A FIFO without a writer blocks until there is one.
func (c *rulesCommand) openInput() (*os.File, error) {
	if c.input.path == "stdin" {
		return c.stdin, nil
	}
	file, err := os.Open(c.input.path)
	if err != nil {
		return nil, fmt.Errorf("invalid file: %s (%w)", c.input.path, errors.Unwrap(err))
	}
	return file, nil
}

func newEventReader(format string, source io.Reader) trace.StreamReader {
	if format == "gob" {
		return trace.NewGobReader(source, eventSchema)
	}
	return trace.NewJSONReader(source, eventSchema)
}

func eventSchema(name string) *trace.Schema {
	if e, ok := events.Lookup(name); ok {
		return e.Schema()
	}
	return nil
}

const (
	// drainTime bounds how long events are still read after a signal.
	drainTime = 2 * time.Second
	// drainPause is the pause in the input that ends reading after a signal.
	drainPause = 200 * time.Millisecond
)

// stoppable reads a file, and ends it soon after SIGINT or SIGTERM: when nothing more comes, or after drainTime. A
// second signal kills the program as usual.
type stoppable struct {
	file     *os.File
	wake     *os.File // becomes readable when there was a signal
	deadline time.Time
	stopped  bool // the signal ended the file
	stop     func()
	pulse    *pulse

	done     chan struct{}
	finished chan struct{}
}

func newStoppable(file *os.File, limit *patient.Limit) (*stoppable, error) {
	wake, waker, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("wait for signals: %w", err)
	}
	s := &stoppable{file: file, wake: wake, done: make(chan struct{}), finished: make(chan struct{})}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	s.stop = func() { // as if a signal had come
		select {
		case signals <- os.Interrupt:
		default:
		}
	}
	go func() {
		defer close(s.finished)
		select {
		case <-signals:
			limit.Begin()
		case <-s.done:
		}
		waker.Close()
		select {
		case <-time.After(twice):
		case <-s.done:
		}
		signal.Stop(signals)
	}()
	return s, nil
}

// close ends waiting for signals. It leaves the file open.
func (s *stoppable) close() {
	close(s.done)
	<-s.finished
	s.wake.Close()
}

func (s *stoppable) Read(p []byte) (int, error) {
	ready, err := s.wait()
	if err != nil {
		return 0, err
	}
	if !ready {
		s.stopped = true
		return 0, io.EOF
	}
	return s.file.Read(p)
}

// wait waits until the file can be read without blocking, or reports false when it shall not be read any more.
func (s *stoppable) wait() (bool, error) {
	for {
		fds := []unix.PollFd{
			{Fd: int32(s.file.Fd()), Events: unix.POLLIN},
			{Fd: int32(s.wake.Fd()), Events: unix.POLLIN},
		}
		timeout := -1
		if !s.deadline.IsZero() {
			fds = fds[:1]
			left := time.Until(s.deadline)
			if left <= 0 {
				return false, nil
			}
			timeout = int(min(left, drainPause).Milliseconds())
		}
		s.pulse.wait()
		n, err := unix.Poll(fds, timeout)
		s.pulse.begin()
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return false, fmt.Errorf("wait for events: %w", err)
		case n == 0:
			return false, nil
		case len(fds) == 2 && fds[1].Revents != 0:
			s.deadline = time.Now().Add(drainTime)
		default:
			return true, nil
		}
	}
}
