package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// checkTool checks a command line of what is no flag: tracee doctor, tracee-rules test. It reports whether it was one.
func checkTool(name string, args []string) (checked bool, err error) {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return false, nil
	}
	if _, ok := tool(args); ok && name == "tracee-rules" {
		return true, nil // they are run in the tests of the guide
	}
	switch {
	case name == "tracee" && args[0] == "completion":
		_, err = completionScript(commandOnly(args[1:]))
		return true, err
	case name == "tracee" && args[0] == "doctor":
		var help bytes.Buffer
		if err := doctor([]string{"--help"}, &help); err != nil {
			return true, err
		}
		for _, arg := range args[1:] {
			if !strings.Contains(help.String(), arg) {
				return true, fmt.Errorf("doctor has no %s", arg)
			}
		}
		return true, nil
	}
	return false, nil
}

// commandOnly leaves out what a shell takes away: a bracket of <(…).
func commandOnly(args []string) []string {
	var left []string
	for _, arg := range args {
		left = append(left, strings.TrimSuffix(arg, ")"))
	}
	return left
}

// strangers are programs that the documentation uses and that are none of ours.
var strangers = strings.Fields("apt cp curl dmesg dnf grep journalctl jq mkdir source strace systemctl sha256sum tar cd zcat")

var (
	target     = regexp.MustCompile(`(?m)^([a-z-]+):`)
	assignment = regexp.MustCompile(`^[A-Z_]+=`)
)

// checkStranger checks what can be told of a command that is not ours: that the files and targets which it names are there,
// and that what it gives to our image is a command line of tracee.
func checkStranger(words []string) error {
	switch name, args := words[0], words[1:]; {
	case name == "make":
		makefile, err := os.ReadFile("../Makefile")
		if err != nil {
			return err
		}
		for _, arg := range args {
			known := slices.ContainsFunc(target.FindAllStringSubmatch(string(makefile), -1), func(m []string) bool { return m[1] == arg })
			if !known && !assignment.MatchString(arg) {
				return fmt.Errorf("the Makefile has no target %s", arg)
			}
		}
		return nil
	case name == "go":
		return inRepository(args, "./")
	case name == "kubectl", name == "helm":
		return inRepository(args, "deploy/")
	case name == "docker":
		return checkImage(args)
	case slices.Contains(strangers, name), strings.HasPrefix(name, "/"):
		return nil
	default:
		return fmt.Errorf("unknown program %q", name)
	}
}

func inRepository(args []string, prefix string) error {
	for _, arg := range args {
		if !strings.HasPrefix(arg, prefix) || strings.HasSuffix(arg, "...") {
			continue
		}
		if _, err := os.Stat(filepath.Join("..", arg)); err != nil {
			return err
		}
	}
	return nil
}

func checkImage(args []string) error {
	i := slices.Index(args, "tracee:latest")
	if i < 0 {
		return errors.New("no image of ours")
	}
	name := "tracee"
	if j := slices.Index(args, "--entrypoint"); j >= 0 && j < i {
		name = filepath.Base(args[j+1])
	}
	if parsers[name] == nil {
		return fmt.Errorf("the image has no %s", name)
	}
	_, err := parsers[name](args[i+1:])
	return err
}

func TestCommandsOfTheDocumentationAreThere(t *testing.T) {
	checked := 0
	for _, line := range documentedLines(t) {
		plain := regexp.MustCompile(`\$\([^)]*\)|'[^']*'|"[^"]*"`).ReplaceAllString(line, "x")
		plain = regexp.MustCompile(`(^|\s)#\s.*`).ReplaceAllString(plain, "")
		for _, segment := range regexp.MustCompile(`\s(?:\||&&)\s|;\s`).Split(plain, -1) {
			words := shellWords(segment)
			for len(words) > 0 && (words[0] == "sudo" || words[0] == "nice" || assignment.MatchString(words[0])) {
				words = words[1:]
			}
			if len(words) == 0 || parsers[filepath.Base(words[0])] != nil {
				continue
			}
			checked++
			if err := checkStranger(words); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
	}
	if checked < 30 {
		t.Errorf("only %d commands were found", checked)
	}
}
