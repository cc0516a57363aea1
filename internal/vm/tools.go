package vm

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// oldestQEMU that is trusted: under 7.2 kernels from 6.12 on die at random, of memory that the emulation corrupted.
const oldestQEMU = 10

// EnsureQEMU returns the path of a QEMU for the architecture that is new enough, and on Debian 12, as root, installs one
// from its backports if there is none.
func EnsureQEMU(ctx context.Context, arch Arch) (string, error) {
	path, missing := findQEMU(ctx, arch)
	if missing == nil {
		return path, nil
	}
	lock, err := lockFile(CacheDir() + "/qemu.lock") // apt has a lock too, but does not wait for it
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if path, err := findQEMU(ctx, arch); err == nil {
		return path, nil
	}
	release, err := os.ReadFile("/etc/os-release")
	if err != nil || !strings.Contains(string(release), "VERSION_CODENAME=bookworm") {
		return "", fmt.Errorf("%w (install QEMU %d or newer)", missing, oldestQEMU)
	}
	if err := installQEMU(ctx, arch); err != nil {
		return "", fmt.Errorf("install QEMU: %w", err)
	}
	return findQEMU(ctx, arch)
}

var qemuVersionLine = regexp.MustCompile(`QEMU emulator version (\d+)`)

// findQEMU returns the path of the QEMU that is installed, or an error that says what is wrong with it.
func findQEMU(ctx context.Context, arch Arch) (string, error) {
	path, err := exec.LookPath(machines[arch].qemu)
	if err != nil {
		return "", fmt.Errorf("find QEMU: %w", err)
	}
	text, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", path, err)
	}
	match := qemuVersionLine.FindSubmatch(text)
	if match == nil {
		return "", fmt.Errorf("find the version of %s in %.60q", path, text)
	}
	if version, err := strconv.Atoi(string(match[1])); err != nil || version < oldestQEMU {
		return "", fmt.Errorf("use %s: its version is %s, older than %d", path, match[1], oldestQEMU)
	}
	return path, nil
}

// installQEMU uses the sources it needs for this one installation; the host's list stays as it is.
func installQEMU(ctx context.Context, arch Arch) error {
	dir, err := os.MkdirTemp("", "tracee-apt-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	options, err := aptOptions(dir, AMD64, "bookworm", "bookworm-security", "bookworm-backports")
	if err != nil {
		return err
	}
	if err := run(ctx, "apt-get", append(options, "update")...); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "apt-get", append(options, "install", "--yes", "--no-install-recommends",
		"--target-release", "bookworm-backports", machines[arch].debian)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	return runCommand(cmd)
}

// commands that busybox is in a guest.
var commands = []string{
	"cat", "chmod", "cp", "echo", "env", "false", "grep", "head", "id", "kill", "ln", "ls", "mkdir", "mount", "mv", "ps",
	"rm", "sed", "seq", "sh", "sleep", "tail", "test", "touch", "true", "umount", "uname", "wc",
}

// Busybox returns a static busybox and its links in /bin, for jobs that need a shell or something to execute.
func Busybox(ctx context.Context, arch Arch) ([]File, error) {
	dir := filepath.Join(CacheDir(), "busybox-"+string(arch))
	err := once(dir, func(fresh string) error {
		return unpackPackage(ctx, aptPackage{"bookworm", "busybox-static", arch}, fresh)
	})
	if err != nil {
		return nil, fmt.Errorf("fetch busybox: %w", err)
	}
	files := []File{{Path: "/bin/busybox", Mode: 0o755, Source: filepath.Join(dir, "bin/busybox")}}
	for _, name := range commands {
		files = append(files, File{Path: "/bin/" + name, Link: "busybox"})
	}
	return files, nil
}
