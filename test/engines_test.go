package test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/container/runtimes"
	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/cgroup"
	"github.com/tracee-go/tracee/types/trace"
)

// engine is one that runs containers of busybox here.
type engine struct {
	runtime string // as events name it
	image   string // of its containers
	digest  string // of the image; empty: there is none, or it is not told
	sockets []runtimes.Socket

	// start starts a container in the background; run runs one to its end. Both return its id.
	start, run func(name string, command ...string) string
	kill       func(name string)
}

const engineImage = "localhost/tracee-test:1"

// engines of Debian's packages beside Docker, which has a test of its own.
var engines = map[string]func(*testing.T) *engine{"containerd": startContainerd, "podman": startPodman, "runc": startRunc}

// TestContainersOfEveryEngineAreKnown has containers that live as long as it takes to print a word, and one that was there
// before. Those of ctr and runc have names instead of ids.
func TestContainersOfEveryEngineAreKnown(t *testing.T) {
	for name, start := range engines {
		t.Run(name, func(t *testing.T) {
			e := start(t)
			old := e.start("tracee-old", "/bin/busybox", "sleep", "1000")
			t.Cleanup(func() { e.kill("tracee-old") })
			for _, only := range []bool{false, true} {
				var flags []string
				if only {
					flags = []string{"container=" + old[:min(len(old), 12)] + ",new"}
				}
				e.check(t, old, "tracee-short-"+itoa(len(flags)), flags)
			}
		})
	}
}

func (g *engine) check(t *testing.T, old, name string, flags []string) {
	t.Helper()
	seen, stop := collect(t, []*events.Event{
		events.SchedProcessExec, events.ContainerCreate, events.ContainerRemove, events.ExistingContainer, events.ContainerEnriched,
	}, g.sockets, flags...)
	named := strings.TrimSpace(" tracee-old " + g.image)
	for limit := time.Now().Add(patience); !slices.ContainsFunc(aboutContainer(seen.all(), old), func(line string) bool {
		return strings.HasSuffix(strings.TrimSpace(line), g.runtime+" "+named)
	}); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("no name of container %s: %q", old, aboutContainer(seen.all(), old))
		}
	}
	id := g.run(name, "/bin/busybox", "echo", "word")
	all := stop(func(seen []*trace.Event) bool {
		return slices.Contains(aboutContainer(seen, id), "container_remove "+g.runtime)
	})
	all = slices.DeleteFunc(all, func(e *trace.Event) bool { return e.EventName == "container_group_made" })
	named = name + " " + g.image
	got := strings.Join(aboutContainer(all, id), "\n")
	want := strings.Join([]string{
		"container_create " + g.runtime + " " + strings.TrimSpace(named),
		"sched_process_exec container " + named + " /bin/busybox",
		"container_remove " + g.runtime,
	}, "\n")
	if strings.ReplaceAll(got, " \n", "\n") != strings.ReplaceAll(want, " \n", "\n") {
		t.Errorf("flags %v: got\n%s\nwant\n%s", flags, got, want)
	}
	for _, e := range all {
		about, _ := e.Lookup("container_id")
		if digest, ok := e.Lookup("container_image_digest"); ok && e.EventName == "container_create" && about.Text() == id && digest.Text() != g.digest {
			t.Errorf("got digest %s, want %s", digest.Text(), g.digest)
		}
	}
}

// needs skips the test if a program of an engine is not installed.
func needs(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed (.ci/run says of which package it is)", name)
		}
	}
}

// busyboxRoot makes a root file system of busybox.
func busyboxRoot(t *testing.T) string {
	t.Helper()
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Skip("no /bin/busybox (busybox-static)")
	}
	root := filepath.Join(shortDir(t), "rootfs")
	for _, dir := range []string{"bin", "proc", "dev", "sys", "tmp"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(root+"/bin/busybox", busybox, 0o755); err != nil {
		t.Fatal(err)
	}
	return root
}

// shortDir is a directory whose path leaves room for that of a socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "engine")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// must runs a program to its end, and returns what it printed.
func must(t *testing.T, name string, args ...string) string {
	t.Helper()
	var said bytes.Buffer
	command := exec.Command(name, args...)
	command.Stderr = &said
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, &said)
	}
	return strings.TrimSpace(string(output))
}

// startContainerd starts a containerd of our own, whose containers ctr runs.
func startContainerd(t *testing.T) *engine {
	needs(t, "containerd", "ctr", "runc")
	root, dir := busyboxRoot(t), shortDir(t)
	socket := dir + "/s"
	config := fmt.Sprintf("version = 2\nroot = %q\nstate = %q\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = %q\n",
		dir+"/root", dir+"/state", socket)
	if err := os.WriteFile(dir+"/config.toml", []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	daemon := exec.Command("containerd", "--config", dir+"/config.toml")
	daemon.Stdout, daemon.Stderr = &said, &said
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = daemon.Process.Signal(syscall.SIGTERM)
		_ = daemon.Wait()
	})
	ctr := func(args ...string) string { return must(t, "ctr", append([]string{"--address", socket}, args...)...) }
	for end := time.Now().Add(patience); exec.Command("ctr", "--address", socket, "version").Run() != nil; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("containerd does not answer: %s", &said)
		}
	}
	digest := writeImage(t, root, dir+"/image.tar")
	ctr("image", "import", dir+"/image.tar")
	run := func(how string) func(string, ...string) string {
		return func(name string, command ...string) string {
			ctr(append([]string{"run", how, "--snapshotter=native", engineImage, name}, command...)...)
			return name
		}
	}
	return &engine{
		runtime: cgroup.Containerd, image: engineImage, digest: digest, sockets: []runtimes.Socket{{Runtime: cgroup.Containerd, Path: socket}},
		start: run("--detach"), run: run("--rm"),
		kill: func(name string) {
			ctr("task", "rm", "--force", name)
			ctr("container", "rm", name)
		},
	}
}

// writeImage makes an image of a root file system, as OCI lays it out in an archive, and returns its digest.
func writeImage(t *testing.T, root, path string) string {
	t.Helper()
	layer, err := exec.Command("tar", "-C", root, "-c", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	add := func(name string, content []byte) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	document := func(v any) []byte {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	const kind = "application/vnd.oci.image."
	type object = map[string]any
	blob := func(mediaType string, content []byte) object {
		sum := fmt.Sprintf("%x", sha256.Sum256(content))
		add("blobs/sha256/"+sum, content)
		return object{"mediaType": kind + mediaType, "digest": "sha256:" + sum, "size": len(content)}
	}
	layers := blob("layer.v1.tar", layer)
	config := blob("config.v1+json", document(object{
		"architecture": "amd64", "os": "linux", "config": object{},
		"rootfs": object{"type": "layers", "diff_ids": []any{layers["digest"]}},
	}))
	manifest := blob("manifest.v1+json", document(object{"schemaVersion": 2, "config": config, "layers": []any{layers}}))
	manifest["annotations"] = object{"io.containerd.image.name": engineImage}
	add("oci-layout", document(object{"imageLayoutVersion": "1.0.0"}))
	add("index.json", document(object{"schemaVersion": 2, "manifests": []any{manifest}}))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, archive.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return manifest["digest"].(string)
}

// startPodman prepares podman, which needs no daemon. It keeps its containers where it does by custom, on a file system
// that is there for the test only, so that nobody but its files can say what they are called.
func startPodman(t *testing.T) *engine {
	needs(t, "podman", "runc")
	root, dir := busyboxRoot(t), shortDir(t)
	const kept = "/var/lib/containers"
	if entries, err := os.ReadDir(kept + "/storage"); err == nil && len(entries) > 0 {
		t.Skip("podman is in use here: " + kept + "/storage is not empty")
	}
	if err := os.MkdirAll(kept, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", kept, "tmpfs", 0, ""); err != nil {
		t.Skipf("mount %s: %v", kept, err)
	}
	t.Cleanup(func() { _ = unix.Unmount(kept, unix.MNT_DETACH) })
	podman := func(args ...string) string {
		return must(t, "podman", append([]string{
			"--storage-driver=vfs", "--runroot=" + dir + "/run", "--tmpdir=" + dir + "/tmp", "--runtime=runc",
			"--cgroup-manager=cgroupfs", "--events-backend=none",
		}, args...)...)
	}
	must(t, "tar", "-C", root, "-cf", dir+"/image.tar", ".")
	podman("import", dir+"/image.tar", engineImage)
	run := func(how string) func(string, ...string) string {
		return func(name string, command ...string) string {
			file := filepath.Join(dir, "id-"+name)
			podman(append([]string{
				"run", how, "--cidfile=" + file, "--name=" + name, "--network=none", "--ulimit=nofile=512:512", "--ulimit=nproc=512:512", engineImage,
			}, command...)...)
			id, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			return string(id)
		}
	}
	return &engine{
		runtime: cgroup.Podman, image: engineImage, digest: podman("image", "inspect", "--format={{.Digest}}", engineImage),
		sockets: []runtimes.Socket{{Runtime: cgroup.Podman, Path: dir + "/none"}},
		start:   run("--detach"), run: run("--rm"),
		kill: func(name string) { podman("rm", "--force", "--time=0", name) },
	}
}

// startRunc prepares runc, as people run it by hand.
func startRunc(t *testing.T) *engine {
	needs(t, "runc")
	root, dir := busyboxRoot(t), shortDir(t)
	runc := func(args ...string) { must(t, "runc", append([]string{"--root=" + dir + "/state"}, args...)...) }
	bundle := func(name string, command []string) string {
		at := filepath.Join(dir, name)
		writeBundle(t, at, root, command, nil)
		return at
	}
	return &engine{
		runtime: cgroup.Unknown, sockets: []runtimes.Socket{},
		start: func(name string, command ...string) string {
			// What stays behind must not hold a pipe of ours.
			started := exec.Command("runc", "--root="+dir+"/state", "run", "--detach", "--bundle="+bundle(name, command), name)
			if err := started.Run(); err != nil {
				t.Fatal(err)
			}
			return name
		},
		run: func(name string, command ...string) string {
			runc("run", "--bundle="+bundle(name, command), name)
			return name
		},
		kill: func(name string) { runc("delete", "--force", name) },
	}
}

// writeBundle makes a directory of which runc can run containers, after a last change to what runc is told.
func writeBundle(t *testing.T, at, root string, command []string, change func(spec map[string]any)) {
	t.Helper()
	if err := os.MkdirAll(at, 0o755); err != nil {
		t.Fatal(err)
	}
	must(t, "runc", "spec", "--bundle="+at)
	var spec map[string]any
	text, err := os.ReadFile(at + "/config.json")
	if err == nil {
		err = json.Unmarshal(text, &spec)
	}
	if err != nil {
		t.Fatal(err)
	}
	spec["root"].(map[string]any)["path"] = root
	process := spec["process"].(map[string]any)
	process["terminal"], process["args"] = false, command
	delete(process, "rlimits")
	if change != nil {
		change(spec)
	}
	if text, err = json.Marshal(spec); err == nil {
		err = os.WriteFile(at+"/config.json", text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
