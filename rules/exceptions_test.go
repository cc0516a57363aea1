package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tracee-go/tracee/rules/lineage"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

func logTo(b *strings.Builder) *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

const exceptionsHeader = "kind: Exceptions\napiVersion: tracee/v1\nexceptions:\n"

// exception is the text of one that is whole but for its conditions.
func exception(conditions string) string {
	return exceptionsHeader + "- {signature: A, reason: r, owner: o, expires: 2027-01-31, " + conditions + "}\n"
}

// executed makes the event of a program that was executed.
func executed(t *testing.T, path string) *trace.Event {
	t.Helper()
	var stat syscall.Stat_t
	if err := syscall.Stat(path, &stat); err != nil {
		t.Fatal(err)
	}
	str, number := &trace.Type{Name: "const char*", Kind: trace.String}, &trace.Type{Name: "unsigned long", Kind: trace.Uint64}
	var b trace.Builder
	b.Reset(&trace.Schema{Name: "sched_process_exec", Fields: []trace.Field{
		{Name: "pathname", Type: str}, {Name: "dev", Type: number}, {Name: "inode", Type: number},
	}})
	b.Text(0, path)
	b.Slot(1, lineage.KernelDevice(stat.Dev))
	b.Slot(2, stat.Ino)
	e := &trace.Event{
		HostProcessID: 7, HostThreadID: 7, UserID: 1000, ProcessName: "tool", ContainerImage: "debian:12",
		Timestamp: int(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()),
	}
	b.Finish(e)
	return e
}

func TestExceptionsTakeOutWhatTheyCover(t *testing.T) {
	tool := filepath.Join(t.TempDir(), "tool")
	if err := os.WriteFile(tool, []byte("harmless"), 0o755); err != nil {
		t.Fatal(err)
	}
	var stat syscall.Stat_t
	if err := syscall.Stat(tool, &stat); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("harmless"))
	hash, device := hex.EncodeToString(sum[:]), lineage.KernelDevice(stat.Dev)
	for _, test := range []struct {
		conditions string
		covers     bool
	}{
		{fmt.Sprintf("executable: {path: %s, device: %d, inode: %d}", tool, device, stat.Ino), true},
		{fmt.Sprintf("executable: {path: %s, device: %d, inode: %d}", tool, device, stat.Ino+1), false},
		{fmt.Sprintf("executable: {path: %s, sha256: %s}", tool, hash), true},
		{fmt.Sprintf("executable: {path: %s, sha256: %s}", tool, strings.Repeat("0", 64)), false},
		{"executable: {path: /bin/other}", false},
		{"executable: {path: " + filepath.Dir(tool) + "/*}", true},
		{"image: 'debian:*'", true},
		{"image: alpine", false},
		{"user: 1000, comm: tool", true},
		{"user: 1000, comm: fool", false},
		{"user: 0", false},
		{"user: 1000, arguments: {pathname: " + filepath.Dir(tool) + "/**}", true},
		{"user: 1000, arguments: {pathname: /etc/**}", false},
		{"user: 1000, arguments: {missing: '*'}", false},
	} {
		dir := t.TempDir()
		write(t, dir, "exceptions.yaml", exception(test.conditions))
		set, errs := LoadDir(dir, Options{})
		if len(set.Exceptions) != 1 {
			t.Errorf("%s: %v", test.conditions, errs)
			continue
		}
		found := 0
		s := &fake{id: "A", selectors: selects("*", "*"), onEvent: reports}
		g, _ := New(Config{Signatures: []detect.Signature{s}, Exceptions: set.Exceptions, Finding: func(detect.Finding) { found++ }})
		g.Handle(executed(t, tool))
		if covers := found == 0; covers != test.covers || g.Stats().Excepted != set.Exceptions[0].Used() || (set.Exceptions[0].Used() == 1) != covers {
			t.Errorf("%s: covers: got %t, want %t (stats %+v)", test.conditions, covers, test.covers, g.Stats())
		}
	}
}

func TestExpiredExceptionTakesNothingOut(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "exceptions.yaml", exception("user: 1000"))
	set, _ := LoadDir(dir, Options{})
	found := 0
	s := &fake{id: "A", selectors: selects("*", "*"), onEvent: reports}
	g, _ := New(Config{Signatures: []detect.Signature{s}, Exceptions: set.Exceptions, Finding: func(detect.Finding) { found++ }})
	e := event("openat", "/a")
	e.UserID, e.Timestamp = 1000, int(time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	g.Handle(e)
	if found != 1 || set.Exceptions[0].Expired() != 1 {
		t.Errorf("found %d, expired %d", found, set.Exceptions[0].Expired())
	}
}

func TestExceptionsThatAreNoneAreLeftOut(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{exception("comm: bash"), "bound to nothing but what an attacker chooses"},
		{exception("arguments: {pathname: /etc/shadow}"), "bound to nothing but what an attacker chooses"},
		{exception("user: 1000, cmm: x"), `unknown field "cmm" (did you mean comm?)`},
		{exceptionsHeader + "- {signature: A, owner: o, expires: 2027-01-31, user: 0}", "reason is missing"},
		{exceptionsHeader + "- {signature: A, reason: r, owner: o, user: 0}", "expires is missing"},
		{exceptionsHeader + "- {signature: A, reason: r, owner: o, expires: soon, user: 0}", "soon is no date"},
		{exception("executable: {inode: 5, device: 6}"), "path is missing"},
		{exception("executable: {path: /a, inode: 5}"), "device and inode go together"},
		{exception("executable: {path: /a, sha256: abc}"), "64 hexadecimal digits"},
		{exception("user: 0, comm: '['"), "is no pattern"},
		{"kind: Exceptions\nexceptions: []", "unrecognized config apiVersion"},
	} {
		dir := t.TempDir()
		write(t, dir, "x.yaml", test.text)
		set, errs := LoadDir(dir, Options{})
		if len(set.Exceptions) != 0 || len(errs) != 1 || !strings.Contains(errs[0].Error(), test.want) {
			t.Errorf("%s\ngot %d, %v, want %s", test.text, len(set.Exceptions), errs, test.want)
		}
	}
}

func TestWeakExceptionsAreDoubted(t *testing.T) {
	for conditions, want := range map[string]string{
		"executable: {path: /bin/x}": "whoever can write to /bin/x can use it",
		"user: 0":                    "any program of the user can use it",
		"image: debian":              "any program in a container of the image can use it",
		"executable: {path: /bin/*, device: 1, inode: 2}":  "is a pattern",
		"executable: {path: /bin/x, device: 1, inode: 22}": "",
	} {
		dir := t.TempDir()
		write(t, dir, "x.yaml", exception(conditions))
		set, errs := LoadDir(dir, Options{})
		if len(set.Exceptions) != 1 || (want == "") != (len(errs) == 0) || (want != "" && !strings.Contains(errs[0].Error(), want)) {
			t.Errorf("%s: got %v, want %q", conditions, errs, want)
		}
	}
}
