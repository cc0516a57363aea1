package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// standIn is a release whose programs are something else, and need not be built.
func standIn(t *testing.T, content []byte) *release {
	t.Helper()
	r := &release{
		root: "..", out: t.TempDir(), arch: "amd64", version: "1.2.3", time: time.Unix(1700000000, 0).UTC(), programs: t.TempDir(),
	}
	for _, command := range commands {
		if err := os.WriteFile(filepath.Join(r.programs, command), content, executable); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// makeTwice makes something twice, at different times and places, and demands the same bytes.
func makeTwice(t *testing.T, step func(*release) (string, error)) (path string) {
	t.Helper()
	var made [2][]byte
	for i := range made {
		var err error
		if path, err = step(standIn(t, []byte("a program"))); err != nil {
			t.Fatal(err)
		}
		if made[i], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(made[0], made[1]) {
		t.Errorf("%s: made twice, it differs", filepath.Base(path))
	}
	return path
}

func TestTarballIsAsThatOfV08AndReproducible(t *testing.T) {
	path := makeTwice(t, (*release).tarball)
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for archive := tar.NewReader(unpacked); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name, ok := strings.CutPrefix(header.Name, "tracee-1.2.3-linux-amd64/")
		if !ok || header.Uid != 0 || header.ModTime.Unix() != 1700000000 {
			t.Errorf("got %+v", header)
		}
		names = append(names, name)
		if want := slices.Contains(commands, name); (header.Mode&0o111 != 0) != want {
			t.Errorf("%s: mode %o", name, header.Mode)
		}
	}
	for _, want := range []string{
		"tracee", "tracee-ebpf", "tracee-rules", "rules/anti_debugging_ptraceme.rego", "templates/rawjson.tmpl", "LICENSE",
	} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is missing", want)
		}
	}
}

func TestDebHasWhatItShould(t *testing.T) {
	path := makeTwice(t, func(r *release) (string, error) { return r.pack("deb") })
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("no dpkg-deb to look into it")
	}
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"--contents", path}, []string{
			"-rwxr-xr-x root/root", "./usr/bin/tracee\n", "./usr/bin/tracee-ebpf\n", "./usr/bin/tracee-rules\n", "./usr/lib/systemd/system/tracee.service\n",
			"./etc/tracee/tracee.yaml\n", "./etc/tracee/rules/\n", "./usr/share/doc/tracee/quick-start.md\n", "./usr/share/tracee/templates/rawjson.tmpl\n",
			"./usr/share/bash-completion/completions/tracee\n", "./usr/share/tracee/rules/ld_preload.rego\n",
			"./usr/share/man/man1/tracee.1.gz\n", "./usr/share/man/man5/tracee.yaml.5.gz\n",
		}},
		{[]string{"--info", path, "conffiles"}, []string{"/etc/default/tracee\n", "/etc/tracee/tracee.yaml\n"}},
		{[]string{"--field", path}, []string{"Package: tracee\n", "Version: 1.2.3-1\n", "Architecture: amd64\n"}},
	} {
		output, err := exec.Command("dpkg-deb", c.args...).CombinedOutput()
		if err != nil {
			t.Fatalf("dpkg-deb %v: %v: %s", c.args, err, output)
		}
		for _, want := range c.want {
			if !strings.Contains(string(output), want) {
				t.Errorf("dpkg-deb %s: no %q in:\n%s", c.args[0], want, output)
			}
		}
	}
}

func TestRPMIsReproducible(t *testing.T) {
	path := makeTwice(t, func(r *release) (string, error) { return r.pack("rpm") })
	if got := filepath.Base(path); got != "tracee-1.2.3-1.x86_64.rpm" {
		t.Errorf("name: got %q", got)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\xed\xab\xee\xdb", "tracee.service\x00", "Apache-2.0 AND GPL-2.0-only\x00"} {
		if !bytes.Contains(content, []byte(want)) {
			t.Errorf("no %q in it", want)
		}
	}
}

func TestMaterialsNameTheModules(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	r := standIn(t, program)
	facts, err := factsOf(filepath.Join(r.programs, commands[0]))
	if err != nil {
		t.Fatal(err)
	}
	path, err := r.materials(facts)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var b bill
	if err := json.Unmarshal(content, &b); err != nil {
		t.Fatal(err)
	}
	has := func(name string) bool {
		return slices.ContainsFunc(b.Components, func(c component) bool {
			return c.Name == name && c.Version != "" && c.Locator == "pkg:golang/"+name+"@"+c.Version
		})
	}
	if b.Format != "CycloneDX" || !has("std") || !has("github.com/goreleaser/nfpm/v2") {
		t.Errorf("got %s", content)
	}
}

func TestChecksumsAreThoseOfSha256sum(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("text"), readable); err != nil {
		t.Fatal(err)
	}
	if err := writeChecksums(filepath.Join(dir, "SHA256SUMS"), []string{filepath.Join(dir, "a")}); err != nil {
		t.Fatal(err)
	}
	check := exec.Command("sha256sum", "--check", "SHA256SUMS")
	check.Dir = dir
	if output, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, output)
	}
}

func TestUnitIsValid(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("no systemd-analyze")
	}
	unit, err := os.ReadFile("files/tracee.service")
	if err != nil {
		t.Fatal(err)
	}
	// The program is not installed here.
	path := filepath.Join(t.TempDir(), "tracee.service")
	if err := os.WriteFile(path, bytes.ReplaceAll(unit, []byte("/usr/bin/tracee"), []byte("/bin/true")), readable); err != nil {
		t.Fatal(err)
	}
	output, err := exec.Command("systemd-analyze", "verify", "--man=no", path).CombinedOutput()
	if err != nil || strings.Contains(string(output), "tracee.service") {
		t.Errorf("%v: %s", err, output)
	}
}
