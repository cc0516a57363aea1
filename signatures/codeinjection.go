package signatures

import (
	"strings"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

var _ = declare(description{
	id:        "TRC-3",
	aliases:   []string{"TRC-103", "TRC-1024", "TRC-1025"},
	name:      "Code injection",
	doc:       "Possible code injection into another process",
	severity:  high,
	technique: technique{"Defense Evasion", "Process Injection", "T1055", ""},
	tags:      linuxAndContainer,
	response:  "Stop both processes after copying their memory; the one that wrote is the attacker's, the other one runs his code.",
	benign:    "Debuggers that set breakpoints, and tools that repair running programs.",
	events:    []string{"ptrace", "security_file_open", "process_vm_writev"},
	needs: []detect.Need{
		need("ptrace", among("request", pokeText, pokeData)), need("security_file_open", like("pathname", "/proc/*/mem")),
	},
	newMatcher: observing(injects),
})

// injects looks at the three ways to write into the memory of a process. PTRACE_POKEDATA does what PTRACE_POKETEXT does.
func injects(e *trace.Event) (map[string]any, bool) {
	switch e.EventName {
	case "ptrace":
		request := text(e, "request")
		return nil, request == "PTRACE_POKETEXT" || request == "PTRACE_POKEDATA"
	case "process_vm_writev":
		pid, ok := whole(e, "pid")
		return nil, ok && pid != e.ProcessID
	}
	path, flags := text(e, "pathname"), text(e, "flags")
	if !strings.HasSuffix(path, "/mem") || !isProcessMemory(path) || !opensForWriting(flags) {
		return nil, false
	}
	return map[string]any{"file flags": strings.Clone(flags), "file path": strings.Clone(path)}, true
}

// isProcessMemory reports whether a path is that of the memory of a process: /proc/1/mem, /proc/self/mem,
// /proc/1/task/2/mem. The kernel resolves self to a number.
func isProcessMemory(path string) bool {
	path, ok := strings.CutPrefix(path, "/proc/")
	if !ok {
		return false
	}
	path, ok = strings.CutSuffix(path, "/mem")
	if !ok {
		return false
	}
	process, thread, threads := strings.Cut(path, "/task/")
	return isProcess(process) && (!threads || isProcess(thread))
}

// isProcess reports whether a name in /proc is that of a process.
func isProcess(name string) bool {
	return name == "self" || name == "thread-self" || name != "" && strings.Trim(name, "0123456789") == ""
}
