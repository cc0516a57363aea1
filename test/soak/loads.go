package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/internal/cgroup"
)

// A load is something that is done again and again.
type load struct {
	name string
	each time.Duration
	do   func(n int64) error
}

const ruleChanges = "changes of a rule"

// fill runs short processes, two at a time.
func fill(ctx context.Context, processes int) error {
	start := time.Now()
	var left atomic.Int64
	left.Store(int64(processes))
	var running sync.WaitGroup
	failures := make(chan error, 2)
	for range cap(failures) {
		running.Go(func() {
			for left.Add(-1) >= 0 {
				if err := exec.CommandContext(ctx, "/bin/true").Run(); err != nil {
					failures <- fmt.Errorf("fill: %w", err)
					return
				}
			}
		})
	}
	running.Wait()
	fmt.Printf("%10d short processes first, in %v\n", processes, time.Since(start).Round(time.Second))
	select {
	case err := <-failures:
		return err
	default:
		return nil
	}
}

// loads are running.
type loads struct {
	cancel  context.CancelFunc
	running sync.WaitGroup
	all     []load
	done    []atomic.Int64
	failed  []atomic.Int64
}

func startLoads(ctx context.Context, o options, dir string, broken *places, books *ledger) (*loads, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go accept(listener)
	all := []load{
		{"times 100 numbered calls", 20 * time.Millisecond, func(n int64) error { return number(n, books) }},
		{"files", 2 * time.Millisecond, func(n int64) error { return file(dir, n) }},
		{"programs", 50 * time.Millisecond, func(int64) error { return exec.Command("/bin/true", dir).Run() }},
		{"shells that read a password file", 10 * time.Second, func(int64) error {
			return exec.Command("/bin/sh", "-c", "head -c 1 /etc/shadow >/dev/null").Run()
		}},
		{"connections", 20 * time.Millisecond, func(int64) error { return connect(listener.Addr().String()) }},
		{"datagrams", 20 * time.Millisecond, func(int64) error { return datagram() }},
		{"containers, by their control groups", time.Second, func(int64) error { return container() }},
		{ruleChanges, 5 * time.Second, func(n int64) error { return writeRule(filepath.Join(dir, "rules"), n) }},
		{"times that a disk and a server failed, or came back", 3 * time.Second, broken.fail},
	}
	for _, name := range o.disturb {
		all = append(all, disturbing[name])
	}
	ctx, cancel := context.WithCancel(ctx)
	l := &loads{cancel: cancel, all: all, done: make([]atomic.Int64, len(all)), failed: make([]atomic.Int64, len(all))}
	context.AfterFunc(ctx, func() { listener.Close() })
	for i := range all {
		l.running.Go(func() { l.repeat(ctx, i) })
	}
	return l, nil
}

func (l *loads) repeat(ctx context.Context, i int) {
	ticks := time.NewTicker(l.all[i].each)
	defer ticks.Stop()
	for n := int64(0); ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		if err := l.all[i].do(n); err != nil {
			if l.failed[i].Add(1) == 1 {
				fmt.Fprintf(os.Stderr, "soak: %s: %v\n", l.all[i].name, err)
			}
			continue
		}
		l.done[i].Add(1)
	}
}

// stop ends all, and says how often each was done.
func (l *loads) stop() map[string]int64 {
	l.cancel()
	l.running.Wait()
	done := map[string]int64{}
	for i, load := range l.all {
		done[load.name] = l.done[i].Load()
		if failed := l.failed[i].Load(); failed > 0 {
			done[load.name+", failed"] = failed
		}
	}
	return done
}

func number(n int64, books *ledger) error {
	const calls = 100
	for i := range int64(calls) {
		_, _, _ = unix.RawSyscall(unix.SYS_GETPRIORITY, mark, uintptr(n*calls+i), 0)
	}
	books.made.Add(calls)
	return nil
}

func file(dir string, n int64) error {
	path := filepath.Join(dir, fmt.Sprintf("file%d", n%100))
	if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
		return err
	}
	if err := os.Rename(path, path+".new"); err != nil {
		return err
	}
	return os.Remove(path + ".new")
}

func accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		c.Close()
	}
}

func connect(address string) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	return c.Close()
}

// datagram asks nobody for an address.
func datagram() error {
	c, err := net.Dial("udp", "127.0.0.1:53")
	if err != nil {
		return err
	}
	defer c.Close()
	_, _ = c.Write([]byte("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04soak\x04test\x00\x00\x01\x00\x01"))
	return nil
}

// container makes what the kernel sees of one: a control group with the name of a container, and a program that runs in
// it in a mount namespace of its own.
func container() error {
	tree, err := cgroup.Find()
	if err != nil {
		return err
	}
	id := make([]byte, 32)
	_, _ = rand.Read(id)
	group := tree.Root + "/docker-" + hex.EncodeToString(id) + ".scope"
	if err := os.Mkdir(group, 0o755); err != nil {
		return err
	}
	defer syscall.Rmdir(group)
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} { // empty in version 1
		if inherited, err := os.ReadFile(filepath.Join(tree.Root, name)); err == nil {
			_ = os.WriteFile(filepath.Join(group, name), inherited, 0)
		}
	}
	cmd := exec.Command("/bin/sh", "-c", `echo $$ > "$1/cgroup.procs" && exec /bin/true`, "sh", group)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	return cmd.Run()
}

// writeRule puts a rule in place as editors do. It is a new one each time.
func writeRule(dir string, n int64) error {
	text := fmt.Sprintf(`kind: Signatures
apiVersion: tracee/v1
signatures:
- id: SOAK-1
  name: Change %d
  severity: low
  match: {event: sched_process_exec, when: "args.pathname == '/nonexistent/%d'"}
`, n, n)
	path := filepath.Join(dir, "soak.yaml")
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// disturbing are things that concern everybody on a machine.
var disturbing = map[string]load{
	"cpu": {"times that a CPU was taken away", 7 * time.Second, func(int64) error {
		const online = "/sys/devices/system/cpu/cpu1/online"
		if err := os.WriteFile(online, []byte("0"), 0); err != nil {
			return err
		}
		time.Sleep(time.Second)
		return os.WriteFile(online, []byte("1"), 0)
	}},
	"clock": {"times that the clock was set", 11 * time.Second, func(n int64) error {
		var now unix.Timeval
		if err := unix.Gettimeofday(&now); err != nil {
			return err
		}
		now.Sec += 3600 * (1 - n%2*2)
		return unix.Settimeofday(&now)
	}},
}

func disturbances() []string {
	var names []string
	for name := range disturbing {
		names = append(names, name)
	}
	return names
}
