// Command bench measures what tracing costs: the traced programs, the tracer, and the events that get lost.
//
//	go run ./test/bench                  on this machine, about three minutes, as root
//	go run ./test/bench -only overhead   one of overhead, kernel, encode, loss, network, capture, resident, detection
//	go run ./test/bench -counted         in a guest that counts instructions, the same figures every time
//
// On this machine, configurations take turns in short slices, so that whatever else the machine does hits all of them
// alike; shown are medians, and medians of the ratios within a turn. The traced work is done by a worker, a second
// process of this program, because the tracer never traces itself. Aims are those of docs/performance.md; a figure
// that misses one is marked, and changes the exit status only with -strict.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"
)

type options struct {
	only    []string
	rounds  int
	slice   time.Duration
	counted bool
	kernel  string
	strict  bool
	binary  []string
	events  int
}

// A section measures one thing and prints it.
type section struct {
	name string
	run  func(ctx context.Context, o options, r *report) error
}

var sections = []section{
	{"overhead", measureOverhead},
	{"kernel", measureKernel},
	{"encode", measureEncoding},
	{"loss", measureLoss},
	{"network", measureNetwork},
	{"capture", measureCapture},
	{"resident", measureResident},
	{"detection", measureDetection},
}

// roles are what this program does in the processes that it starts of itself. They are also useful by hand, under a
// profiler: "bench monitor openat" in one terminal, "echo open+close 3000000 | bench worker" in the other.
var roles = map[string]func() error{
	"worker": work,
	"guest":  measureInGuest,

	"guest-rules": measureRulesInGuest,

	"monitor": monitor,

	"writer":   write,
	"capturer": captureWrites,
}

func main() {
	if len(os.Args) > 1 && roles[os.Args[1]] != nil {
		exit(roles[os.Args[1]]())
	}
	o, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	r := &report{out: os.Stdout}
	err = run(ctx, o, r)
	if err == nil && o.strict && r.missed > 0 {
		err = fmt.Errorf("%d aims missed", r.missed)
	}
	exit(err)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func parse(arguments []string) (options, error) {
	var o options
	var only, binary string
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	flags.StringVar(&only, "only", "", "sections to run, separated by commas: "+strings.Join(sectionNames(), ", "))
	flags.IntVar(&o.rounds, "rounds", 15, "how often each configuration has its turn")
	flags.DurationVar(&o.slice, "slice", 100*time.Millisecond, "CPU time of a turn")
	flags.BoolVar(&o.counted, "counted", false, "count instructions in a guest")
	flags.StringVar(&o.kernel, "kernel", "6.1", "kernel of the guest")
	flags.StringVar(&binary, "binary", "", "a `command` with arguments whose memory to measure too, in section resident")
	flags.IntVar(&o.events, "events", 1_000_000, "how many events are shown to signatures, in section detection")
	flags.BoolVar(&o.strict, "strict", false, "fail when an aim is missed")
	if err := flags.Parse(arguments); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	o.only = strings.FieldsFunc(only, func(r rune) bool { return r == ',' })
	for _, name := range o.only {
		if !slices.Contains(sectionNames(), name) {
			return o, fmt.Errorf("unknown section %q (known: %s)", name, strings.Join(sectionNames(), ", "))
		}
	}
	o.binary = strings.Fields(binary)
	if o.events < 1 {
		return o, errors.New("-events must be at least 1")
	}
	if o.rounds < 1 {
		return o, errors.New("-rounds must be at least 1")
	}
	return o, nil
}

func sectionNames() []string {
	var names []string
	for _, s := range sections {
		names = append(names, s.name)
	}
	return names
}

func run(ctx context.Context, o options, r *report) error {
	if o.counted {
		return measureCounted(ctx, o, r)
	}
	for _, s := range sections {
		if len(o.only) > 0 && !slices.Contains(o.only, s.name) {
			continue
		}
		if err := s.run(ctx, o, r); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}
