package rules

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"github.com/tracee-go/tracee/rules/budget"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/protocol"
)

const (
	// maxStrikes is how often within strikeTime a signature may panic or be too slow before it is no longer called.
	maxStrikes = 3
	strikeTime = time.Minute
	// firstBreak is for how long. It doubles each time; a machine that was busy is not held against a signature for ever.
	firstBreak = time.Minute
)

// logEvery spaces the log lines about one signature's errors.
const logEvery = time.Minute

// member is a signature in an engine.
type member struct {
	given     detect.Signature // as it was loaded
	signature detect.Signature // the same, or what isolates it
	metadata  detect.SignatureMetadata
	selectors []detect.SignatureEventSelector
	log       *slog.Logger
	forgotten func() uint64 // nil: it remembers nothing

	strikes  int
	struck   time.Time // the first of the strikes
	disabled bool
	back     time.Time     // when it is called again; zero: never
	pause    time.Duration // the last break
	failed   uint64        // events that it failed on
	logged   time.Time     // when an error was last logged
	silent   int           // errors since then
}

func newMember(s detect.Signature, log *slog.Logger) (m *member, err error) {
	defer recoverInto(&err, "describe")
	metadata, err := s.GetMetadata()
	if err != nil {
		return nil, fmt.Errorf("get metadata of signature: %w", err)
	}
	selectors, err := s.GetSelectedEvents()
	if err != nil {
		return nil, fmt.Errorf("get selected events of signature %s: %w", metadata.ID, err)
	}
	m = &member{signature: s, metadata: metadata, log: log.With("signature", metadata.ID)}
	m.selectors = m.usable(selectors)
	if f, ok := s.(interface{ Forgotten() uint64 }); ok {
		m.forgotten = f.Forgotten
	}
	return m, nil
}

// usable returns the selectors that can match, with "*" for what they leave open.
func (m *member) usable(selectors []detect.SignatureEventSelector) []detect.SignatureEventSelector {
	var kept []detect.SignatureEventSelector
	for _, s := range selectors {
		if s.Name == "" {
			s.Name = "*"
		}
		if s.Origin == "" {
			s.Origin = "*"
		}
		switch {
		case s.Source == "":
			m.log.Warn("selector without a source is ignored", "event", s.Name)
		case s.Source != Source:
			m.log.Warn("selector of an unknown source is ignored", "event", s.Name, "source", s.Source)
		case originBit(s.Origin) == 0:
			m.log.Warn("selector of an unknown origin is ignored", "event", s.Name, "origin", s.Origin)
		default:
			kept = append(kept, s)
		}
	}
	if len(kept) == 0 {
		m.log.Warn("signature selects no event and will never be called")
	}
	return kept
}

func (m *member) init(handler detect.SignatureHandler) (err error) {
	defer recoverInto(&err, "init")
	return m.signature.Init(handler)
}

// onEvent reports whether the signature coped with the event.
func (m *member) onEvent(event protocol.Event) (ok bool) {
	defer m.survive(&ok)
	if err := m.signature.OnEvent(event); err != nil {
		m.failedOn("event "+event.Headers.Selector.Name, err)
		return false
	}
	return true
}

func (m *member) onSignal(signal detect.Signal) (ok bool) {
	defer m.survive(&ok)
	if err := m.signature.OnSignal(signal); err != nil {
		m.failedOn("a signal", err)
		return false
	}
	return true
}

func (m *member) close() {
	if m.silent > 0 {
		m.log.Error("signature failed", "unreported", m.silent)
	}
	if m.signature == nil {
		return
	}
	var ok bool
	defer m.survive(&ok)
	m.signature.Close()
}

// survive is deferred around calls of the signature.
func (m *member) survive(ok *bool) {
	if v := recover(); v != nil {
		*ok = false
		m.failedOn("a call", &panicked{fmt.Sprintf("panic: %v at %s", v, panicOrigin())})
	}
}

// failedOn counts a failure. One that costs time or shows that the signature is broken is a strike.
func (m *member) failedOn(what string, err error) {
	m.failed++
	m.complain("signature failed", "on", what, "error", err)
	var panic *panicked
	switch {
	case errors.Is(err, errBlocked):
		m.cutOff(err.Error())
	case errors.As(err, &panic), budget.Exceeded(err):
		m.strike(err)
	}
}

func (m *member) strike(err error) {
	now := time.Now()
	if now.Sub(m.struck) > strikeTime {
		m.strikes, m.struck = 0, now
	}
	if m.strikes++; m.strikes < maxStrikes {
		return
	}
	m.pause = max(2*m.pause, firstBreak)
	m.back, m.strikes = now.Add(m.pause), 0
	m.cutOff(fmt.Sprintf("%v, for the third time; it is called again in %v", err, m.pause))
}

// off reports whether the signature is not called, and ends a break that is over.
func (m *member) off() bool {
	if !m.disabled || m.back.IsZero() || time.Now().Before(m.back) {
		return m.disabled
	}
	m.disabled, m.back = false, time.Time{}
	m.log.Info("signature is called again")
	return false
}

// cutOff ends the calling of a signature.
func (m *member) cutOff(why string) {
	if m.disabled {
		return
	}
	m.disabled = true
	m.log.Error("signature is switched off", "because", why, "failures", m.failed)
}

// release lets go of a signature that holds too much memory.
func (m *member) release() {
	m.cutOff(fmt.Sprintf("it holds more than %d MiB of memory", memoryLimit>>20))
	if s, ok := m.signature.(*isolated); ok {
		s.Close()
	}
	m.signature = nil
}

// complain logs an error unless one was logged within the last minute.
func (m *member) complain(message string, facts ...any) {
	now := time.Now()
	if now.Sub(m.logged) < logEvery {
		m.silent++
		return
	}
	if m.silent > 0 {
		facts = append(facts, "unreported", m.silent)
	}
	m.logged, m.silent = now, 0
	m.log.Error(message, facts...)
}

func recoverInto(err *error, doing string) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("%s signature: panic: %v at %s", doing, v, panicOrigin())
	}
}

// panicOrigin returns file and line of the code that panicked; it is called from a deferred function.
func panicOrigin() string {
	var callers [32]uintptr
	frames := runtime.CallersFrames(callers[:runtime.Callers(0, callers[:])])
	panicking := false
	for {
		frame, more := frames.Next()
		if panicking && !strings.HasPrefix(frame.Function, "runtime.") {
			return fmt.Sprintf("%s:%d", frame.File, frame.Line)
		}
		panicking = panicking || frame.Function == "runtime.gopanic"
		if !more {
			return "unknown"
		}
	}
}
