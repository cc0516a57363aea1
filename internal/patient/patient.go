// Package patient writes to pipes and sockets whose other end may not read, and gives up when the command has to end.
//
// Start from New and Writer. Until Begin, a Writer waits for as long as it takes; from then on all that a Limit made wait
// together for its time, and what is not written then never is. Nothing is set on a file that others share: a pipe is
// opened once more, and a socket is asked for each write not to wait. What is neither, or may not be opened, is written to as
// it is. Writers may be used by several goroutines.
package patient

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ErrUnread says that the other end did not read in time.
var ErrUnread = errors.New("nobody reads it")

// Limit is how long writers wait in the end.
type Limit struct {
	patience time.Duration

	wake, waker *os.File // wake can be read when the time is running

	mu  sync.Mutex
	end time.Time // zero: the time does not run yet
}

// New makes a limit that does not count yet.
func New(patience time.Duration) (*Limit, error) {
	wake, waker, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("wait for readers: %w", err)
	}
	return &Limit{patience: patience, wake: wake, waker: waker}, nil
}

// Begin lets the time run, if it does not yet.
func (l *Limit) Begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.end.IsZero() {
		l.end = time.Now().Add(l.patience)
		l.waker.Close()
	}
}

// left is how much time there is, and false if it does not run.
func (l *Limit) left() (time.Duration, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Until(l.end), !l.end.IsZero()
}

// Writer is a writer to a file that is patient, if it is a pipe or a socket; anything else is returned as it is.
func (l *Limit) Writer(to io.Writer) io.Writer {
	file, ok := to.(*os.File)
	if !ok {
		return to
	}
	info, err := file.Stat()
	if err != nil {
		return to
	}
	w := &writer{limit: l, file: file}
	switch info.Mode() & fs.ModeType {
	case fs.ModeNamedPipe:
		w.fd, err = reopen(file)
		w.write = unix.Write
	case fs.ModeSocket:
		err = control(file, func(fd int) error { w.fd = fd; return nil })
		w.write = send
	default:
		return to
	}
	if err != nil {
		return to
	}
	return w
}

// control calls a function with the descriptor of a file, which stays as it is.
func control(file *os.File, do func(fd int) error) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	return errors.Join(raw.Control(func(fd uintptr) { err = do(int(fd)) }), err)
}

// reopen opens a pipe once more, so that not to wait for it concerns nobody else.
func reopen(file *os.File) (again int, err error) {
	return again, control(file, func(fd int) (err error) {
		again, err = unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		return err
	})
}

func send(fd int, p []byte) (int, error) {
	return unix.SendmsgN(fd, p, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
}

// writer is a file that others read, or do not.
type writer struct {
	limit *Limit
	file  *os.File
	fd    int
	write func(fd int, p []byte) (int, error) // does not wait

	mu     sync.Mutex
	unread bool
}

// Write is part of io.Writer. After ErrUnread it writes nothing: the last line may be torn.
func (w *writer) Write(p []byte) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for n < len(p) && err == nil {
		if w.unread {
			err = ErrUnread
			break
		}
		var written int
		switch written, err = w.write(w.fd, p[n:]); err {
		case nil:
			n += written
		case unix.EINTR:
			err = nil
		case unix.EAGAIN:
			err = w.wait()
			w.unread = errors.Is(err, ErrUnread)
		}
	}
	if err != nil {
		err = &fs.PathError{Op: "write", Path: w.file.Name(), Err: err}
	}
	return n, err
}

// wait waits until the other end has read something, or is gone.
func (w *writer) wait() error {
	for {
		fds := []unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLOUT}, {Fd: int32(w.limit.wake.Fd()), Events: unix.POLLIN}}
		timeout := -1
		if left, running := w.limit.left(); running {
			if left <= 0 {
				return ErrUnread
			}
			fds, timeout = fds[:1], int(left.Milliseconds())+1
		}
		switch _, err := unix.Poll(fds, timeout); {
		case err != nil && !errors.Is(err, unix.EINTR):
			return err
		case err == nil && fds[0].Revents != 0:
			return nil
		}
	}
}
