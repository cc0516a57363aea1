// Command kernels runs the tests of packages on real kernels and says what works where:
//
//	go run ./test/kernels                              ./test on 6.1 and 6.12
//	go run ./test/kernels -kernels 6.1 -run Open -v
//	go run ./test/kernels -host -output docs/kernels.md
//
// It builds static test binaries, runs them in a guest for each kernel (package vm), one guest at a time, and collects
// the lines the tests print:
//
//	RESULT event=<name> rung=<rung> result=<pass|fail|skip> detail=<rest of the line>
//
// A test binary starts in a directory that holds its package's testdata, as under go test, and finds a busybox in /bin
// and a kernel module that it may load in /lib/modules/dummy.ko. The exit status is 1 if a test failed, a guest died,
// or a kernel gave no result at all.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/tracee-go/tracee/internal/vm"
)

type options struct {
	kernels  []vm.Kernel
	packages []string
	run      string
	timeout  time.Duration
	output   string
	host     bool
	verbose  bool
}

func main() {
	o, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "kernels:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	passed, err := run(ctx, o, os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "kernels:", err)
	}
	if err != nil || !passed {
		os.Exit(1)
	}
}

func parse(arguments []string) (options, error) {
	var o options
	var kernels, packages string
	flags := flag.NewFlagSet("kernels", flag.ExitOnError)
	flags.StringVar(&kernels, "kernels", "6.1,6.12", "kernels to boot, separated by commas; empty: none")
	flags.StringVar(&packages, "packages", "./test", "packages to test, separated by commas")
	flags.StringVar(&o.run, "run", "", "run only the tests that match this `regexp`")
	flags.DurationVar(&o.timeout, "timeout", 10*time.Minute, "time a package has on one kernel")
	flags.StringVar(&o.output, "output", "", "write the table to this `file` too, as markdown")
	flags.BoolVar(&o.host, "host", false, "run the tests on this host first")
	flags.BoolVar(&o.verbose, "v", false, "show what the tests write while they run")
	if err := flags.Parse(arguments); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	for _, name := range split(kernels) {
		kernel, ok := vm.LookupKernel(name)
		if !ok {
			return o, fmt.Errorf("unknown kernel %q (known: %s)", name, knownKernels())
		}
		o.kernels = append(o.kernels, kernel)
	}
	o.packages = split(packages)
	return o, nil
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}

func knownKernels() string {
	var names []string
	for _, kernel := range vm.Kernels {
		names = append(names, kernel.Name)
	}
	return strings.Join(names, ", ")
}

// run tests everywhere and reports whether all went well. What the tests write goes to progress.
func run(ctx context.Context, o options, table, progress io.Writer) (bool, error) {
	dir, err := os.MkdirTemp("", "tracee-kernels-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	binaries, err := buildTests(ctx, o.packages, dir)
	if err != nil {
		return false, err
	}
	var log io.Writer
	if o.verbose {
		log = progress
	}
	var runs []testRun
	if o.host {
		fmt.Fprintln(progress, "running on this host")
		runs = append(runs, runOnHost(ctx, o, binaries, log))
	}
	for _, kernel := range o.kernels {
		fmt.Fprintln(progress, "running on", kernel.Name)
		runs = append(runs, runOnKernel(ctx, o, kernel, binaries, log))
	}
	passed := true
	for _, r := range runs {
		passed = r.passed() && passed
		r.explain(progress)
	}
	writeText(table, runs)
	if o.output == "" {
		return passed, nil
	}
	return passed, writeMarkdown(o.output, runs)
}
