package rules

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestGoPluginIsLoadedByABuildWithCgo builds the command and the plugin of the guide, and shows it an event. The others of
// this package can not load it themselves: the binary of a test is not built from the same files.
func TestGoPluginIsLoadedByABuildWithCgo(t *testing.T) {
	if testing.Short() {
		t.Skip("short: it links the command with cgo")
	}
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("cgo needs gcc")
	}
	dir := t.TempDir()
	build := func(args ...string) {
		t.Helper()
		command := exec.Command("go", append([]string{"build"}, args...)...)
		command.Dir, command.Env = "..", append(os.Environ(), "CGO_ENABLED=1")
		if output, err := command.CombinedOutput(); err != nil {
			t.Fatalf("go build %v: %v\n%s", args, err, output)
		}
	}
	build("-o", filepath.Join(dir, "tracee-rules"), "./cmd/tracee-rules")
	build("-buildmode=plugin", "-o", filepath.Join(dir, "rules", "shm.so"), "./rules/testdata/plugin")
	write(t, dir, "rules/broken.so", "no plugin")
	command := exec.Command(filepath.Join(dir, "tracee-rules"), "--rules-dir", filepath.Join(dir, "rules"), "--rules", "GO-1",
		"--input-tracee", "file:stdin", "--input-tracee", "format:json")
	command.Stdin = strings.NewReader(`{"eventName":"sched_process_exec","args":[{"name":"pathname","type":"const char*","value":"/dev/shm/x"}]}` + "\n")
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	for _, want := range []string{"Signature ID: GO-1\n", "Data: map[path:/dev/shm/x]\n", "broken.so: error opening plugin"} {
		if !strings.Contains(string(output), want) {
			t.Errorf("lacks %q:\n%s", want, output)
		}
	}
}

func TestBuildWithoutCgoRefusesPlugins(t *testing.T) {
	if testing.Short() {
		t.Skip("short: it links the command")
	}
	dir := t.TempDir()
	write(t, dir, "rules/x.so", "")
	command := exec.Command("go", "run", "./cmd/tracee-rules", "--rules-dir", filepath.Join(dir, "rules"), "--list")
	command.Dir, command.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
	output, _ := command.CombinedOutput()
	if !strings.Contains(string(output), "x.so: not loaded: Go plugins need a build with cgo") {
		t.Errorf("got %s", output)
	}
}
