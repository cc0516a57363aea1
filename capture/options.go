package capture

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tracee-go/tracee/internal/suggest"
)

// DefaultDir is the base directory of what is captured, unless dir: says otherwise.
const DefaultDir = "/tmp/tracee"

// Options say what is captured, and where to.
type Options struct {
	Write, Read               *Files // what is written to files, and read from them; nil: nothing
	Exec, Module, Memory, BPF bool
	Profile                   bool
	Net                       []string // interfaces whose packets are captured; "any": all
	Split                     Split
	Filtered                  bool // only packets of which an event is made that is wanted
	Snaplen                   int  // bytes kept of a packet, from the link header on; 0: all
	Dir                       string
	ClearDir                  bool
	Quota                     Quota
	Evidence                  bool // of findings
	EvidencePackets           bool // among it the last packets, which are remembered ahead
}

// Limits of filters of paths, as in v0.8.
const (
	PrefixesMax = 3
	PrefixMax   = 50
)

// Files say which files are meant, by what all filters of a kind have in common.
type Files struct {
	Prefixes    []string // of the path; none: any
	Types       Type     // 0: any
	Descriptors uint8    // bits of the descriptors 0 to 2; 0: any
}

// Type is a set of types of files.
type Type uint8

// Types of files. ELF is a regular file that begins as programs and libraries do.
const (
	Regular Type = 1 << iota
	Pipe
	Socket
	Char
	Block
	ELF
)

var typeNames = map[string]Type{"regular": Regular, "pipe": Pipe, "socket": Socket, "char": Char, "block": Block, "elf": ELF}

var descriptorNames = map[string]uint8{"stdin": 1, "stdout": 2, "stderr": 4}

// Split says which packets share a file: a set, because several divisions may be asked for at once.
type Split uint8

// PerHost is one file for all.
const (
	PerHost Split = 1 << iota
	PerContainer
	PerProcess
	PerCommand
)

var splitNames = map[string]Split{
	"per-host": PerHost, "per-container": PerContainer, "per-process": PerProcess, "per-command": PerCommand,
	"single": PerHost, "container": PerContainer, "process": PerProcess, "command": PerCommand,
}

// Enabled says whether anything is to be captured.
func (o *Options) Enabled() bool {
	return o.Write != nil || o.Read != nil || o.Exec || o.Module || o.Memory || o.BPF || len(o.Net) > 0 || o.Evidence
}

// Remembers says whether the last packets of processes are remembered, should a finding ask for them.
func (o *Options) Remembers() bool { return o.Evidence && o.EvidencePackets && o.Quota.Packets > 0 }

// form is one form that a value of --capture can have.
type form struct {
	name  string // in help
	match string // the value, or with rest what it begins with
	rest  bool
	doc   string
	set   func(o *Options, rest string) error
}

// artifact says that v0.8 takes the form also with the word artifact: before it.
func (f form) artifact() bool { return strings.HasPrefix(f.name, "[artifact:]") }

var forms = []form{
	{"[artifact:]write", "write", false, "capture what is written to files, pipes, sockets and devices", func(o *Options, _ string) error {
		o.Write = orNew(o.Write)
		return nil
	}},
	{"[artifact:]write=/path/prefix*", "write=", true, "only to files whose path begins so (at most 3 times, 50 characters)", func(o *Options, v string) error {
		o.Write = orNew(o.Write)
		return o.Write.addPrefix("write", v)
	}},
	{"[artifact:]write:type=T", "write:type=", true, "only to files of a type: regular, pipe, socket, char, block, elf", func(o *Options, v string) error {
		o.Write = orNew(o.Write)
		return o.Write.addTypes(v)
	}},
	{"[artifact:]write:fd=F", "write:fd=", true, "only by a descriptor: stdin, stdout, stderr", func(o *Options, v string) error {
		o.Write = orNew(o.Write)
		return o.Write.addDescriptors(v)
	}},
	{"[artifact:]read", "read", false, "capture what is read; with the same filters: read=/etc/*, read:type=T, read:fd=F", func(o *Options, _ string) error {
		o.Read = orNew(o.Read)
		return nil
	}},
	{"", "read=", true, "", func(o *Options, v string) error {
		o.Read = orNew(o.Read)
		return o.Read.addPrefix("read", v)
	}},
	{"", "read:type=", true, "", func(o *Options, v string) error {
		o.Read = orNew(o.Read)
		return o.Read.addTypes(v)
	}},
	{"", "read:fd=", true, "", func(o *Options, v string) error {
		o.Read = orNew(o.Read)
		return o.Read.addDescriptors(v)
	}},
	{"[artifact:]exec", "exec", false, "capture the files that are executed", func(o *Options, _ string) error {
		o.Exec = true
		return nil
	}},
	{"[artifact:]module", "module", false, "capture kernel modules that are loaded", func(o *Options, _ string) error {
		o.Module = true
		return nil
	}},
	{"[artifact:]mem", "mem", false, "capture memory that was writable and executable and is made executable alone", func(o *Options, _ string) error {
		o.Memory = true
		return nil
	}},
	{"[artifact:]bpf", "bpf", false, "capture BPF programs that are loaded", func(o *Options, _ string) error {
		o.BPF = true
		return nil
	}},
	{"net=interface[,interface]", "net=", true, "capture packets of traced processes on these interfaces; any: on all", (*Options).setNet},
	{"pcap:per-container", "pcap:", true, "a file for each container; also per-process, per-command, per-host (default)", (*Options).addSplit},
	{"pcap-options:filtered", "pcap-options:", true, "only packets that traced events tell of, such as net_packet_dns; none: all (default)", (*Options).setPcap},
	{"pcap-snaplen:N", "pcap-snaplen:", true, "bytes to keep of a packet (96, 1kb); headers; max (default)", (*Options).setSnaplen},
	{"profile", "profile", false, "capture exec, and count executions in tracee.profile", func(o *Options, _ string) error {
		o.Exec, o.Profile = true, true
		return nil
	}},
	{"dir:/path/to/dir", "dir:", true, "where to put things: in out below it (default: " + DefaultDir + ")", func(o *Options, v string) error {
		if o.Dir = v; v == "" {
			return errors.New("capture output dir cannot be empty (dir:/path)")
		}
		return nil
	}},
	{"clear-dir", "clear-dir", false, "remove the directory out before", func(o *Options, _ string) error {
		o.ClearDir = true
		return nil
	}},
	{"quota:artifact=SIZE", "quota:", true, "bounds: artifact, container, total (16M, 2G), age (24h), full=evict or refuse; of " +
		"packets remembered for evidence: packets (memory; 0: none), packets-each (a number), packets-age", func(o *Options, v string) error {
		return o.Quota.set(v)
	}},
}

func orNew(f *Files) *Files {
	if f == nil {
		return &Files{}
	}
	return f
}

// Parse reads the values of --capture.
func Parse(values []string) (Options, error) {
	o := Options{Dir: DefaultDir, Quota: DefaultQuota}
	for _, value := range values {
		if err := o.add(value); err != nil {
			return o, err
		}
	}
	for _, f := range []*Files{o.Write, o.Read} {
		if f != nil && len(f.Prefixes) > PrefixesMax {
			return o, fmt.Errorf("too many file-write filters given (at most %d; a shorter prefix can stand for several)", PrefixesMax)
		}
	}
	if o.Split&PerContainer != 0 && o.Split&PerProcess != 0 {
		return o, errors.New("invalid capture flags: can't use both pcap:per-container and pcap:per-process capture options " +
			"(the files of processes are sorted by containers already)")
	}
	if o.Split == 0 {
		o.Split = PerHost
	}
	return o, nil
}

var errInvalid = errors.New("invalid capture option specified, use '--capture help' for more info")

func invalid(hint string) error { return fmt.Errorf("%w (%s)", errInvalid, hint) }

func (o *Options) add(value string) error {
	plain, artifact := strings.CutPrefix(value, "artifact:")
	for _, f := range forms {
		if artifact && !f.artifact() && f.name != "" {
			continue
		}
		if f.rest && strings.HasPrefix(plain, f.match) {
			return f.set(o, plain[len(f.match):])
		}
		if !f.rest && plain == f.match {
			return f.set(o, "")
		}
	}
	if artifact && strings.HasPrefix(plain, "net=") {
		return invalid("without artifact: " + plain)
	}
	word, _, _ := strings.Cut(plain, "=")
	word, _, _ = strings.Cut(word, ":")
	if near := suggest.DidYouMean(word, words()); near != "" && !slices.Contains(words(), word) {
		return fmt.Errorf("%w%s", errInvalid, near)
	}
	return invalid(fmt.Sprintf("%q is none of its forms", value))
}

// words are what values begin with.
func words() []string {
	var all []string
	for _, f := range forms {
		word, _, _ := strings.Cut(f.match, "=")
		word, _, _ = strings.Cut(word, ":")
		if !slices.Contains(all, word) {
			all = append(all, word)
		}
	}
	return all
}

func (f *Files) addPrefix(what, value string) error {
	prefix, starred := strings.CutSuffix(value, "*")
	switch {
	case !starred:
		return invalid(fmt.Sprintf("a filter of paths ends with a star: %s=%s*", what, value))
	case prefix == "":
		return fmt.Errorf("capture %s filter cannot be empty (%s alone captures everything)", what, what)
	case len(prefix) > PrefixMax:
		return fmt.Errorf("the length of a path filter is limited to %d characters: %s (give the beginning of the path, and a star)", PrefixMax, prefix)
	}
	f.Prefixes = append(f.Prefixes, prefix)
	return nil
}

func (f *Files) addTypes(value string) error {
	for name := range strings.SplitSeq(value, ",") {
		t, ok := typeNames[name]
		if !ok {
			return invalid(fmt.Sprintf("no type of files is called %q: regular, pipe, socket, char, block, elf", name))
		}
		f.Types |= t
	}
	return nil
}

func (f *Files) addDescriptors(value string) error {
	for name := range strings.SplitSeq(value, ",") {
		d, ok := descriptorNames[name]
		if !ok {
			return invalid(fmt.Sprintf("no descriptor is called %q: stdin, stdout, stderr", name))
		}
		f.Descriptors |= d
	}
	return nil
}

func (o *Options) setNet(value string) error {
	o.Net = nil // a later one replaces an earlier one
	for name := range strings.SplitSeq(value, ",") {
		if name == "" {
			return invalid("net= takes names of interfaces: net=eth0")
		}
		o.Net = append(o.Net, name)
	}
	return nil
}

func (o *Options) addSplit(value string) error {
	for name := range strings.SplitSeq(value, ",") {
		s, ok := splitNames[name]
		if !ok {
			return invalid(fmt.Sprintf("packets are not divided by %q: per-host, per-container, per-process, per-command", name))
		}
		o.Split |= s
	}
	return nil
}

func (o *Options) setPcap(value string) error {
	switch value {
	case "none":
		o.Filtered = false
	case "filtered":
		o.Filtered = true
	default:
		return invalid(fmt.Sprintf("pcap-options takes none or filtered, not %q", value))
	}
	return nil
}

// headersOnly is what is kept of a packet with pcap-snaplen:headers: as much as headers have as a rule.
const headersOnly = 128

func (o *Options) setSnaplen(value string) error {
	switch value {
	case "max", "default":
		o.Snaplen = 0
		return nil
	case "headers":
		o.Snaplen = headersOnly
		return nil
	}
	n, err := parseSize(value)
	if err != nil || n < LinkHeader || n > snaplenMax {
		return invalid(fmt.Sprintf("pcap-snaplen takes %d to %d bytes, headers, or max", LinkHeader, snaplenMax))
	}
	o.Snaplen = int(n)
	return nil
}

// Forms yields what values of --capture begin with, or are, and what they mean.
func Forms(yield func(begin, doc string) bool) {
	for _, f := range forms {
		if f.name != "" && !yield(f.match, f.doc) {
			return
		}
	}
}

// Help is what --capture help prints.
func Help() string {
	var b strings.Builder
	b.WriteString("Capture artifacts that were written, executed, loaded or sent.\n\nForms; the flag may be repeated:\n")
	for _, f := range forms {
		if f.name != "" {
			fmt.Fprintf(&b, "  %-32s %s\n", f.name, f.doc)
		}
	}
	b.WriteString(`
Every artifact is recorded in out/manifest.jsonl as it is captured, with process, container, path, size and sha256, and
the event artifact_captured tells of it. What can not be captured, or not as a whole, is recorded with the reason.
What is captured is bound by --trace.

Examples:
  --capture exec                                          executed files, in ` + DefaultDir + `/out
  --capture exec --capture dir:/my/dir --capture clear-dir  in /my/dir/out, which is emptied before
  --capture write=/usr/bin/* --capture write=/etc/*       files that are written in these directories
  --capture read:fd=stdin --capture read:type=pipe        what comes through pipes to the standard input
  --capture profile                                       executed files, and how often they were executed
  --capture net=eth0 --capture pcap:per-container         packets, in a file for each container
  --capture exec --output none                            nothing but artifacts
  --capture write --capture quota:total=1G --capture quota:full=refuse
`)
	return b.String()
}
