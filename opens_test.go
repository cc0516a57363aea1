package tracee_test

import (
	"go/ast"
	"slices"
	"testing"
)

// openers are functions that open a file by a path and follow links. Whoever calls one has to know who made the path up: if it
// may be a traced process, the file is for internal/library to open, which follows nothing, opens no devices and pipes,
// and reads no more than it was told.
var openers = map[string][]string{
	"os":      {"Create", "Open", "OpenFile", "ReadDir", "ReadFile", "WriteFile"},
	"unix":    {"Creat", "Open", "Openat"},
	"syscall": {"Creat", "Open", "Openat"},
	"elf":     {"Open"},
}

// mayOpen are the files that call openers, and whose paths those are.
var mayOpen = map[string]string{
	"capture/evidence.go":             "the kernel's, in /proc: maps, memory and descriptors of a process, by its number",
	"capture/hold.go":                 "the kernel's, in /proc: descriptors by numbers; read is fdinfo of our own",
	"capture/piece.go":                "the kernel's, in /proc: memory of a process",
	"capture/subject.go":              "the kernel's, in /proc: a process, by its number",
	"cli/doctor.go":                   "the kernel's: security modules",
	"cli/ebpf_options.go":             "the user's: where output goes",
	"cli/environment.go":              "the kernel's: ftrace",
	"cli/live_files.go":               "the user's: settings, policies and rules",
	"cli/report.go":                   "the user's: recordings",
	"cli/rules_files.go":              "the user's: rules",
	"cli/rules_finding.go":            "the user's: a template",
	"cli/rules_input.go":              "the user's: a recorded stream",
	"cli/single.go":                   "ours, without links",
	"cli/top.go":                      "the kernel's, in /proc: memory of ourselves",
	"container/runtimes/file.go":      "of runtimes, without links, and regular files only",
	"internal/cgroup/hierarchy.go":    "the kernel's: mounts and control groups of ourselves and of init",
	"internal/cgroup/running.go":      "the kernel's, in /proc: status and groups of a process, by its number",
	"internal/courier/post.go":        "the user's: certificates and headers",
	"internal/courier/spill.go":       "the user's: where texts wait",
	"internal/footprint/footprint.go": "the kernel's, in /proc: memory of ourselves",
	"internal/kallsyms/kallsyms.go":   "the kernel's: symbols",
	"internal/library/open.go":        "of processes: here it is done as it should be",
	"internal/library/stat.go":        "the kernel's, in /proc: stat of a thread",
	"internal/library/written.go":     "of processes, as open.go does it; read are tables of mounts in /proc",
	"internal/patient/patient.go":     "ours: standard output, by its descriptor",
	"internal/ptytest/ptytest.go":     "the kernel's: terminals, for tests",
	"internal/recording/recording.go": "ours, in the repository",
	"internal/settings/settings.go":   "the user's: settings",
	"policy/file.go":                  "the user's: policies",
	"process/stack.go":                "the kernel's, in /proc: maps and stat of a process, by its number",
	"process/vdso.go":                 "the kernel's, in /proc: memory of ourselves",
	"rules/dir.go":                    "the user's: rules",
	"rules/lineage/seed.go":           "the kernel's: the list of processes",
	"sink/file.go":                    "the user's: where output goes",
	"sink/kafka.go":                   "the user's: a password",
	"tracer/rungs.go":                 "the kernel's: security modules",
	"tracer/scan_ftrace.go":           "the kernel's: functions that are hooked",
	"tracer/scan_modules.go":          "the kernel's: modules",
	"tracer/scan_seqops.go":           "the kernel's: /proc/self/net",
	"tracer/sources.go":               "the user's: type information",
	"tracer/spill.go":                 "the user's: where events wait, in a file without a name",
	"tracer/system.go":                "the kernel's: lockdown",
	"types/detect/cases/cases.go":     "the user's: tests of rules",
}

func TestNobodyOpensWhatAProcessMayHaveNamed(t *testing.T) {
	called := map[string]bool{}
	for _, f := range goFiles(t) {
		if f.test() || f.command() || room(f.dir()) == "test" || room(f.dir()) == "internal/vm" {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			selector, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			from, ok := selector.X.(*ast.Ident)
			if !ok || !slices.Contains(openers[from.Name], selector.Sel.Name) {
				return true
			}
			called[f.path] = true
			if mayOpen[f.path] == "" {
				t.Errorf("%s calls %s.%s: say in mayOpen whose paths it opens, or use internal/library",
					f.positions.Position(n.Pos()), from.Name, selector.Sel.Name)
			}
			return true
		})
	}
	for path := range mayOpen {
		if !called[path] {
			t.Errorf("%s opens nothing: take it out of mayOpen", path)
		}
	}
}
