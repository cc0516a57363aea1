package rules

import (
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/protocol"
)

// maxPanics is how often a signature may panic before it is no longer called.
const maxPanics = 3

// logEvery spaces the log lines about one signature's errors.
const logEvery = time.Second

// member is a signature in an engine.
type member struct {
	signature detect.Signature
	metadata  detect.SignatureMetadata
	selectors []detect.SignatureEventSelector
	log       *slog.Logger

	panics   int
	disabled bool
	logged   time.Time // when an error was last logged
	silent   int       // errors since then
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
		m.complain("signature failed on an event", "event", event.Headers.Selector.Name, "error", err)
		return false
	}
	return true
}

func (m *member) onSignal(signal detect.Signal) (ok bool) {
	defer m.survive(&ok)
	if err := m.signature.OnSignal(signal); err != nil {
		m.complain("signature failed on a signal", "error", err)
		return false
	}
	return true
}

func (m *member) close() {
	var ok bool
	defer m.survive(&ok)
	m.signature.Close()
}

// survive is deferred around calls of the signature.
func (m *member) survive(ok *bool) {
	v := recover()
	if v == nil {
		return
	}
	*ok = false
	m.panics++
	m.log.Error("signature panicked", "panic", v, "at", panicOrigin(), "times", m.panics)
	if m.panics >= maxPanics && !m.disabled {
		m.disabled = true
		m.log.Error("signature is switched off after panics", "times", m.panics)
	}
}

// complain logs an error unless one was logged within the last second.
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
