package vm

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestInitramfsHoldsWhatItWasGiven(t *testing.T) {
	source := filepath.Join(t.TempDir(), "source")
	if err := os.WriteFile(source, []byte("from a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	err := Initramfs(&archive, []File{
		{Path: "/init", Mode: 0o755, Data: []byte("12345")},
		{Path: "/a/b/copy", Mode: 0o644, Source: source},
		{Path: "/a/link", Link: "b/copy"},
		{Path: "/a", Mode: fs.ModeDir | 0o755}, // made already
		{Path: "/empty", Mode: fs.ModeDir | 0o700},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`100755 1 init "12345"`,
		`40755 1 a ""`,
		`40755 1 a/b ""`,
		`100644 1 a/b/copy "from a file"`,
		`120777 1 a/link "b/copy"`,
		`40700 1 empty ""`,
		`0 1 TRAILER!!! ""`,
	}
	if got := list(t, archive.Bytes()); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// list reads an archive by the text of the format's description: mode, links, name and contents of each entry.
func list(t *testing.T, archive []byte) []string {
	t.Helper()
	var entries []string
	for len(archive) > 0 {
		var field [13]int
		if magic := string(archive[:6]); magic != "070701" {
			t.Fatalf("entry %d: magic %q", len(entries), magic)
		}
		for i := range field {
			if _, err := fmt.Sscanf(string(archive[6+8*i:14+8*i]), "%08X", &field[i]); err != nil {
				t.Fatalf("entry %d, field %d: %v", len(entries), i, err)
			}
		}
		mode, links, size, nameSize := field[1], field[4], field[6], field[11]
		name := string(archive[110 : 110+nameSize-1])
		archive = archive[(110+nameSize+3)/4*4:]
		entries = append(entries, fmt.Sprintf("%o %d %s %q", mode, links, name, archive[:size]))
		archive = archive[(size+3)/4*4:]
	}
	return entries
}

func TestInitramfsIsUnderstoodByCpio(t *testing.T) {
	if _, err := exec.LookPath("cpio"); err != nil {
		t.Skip("cpio is not installed")
	}
	var archive bytes.Buffer
	if err := Initramfs(&archive, []File{{Path: "/bin/x", Mode: 0o755, Data: []byte("x")}}); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("cpio", "--list", "--quiet")
	cmd.Stdin = &archive
	output, err := cmd.CombinedOutput()
	if got, want := string(output), "bin\nbin/x\n"; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestInitramfsRefusesNonsense(t *testing.T) {
	tests := []struct {
		name  string
		files []File
	}{
		{"relative path", []File{{Path: "init"}}},
		{"same file twice", []File{{Path: "/init"}, {Path: "/init"}}},
		{"file as a directory", []File{{Path: "/a"}, {Path: "/a/b"}}},
		{"source that is not there", []File{{Path: "/a", Source: "/does/not/exist"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := Initramfs(new(bytes.Buffer), test.files); err == nil {
				t.Error("got no error")
			}
		})
	}
}

func TestTreeListsADirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "sub", "file"), nil, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("sub/file", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	files, err := Tree(dir, "/src/testdata")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files[1:] { // the mode of t.TempDir depends on the umask
		got = append(got, fmt.Sprintf("%s %s %s", f.Path, f.Mode.Type(), f.Link))
	}
	want := []string{
		"/src/testdata/link L--------- sub/file",
		"/src/testdata/sub d--------- ",
		"/src/testdata/sub/file ---------- ",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
