package cli

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/suggest"
	"github.com/tracee-go/tracee/signatures"
	"github.com/tracee-go/tracee/types/detect"
)

const eventsHelp = `tracee events: list the events that can be traced, or say all there is to know about some

Usage:
  tracee events [NAME...]`

// events is the command "tracee events".
func (c *traceeCommand) events(args []string) error {
	flags := pflag.NewFlagSet("tracee events", pflag.ContinueOnError)
	if done, err := parseSubcommand(flags, args, eventsHelp, c.stdout); done || err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return c.print(eventList())
	}
	var b strings.Builder
	for i, name := range flags.Args() {
		e, ok := events.Lookup(name)
		if !ok || e.Internal {
			return fmt.Errorf("unknown event %q%s", name, suggest.DidYouMean(name, eventNames()))
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		describeEvent(&b, e, pageWidth(c.stdout))
	}
	return c.print(b.String())
}

func completeEvents([]string) *completion {
	found := &completion{flags: pflag.NewFlagSet("events", pflag.ContinueOnError)}
	for _, e := range events.InSet(events.AllEvents) {
		found.words = append(found.words, candidate{e.Name, firstSentence(e.Doc)})
	}
	return found
}

// eventList has a line for each event.
func eventList() string {
	var b strings.Builder
	for _, syscalls := range []bool{false, true} {
		fmt.Fprintln(&b, map[bool]string{false: "EVENTS", true: "\nSYSCALLS"}[syscalls])
		for _, e := range events.InSet(events.AllEvents) {
			if e.Syscall == syscalls {
				fmt.Fprintf(&b, "  %-32s %s\n", e.Name, cmp.Or(firstSentence(e.Doc), argumentList(e)))
			}
		}
	}
	return b.String()
}

// describeEvent writes of an event in the form of a manual.
func describeEvent(to io.Writer, e *events.Event, width int) {
	fmt.Fprintf(to, "NAME\n    %s (id %d)\n", e.Name, e.ID)
	section(to, "DESCRIPTION", cmp.Or(e.Doc, "The syscall "+e.Name+", when it returns."), width)
	if len(e.Args) > 0 {
		fmt.Fprint(to, "\nARGUMENTS\n")
		w := tabwriter.NewWriter(to, 0, 8, 2, ' ', 0)
		for _, a := range e.Args {
			fmt.Fprintf(w, "    %s\t%s\t%s\n", a.Name, a.Type.Name, a.Doc)
		}
		_ = w.Flush() // to memory
	}
	section(to, "SETS", strings.Join(setNames(e), ", "), width)
	var rungs []string
	for _, hook := range e.Hooks {
		rungs = append(rungs, hook.Rung.String())
	}
	section(to, "HOOKS, BEST FIRST", strings.Join(slices.Compact(rungs), ", "), width)
	section(to, "WHAT THE LAST OF THEM CAN NOT SEE", e.Unseen, width)
	var from []string
	for _, source := range e.Sources() {
		if !source.Internal {
			from = append(from, source.Name)
		}
	}
	section(to, "MADE IN USER SPACE OF", strings.Join(from, ", "), width)
	var by []string
	for _, d := range signatures.Describe() {
		if slices.Contains(d.Events, e.Name) {
			by = append(by, d.ID)
		}
	}
	section(to, "SIGNATURES THAT LOOK AT IT", strings.Join(by, ", "), width)
	section(to, "EXAMPLE", "tracee-ebpf --trace event="+e.Name, width)
}

// section writes a text below a heading, broken into lines. Without a text, there is no section.
func section(to io.Writer, heading, text string, width int) {
	if text == "" {
		return
	}
	fmt.Fprintf(to, "\n%s\n", heading)
	writeLines(to, "    ", text, width)
}

// writeLines writes a text, broken into lines of a width that are indented alike; 0: it is one line.
func writeLines(to io.Writer, indent, text string, width int) {
	if width == 0 {
		fmt.Fprintln(to, indent+text)
		return
	}
	line := indent
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == indent:
			line += word
		case len(line)+1+len(word) > width:
			fmt.Fprintln(to, line)
			line = indent + word
		default:
			line += " " + word
		}
	}
	fmt.Fprintln(to, line)
}

// lineWidth is that of a terminal, and 0 elsewhere.
func lineWidth(to io.Writer) int {
	if !terminal(to) {
		return 0
	}
	return pageWidth(to.(*os.File))
}

// pageWidth is how wide texts are set: as the terminal, within reason.
func pageWidth(to *os.File) int {
	width, _, err := term.GetSize(int(to.Fd()))
	if err != nil || width <= 0 {
		return 80
	}
	return min(max(width, 40), 100)
}

const signaturesHelp = `tracee rules: list the signatures, or say all there is to know about some

Usage:
  tracee rules [--rules-dir directory] [ID...]`

func rulesDirFlags(shared *rulesCommand) *pflag.FlagSet {
	flags := pflag.NewFlagSet("tracee rules", pflag.ContinueOnError)
	flags.StringVar(&shared.rulesDir, "rules-dir", defaultRulesDir(), "`directory` of rule files, beside the built-in signatures")
	return flags
}

// explainRules is the command "tracee rules".
func (c *traceeCommand) explainRules(args []string) error {
	shared := &rulesCommand{stdout: c.stdout, stderr: c.stderr, log: slog.New(slog.DiscardHandler)}
	flags := rulesDirFlags(shared)
	if done, err := parseSubcommand(flags, args, signaturesHelp, c.stdout); done || err != nil {
		return err
	}
	shared.rulesDirGiven = flags.Changed("rules-dir")
	if flags.NArg() == 0 {
		loaded, err := shared.loadSignatures()
		if err != nil {
			return err
		}
		return c.print(signatureList(loaded))
	}
	for _, id := range flags.Args() {
		explained := []string{id}
		if shared.rulesDirGiven {
			explained = append(explained, shared.rulesDir)
		}
		if err := shared.explain(explained); err != nil {
			return err
		}
	}
	return nil
}

func completeRules(words []string) *completion {
	shared := &rulesCommand{rulesOptions: rulesOptions{rulesDir: defaultRulesDir()}}
	return &completion{flags: rulesDirFlags(shared), words: shared.completeSignatures(words)("")}
}

// signatureList has a line for each signature.
func signatureList(loaded []detect.Signature) string {
	var b strings.Builder
	for _, s := range loaded {
		if m, err := s.GetMetadata(); err == nil {
			fmt.Fprintf(&b, "%-10s %-9s %s\n", m.ID, m.Severity(), m.Name)
		}
	}
	return b.String()
}

// saidOf is what a built-in signature knows beyond its metadata.
func saidOf(m detect.SignatureMetadata) (response, benign string) {
	for _, d := range signatures.Describe() {
		if d.ID == m.ID && d.Name == m.Name {
			return d.Response, d.Benign
		}
	}
	return "", ""
}

// versionDetails is the command "tracee version".
func (c *traceeCommand) versionDetails(args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unexpected argument %q", args[0])
	}
	text := fmt.Sprintf("tracee version %s\n  built with %s for %s/%s", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" || s.Key == "vcs.time" {
				text += ", " + strings.TrimPrefix(s.Key, "vcs.") + " " + s.Value
			}
		}
	}
	text += fmt.Sprintf("\n  %s, %s\n", count(uint64(len(signatures.All())), "built-in signature"), count(uint64(len(events.InSet(events.AllEvents))), "event"))
	return c.print(text)
}
