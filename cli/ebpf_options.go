package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/tracee-go/tracee/capture"
	"github.com/tracee-go/tracee/container/runtimes"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/output"
	"github.com/tracee-go/tracee/sink"
	"github.com/tracee-go/tracee/tracer"
)

// ebpfOptions are the command line of tracee-ebpf.
type ebpfOptions struct {
	list            bool
	version         bool
	installPath     string
	logs            logOptions
	serve           serveOptions
	capabilities    capabilityOptions
	traceFlags      []string
	output          outputOptions
	cache           tracer.CacheConfig
	perfBufferPages int
	blobBufferPages int
	containers      containerOptions
	captureFlags    []string
	capture         capture.Options
}

// shorthands of v0.8 that its users may write with an equals sign: -o=json.
var shorthands = map[string]string{
	"l": "list", "t": "trace", "o": "output", "b": "perf-buffer-size", "c": "capture", "a": "cache",
}

// aliases are long names that mean another flag.
var aliases = map[string]string{"ahc": "allow-high-capabilities", "metrics-addr": "listen-addr"}

// parse reads the command line. A help text that it returns is to be printed instead of doing anything.
func (o *ebpfOptions) parse(args []string) (help string, err error) {
	var outputs, caches []string
	flags := o.flags(&outputs, &caches)
	if err := flags.Parse(longOptions(args)); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return ebpfHelp(flags), nil
		}
		return "", explainFlag(err, flags)
	}
	switch {
	case flags.NArg() > 0:
		return ebpfHelp(flags), nil
	case o.version:
		return "tracee-ebpf version " + version() + "\n", nil
	case slices.Equal(o.traceFlags, []string{"help"}):
		return filter.Help(), nil
	case slices.Equal(outputs, []string{"help"}):
		return outputHelp(), nil
	case slices.Equal(caches, []string{"help"}):
		return cacheHelp(), nil
	case slices.Equal(o.captureFlags, []string{"help"}):
		return capture.Help(), nil
	case o.containers.wantsHelp():
		return runtimes.Help(), nil
	case o.capabilities.wantsHelp():
		return capabilitiesHelp(), nil
	}
	if err := errors.Join(o.containers.checkWait(), o.logs.check(), o.serve.check(), o.capabilities.parse()); err != nil {
		return "", err
	}
	if o.capture, err = capture.Parse(o.captureFlags); err != nil {
		return "", err
	}
	if err := errors.Join(checkPages(o.perfBufferPages), checkPages(o.blobBufferPages)); err != nil {
		return "", err
	}
	if o.output, err = parseOutput(outputs); err != nil {
		return "", err
	}
	if o.cache, err = parseCache(caches); err == nil && o.output.cacheEvents && o.cache.MemoryBytes == 0 {
		o.cache.MemoryBytes = defaultMemoryCache
	}
	return "", err
}

// largestRing is what the kernel can be asked for: a size of 32 bits that is a power of two.
const largestRing = 1 << 31

func checkPages(pages int) error {
	if pages < 1 || pages&(pages-1) != 0 {
		return fmt.Errorf("invalid perf buffer size - must be a power of 2 (%d pages are not; 1024 are)", pages)
	}
	if limit := largestRing / bulkFactor / os.Getpagesize(); pages > limit {
		return fmt.Errorf("invalid perf buffer size - must be at most %d pages", limit)
	}
	return nil
}

func explainFlag(err error, flags *pflag.FlagSet) error {
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		flag := invalid.GetFlag()
		return fmt.Errorf("invalid value %q for --%s: want %s", invalid.GetValue(), flag.Name, wanted[flag.Value.Type()])
	}
	return fmt.Errorf("%w%s", err, flagHint(err, flags))
}

// wanted names what flags take, by the type of their value.
var wanted = map[string]string{
	"int": "a whole number", "uint": "a whole number that is not negative", "bool": "true or false", "duration": "a time, as 10s",
}

// aliased makes flags known by their aliases, and by those shorthands that a command has.
func aliased(shorthands map[string]string) func(*pflag.FlagSet, string) pflag.NormalizedName {
	return func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(cmp.Or(shorthands[name], aliases[name], name))
	}
}

func (o *ebpfOptions) flags(outputs, caches *[]string) *pflag.FlagSet {
	flags := pflag.NewFlagSet("tracee-ebpf", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Usage = func() {}
	flags.SetNormalizeFunc(aliased(shorthands))
	flags.BoolVarP(&o.list, "list", "l", false, "print the events that can be traced and exit")
	flags.StringArrayVarP(&o.traceFlags, "trace", "t", nil, "`filter` of events; may be repeated; 'help' says more")
	flags.StringArrayVarP(outputs, "output", "o", []string{"format:table"}, "`option` of the output; may be repeated; 'help' says more")
	flags.StringArrayVarP(caches, "cache", "a", []string{"none"}, "`option` of the cache for events; may be repeated; 'help' says more")
	flags.IntVarP(&o.perfBufferPages, "perf-buffer-size", "b", 1024, "`pages` of the buffer between kernel and tracee-ebpf, a power of two")
	flags.StringArrayVarP(&o.captureFlags, "capture", "c", nil, "`artifact` to capture; may be repeated; 'help' says more")
	flags.IntVar(&o.blobBufferPages, "blob-perf-buffer-size", 1024, "accepted for compatibility: what is captured comes through the same buffer")
	o.containers.add(flags)
	flags.BoolVarP(&o.version, "version", "v", false, "print the version and exit")
	flags.StringVar(&o.installPath, "install-path", "/tmp/tracee", "`directory` in which tracee.btf is looked for, if the kernel has no type information")
	o.capabilities.add(flags)
	o.serve.add(flags, ebpfAddress)
	o.logs.add(flags)
	return flags
}

func ebpfHelp(flags *pflag.FlagSet) string {
	return "tracee-ebpf: trace OS events and syscalls using eBPF\n\nUsage:\n  tracee-ebpf [flags]\n\nFlags:\n" + flags.FlagUsages()
}

// outputOptions are the values of --output.
type outputOptions struct {
	format, template string
	outFile, errFile string
	detectSyscall    bool
	execEnv          bool
	relativeTime     bool
	parseArguments   bool
	filePaths        bool
	stacks           bool
	execHash         bool
	sortEvents       bool
	cacheEvents      bool
	destinations     *destinations // nil: none
}

// outputSwitches are the options that can be switched on, with their documentation.
var outputSwitches = []struct {
	name, doc string
	set       func(*outputOptions)
}{
	{"detect-syscall", "show the syscall that led to an event that is not one", func(o *outputOptions) { o.detectSyscall = true }},
	{"exec-env", "show the environment of executions", func(o *outputOptions) { o.execEnv = true }},
	{"relative-time", "timestamps count from the start instead of wall time", func(o *outputOptions) { o.relativeTime = true }},
	{"parse-arguments", "show flags and the like by their names", func(o *outputOptions) { o.parseArguments = true }},
	{"parse-arguments-fds", "parse-arguments, and show descriptors with the paths of their files", func(o *outputOptions) { o.parseArguments, o.filePaths = true, true }},
	{"exec-hash", "tell the SHA-256 of executed files (argument sha256 of sched_process_exec)", func(o *outputOptions) { o.execHash = true }},
	{"stack-addresses", "tell the addresses of the functions that led to an event", func(o *outputOptions) { o.stacks = true }},
	{"sort-events", "in the order of their timestamps, which takes 100 ms and more", func(o *outputOptions) { o.sortEvents = true }},
	{"cache-events", "the same as --cache cache-type=mem", func(o *outputOptions) { o.cacheEvents = true }},
}

func parseOutput(values []string) (outputOptions, error) {
	var o outputOptions
	for _, value := range values {
		if err := o.add(value); err != nil {
			return o, err
		}
	}
	switch {
	case o.destinations != nil && o.relativeTime:
		return o, errors.New("destinations need to know when something was: leave option:relative-time out")
	case o.format == "" && o.outFile == "" && o.destinations != nil:
		o.format = "none" // they are where events go
	case o.format == "":
		o.format = "table"
	}
	if o.format == "table" {
		o.parseArguments = true
	}
	return o, nil
}

func (o *outputOptions) add(value string) error {
	if sink.IsURL(value) {
		o.destinations = cmp.Or(o.destinations, &destinations{})
		return o.destinations.add(value)
	}
	key, rest, _ := strings.Cut(value, ":")
	switch key {
	case "option":
		return o.addSwitch(rest)
	case "out-file":
		o.outFile = rest
		return checkOutput(value, rest)
	case "err-file":
		o.errFile = rest
		return checkOutput(value, rest)
	case "format":
		return o.setFormat(rest)
	default:
		return o.setFormat(value)
	}
}

func (o *outputOptions) addSwitch(name string) error {
	for _, s := range outputSwitches {
		if s.name == name {
			s.set(o)
			return nil
		}
	}
	return fmt.Errorf("invalid output option: %s, use '--output help' for more info", name)
}

func (o *outputOptions) setFormat(name string) error {
	name, o.template, _ = strings.Cut(name, "=")
	for _, f := range output.Formats() {
		if f.Name == name {
			o.format = name
			return nil
		}
	}
	return fmt.Errorf("unrecognized output format: %s. Valid format values: 'table', 'table-verbose', 'json', 'gob' or "+
		"'gotemplate='. Use '--output help' for more info", name)
}

func checkOutput(value, path string) error {
	if path == "" {
		return fmt.Errorf("invalid output value: %s, use '--output help' for more info", value)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("cannot use a path of existing directory %s", path)
	}
	return nil
}

// openOutput opens a file for output, making it and its directories. A file is cut; a FIFO, or a terminal, is not.
func openOutput(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("output file: %w", err)
	}
	mode := os.O_WRONLY | os.O_CREATE
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		mode |= os.O_TRUNC
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("output file: %w", err)
	}
	f, err := os.OpenFile(path, mode, 0o644)
	if err != nil {
		return nil, fmt.Errorf("output file: %w", err)
	}
	return f, nil
}

func outputHelp() string {
	var b strings.Builder
	b.WriteString("Control how and where events are printed.\n\nFormats, as [format:]name:\n")
	for _, f := range output.Formats() {
		fmt.Fprintf(&b, "  %-32s %s\n", f.Flag, f.Doc)
	}
	b.WriteString("\nFiles:\n")
	fmt.Fprintf(&b, "  %-32s %s\n", "out-file:/path/to/file", "write events there; it is made or cut (default: stdout)")
	fmt.Fprintf(&b, "  %-32s %s\n", "err-file:/path/to/file", "write errors there; it is made or cut (default: stderr)")
	b.WriteString("\nOptions, as option:name:\n")
	for _, s := range outputSwitches {
		fmt.Fprintf(&b, "  %-32s %s\n", s.name, s.doc)
	}
	b.WriteString("\n" + sink.Help())
	b.WriteString("With destinations, nothing is printed unless a format or a file is given, too.\n")
	b.WriteString("\nExamples:\n  --output json\n  --output gotemplate=/path/to/my.tmpl\n" +
		"  --output out-file:/my/out --output err-file:/my/err\n" +
		"  --output json --output option:parse-arguments --output option:detect-syscall\n" +
		"  --output 'file:///var/log/events.json?size=100MB&keep=5' --output option:parse-arguments\n" +
		"\nThe table parses arguments by itself. The last format given wins.\n")
	return b.String()
}
