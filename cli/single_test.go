package cli

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOneWatchesAndASecondOneOnlyIfAsked(t *testing.T) {
	t.Setenv(allowSecondVariable, "")
	path := filepath.Join(t.TempDir(), "run", "instance")
	quiet := slog.New(slog.DiscardHandler)
	first, err := new(instanceOptions).claim(path, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := new(instanceOptions).claim(path, quiet); err == nil || !strings.Contains(err.Error(), "--allow-second") ||
		!strings.Contains(err.Error(), "(pid ") {
		t.Errorf("a second one: got %v, want an error that says who watches and what to do", err)
	}
	second, err := (&instanceOptions{allowSecond: true}).claim(path, quiet)
	if err != nil {
		t.Errorf("a second one that was asked for: %v", err)
	}
	second.end()
	if _, err := new(instanceOptions).claim(path, quiet); err == nil {
		t.Error("the second one took the claim of the first along")
	}
	first.end()
	third, err := new(instanceOptions).claim(path, quiet)
	if err != nil {
		t.Errorf("after the end of the first: %v", err)
	}
	third.end()
}

func TestNextOneTellsOfOneThatWasKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "instance")
	var said strings.Builder
	log := slog.New(slog.NewTextHandler(&said, nil))
	killed, err := new(instanceOptions).claim(path, log)
	if err != nil {
		t.Fatal(err)
	}
	killed.file.Close() // what the kernel does for it
	beside, err := (&instanceOptions{allowSecond: true}).claim(path, log)
	if err != nil || said.Len() > 0 {
		t.Errorf("one that need not be the only one: got %v and %q", err, &said)
	}
	beside.end()
	next, err := new(instanceOptions).claim(path, log)
	if err != nil || !strings.Contains(said.String(), "did not end by itself") {
		t.Errorf("got %v and %q", err, &said)
	}
	next.end()
	said.Reset()
	after, err := new(instanceOptions).claim(path, log)
	if err != nil || said.Len() > 0 {
		t.Errorf("after one that ended by itself: got %v and %q", err, &said)
	}
	after.end()
}

func TestClaimFollowsNoLinkAndDoesWithout(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "instance")
	if err := os.Symlink(victim, link); err != nil {
		t.Fatal(err)
	}
	claimed, err := new(instanceOptions).claim(link, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	claimed.end()
	if text, _ := os.ReadFile(victim); string(text) != "precious" {
		t.Errorf("the file behind the link: got %q", text)
	}
}
