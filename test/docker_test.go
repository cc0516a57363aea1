package test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tracee-go/tracee/container/runtimes"
	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

// docker is an engine of our own.
type docker struct {
	t   *testing.T
	dir string
}

const dockerImage = "tracee-test:1"

// startDocker starts an engine, with an image of busybox, in a directory of its own and without a network.
func startDocker(t *testing.T) *docker {
	t.Helper()
	for _, program := range []string{"dockerd", "docker"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(program + " is not installed (docker.io)")
		}
	}
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Skip("no /bin/busybox (busybox-static)")
	}
	dir, err := os.MkdirTemp("", "dockerd") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	d := &docker{t, dir}
	var said bytes.Buffer
	engine := exec.Command("dockerd", "--data-root", dir+"/data", "--exec-root", dir+"/exec", "--pidfile", dir+"/pid",
		"--host", "unix://"+d.socket(), "--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false",
		"--ip-masq=false")
	engine.Stdout, engine.Stderr = &said, &said
	if err := engine.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = engine.Wait() }()
	t.Cleanup(func() {
		_ = engine.Process.Signal(syscall.SIGTERM)
		<-ended
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	for end := time.Now().Add(patience); d.command("info").Run() != nil; time.Sleep(50 * time.Millisecond) {
		select {
		case <-ended:
			t.Fatalf("dockerd ended: %s", &said)
		default:
			if time.Now().After(end) {
				t.Fatal("dockerd does not answer")
			}
		}
	}
	root := filepath.Join(dir, "image")
	for name, content := range map[string][]byte{"bin/busybox": busybox, "etc/passwd": nil} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	d.must("import", d.archive(root), dockerImage)
	return d
}

func (d *docker) socket() string { return d.dir + "/sock" }

func (d *docker) archive(root string) string {
	d.t.Helper()
	path := d.dir + "/image.tar"
	if output, err := exec.Command("tar", "-C", root, "-cf", path, ".").CombinedOutput(); err != nil {
		d.t.Fatalf("%v: %s", err, output)
	}
	return path
}

func (d *docker) command(args ...string) *exec.Cmd {
	return exec.Command("docker", append([]string{"--host", "unix://" + d.socket()}, args...)...)
}

func (d *docker) must(args ...string) string {
	d.t.Helper()
	var failed bytes.Buffer
	command := d.command(args...)
	command.Stderr = &failed
	output, err := command.Output()
	if err != nil {
		d.t.Fatalf("docker %v: %v: %s", args, err, &failed)
	}
	return strings.TrimSpace(string(output))
}

// run runs a container to its end and returns its id.
func (d *docker) run(name string, args ...string) string {
	d.t.Helper()
	file := filepath.Join(d.dir, "id-"+name)
	d.must(append([]string{"run", "--rm", "--network=none", "--cidfile", file, "--name", name, dockerImage}, args...)...)
	id, err := os.ReadFile(file)
	if err != nil {
		d.t.Fatal(err)
	}
	return string(id)
}

// aboutContainer keeps the events of a container, and those about it, as words. Whether its set-up executes something in
// it depends on when the runtime puts itself there, so that is left out.
func aboutContainer(seen []*trace.Event, id string) (lines []string) {
	for _, e := range seen {
		line := e.EventName + " " + e.Origin() + " " + e.ContainerName + " " + e.ContainerImage
		if a, ok := e.Lookup("container_id"); ok && a.Text() == id {
			line = e.EventName
			for _, name := range []string{"runtime", "container_name", "container_image"} {
				if a, ok := e.Lookup(name); ok {
					line += " " + a.Text()
				}
			}
		} else if e.ContainerID != id || e.Origin() == trace.OriginContainerInit {
			continue
		}
		if a, ok := e.Lookup("pathname"); ok {
			line += " " + a.Text()
		}
		lines = append(lines, line)
	}
	return lines
}

// awaitName waits until the engine has told about the container that was there before: it may be slow at first.
func awaitName(t *testing.T, seen *collected, id string) {
	t.Helper()
	for limit := time.Now().Add(patience); time.Now().Before(limit); time.Sleep(10 * time.Millisecond) {
		for _, line := range aboutContainer(seen.all(), id) {
			if strings.HasSuffix(line, " docker old "+dockerImage) {
				return
			}
		}
	}
	t.Fatalf("no name of container %s: %q", id, aboutContainer(seen.all(), id))
}

// TestContainersOfDockerAreNamedFromTheirFirstEventOn has containers that live as long as it takes to print a word.
func TestContainersOfDockerAreNamedFromTheirFirstEventOn(t *testing.T) {
	d := startDocker(t)
	old := d.must("run", "--detach", "--rm", "--network=none", "--name=old", dockerImage, "/bin/busybox", "sleep", "1000")
	t.Cleanup(func() { d.must("kill", "old") })
	for _, flags := range [][]string{nil, {"container=new," + old[:12]}} {
		seen, stop := collect(t, []*events.Event{
			events.SchedProcessExec, events.ContainerCreate, events.ContainerRemove, events.ExistingContainer, events.ContainerEnriched,
		}, []runtimes.Socket{{Runtime: "docker", Path: d.socket()}}, flags...)
		awaitName(t, seen, old)
		ids := map[string]string{}
		for i := range 5 {
			name := "short-" + itoa(len(flags)) + "-" + itoa(i)
			ids[name] = d.run(name, "/bin/busybox", "echo", "word")
		}
		all := stop(func(seen []*trace.Event) bool {
			for _, id := range ids {
				lines := aboutContainer(seen, id)
				if len(lines) == 0 || lines[len(lines)-1] != "container_remove docker" {
					return false
				}
			}
			return true
		})
		for name, id := range ids {
			named := name + " " + dockerImage
			got := strings.Join(aboutContainer(all, id), "\n")
			want := strings.Join([]string{
				"container_create docker " + named,
				"sched_process_exec container " + named + " /bin/busybox",
				"container_remove docker",
			}, "\n")
			if got != want {
				t.Errorf("flags %v: got\n%s\nwant\n%s", flags, got, want)
			}
		}
	}
}

// TestWhatAContainerCopiesIsSeen has containers that do nothing but copy a program, and are gone then.
func TestWhatAContainerCopiesIsSeen(t *testing.T) {
	d := startDocker(t)
	_, stop := collect(t, []*events.Event{events.SchedProcessExec, events.MagicWrite, events.ContainerCreate, events.ContainerRemove}, nil)
	var ids []string
	for i := range 5 {
		ids = append(ids, d.run("copy-"+itoa(i), "/bin/busybox", "cp", "/bin/busybox", "/dropped"))
	}
	all := stop(func(seen []*trace.Event) bool {
		last := aboutContainer(seen, ids[len(ids)-1])
		return len(last) > 0 && strings.HasPrefix(last[len(last)-1], "container_remove")
	})
	for _, id := range ids {
		var copies []string
		for _, e := range all {
			if e.ContainerID != id || e.EventID != events.MagicWrite.ID || e.Origin() != trace.OriginContainer {
				continue
			}
			path, _ := e.Lookup("pathname")
			copied := path.Text()
			if content, ok := e.Lookup("bytes"); ok {
				copied += " " + string(content.Raw()[:4])
			}
			copies = append(copies, copied)
		}
		if len(copies) != 1 || copies[0] != "/dropped \x7fELF" {
			t.Errorf("container %s: got %q", id, copies)
		}
	}
}
