package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/tracee-go/tracee/internal/suggest"
)

// A subcommand is what the first argument of tracee can be, other than a flag.
type subcommand struct {
	name, usage, doc string
	run              func(c *traceeCommand, args []string) error
	complete         func(words []string) *completion // what may follow the name; nil: nothing
}

// traceeCommands are listed in help, manual and completion.
func traceeCommands() []subcommand {
	return []subcommand{
		{"top", "top [flags]", "watch, in a live view on this terminal; flags as without top",
			(*traceeCommand).run, func([]string) *completion { return new(traceeCommand).completion(nil) }},
		{"report", "report FILE... [--output FILE]", "make a page of HTML of what was recorded", (*traceeCommand).report, completeReport},
		{"events", "events [NAME...]", "list the events, or say all about some", (*traceeCommand).events, completeEvents},
		{"rules", "rules [ID...]", "list the signatures, or say all about some", (*traceeCommand).explainRules, completeRules},
		{"doctor", "doctor [--json]", "say what can be seen on this machine",
			func(c *traceeCommand, args []string) error { return doctor(args, c.stdout) }, completeDoctor},
		{"config", "config check [FILE] | print [flags]", "say what is wrong with a file of settings; print those in force",
			(*traceeCommand).configCommand, nil},
		{"completion", "completion SHELL", "print the completion of all three commands for bash, fish or zsh",
			(*traceeCommand).completionScript, completeShell},
		{"version", "version", "say what this program was built from", (*traceeCommand).versionDetails, nil},
	}
}

// subcommandOf finds the subcommand that arguments begin with.
func subcommandOf(args []string) (subcommand, bool) {
	all := traceeCommands()
	i := slices.IndexFunc(all, func(s subcommand) bool { return len(args) > 0 && args[0] == s.name })
	if i < 0 {
		return subcommand{}, false
	}
	return all[i], true
}

// subcommandHint says what may have been meant by a word that is none.
func subcommandHint(word string) string {
	var names []string
	for _, s := range traceeCommands() {
		names = append(names, s.name)
	}
	return cmp.Or(suggest.DidYouMean(word, names), " (try --help)")
}

// subcommandHelp lists the subcommands under each other.
func subcommandHelp() string {
	width := 0
	for _, s := range traceeCommands() {
		width = max(width, len(s.usage))
	}
	var b strings.Builder
	for _, s := range traceeCommands() {
		fmt.Fprintf(&b, "  tracee %-*s  %s\n", width, s.usage, s.doc)
	}
	return b.String()
}

// parseSubcommand parses the flags of a subcommand. It reports whether it has printed help instead.
func parseSubcommand(flags *pflag.FlagSet, args []string, help string, to io.Writer) (done bool, err error) {
	flags.Usage = func() {}
	flags.SortFlags = false
	err = flags.Parse(longOptions(args))
	if errors.Is(err, pflag.ErrHelp) {
		_, err = io.WriteString(to, help+"\n\nFlags:\n"+flags.FlagUsages())
		return true, err
	}
	if err != nil {
		return true, explainFlag(err, flags)
	}
	return false, nil
}

func (c *traceeCommand) completionScript(args []string) error {
	script, err := completionScript(args)
	return errors.Join(err, c.print(script))
}

func completeShell([]string) *completion {
	return &completion{flags: pflag.NewFlagSet("completion", pflag.ContinueOnError), words: []candidate{{"bash", ""}, {"fish", ""}, {"zsh", ""}}}
}

func completeDoctor([]string) *completion { return &completion{flags: doctorFlags(new(bool))} }
