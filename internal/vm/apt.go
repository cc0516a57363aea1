package vm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	mirror         = "http://deb.debian.org/debian"
	securityMirror = "http://deb.debian.org/debian-security"
	keyring        = "/usr/share/keyrings/debian-archive-keyring.gpg"
)

// CacheDir is where kernels and tools are kept: $TRACEE_VM_CACHE or /var/cache/tracee-kernels.
func CacheDir() string {
	if dir := os.Getenv("TRACEE_VM_CACHE"); dir != "" {
		return dir
	}
	return "/var/cache/tracee-kernels"
}

// once makes sure that dir exists, and calls fill to fill it if it does not. A directory is complete or absent, and
// several processes may ask for the same one.
func once(dir string, fill func(fresh string) error) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	lock, err := lockFile(dir + ".lock")
	if err != nil {
		return err
	}
	defer lock.Close()
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	fresh := dir + ".fresh"
	defer os.RemoveAll(fresh)
	if err := errors.Join(os.RemoveAll(fresh), os.Mkdir(fresh, 0o755)); err != nil {
		return err
	}
	if err := fill(fresh); err != nil {
		return err
	}
	return os.Rename(fresh, dir)
}

// lockFile waits until no other process holds the lock at path; closing it gives it back.
func lockFile(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	lock, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		lock.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return lock, nil
}

// An aptPackage is a package of a suite, for an architecture that need not be the host's.
type aptPackage struct {
	suite, name string
	arch        Arch
}

// aptOptions makes apt use lists of its own in dir, with the given suites and no other, so that the host's apt never
// hears of them, nor of their architecture.
func aptOptions(dir string, arch Arch, suites ...string) ([]string, error) {
	var sources strings.Builder
	for _, suite := range suites {
		from := mirror
		if strings.HasSuffix(suite, "-security") {
			from = securityMirror
		}
		fmt.Fprintf(&sources, "deb [arch=%s signed-by=%s] %s %s main\n", arch, keyring, from, suite)
	}
	list := filepath.Join(dir, "sources.list")
	err := errors.Join(
		os.MkdirAll(filepath.Join(dir, "lists/partial"), 0o755),
		os.MkdirAll(filepath.Join(dir, "cache/archives/partial"), 0o755),
		os.WriteFile(list, []byte(sources.String()), 0o644),
	)
	return []string{
		"-qq",
		"-o", "APT::Architecture=" + string(arch),
		"-o", "APT::Architectures=" + string(arch),
		"-o", "Dir::State::lists=" + filepath.Join(dir, "lists"),
		"-o", "Dir::Cache=" + filepath.Join(dir, "cache"),
		"-o", "Dir::Etc::sourcelist=" + list,
		"-o", "Dir::Etc::sourceparts=/dev/null",
		"-o", "Dir::Etc::preferencesparts=/dev/null",
		"-o", "APT::Sandbox::User=root", // _apt cannot enter a private directory
		"-o", "Acquire::Languages=none",
		"-o", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
	}, err
}

// unpackPackage downloads a package of a suite, or for a kernel the packages it consists of, and unpacks them into
// dir. It needs no root, only dpkg-deb and apt-get.
func unpackPackage(ctx context.Context, p aptPackage, dir string) error {
	root, err := os.MkdirTemp("", "tracee-apt-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	suites := []string{p.suite}
	if p.suite != "sid" { // what is fixed there is fixed by a new version
		suites = append(suites, p.suite+"-security")
	}
	options, err := aptOptions(root, p.arch, suites...)
	if err != nil {
		return err
	}
	// An empty status: what the host has installed must not matter.
	status := filepath.Join(root, "status")
	if err := os.WriteFile(status, nil, 0o644); err != nil {
		return err
	}
	options = append(options, "-o", "Dir::State::status="+status)
	if err := run(ctx, "apt-get", append(options, "update")...); err != nil {
		return err
	}
	names, err := kernelParts(ctx, options, p.name)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := downloadPackage(ctx, options, name, dir); err != nil {
			return err
		}
	}
	return nil
}

// downloadPackage unpacks one package into dir.
func downloadPackage(ctx context.Context, options []string, name, dir string) error {
	debs, err := os.MkdirTemp("", "tracee-deb-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(debs)
	cmd := exec.CommandContext(ctx, "apt-get", append(options, "download", name)...)
	cmd.Dir = debs
	if err := runCommand(cmd); err != nil {
		return err
	}
	files, err := os.ReadDir(debs)
	if err != nil {
		return err
	}
	if len(files) != 1 {
		return fmt.Errorf("download %s: got %d files, want one", name, len(files))
	}
	return run(ctx, "dpkg-deb", "-x", filepath.Join(debs, files[0].Name()), dir)
}

// kernelPart matches the packages that a kernel consists of: the meta package depends on the image, and since 7.x the
// image on its binary, modules and base.
var kernelPart = regexp.MustCompile(`\blinux-(?:image|binary|modules|base)-\d[^ ,]*`)

// kernelParts returns the parts of a kernel that the package name stands for, however indirectly, or the package itself
// if it stands for none. A meta package is empty, and there are mirrors that do not have it.
func kernelParts(ctx context.Context, options []string, name string) ([]string, error) {
	names, seen := []string{name}, map[string]bool{name: true}
	for i := 0; i < len(names); i++ {
		show := append(options[:len(options):len(options)], "show", "--no-all-versions", names[i])
		text, err := exec.CommandContext(ctx, "apt-cache", show...).Output()
		if err != nil {
			return nil, fmt.Errorf("look up package %s: %w", names[i], err)
		}
		for line := range strings.Lines(string(text)) {
			if !strings.HasPrefix(line, "Depends:") {
				continue
			}
			for _, part := range kernelPart.FindAllString(line, -1) {
				if !seen[part] {
					seen[part] = true
					names = append(names, part)
				}
			}
		}
	}
	if len(names) > 1 {
		return names[1:], nil
	}
	return names, nil
}

func run(ctx context.Context, name string, arguments ...string) error {
	return runCommand(exec.CommandContext(ctx, name, arguments...))
}

// runCommand runs a command whose output matters only if it goes wrong.
func runCommand(cmd *exec.Cmd) error {
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, output)
	}
	return nil
}
