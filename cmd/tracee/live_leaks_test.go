package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// holding is what a process has at a time. Nothing of it may grow with reloads.
type holding struct {
	descriptors, objects, goroutines int
	maps                             int // kB that BPF maps take
	memory, heap                     int // kB, of its own, and of it what lives
}

// spare is what a process may have more than before: connections, threads that wait, and garbage that is yet to be collected.
var spare = holding{descriptors: 3, objects: 0, goroutines: 3, maps: 64, memory: 12 << 10, heap: 6 << 10}

// grown names what is more than it was, and than may be.
func (h *holding) grown(before *holding) (names []string) {
	for _, one := range []struct {
		name           string
		was, is, spare int
	}{
		{name: "descriptors", was: before.descriptors, is: h.descriptors, spare: spare.descriptors},
		{name: "BPF objects", was: before.objects, is: h.objects, spare: spare.objects},
		{name: "goroutines", was: before.goroutines, is: h.goroutines, spare: spare.goroutines},
		{name: "kB of maps", was: before.maps, is: h.maps, spare: spare.maps},
		{name: "kB of memory", was: before.memory, is: h.memory, spare: spare.memory},
		{name: "kB of heap", was: before.heap, is: h.heap, spare: spare.heap},
	} {
		if one.is > one.was+one.spare {
			names = append(names, fmt.Sprintf("%s: %d before, %d after", one.name, one.was, one.is))
		}
	}
	return names
}

// held looks at a process that serves metrics.
func (p *process) held(url string) *holding {
	p.t.Helper()
	h := &holding{memory: p.status("RssAnon")}
	entries, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", p.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	h.descriptors = len(entries)
	for _, entry := range entries {
		target, _ := os.Readlink(entry)
		if !strings.Contains(target, "bpf") {
			continue
		}
		h.objects++
		info, _ := os.ReadFile(strings.Replace(entry, "/fd/", "/fdinfo/", 1))
		for line := range strings.Lines(string(info)) {
			var bytes int
			if n, _ := fmt.Sscanf(line, "memlock: %d", &bytes); n == 1 && strings.Contains(target, "map") {
				h.maps += bytes >> 10
			}
		}
	}
	_, metrics := get(p.t, url+"/metrics")
	for line := range strings.Lines(metrics) {
		var value float64
		if n, _ := fmt.Sscanf(line, "go_goroutines %g", &value); n == 1 {
			h.goroutines = int(value)
		}
		if n, _ := fmt.Sscanf(line, "go_memstats_heap_inuse_bytes %g", &value); n == 1 {
			h.heap = int(value) >> 10
		}
	}
	if h.objects == 0 || h.goroutines == 0 || h.heap == 0 || h.maps == 0 {
		p.t.Fatalf("not all was seen: %+v", *h)
	}
	return h
}

// Every reload replaces the programs. TRACEE_TEST_RELOADS says how many there are.
func TestReloadsLeakNothing(t *testing.T) {
	needRoot(t)
	reloads := 4
	if os.Getenv("TRACEE_TEST_RELOADS") != "" {
		fmt.Sscan(os.Getenv("TRACEE_TEST_RELOADS"), &reloads)
	}
	path := filepath.Join(t.TempDir(), "p.yaml")
	write := func(n int) { rename(t, path, fmt.Sprintf(numberedPolicy, os.Getpid(), numbered, n)) }
	write(0)
	p := start(t, "tracee", "--policy", path, "--output", "json", "--metrics", "--verbose", "--listen-addr", "127.0.0.1:0")
	p.awaitStderr("ready in")
	url := "http://" + p.address()
	reload := func(i int) {
		write(i)
		_ = p.Process.Signal(syscall.SIGHUP)
		p.awaitReloads(i)
	}
	// settled waits until what was replaced is gone: maps are freed later, memory is given back each ten seconds.
	settled := func(before *holding) (last *holding, grown []string) {
		for end := time.Now().Add(2 * patience); ; time.Sleep(100 * time.Millisecond) {
			last = p.held(url)
			if grown = last.grown(before); len(grown) == 0 || time.Now().After(end) {
				return last, grown
			}
		}
	}
	start := p.held(url)
	reload(1)
	before, grown := settled(start)
	for i := 2; i <= reloads+1; i++ {
		reload(i)
	}
	after, more := settled(before)
	t.Logf("at the start %+v, after a reload %+v, after %d more %+v", *start, *before, reloads, *after)
	for _, what := range append(grown, more...) {
		t.Error(what)
	}
	if done := strings.Count(p.stderr.String(), "programs replaced"); done != reloads+1 {
		t.Errorf("%d of %d reloads replaced the programs: %s", done, reloads+1, &p.stderr)
	}
}
