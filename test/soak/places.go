package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// places are destinations of a sensor that fail and come back all the time.
type places struct {
	disk     string // a small file system that is full now and then
	listener net.Listener
	refuses  atomic.Bool

	taken, refused atomic.Int64 // events that were posted, posts
}

func openPlaces(dir string) (*places, error) {
	p := &places{disk: filepath.Join(dir, "disk")}
	if err := os.Mkdir(p.disk, 0o755); err != nil {
		return nil, err
	}
	if err := unix.Mount("soak", p.disk, "tmpfs", 0, "size=2m"); err != nil {
		return nil, fmt.Errorf("mount a small file system: %w", err)
	}
	var err error
	if p.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, errors.Join(err, p.close())
	}
	go func() { _ = http.Serve(p.listener, p) }()
	return p, nil
}

func (p *places) close() error {
	if p.listener != nil {
		p.listener.Close()
	}
	return unix.Unmount(p.disk, unix.MNT_DETACH)
}

// flags send executions to a file on the small disk, to a server that refuses half of the time, and to one that is not there.
func (p *places) flags() (flags []string) {
	const executions = "?select=events&filter=event=sched_process_exec&queue-size=200KB"
	for _, url := range []string{
		"file://" + p.disk + "/events.json" + executions + "&size=300KB&keep=1",
		"webhook+http://" + p.listener.Addr().String() + "/" + executions + "&batch=100",
		"syslog+tcp://127.0.0.1:1" + executions,
	} {
		flags = append(flags, "--output", url)
	}
	return flags
}

// ServeHTTP takes what is posted, or refuses it.
func (p *places) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var posted []json.RawMessage
	if p.refuses.Load() {
		p.refused.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	} else if err := json.NewDecoder(r.Body).Decode(&posted); err != nil {
		w.WriteHeader(http.StatusBadRequest)
	} else {
		p.taken.Add(int64(len(posted)))
	}
}

// fail makes the server refuse and the disk full, and the next time takes that back.
func (p *places) fail(n int64) error {
	ballast := filepath.Join(p.disk, "ballast")
	p.refuses.Store(n%2 == 0)
	if n%2 == 1 {
		return os.Remove(ballast)
	}
	err := os.WriteFile(ballast, make([]byte, 2<<20), 0o600)
	if !errors.Is(err, unix.ENOSPC) {
		return fmt.Errorf("fill the disk: got %w, want that it is full", err)
	}
	return nil
}

// faults says what did not arrive at all.
func (p *places) faults() (faults []string) {
	fmt.Printf("%10d events taken by a server that refused %d posts\n", p.taken.Load(), p.refused.Load())
	if p.taken.Load() == 0 || p.refused.Load() == 0 {
		faults = append(faults, "the server that refuses half of the time was not tried both ways")
	}
	if info, err := os.Stat(filepath.Join(p.disk, "events.json")); err != nil || info.Size() == 0 {
		faults = append(faults, fmt.Sprintf("nothing was written to the disk that is full now and then (%v)", err))
	}
	return faults
}
