package cli

import (
	"log/slog"
	"os"
	"strings"
)

// warnOfEnvironment tells of what v0.8 took from the environment and this version does not need, and of a kernel that was
// told not to call programs on its functions.
func warnOfEnvironment(log *slog.Logger, ftrace string) {
	if path := os.Getenv("TRACEE_BPF_FILE"); path != "" {
		log.Warn("TRACEE_BPF_FILE is ignored: the BPF programs are a part of this one", "file", path)
	}
	if state, err := os.ReadFile(ftrace); err == nil && strings.TrimSpace(string(state)) != "1" {
		log.Warn("ftrace is switched off, so that events seen at functions of the kernel are missing: "+
			"write 1 to the file to switch it on", "file", ftrace)
	}
}

const ftraceEnabled = "/proc/sys/kernel/ftrace_enabled"
