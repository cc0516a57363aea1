package test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/gob"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	objects "github.com/tracee-go/tracee/bpf"
	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/output"
	"github.com/tracee-go/tracee/tracer"
	"github.com/tracee-go/tracee/types/trace"
)

var (
	recordAgain  = flag.Bool("record", false, "record the events of TestRecordedEventsPrintAsInTheGoldenFiles anew")
	updateGolden = flag.Bool("update", false, "rewrite its golden files")
)

const recordedFile = "testdata/recorded.gz"

// recorded is what came from a ring: the header by the names of its fields, and the bytes behind it as they were. So a
// recording stays good when the header or the catalogue grows.
type recorded struct {
	Event  string
	Header objects.TraceeEventHeader
	Body   []byte
}

var recordedEvents = []string{
	"openat", "read", "close", "socket", "connect", "bind", "pipe2", "chmod", "ptrace", "sched_process_exec", "security_file_open",
	"security_socket_connect", "commit_creds", "sched_process_exit", "mmap",
}

// actForRecord does what is recorded: arguments of every type, and names that nobody should print.
func actForRecord() error {
	dir, err := os.MkdirTemp("", "recorded")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"plain", "line\nbreak \x1b[31mred", "no\xffutf8", `back\slash\n`, "été 漢字\u202e"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			return err
		}
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		_, _ = unix.Read(fd, make([]byte, 4))
		_ = unix.Chmod(path, 0o4755)
		_ = unix.Close(fd)
	}
	for _, address := range []unix.Sockaddr{
		&unix.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}},
		&unix.SockaddrInet6{Port: 9, Addr: [16]byte{15: 1}},
		&unix.SockaddrUnix{Name: "@abstract\xff"},
		&unix.SockaddrUnix{Name: filepath.Join(dir, "socket")},
	} {
		family := unix.AF_UNIX
		switch address.(type) {
		case *unix.SockaddrInet4:
			family = unix.AF_INET
		case *unix.SockaddrInet6:
			family = unix.AF_INET6
		}
		fd, err := unix.Socket(family, unix.SOCK_DGRAM, 0)
		if err != nil {
			return err
		}
		_ = unix.Connect(fd, address)
		_ = unix.Close(fd)
	}
	var pair [2]int
	if err := unix.Pipe2(pair[:], unix.O_CLOEXEC); err != nil {
		return err
	}
	_ = unix.Close(pair[0])
	_, _, _ = unix.RawSyscall(unix.SYS_PTRACE, unix.PTRACE_PEEKTEXT, 1<<30, 0)
	_ = unix.Setgid(unix.Getgid())
	return nil
}

// record writes down what the kernel says of actForRecord.
func record(t *testing.T) {
	t.Helper()
	var selected []*events.Event
	for _, name := range recordedEvents {
		selected = append(selected, lookup(name))
	}
	scope, err := filter.Parse([]string{"comm=recorded"})
	if err != nil {
		t.Fatal(err)
	}
	var all []recorded
	var seen atomic.Bool
	running, err := tracer.New(tracer.Config{
		Events: selected, Filter: scope, FilePaths: true, Stacks: true, DetectSyscall: true, ExecEnv: true,
		Record: func(record []byte) {
			h := *(*objects.TraceeEventHeader)(unsafe.Pointer(&record[0]))
			e := events.All()[h.Event]
			if !slices.Contains(selected, e) {
				return
			}
			all = append(all, recorded{e.Name, h, bytes.Clone(record[unsafe.Sizeof(h):])})
			seen.Store(seen.Load() || e == events.SchedProcessExit)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer running.Close()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "recorded")
	if err := os.Symlink(binary, path); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(path, "an argument", "no\xffutf8")
	command.Env = []string{"VARIABLE=value"}
	go func() {
		time.Sleep(time.Second)
		if text, err := command.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, text)
		}
		for !seen.Load() && ctx.Err() == nil {
			time.Sleep(10 * time.Millisecond)
		}
		stop()
	}()
	for range running.Events(ctx) {
	}
	var file bytes.Buffer
	packed := gzip.NewWriter(&file)
	if err := gob.NewEncoder(packed).Encode(few(all)); err != nil {
		t.Fatal(err)
	}
	if err := packed.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(recordedFile, file.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// few keeps the last of each event: before that, the loader and the Go runtime do a lot of the same.
func few(all []recorded) []recorded {
	const each = 12
	left := map[string]int{}
	for _, r := range all {
		left[r.Event]++
	}
	return slices.DeleteFunc(all, func(r recorded) bool {
		left[r.Event]--
		return left[r.Event] >= each
	})
}

// replay decodes the recording. The first event is of a fixed time.
func replay(t *testing.T) (all []*trace.Event) {
	t.Helper()
	file, err := os.Open(recordedFile)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var records []recorded
	if err := gob.NewDecoder(unpacked).Decode(&records); err != nil {
		t.Fatal(err)
	}
	decoder := tracer.NewDecoder()
	for _, r := range records {
		event := lookup(r.Event)
		r.Header.Event = uint16(event.Index)
		var raw bytes.Buffer
		if err := binary.Write(&raw, binary.LittleEndian, &r.Header); err != nil {
			t.Fatal(err)
		}
		var e trace.Event
		if !decoder.Decode(&e, append(raw.Bytes(), r.Body...)) {
			t.Fatalf("no record: %+v", r)
		}
		e.Timestamp = 1657290245020855990 + int(r.Header.Timestamp-records[0].Header.Timestamp)
		e.FilePaths = event.Syscall
		all = append(all, e.Clone())
	}
	return all
}

func TestRecordedEventsPrintAsInTheGoldenFiles(t *testing.T) {
	if *recordAgain {
		record(t)
	}
	local := time.Local
	time.Local = time.UTC
	defer func() { time.Local = local }()
	for _, test := range []struct {
		name, format string
		parse        bool
		config       output.Config
	}{
		{"table", "table", true, output.Config{}},
		{"table-container", "table", true, output.Config{ContainerMode: true}},
		{"table-verbose", "table-verbose", false, output.Config{}},
		{"table-verbose-container", "table-verbose", false, output.Config{ContainerMode: true}},
		{"json", "json", false, output.Config{}},
		{"json-parsed", "json", true, output.Config{}},
		{"gob", "gob", true, output.Config{}},
		{"gotemplate", "gotemplate", true, output.Config{TemplatePath: "testdata/recorded.tmpl"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.parse && runtime.GOARCH != "amd64" {
				t.Skip("recorded on amd64: flags have other numbers here")
			}
			var got bytes.Buffer
			test.config.Out = &got
			printer, err := output.New(test.format, test.config)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range replay(t) {
				e.ParseArguments = test.parse
				if err := printer.Print(e); err != nil {
					t.Fatal(err)
				}
			}
			if err := printer.Close(); err != nil {
				t.Fatal(err)
			}
			text := got.Bytes()
			switch test.format {
			case "gob":
				text = asLines(t, trace.NewGobReader(&got, schemaOf))
			case "json":
				if again := asLines(t, trace.NewJSONReader(bytes.NewReader(text), schemaOf)); !bytes.Equal(again, text) {
					t.Errorf("what was read is written otherwise: %s", firstDifference(again, text))
				}
			}
			compareGolden(t, "testdata/recorded-"+test.name+".golden", text)
		})
	}
}

func schemaOf(name string) *trace.Schema {
	if e, ok := events.Lookup(name); ok {
		return e.Schema()
	}
	return nil
}

// asLines writes what a reader reads as JSON.
func asLines(t *testing.T, r trace.Reader) (lines []byte) {
	t.Helper()
	for {
		var e trace.Event
		err := r.Read(&e)
		if err == io.EOF {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		lines = append(e.AppendJSON(lines), '\n')
	}
}

func compareGolden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *updateGolden {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: %s", path, firstDifference(got, want))
	}
}

// firstDifference shows the first line that is not as it should be.
func firstDifference(got, want []byte) string {
	lines := bytes.Split(got, []byte("\n"))
	for i, line := range bytes.Split(want, []byte("\n")) {
		if i >= len(lines) || !bytes.Equal(lines[i], line) {
			return fmt.Sprintf("line %d:\ngot  %s\nwant %s", i+1, lines[min(i, len(lines)-1)], line)
		}
	}
	return "there is more than there should be"
}

func TestJQReadsTheJSON(t *testing.T) {
	jq, err := exec.LookPath("jq")
	if err != nil {
		t.Skip("jq is not installed")
	}
	lines, err := os.ReadFile("testdata/recorded-json-parsed.golden")
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(jq, "-c", `[.eventName, .processName, .argsNum, (.args | length), [.args[].value | strings]]`)
	command.Stdin = bytes.NewReader(lines)
	got, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	encoder := json.NewEncoder(&want)
	encoder.SetEscapeHTML(false)
	for line := range bytes.Lines(lines) {
		var e struct {
			EventName, ProcessName string
			ArgsNum                int
			Args                   []struct{ Value any }
		}
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		texts := []string{}
		for _, a := range e.Args {
			if text, ok := a.Value.(string); ok {
				texts = append(texts, text)
			}
		}
		if err := encoder.Encode([]any{e.EventName, e.ProcessName, e.ArgsNum, len(e.Args), texts}); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error(firstDifference(got, want.Bytes()))
	}
}
