package top

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/tracee-go/tracee/internal/paint"
)

const (
	interval = 500 * time.Millisecond // between two looks at the counters
	quickest = 50 * time.Millisecond  // between two drawings
	pause    = 200 * time.Millisecond // for which keys are waited for, before the size is looked at again
)

// What terminals are told: to show another screen and give the old one back, and to hide the cursor.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J"
	leaveScreen = "\x1b[?25h\x1b[?1049l"
)

// Config says what is shown, and where.
type Config struct {
	In, Out *os.File // the terminal
	Color   paint.Painter
	Counter *Counter
	Status  func() Status
	// Kernel begins to measure what programs cost in the kernel, or ceases to, and returns what to tell of it.
	Kernel func() string
}

// Possible reports whether a view can be shown: to somebody who sees it, and can type.
func Possible(in, out *os.File) bool {
	if !term.IsTerminal(int(in.Fd())) || !term.IsTerminal(int(out.Fd())) || os.Getenv("TERM") == "dumb" {
		return false
	}
	group, err := unix.IoctlGetInt(int(in.Fd()), unix.TIOCGPGRP) // who is in the background must not read keys
	return err == nil && group == unix.Getpgrp()
}

// Run shows the view until the context ends or somebody leaves, and gives the terminal back as it was.
func Run(ctx context.Context, c Config) (left Action, err error) {
	old, err := term.MakeRaw(int(c.In.Fd()))
	if err != nil {
		return Lines, fmt.Errorf("take the terminal: %w", err)
	}
	s := &screen{Config: c, view: NewView(Style{Color: c.Color, Unicode: unicodeTerminal()}, time.Now())}
	defer func() {
		_, err2 := c.Out.WriteString(leaveScreen)
		err = errors.Join(err, term.Restore(int(c.In.Fd()), old), err2)
	}()
	if _, err := c.Out.WriteString(enterScreen); err != nil {
		return Quit, err
	}
	for ctx.Err() == nil {
		left, err := s.step(time.Now())
		if left != None || err != nil {
			return left, err
		}
	}
	return None, nil
}

// screen is a view on a terminal.
type screen struct {
	Config
	view          *View
	looked, drawn time.Time
	width, height int
	stale         bool
}

// step looks, draws, and waits for keys.
func (s *screen) step(now time.Time) (Action, error) {
	if now.Sub(s.looked) >= interval {
		s.view.update(s.Counter.take(), s.Status(), now)
		s.looked, s.stale = now, true
	}
	if width, height, err := term.GetSize(int(s.Out.Fd())); err == nil && (width != s.width || height != s.height) {
		s.width, s.height, s.stale = width, height, true
	}
	if s.stale && now.Sub(s.drawn) >= quickest {
		if err := s.draw(); err != nil {
			return Quit, err
		}
		s.drawn, s.stale = now, false
	}
	wait := min(pause, max(interval-now.Sub(s.looked), quickest))
	if s.stale {
		wait = quickest
	}
	keys, err := s.keys(wait)
	if err != nil {
		return Quit, err
	}
	for _, key := range keys {
		s.stale = true
		switch action := s.view.key(key); action {
		case Kernel:
			s.Counter.Say(s.Kernel())
		case Quit, Lines:
			return action, nil
		}
	}
	return None, nil
}

func (s *screen) draw() error {
	var b strings.Builder
	b.WriteString("\x1b[H")
	// The last column stays empty: to write there, and then to clear what follows, would clear it again.
	for i, line := range s.view.Lines(s.width-1, s.height) {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(line + "\x1b[K")
	}
	b.WriteString("\x1b[J")
	_, err := s.Out.WriteString(b.String())
	return err
}

// keys waits for keys, but not long.
func (s *screen) keys(wait time.Duration) ([]string, error) {
	fds := []unix.PollFd{{Fd: int32(s.In.Fd()), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, int(wait.Milliseconds()))
	if n <= 0 || errors.Is(err, unix.EINTR) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("wait for keys: %w", err)
	}
	sent := make([]byte, 256)
	read, err := unix.Read(int(s.In.Fd()), sent)
	if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) {
		return nil, nil
	}
	if err != nil || read == 0 {
		return nil, fmt.Errorf("the terminal is gone")
	}
	return parseKeys(sent[:read]), nil
}
