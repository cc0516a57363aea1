package cli

import (
	"embed"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// shells are the scripts that tie the completion of the three commands to a shell. They only ask __complete.
//
//go:embed completion
var shells embed.FS

// completionScript is what "tracee completion" prints.
func completionScript(args []string) (string, error) {
	var known []string
	entries, err := shells.ReadDir("completion")
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		known = append(known, e.Name())
	}
	if len(args) != 1 || !slices.Contains(known, args[0]) {
		return "", fmt.Errorf("tracee completion takes the name of a shell (%s)", strings.Join(known, ", "))
	}
	script, err := shells.ReadFile("completion/" + args[0])
	return string(script), err
}

// completeWord is the argument before which shells put the words of a command line, to hear what may come next.
const completeWord = "__complete"

// candidate is something that may come next.
type candidate struct{ value, doc string }

// completion is what one command can complete.
type completion struct {
	flags  *pflag.FlagSet
	values map[string]func(typed string) []candidate // of flags, by name
	words  []candidate                               // what is no flag
}

// answer prints what may stand in the place of the last word.
func (c *completion) answer(words []string, to io.Writer) error {
	var b strings.Builder
	for _, candidate := range c.candidates(words) {
		b.WriteString(candidate.value)
		if candidate.doc != "" {
			b.WriteString("\t" + candidate.doc)
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(to, b.String())
	return err
}

func (c *completion) candidates(words []string) []candidate {
	typed, previous := "", ""
	if n := len(words); n > 0 {
		typed = words[n-1]
		if n > 1 {
			previous = words[n-2]
		}
	}
	if f := c.awaiting(previous); f != nil {
		return c.valuesOf(f, "", typed)
	}
	name, value, given := strings.Cut(typed, "=")
	if f := c.lookup(name); f != nil && given {
		return c.valuesOf(f, name+"=", value)
	}
	if strings.HasPrefix(typed, "-") {
		return beginning(typed, c.flagNames())
	}
	return beginning(typed, c.words)
}

// awaiting returns the flag whose value comes next.
func (c *completion) awaiting(word string) *pflag.Flag {
	f := c.lookup(word)
	if f == nil || f.NoOptDefVal != "" {
		return nil
	}
	return f
}

// lookup finds the flag that a word is, with one dash or two.
func (c *completion) lookup(word string) *pflag.Flag {
	name := strings.TrimLeft(word, "-")
	if name == word || name == "" {
		return nil
	}
	if len(name) == 1 {
		return c.flags.ShorthandLookup(name)
	}
	return c.flags.Lookup(name)
}

// byKind completes values by what the help of a flag calls them.
var byKind = map[string]func(string) []candidate{"file": completeFile, "directory": completeDirectory}

func (c *completion) valuesOf(f *pflag.Flag, prefix, typed string) []candidate {
	complete := c.values[f.Name]
	if complete == nil {
		kind, _ := pflag.UnquoteUsage(f)
		if complete = byKind[kind]; complete == nil {
			return nil
		}
	}
	found := beginning(typed, complete(typed))
	for i := range found {
		found[i].value = prefix + found[i].value
	}
	return found
}

func (c *completion) flagNames() []candidate {
	var names []candidate
	c.flags.VisitAll(func(f *pflag.Flag) {
		_, usage := pflag.UnquoteUsage(f)
		doc, _, _ := strings.Cut(usage, "\n")
		names = append(names, candidate{"--" + f.Name, doc})
	})
	return append(names, candidate{"--help", "print the flags"})
}

// beginning keeps the candidates that begin with what was typed.
func beginning(typed string, all []candidate) []candidate {
	var found []candidate
	for _, c := range all {
		if strings.HasPrefix(c.value, typed) {
			found = append(found, c)
		}
	}
	return found
}
