package cli

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tracee-go/tracee/filter"
)

var update = flag.Bool("update", false, "write the help texts into the documentation")

const commandLineDoc = "../docs/guide/command-line.md"

func TestDocumentedFlagsAreThoseOfHelp(t *testing.T) {
	doc, err := os.ReadFile(commandLineDoc)
	if err != nil {
		t.Fatal(err)
	}
	text := string(doc)
	for name, parse := range parsers {
		help, err := parse([]string{"--help"})
		if err != nil {
			t.Fatal(err)
		}
		block := regexp.MustCompile("(?s)(<!-- help of " + name + ", [^\n]*-->\n```\n)(.*?)(```\n)")
		match := block.FindStringSubmatchIndex(text)
		if match == nil {
			t.Errorf("%s has no block for the help of %s", commandLineDoc, name)
			continue
		}
		if *update {
			text = text[:match[4]] + help + text[match[5]:]
		} else if got := text[match[4]:match[5]]; got != help {
			t.Errorf("%s: the help of %s is stale: run go test ./cli -update", commandLineDoc, name)
		}
	}
	if *update {
		if err := os.WriteFile(commandLineDoc, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// documentedLines returns the command lines in the blocks of shell commands of the documentation, and those of v0.8.
func documentedLines(t *testing.T) []string {
	t.Helper()
	files := []string{"../README.md", "../CONTRIBUTING.md", "testdata/examples-v0.8.md"}
	for _, pattern := range []string{"../docs/*.md", "../docs/guide/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	var found []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
			joined := regexp.MustCompile(`(\\|\|)\n\s*`).ReplaceAllString(block[1], "${1} ")
			for line := range strings.Lines(strings.ReplaceAll(joined, `\ `, "")) {
				found = append(found, strings.TrimSpace(line))
			}
		}
	}
	return found
}

// shellWords splits a line as a shell does, as far as the examples need that.
func shellWords(line string) []string {
	var words []string
	for _, match := range regexp.MustCompile(`(?:[^\s'"#]|#\S|'[^']*'|"[^"]*")+|#.*`).FindAllString(line, -1) {
		if strings.HasPrefix(match, "#") {
			break
		}
		words = append(words, strings.NewReplacer("'", "", `"`, "").Replace(match))
	}
	return words
}

// checkExample parses what a line has for one of the commands. It reports whether there was any.
func checkExample(t *testing.T, line string) bool {
	t.Helper()
	line = regexp.MustCompile(`\$\([^)]*--list-events\)`).ReplaceAllString(line, "ptrace,openat")
	line = regexp.MustCompile(`\$\([^)]*\)`).ReplaceAllString(line, "1") // the number of a process
	line = strings.ReplaceAll(line, "file:/tmp/", "file:")
	checked := false
	for _, segment := range regexp.MustCompile(`\s\|\s`).Split(line, -1) {
		words := shellWords(segment)
		if len(words) > 0 && words[0] == "sudo" {
			words = words[1:]
		}
		if len(words) == 0 || parsers[filepath.Base(words[0])] == nil {
			continue
		}
		name, args := filepath.Base(words[0]), words[1:]
		if s, ok := subcommandOf(args); ok && name == "tracee" {
			checked = checkSubcommand(t, line, s, args) || checked
			continue
		}
		if checked, err := checkTool(name, args); checked || err != nil {
			if err != nil {
				t.Errorf("%s: %v", line, err)
			}
			continue
		}
		for i, arg := range args {
			if strings.HasPrefix(arg, ">") || arg == "&" {
				args = args[:i]
				break
			}
		}
		checked = true
		_, err := parsers[name](args)
		for i, arg := range args {
			if value, ok := strings.CutPrefix(arg, "--trace="); ok && err == nil {
				_, err = filter.Parse([]string{value})
			} else if (arg == "--trace" || arg == "-t") && err == nil && i+1 < len(args) && args[i+1] != "help" {
				_, err = filter.Parse([]string{args[i+1]})
			}
		}
		if err != nil && !strings.Contains(err.Error(), "is not available in this version") {
			t.Errorf("%s\n%q: %v", line, args, err)
		}
	}
	return checked
}

// checkSubcommand parses the flags that a line has for a subcommand.
func checkSubcommand(t *testing.T, line string, s subcommand, args []string) bool {
	t.Helper()
	if s.complete == nil {
		return false
	}
	if i := slices.IndexFunc(args, func(arg string) bool { return strings.HasPrefix(arg, ">") }); i >= 0 {
		args = args[:i]
	}
	if err := s.complete(args).flags.Parse(longOptions(args[1:])); err != nil {
		t.Errorf("%s: %v", line, err)
	}
	return true
}

func TestExamplesOfTheDocumentationWork(t *testing.T) {
	all := documentedLines(t)
	t.Chdir(t.TempDir())
	for _, file := range []string{"events.json", "events.gob", "rules", "my.yaml"} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	checked := 0
	for _, line := range all {
		if checkExample(t, line) {
			checked++
		}
	}
	if checked < 90 {
		t.Errorf("only %d examples were found", checked)
	}
}

func TestExamplesOfTheHelpTextsWork(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, file := range []string{"events.json", "events.gob"} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for command, flags := range map[string][]string{
		"tracee-ebpf": {"--trace", "--output", "--caps"}, "tracee-rules": {"--input-tracee"},
	} {
		for _, flag := range flags {
			help, err := parsers[command]([]string{flag, "help"})
			if err != nil {
				t.Fatal(err)
			}
			_, part, _ := strings.Cut(help, "\nExamples:\n")
			checked := false
			for line := range strings.Lines(part) {
				line, _, _ = strings.Cut(strings.TrimSpace(line), "  ")
				if strings.HasPrefix(line, "--") {
					line = command + " " + line
				}
				checked = checkExample(t, line) || checked
			}
			if !checked {
				t.Errorf("%s help has no examples", flag)
			}
		}
	}
}
