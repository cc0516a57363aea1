package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/tracee-go/tracee/internal/vm"
)

// measureCounted runs the loops, and tracee-rules over a recorded stream, in a guest whose clock counts instructions.
func measureCounted(ctx context.Context, o options, r *report) error {
	kernel, ok := vm.LookupKernel(o.kernel)
	if !ok {
		return fmt.Errorf("unknown kernel %q", o.kernel)
	}
	dir, err := os.MkdirTemp("", "tracee-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	result, err := runGuest(ctx, kernel, dir)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, result.Console)
	}
	costs, err := costsOf[cost](result.Jobs[0], len(countedSelections))
	if err != nil {
		return err
	}
	ofRules, err := costsOf[ruleCost](result.Jobs[1], 2*len(ruleSelections))
	if err != nil {
		return err
	}
	showCounted(r, result.Release, costs)
	showRules(r, ofRules)
	return nil
}

// costsOf reads what a job of the guest has printed, a cost per line, and other lines between them.
func costsOf[C any](job vm.JobResult, want int) ([]C, error) {
	if !job.Passed() {
		return nil, fmt.Errorf("in the guest: %s: %s\n%s", job.Name, job, job.Output)
	}
	var costs []C
	for lines := bufio.NewScanner(bytes.NewReader(job.Output)); lines.Scan(); {
		var c C
		if json.Unmarshal(lines.Bytes(), &c) == nil {
			costs = append(costs, c)
		}
	}
	if len(costs) != want {
		return nil, fmt.Errorf("%s in the guest measured %d selections of %d\n%s", job.Name, len(costs), want, job.Output)
	}
	return costs, nil
}

func runGuest(ctx context.Context, kernel vm.Kernel, dir string) (vm.Result, error) {
	build := exec.CommandContext(ctx, "go", "build", "-o", dir,
		"github.com/tracee-go/tracee/test/bench", "github.com/tracee-go/tracee/cmd/tracee-rules")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+string(kernel.Arch))
	if output, err := build.CombinedOutput(); err != nil {
		return vm.Result{}, fmt.Errorf("build the benchmark: %w\n%s", err, output)
	}
	ofRules, err := rulesFiles(filepath.Join(dir, "tracee-rules"))
	if err != nil {
		return vm.Result{}, err
	}
	image, err := vm.Fetch(ctx, kernel)
	if err != nil {
		return vm.Result{}, err
	}
	files, err := vm.Busybox(ctx, kernel.Arch)
	if err != nil {
		return vm.Result{}, err
	}
	files = append(files, vm.File{Path: "/bench", Mode: 0o755, Source: filepath.Join(dir, "bench")})
	return vm.Run(ctx, vm.Config{
		Kernel:  kernel,
		Image:   image,
		Files:   append(files, ofRules...),
		Jobs:    []vm.Job{{Name: "tracing", Args: []string{"/bench", "guest"}}, {Name: "rules", Args: []string{"/bench", "guest-rules"}}},
		Timeout: 30 * time.Minute,
		Counted: true,
	})
}

// A peer is a row of the table that the aims come from: ratios to the instructions that its own loops took. The loops
// here are not the same to the instruction (fork copies the page tables of a Go program), so a ratio aimed at is turned
// into the instructions that it allows there.
var (
	peerBase = []float64{325, 5_339, 1_319, 525_912, 222_740, 11_299}
	aims     = map[string][]float64{
		"execve":      {1.3, 1.03, 1.1, 1.05, 1.03, 1.02},
		openings.name: {1.3, 1.8, 1.1, 1.1, 1.05, 1.05},
	}
	aimsOfAll = map[string][]float64{
		openings.name: {0, 2.5, 0, 0, 0, 0},
	}
)

// showCounted prints one table for the traced program alone, one with the tracer's own work, and one of the tracer.
func showCounted(r *report, release string, costs []cost) {
	columns := []string{"instructions per operation"}
	for _, l := range loops {
		columns = append(columns, l.name)
	}
	r.begin("the traced program, kernel "+release, columns...)
	showLoops(r, costs, aims, func(o operationCost) float64 { return o.Program })
	r.end()
	r.begin("the same with the tracer's own work, which is to read the events", columns...)
	showLoops(r, costs, aimsOfAll, func(o operationCost) float64 { return o.Program + o.Tracer })
	r.end()
	r.begin("of the traced program: in BPF programs, as the kernel counts (bpf_stats)", columns...)
	for _, c := range costs {
		if c.Selection != untraced.name && c.Selection != floor.name {
			row := []string{c.Selection}
			for _, l := range loops {
				row = append(row, fmt.Sprintf("%.0f", c.Loops[l.name].BPF))
			}
			r.row(row...)
		}
	}
	r.end()
	r.begin("the tracer", "instructions", "to ready", "aim", "per event as JSON", "aim", "lost")
	for _, c := range costs {
		if c.Selection == untraced.name || c.Selection == floor.name {
			continue
		}
		row := []string{c.Selection, fmt.Sprintf("%.2f G", c.Ready/1e9), r.aim(c.Ready/1e9, 1, "%.0f G"), "", ""}
		if c.JSON > 0 {
			row[3], row[4] = fmt.Sprintf("%.0f", c.JSON), r.aim(c.JSON, 6000, "%.0f")
		}
		r.row(append(row, fmt.Sprint(c.Lost))...)
	}
	r.end()
}

func showLoops(r *report, costs []cost, aims map[string][]float64, of func(operationCost) float64) {
	for i, c := range costs {
		row, notes := []string{c.Selection}, []string{"aim"}
		for j, l := range loops {
			value, base := of(c.Loops[l.name]), of(costs[0].Loops[l.name])
			if i == 0 {
				row = append(row, fmt.Sprintf("%.0f", value))
				continue
			}
			row = append(row, fmt.Sprintf("%+.0f = %.3fx", value-base, value/base))
			note := ""
			if ratios := aims[c.Selection]; ratios != nil && ratios[j] > 0 {
				note = r.aim(value-base, (ratios[j]-1)*peerBase[j], "%+.0f")
			}
			notes = append(notes, note)
		}
		r.row(row...)
		if aims[c.Selection] != nil {
			r.row(notes...)
		}
	}
}
