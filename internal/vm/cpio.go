package vm

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
)

// A File is one entry of an initramfs: a symbolic link if Link is set, a directory if Mode says so, else a regular file
// with the contents of Source, a file of the host, or Data.
type File struct {
	Path   string // absolute, in the guest
	Mode   fs.FileMode
	Source string
	Data   []byte
	Link   string
}

// Tree lists a directory of the host, with everything in it, as files of the guest below target. Entries that are
// neither regular files, directories nor symbolic links are left out.
func Tree(dir, target string) ([]File, error) {
	var files []File
	err := filepath.WalkDir(dir, func(source string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(dir, source)
		if err != nil {
			return err
		}
		file := File{Path: path.Join(target, relative), Mode: info.Mode()}
		switch {
		case info.Mode().IsRegular():
			file.Source = source
		case info.Mode()&fs.ModeSymlink != 0:
			if file.Link, err = os.Readlink(source); err != nil {
				return err
			}
		case !info.IsDir():
			return nil
		}
		files = append(files, file)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", dir, err)
	}
	return files, nil
}

// Initramfs writes an uncompressed cpio archive in the kernel's "newc" format
// (Documentation/driver-api/early-userspace/buffer-format.rst). Directories that files lie in are made. The same files
// give the same bytes.
func Initramfs(w io.Writer, files []File) error {
	archive := cpio{out: bufio.NewWriter(w), known: map[string]bool{"/": true}}
	for _, file := range files {
		if err := archive.add(file); err != nil {
			return fmt.Errorf("add %s to the initramfs: %w", file.Path, err)
		}
	}
	if err := archive.entry(entry{name: "TRAILER!!!"}); err != nil {
		return fmt.Errorf("end the initramfs: %w", err)
	}
	return archive.out.Flush()
}

// The file types of the mode field, as in inode(7).
const (
	typeDirectory = 0o040000
	typeRegular   = 0o100000
	typeLink      = 0o120000
)

type cpio struct {
	out   *bufio.Writer
	inode int64
	known map[string]bool // paths written; true for directories
}

// An entry of the archive, its name without the leading slash.
type entry struct {
	name string
	mode uint32
	size int64
	data io.Reader
}

func (c *cpio) add(file File) error {
	name := path.Clean(file.Path)
	if !path.IsAbs(name) {
		return fmt.Errorf("path is not absolute")
	}
	if directory, known := c.known[name]; known {
		if directory && file.Mode.IsDir() {
			return nil
		}
		return fmt.Errorf("already there")
	}
	parent := path.Dir(name)
	if directory, known := c.known[parent]; known && !directory {
		return fmt.Errorf("%s is not a directory", parent)
	} else if !known {
		if err := c.add(File{Path: parent, Mode: fs.ModeDir | 0o755}); err != nil {
			return err
		}
	}
	c.known[name] = file.Mode.IsDir()
	e := entry{name: name[1:], mode: typeRegular | uint32(file.Mode.Perm())}
	switch {
	case file.Link != "":
		e.mode, e.size, e.data = typeLink|0o777, int64(len(file.Link)), bytes.NewReader([]byte(file.Link))
	case file.Mode.IsDir():
		e.mode = typeDirectory | uint32(file.Mode.Perm())
	case file.Source != "":
		source, err := os.Open(file.Source)
		if err != nil {
			return err
		}
		defer source.Close()
		info, err := source.Stat()
		if err != nil {
			return err
		}
		e.size, e.data = info.Size(), source
	default:
		e.size, e.data = int64(len(file.Data)), bytes.NewReader(file.Data)
	}
	return c.entry(e)
}

// entry writes the header, the name and the contents; name and contents are each filled up to a multiple of four.
func (c *cpio) entry(e entry) error {
	if e.size > math.MaxUint32 {
		return fmt.Errorf("%d bytes is more than the format can say", e.size)
	}
	c.inode++
	// The order: inode, mode, uid, gid, links, time, size, device (2), special device (2), name with its NUL, sum.
	fields := []int64{c.inode, int64(e.mode), 0, 0, 1, 0, e.size, 0, 0, 0, 0, int64(len(e.name) + 1), 0}
	const magic = "070701"
	header := []byte(magic)
	for _, field := range fields {
		header = fmt.Appendf(header, "%08X", field)
	}
	header = append(header, e.name...)
	header = append(header, 0)
	if _, err := c.out.Write(fill(header)); err != nil {
		return err
	}
	if e.data == nil {
		return nil
	}
	if _, err := io.CopyN(c.out, e.data, e.size); err != nil {
		return err
	}
	_, err := c.out.Write(make([]byte, padding(e.size)))
	return err
}

func fill(b []byte) []byte { return append(b, make([]byte, padding(int64(len(b))))...) }

func padding(size int64) int64 { return -size & 3 }
