package rules

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tracee-go/tracee/rules/declared"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/protocol"
	"github.com/tracee-go/tracee/types/trace"
)

// callTime is how long one call of an isolated signature may take.
const callTime = time.Second

// errBlocked is the error of a call that did not come back in time.
var errBlocked = fmt.Errorf("the signature did not answer within %v", callTime)

// Isolate keeps a signature that is any code from harming the engine: it runs on a goroutine of its own, on copies of
// events, and a call that does not come back in time is left behind. After that the signature is never called again, and
// what it still finds is discarded. What no goroutine survives can not be kept away: a panic on a goroutine that the
// signature started itself, a stack without end, a map written by two at once, all memory of the machine used up within
// two seconds.
//
// The engine isolates by itself what is not detect.Bounded.
func Isolate(s detect.Signature) detect.Signature {
	return &isolated{inner: s, limit: callTime, mark: marks.Add(1)}
}

type isolated struct {
	inner detect.Signature
	limit time.Duration
	mark  uint64 // of the goroutine
	calls chan func() error
	done  chan error
	timer *time.Timer

	event trace.Event // a copy for the call
	body  []byte

	mu    sync.Mutex
	taken time.Time // when its last finding had been taken
	gone  bool      // left behind
}

var (
	_ detect.Bounded   = (*isolated)(nil)
	_ detect.Selective = (*isolated)(nil)
	_ detect.Bounded   = (*regoSignature)(nil)
	_ detect.Bounded   = (*aggregated)(nil)
	_ detect.Bounded   = (*declared.Signature)(nil)
)

// apart isolates a signature that does not promise to be bounded.
func apart(s detect.Signature) detect.Signature {
	if _, ok := s.(detect.Bounded); ok {
		return s
	}
	return Isolate(s)
}

// Bounded implements detect.Bounded.
func (s *isolated) Bounded() {}

// panicked is a panic on the signature's own goroutine.
type panicked struct{ what string }

func (p *panicked) Error() string { return p.what }

// call runs a function on the signature's goroutine.
func (s *isolated) call(f func() error) error {
	s.mu.Lock()
	gone := s.gone
	s.mu.Unlock()
	if gone {
		return errBlocked
	}
	if s.calls == nil {
		s.start()
	}
	s.calls <- f
	for {
		s.timer.Reset(s.limit)
		select {
		case err := <-s.done:
			s.timer.Stop()
			return err
		case <-s.timer.C:
			if s.leave() {
				return errBlocked
			}
		}
	}
}

// leave leaves the signature behind, unless it waits for whoever takes its finding, or has just done so: then it is not to
// blame, and has its time again.
func (s *isolated) leave() bool {
	if !s.mu.TryLock() {
		return false
	}
	defer s.mu.Unlock()
	if time.Since(s.taken) < s.limit {
		return false
	}
	s.gone = true
	close(s.calls)
	return true
}

// start starts the goroutine. It ends when the signature is closed, or comes back after it was left behind.
func (s *isolated) start() {
	calls, done := make(chan func() error, 1), make(chan error, 1)
	s.calls, s.done, s.timer = calls, done, time.NewTimer(s.limit)
	go marked(s.mark, func() {
		for f := range calls {
			done <- guarded(f)
		}
	})
}

func guarded(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicked{fmt.Sprintf("panic: %v at %s", v, panicOrigin())}
		}
	}()
	return f()
}

// GetMetadata implements detect.Signature.
func (s *isolated) GetMetadata() (m detect.SignatureMetadata, err error) {
	type answer struct{ m detect.SignatureMetadata }
	answers := make(chan answer, 1)
	err = s.call(func() error {
		m, err := s.inner.GetMetadata()
		answers <- answer{m}
		return err
	})
	if err != nil {
		return m, err
	}
	return (<-answers).m, nil
}

// GetSelectedEvents implements detect.Signature.
func (s *isolated) GetSelectedEvents() ([]detect.SignatureEventSelector, error) {
	answers := make(chan []detect.SignatureEventSelector, 1)
	err := s.call(func() error {
		list, err := s.inner.GetSelectedEvents()
		answers <- list
		return err
	})
	if err != nil {
		return nil, err
	}
	return <-answers, nil
}

// Needs implements detect.Selective, if the signature does.
func (s *isolated) Needs() []detect.Need {
	selective, ok := s.inner.(detect.Selective)
	if !ok {
		return nil
	}
	answers := make(chan []detect.Need, 1)
	if err := s.call(func() error { answers <- selective.Needs(); return nil }); err != nil {
		return nil // all are needed
	}
	return <-answers
}

// Init implements detect.Signature. What is found after the signature was left behind is discarded.
func (s *isolated) Init(handler detect.SignatureHandler) error {
	return s.call(func() error {
		return s.inner.Init(func(f detect.Finding) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if !s.gone {
				handler(f)
				s.taken = time.Now()
			}
		})
	})
}

// OnEvent implements detect.Signature.
func (s *isolated) OnEvent(event protocol.Event) error {
	if e, ok := event.Payload.(*trace.Event); ok {
		present, truncated, body := e.Record()
		s.event, s.body = *e, append(s.body[:0], body...)
		if schema := e.Schema(); schema != nil {
			s.event.SetRecord(schema, present, truncated, s.body)
		}
		event.Payload = &s.event
	}
	return s.call(func() error { return s.inner.OnEvent(event) })
}

// OnSignal implements detect.Signature.
func (s *isolated) OnSignal(signal detect.Signal) error {
	return s.call(func() error { return s.inner.OnSignal(signal) })
}

// Close implements detect.Signature, and ends the goroutine.
func (s *isolated) Close() {
	err := s.call(func() error { s.inner.Close(); return nil })
	if s.calls != nil && !errors.Is(err, errBlocked) {
		close(s.calls)
		s.calls = nil
	}
}
