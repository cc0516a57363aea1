package runtimes

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// largest is the size of what is read of a runtime.
const largest = 4 << 20

// readFile reads a file of a runtime: a regular file only, and not through a link, because its name may be somebody's lie.
func readFile(path string, into any) error {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", path)
	}
	return decode(f, into)
}

func decode(r io.Reader, into any) error {
	return json.NewDecoder(io.LimitReader(r, largest)).Decode(into)
}

// annotations are the keys under which CRI runtimes write into the bundle of a container what it is.
type annotations struct{ name, image, digest, pod, namespace, uid string }

// describeBundle reads the configuration of a container that its runtime wrote for runc: config.json in its bundle.
func describeBundle(pattern string, keys annotations) (Details, bool) {
	paths, err := filepath.Glob(pattern)
	if err != nil {
		return Details{}, false
	}
	for _, path := range paths {
		var bundle struct{ Annotations map[string]string }
		if readFile(path, &bundle) != nil {
			continue
		}
		d := Details{
			Name:         bundle.Annotations[keys.name],
			Image:        bundle.Annotations[keys.image],
			Digest:       bundle.Annotations[keys.digest],
			PodName:      bundle.Annotations[keys.pod],
			PodNamespace: bundle.Annotations[keys.namespace],
			PodUID:       bundle.Annotations[keys.uid],
		}
		if d.Image != "" {
			return d, true
		}
	}
	return Details{}, false
}
