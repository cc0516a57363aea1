package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"sync"

	"github.com/spf13/pflag"

	"github.com/tracee-go/tracee/internal/paint"
)

// logOptions say how much is told on stderr. None of it ever goes to where events or findings go.
type logOptions struct{ quiet, verbose, debug bool }

func (o *logOptions) add(flags *pflag.FlagSet) {
	flags.BoolVar(&o.quiet, "quiet", false, "say nothing but errors on stderr")
	flags.BoolVar(&o.verbose, "verbose", false, "say on stderr what is being done")
	flags.BoolVar(&o.debug, "debug", false, "say on stderr all that may help to find a mistake")
}

func (o *logOptions) check() error {
	if o.quiet && (o.verbose || o.debug) {
		return errors.New("--quiet contradicts --verbose and --debug (leave one of them out)")
	}
	return nil
}

func (o *logOptions) level() slog.Level {
	switch {
	case o.debug:
		return slog.LevelDebug
	case o.verbose:
		return slog.LevelInfo
	case o.quiet:
		return slog.LevelError
	default:
		return slog.LevelWarn
	}
}

// logger writes lines for people to a terminal, and lines for programs elsewhere.
func (o *logOptions) logger(to io.Writer) *slog.Logger {
	if terminal(to) {
		return slog.New(&plainLog{to: to, level: o.level(), Painter: paint.Painter(colorful(to)), mu: new(sync.Mutex)})
	}
	return slog.New(slog.NewTextHandler(to, &slog.HandlerOptions{Level: o.level()}))
}

// plainLog is a slog.Handler that writes "warning: what happened (where=here)". Whoever looks at a terminal knows what
// time it is.
type plainLog struct {
	to    io.Writer
	level slog.Level
	paint.Painter
	attributes []slog.Attr
	group      string
	mu         *sync.Mutex // shared by those that WithAttrs makes
}

var _ slog.Handler = (*plainLog)(nil)

var levelNames = map[slog.Level]struct {
	name  string
	color paint.Color
}{
	slog.LevelDebug: {"debug", paint.Faint},
	slog.LevelInfo:  {"info", paint.Cyan},
	slog.LevelWarn:  {"warning", paint.Yellow},
	slog.LevelError: {"error", paint.Red},
}

// Enabled is part of slog.Handler.
func (h *plainLog) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

// Handle is part of slog.Handler. A message is one write.
func (h *plainLog) Handle(_ context.Context, r slog.Record) error {
	var b bytes.Buffer
	level := levelNames[r.Level]
	fmt.Fprintf(&b, "%s: %s", h.Paint(level.color, level.name), r.Message)
	separator, end := " (", ""
	write := func(a slog.Attr) bool {
		text := a.Value.Resolve().String()
		if quoted := strconv.Quote(text); quoted[1:len(quoted)-1] != text || text == "" {
			text = quoted
		}
		fmt.Fprintf(&b, "%s%s=%s", separator, h.Paint(paint.Faint, a.Key), text)
		separator, end = ", ", ")"
		return true
	}
	for _, a := range h.attributes {
		write(a)
	}
	r.Attrs(func(a slog.Attr) bool { a.Key = h.group + a.Key; return write(a) })
	b.WriteString(end + "\n")
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := h.to.Write(b.Bytes())
	return err
}

// WithAttrs is part of slog.Handler.
func (h *plainLog) WithAttrs(attributes []slog.Attr) slog.Handler {
	more := *h
	more.attributes = h.attributes[:len(h.attributes):len(h.attributes)]
	for _, a := range attributes {
		a.Key = h.group + a.Key
		more.attributes = append(more.attributes, a)
	}
	return &more
}

// WithGroup is part of slog.Handler.
func (h *plainLog) WithGroup(name string) slog.Handler {
	more := *h
	more.group += name + "."
	return &more
}
