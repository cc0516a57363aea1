package bpf

import (
	"strings"
	"testing"
)

func TestProgramsOfUnwantedSectionsAreLeftOutAndNoOthers(t *testing.T) {
	unwanted := func(section string) bool { return strings.HasPrefix(section, "kprobe/") }
	for _, callbacks := range []bool{true, false} {
		all, err := Load(callbacks, func(string) bool { return false })
		if err != nil {
			t.Fatal(err)
		}
		some, err := Load(callbacks, unwanted)
		if err != nil {
			t.Fatal(err)
		}
		left := 0
		for name, want := range all.Programs {
			got := some.Programs[name]
			switch {
			case unwanted(want.SectionName):
				left++
				if got != nil {
					t.Errorf("callbacks %t: %s is there", callbacks, name)
				}
			case got == nil:
				t.Errorf("callbacks %t: %s of section %s is missing", callbacks, name, want.SectionName)
			case got.Instructions.Size() != want.Instructions.Size() || got.AttachTo != want.AttachTo || got.Type != want.Type:
				t.Errorf("callbacks %t: %s is another program", callbacks, name)
			}
		}
		if left == 0 || len(some.Programs)+left != len(all.Programs) {
			t.Errorf("callbacks %t: %d of %d programs are there, %d are unwanted", callbacks, len(some.Programs), len(all.Programs), left)
		}
		if len(some.Maps) != len(all.Maps) || len(some.Variables) != len(all.Variables) {
			t.Errorf("callbacks %t: %d maps and %d variables, want %d and %d", callbacks,
				len(some.Maps), len(some.Variables), len(all.Maps), len(all.Variables))
		}
	}
}
