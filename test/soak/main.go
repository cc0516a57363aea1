// Command soak lets the sensor run for long, under a load that changes, and looks whether it stays as it is:
//
//	go run ./test/soak                    for 30 minutes, as root
//	go run ./test/soak -duration 72h
//	go run ./test/soak -disturb cpu,clock where the machine is yours alone: takes a CPU away, sets the clock
//
// Files, processes, connections, control groups of containers come and go, rules change, a disk is full and a server refuses
// what it is sent now and then; numbered calls are made all the time, and each of them has to arrive once, or to be told as lost. Meanwhile memory, descriptors, goroutines and BPF maps of the sensor
// are looked at, and in the end each of these figures must be flat. The exit status is 1 if one is not, if calls are
// missing or come twice, or if a sensor ended.
package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

type options struct {
	duration, interval time.Duration
	fill               int
	binaries           string
	disturb            []string
}

func main() {
	o, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	faults, err := run(ctx, o)
	if err != nil {
		faults = append(faults, err.Error())
	}
	for _, fault := range faults {
		fmt.Fprintln(os.Stderr, "soak:", fault)
	}
	if len(faults) > 0 {
		os.Exit(1)
	}
	fmt.Println("all is flat, and nothing is missing")
}

func parse(arguments []string) (options, error) {
	var o options
	var disturb string
	flags := flag.NewFlagSet("soak", flag.ExitOnError)
	flags.DurationVar(&o.duration, "duration", 30*time.Minute, "how long")
	flags.DurationVar(&o.interval, "interval", 0, "time between two looks at the sensor (default: 60 looks in all)")
	flags.IntVar(&o.fill, "fill", 20000, "short processes that come first: what is remembered of processes is bounded, and is to be full")
	flags.StringVar(&o.binaries, "binaries", "", "`directory` of the commands (default: they are built)")
	flags.StringVar(&disturb, "disturb", "", "what else to do to this machine, separated by commas: "+strings.Join(disturbances(), ", "))
	if err := flags.Parse(arguments); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if o.interval == 0 {
		o.interval = o.duration / 60
	}
	if o.fill < 0 {
		return o, fmt.Errorf("-fill %d: want a number that is not negative", o.fill)
	}
	if o.duration < 10*o.interval {
		return o, fmt.Errorf("-duration %v has less than ten looks, one each %v", o.duration, o.interval)
	}
	for _, name := range strings.FieldsFunc(disturb, func(r rune) bool { return r == ',' }) {
		if !slices.Contains(disturbances(), name) {
			return o, fmt.Errorf("unknown disturbance %q (known: %s)", name, strings.Join(disturbances(), ", "))
		}
		o.disturb = append(o.disturb, name)
	}
	return o, nil
}

// run returns what is wrong with the sensor; the error is about the soak itself.
func run(ctx context.Context, o options) ([]string, error) {
	dir, err := os.MkdirTemp("", "tracee-soak-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if o.binaries == "" {
		o.binaries = filepath.Join(dir, "bin")
		build := exec.CommandContext(ctx, "go", "build", "-o", o.binaries+"/", "github.com/tracee-go/tracee/cmd/...")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if output, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build: %w\n%s", err, output)
		}
	}
	broken, err := openPlaces(dir)
	if err != nil {
		return nil, err
	}
	defer broken.close()
	var books ledger
	sensors, err := startSensors(ctx, o.binaries, dir, broken, &books)
	defer func() {
		for _, s := range sensors {
			s.kill()
		}
	}()
	if err != nil {
		return nil, err
	}
	if err := fill(ctx, o.fill); err != nil {
		return nil, err
	}
	loads, err := startLoads(ctx, o, dir, broken, &books)
	if err != nil {
		return nil, err
	}
	for _, name := range disturbances() {
		if !slices.Contains(o.disturb, name) {
			fmt.Printf("not disturbed: %s; it concerns everybody on the machine (-disturb %s)\n", name, name)
		}
	}
	err = watch(ctx, o, sensors)
	done := loads.stop()
	for _, name := range slices.Sorted(maps.Keys(done)) {
		fmt.Printf("%10d %s\n", done[name], name)
	}
	time.Sleep(2 * time.Second) // the last record is on its way for less
	faults := reloads(sensors, done[ruleChanges])
	for _, s := range sensors {
		faults = append(faults, s.end()...)
	}
	faults = append(faults, broken.faults()...)
	return append(faults, books.faults()...), err
}

// watch looks at the sensors until the time is over.
func watch(ctx context.Context, o options, sensors []*sensor) error {
	ticks := time.NewTicker(o.interval)
	defer ticks.Stop()
	end := time.After(o.duration)
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-end:
			return nil
		case <-ticks.C:
			for _, s := range sensors {
				if err := s.look(); err != nil {
					return err
				}
			}
		}
	}
}
