package signatures

import (
	"strings"
	"time"

	"github.com/tracee-go/tracee/types/trace"
)

// encryption remembers the files that were made lately, to notice when the original beside one is removed.
type encryption struct {
	around *surroundings
	made   *memory[string, made] // the path without its last ending → what was made of it
	bursts *burst[target]
}

type made struct {
	at     int
	ending string
}

const (
	filesRemembered = 1 << 12
	// replacedAreMany is how many files are replaced before it is called encryption.
	replacedAreMany    = 20
	replacementsWithin = time.Minute
)

// harmlessEndings are those of programs that compress, sign or save.
var harmlessEndings = named("gz xz bz2 zst lz4 lzma Z br zip 7z tmp new old bak orig lock part swp sig asc dpkg-new dpkg-tmp o d rej log")

func newEncryption(s *surroundings) *encryption {
	return &encryption{s, newMemory[string, made](filesRemembered), newBurst[target](replacedAreMany, replacementsWithin, actorsRemembered)}
}

func (n *encryption) forgotten() uint64 { return n.made.forgotten() + n.bursts.forgotten() }

func (n *encryption) match(e *trace.Event) (map[string]any, bool) {
	switch e.EventName {
	case "security_file_open":
		if flags := text(e, "flags"); strings.Contains(flags, "O_CREAT") && opensForWriting(flags) {
			n.makes(e, text(e, "pathname"))
		}
	case "security_inode_unlink":
		path := text(e, "pathname")
		if m, known := n.made.get(path); known {
			n.made.drop(path)
			return n.replaced(e, path, m.ending)
		}
	case "security_inode_rename":
		from, to := text(e, "old_path"), text(e, "new_path")
		if original, ending, ok := cutEnding(to); ok && original == from {
			return n.replaced(e, from, ending)
		}
		if m, known := n.made.get(to); known && to+"."+m.ending == from {
			n.made.drop(to) // put in its place, as a safe way to save
		}
	default:
		n.around.see(e)
	}
	return nil, false
}

func (n *encryption) makes(e *trace.Event, path string) {
	if original, ending, ok := cutEnding(path); ok {
		n.made.set(strings.Clone(original), made{e.Timestamp, strings.Clone(ending)})
	}
}

// cutEnding cuts the last ending of a path that has another one before it, or none, unless it is harmless.
func cutEnding(path string) (original, ending string, ok bool) {
	dot := strings.LastIndexByte(path, '.')
	if dot <= strings.LastIndexByte(path, '/')+1 {
		return "", "", false
	}
	original, ending = path[:dot], path[dot+1:]
	return original, ending, strings.Trim(ending, "0123456789") != "" && !harmlessEndings[ending]
}

// replaced counts by ending, for the process and for its parent, which may have started a program for each file.
func (n *encryption) replaced(e *trace.Event, path, ending string) (map[string]any, bool) {
	path, ending = strings.Clone(path), strings.Clone(ending)
	byItself := n.bursts.add(target{entity(e), ending}, path, e.Timestamp)
	byFamily := n.bursts.add(target{parentEntity(e), ending}, path, e.Timestamp)
	// dockerd removes what it knows of a container, and among that a file beside another that has its hash.
	if !byItself && !byFamily || n.around.is(e, containerManagers) {
		return nil, false
	}
	data := n.around.about(e, path)
	data["ending"] = ending
	return data, true
}

// overwriting counts the documents that a process opens to change them where they are.
type overwriting struct {
	around *surroundings
	bursts *burst[uint64]
}

const (
	overwrittenAreMany = 30
	overwrittenWithin  = time.Minute
)

func newOverwriting(s *surroundings) *overwriting {
	return &overwriting{s, newBurst[uint64](overwrittenAreMany, overwrittenWithin, actorsRemembered)}
}

func (o *overwriting) forgotten() uint64 { return o.bursts.forgotten() }

// documents are the endings of what people keep.
var documents = named("doc docx xls xlsx ppt pptx odt ods odp pdf rtf csv jpg jpeg png gif tif tiff heic raw psd mp3 mp4 mov avi mkv zip sql dwg vsd eml pst kdbx txt")

// editors open documents for writing when they are only to be shown, or change what is written in them beside the picture or the sound.
var editors = named("soffice.bin soffice libreoffice wps et wpp kid3 kid3-cli picard easytag puddletag digikam exiv2 mp3gain metaflac rsync git")

// opensDocument reports whether a document is opened to be changed where it is.
func opensDocument(e *trace.Event, path string) bool {
	if !documents[path[strings.LastIndexByte(path, '.')+1:]] {
		return false
	}
	flags := text(e, "flags")
	return strings.Contains(flags, "O_RDWR") && !containsAny(flags, "O_CREAT", "O_EXCL")
}

func (o *overwriting) match(e *trace.Event) (map[string]any, bool) {
	if e.EventName != "security_file_open" {
		o.around.see(e)
		return nil, false
	}
	path := text(e, "pathname")
	if !opensDocument(e, path) || !o.bursts.add(entity(e), strings.Clone(path), e.Timestamp) || o.around.startedBy(e, packageManagers.and(containerManagers, editors)) {
		return nil, false
	}
	data := o.around.about(e, strings.Clone(path))
	data["documents"] = overwrittenAreMany
	return data, true
}

// encryptors counts how often a process starts a program that encrypts.
type encryptors struct {
	around *surroundings
	bursts *burst[uint64]
}

func newEncryptors(s *surroundings) *encryptors {
	return &encryptors{s, newBurst[uint64](replacedAreMany, replacementsWithin, actorsRemembered)}
}

func (n *encryptors) forgotten() uint64 { return n.bursts.forgotten() }

func (n *encryptors) match(e *trace.Event) (map[string]any, bool) {
	n.around.see(e)
	c := &n.around.command
	if e.EventName != "sched_process_exec" || !encrypts(c) || !n.bursts.add(parentEntity(e), c.line, e.Timestamp) {
		return nil, false
	}
	data := c.shown()
	data["started by"] = n.around.parent(e)
	return data, true
}

// encrypts reports whether a program is told to encrypt a file.
func encrypts(c *command) bool {
	switch {
	case c.runsAny("openssl"):
		coder := len(c.argv) > 1 && (c.argv[1] == "enc" || startsWith(c.argv[1], []string{"aes-", "des", "camellia", "chacha", "aria", "sm4"}))
		return coder && !c.has("-d", "-base64", "-a") || c.has("-encrypt")
	case c.runsAny("gpg", "gpg2"):
		return c.has("-c", "-e", "--symmetric", "--encrypt", "-ec")
	case c.runsAny("age"):
		return !c.has("-d", "--decrypt")
	case c.runsAny("7z", "7za", "7zr", "zip", "rar"):
		return c.says(" -p", " -P ", " -hp", " -e ") && !c.has("x", "e", "t", "l", "-T")
	}
	return c.runsAny("ccrypt", "ccencrypt", "aescrypt", "mcrypt")
}

// destruction counts the files that a process removes from where users and services have their data.
type destruction struct {
	around *surroundings
	bursts *burst[uint64]
}

const (
	removedAreMany = 300
	removedWithin  = 30 * time.Second
)

func newDestruction(s *surroundings) *destruction {
	return &destruction{s, newBurst[uint64](removedAreMany, removedWithin, actorsRemembered)}
}

func (d *destruction) forgotten() uint64 { return d.bursts.forgotten() }

// rebuilt are directories whose content programs make again.
var rebuilt = []string{"/.", "/node_modules/", "/target/", "/build/", "/dist/", "/__pycache__/", "/vendor/", "/site-packages/", "/pkg/mod/", "/cache/", "/tmp/", "/obj/"}

var dataDirectories = []string{"/home/", "/root/", "/srv/", "/var/www/", "/var/lib/mysql/", "/var/lib/postgresql/", "/data/", "/mnt/", "/media/", "/var/backups/"}

func (d *destruction) match(e *trace.Event) (map[string]any, bool) {
	if e.EventName != "security_inode_unlink" {
		d.around.see(e)
		return nil, false
	}
	path := text(e, "pathname")
	if !startsWith(path, dataDirectories) || containsAny(path, rebuilt...) || !d.bursts.add(entity(e), strings.Clone(path), e.Timestamp) {
		return nil, false
	}
	return d.around.about(e, strings.Clone(path)), true
}
