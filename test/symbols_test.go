package test

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
)

// The running kernel is often newer than the headers that the tables of names are compared with elsewhere.
func TestNamesOfNumbersAreThoseOfTheKernel(t *testing.T) {
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		t.Skip("no type information of the kernel:", err)
	}
	enumerators := map[string]uint64{}
	for typ := range kernel.All() {
		if enum, ok := typ.(*btf.Enum); ok {
			for _, v := range enum.Values {
				enumerators[v.Name] = v.Value
			}
		}
	}
	table, err := os.ReadFile("../events/symbols.txt")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the table of names is not here: tests run without the sources")
	}
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for line := range strings.Lines(string(table)) {
		row, _, _ := strings.Cut(strings.TrimSpace(line), " & ")
		name, text, given := strings.Cut(row, " = ")
		want, known := enumerators[name]
		if !given || !known {
			continue
		}
		compared++
		if got, err := strconv.ParseUint(text, 0, 64); err != nil || got != want {
			t.Errorf("%s: got %s, want %d", name, text, want)
		}
	}
	if compared < 50 {
		t.Errorf("only %d names were compared", compared)
	}
	t.Logf("%d names compared", compared)
}
