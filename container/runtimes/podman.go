package runtimes

import (
	"cmp"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tracee-go/tracee/internal/cgroup"
)

// podman reads what podman keeps on disk of the containers of root, and asks its service, if it runs, for others.
type podman struct {
	docker source
	socket string
}

// podmanRoots are where podman keeps containers; the second has those that end with the machine.
var podmanRoots = []string{"/var/lib/containers/storage", "/run/containers/storage"}

func newPodman(path string) source { return &podman{newDocker(path), path} }

// podmanIsThere says that podman has run here as root.
func podmanIsThere() bool {
	_, err := os.Stat(podmanRoots[0])
	return err == nil
}

func (p *podman) close() { p.docker.close() }

func (p *podman) prepare(ctx context.Context) error {
	if checkSocket(p.socket) != nil {
		return nil
	}
	return p.docker.prepare(ctx)
}

func (p *podman) describe(ctx context.Context, c cgroup.Container) (Details, error) {
	for _, root := range podmanRoots {
		if d, ok := describeStored(root, c.ID); ok {
			return d, nil
		}
	}
	if checkSocket(p.socket) != nil && podmanIsThere() {
		return Details{}, errUnknown
	}
	return p.docker.describe(ctx, c)
}

// storedContainer and storedImage are entries of the lists that podman keeps.
type storedContainer struct {
	ID, Image, Metadata string
	Names               []string
}

type storedImage struct{ ID, Digest string }

// describeStored reads the lists of containers and images, of whatever driver of storage.
func describeStored(root, id string) (Details, bool) {
	lists, _ := filepath.Glob(filepath.Join(root, "*-containers", "*containers.json"))
	for _, list := range lists {
		var stored []storedContainer
		if readFile(list, &stored) != nil {
			continue
		}
		i := slices.IndexFunc(stored, func(c storedContainer) bool { return c.ID == id })
		if i < 0 {
			continue
		}
		c := stored[i]
		var told struct {
			Name  string
			Image string `json:"image-name"`
		}
		_ = json.Unmarshal([]byte(c.Metadata), &told)
		d := Details{Name: told.Name, Image: told.Image, Digest: c.Image}
		if len(c.Names) > 0 {
			d.Name = c.Names[0]
		}
		directory := strings.TrimSuffix(filepath.Dir(list), "-containers") + "-images"
		d.Digest = cmp.Or(digestStored(filepath.Join(directory, "images.json"), c.Image), d.Digest)
		return d, true
	}
	return Details{}, false
}

func digestStored(list, id string) string {
	var stored []storedImage
	if readFile(list, &stored) != nil {
		return ""
	}
	for _, image := range stored {
		if image.ID == id {
			return image.Digest
		}
	}
	return ""
}
