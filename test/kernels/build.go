package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/tracee-go/tracee/internal/vm"
	"github.com/tracee-go/tracee/test/rootkit"
)

// A binary is the compiled tests of one package.
type binary struct {
	pkg   string // import path
	dir   string // of the package's source
	paths map[vm.Arch]string
}

// buildTests compiles the tests of the packages for the architectures into dir, without cgo, so that they run without a
// C library.
func buildTests(ctx context.Context, packages []string, archs []vm.Arch, dir string) ([]binary, error) {
	const withTests = "{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}} {{.Dir}}{{end}}"
	list := exec.CommandContext(ctx, "go", append([]string{"list", "-f", withTests}, packages...)...)
	var complaints bytes.Buffer
	list.Stderr = &complaints
	text, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("list packages: %w\n%s", err, &complaints)
	}
	var binaries []binary
	for line := range strings.Lines(string(text)) {
		pkg, source, _ := strings.Cut(strings.TrimSpace(line), " ")
		b := binary{pkg: pkg, dir: source, paths: map[vm.Arch]string{}}
		for _, arch := range archs {
			b.paths[arch] = filepath.Join(dir, fmt.Sprintf("%d.%s.test", len(binaries), arch))
			cmd := exec.CommandContext(ctx, "go", "test", "-c", "-o", b.paths[arch], pkg)
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+string(arch))
			if output, err := cmd.CombinedOutput(); err != nil {
				return nil, fmt.Errorf("build the tests of %s for %s: %w\n%s", pkg, arch, err, output)
			}
		}
		binaries = append(binaries, b)
	}
	if len(binaries) == 0 {
		return nil, fmt.Errorf("no tests in %s", strings.Join(packages, ", "))
	}
	return binaries, nil
}

// A selection is which tests of a package are run: those that match run, except those that match skip; empty: all, none.
type selection struct {
	timeout   time.Duration
	run, skip string
}

// job says how to run the tests where the package lies in dir and its binary at path.
func (b binary) job(s selection, dir, path string) vm.Job {
	args := []string{path, "-test.v", "-test.timeout=" + s.timeout.String()}
	if s.run != "" {
		args = append(args, "-test.run="+s.run)
	}
	if s.skip != "" {
		args = append(args, "-test.skip="+s.skip)
	}
	// A little more than the tests give themselves: their own way to time out says which of them hangs.
	return vm.Job{Name: b.pkg, Args: args, Dir: dir, Timeout: s.timeout + 15*time.Second}
}

// guestDir is where the package lies in a guest.
func (b binary) guestDir() string { return path.Join("/src", b.pkg) }

// files that the tests need in a guest.
func (b binary) files(arch vm.Arch) ([]vm.File, error) {
	files := []vm.File{{Path: path.Join(b.guestDir(), "package.test"), Mode: 0o755, Source: b.paths[arch]}}
	data, err := vm.Tree(filepath.Join(b.dir, "testdata"), path.Join(b.guestDir(), "testdata"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return append(files, data...), nil
}

// buildRootkit builds a kernel module of the tests for the kernel of another one.
func buildRootkit(ctx context.Context, module string) ([]vm.File, error) {
	dir, err := os.MkdirTemp("", "tracee-rootkit-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "rootkit.ko")
	err = rootkit.Build(ctx, module, file)
	if err != nil {
		return nil, err
	}
	code, err := os.ReadFile(file)
	return []vm.File{{Path: "/lib/modules/rootkit.ko", Mode: 0o644, Data: code}}, err
}
