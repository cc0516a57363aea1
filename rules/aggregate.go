package rules

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/protocol"
)

// aggregated is all Rego rules as one signature, as --rego-aio of v0.8 makes it. Each is shown what it selects itself,
// and its findings are its own.
type aggregated struct {
	metadata detect.SignatureMetadata
	rules    []*regoSignature
	index    []func(protocol.Selector) bool // by rule: does it select this?
}

var _ detect.Signature = (*aggregated)(nil)

func aggregate(rules []*regoSignature) *aggregated {
	ids := make([]string, len(rules))
	a := &aggregated{rules: rules}
	for i, r := range rules {
		ids[i] = r.metadata.ID
		a.index = append(a.index, r.selects)
	}
	a.metadata = detect.SignatureMetadata{
		ID: fmt.Sprintf("TRC-AIO (%s)", strings.Join(ids, ",")), Version: "1.0.0", Name: "AIO",
		Description: "All Rego rules as one signature",
	}
	return a
}

// selects reports whether a rule selected an event.
func (s *regoSignature) selects(event protocol.Selector) bool {
	for _, selector := range s.selectors {
		name := selector.Name == "" || selector.Name == "*" || selector.Name == event.Name
		origin := selector.Origin == "" || selector.Origin == "*" || selector.Origin == event.Origin
		if name && origin && selector.Source == Source {
			return true
		}
	}
	return false
}

// GetMetadata implements detect.Signature.
func (a *aggregated) GetMetadata() (detect.SignatureMetadata, error) { return a.metadata, nil }

// GetSelectedEvents implements detect.Signature.
func (a *aggregated) GetSelectedEvents() ([]detect.SignatureEventSelector, error) {
	var all []detect.SignatureEventSelector
	for _, r := range a.rules {
		all = append(all, r.selectors...)
	}
	return all, nil
}

// Init implements detect.Signature.
func (a *aggregated) Init(handler detect.SignatureHandler) error {
	for _, r := range a.rules {
		if err := r.Init(handler); err != nil {
			return err
		}
	}
	return nil
}

// OnEvent implements detect.Signature.
func (a *aggregated) OnEvent(event protocol.Event) error {
	var failed error
	for i, r := range a.rules {
		if !a.index[i](event.Headers.Selector) {
			continue
		}
		if err := r.OnEvent(event); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// OnSignal implements detect.Signature.
func (a *aggregated) OnSignal(detect.Signal) error { return nil }

// Bounded implements detect.Bounded: each of its rules is.
func (a *aggregated) Bounded() {}

// Close implements detect.Signature.
func (a *aggregated) Close() {
	for _, r := range a.rules {
		r.Close()
	}
}
