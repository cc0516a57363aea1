package runtimes

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tracee-go/tracee/internal/cgroup"
)

// TestARuntimeThatBeginsLaterIsAsked has an engine whose socket is not there yet when its first container is.
func TestARuntimeThatBeginsLaterIsAsked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	custom := kinds
	kinds = slices.Clone(kinds[:1]) // Docker
	kinds[0].path = path
	defer func() { kinds = custom }()
	var w warnings
	c := New(nil, slog.New(slog.NewTextHandler(&w, nil)))
	defer c.Close()
	if n := c.Ask(cgroup.Container{ID: id, Runtime: cgroup.Docker}); n != 0 {
		t.Errorf("%d were asked, before there was one", n)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/containers/"+other+"/json" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprintf(w, inspection, other, "")
	})}
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	c.looked = time.Time{} // long ago
	if n := c.Ask(cgroup.Container{ID: other, Runtime: cgroup.Docker}); n != 1 {
		t.Fatalf("%d were asked, want 1", n)
	}
	if a := <-c.Answers(); a.Err != nil || a.Name != "web" {
		t.Errorf("got %+v", a)
	}
	if got := c.Unnamed(); len(got) != 1 || got[0] != (Unnamed{Runtime: cgroup.Docker, Failed: 1}) {
		t.Errorf("counted %+v", got)
	}
}
