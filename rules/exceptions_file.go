package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"
	"syscall"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tracee-go/tracee/internal/library"
	"github.com/tracee-go/tracee/rules/declared"
	"github.com/tracee-go/tracee/rules/lineage"
	"github.com/tracee-go/tracee/types/detect"
)

const (
	kindExceptions    = "Exceptions"
	versionExceptions = "tracee/v1"
)

// fileException is an exception in a file.
type fileException struct {
	Signature  stringList `yaml:"signature"`
	Reason     string     `yaml:"reason"`
	Owner      string     `yaml:"owner"`
	Expires    string     `yaml:"expires"`
	Executable *struct {
		Path   string `yaml:"path"`
		Device uint64 `yaml:"device"`
		Inode  uint64 `yaml:"inode"`
		SHA256 string `yaml:"sha256"`
	} `yaml:"executable"`
	Image     string            `yaml:"image"`
	User      *int              `yaml:"user"`
	Comm      string            `yaml:"comm"`
	Arguments map[string]string `yaml:"arguments"`
}

// stringList is one text or a list of them.
type stringList []string

// UnmarshalYAML implements yaml.Unmarshaler.
func (l *stringList) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*l = stringList{node.Value}
		return nil
	}
	return node.Decode((*[]string)(l))
}

// loadExceptions reads a document of exceptions. One that is wrong is left out: it takes nothing away.
func loadExceptions(path string, d declared.Document, into *Set) (errs []error) {
	if d.Version != versionExceptions {
		return []error{&declared.Problem{Line: d.Line, Text: fmt.Sprintf(
			"unrecognized config apiVersion: expected %s got %s", versionExceptions, d.Version)}}
	}
	list, err := d.List("exceptions")
	if err != nil {
		return []error{err}
	}
	read, errs := readExceptions(path, list)
	into.Exceptions = append(into.Exceptions, read...)
	return errs
}

// Exceptions reads a list of exceptions that stands in some file. The errors are *FileError; of those that are Kept the
// exception holds.
func Exceptions(path string, list *yaml.Node) (read []*Exception, errs []error) {
	if list.Kind != yaml.SequenceNode {
		return nil, []error{&FileError{Path: path, Line: list.Line, Text: "exceptions: want a list"}}
	}
	read, errs = readExceptions(path, list.Content)
	for i, err := range errs {
		errs[i] = inFile(path, err)
	}
	return read, errs
}

func readExceptions(path string, list []*yaml.Node) (read []*Exception, errs []error) {
	for _, node := range list {
		var f fileException
		if err := declared.Decode(node, &f); err != nil {
			errs = append(errs, err)
			continue
		}
		x, err := f.exception()
		if err != nil {
			errs = append(errs, &declared.Problem{Line: node.Line, Text: "exception is left out: " + err.Error()})
			continue
		}
		for _, doubt := range x.doubts() {
			errs = append(errs, &declared.Problem{Line: node.Line, Text: "exception: " + doubt, Kept: true})
		}
		x.Where = Place{path, node.Line}
		read = append(read, x)
	}
	return read, errs
}

var sha256Text = regexp.MustCompile(`^[0-9a-f]{64}$`)

func (f *fileException) exception() (*Exception, error) {
	x := &Exception{
		Signatures: f.Signature, Reason: f.Reason, Owner: f.Owner,
		image: f.Image, user: f.User, comm: f.Comm, arguments: f.Arguments,
	}
	for _, missing := range []struct {
		what  string
		there bool
	}{
		{"signature", len(f.Signature) > 0}, {"reason", f.Reason != ""}, {"owner", f.Owner != ""}, {"expires", f.Expires != ""},
	} {
		if !missing.there {
			return nil, fmt.Errorf("%s is missing", missing.what)
		}
	}
	var err error
	if x.Expires, err = time.Parse("2006-01-02", f.Expires); err != nil {
		if x.Expires, err = time.Parse(time.RFC3339, f.Expires); err != nil {
			return nil, fmt.Errorf("expires: %s is no date such as 2027-01-31", f.Expires)
		}
	}
	if f.Executable != nil {
		x.executable = &executable{
			path: f.Executable.Path, device: f.Executable.Device, inode: f.Executable.Inode,
			sha256: strings.ToLower(f.Executable.SHA256),
		}
		switch {
		case x.executable.path == "":
			return nil, fmt.Errorf("executable: path is missing")
		case x.executable.sha256 != "" && !sha256Text.MatchString(x.executable.sha256):
			return nil, fmt.Errorf("executable: sha256 is not 64 hexadecimal digits")
		case (x.executable.inode == 0) != (x.executable.device == 0):
			return nil, fmt.Errorf("executable: device and inode go together")
		}
	}
	return x, x.check()
}

// check refuses what would take out whatever an attacker likes, and patterns that are none.
func (x *Exception) check() error {
	patterns := []string{x.image, x.comm}
	for _, p := range x.arguments {
		patterns = append(patterns, p)
	}
	if x.executable != nil {
		patterns = append(patterns, x.executable.path)
	}
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil {
			return fmt.Errorf("%q is no pattern: %w", p, err)
		}
	}
	if x.executable == nil && x.image == "" && x.user == nil {
		return fmt.Errorf("it is bound to nothing but what an attacker chooses (comm, arguments): add executable, image or user")
	}
	return nil
}

// doubts are the weaknesses of an exception that is loaded all the same.
func (x *Exception) doubts() (doubts []string) {
	identified := x.executable != nil && (x.executable.inode != 0 || x.executable.sha256 != "")
	switch {
	case x.executable != nil && !identified:
		doubts = append(doubts, "whoever can write to "+x.executable.path+" can use it: add device and inode, or sha256")
	case x.executable == nil && x.image == "":
		doubts = append(doubts, "any program of the user can use it: add executable")
	case x.executable == nil:
		doubts = append(doubts, "any program in a container of the image can use it: add executable")
	}
	if x.executable != nil && strings.ContainsAny(x.executable.path, "*?[") {
		doubts = append(doubts, "the path of the executable is a pattern: name the program")
	}
	if time.Now().After(x.Expires) {
		doubts = append(doubts, "it has expired on "+x.Expires.Format("2006-01-02")+" and takes nothing out")
	}
	return doubts
}

const (
	maxHashes     = 256
	maxExecutable = 512 << 20
)

// hashes remembers the SHA-256 of executables by what the kernel knows them by.
type hashes map[identity]string

type identity struct {
	device, inode, size uint64
	changed             int64
}

// of returns the SHA-256 of the file that a process runs, empty when that can not be told: the file must still be at its
// path, and be the one that the kernel executed.
func (h *hashes) of(p detect.Process) string {
	if p.Inode == 0 {
		return ""
	}
	file, err := library.OpenPlain(p.Executable)
	if err != nil {
		return ""
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return ""
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || stat.Ino != p.Inode || lineage.KernelDevice(stat.Dev) != p.Device || info.Size() > maxExecutable {
		return ""
	}
	id := identity{p.Device, p.Inode, uint64(info.Size()), stat.Ctim.Nano()}
	if known, ok := (*h)[id]; ok {
		return known
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.LimitReader(file, maxExecutable)); err != nil {
		return ""
	}
	if *h == nil || len(*h) >= maxHashes {
		*h = hashes{}
	}
	(*h)[id] = hex.EncodeToString(sum.Sum(nil))
	return (*h)[id]
}
