package capture

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestALongManifestIsShortened captures much more than there is room for, under one artifact that stays open.
func TestALongManifestIsShortened(t *testing.T) {
	const longest, many = 8 << 10, 500
	dir := t.TempDir()
	s := openTest(t, dir, Quota{Total: 5000})
	s.manifest.longest, s.manifest.least = longest, longest
	open, err := s.create(Record{Kind: "write"}, "open")
	if err != nil {
		t.Fatal(err)
	}
	open.append([]byte("begun"))
	moved, err := s.create(Record{Kind: "net"}, "before")
	if err != nil {
		t.Fatal(err)
	}
	moved.rename("behind")
	times := 0
	for i := range many {
		if _, err := put(s, fmt.Sprint(i), strings.Repeat("z", 1000)); err != nil {
			t.Fatal(err)
		}
		before := s.manifest.size
		if err := s.manifest.shorten(); err != nil {
			t.Fatal(err)
		}
		if s.manifest.size < before {
			times++
		}
		if s.manifest.size > 2*longest {
			t.Fatalf("the manifest has %d bytes", s.manifest.size)
		}
	}
	last, all := lines(t, dir)
	if first := all[0]; times < 3 || len(all) > 100 || first.State != Shortened || first.Count < 2*many {
		t.Errorf("shortened %d times; %d lines, of which the first is %+v", times, len(all), first)
	}
	if r := last["host/open"]; r.State != Begun {
		t.Errorf("of what is being written: %+v", r)
	}
	if r := last["host/before"]; r.State != Renamed {
		t.Errorf("of what has another name: %+v", r)
	}
	if other, err := openStore(Options{Dir: dir}); err == nil {
		other.close()
		t.Error("the new manifest is not locked")
	}
	for _, a := range []*artifact{open, moved} {
		if _, err := a.finish(""); err != nil {
			t.Fatal(err)
		}
	}
	s.manifest.longest = 0
	if err := s.manifest.shorten(); err != nil {
		t.Fatal(err)
	}
	if last := agree(t, dir); last["host/open"].State != Captured || last["host/behind"].State != Captured || last["host/before"].State != "" {
		t.Errorf("at the end: %+v", last)
	}
	countedAgain(t, s, dir)
}

// countedAgain closes a store, and checks that the next one counts the same.
func countedAgain(t *testing.T, s *store, dir string) {
	t.Helper()
	size := s.bytes
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir, Quota{Total: 5000})
	defer s.close()
	if s.bytes != size || len(s.kept) == 0 {
		t.Errorf("the next run counts %d bytes of %d artifacts, want %d", s.bytes, len(s.kept), size)
	}
}

// TestAManifestThatCanNotBeShortenedStays has a directory in the place of the new one.
func TestAManifestThatCanNotBeShortenedStays(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Quota{})
	defer s.close()
	inTheWay := filepath.Join(dir, outDir, ManifestName+partial)
	if err := os.MkdirAll(filepath.Join(inTheWay, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := put(s, "a", "a"); err != nil {
		t.Fatal(err)
	}
	s.manifest.longest = 0
	if err := s.manifest.shorten(); err == nil {
		t.Error("there is no error")
	}
	if err := s.manifest.shorten(); err != nil {
		t.Errorf("it is tried again at once: %v", err)
	}
	if _, err := put(s, "b", "b"); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(inTheWay); err != nil {
		t.Fatal(err)
	}
	if len(agree(t, dir)) != 2 {
		t.Errorf("got %+v", agree(t, dir))
	}
}

// TestAManifestForWhichThereIsNoRoomStays fills the disk, so that the new one can not be written.
func TestAManifestForWhichThereIsNoRoomStays(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k,mode=700"); err != nil {
		t.Skipf("mount a small file system: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	s := openTest(t, dir, Quota{})
	defer s.close()
	for i := range 200 { // lines of more than the page that may be left
		if _, err := put(s, fmt.Sprint(i), ""); err != nil {
			t.Fatal(err)
		}
	}
	_ = os.WriteFile(filepath.Join(dir, "full"), make([]byte, 256<<10), 0o600)
	before, _ := lines(t, dir)
	s.manifest.longest = 0
	if err := s.manifest.shorten(); err == nil {
		t.Error("there is no error")
	}
	if after, _ := lines(t, dir); len(after) != len(before) {
		t.Errorf("the manifest tells of %d artifacts, and told of %d", len(after), len(before))
	}
}
