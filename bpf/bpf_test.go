package bpf

import (
	"strings"
	"testing"

	"github.com/cilium/ebpf"
)

func TestUnwantedProgramsAreLeftOutAndNoOthers(t *testing.T) {
	everything := func(string, string) bool { return true }
	for _, callbacks := range []bool{true, false} {
		object, err := Open(callbacks)
		if err != nil {
			t.Fatal(err)
		}
		read := func(wanted func(program, section string) bool) *ebpf.CollectionSpec {
			t.Helper()
			spec, err := object.Spec(wanted)
			if err != nil {
				t.Fatal(err)
			}
			return spec
		}
		all := read(everything)
		for what, wanted := range map[string]func(program, section string) bool{
			"by section": func(_, section string) bool { return !strings.HasPrefix(section, "kprobe/") },
			"by name":    func(program, _ string) bool { return program == "sys_exit" || program == "task_rename" },
			"nothing":    func(string, string) bool { return false },
		} {
			some := read(wanted)
			sections := map[string]bool{} // with something that is wanted
			for name, p := range all.Programs {
				sections[p.SectionName] = sections[p.SectionName] || wanted(name, p.SectionName)
			}
			for name, want := range all.Programs {
				got := some.Programs[name]
				switch {
				case !sections[want.SectionName]:
					if got != nil {
						t.Errorf("%s, callbacks %t: %s is there", what, callbacks, name)
					}
				case got == nil:
					t.Errorf("%s, callbacks %t: %s of section %s is missing", what, callbacks, name, want.SectionName)
				case got.Instructions.Size() != want.Instructions.Size() || got.AttachTo != want.AttachTo || got.Type != want.Type:
					t.Errorf("%s, callbacks %t: %s is another program", what, callbacks, name)
				}
			}
			if len(some.Programs) >= len(all.Programs) {
				t.Errorf("%s, callbacks %t: %d of %d programs are there", what, callbacks, len(some.Programs), len(all.Programs))
			}
			for name := range all.Maps {
				if some.Maps[name] == nil && !strings.HasPrefix(name, ".rodata.") {
					t.Errorf("%s, callbacks %t: map %s is missing", what, callbacks, name)
				}
			}
			if len(some.Variables) != len(all.Variables) {
				t.Errorf("%s, callbacks %t: %d variables, want %d", what, callbacks, len(some.Variables), len(all.Variables))
			}
		}
		if again := read(everything); len(again.Programs) != len(all.Programs) {
			t.Errorf("callbacks %t: %d programs, then %d", callbacks, len(all.Programs), len(again.Programs))
		}
	}
}
