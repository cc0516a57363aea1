package library

import (
	"path"
	"slices"
	"strings"
)

// Where the libraries of a system lie: here, and in directories of these that are named after a machine.
var (
	libraryDirectories = []string{"/lib", "/lib64", "/usr/lib", "/usr/lib64"}
	libraryMachines    = []string{
		"aarch64-linux-gnu", "arm-linux-gnueabihf", "i386-linux-gnu", "i686-linux-gnu", "x86_64-linux-gnu",
	}
)

// Matches compares the path of a library with what users write. A path means this file or directory, and what lies
// in it; a name means a library of the system. Either may end before a version: libc is libc.so.6 and libc-2.31.so, but
// not libcap.so.2; /usr/lib is not /usr/lib64.
func Matches(value, file string) bool {
	if !strings.HasPrefix(value, "/") {
		return inSystem(path.Dir(file)) && beginsWith(path.Base(file), value)
	}
	return beginsWith(file, value)
}

func inSystem(directory string) bool {
	parent, machine := path.Split(directory)
	return slices.Contains(libraryDirectories, directory) ||
		slices.Contains(libraryMachines, machine) && slices.Contains(libraryDirectories, path.Clean(parent))
}

// beginsWith says that a path begins with a value that ends at the end of a word.
func beginsWith(file, value string) bool {
	rest, ok := strings.CutPrefix(file, value)
	switch {
	case !ok:
		return false
	case rest == "" || rest[0] == '/' || strings.HasSuffix(value, "/"):
		return true
	default:
		return !strings.Contains(rest, "/") && !isWord(rest[0])
	}
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
