package patient

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ends are both ends of a pipe and of a socket.
func ends(t *testing.T) map[string][2]*os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][2]*os.File{"pipe": {r, w}, "socket": {os.NewFile(uintptr(pair[0]), "here"), os.NewFile(uintptr(pair[1]), "there")}}
	t.Cleanup(func() {
		for _, both := range all {
			both[0].Close()
			both[1].Close()
		}
	})
	return all
}

// more than pipes and sockets hold.
var more = bytes.Repeat([]byte("0123456789abcde\n"), 1<<18)

func patientWriter(t *testing.T, patience time.Duration, to *os.File) (*Limit, io.Writer) {
	t.Helper()
	l, err := New(patience)
	if err != nil {
		t.Fatal(err)
	}
	w := l.Writer(to)
	if w == io.Writer(to) {
		t.Fatal("it is not patient")
	}
	return l, w
}

func TestNobodyReads(t *testing.T) {
	for name, both := range ends(t) {
		t.Run(name, func(t *testing.T) {
			l, w := patientWriter(t, time.Millisecond, both[1])
			time.AfterFunc(time.Millisecond, l.Begin) // now or while it waits, which must be the same
			n, err := w.Write(more)
			if !errors.Is(err, ErrUnread) || n == 0 || n >= len(more) {
				t.Errorf("got %d of %d, %v, want a part and %v", n, len(more), err, ErrUnread)
			}
			var rest [1]byte
			if _, err := both[0].Read(rest[:]); err != nil {
				t.Fatal(err)
			}
			if n, err := w.Write([]byte("x")); n != 0 || !errors.Is(err, ErrUnread) {
				t.Errorf("behind a torn line: got %d, %v, want nothing written", n, err)
			}
		})
	}
}

func TestWhatIsReadInTimeArrivesWhole(t *testing.T) {
	for name, both := range ends(t) {
		t.Run(name, func(t *testing.T) {
			l, w := patientWriter(t, time.Hour, both[1])
			failed := make(chan error, 1)
			go func() {
				_, err := w.Write(more[:len(more)/2])
				l.Begin()
				_, again := w.Write(more[len(more)/2:])
				failed <- errors.Join(err, again)
			}()
			got := make([]byte, len(more))
			if _, err := io.ReadFull(both[0], got); err != nil {
				t.Fatal(err)
			}
			if err := <-failed; err != nil || !bytes.Equal(got, more) {
				t.Errorf("got %v, want all of it, in order", err)
			}
		})
	}
}

func TestThereIsRoomThoughTheTimeIsOver(t *testing.T) {
	for name, both := range ends(t) {
		t.Run(name, func(t *testing.T) {
			l, w := patientWriter(t, 0, both[1])
			l.Begin()
			if n, err := w.Write([]byte("last words")); n != 10 || err != nil {
				t.Errorf("got %d, %v", n, err)
			}
		})
	}
}

func TestTheOtherEndIsGone(t *testing.T) {
	for name, both := range ends(t) {
		t.Run(name, func(t *testing.T) {
			_, w := patientWriter(t, time.Hour, both[1])
			time.AfterFunc(time.Millisecond, func() { both[0].Close() })
			if _, err := w.Write(more); !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestWhatOthersShareStaysAsItIs(t *testing.T) {
	for name, both := range ends(t) {
		flags := func() int {
			flags, err := unix.FcntlInt(both[1].Fd(), unix.F_GETFL, 0)
			if err != nil {
				t.Fatal(err)
			}
			return flags
		}
		before := flags() // Fd makes it wait
		_, w := patientWriter(t, time.Hour, both[1])
		if _, err := w.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if after := flags(); after != before {
			t.Errorf("%s: flags of the file: got %#x, want %#x", name, after, before)
		}
	}
}

func TestWhatNeverWaitsIsItself(t *testing.T) {
	l, err := New(time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, w := range []io.Writer{file, null, new(bytes.Buffer), &net.TCPConn{}} {
		if l.Writer(w) != w {
			t.Errorf("%T is wrapped", w)
		}
	}
}
