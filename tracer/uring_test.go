package tracer

import (
	"bytes"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/tracee-go/tracee/events"
)

// tracepoints are the types of a kernel that has these tracepoints, with the names of what their arguments point to;
// empty for one that is a number.
func tracepoints(t *testing.T, prototypes map[string][]string) *btf.Spec {
	t.Helper()
	number := &btf.Int{Name: "int", Size: 4}
	var types []btf.Type
	for name, arguments := range prototypes {
		prototype := &btf.FuncProto{Return: &btf.Void{}, Params: []btf.FuncParam{{Type: &btf.Pointer{Target: &btf.Void{}}}}}
		for _, argument := range arguments {
			var of btf.Type = number
			if argument != "" {
				of = &btf.Pointer{Target: &btf.Struct{Name: argument, Size: 4, Members: []btf.Member{{Name: "x", Type: number}}}}
			}
			prototype.Params = append(prototype.Params, btf.FuncParam{Type: of})
		}
		types = append(types, &btf.Typedef{Name: "btf_trace_" + name, Type: &btf.Pointer{Target: prototype}})
	}
	builder, err := btf.NewBuilder(types, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := builder.Marshal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func TestUringLayoutIsReadInTheKernelsTypes(t *testing.T) {
	numbers := func(n int) []string { return make([]string, n) }
	for _, row := range []struct {
		name       string
		prototypes map[string][]string
		want       uringLayout
		lacks      string
	}{
		{"5.15", map[string][]string{"io_uring_submit_sqe": numbers(7), "io_uring_complete": numbers(4)},
			uringLayout{submit: "io_uring_submit_sqe", second: true, answer: events.UringByUserData}, ""},
		{"6.1", map[string][]string{"io_uring_submit_sqe": {"io_kiocb", ""}, "io_uring_complete": numbers(7)},
			uringLayout{submit: "io_uring_submit_sqe", answer: events.UringByRequest}, ""},
		{"6.12", map[string][]string{"io_uring_submit_req": {"io_kiocb"}, "io_uring_complete": numbers(7)},
			uringLayout{submit: "io_uring_submit_req", answer: events.UringByRequest}, ""},
		{"6.18", map[string][]string{"io_uring_submit_req": {"io_kiocb"}, "io_uring_complete": {"io_ring_ctx", "", "io_uring_cqe"}},
			uringLayout{submit: "io_uring_submit_req", answer: events.UringByStruct}, ""},
		{"5.10 as released", map[string][]string{"io_uring_submit_sqe": numbers(5), "io_uring_complete": numbers(3)},
			uringLayout{submit: "io_uring_submit_sqe"}, "does not tell the request"},
		{"unknown answers", map[string][]string{"io_uring_submit_req": {"io_kiocb"}, "io_uring_complete": numbers(3)},
			uringLayout{submit: "io_uring_submit_req"}, "arguments that are not known"},
		{"none", map[string][]string{"sys_exit": {"pt_regs", ""}}, uringLayout{submit: "io_uring_submit_sqe"}, "no tracepoint"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := findUringLayout(tracepoints(t, row.prototypes))
			lacks := got.lacks(answerProgram)
			got.submitErr, got.answerErr = nil, nil
			if got != row.want {
				t.Errorf("got %+v, want %+v", got, row.want)
			}
			if row.lacks == "" && lacks != nil || row.lacks != "" && (lacks == nil || !strings.Contains(lacks.Error(), row.lacks)) {
				t.Errorf("got error %v, want one about %q", lacks, row.lacks)
			}
		})
	}
}
