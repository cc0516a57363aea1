package tracer

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/tracee-go/tracee/bpf"
	"github.com/tracee-go/tracee/events"
)

// The tracepoints of io_uring, and the programs on them that serve all operations.
const (
	submitTracepoint    = "io_uring_submit_req"
	oldSubmitTracepoint = "io_uring_submit_sqe" // before 6.4
	submitProgram       = "io_uring_submit"
	answerProgram       = "io_uring_complete"
)

// uringKept is of how many requests, from submission to answer, something is kept that is gone then; and of how many
// their names, which take 8 KiB.
const (
	uringKept      = 8192
	uringNamesKept = 256
)

// uringLayout is what the tracepoints of io_uring have as arguments on this kernel.
type uringLayout struct {
	submit string // the tracepoint of submissions
	second bool   // the request is its second argument
	answer uint8  // events.UringBy*

	submitErr, answerErr error // why it is not known
}

// lacks returns why a program can not be had on this kernel, nil if it can, or is no program on io_uring.
func (l uringLayout) lacks(program string) error {
	switch program {
	case submitProgram:
		return l.submitErr
	case answerProgram:
		return errors.Join(l.submitErr, l.answerErr)
	}
	return nil
}

// findUringLayout looks it up in the kernel's types: the arguments changed several times.
func findUringLayout(types *btf.Spec) uringLayout {
	l := uringLayout{submit: submitTracepoint}
	submit, err := tracepointArguments(types, l.submit)
	if err != nil {
		l.submit = oldSubmitTracepoint
		submit, err = tracepointArguments(types, l.submit)
	}
	switch {
	case err != nil:
		l.submitErr = err
	case len(submit) > 0 && pointsTo(submit[0], "io_kiocb"):
	case len(submit) == 7:
		l.second = true
	default:
		l.submitErr = fmt.Errorf("tracepoint %s does not tell the request", l.submit)
	}
	answer, err := tracepointArguments(types, answerProgram)
	switch {
	case err != nil:
		l.answerErr = err
	case len(answer) == 7:
		l.answer = events.UringByRequest
	case len(answer) == 3 && pointsTo(answer[2], "io_uring_cqe"):
		l.answer = events.UringByStruct
	case len(answer) == 4:
		l.answer = events.UringByUserData
	default:
		l.answerErr = fmt.Errorf("tracepoint %s has arguments that are not known", answerProgram)
	}
	return l
}

// tracepointArguments are the arguments that programs on a tracepoint get.
func tracepointArguments(types *btf.Spec, name string) ([]btf.FuncParam, error) {
	var typedef *btf.Typedef
	if err := types.TypeByName("btf_trace_"+name, &typedef); err != nil {
		return nil, fmt.Errorf("this kernel has no tracepoint %s: %w", name, err)
	}
	if pointer, ok := typedef.Type.(*btf.Pointer); ok {
		if prototype, ok := pointer.Target.(*btf.FuncProto); ok && len(prototype.Params) > 0 {
			return prototype.Params[1:], nil // the first is for whoever registered
		}
	}
	return nil, fmt.Errorf("tracepoint %s has no prototype", name)
}

func pointsTo(argument btf.FuncParam, name string) bool {
	pointer, ok := argument.Type.(*btf.Pointer)
	return ok && pointer.Target.TypeName() == name
}

// fit tells programs where requests are submitted.
func (l uringLayout) fit(programs map[string]*ebpf.ProgramSpec) {
	for _, program := range programs {
		if program.AttachTo == submitTracepoint {
			program.AttachTo = l.submit
		}
	}
}

// prepare fits the constants to the layout, before anything is loaded, and gives room to what is kept of requests.
func (l uringLayout) prepare(spec *ebpf.CollectionSpec, selected []*events.Event) error {
	for name, value := range map[string]any{"uring_answer": l.answer, "uring_second": l.second} {
		if err := spec.Variables[name].Set(value); err != nil {
			return fmt.Errorf("set constant %s: %w", name, err)
		}
	}
	if l.lacks(answerProgram) == nil && slices.ContainsFunc(selected, hasUring) {
		spec.Maps["uring_names"].MaxEntries = uringNamesKept
		spec.Maps["uring_descriptors"].MaxEntries = uringKept
		spec.Maps["uring_requests"].MaxEntries = uringKept
		if l.answer == events.UringByUserData {
			spec.Maps["uring_second_words"].MaxEntries = uringKept
		}
	}
	return nil
}

func hasUring(e *events.Event) bool {
	return slices.ContainsFunc(e.Hooks, func(h events.Hook) bool { return len(h.Uring) > 0 })
}

// uringTable is what the programs on io_uring's tracepoints look operations up in.
type uringTable struct {
	specs [events.UringOperations]bpf.TraceeUringSpec
}

// The operations of whose requests something is kept until they are answered.
var (
	uringNamed      = []string{"OPENAT", "OPENAT2", "RENAMEAT", "UNLINKAT", "SYMLINKAT"}
	uringDescriptor = []string{"ACCEPT", "CONNECT", "BIND", "LISTEN"}
)

// selectTail makes a tail run for its operations.
func (t *uringTable) selectTail(tail events.UringTail) {
	for _, name := range tail.Operations {
		spec := &t.specs[slices.Index(events.OperationsOfUring(), name)]
		spec.Flags |= events.UringActive
		if slices.Contains(uringNamed, name) {
			spec.Flags |= events.UringNames
		}
		if slices.Contains(uringDescriptor, name) {
			spec.Flags |= events.UringFD
		}
		addTail(spec.Answered[:], uint8(tailIndex(tail.Program)))
		if tail.Unanswered != "" {
			addTail(spec.Unanswered[:], uint8(tailIndex(tail.Unanswered)))
		}
	}
}

// attachUring adds to an attached hook what sees the same done through an io_uring. An event whose hook is attached goes
// without if the kernel does not let us.
func (t *Tracer) attachUring(l *loader, a *Attachment) {
	if !a.Attached || len(a.hook.Uring) == 0 {
		return
	}
	for _, tail := range a.hook.Uring {
		if err := t.attachUringTail(l, tail); err != nil {
			a.Err = errors.Join(a.Err, fmt.Errorf("what is done by io_uring is not seen: %w", err))
			t.log.Warn("what is done by io_uring is not seen", "event", a.Event.Name, "reason", err)
			return
		}
	}
}

func (t *Tracer) attachUringTail(l *loader, tail events.UringTail) error {
	if err := l.uring.lacks(answerProgram); err != nil {
		return err
	}
	if err := t.loadTail(l, "uring_tails", tail.Program); err != nil {
		return err
	}
	if tail.Unanswered != "" {
		if err := t.loadTail(l, "uring_unanswered_tails", tail.Unanswered); err != nil {
			return err
		}
	}
	if err := t.attachTogether(l, []string{submitProgram, answerProgram}); err != nil {
		return err
	}
	t.uring.selectTail(tail)
	return nil
}

// install gives the table to the kernel side.
func (t *uringTable) install(variables map[string]*ebpf.Variable) error {
	if err := variables["uring_specs"].Set(t.specs[:]); err != nil {
		return fmt.Errorf("install uring_specs: %w", err)
	}
	return nil
}
