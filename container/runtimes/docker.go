package runtimes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/tracee-go/tracee/internal/cgroup"
)

// docker asks an engine that speaks Docker's API: Docker itself, and podman.
type docker struct {
	http   http.Client
	root   string           // where it keeps its files; empty: not known yet
	images map[string]image // by id
	silent time.Time        // when it last did not answer about an image
}

// image is what is said of an image.
type image struct {
	ID          string
	RepoTags    []string
	RepoDigests []string
}

const (
	imagesKept   = 1024
	imageTimeout = 100 * time.Millisecond
	imagePause   = 10 * time.Second // before it is asked again
)

func newDocker(path string) source {
	d := &docker{images: map[string]image{}}
	d.http.Transport = &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
		MaxIdleConns: 1,
	}
	return d
}

func (d *docker) close() { d.http.CloseIdleConnections() }

// inspected is what is used of Docker's description of a container, which is the same in its files and over its socket.
type inspected struct {
	ID, Name, Image string // Image is an id
	ResolvConfPath  string // one of its files
	Config          struct {
		Image  string
		Labels map[string]string
	}
}

func (d *docker) describe(ctx context.Context, about cgroup.Container) (Details, error) {
	id := about.ID
	c, err := d.inspect(ctx, id)
	if err != nil {
		return Details{}, err
	}
	if c.ID != id {
		return Details{}, fmt.Errorf("asked for container %s, it told about %.64q", id, c.ID)
	}
	details := Details{Name: strings.TrimPrefix(c.Name, "/"), Image: c.Config.Image, Digest: c.Image}
	details.label(c.Config.Labels)
	// An image may have no name, or none any more: then the container's idea of it has to do.
	if i, err := d.image(ctx, c.Image); err == nil {
		if len(i.RepoTags) > 0 {
			details.Image = i.RepoTags[0]
		}
		if len(i.RepoDigests) > 0 {
			_, details.Digest, _ = strings.Cut(i.RepoDigests[0], "@")
		}
	}
	return details, nil
}

// dockerRoot is where Docker keeps its files unless it was told otherwise.
const dockerRoot = "/var/lib/docker"

// prepare asks where the engine keeps its files. That takes it long, and a container that is just starting it tells about
// only when that is done: so this is asked ahead.
func (d *docker) prepare(ctx context.Context) error {
	var info struct{ DockerRootDir string }
	err := d.get(ctx, "/info", &info)
	d.root = info.DockerRootDir
	return err
}

func (d *docker) inspect(ctx context.Context, id string) (c inspected, err error) {
	if d.readContainer(cmp.Or(d.root, dockerRoot), id, &c) {
		return c, nil
	}
	err = d.get(ctx, "/containers/"+id+"/json", &c)
	if root, _, ok := strings.Cut(c.ResolvConfPath, "/containers/"); ok && d.root == "" {
		d.root = root // it did not answer in time before
	}
	return c, err
}

// readContainer reads what the engine wrote about a container before it started it.
func (d *docker) readContainer(root, id string, c *inspected) bool {
	return root != "" && readFile(filepath.Join(root, "containers", id, "config.v2.json"), c) == nil
}

// image asks for the names of an image, if that does not take long: the container's own details shall not be late.
func (d *docker) image(ctx context.Context, id string) (i image, err error) {
	if i, ok := d.images[id]; ok {
		return i, nil
	}
	if time.Since(d.silent) < imagePause {
		return i, errUnknown
	}
	limited, cancel := context.WithTimeout(ctx, imageTimeout)
	defer cancel()
	if err := d.get(limited, "/images/"+id+"/json", &i); err != nil {
		if !errors.Is(err, errUnknown) {
			d.silent = time.Now()
		}
		return i, err
	}
	if len(d.images) >= imagesKept {
		clear(d.images)
	}
	d.images[id] = i
	return i, nil
}

func (d *docker) get(ctx context.Context, path string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker"+path, nil)
	if err != nil {
		return err
	}
	response, err := d.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
		return decode(response.Body, into)
	case http.StatusNotFound:
		return errUnknown
	default:
		return fmt.Errorf("GET %s: %s", path, response.Status)
	}
}
