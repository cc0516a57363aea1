package test

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openAndWait opens, reads and closes files, and stays for a while, so that one can ask who it was.
func openAndWait() error {
	file, err := os.Open("/etc/hostname")
	if err != nil {
		return err
	}
	if _, err := file.Read(make([]byte, 64)); err != nil && err != io.EOF {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	time.Sleep(300 * time.Millisecond)
	return unix.Close(fd)
}

const floodOpens = 40000 // twice as many events as fit into the ring

func openOften() error {
	for i := range floodOpens {
		if i%200 == 0 { // the output stands still, not the machine
			time.Sleep(2 * time.Millisecond)
		}
		fd, err := unix.Open("/", unix.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		if err := unix.Close(fd); err != nil {
			return err
		}
	}
	return nil
}

// testOptions tries each option of --output on events of a program that opens files.
func testOptions(t *testing.T, dir string) {
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	for _, test := range []struct{ option, event, want string }{
		{"exec-hash", "sched_process_exec", `"name":"sha256","type":"const char\*","value":"` + hex.EncodeToString(sum[:]) + `"`},
		{"exec-env", "sched_process_exec", `"name":"env","type":"const char\*\*","value":\["`},
		{"parse-arguments", "openat", `"/etc/hostname"},{"name":"flags","type":"string","value":"O_RDONLY\|O_CLOEXEC"`},
		{"parse-arguments-fds", "read", `"name":"fd","type":"string","value":"\d+=/etc/hostname"`},
		{"parse-arguments-fds", "close", `"name":"fd","type":"string","value":"\d+=/etc/hostname"`},
		{"parse-arguments-fds", "close", `"name":"fd","type":"string","value":"\d+=socket:\[\d+\]"`},
		{"detect-syscall", "security_file_open", `"/etc/hostname".*"name":"syscall","type":"int","value":257}`},
		{"relative-time", "openat", `^{"timestamp":\d{8,11},`},
		{"stack-addresses", "openat", `"stackAddresses":\[\d+.*"stackSymbols":\["` + regexp.QuoteMeta(binary) + `\+0x[0-9a-f]+ \([a-z/.]+\.Syscall6\+0x[0-9a-f]+\)".*test\.openAndWait\+0x`},
		{"stack-addresses", "security_file_open", `"stackAddresses":\[\d+.*"/etc/hostname"`},
		{"sort-events", "openat", `"/etc/hostname"`},
		{"cache-events", "openat", `"/etc/hostname"`},
	} {
		t.Run(test.option+" "+test.event, func(t *testing.T) {
			c := run(t, dir, "tracee-ebpf --trace comm=opener --output json --trace event="+test.event+" --output option:"+test.option)
			c.await(regexp.MustCompile("(?m)"+test.want), func() { disguised(t, "opener") })
			c.interrupt()
		})
	}
}

// testFormats tries the formats that are not tried elsewhere, and where they are written to.
func testFormats(t *testing.T, dir string) {
	files := t.TempDir()
	template := filepath.Join(files, "event.tmpl")
	if err := os.WriteFile(template, []byte("{{.ProcessName | upper}} {{.EventName | quote}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, flags, want string }{
		{"table-verbose", "--output table-verbose", `(?m)^[\d:]{15}  .* opener  .* openat  .*flags: \d+`},
		{"gotemplate", "--output gotemplate=" + template, `(?m)^OPENER "openat"$`},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := run(t, dir, "tracee-ebpf --trace comm=opener --trace event=openat "+test.flags)
			c.await(regexp.MustCompile(test.want), func() { disguised(t, "opener") })
			c.interrupt()
		})
	}
	t.Run("files", func(t *testing.T) {
		out, errs := filepath.Join(files, "made", "out"), filepath.Join(files, "made", "too", "err")
		c := run(t, dir, "tracee-ebpf --trace comm=opener --trace event=openat --output json --output out-file:"+out+" --output err-file:"+errs)
		for end := time.Now().Add(patience); ; disguised(t, "opener") {
			if text, _ := os.ReadFile(out); strings.Contains(string(text), `"openat"`) {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("nothing in %s; stderr: %s", out, &c.stderr)
			}
		}
		c.interrupt()
		if _, err := os.Stat(errs); err != nil || c.stdout.String() != "" {
			t.Errorf("got %v, and on stdout %q", err, &c.stdout)
		}
	})
	t.Run("none", func(t *testing.T) {
		c := run(t, dir, "tracee-ebpf --trace comm=opener --trace event=openat --output none")
		time.Sleep(time.Second)
		disguised(t, "opener")
		c.interrupt()
		if got := c.stdout.String(); got != "" {
			t.Errorf("got %q", got)
		}
	})
}

// stalled is tracee-ebpf with an output that nobody reads until the flood is over.
func stalled(t *testing.T, dir, flags string) (events []string) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	command := exec.Command(filepath.Join(dir, "tracee-ebpf"),
		strings.Fields("--trace comm=flooder --trace event=openat,close,sched_process_exec --output json "+flags)...)
	var stderr growing
	command.Stdout, command.Stderr = write, &stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	defer command.Process.Kill()
	lines := bufio.NewReader(read)
	awaitTracing(t, lines)
	var flood sync.WaitGroup
	for range 2 {
		flood.Go(func() { disguised(t, "flooder") })
	}
	flood.Wait()
	time.Sleep(time.Second)
	if err := command.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(lines)
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Errorf("%v: %s", err, &stderr)
	}
	return strings.Split(strings.TrimSuffix(string(rest), "\n"), "\n")
}

// awaitTracing returns when an execution is seen, and everything of that process has been read.
func awaitTracing(t *testing.T, lines *bufio.Reader) {
	t.Helper()
	seen := make(chan error, 1)
	go func() {
		for {
			line, err := lines.ReadString('\n')
			if err != nil || strings.Contains(line, `"eventName":"sched_process_exec"`) {
				seen <- err
				return
			}
		}
	}()
	for range 100 {
		disguised(t, "flooder")
		select {
		case err := <-seen:
			if err != nil {
				t.Fatal(err)
			}
			return
		case <-time.After(300 * time.Millisecond):
		}
	}
	t.Fatal("nothing is traced")
}

// testCache demands that an output which stands still loses nothing, as long as the cache has room.
func testCache(t *testing.T, dir string) {
	for _, test := range []struct{ name, flags string }{
		{"in memory", "--cache cache-type=mem"},
		{"on disk", "--cache cache-type=disk --cache mem-cache-size=2 --cache disk-cache-size=500 --cache disk-cache-dir=" + t.TempDir()},
		{"sorted", "--cache cache-type=mem --output option:sort-events"},
	} {
		t.Run(test.name, func(t *testing.T) {
			calls := map[string]int{}
			last, late := 0, 0
			for _, line := range stalled(t, dir, test.flags) {
				var e struct {
					Timestamp, HostProcessID int
					EventName                string
				}
				if err := json.Unmarshal([]byte(line), &e); err != nil {
					t.Fatalf("%v: %s", err, line)
				}
				if e.EventName == "lost_events" {
					t.Errorf("got %s", line)
				}
				calls[fmt.Sprint(e.EventName, e.HostProcessID)]++
				if e.Timestamp < last {
					late++
				}
				last = max(last, e.Timestamp)
			}
			whole := 0
			for key, n := range calls {
				if strings.HasPrefix(key, "openat") && n >= floodOpens {
					whole++
				}
			}
			if whole < 2 {
				t.Errorf("got all calls of %d processes, want those of 2: %v", whole, calls)
			}
			if late > 0 && test.name == "sorted" {
				t.Errorf("%d events are older than one before them", late)
			}
		})
	}
}
