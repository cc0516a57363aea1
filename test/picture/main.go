// Command picture draws what tracee shows on a terminal, as an SVG file for the documentation:
//
//	go run ./test/picture -binary dist/tracee docs/pictures/top.svg    as root
//
// It runs the real program at a terminal of its own, does what signatures look for, and draws the screen as it is then:
// nothing in the picture is made up. What it shows is kept to what this command does, whatever else the machine is busy with.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

const (
	columns, rows = 112, 26
	patience      = time.Minute
)

// deeds are done again and again while tracee watches; each line ends by itself.
const deeds = `
read go
cp /bin/true /dev/shm/kworker
while :; do
	find /usr/share/doc -name copyright -newer /etc/hostname | head -200 | xargs --no-run-if-empty md5sum
	sleep 0.5
	[ -e /dev/shm/kworker ] || continue
	strace -o /dev/null /bin/true
	/dev/shm/kworker
	cat /etc/shadow
	LD_PRELOAD=/tmp/hook.so /bin/true
	rm /dev/shm/kworker
done > /dev/null 2>&1`

func main() {
	binary := flag.String("binary", "dist/tracee", "`file` of the program")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: picture [-binary FILE] SVG")
		os.Exit(2)
	}
	if err := run(*binary, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

func run(binary, path string) error {
	actor := exec.Command("sh", "-c", deeds)
	begin, err := actor.StdinPipe()
	if err != nil {
		return err
	}
	if err := actor.Start(); err != nil {
		return err
	}
	defer func() {
		_ = actor.Process.Kill()
		_ = actor.Wait()
	}()
	command := fmt.Sprintf("stty columns %d rows %d; exec %s --allow-second --trace tree=%d", columns, rows, binary, actor.Process.Pid)
	terminal := exec.Command("script", "--quiet", "--return", "--command", command, "/dev/null")
	terminal.Env = append(os.Environ(), "TERM=xterm", "LC_ALL=C.UTF-8")
	keys, err := terminal.StdinPipe()
	if err != nil {
		return err
	}
	var seen screen
	terminal.Stdout, terminal.Stderr = &seen, os.Stderr
	if err := terminal.Start(); err != nil {
		return err
	}
	if err := errors.Join(seen.await(" signatures in "), write(begin, "\n"), seen.await("TRC-7")); err != nil {
		_ = terminal.Process.Kill()
		return err
	}
	time.Sleep(5 * time.Second) // until its figures have settled
	frame := seen.frame()
	if err := errors.Join(write(keys, "q"), terminal.Wait()); err != nil {
		return err
	}
	return os.WriteFile(path, draw(strings.Split(strings.TrimRight(frame, "\r\n"), "\r\n")), 0o644)
}

func write(to io.Writer, text string) error {
	_, err := io.WriteString(to, text)
	return err
}

// screen takes what a terminal is sent.
type screen struct {
	mu   sync.Mutex
	sent bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent.Write(p)
}

// frame is the last whole screen: the view draws each from the first corner on, and clears what is left.
func (s *screen) frame() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := s.sent.String()
	end := strings.LastIndex(text, "\x1b[J")
	if end < 0 {
		return ""
	}
	begin := strings.LastIndex(text[:end], "\x1b[H")
	return strings.ReplaceAll(text[begin+len("\x1b[H"):end], "\x1b[K", "")
}

func (s *screen) await(text string) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if strings.Contains(s.frame(), text) {
			return nil
		}
	}
	return fmt.Errorf("no %q on the screen: %s", text, s.frame())
}
