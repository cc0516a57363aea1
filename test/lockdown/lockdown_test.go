package lockdown

import (
	"errors"
	"os"
	"testing"

	"github.com/tracee-go/tracee/cli"
	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/tracer"
	"github.com/tracee-go/tracee/types/trace"
)

const state = "/sys/kernel/security/lockdown"

// lock raises the lockdown of the kernel; it can not be lowered.
func lock(t *testing.T, level string) {
	t.Helper()
	file, err := os.OpenFile(state, os.O_WRONLY, 0)
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("a kernel without lockdown: " + err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(level); err != nil {
		t.Fatal(err)
	}
}

func opens(t *testing.T) *events.Event {
	t.Helper()
	e, ok := events.Lookup("security_file_open")
	if !ok {
		t.Fatal("no event security_file_open")
	}
	return e
}

func TestIntegrityChangesNothingAndConfidentialityIsToldPlainly(t *testing.T) {
	if os.Getenv("TRACEE_TEST_GUEST") == "" {
		t.Skip("locks the kernel down for good: only in a guest of test/kernels")
	}
	config := tracer.Config{Events: []*events.Event{opens(t)}}
	rung := func() trace.Rung {
		t.Helper()
		running, err := tracer.New(config)
		if err != nil {
			t.Fatal(err)
		}
		defer running.Close()
		return running.Attachments()[0].Rung
	}
	before := rung()
	lock(t, "integrity")
	if after := rung(); after != before {
		t.Errorf("rung under lockdown=integrity: got %s, want %s", after, before)
	}

	lock(t, "confidentiality")
	if _, err := tracer.New(config); !errors.Is(err, tracer.ErrLockedDown) {
		t.Errorf("under lockdown=confidentiality: got %v, want %v", err, tracer.ErrLockedDown)
	}
	commands := map[string]func(stdout, stderr *os.File) int{
		"tracee":      func(stdout, stderr *os.File) int { return cli.Tracee(nil, stdout, stderr) },
		"tracee-ebpf": func(stdout, stderr *os.File) int { return cli.EBPF(nil, stdout, stderr) },
	}
	for name, command := range commands {
		const want = ": kernel lockdown is set to 'confidentiality', can't load eBPF programs: " +
			"boot with lockdown=integrity or without it\n"
		code, stdout, stderr := output(t, command)
		if code != 1 || stdout != "" || stderr != name+want {
			t.Errorf("%s: got code %d, stdout %q, stderr %q; want code 1 and %q", name, code, stdout, stderr, name+want)
		}
	}
}

// output runs a command that writes little.
func output(t *testing.T, command func(stdout, stderr *os.File) int) (code int, stdout, stderr string) {
	t.Helper()
	var files [2]*os.File
	for i := range files {
		file, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		files[i] = file
	}
	code = command(files[0], files[1])
	var texts [2]string
	for i, file := range files {
		text, err := os.ReadFile(file.Name())
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(text)
	}
	return code, texts[0], texts[1]
}
