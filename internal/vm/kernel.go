package vm

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A Kernel is one that can be booted: a package of a Debian suite.
type Kernel struct {
	Name       string // what people call it, and its directory in the cache
	Suite      string
	Package    string // the meta package; the newest kernel it stands for is taken
	Arch       Arch
	Parameters string // of its command line, beside those of every guest
	Tests      string // regexp of the tests that this kernel is there for; empty: all
}

// Kernels lists the known ones. They are Debian's "cloud" builds: a third of the size of the general ones, with BTF,
// BPF LSM, kprobes and 32-bit emulation. Only the general ones have the x32 ABI, and only if they are asked for it.
// 6.1 and 5.10 have no fprobe (kprobe.multi).
var Kernels = []Kernel{
	{Name: "5.10", Suite: "bullseye", Package: "linux-image-cloud-amd64", Arch: AMD64},
	{Name: "6.1", Suite: "bookworm", Package: "linux-image-cloud-amd64", Arch: AMD64},
	{Name: "6.1-x32", Suite: "bookworm", Package: "linux-image-amd64", Arch: AMD64, Parameters: "syscall.x32=y", Tests: "X32"},
	{Name: "6.12", Suite: "trixie", Package: "linux-image-cloud-amd64", Arch: AMD64},
	{Name: "6.12-arm64", Suite: "trixie", Package: "linux-image-cloud-arm64", Arch: ARM64},
	{Name: "sid", Suite: "sid", Package: "linux-image-cloud-amd64", Arch: AMD64},
}

// LookupKernel finds a known kernel by its name.
func LookupKernel(name string) (Kernel, bool) {
	for _, kernel := range Kernels {
		if kernel.Name == name {
			return kernel, true
		}
	}
	return Kernel{}, false
}

// The files of a kernel in its directory of the cache. The modules are not compressed: dummy is one that no guest needs,
// for tests that want to load one.
const (
	imageName    = "vmlinuz"
	configName   = "config"
	dummyModule  = "dummy.ko"
	overlayFiles = "overlay.ko"
)

// Fetch returns the path of the kernel's image. Beside it lie its configuration, "config", and modules, "dummy.ko" and
// "overlay.ko".
// It is downloaded once; to get a newer build of the same kernel, delete its directory below CacheDir.
func Fetch(ctx context.Context, kernel Kernel) (string, error) {
	dir := filepath.Join(CacheDir(), kernel.Name)
	err := once(dir, func(fresh string) error { return fetchKernel(ctx, kernel, fresh) })
	if err != nil {
		return "", fmt.Errorf("fetch kernel %s: %w", kernel.Name, err)
	}
	return filepath.Join(dir, imageName), nil
}

func fetchKernel(ctx context.Context, kernel Kernel, dir string) error {
	unpacked, err := os.MkdirTemp("", "tracee-kernel-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(unpacked)
	if err := unpackPackage(ctx, aptPackage{kernel.Suite, kernel.Package, kernel.Arch}, unpacked); err != nil {
		return err
	}
	for _, name := range []string{imageName, configName, dummyModule, overlayFiles} {
		source, err := findKernelFile(unpacked, name)
		if err != nil {
			return err
		}
		if strings.HasSuffix(source, ".xz") {
			if err := run(ctx, "xz", "--decompress", source); err != nil {
				return err
			}
			source = strings.TrimSuffix(source, ".xz")
		}
		if err := run(ctx, "cp", source, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// findKernelFile finds a file where the packages have it: /boot/config-6.1.0-56 until 6.12,
// /usr/lib/modules/7.2.13/config since Debian split the package, and modules in /lib or /usr/lib, compressed since
// 6.12.
func findKernelFile(root, name string) (string, error) {
	var found []string
	for _, pattern := range []string{
		"boot/" + name + "-*",
		"usr/lib/modules/*/" + name,
		"lib/modules/*/kernel/drivers/net/" + name + "*",
		"usr/lib/modules/*/kernel/drivers/net/" + name + "*",
		"lib/modules/*/kernel/fs/overlayfs/" + name + "*",
		"usr/lib/modules/*/kernel/fs/overlayfs/" + name + "*",
	} {
		matches, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return "", err
		}
		found = append(found, matches...)
	}
	if len(found) != 1 {
		return "", fmt.Errorf("%d files %s in the packages instead of one", len(found), name)
	}
	return found[0], nil
}
