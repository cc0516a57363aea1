package main

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// entry is a file of a release: where it comes from, where it goes to, and its permissions.
type entry struct {
	from, to string
	mode     os.FileMode
}

const (
	executable = os.FileMode(0o755)
	readable   = os.FileMode(0o644)
)

// glob lists the files of a pattern under the root, as files below a directory of the release.
func (r *release) glob(pattern, to string) ([]entry, error) {
	paths, err := filepath.Glob(filepath.Join(r.root, pattern))
	var found []entry
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			found = append(found, entry{path, to + filepath.Base(path), readable})
		}
	}
	return found, err
}

// tarball makes the archive that is unpacked anywhere and run from there: programs, rules and templates side by side.
func (r *release) tarball() (string, error) {
	name := fmt.Sprintf("tracee-%s-linux-%s", r.version, r.arch)
	var entries []entry
	for _, command := range commands {
		entries = append(entries, entry{filepath.Join(r.programs, command), command, executable})
	}
	for _, part := range []struct{ pattern, to string }{
		{"signatures/rego/*.rego", "rules/"}, {"templates/*.tmpl", "templates/"}, {"docs/man/*", "man/"},
		{"LICENSE", ""}, {"README.md", ""}, {"bpf/LICENSE", "bpf/"},
	} {
		found, err := r.glob(part.pattern, part.to)
		if err != nil {
			return "", err
		}
		entries = append(entries, found...)
	}
	path := filepath.Join(r.out, name+".tar.gz")
	file, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	return path, errors.Join(r.archive(file, name, entries), file.Close())
}

func (r *release) archive(to io.Writer, name string, entries []entry) error {
	compressed, err := gzip.NewWriterLevel(to, gzip.BestCompression)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(compressed)
	for _, e := range entries {
		if err := r.add(archive, name, e); err != nil {
			return fmt.Errorf("%s: %w", e.from, err)
		}
	}
	return errors.Join(archive.Close(), compressed.Close())
}

func (r *release) add(archive *tar.Writer, name string, e entry) error {
	content, err := os.ReadFile(e.from)
	if err != nil {
		return err
	}
	header := &tar.Header{
		Typeflag: tar.TypeReg, Name: name + "/" + e.to, Size: int64(len(content)), Mode: int64(e.mode), ModTime: r.time,
		Uname: "root", Gname: "root", Format: tar.FormatPAX,
	}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err = archive.Write(content)
	return err
}

// writeChecksums writes what sha256sum --check reads, beside the files.
func writeChecksums(path string, files []string) error {
	var text strings.Builder
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		fmt.Fprintf(&text, "%s  %s\n", hex.EncodeToString(sum[:]), filepath.Base(file))
	}
	return os.WriteFile(path, []byte(text.String()), readable)
}
