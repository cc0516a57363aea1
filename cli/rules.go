// Package cli holds the command lines: each command is a function that takes the arguments and returns the exit code.
//
// Start from Rules, the command tracee-rules. What is wrong with a command line is told in one line on stderr, with a
// hint where there is one. Standard output carries results only.
package cli

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/patient"
	"github.com/tracee-go/tracee/internal/suggest"
	"github.com/tracee-go/tracee/rules"
	"github.com/tracee-go/tracee/signatures"
	"github.com/tracee-go/tracee/types/detect"
)

// Rules runs the command tracee-rules and returns its exit code: 1 when it could not start, when the stream of events
// broke off or held records that are no events, and when nobody reads its findings any more.
func Rules(args []string, stdin *os.File, stdout, stderr io.Writer) int {
	// Writing to a closed pipe shall be an error like others, not a signal.
	signal.Ignore(syscall.SIGPIPE)
	defer signal.Reset(syscall.SIGPIPE)

	limit, err := patient.New(lastPatience)
	if err == nil {
		stderr = limit.Writer(stderr)
		err = (&rulesCommand{stdin: stdin, stdout: limit.Writer(stdout), stderr: stderr, limit: limit}).run(args)
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errSaid), errors.Is(err, syscall.EPIPE):
	default:
		fmt.Fprintln(stderr, "tracee-rules:", err)
	}
	return 1
}

// errSaid ends the command when stderr already has the reason.
var errSaid = errors.New("already said")

type rulesCommand struct {
	rulesOptions
	stdin          *os.File
	stdout, stderr io.Writer
	limit          *patient.Limit // of both
	log            *slog.Logger

	exceptions []*rules.Exception
	whole      bool // nothing may be left out
	files      map[detect.Signature]rules.Place
	processes  string // a proc file system, where events are of this machine as it is
}

func (c *rulesCommand) run(args []string) error {
	if len(args) > 0 && args[0] == completeWord {
		return c.completion(args[1:]).answer(args[1:], c.stdout)
	}
	if t, ok := tool(args); ok {
		c.rulesDir = defaultRulesDir()
		return c.runTool(t, args[1:])
	}
	help, err := c.parse(args)
	if help != "" {
		if _, err := io.WriteString(c.stdout, help); err != nil {
			return err
		}
	}
	if err != nil || help != "" {
		return err
	}
	c.log = c.logs.logger(c.stderr)
	if err := giveUp(nil, c.allowCapabilities, c.log); err != nil {
		return err
	}
	refuseMore(c.log)
	loaded, err := c.loadSignatures()
	if err != nil {
		return err
	}
	switch {
	case c.listEvents:
		return c.printEvents(loaded)
	case c.listFilters:
		return c.printFilters(loaded)
	case c.list:
		return c.printSignatures(loaded)
	}
	return c.detect(loaded)
}

// loadSignatures returns the signatures that were asked for: the built-in ones, then those of the rules directory.
func (c *rulesCommand) loadSignatures() ([]detect.Signature, error) {
	loaded := signatures.All()
	if _, err := os.Stat(c.rulesDir); err == nil || c.rulesDirGiven {
		if err != nil {
			return nil, fmt.Errorf("rules directory %s: %w", c.rulesDir, errors.Unwrap(err))
		}
		set, errs := rules.LoadDir(c.rulesDir, rules.Options{PartialEval: c.partialEval, Aggregate: c.aggregate})
		loaded = c.join(loaded, set)
		errs = append(errs, rules.ExceptionDoubts(set.Exceptions, loaded)...)
		for _, err := range errs {
			c.tell(err)
		}
		if c.whole {
			if err := leftOut(errs); err != nil {
				return nil, err
			}
		}
		problems := len(errs)
		if c.strict {
			problems += c.tellTaken(set)
		}
		if c.strict && problems > 0 {
			return nil, fmt.Errorf("%s in the rules directory (--strict)", count(uint64(problems), "problem"))
		}
		c.exceptions, c.files = set.Exceptions, set.Files
	}
	if len(c.ids) == 0 {
		return loaded, nil
	}
	return selectSignatures(loaded, c.ids)
}

// leftOut are the errors because of which something would be left out.
func leftOut(errs []error) error {
	return errors.Join(slices.DeleteFunc(slices.Clone(errs), func(err error) bool {
		var file *rules.FileError
		return errors.As(err, &file) && file.Kept
	})...)
}

// tellTaken logs which ids several files give, and returns how many times that is.
func (c *rulesCommand) tellTaken(set *rules.Set) (taken int) {
	by := map[string]detect.Signature{}
	for _, s := range set.Signatures {
		if first, ok := by[idOf(s)]; ok {
			c.log.Error("signature is left out", "error", fmt.Sprintf("%s: the id %s is taken by %s", set.Files[s], idOf(s), set.Files[first]))
			taken++
			continue
		}
		by[idOf(s)] = s
	}
	return taken
}

// tell logs what is wrong with a rule file.
func (c *rulesCommand) tell(err error) {
	var file *rules.FileError
	if errors.As(err, &file) && file.Kept {
		c.log.Warn("rule file has a flaw", "error", err)
		return
	}
	c.log.Error("rule file is left out", "error", err)
}

func selectSignatures(loaded []detect.Signature, ids []string) ([]detect.Signature, error) {
	var known []string
	var selected []detect.Signature
	for _, s := range loaded {
		metadata, err := s.GetMetadata()
		if err != nil {
			continue
		}
		names := append([]string{metadata.ID}, otherIDs(s)...)
		known = append(known, names...)
		if slices.ContainsFunc(names, func(name string) bool { return slices.Contains(ids, name) }) {
			selected = append(selected, s)
		}
	}
	for _, id := range ids {
		if !slices.Contains(known, id) {
			return nil, fmt.Errorf("unknown signature %q%s", id, signatureHint(id, known))
		}
	}
	return selected, nil
}

func signatureHint(id string, known []string) string {
	if strings.Contains(id, ",") {
		return " (give --rules once for each id)"
	}
	return suggest.DidYouMean(id, known)
}

// engine makes an engine and tells of the signatures that it refuses.
func (c *rulesCommand) engine(loaded []detect.Signature, finding func(detect.Finding)) *rules.Engine {
	engine, refused := rules.New(rules.Config{
		Signatures: loaded, Finding: finding, Log: c.log, Exceptions: c.exceptions, Files: c.files,
		Repeats: c.repeats, Processes: c.processes,
	})
	for _, err := range refused {
		c.log.Error("signature is left out", "error", err)
	}
	return engine
}

func eventNames() []string {
	var names []string
	for _, e := range events.All() {
		names = append(names, e.Name)
	}
	return names
}

// printEvents prints what --trace event= of tracee-ebpf takes.
func (c *rulesCommand) printEvents(loaded []detect.Signature) error {
	var names []string
	for _, s := range c.engine(loaded, nil).SelectedEvents() {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	_, err := fmt.Fprintln(c.stdout, strings.Join(slices.Compact(names), ","))
	return err
}

func (c *rulesCommand) printSignatures(loaded []detect.Signature) error {
	all := c.engine(loaded, nil).Signatures()
	var b strings.Builder
	fmt.Fprint(&b, loadedLine(all))
	fmt.Fprintf(&b, "%-10s %-35s %s %s\n", "ID", "NAME", "VERSION", "DESCRIPTION")
	for _, m := range all {
		fmt.Fprintf(&b, "%-10s %-35s %-7s %s\n", m.ID, m.Name, m.Version, m.Description)
	}
	_, err := io.WriteString(c.stdout, b.String())
	return err
}

func loadedLine(all []detect.SignatureMetadata) string {
	ids := make([]string, len(all))
	for i, m := range all {
		ids[i] = m.ID
	}
	return fmt.Sprintf("Loaded %d signature(s): %s\n", len(ids), ids)
}
