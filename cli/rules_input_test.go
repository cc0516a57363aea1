package cli

import (
	"io"
	"os"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/tracee-go/tracee/internal/patient"
)

func stoppableOf(t *testing.T, file *os.File) *stoppable {
	t.Helper()
	limit, err := patient.New(0)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newStoppable(file, limit)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStoppableReadsToTheEnd(t *testing.T) {
	defer goleak.VerifyNone(t)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	go func() {
		_, _ = writer.WriteString("all")
		writer.Close()
	}()
	s := stoppableOf(t, reader)
	defer s.close()
	if got, err := io.ReadAll(s); err != nil || string(got) != "all" || s.stopped {
		t.Errorf("got %q, %v, stopped %t", got, err, s.stopped)
	}
}

func TestStoppableDrainsAfterASignal(t *testing.T) {
	defer goleak.VerifyNone(t)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	defer writer.Close()
	s := stoppableOf(t, reader)
	defer s.close()
	if _, err := writer.WriteString("what is there"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(s); err != nil || string(got) != "what is there" || !s.stopped {
		t.Errorf("got %q, %v, stopped %t", got, err, s.stopped)
	}
}

func TestParseInputSplitsAtTheFirstColon(t *testing.T) {
	path := t.TempDir() + "/a:b:c"
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := parseInput([]string{"file:" + path, "format:GOB"})
	if want := (inputOptions{path: path, format: "gob"}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}
