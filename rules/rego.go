package rules

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/protocol"
	"github.com/tracee-go/tracee/types/trace"
)

// regoSignature is a signature written in Rego.
type regoSignature struct {
	path      string
	metadata  detect.SignatureMetadata
	selectors []detect.SignatureEventSelector
	filter    prefilter
	query     rego.PreparedEvalQuery
	input     *regoInput
	handler   detect.SignatureHandler
}

var _ detect.Signature = (*regoSignature)(nil)

func (s *regoSignature) GetMetadata() (detect.SignatureMetadata, error) { return s.metadata, nil }

func (s *regoSignature) GetSelectedEvents() ([]detect.SignatureEventSelector, error) {
	return s.selectors, nil
}

func (s *regoSignature) Init(handler detect.SignatureHandler) error {
	s.handler = handler
	return nil
}

// File is the path of the rule file.
func (s *regoSignature) File() string { return s.path }

func (s *regoSignature) Close() {}

func (s *regoSignature) OnSignal(detect.Signal) error { return nil }

// OnEvent evaluates tracee_match. True is a finding without data, an object is a finding with that data, and anything
// else is none.
func (s *regoSignature) OnEvent(event protocol.Event) error {
	e, ok := event.Payload.(*trace.Event)
	if !ok {
		return fmt.Errorf("unsupported event: %T", event.Payload)
	}
	if !s.filter.mayMatch(e) {
		return nil
	}
	results, err := s.query.Eval(context.Background(), rego.EvalParsedInput(s.input.of(e)))
	if err != nil {
		return explainEval(s.path, err)
	}
	if len(results) == 0 {
		return nil
	}
	switch value := results[0].Expressions[0].Value.(type) {
	case bool:
		if value {
			s.handler(detect.Finding{Event: event, SigMetadata: s.metadata})
		}
	case map[string]any:
		data, _ := plainNumbers(value).(map[string]any)
		s.handler(detect.Finding{Data: data, Event: event, SigMetadata: s.metadata})
	}
	return nil
}

func explainEval(path string, err error) error {
	var e *topdown.Error
	if errors.As(err, &e) && e.Location != nil {
		return fmt.Errorf("%s:%d: %s", e.Location.File, e.Location.Row, oneLine(e.Message))
	}
	return fmt.Errorf("%s: %w", path, err)
}

// plainNumbers replaces the numbers in a value of OPA by int64 where they fit and by float64.
func plainNumbers(value any) any {
	switch v := value.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		n, _ := v.Float64()
		return n
	case []any:
		for i := range v {
			v[i] = plainNumbers(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = plainNumbers(v[key])
		}
	}
	return value
}
