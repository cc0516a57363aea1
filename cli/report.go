package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/tracee-go/tracee/capture"
	"github.com/tracee-go/tracee/report"
)

const reportHelp = `tracee report: make a page of HTML of what was recorded

FILE is what tracee, tracee-ebpf or tracee-rules wrote: events as JSON or gob, findings as JSON, mixed as they come, also
packed by gzip; '-' is standard input. A directory is one of artifacts, of which the manifest is read. The page stands
alone: it needs no network, and nothing that is in a recording can become a part of the page but text.

Usage:
  tracee report FILE... [--output FILE]`

// reportOptions are the flags of tracee report.
type reportOptions struct{ output string }

func (o *reportOptions) flags() *pflag.FlagSet {
	flags := pflag.NewFlagSet("tracee report", pflag.ContinueOnError)
	flags.StringVarP(&o.output, "output", "o", "", "`file` to write, '-' for standard output (default: standard output,\n"+
		"on a terminal the name of the first recording with .html behind)")
	return flags
}

func completeReport(words []string) *completion {
	return &completion{flags: new(reportOptions).flags(), words: completeFile(words[len(words)-1])}
}

// report is the command "tracee report".
func (c *traceeCommand) report(args []string) error {
	var options reportOptions
	flags := options.flags()
	if done, err := parseSubcommand(flags, args, reportHelp, c.stdout); done || err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return errors.New("want a recording: tracee report FILE... (try --help)")
	}
	inputs, closeAll, err := reportInputs(flags.Args(), os.Stdin)
	if err != nil {
		return err
	}
	defer closeAll()
	config := report.Config{Inputs: inputs, Made: time.Now(), Version: version()}
	path := options.output
	if path == "" && terminal(c.stdout) {
		path = strings.TrimSuffix(filepath.Base(flags.Arg(0)), ".json") + ".html"
		if flags.Arg(0) == "-" {
			path = "report.html"
		}
	}
	if path == "" || path == "-" {
		_, err := report.Write(c.stdout, config)
		return err
	}
	return c.reportTo(path, config)
}

// reportTo writes the page beside its place, and puts it there when it is whole.
func (c *traceeCommand) reportTo(path string, config report.Config) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, reason(err))
	}
	defer os.Remove(f.Name())
	summary, err := report.Write(f, config)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, reason(err))
	}
	fmt.Fprintf(c.stderr, "tracee: %s: %s, %s, %s", path, count(summary.Findings, "finding"), count(summary.Events, "event"),
		count(summary.Artifacts, "artifact"))
	if summary.Broken > 0 {
		fmt.Fprintf(c.stderr, "; %s could not be read", count(summary.Broken, "record"))
	}
	fmt.Fprintln(c.stderr)
	return nil
}

// reportInputs finds the recordings. What can be read only once is copied.
func reportInputs(args []string, stdin *os.File) (inputs []report.Input, closeAll func(), err error) {
	var spools []*os.File
	closeAll = func() {
		for _, f := range spools {
			f.Close()
		}
	}
	for _, arg := range args {
		in, spool, err := reportInput(arg, stdin)
		if err != nil {
			closeAll()
			return nil, nil, fmt.Errorf("recording %s: %w", arg, reason(err))
		}
		if spool != nil {
			spools = append(spools, spool)
		}
		inputs = append(inputs, in)
	}
	return inputs, closeAll, nil
}

func reportInput(arg string, stdin *os.File) (in report.Input, spool *os.File, err error) {
	path := arg
	if arg == "-" {
		spool, err = spooled(stdin)
		return rereadable("standard input", spool), spool, err
	}
	info, err := os.Stat(arg)
	if err != nil {
		return in, nil, err
	}
	if info.IsDir() {
		if path, err = manifestIn(arg); err != nil {
			return in, nil, err
		}
	} else if !info.Mode().IsRegular() {
		f, err := os.Open(arg)
		if err != nil {
			return in, nil, err
		}
		defer f.Close()
		spool, err = spooled(f)
		return rereadable(arg, spool), spool, err
	}
	return report.Input{Name: arg, Open: func() (io.ReadCloser, error) { return os.Open(path) }}, nil, nil
}

// manifestIn finds the manifest of a directory of artifacts.
func manifestIn(dir string) (string, error) {
	for _, path := range []string{filepath.Join(dir, capture.ManifestName), filepath.Join(dir, "out", capture.ManifestName)} {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("it is a directory without %s", capture.ManifestName)
}

// spooled copies to a file without a name, which is gone when it is closed.
func spooled(from io.Reader) (*os.File, error) {
	f, err := os.CreateTemp("", "tracee-report-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if _, err := io.Copy(f, from); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func rereadable(name string, f *os.File) report.Input {
	return report.Input{Name: name, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(io.NewSectionReader(f, 0, 1<<62)), nil
	}}
}
