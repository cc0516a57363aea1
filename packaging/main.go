// Command packaging makes what is released of Tracee: static programs, a tarball as that of v0.8, .deb and .rpm packages,
// a list of what the programs are built from, and checksums.
//
// Start from release. The same commit gives the same bytes, wherever and whenever it is built: times are those of the
// commit, or of SOURCE_DATE_EPOCH, and nothing else of the machine gets in. It is a module of its own, so that what it needs is
// none of Tracee's concern.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	root := flag.String("root", "..", "`directory` of the repository")
	out := flag.String("out", "../dist/release", "`directory` for what is made")
	arches := flag.String("arch", "amd64,arm64", "`architectures`, with commas between them")
	version := flag.String("version", "", "`version`, such as v1.2.3 (default: what Go says of the commit)")
	flag.Parse()
	if err := makeAll(*root, *out, *version, strings.Split(*arches, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "packaging:", err)
		os.Exit(1)
	}
}

func makeAll(root, out, version string, arches []string) error {
	when, err := commitTime(root)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	var made []string
	for _, arch := range arches {
		r := release{root: root, out: out, arch: arch, version: version, time: when}
		files, err := r.make()
		if err != nil {
			return fmt.Errorf("%s: %w", arch, err)
		}
		made = append(made, files...)
	}
	return writeChecksums(filepath.Join(out, "SHA256SUMS"), made)
}

// commitTime is what stands for the time of the build.
func commitTime(root string) (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		output, err := exec.Command("git", "-C", root, "log", "-1", "--format=%ct").Output()
		if err != nil {
			return time.Time{}, fmt.Errorf("time of the last commit (or set SOURCE_DATE_EPOCH): %w", err)
		}
		text = string(output)
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	return time.Unix(seconds, 0).UTC(), err
}

// release is what is made for one architecture.
type release struct {
	root, out     string
	arch, version string
	time          time.Time
	programs      string // the directory of the programs
}

// commands are the programs of a release.
var commands = []string{"tracee", "tracee-ebpf", "tracee-rules"}

// make makes everything and returns the paths of what it made.
func (r *release) make() (made []string, err error) {
	if r.programs, err = os.MkdirTemp("", "tracee-programs-"); err != nil {
		return nil, err
	}
	defer os.RemoveAll(r.programs)
	if err := r.build(); err != nil {
		return nil, err
	}
	facts, err := factsOf(filepath.Join(r.programs, commands[0]))
	if err != nil {
		return nil, err
	}
	if r.version, err = r.name(facts.Main.Version); err != nil {
		return nil, err
	}
	for _, step := range []func() (string, error){
		r.tarball,
		func() (string, error) { return r.pack("deb") },
		func() (string, error) { return r.pack("rpm") },
		func() (string, error) { return r.materials(facts) },
	} {
		path, err := step()
		if err != nil {
			return nil, err
		}
		made = append(made, path)
	}
	return made, nil
}

// name is the version: what was asked for, or what Go made of the tag or commit; where it makes nothing of them, as in a worktree
// of git, time and commit.
func (r *release) name(stamped string) (string, error) {
	version := cmp.Or(r.version, stamped)
	if !strings.HasPrefix(version, "(") {
		return strings.TrimPrefix(version, "v"), nil
	}
	commit, err := exec.Command("git", "-C", r.root, "log", "-1", "--format=%h", "--abbrev=12").Output()
	if err != nil {
		return "", fmt.Errorf("the last commit (or give a -version): %w", err)
	}
	return "0.0.0-" + r.time.Format("20060102150405") + "-" + strings.TrimSpace(string(commit)), nil
}

// build builds static programs.
func (r *release) build() error {
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=true", "-ldflags", "-s -w -buildid=", "-o", r.programs+"/", "./cmd/...")
	build.Dir = r.root
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+r.arch)
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w: %s", err, output)
	}
	return nil
}
