package tracer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/internal/kallsyms"
	"github.com/tracee-go/tracee/types/trace"
)

const enabledFunctions = "enabled_functions"

// An ftraceHook is a function that is called before another one, in the form of the event.
type ftraceHook struct {
	symbol, trampoline, callback, owner, flags string
	offset                                     int64
	count                                      uint64
}

// openFtrace mounts tracefs where nobody sees it: the mount has no place in the tree of files, and ends with the tracer.
func (s *scanner) openFtrace() (func(occasion, emitter) error, error) {
	tracefs, err := mountTracefs()
	if err != nil {
		return nil, err
	}
	s.tracefs = tracefs
	if _, err := s.ftraceHooks(); err != nil {
		return nil, err
	}
	told := map[ftraceHook]bool{}
	return func(_ occasion, emit emitter) error {
		hooks, err := s.ftraceHooks()
		if err != nil {
			return err
		}
		now := map[ftraceHook]bool{}
		for _, h := range hooks {
			same := h
			same.count = 0 // changes when others hook the same function
			now[same] = true
			if !told[same] {
				emit(h.put)
			}
		}
		told = now
		return nil
	}, nil
}

// mountTracefs returns a descriptor of a tracefs (Linux 5.2).
func mountTracefs() (*os.File, error) {
	context, err := unix.Fsopen("tracefs", unix.FSOPEN_CLOEXEC)
	if errors.Is(err, unix.ENODEV) {
		return nil, errors.New("this kernel has no tracefs (CONFIG_TRACING)")
	}
	if err != nil {
		return nil, fmt.Errorf("mount tracefs: %w", err)
	}
	defer unix.Close(context)
	if err := unix.FsconfigCreate(context); err != nil {
		return nil, fmt.Errorf("mount tracefs: %w", err)
	}
	mount, err := unix.Fsmount(context, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return nil, fmt.Errorf("mount tracefs: %w", err)
	}
	return os.NewFile(uintptr(mount), "tracefs"), nil
}

// ftraceHooks reads the kernel's list.
func (s *scanner) ftraceHooks() ([]ftraceHook, error) {
	fd, err := unix.Openat(int(s.tracefs.Fd()), enabledFunctions, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil, errors.New("this kernel has no tracer of functions (CONFIG_DYNAMIC_FTRACE)")
	}
	if err != nil {
		return nil, fmt.Errorf("open %s of tracefs: %w", enabledFunctions, explain(err))
	}
	list := os.NewFile(uintptr(fd), enabledFunctions)
	defer list.Close()
	return parseFtrace(list)
}

// Lines of the list look like this, in one line, and with more after it for each further callback:
//
//	kill_something (1) R I   M  tramp: 0xffffffffc0a35000 (callback+0x0/0x80 [module]) ->callback+0x0/0x80 [module]
//	other_function (2)           ->ftrace_ops_list_func+0x0/0x200
//
// A line that begins with a blank belongs to the one before.
var (
	ftraceLine  = regexp.MustCompile(`^(\S+)(?: \[\S+\])? \((\d+)\)([ A-Z]*)(.*)$`)
	ftraceTramp = regexp.MustCompile(`(?:tramp|ops): (\S+)(?: \[\S+\])? \(([^)]+)\)`)
	ftraceCall  = regexp.MustCompile(`^(.+?)(?:\+0x([0-9a-f]+)/0x[0-9a-f]+)?(?: \[(\S+)\])?$`)
)

// parseFtrace returns what calls code outside of the kernel, or changes where a function goes on.
func parseFtrace(list io.Reader) ([]ftraceHook, error) {
	var hooks []ftraceHook
	for lines := bufio.NewScanner(list); lines.Scan(); {
		parts := ftraceLine.FindStringSubmatch(lines.Text())
		if parts == nil {
			continue // of the line before
		}
		count, err := strconv.ParseUint(parts[2], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", enabledFunctions, lines.Text(), err)
		}
		flags := strings.Join(strings.Fields(parts[3]), "")
		callbacks := ftraceTramp.FindAllStringSubmatch(parts[4], -1)
		for _, call := range strings.Split(parts[4], "->")[1:] { // those without a trampoline of their own
			call, _, _ = strings.Cut(call, "\t")
			callbacks = append(callbacks, []string{"", "", strings.TrimSpace(call)})
		}
		seen := map[string]bool{}
		for _, c := range callbacks {
			h := ftraceHook{symbol: parts[1], trampoline: c[1], flags: flags, count: count}
			h.setCallback(c[2])
			if !seen[h.callback] && h.suspicious() {
				hooks = append(hooks, h)
			}
			seen[h.callback] = true
		}
	}
	return hooks, nil
}

// setCallback takes "callback+0x10/0x80 [module]" apart. An address without a symbol belongs to nothing that is known.
func (h *ftraceHook) setCallback(call string) {
	parts := ftraceCall.FindStringSubmatch(call)
	if parts == nil {
		h.callback, h.owner = call, kallsyms.Hidden
		return
	}
	h.callback, h.owner = parts[1], parts[3]
	if h.owner == "" {
		h.owner = kallsyms.System
	}
	if strings.HasPrefix(h.callback, "0x") {
		h.owner = kallsyms.Hidden
	}
	if offset, err := strconv.ParseInt(parts[2], 16, 64); err == nil {
		h.offset = offset
	}
}

// suspicious leaves out the kernel's own: probes and the function tracer. Those who hook by BPF have events of their own.
func (h *ftraceHook) suspicious() bool {
	return h.owner != kallsyms.System && h.owner != "bpf" && !strings.HasPrefix(h.owner, kallsyms.BuiltIn)
}

func (h *ftraceHook) put(b *trace.Builder) {
	b.Text(0, h.symbol)
	if h.trampoline != "" {
		b.Text(1, h.trampoline)
	}
	b.Text(2, h.callback)
	b.Slot(3, uint64(h.offset))
	b.Text(4, h.owner)
	b.Text(5, h.flags)
	b.Slot(6, h.count)
}
