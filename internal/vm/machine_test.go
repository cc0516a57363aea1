package vm

import (
	"slices"
	"strings"
	"testing"

	"github.com/tracee-go/tracee/internal/vm/wire"
)

func TestEveryKernelHasAMachine(t *testing.T) {
	for _, kernel := range Kernels {
		g := guest{cfg: Config{Kernel: kernel, Image: "/vmlinuz"}, initrd: "/initrd", console: "/console"}
		m, known := machines[kernel.Arch]
		if !known || wire.Ports[string(kernel.Arch)] == "" {
			t.Errorf("%s: no machine or no line to the host for %q", kernel.Name, kernel.Arch)
		}
		arguments := g.arguments()
		line := arguments[slices.Index(arguments, "-append")+1]
		for _, want := range []string{"console=" + m.console + " ", "panic=-1", kernel.Parameters} {
			if !strings.Contains(line, want) {
				t.Errorf("%s: got command line %q, want %q in it", kernel.Name, line, want)
			}
		}
	}
}

func TestKernelsHaveDifferentNames(t *testing.T) {
	seen := map[string]bool{}
	for _, kernel := range Kernels {
		if seen[kernel.Name] {
			t.Errorf("two kernels are called %s: they would share a directory", kernel.Name)
		}
		seen[kernel.Name] = true
		if found, ok := LookupKernel(kernel.Name); !ok || found != kernel {
			t.Errorf("%s: got %+v, %t", kernel.Name, found, ok)
		}
	}
}
