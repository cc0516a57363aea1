package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/tracee-go/tracee/tracer"
)

// What the cache is without sizes: v0.8's, and for what goes to disk as much again eight times.
const (
	defaultMemoryCache = 256 << 20
	defaultDiskCache   = 2 << 30
	defaultCacheDir    = "/var/tmp"
)

// largestCache, in MB, is what a size may say: far more than a machine has, and no number that overflows.
const largestCache = 1 << 24

// cacheSizes set the size that an option names, in bytes.
var cacheSizes = []struct {
	name string
	of   func(*tracer.CacheConfig) *int64
}{
	{"mem-cache-size", func(c *tracer.CacheConfig) *int64 { return &c.MemoryBytes }},
	{"disk-cache-size", func(c *tracer.CacheConfig) *int64 { return &c.DiskBytes }},
}

// parseCache understands the values of --cache. As in v0.8, a size comes after the type.
func parseCache(values []string) (tracer.CacheConfig, error) {
	var c tracer.CacheConfig
	if len(values) == 0 || strings.Contains(values[0], "none") {
		return c, nil
	}
	kind := ""
	for _, value := range values {
		name, text, ok := strings.Cut(value, "=")
		switch {
		case !ok:
			return c, fmt.Errorf("unrecognized cache option format: %s, use '--cache help' for more info", value)
		case name == "cache-type":
			if text != "mem" && text != "disk" {
				return c, fmt.Errorf("unrecognized cache-mem option: %s (valid options are: none,mem,disk)", value)
			}
			kind = text
			c.MemoryBytes = defaultMemoryCache
			if kind == "disk" {
				c.DiskBytes, c.Directory = defaultDiskCache, defaultCacheDir
			}
		case name == "disk-cache-dir" && kind == "disk" && text != "":
			c.Directory = text
		case name == "disk-cache-dir" && kind == "disk":
			return c, errors.New("disk-cache-dir names no directory")
		case strings.HasPrefix(name, "disk-") && kind != "disk":
			return c, fmt.Errorf("you need to specify cache-type=disk before setting %s", name)
		default:
			if err := setCacheSize(&c, kind, name, text); err != nil {
				return c, err
			}
		}
	}
	return c, nil
}

func setCacheSize(c *tracer.CacheConfig, kind, name, text string) error {
	for _, size := range cacheSizes {
		if size.name != name {
			continue
		}
		if kind == "" {
			return fmt.Errorf("you need to specify cache-type=mem before setting %s", name)
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fmt.Errorf("could not parse %s value: %s is no number of MB", name, text)
		}
		if n < 1 || n > largestCache {
			return fmt.Errorf("could not parse %s value: %d is not between 1 and %d MB", name, n, largestCache)
		}
		*size.of(c) = n << 20
		return nil
	}
	return fmt.Errorf("unrecognized cache option: %s=%s, use '--cache help' for more info", name, text)
}

func cacheHelp() string {
	return `Keep events that the output does not take fast enough, so that none is lost while it stands still.

Values:
  none                             no cache (default): the buffer between kernel and tracee-ebpf is all that there is
  cache-type=mem                   keep events in memory
  cache-type=disk                  keep events in memory and, when that is full, on disk
  mem-cache-size=MB                size in memory (default: 256)
  disk-cache-size=MB               size on disk (default: 2048); what was read is used again
  disk-cache-dir=/path             where the file is, which has no name there (default: /var/tmp)

Sizes and directory follow the type. Memory and disk are taken only as they are needed. When all is full, events wait in
the buffer of the kernel, and only those that find no room there are lost; they are counted.

Examples:
  --cache cache-type=mem --cache mem-cache-size=1024
  --cache cache-type=disk --cache disk-cache-size=8192 --cache disk-cache-dir=/var/lib/tracee
`
}
