package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"kernel.org/pub/linux/libs/security/libcap/cap"

	"github.com/tracee-go/tracee/internal/confine"
	"github.com/tracee-go/tracee/internal/suggest"
)

// capabilityOptions are the flags about what the process may still do once it traces.
type capabilityOptions struct {
	values      []string
	allowFailed bool // go on if the rest can not be given up
	cancel      bool // give up nothing
	seccomp     bool // give up system calls, too
	more, less  []cap.Value
}

func (o *capabilityOptions) add(flags *pflag.FlagSet) {
	flags.StringArrayVar(&o.values, "caps", nil, "`option` of giving up capabilities; may be repeated; 'help' says more")
	addAllowFailed(flags, &o.allowFailed)
	flags.BoolVar(&o.seccomp, "seccomp", true, "once it traces, do without the system calls that a sensor has no use for")
}

func addAllowFailed(flags *pflag.FlagSet, allow *bool) {
	flags.BoolVar(allow, "allow-high-capabilities", false, "go on when capabilities can not be dropped (also --ahc)")
}

func (o *capabilityOptions) wantsHelp() bool { return slices.Equal(o.values, []string{"help"}) }

// switches of --caps, with their documentation.
var capabilitySwitches = []struct {
	name, doc string
	set       func(*capabilityOptions)
}{
	{"allow-failed-drop", "go on when capabilities can not be dropped", func(o *capabilityOptions) { o.allowFailed = true }},
	{"cancel-drop", "keep all capabilities", func(o *capabilityOptions) { o.cancel = true }},
}

func (o *capabilityOptions) parse() error {
	for _, value := range o.values {
		if err := o.addValue(value); err != nil {
			return err
		}
	}
	return nil
}

func (o *capabilityOptions) addValue(value string) error {
	for _, s := range capabilitySwitches {
		if s.name == value {
			s.set(o)
			return nil
		}
	}
	if names, ok := strings.CutPrefix(value, "add!="); ok {
		return addCapabilities(&o.less, names)
	}
	if names, ok := strings.CutPrefix(value, "add="); ok {
		return addCapabilities(&o.more, names)
	}
	known := []string{"add="}
	for _, s := range capabilitySwitches {
		known = append(known, s.name)
	}
	return fmt.Errorf("invalid caps option: %s, use '--caps help' for more info%s", value, suggest.DidYouMean(value, known))
}

func addCapabilities(to *[]cap.Value, names string) error {
	for name := range strings.SplitSeq(names, ",") {
		c, err := cap.FromName(strings.ToLower(name))
		if err != nil {
			return fmt.Errorf("invalid capability: %q%s", name, suggest.DidYouMean(name, capabilityNames()))
		}
		*to = append(*to, c)
	}
	return nil
}

func capabilityNames() []string {
	names := make([]string, cap.NamedCount)
	for i := range names {
		names[i] = cap.Value(i).String()
	}
	return names
}

// kept are the capabilities that tracing needs once everything is attached, with what for.
var kept = []struct {
	cap.Value
	doc string
}{
	{cap.BPF, "look at the kernel's memory, which is done from time to time"},
	{cap.PERFMON, "the same"},
	{cap.SYS_PTRACE, "learn which program a process runs, and read its libraries and what it copies"},
	{cap.DAC_READ_SEARCH, "read programs, libraries and copies whatever their permissions"},
	{cap.SYSLOG, "read the kernel's symbols, when a module is loaded"},
}

// forArtifacts is kept, too, where artifacts are: the directory may be another user's.
func (o *capabilityOptions) forArtifacts(enabled bool) {
	if enabled {
		o.more = append(o.more, cap.DAC_OVERRIDE)
	}
}

// forReloads is kept where other programs may have to be attached: those of packets need it.
func (o *capabilityOptions) forReloads(expected bool) {
	if expected {
		o.more = append(o.more, cap.NET_ADMIN)
	}
}

// keep are the capabilities that the process keeps, among those it has.
func (o *capabilityOptions) keep() []cap.Value {
	var keep []cap.Value
	for _, k := range kept {
		keep = append(keep, k.Value)
	}
	if has, err := cap.GetProc().GetFlag(cap.Permitted, cap.BPF); err == nil && !has {
		keep = append(keep, cap.SYS_ADMIN) // which stands for it
	}
	keep = append(keep, o.more...)
	return slices.DeleteFunc(keep, func(c cap.Value) bool { return slices.Contains(o.less, c) })
}

// drop gives up what the process does not need any more: capabilities, privileges of what it could execute, system calls.
func (o *capabilityOptions) drop(log *slog.Logger) error {
	if o.cancel {
		log.Info("all capabilities are kept (--caps cancel-drop)")
	} else if err := giveUp(o.keep(), o.allowFailed, log); err != nil {
		return err
	}
	refuseMore(log)
	if !o.seccomp {
		return nil
	}
	if err := confine.Calls(); err != nil { // a kernel without seccomp
		log.Warn("all system calls are kept", "error", err)
	}
	return nil
}

// refuseMore sees to it that no program which this process could execute has more privileges.
func refuseMore(log *slog.Logger) {
	if err := confine.NoNewPrivileges(); err != nil {
		log.Warn("programs could be executed with more privileges", "error", err)
	}
}

// giveUp drops all capabilities but those to keep. If that fails and may fail, it is a warning.
func giveUp(keep []cap.Value, mayFail bool, log *slog.Logger) error {
	err := keepOnly(keep)
	switch {
	case err == nil:
		log.Info("capabilities are dropped", "kept", fmt.Sprint(keep))
		return nil
	case mayFail:
		log.Warn("running with capabilities that are not needed", "error", err)
		return nil
	default:
		return fmt.Errorf("drop capabilities: %w - to avoid this error use the --allow-high-capabilities flag", err)
	}
}

// keepOnly gives up all other capabilities of all threads, and of what the process could execute where that is allowed.
func keepOnly(keep []cap.Value) error {
	now := cap.GetProc()
	canDropBound, err := now.GetFlag(cap.Effective, cap.SETPCAP)
	if err != nil {
		return err
	}
	if canDropBound {
		for c := range cap.MaxBits() {
			if slices.Contains(keep, c) {
				continue
			}
			if err := cap.DropBound(c); err != nil {
				return fmt.Errorf("bounding set: %s: %w", c, err)
			}
		}
	}
	left := cap.NewSet()
	for _, c := range keep {
		if has, err := now.GetFlag(cap.Permitted, c); err != nil || !has {
			continue
		}
		if err := errors.Join(left.SetFlag(cap.Permitted, true, c), left.SetFlag(cap.Effective, true, c)); err != nil {
			return err
		}
	}
	return left.SetProc()
}

func capabilitiesHelp() string {
	var b strings.Builder
	b.WriteString("Once everything is attached, the process keeps only the capabilities that it still needs:\n\n")
	for _, k := range kept {
		fmt.Fprintf(&b, "  %-24s %s\n", k, k.doc)
	}
	fmt.Fprintf(&b, "  %-24s %s\n", cap.DAC_OVERRIDE, "with --capture, keep artifacts in a directory of another user's")
	fmt.Fprintf(&b, "  %-24s %s\n", cap.NET_ADMIN, "with files of settings, policies or rules, attach programs of packets when they change")
	b.WriteString("\nOptions:\n")
	for _, s := range capabilitySwitches {
		fmt.Fprintf(&b, "  %-24s %s\n", s.name, s.doc)
	}
	fmt.Fprintf(&b, "  %-24s %s\n", "add=cap_x[,cap_y…]", "keep these, too")
	fmt.Fprintf(&b, "  %-24s %s\n", "add!=cap_x[,cap_y…]", "do not keep these; what needs them fails then")
	b.WriteString("\nExamples:\n  --caps add=cap_kill,cap_sys_admin\n  --caps add!=cap_dac_read_search\n  --caps allow-failed-drop\n")
	return b.String()
}
