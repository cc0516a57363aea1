package test

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/tracer"
	"github.com/tracee-go/tracee/types/trace"
)

const (
	budgetFile = "testdata/budget.golden" // lines: kernel, program, instructions; "make budget" writes it
	// newProgram is what one may cost that is not in the file yet.
	newProgram = 15000
)

// kernelSeries is the first two numbers of the kernel's release: what the verifier can do, differs between these.
func kernelSeries(t *testing.T) string {
	t.Helper()
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		t.Fatal(err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &major, &minor); err != nil {
		t.Fatal(err)
	}
	series := fmt.Sprintf("%d.%d", major, minor)
	if runtime.GOARCH != "amd64" { // other registers, and so other programs
		series += "-" + runtime.GOARCH
	}
	return series
}

// budget reads what the programs may cost on a kernel.
func budget(t *testing.T, series string) map[string]int {
	t.Helper()
	file, err := os.Open(budgetFile)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	costs := map[string]int{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var kernel, program string
		var cost int
		if _, err := fmt.Sscan(lines.Text(), &kernel, &program, &cost); err != nil {
			t.Fatalf("%s: %q: %v", budgetFile, lines.Text(), err)
		}
		if kernel == series {
			costs[program] = cost
		}
	}
	return costs
}

// TestNoProgramOutgrowsItsBudget fails for a program that costs the verifier a twentieth more than it did, and for one
// that the kernel does not take any more. That time is what starting takes.
func TestNoProgramOutgrowsItsBudget(t *testing.T) {
	everything, err := filter.Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	costs, err := tracer.VerifierCosts(tracer.Config{
		Events: events.All(), Filter: everything, DetectSyscall: true, ExecEnv: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"sys_enter", "sys_exit"} { // without which there is not much to see
		if costs[program] == 0 {
			t.Errorf("this kernel does not take %s with all events", program)
		}
	}
	series, total := kernelSeries(t), 0
	for _, program := range slices.Sorted(maps.Keys(costs)) {
		fmt.Println("BUDGET", series, program, costs[program]) // for make budget
		total += costs[program]
	}
	t.Logf("%d programs, %d instructions", len(costs), total)
	allowed := budget(t, series)
	if len(allowed) == 0 {
		t.Skipf("no budget for kernel %s in %s", series, budgetFile)
	}
	var over []string
	for program, cost := range costs {
		most, known := allowed[program]
		if !known {
			most = newProgram
		}
		if cost > most+most/20 {
			over = append(over, fmt.Sprintf("%s: %d, budget %d", program, cost, most))
		}
	}
	for program := range allowed {
		if _, taken := costs[program]; !taken {
			over = append(over, program+": this kernel takes it no more")
		}
	}
	slices.Sort(over)
	if len(over) > 0 {
		t.Errorf("programs over their budget (make budget, if that is meant):\n%s", strings.Join(over, "\n"))
	}
}

// aFewEvents are some of all kinds: tails of syscalls, hooks, packets.
func aFewEvents() []*events.Event {
	var some []*events.Event
	for _, name := range []string{
		"openat", "clone3", "security_file_open", "security_socket_connect", "sched_process_exec", "vfs_write", "net_packet_dns",
	} {
		e, _ := events.Lookup(name)
		some = append(some, e)
	}
	return some
}

// TestFiltersCostNoProgram loads all programs with filters of every kind, whose checks the verifier deletes otherwise. With
// them it takes ten times as long: in a guest, where that is half an hour, for some events only.
func TestFiltersCostNoProgram(t *testing.T) {
	flags := []string{
		"comm!=nobody,no*", "uid!=1,2,3,4,5", "pid!=new", "mntns>0", "tree!=" + itoa(os.Getpid()), "follow", "!container",
	}
	if calledBack() {
		flags = append(flags, "executable!=/nowhere,*/no*")
	}
	for _, e := range events.All() {
		for _, a := range e.Args {
			if !e.Internal && (a.Type.Kind == trace.String || a.Type.Kind == trace.Sockaddr) {
				flags = append(flags, e.Name+"."+a.Name+"!=*no*,/nowhere")
			}
		}
	}
	everything, err := filter.Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	filtered, err := filter.Parse(flags)
	if err != nil {
		t.Fatal(err)
	}
	config := tracer.Config{Events: events.All(), Filter: everything, DetectSyscall: true, ExecEnv: true}
	if os.Getenv(guestVariable) != "" {
		config.Events = aFewEvents()
	}
	without, err := tracer.VerifierCosts(config)
	if err != nil {
		t.Fatal(err)
	}
	config.Filter = filtered
	with, err := tracer.VerifierCosts(config)
	if err != nil {
		t.Fatal(err)
	}
	var before, after int
	for program, cost := range without {
		if with[program] == 0 {
			t.Errorf("program %s is not loaded with filters", program)
		}
		before, after = before+cost, after+with[program]
	}
	t.Logf("%d programs, %d instructions; with filters, %d", len(without), before, after)
}
