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
)

// A binary is the compiled tests of one package.
type binary struct {
	pkg  string // import path
	dir  string // of the package's source
	path string
}

// buildTests compiles the tests of the packages into dir, without cgo, so that they run without a C library.
func buildTests(ctx context.Context, packages []string, dir string) ([]binary, error) {
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
		b := binary{pkg: pkg, dir: source, path: filepath.Join(dir, fmt.Sprintf("%d.test", len(binaries)))}
		cmd := exec.CommandContext(ctx, "go", "test", "-c", "-o", b.path, pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if output, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build the tests of %s: %w\n%s", pkg, err, output)
		}
		binaries = append(binaries, b)
	}
	if len(binaries) == 0 {
		return nil, fmt.Errorf("no tests in %s", strings.Join(packages, ", "))
	}
	return binaries, nil
}

// job says how to run the tests where the package lies in dir and its binary at path.
func (b binary) job(o options, dir, path string) vm.Job {
	args := []string{path, "-test.v", "-test.timeout=" + o.timeout.String()}
	if o.run != "" {
		args = append(args, "-test.run="+o.run)
	}
	// A little more than the tests give themselves: their own way to time out says which of them hangs.
	return vm.Job{Name: b.pkg, Args: args, Dir: dir, Timeout: o.timeout + 15*time.Second}
}

// guestDir is where the package lies in a guest.
func (b binary) guestDir() string { return path.Join("/src", b.pkg) }

// files that the tests need in a guest.
func (b binary) files() ([]vm.File, error) {
	files := []vm.File{{Path: path.Join(b.guestDir(), "package.test"), Mode: 0o755, Source: b.path}}
	data, err := vm.Tree(filepath.Join(b.dir, "testdata"), path.Join(b.guestDir(), "testdata"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return append(files, data...), nil
}
