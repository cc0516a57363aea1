package cli

import (
	"strings"
	"testing"

	"github.com/tracee-go/tracee/tracer"
)

func TestCacheOptions(t *testing.T) {
	const mb = 1 << 20
	for _, test := range []struct {
		values string
		want   tracer.CacheConfig
		err    string
	}{
		{"", tracer.CacheConfig{}, ""},
		{"none", tracer.CacheConfig{}, ""},
		{"none cache-type=mem", tracer.CacheConfig{}, ""},
		{"cache-type=mem", tracer.CacheConfig{MemoryBytes: 256 * mb}, ""},
		{"cache-type=mem mem-cache-size=1024", tracer.CacheConfig{MemoryBytes: 1024 * mb}, ""},
		{"cache-type=disk", tracer.CacheConfig{MemoryBytes: 256 * mb, DiskBytes: 2048 * mb, Directory: "/var/tmp"}, ""},
		{"cache-type=disk mem-cache-size=4 disk-cache-size=8 disk-cache-dir=/x", tracer.CacheConfig{MemoryBytes: 4 * mb, DiskBytes: 8 * mb, Directory: "/x"}, ""},
		{"foo", tracer.CacheConfig{}, "unrecognized cache option format: foo"},
		{"cache-type=bleh", tracer.CacheConfig{}, "unrecognized cache-mem option: cache-type=bleh (valid options are: none,mem,disk)"},
		{"mem-cache-size=5", tracer.CacheConfig{}, "you need to specify cache-type=mem before setting mem-cache-size"},
		{"cache-type=mem disk-cache-size=5", tracer.CacheConfig{}, "you need to specify cache-type=disk before setting disk-cache-size"},
		{"cache-type=mem mem-cache-size=x", tracer.CacheConfig{}, "could not parse mem-cache-size value: "},
		{"cache-type=mem mem-cache-size=0", tracer.CacheConfig{}, "could not parse mem-cache-size value: 0 is not between"},
		{"cache-type=mem mem-cache-size=99999999999", tracer.CacheConfig{}, "could not parse mem-cache-size value: 99999999999 is not between"},
		{"cache-type=disk disk-cache-dir=", tracer.CacheConfig{}, "disk-cache-dir names no directory"},
		{"cache-type=mem foo=1", tracer.CacheConfig{}, "unrecognized cache option: foo=1"},
	} {
		got, err := parseCache(strings.Fields(test.values))
		if test.err != "" {
			if err == nil || !strings.HasPrefix(err.Error(), test.err) {
				t.Errorf("%s: got %v, want %s", test.values, err, test.err)
			}
			continue
		}
		if err != nil || got != test.want {
			t.Errorf("%s: got %+v, %v, want %+v", test.values, got, err, test.want)
		}
	}
}

func TestCacheEventsIsACacheInMemory(t *testing.T) {
	for _, test := range []struct {
		flags string
		want  int64
	}{
		{"", 0},
		{"-o option:cache-events", 256 << 20},
		{"-o option:cache-events -a cache-type=mem --cache=mem-cache-size=1", 1 << 20},
	} {
		var o ebpfOptions
		if _, err := o.parse(strings.Fields(test.flags)); err != nil || o.cache.MemoryBytes != test.want {
			t.Errorf("%s: got %+v, %v", test.flags, o.cache, err)
		}
	}
}
