// Command kernels runs the tests of packages on real kernels and says what works where:
//
//	go run ./test/kernels                              ./test and ./test/lockdown on all known kernels
//	go run ./test/kernels -kernels 6.1 -run Open -v
//	go run ./test/kernels -host -output docs/kernels.md
//
// It builds static test binaries, runs them in a guest for each kernel (package vm), as many guests at once as -guests
// says, and collects the lines the tests print:
//
//	RESULT event=<name> rung=<rung> result=<pass|fail|skip> detail=<rest of the line>
//
// A test binary starts in a directory that holds its package's testdata, as under go test, and finds a busybox in /bin
// and a kernel module that it may load in /lib/modules/dummy.ko. What did not pass is run once more, in a fresh guest:
// what passes then is called flaky. The exit status is 1 if a test failed twice, a guest died twice, or nothing passed
// on a kernel.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/tracee-go/tracee/internal/vm"
)

type options struct {
	kernels  []vm.Kernel
	packages []string
	run      string
	timeout  time.Duration
	guests   int
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
	flags.StringVar(&kernels, "kernels", strings.Join(kernelNames(), ","), "kernels to boot, separated by commas; empty: none")
	flags.StringVar(&packages, "packages", "./test,./test/lockdown", "packages to test, separated by commas, in this order")
	flags.StringVar(&o.run, "run", "", "run only the tests that match this `regexp`")
	flags.DurationVar(&o.timeout, "timeout", 60*time.Minute, "time a package has on one kernel")
	flags.IntVar(&o.guests, "guests", min(2, runtime.NumCPU()), "guests that run at once")
	flags.StringVar(&o.output, "output", "", "write the table to this `file` too, as markdown")
	flags.BoolVar(&o.host, "host", false, "run the tests on this host first")
	flags.BoolVar(&o.verbose, "v", false, "show what the tests write while they run")
	if err := flags.Parse(arguments); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if o.guests < 1 {
		return o, fmt.Errorf("-guests is %d: there must be one", o.guests)
	}
	for _, name := range split(kernels) {
		kernel, ok := vm.LookupKernel(name)
		if !ok {
			return o, fmt.Errorf("unknown kernel %q (known: %s)", name, strings.Join(kernelNames(), ", "))
		}
		o.kernels = append(o.kernels, kernel)
	}
	o.packages = split(packages)
	return o, nil
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}

func kernelNames() []string {
	var names []string
	for _, kernel := range vm.Kernels {
		names = append(names, kernel.Name)
	}
	return names
}

// archs lists the architectures that tests are needed for.
func (o options) archs() []vm.Arch {
	var archs []vm.Arch
	if o.host {
		archs = append(archs, vm.Arch(runtime.GOARCH))
	}
	for _, kernel := range o.kernels {
		archs = append(archs, kernel.Arch)
	}
	slices.Sort(archs)
	return slices.Compact(archs)
}

// run tests everywhere and reports whether all went well. What the tests write goes to progress.
func run(ctx context.Context, o options, table, progress io.Writer) (bool, error) {
	dir, err := os.MkdirTemp("", "tracee-kernels-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	binaries, err := buildTests(ctx, o.packages, o.archs(), dir)
	if err != nil {
		return false, err
	}
	runs := (&matrix{options: o, binaries: binaries, progress: progress}).run(ctx)
	passed := true
	for _, r := range runs {
		passed = r.passed() && passed
	}
	writeText(table, runs)
	if o.output == "" {
		return passed, nil
	}
	return passed, writeMarkdown(o.output, runs)
}
