package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/tracee-go/tracee"
	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/internal/footprint"
	"github.com/tracee-go/tracee/internal/paint"
	"github.com/tracee-go/tracee/internal/patient"
	"github.com/tracee-go/tracee/output"
	"github.com/tracee-go/tracee/tracer"
)

// EBPF runs the command tracee-ebpf and returns its exit code: 1 when it could not start, and when nobody reads its
// output any more.
func EBPF(args []string, stdout, stderr io.Writer) int {
	// Writing to a closed pipe shall be an error like others, not a signal.
	signal.Ignore(syscall.SIGPIPE)
	defer signal.Reset(syscall.SIGPIPE)

	limit, err := patient.New(lastPatience)
	if err == nil {
		stderr = limit.Writer(stderr)
		err = (&ebpfCommand{stdout: limit.Writer(stdout), stderr: stderr, limit: limit}).run(args)
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, syscall.EPIPE):
	default:
		fmt.Fprintln(stderr, "tracee-ebpf:", err)
	}
	return 1
}

type ebpfCommand struct {
	ebpfOptions
	stdout, stderr io.Writer
	limit          *patient.Limit // of both
}

func (c *ebpfCommand) run(args []string) error {
	if len(args) > 0 && args[0] == completeWord {
		return c.completion().answer(args[1:], c.stdout)
	}
	help, err := c.parse(args)
	if err != nil {
		return err
	}
	if help != "" {
		_, err := io.WriteString(c.stdout, help)
		return err
	}
	if c.list {
		_, err := io.WriteString(c.stdout, listing())
		return err
	}
	return c.trace()
}

// trace prints events until a signal comes.
func (c *ebpfCommand) trace() (err error) {
	scope, err := filter.Parse(c.traceFlags)
	if err != nil {
		return err
	}
	out, errOut, closeFiles, err := c.openFiles()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeFiles()) }()
	log := c.logs.logger(errOut)
	c.warn(scope, log)
	sockets, err := c.containers.sockets(log)
	if err != nil {
		return err
	}
	printing, err := c.printer(scope, out)
	if err != nil {
		return err
	}
	printer := unreadPrinter{printing, new(unread)}
	footprint.Hurry()
	useInstalledBTF(c.installPath, log)
	c.capabilities.forArtifacts(c.capture.Enabled())
	ctx, stop := untilSignal(c.limit)
	defer stop()
	tellPauses(ctx, log)
	sinks := cmp.Or(c.output.destinations, &destinations{})
	if err := sinks.open(destinationOptions{host: true, stop: stop, stdout: c.stdout, log: log}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sinks.close(errOut, "")) }()
	progress, server, err := c.serve.ofRun(log, destinationMetrics(sinks))
	if err != nil {
		return err
	}
	defer server.close()
	config := c.config(scope, log)
	config.Runtimes, config.Printer, config.Sinks, config.Progress = sockets, printer, sinks.set, progress
	config.Executables = output.Whole(c.output.format) || sinks.set.WantsEvents()
	summary, err := tracee.Run(ctx, config)
	saySummary(errOut, summary, log)
	sayUnnamed(errOut, "", summary.Unnamed)
	sayArtifacts(errOut, "", summary.Capture)
	return errors.Join(err, printer.err())
}

// config is what the flags say about tracing.
func (c *ebpfCommand) config(scope *filter.Filter, log *slog.Logger) tracee.Config {
	return tracee.Config{
		Events:         scope.Selection(events.Default),
		Required:       scope.Named(),
		Filter:         scope,
		NameContainers: c.containers.enrich,
		ContainerWait:  c.containers.wait,
		DetectSyscall:  c.output.detectSyscall,
		ExecEnv:        c.output.execEnv,
		RelativeTime:   c.output.relativeTime,
		ParseArguments: c.output.parseArguments,
		FilePaths:      c.output.filePaths,
		Stacks:         c.output.stacks,
		ExecHash:       c.output.execHash,
		SortEvents:     c.output.sortEvents,
		Cache:          c.cache,
		Capture:        c.capture,
		BulkBytes:      c.perfBufferPages * os.Getpagesize() * bulkFactor,
		Ready:          func(*tracer.Tracer) error { return c.capabilities.drop(log) },
		Log:            log,
	}
}

// warn tells before anything starts what may not be as it was meant.
func (c *ebpfCommand) warn(scope *filter.Filter, log *slog.Logger) {
	for _, warning := range scope.Warnings {
		log.Warn(warning)
	}
	warnOfEnvironment(log, ftraceEnabled)
}

// saySummary tells what became of the events.
func saySummary(to io.Writer, summary tracee.Summary, log *slog.Logger) {
	if n := summary.LostTotal(); n > 0 {
		fmt.Fprintf(to, "lost %d events\n", n)
	}
	log.Debug("cache", "peak", summary.Cache.PeakBytes, "spilled", summary.Cache.SpilledBytes, "stalls", summary.Cache.Stalls)
	if summary.Unsorted > 0 {
		log.Warn("too many events at a time to sort them all", "early", summary.Unsorted)
	}
}

func (c *ebpfCommand) printer(scope *filter.Filter, out io.Writer) (output.Printer, error) {
	return output.New(c.output.format, output.Config{
		Out:           out,
		Stdout:        c.stdout,
		ContainerMode: scope.ShowsContainers(),
		RelativeTime:  c.output.relativeTime,
		TemplatePath:  c.output.template,
		Terminal:      terminal(out),
		Color:         paint.Painter(colorful(out)),
	})
}

// bulkFactor turns the size of v0.8's buffer, which there was one of for each CPU, into that of the one ring.
const bulkFactor = 2

// useInstalledBTF names the file of type information that v0.8 unpacks into its install path, on a kernel without any.
func useInstalledBTF(dir string, log *slog.Logger) {
	path := filepath.Join(dir, "tracee.btf")
	if _, err := os.Stat("/sys/kernel/btf/vmlinux"); err == nil || os.Getenv("TRACEE_BTF_FILE") != "" {
		return
	}
	if _, err := os.Stat(path); err == nil {
		log.Info("type information of the kernel", "file", path)
		os.Setenv("TRACEE_BTF_FILE", path)
	}
}

// openFiles opens the files that --output names.
func (c *ebpfCommand) openFiles() (out, errOut io.Writer, closeAll func() error, err error) {
	var opened []*os.File
	closeAll = func() error {
		var errs []error
		for _, f := range opened {
			errs = append(errs, f.Close())
		}
		return errors.Join(errs...)
	}
	open := func(path string, preset io.Writer) io.Writer {
		if path == "" || err != nil {
			return preset
		}
		var f *os.File
		if f, err = openOutput(path); err != nil {
			return preset
		}
		opened = append(opened, f)
		return c.limit.Writer(f)
	}
	out, errOut = open(c.output.outFile, c.stdout), open(c.output.errFile, c.stderr)
	if err != nil {
		return nil, nil, nil, errors.Join(err, closeAll())
	}
	return out, errOut, closeAll, nil
}

// listing is what --list prints: a name, sets and arguments per event, in v0.8's form.
func listing() string {
	all := slices.DeleteFunc(slices.Clone(events.All()), func(e *events.Event) bool { return e.Internal })
	var b []byte
	section := func(title string, belongs func(*events.Event) bool) {
		if len(b) > 0 {
			b = append(b, '\n')
		}
		b = fmt.Appendf(b, "%-22s %-40s %s\n", title, "Sets:", "Arguments:")
		b = fmt.Appendf(b, "%-22s %-40s %s\n", ruler(title), "____", "_________")
		b = append(b, '\n')
		for _, e := range all {
			if belongs(e) {
				b = fmt.Appendf(b, "%-22s %-40s %s\n", e.Name, fmt.Sprint(setNames(e)), argumentList(e))
			}
		}
	}
	network := func(e *events.Event) bool { return slices.Contains(e.Sets, events.NetworkEvents) }
	section("System Calls:", func(e *events.Event) bool { return e.Syscall })
	section("Other Events:", func(e *events.Event) bool { return !e.Syscall && !network(e) })
	section("Network Events:", network)
	return string(b)
}

func ruler(title string) string { return strings.Repeat("_", len(title)-1) }

// setNames are the sets that an event declares; the one that all are in is not among them.
func setNames(e *events.Event) []string {
	names := []string{}
	for _, s := range e.Sets {
		names = append(names, string(s))
	}
	return names
}

func argumentList(e *events.Event) string {
	list := "("
	for i, a := range e.Args {
		if i > 0 {
			list += ", "
		}
		list += a.Type.Name + " " + a.Name
	}
	return list + ")"
}
