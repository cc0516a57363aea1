package cli

import (
	"slices"
	"testing"
)

func TestOutputFlagsAreReadInAllTheirForms(t *testing.T) {
	json := outputOptions{format: "json"}
	for _, test := range []struct {
		args []string
		want outputOptions
	}{
		{nil, outputOptions{format: "table", parseArguments: true}},
		{[]string{"-o", "table-verbose"}, outputOptions{format: "table-verbose"}},
		{[]string{"-o", "json"}, json},
		{[]string{"-o=json"}, json},
		{[]string{"-output", "json"}, json},
		{[]string{"-output=json"}, json},
		{[]string{"--output", "format:json"}, json},
		{[]string{"--output=format:json"}, json},
		{[]string{"-o", "gob", "-o", "json"}, json},
		{
			[]string{"-o", "option:exec-env", "-o", "json", "-o", "option:detect-syscall", "-o", "option:relative-time"},
			outputOptions{format: "json", execEnv: true, detectSyscall: true, relativeTime: true},
		},
		{[]string{"-o", "json", "-o", "option:parse-arguments"}, outputOptions{format: "json", parseArguments: true}},
		{[]string{"-o", "gotemplate=/a=b:c"}, outputOptions{format: "gotemplate", template: "/a=b:c"}},
		{
			[]string{"-o", "none", "-o", "out-file:/nowhere/a:b", "-o", "err-file:/nowhere/c"},
			outputOptions{format: "none", outFile: "/nowhere/a:b", errFile: "/nowhere/c"},
		},
	} {
		var o ebpfOptions
		if help, err := o.parse(test.args); help != "" || err != nil {
			t.Errorf("%q: got help %q and error %v", test.args, help, err)
		}
		if o.output != test.want {
			t.Errorf("%q: got %+v, want %+v", test.args, o.output, test.want)
		}
	}
}

func TestValuesOfRepeatedFlagsAreKeptWhole(t *testing.T) {
	var o ebpfOptions
	help, err := o.parse([]string{"-t", "event=open*,close", "--trace=uid>0", "-trace", "pid=1,2", "-t=comm=a=b"})
	if help != "" || err != nil {
		t.Fatalf("got help %q and error %v", help, err)
	}
	if want := []string{"event=open*,close", "uid>0", "pid=1,2", "comm=a=b"}; !slices.Equal(o.traceFlags, want) {
		t.Errorf("got %q, want %q", o.traceFlags, want)
	}
}
