package cli

import (
	"log/slog"
	"slices"

	"github.com/tracee-go/tracee/types/detect"
)

type completions = map[string]func(string) []candidate

func (c *ebpfCommand) completion() *completion {
	var outputs, caches []string
	return &completion{flags: c.flags(&outputs, &caches), values: completions{
		"trace": completeTrace, "output": completeOutput, "cache": completeCache, "caps": completeCapabilities, "capture": completeCapture, "crs": completeRuntime,
	}}
}

func (c *rulesCommand) completion(words []string) *completion {
	var inputs []string
	flags := c.flags(&inputs)
	found := &completion{flags: flags, values: completions{
		"rules": c.completeSignatures(words), "input-tracee": completeInput,
		"rego-runtime-target": func(string) []candidate { return []candidate{{"rego", ""}} },
	}}
	switch {
	case len(words) <= 1:
		for _, t := range rulesTools {
			found.words = append(found.words, candidate{t.name, t.doc})
		}
	case words[0] == "explain" && len(words) == 2:
		found.words = found.values["rules"](words[1])
	case words[0] == "explain" || words[0] == "test" || words[0] == "lint":
		found.words = completeDirectory(words[len(words)-1])
	}
	return found
}

func (c *traceeCommand) completion(words []string) *completion {
	flags := c.flags()
	shared := rulesCommand{}
	complete := func(typed string) []candidate {
		shared.rulesDir, shared.rulesDirGiven = c.rulesDir, c.rulesDirGiven
		return shared.completeSignatures(words)(typed)
	}
	formats := func(string) []candidate {
		return append([]candidate{{"help", "print all of them"}, {"text", "for people"}, {"json", "an object a line"}}, completeURL()...)
	}
	found := &completion{
		flags: flags,
		values: completions{
			"rules": complete, "trace": completeTrace, "output": formats,
			"caps": completeCapabilities, "capture": completeCapture, "crs": completeRuntime,
		},
	}
	if len(words) <= 1 {
		for _, s := range traceeCommands() {
			found.words = append(found.words, candidate{s.name, s.doc})
		}
	} else if s, ok := subcommandOf(words); ok && s.complete != nil {
		return s.complete(words[1:])
	} else if ok {
		found.words = completeConfig(words[1:]) // its flags are those of tracee
	}
	return found
}

func completeConfig(words []string) []candidate {
	switch {
	case len(words) == 1:
		return []candidate{{"check", "say what is wrong with a file"}, {"print", "print what is in force"}}
	case words[0] == "check":
		return completeFile(words[len(words)-1])
	}
	return nil
}

// completeSignatures completes the ids of the signatures that there are in the rules directory of the command line.
func (c *rulesCommand) completeSignatures(words []string) func(string) []candidate {
	return func(typed string) []candidate {
		if i := slices.Index(words, "--rules-dir"); i >= 0 && i+1 < len(words) {
			c.rulesDir = words[i+1]
		}
		c.log = slog.New(slog.DiscardHandler)
		loaded, err := c.loadSignatures()
		if err != nil { // what is wrong with the directory, the command itself will say
			loaded = []detect.Signature{}
		}
		return completeSignature(loaded)(typed)
	}
}
