package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/rules"
	"github.com/tracee-go/tracee/signatures"
	"github.com/tracee-go/tracee/tracer"
	"github.com/tracee-go/tracee/types/trace"
)

// diagnosis is what can be seen on this machine, and what stands in the way of more.
type diagnosis struct {
	Kernel     kernelFacts          `json:"kernel"`
	Events     []eventDiagnosis     `json:"events"`
	Signatures []signatureDiagnosis `json:"signatures"`
	Needs      []needDiagnosis      `json:"needs"`
}

// kernelFacts decide which rungs there are.
type kernelFacts struct {
	Release  string `json:"release"`
	BTF      string `json:"btf"`
	Lockdown string `json:"lockdown"`
	LSM      string `json:"lsm"`
	Cgroup   string `json:"cgroup"`
	Rungs    []rung `json:"rungs"`
}

// rung says whether programs of a rung work on this kernel.
type rung struct {
	Name      string `json:"name"`
	Available bool   `json:"available"`
	Reason    string `json:"reason,omitempty"` // why not
}

type eventDiagnosis struct {
	Name     string   `json:"name"`
	ID       int      `json:"id"`
	Syscall  bool     `json:"syscall,omitempty"`
	Attached bool     `json:"attached"`
	Rung     string   `json:"rung,omitempty"` // empty: a plain syscall, or made in user space
	Reasons  []string `json:"reasons,omitempty"`
	Unseen   string   `json:"unseen,omitempty"`
}

type signatureDiagnosis struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Works   bool     `json:"works"`
	Missing []string `json:"missing,omitempty"` // events that it needs and that can not be had
	Partial []string `json:"partial,omitempty"` // events that it needs and that do not see everything
}

// narrowest is the least width that texts are set in.
const narrowest = 40

const doctorHelp = `tracee doctor: say what can be seen on this machine, and what stands in the way of more

Usage:
  tracee doctor [flags]`

func doctorFlags(asJSON *bool) *pflag.FlagSet {
	flags := pflag.NewFlagSet("tracee doctor", pflag.ContinueOnError)
	flags.BoolVar(asJSON, "json", false, "print the diagnosis as JSON")
	return flags
}

// needDiagnosis is which of the events of a name the kernel side sends for the signatures.
type needDiagnosis struct {
	Name string `json:"name"`
	Some bool   `json:"some"` // and not all
	Sent string `json:"sent"`
}

// doctor is the command "tracee doctor": it attaches everything, says how that went, and leaves nothing behind.
func doctor(args []string, stdout io.Writer) error {
	var asJSON bool
	flags := doctorFlags(&asJSON)
	if done, err := parseSubcommand(flags, args, doctorHelp, stdout); done || err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q (try --help)", flags.Arg(0))
	}
	d, err := diagnose()
	if err != nil {
		return err
	}
	if asJSON {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(d)
	}
	_, err = stdout.Write(d.text(lineWidth(stdout)))
	return err
}

func diagnose() (*diagnosis, error) {
	selection := slices.DeleteFunc(events.InSet(events.AllEvents), func(e *events.Event) bool {
		return e == events.SysEnter || e == events.SysExit // they see every syscall, as the others do together
	})
	t, err := tracer.New(tracer.Config{Events: selection})
	if err != nil {
		return nil, err
	}
	d := &diagnosis{Kernel: kernel(t)}
	for _, a := range t.Attachments() {
		if a.Event.Internal { // what is derived of it says the same
			continue
		}
		d.Events = append(d.Events, diagnoseEvent(a))
	}
	d.diagnoseSignatures()
	return d, errors.Join(d.diagnoseNeeds(), t.Close())
}

func diagnoseEvent(a tracer.Attachment) eventDiagnosis {
	e := eventDiagnosis{
		Name: a.Event.Name, ID: a.Event.ID, Syscall: a.Event.Syscall, Attached: a.Attached, Rung: a.Rung.String(),
	}
	if a.Err != nil {
		e.Reasons = slices.Compact(strings.Split(a.Err.Error(), "\n"))
	}
	if a.Rung == trace.Tracepoint || a.Rung == trace.Cgroup {
		e.Unseen = a.Event.Unseen
	}
	return e
}

func (d *diagnosis) diagnoseSignatures() {
	for _, s := range signatures.All() {
		metadata, err := s.GetMetadata()
		selectors, err2 := s.GetSelectedEvents()
		if err := errors.Join(err, err2); err != nil { // a built-in one does not fail
			continue
		}
		found := signatureDiagnosis{ID: metadata.ID, Name: metadata.Name, Works: true}
		for _, selector := range selectors {
			i := slices.IndexFunc(d.Events, func(e eventDiagnosis) bool { return e.Name == selector.Name })
			switch {
			case i < 0 || !d.Events[i].Attached:
				found.Works = false
				found.Missing = append(found.Missing, selector.Name)
			case d.Events[i].Unseen != "":
				found.Partial = append(found.Partial, selector.Name)
			}
		}
		d.Signatures = append(d.Signatures, found)
	}
}

func (d *diagnosis) diagnoseNeeds() error {
	engine, refused := rules.New(rules.Config{Signatures: signatures.All()})
	needed, err := needsOf(engine)
	for _, n := range needed {
		d.Needs = append(d.Needs, needDiagnosis{Name: n.event.Name, Some: n.inKernel(), Sent: n.text()})
	}
	return errors.Join(append(refused, err)...)
}

func kernel(t *tracer.Tracer) kernelFacts {
	facts := kernelFacts{
		Release: kernelRelease(), BTF: "none", Cgroup: cgroupVersion(),
		Lockdown: securityFile("lockdown"), LSM: securityFile("lsm"),
	}
	if path := cmp.Or(os.Getenv("TRACEE_BTF_FILE"), "/sys/kernel/btf/vmlinux"); fileExists(path) {
		facts.BTF = path
	}
	for _, r := range []trace.Rung{trace.LSM, trace.Fentry, trace.Kprobe, trace.Tracepoint, trace.Cgroup} {
		one := rung{Name: r.String(), Available: true}
		if err := t.Lacks(r); err != nil {
			one.Available, one.Reason = false, err.Error()
		}
		facts.Rungs = append(facts.Rungs, one)
	}
	return facts
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

const securityfs = "/sys/kernel/security"

// securityFile reads a line of securityfs.
func securityFile(name string) string {
	line, err := os.ReadFile(filepath.Join(securityfs, name))
	if err == nil {
		return strings.TrimSpace(string(line))
	}
	if files, _ := os.ReadDir(securityfs); len(files) == 0 {
		return "unknown (securityfs is not mounted)"
	}
	return "none"
}

// cgroupVersion tells how the hierarchies of control groups are mounted where everybody mounts them.
func cgroupVersion() string {
	var root unix.Statfs_t
	switch err := unix.Statfs("/sys/fs/cgroup", &root); {
	case err != nil:
		return "unknown (/sys/fs/cgroup: " + err.Error() + ")"
	case root.Type == unix.CGROUP2_SUPER_MAGIC:
		return "v2"
	case fileExists("/sys/fs/cgroup/unified"):
		return "v1 and v2"
	case root.Type == unix.TMPFS_MAGIC:
		return "v1"
	default:
		return "none mounted"
	}
}

// text lays the diagnosis out for people, in lines of a width; 0: as long as they are.
func (d *diagnosis) text(width int) []byte {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	d.printKernel(w)
	d.printEvents(w, width)
	d.printSignatures(w)
	d.printNeeds(w)
	_ = w.Flush() // to memory
	return []byte(b.String())
}

func (d *diagnosis) printKernel(w io.Writer) {
	k := d.Kernel
	fmt.Fprintf(w, "Kernel\n  release\t%s\n  type information\t%s\n  lockdown\t%s\n  security modules\t%s\n  control groups\t%s\n",
		k.Release, k.BTF, k.Lockdown, k.LSM, k.Cgroup)
	fmt.Fprint(w, "\nRungs, best first\n")
	for _, r := range k.Rungs {
		fmt.Fprintf(w, "  %s\t%s\n", r.Name, yesOr(r.Available, "no: "+strings.TrimPrefix(r.Reason, r.Name+": ")))
	}
}

func yesOr(yes bool, otherwise string) string {
	if yes {
		return "yes"
	}
	return otherwise
}

func (d *diagnosis) printEvents(w io.Writer, width int) {
	syscalls, left, column := 0, 0, 0
	for _, e := range d.Events {
		if e.Syscall && e.Attached {
			syscalls++
		}
		if !e.Attached {
			left++
		}
		column = max(column, len("  "+e.Name+"  "))
	}
	told := map[string]string{} // what is not seen, and the first event of which that was said
	fmt.Fprintf(w, "\nEvents: %d syscalls and %d others; not available: %d\n",
		syscalls, len(d.Events)-syscalls-left, left)
	for _, e := range d.Events {
		if e.Syscall && e.Attached {
			continue
		}
		fmt.Fprintf(w, "  %s\t%s\n", e.Name, d.standing(e))
		if e.Unseen == "" {
			continue
		}
		unseen := e.Unseen
		if first, again := told[unseen]; again {
			unseen = "as for " + first
		} else {
			told[unseen] = e.Name
		}
		var lines strings.Builder
		writeLines(&lines, "  ", "unseen: "+unseen, max(width-column, min(width, narrowest)))
		for line := range strings.Lines(lines.String()) {
			fmt.Fprintf(w, "  \t%s", line)
		}
	}
}

// standing is the rung of an event, and why it has no better one. Rungs that this kernel lacks altogether are only named.
func (d *diagnosis) standing(e eventDiagnosis) string {
	var lacking, reasons []string
	for _, reason := range e.Reasons {
		i := slices.IndexFunc(d.Kernel.Rungs, func(r rung) bool { return r.Reason == reason })
		if i < 0 {
			reasons = append(reasons, reason)
			continue
		}
		if name := d.Kernel.Rungs[i].Name; !slices.Contains(lacking, name) { // by two programs
			lacking = append(lacking, name)
		}
	}
	line := cmp.Or(e.Rung, "user space")
	if !e.Attached {
		line = "not available"
	}
	if len(lacking) > 0 {
		line += " (not " + strings.Join(lacking, ", ") + ")"
	}
	if len(reasons) > 0 {
		line += ": " + strings.Join(reasons, "; ")
	}
	return line
}

func (d *diagnosis) printNeeds(w io.Writer) {
	fmt.Fprint(w, "\nEvents of which the kernel sends only what signatures look for\n")
	for _, n := range d.Needs {
		if n.Some {
			fmt.Fprintf(w, "  %s\t%s\n", n.Name, n.Sent)
		}
	}
}

func (d *diagnosis) printSignatures(w io.Writer) {
	silent, partly := 0, 0
	for _, s := range d.Signatures {
		switch {
		case !s.Works:
			silent++
		case len(s.Partial) > 0:
			partly++
		}
	}
	fmt.Fprintf(w, "\nSignatures: %d; in part: %d; can not fire: %d\n", len(d.Signatures), partly, silent)
	for _, s := range d.Signatures {
		state := yesOr(s.Works, "can not fire: no "+strings.Join(s.Missing, ", "))
		if s.Works && len(s.Partial) > 0 {
			state = "yes, as far as seen: " + strings.Join(s.Partial, ", ")
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\n", s.ID, s.Name, state)
	}
}
