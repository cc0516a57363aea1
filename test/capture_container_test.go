package test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/capture"
)

// overlaid makes a root file system as engines do: an image below, what the container writes above, both on a file system
// that is there for the test only.
func overlaid(t *testing.T) (root string) {
	t.Helper()
	image, dir := busyboxRoot(t), shortDir(t)
	mount := func(kind, to, options string) {
		if err := unix.Mount(kind, to, kind, 0, options); err != nil {
			t.Skipf("mount %s at %s: %v", kind, to, err)
		}
		t.Cleanup(func() {
			if err := unix.Unmount(to, unix.MNT_DETACH); err != nil {
				t.Error(err)
			}
		})
	}
	mount("tmpfs", dir, "")
	for _, name := range []string{"above", "work", "root"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(image, "changed"), []byte("of the image\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	root = filepath.Join(dir, "root")
	mount("overlay", root, "lowerdir="+image+",upperdir="+dir+"/above,workdir="+dir+"/work")
	return root
}

// overlaidScript writes a new file, one of the image, one that is not small, and a program of which only the execution
// matters; and stays until it may end.
const overlaidScript = `
cd /
echo written by a container > written
echo and changed >> changed
dd if=/dev/urandom of=large bs=64k count=100 2>/dev/null
cp /bin/busybox tool
/tool 2>/dev/null
until [ -e /done ]; do usleep 20000; done
`

// TestArtifactsOfContainersAreThoseOfTheirFileSystem has a container whose files come through overlayfs: new ones, one that is
// copied up to be changed, and programs of the image and of its own.
func TestArtifactsOfContainersAreThoseOfTheirFileSystem(t *testing.T) {
	needs(t, "runc")
	root, dir := overlaid(t), shortDir(t)
	name := "overlaid-" + hostName()
	must(t, filepath.Join(root, "bin/busybox"), "--install", "-s", filepath.Join(root, "bin"))
	writeBundle(t, dir, root, []string{"/bin/busybox", "sh", "-c", overlaidScript}, func(spec map[string]any) {
		spec["hostname"] = hostName()
		spec["root"].(map[string]any)["readonly"] = false
		spec["process"].(map[string]any)["env"] = []string{"PATH=/bin"}
	})
	c := startCapturing(t, "write:type=regular", "exec")
	var said bytes.Buffer
	container := exec.Command("runc", "--root="+dir+"/state", "run", "--bundle="+dir, name)
	container.Stdout, container.Stderr = &said, &said
	if err := container.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.WriteFile(filepath.Join(root, "done"), nil, 0o600); err != nil {
			t.Error(err)
		}
		if err := container.Wait(); err != nil {
			t.Errorf("%v: %s", err, &said)
		}
	})
	for _, want := range []struct{ kind, path string }{
		{"write", "/written"}, {"write", "/changed"}, {"write", "/large"}, {"write", "/tool"}, {"exec", "/tool"}, {"exec", "/bin/busybox"},
	} {
		var r capture.Record
		waitFor(t, want.kind+" of "+want.path, func() bool {
			r = c.artifact(func(r capture.Record) bool {
				return r.Kind == want.kind && r.Pathname == want.path && r.ContainerID == name && r.State != capture.Begun
			})
			return r.State != ""
		})
		content, err := os.ReadFile(filepath.Join(root, want.path))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.content(r); !bytes.Equal(got, content) || !r.Complete {
			t.Errorf("%s of %s: got %d bytes, want %d: %+v", want.kind, want.path, len(got), len(content), r)
		}
	}
	c.end()
}
