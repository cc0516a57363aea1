package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

var update = flag.Bool("update", false, "rewrite the help texts in the scripts")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"tracee-rules": main,
		"togob":        toGob,
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata",
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			templates, err := filepath.Abs("../../templates")
			env.Setenv("TEMPLATES", templates)
			return err
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"listen": listen,
		},
	})
}

// toGob is a command for scripts: it turns JSON on standard input into a gob stream on standard output.
func toGob() {
	reader := trace.NewJSONReader(os.Stdin, func(name string) *trace.Schema {
		if e, ok := events.Lookup(name); ok {
			return e.Schema()
		}
		return nil
	})
	writer := trace.NewGobWriter(os.Stdout)
	var e trace.Event
	for {
		err := reader.Read(&e)
		if errors.Is(err, io.EOF) {
			return
		}
		if err == nil {
			err = writer.Write(&e)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "togob:", err)
			os.Exit(1)
		}
	}
}

// listen is a command for scripts: "listen <file>" serves HTTP at $URL until the script ends, and appends each body that
// is posted, with its content type, to the file.
func listen(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	var mu sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		defer file.Close()
		fmt.Fprintf(file, "%s %s\n", r.Header.Get("Content-Type"), body)
	}))
	ts.Defer(server.Close)
	ts.Setenv("URL", server.URL)
}

const traceMe = `{"timestamp":1657402965000000000,"eventName":"ptrace","eventId":"101","processName":"strace",` +
	`"hostName":"fujitsu","args":[{"name":"request","type":"string","value":"PTRACE_TRACEME"}]}` + "\n"

// start starts the command with the input a pipe.
func start(t *testing.T, args ...string) (command *exec.Cmd, stdin io.WriteCloser, stdout io.ReadCloser) {
	t.Helper()
	args = append([]string{"--input-tracee", "file:stdin", "--input-tracee", "format:json"}, args...)
	path, err := exec.LookPath("tracee-rules") // testscript.Main puts it there
	if err != nil {
		t.Fatal(err)
	}
	command = exec.Command(path, args...)
	command.Stderr = new(safeBuffer)
	if stdin, err = command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if stdout, err = command.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill() })
	return command, stdin, stdout
}

type safeBuffer struct {
	mu   sync.Mutex
	text []byte
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text = append(b.text, p...)
	return len(p), nil
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.text)
}

// readUntil reads until the text has come.
func readUntil(t *testing.T, from io.Reader, text string) {
	t.Helper()
	var got []byte
	buffer := make([]byte, 4096)
	for len(got) < len(text) || string(got[len(got)-len(text):]) != text {
		n, err := from.Read(buffer)
		got = append(got, buffer[:n]...)
		if err != nil {
			t.Fatalf("output ended (%v) with %q, want %q", err, got, text)
		}
	}
}

func TestFindingsComeWhileTheInputPauses(t *testing.T) {
	command, stdin, stdout := start(t)
	readUntil(t, stdout, "]\n")
	sent := time.Now()
	if _, err := io.WriteString(stdin, traceMe); err != nil {
		t.Fatal(err)
	}
	readUntil(t, stdout, "Hostname: fujitsu\n")
	if took := time.Since(sent); took > time.Second {
		t.Errorf("the finding took %v", took)
	}
	stdin.Close()
	if err := command.Wait(); err != nil {
		t.Errorf("exit: %v\n%s", err, command.Stderr)
	}
}

func TestSignalsEndTheCommandInOrder(t *testing.T) {
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			command, stdin, stdout := start(t)
			readUntil(t, stdout, "]\n")
			if _, err := io.WriteString(stdin, traceMe); err != nil {
				t.Fatal(err)
			}
			readUntil(t, stdout, "fujitsu\n")
			if err := command.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			// What the tracer still writes while it ends is drained; here it ends within a line.
			if _, err := io.WriteString(stdin, traceMe+traceMe[:20]); err != nil {
				t.Fatal(err)
			}
			rest, _ := io.ReadAll(stdout)
			if err := command.Wait(); err != nil {
				t.Errorf("exit: %v", err)
			}
			if want := "\n*** Detection ***\n"; len(rest) < len(want) || string(rest[:len(want)]) != want {
				t.Errorf("after the signal: got %q", rest)
			}
			if got, want := fmt.Sprint(command.Stderr), "tracee-rules: 2 events, 2 findings, 0 bad records\n"; got != want {
				t.Errorf("stderr: got %q, want %q", got, want)
			}
		})
	}
}

func TestRulesServeMetricsAndHealth(t *testing.T) {
	command, stdin, stdout := start(t, "--metrics", "--healthz", "--listen-addr", "127.0.0.1:0", "--verbose")
	readUntil(t, stdout, "]\n")
	if _, err := io.WriteString(stdin, traceMe); err != nil {
		t.Fatal(err)
	}
	readUntil(t, stdout, "Hostname: fujitsu\n")
	var address []string
	for deadline := time.Now().Add(10 * time.Second); address == nil && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		address = regexp.MustCompile(`msg=serving address=(\S+)`).FindStringSubmatch(fmt.Sprint(command.Stderr))
	}
	if address == nil {
		t.Fatalf("stderr: got %s, want where it serves", command.Stderr)
	}
	for path, want := range map[string]string{
		"/healthz": `^OK$`,
		"/metrics": `(?ms)^tracee_rules_detections_total 1$.*^tracee_rules_events_total 1$.*^tracee_rules_signatures_total [1-9]`,
	} {
		answer, err := http.Get("http://" + address[1] + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || !regexp.MustCompile(want).Match(body) {
			t.Errorf("%s: got %s, want %s", path, body, want)
		}
	}
	stdin.Close()
	if err := command.Wait(); err != nil {
		t.Errorf("exit: %v\n%s", err, command.Stderr)
	}
}

func TestClosedOutputEndsTheCommandQuietly(t *testing.T) {
	command, stdin, stdout := start(t)
	readUntil(t, stdout, "]\n")
	stdout.Close()
	if _, err := io.WriteString(stdin, traceMe); err != nil {
		t.Fatal(err)
	}
	err := command.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("exit: got %v, want code 1", err)
	}
	if got := fmt.Sprint(command.Stderr); got != "" {
		t.Errorf("stderr: got %q, want nothing", got)
	}
}
