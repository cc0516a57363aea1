package top

import (
	"bytes"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/ptytest"
)

func resize(t *testing.T, person *os.File, width, height uint16) {
	t.Helper()
	if err := unix.IoctlSetWinsize(int(person.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: height, Col: width}); err != nil {
		t.Fatal(err)
	}
}

// watcher reads what a terminal is sent.
type watcher struct {
	mu   sync.Mutex
	seen bytes.Buffer
}

func watch(person *os.File) *watcher {
	w := &watcher{}
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := person.Read(b)
			if err != nil {
				return
			}
			w.mu.Lock()
			w.seen.Write(b[:n])
			w.mu.Unlock()
		}
	}()
	return w
}

// frame is what was drawn last, as far as it has come.
func (w *watcher) frame() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := w.seen.String()
	return text[strings.LastIndex(text, "\x1b[H")+1:]
}

func (w *watcher) await(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if strings.Contains(w.frame(), text) {
			return
		}
	}
	t.Fatalf("want %q in %q", text, w.frame())
}

func TestTerminalShowsTheViewAndIsGivenBack(t *testing.T) {
	person, program := ptytest.Open(t)
	resize(t, person, 100, 30)
	before, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	seen, c := watch(person), NewCounter()
	_ = c.Print(anEvent(events.SecurityFileOpen, "cat", 7))
	c.Found(Finding{Severity: "high", ID: "TRC-1", Name: "first", Details: []string{"about the first"}})
	type result struct {
		left Action
		err  error
	}
	done := make(chan result)
	go func() {
		left, err := Run(t.Context(), Config{In: program, Out: program, Counter: c, Status: func() Status { return Status{Ready: true} },
			Kernel: func() string { return "measuring" }})
		done <- result{left, err}
	}()
	press := func(keys string) {
		if _, err := person.WriteString(keys); err != nil {
			t.Fatal(err)
		}
	}
	seen.await(t, "security_file_open")
	press("\r")
	seen.await(t, "about the first")
	press("\x1b")
	seen.await(t, "TRC-1")
	resize(t, person, 30, 6)
	seen.await(t, "q quit  / filter  s sort: rate\x1b[K\x1b[J"[:29])
	press("c")
	resize(t, person, 120, 30)
	seen.await(t, "measuring")
	press("q")
	got := <-done
	if got.left != Quit || got.err != nil {
		t.Errorf("left by %v, %v", got.left, got.err)
	}
	seen.await(t, "\x1b[?1049l")
	after, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
	if err != nil || !reflect.DeepEqual(before, after) {
		t.Errorf("the terminal is not as it was: %+v, %+v, %v", before, after, err)
	}
}
