package rules

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/tracee-go/tracee/rules/budget"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/protocol"
	"github.com/tracee-go/tracee/types/trace"
)

// regoSignature is a signature written in Rego.
type regoSignature struct {
	path      string
	line      int // of what says its id
	metadata  detect.SignatureMetadata
	selectors []detect.SignatureEventSelector
	filter    prefilter
	query     rego.PreparedEvalQuery
	input     *regoInput
	fields    []int // of input, that it reads
	handler   detect.SignatureHandler
	waits     bool // it calls functions that wait for others, such as http.send
	budget    budget.Budget
	cancel    topdown.Cancel
}

// regoTime is how long a rule may think about one event. It is long beside the 20 µs that rules need, so that a machine
// which is too busy to run us does not cut off rules that are well.
const regoTime = 2 * time.Second

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

// Bounded implements detect.Bounded: see eval.
func (s *regoSignature) Bounded() {}

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
	results, err := s.eval(s.input.of(e, s.fields))
	if err != nil {
		return err
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

// eval asks OPA, within limits. One budget and one cancellation serve all events until a rule exceeds them.
func (s *regoSignature) eval(input ast.Value) (rego.ResultSet, error) {
	if s.cancel == nil {
		s.cancel = topdown.NewCancel()
	}
	ctx, end := context.Background(), s.cancel.Cancel
	if s.waits {
		waiting, done := context.WithCancel(ctx)
		defer done()
		ctx, end = waiting, func() { s.cancel.Cancel(); done() }
	}
	s.budget.Begin(end)
	results, err := s.query.Eval(ctx, rego.EvalParsedInput(input), rego.EvalExternalCancel(s.cancel))
	if spent := s.budget.End(); spent != nil {
		s.cancel = nil // the next event gets a new one
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.path, spent)
		}
	}
	if err != nil {
		return nil, explainEval(s.path, err)
	}
	return results, nil
}

// waits reports whether modules call functions that wait for others.
func waits(compiler *ast.Compiler) bool {
	found := false
	for _, module := range compiler.Modules {
		ast.WalkRefs(module, func(ref ast.Ref) bool {
			name := ref.String()
			found = found || name == "http.send" || name == "net.lookup_ip_addr"
			return found
		})
	}
	return found
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
