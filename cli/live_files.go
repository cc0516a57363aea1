package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// liveFiles are the files and directories that settings come from.
type liveFiles []string

// The most that is looked at: more of the files, and what is further back in one, may change without being seen.
const (
	liveFilesMax = 10000
	liveFileMax  = 64 << 20
)

// files are those of a command.
func (c *traceeCommand) files() liveFiles {
	paths := append(liveFiles{c.rulesDir}, c.policyFiles...)
	switch {
	case c.file != nil:
		return append(paths, c.file.Path)
	case c.path == "":
		return append(paths, configDefault) // it may come
	default:
		return paths
	}
}

// with adds files, those that are not there. What is wrong stays the same files then, and is told of once.
func (l liveFiles) with(more liveFiles) liveFiles {
	all := slices.Clone(l)
	for _, path := range more {
		if !slices.Contains(all, path) {
			all = append(all, path)
		}
	}
	return all
}

// any says that there is something that can change.
func (l liveFiles) any() bool {
	return slices.ContainsFunc(l, func(path string) bool { _, err := os.Stat(path); return err == nil })
}

// each visits the files, in order. Links are followed to files, as those of a ConfigMap are.
func (l liveFiles) each(visit func(path string, info os.FileInfo)) {
	n := 0
	for _, root := range l {
		_ = filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
			if n++; n > liveFilesMax {
				return filepath.SkipAll
			}
			if err != nil { // what is not there is no file
				return nil
			}
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				visit(path, info)
			}
			return nil
		})
	}
}

// state changes when a file does, or another one takes its name.
func (l liveFiles) state() string {
	h := sha256.New()
	l.each(func(path string, info os.FileInfo) {
		var inode uint64
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			inode = stat.Ino
		}
		fmt.Fprintf(h, "%q %d %d %d\n", path, inode, info.Size(), info.ModTime().UnixNano())
	})
	return hex.EncodeToString(h.Sum(nil))
}

// hashes are those of what the files say, by their paths.
func (l liveFiles) hashes() map[string]string {
	all := map[string]string{}
	l.each(func(path string, _ os.FileInfo) {
		file, err := os.Open(path)
		if err != nil { // who loads it tells
			return
		}
		defer file.Close()
		h := sha256.New()
		_, _ = io.Copy(h, io.LimitReader(file, liveFileMax))
		all[path] = hex.EncodeToString(h.Sum(nil))
	})
	return all
}

// digest is the hash of hashes.
func digest(hashes map[string]string) string {
	h := sha256.New()
	for _, path := range slices.Sorted(maps.Keys(hashes)) {
		fmt.Fprintf(h, "%q %s\n", path, hashes[path])
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}
