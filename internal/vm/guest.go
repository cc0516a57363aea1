package vm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tracee-go/tracee/internal/vm/wire"
)

// commandLine of every guest. Debian 5.10 does not list bpf among its LSMs, so all name them. An oops panics and a
// panic ends QEMU (-no-reboot), so that a broken kernel is noticed at once and not by a timeout.
const commandLine = "loglevel=5 panic=-1 oops=panic random.trust_cpu=on " +
	"lsm=landlock,lockdown,yama,apparmor,bpf"

// A guest is one run of QEMU.
type guest struct {
	cfg     Config
	qemu    string
	initrd  string // file
	console string // file
	result  Result
	done    bool // the guest said so
}

// build writes the initramfs.
func (g *guest) build(ctx context.Context, dir string) error {
	binary := filepath.Join(dir, "init")
	const source = "github.com/tracee-go/tracee/internal/vm/init"
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+string(g.cfg.arch()))
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build init: %w\n%s", err, output)
	}
	jobs, err := json.Marshal(g.cfg.Jobs)
	if err != nil {
		return fmt.Errorf("encode jobs: %w", err)
	}
	files := append([]File{
		{Path: "/init", Mode: 0o755, Source: binary},
		{Path: wire.JobsPath, Mode: 0o644, Data: jobs},
	}, g.cfg.Files...)

	// Not compressed: it stays on this machine, and the emulated one would need seconds to unpack it.
	out, err := os.Create(g.initrd)
	if err != nil {
		return fmt.Errorf("make initramfs: %w", err)
	}
	return errors.Join(Initramfs(out, files), out.Close())
}

// arguments of QEMU. The first serial line is the console and goes to a file, the second carries the frames and is
// QEMU's standard output.
func (g *guest) arguments() []string {
	m := machines[g.cfg.arch()]
	accel, cpus, line := "tcg,thread=multi", "2", "console="+m.console+" "+commandLine
	if more := g.cfg.Kernel.Parameters; more != "" {
		line += " " + more
	}
	var counted []string
	if g.cfg.Counted {
		accel, cpus, line = "tcg,thread=single", "1", line+" init_on_alloc=0"
		counted = []string{"-icount", "shift=3,sleep=off"}
	}
	return slices.Concat(m.arguments, []string{
		"-accel", accel, "-smp", cpus, "-m", "2048",
		"-kernel", g.cfg.Image, "-initrd", g.initrd, "-append", line,
		"-no-reboot", "-nodefaults", "-display", "none",
		"-chardev", "file,id=console,path=" + g.console, "-serial", "chardev:console",
		"-chardev", "stdio,id=frames,signal=off", "-serial", "chardev:frames",
	}, counted)
}

// run boots the guest and reads what it says until QEMU ends.
func (g *guest) run(ctx context.Context) error {
	for _, job := range g.cfg.Jobs {
		g.result.Jobs = append(g.result.Jobs, JobResult{Name: job.Name, State: NotRun})
	}
	// QEMU must not outlive us, however we end. The kernel takes the death of the thread for the death of the parent.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, g.qemu, g.arguments()...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	frames, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("make a pipe for the guest: %w", err)
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start QEMU: %w", err)
	}
	err = g.read(frames, start)
	if err != nil {
		cancel()
	}
	waitErr := cmd.Wait()
	g.result.Total = time.Since(start)
	switch {
	case err != nil:
		return fmt.Errorf("%w%s", err, suffix(complaints.String()))
	case waitErr != nil:
		return fmt.Errorf("qemu: %w%s", waitErr, suffix(complaints.String()))
	case !g.done:
		return fmt.Errorf("no word of the end%s", suffix(complaints.String()))
	}
	return nil
}

func suffix(complaints string) string {
	if complaints = strings.TrimSpace(complaints); complaints == "" {
		return ""
	}
	return ": " + complaints
}

// read takes frames until QEMU closes the line.
func (g *guest) read(line io.Reader, start time.Time) error {
	frames := wire.NewReader(line)
	current := -1
	for {
		frame, err := frames.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch frame.Kind {
		case wire.KindHello:
			g.result.Release, g.result.Boot = string(frame.Payload), time.Since(start)
		case wire.KindStart:
			if current++; current >= len(g.result.Jobs) {
				return fmt.Errorf("%w: more jobs than were given", ErrCorrupt)
			}
			g.result.Jobs[current].State = Unfinished
		case wire.KindDone:
			g.done = true
		default:
			if current < 0 {
				return fmt.Errorf("%w: %s before any job", ErrCorrupt, frame.Kind)
			}
			if err := g.result.Jobs[current].take(frame, g.cfg.Log); err != nil {
				return err
			}
		}
	}
}

// take adds what a frame says about the job.
func (j *JobResult) take(frame wire.Frame, log io.Writer) error {
	if frame.Kind == wire.KindOutput {
		j.Output = append(j.Output, frame.Payload...)
		if log == nil {
			return nil
		}
		if _, err := log.Write(frame.Payload); err != nil {
			return fmt.Errorf("log the output of %s: %w", j.Name, err)
		}
		return nil
	}
	if err := json.Unmarshal(frame.Payload, &j.Exit); err != nil {
		return fmt.Errorf("%w: exit of %s: %w", ErrCorrupt, j.Name, err)
	}
	switch {
	case j.Error != "":
		j.State = NotStarted
	case j.Exit.TimedOut:
		j.State = TimedOut
	case j.Signal != "":
		j.State = Killed
	default:
		j.State = Exited
	}
	return nil
}
