package cli

import (
	"os"
	"strings"
	"testing"
)

// parsers are the command lines of the three commands.
var parsers = map[string]func(args []string) (string, error){
	"tracee-ebpf":  func(args []string) (string, error) { return new(ebpfOptions).parse(args) },
	"tracee-rules": func(args []string) (string, error) { return new(rulesOptions).parse(args) },
	"tracee":       func(args []string) (string, error) { return (&traceeCommand{stdout: os.Stdout}).parse(args) },
}

// No command line makes a command panic, and what is wrong with it fits into one line.
func FuzzCommandLines(f *testing.F) {
	for _, line := range []string{
		"", "--help", "-h", "--", "---", "-", "-=", "--=x", "-t", "-t=", "-o=json", "--trace\x00event=openat,close\x00-t\x00uid>0",
		"-trace\x00openat.pathname=/tmp*", "--output\x00option:parse-arguments\x00-o\x00gotemplate=", "-a\x00none", "-b\x00-1",
		"--caps\x00add=cap_kill,,", "--caps\x00add!=", "--caps", "--crs\x00docker:", "--listen-addr\x00:::", "--metrics-addr=[::1",
		"--input-tracee\x00file:stdin\x00--input-tracee\x00format:json", "--ahc=maybe", "--list\x00--sig-buffer=-3", "-v", "-vl",
		"--rules\x00TRC-1\x00--quiet\x00--debug", "--trace\x00help", "\xff", "--\xff=\xfe", "-\x00", "--containers=0",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Split(line, "\x00")
		for name, parse := range parsers {
			help, err := parse(args)
			if err != nil && help == "" && strings.TrimSpace(err.Error()) == "" {
				t.Errorf("%s %q: an error without words", name, args)
			}
		}
		for _, command := range []*completion{
			new(ebpfCommand).completion(), new(traceeCommand).completion(args), new(rulesCommand).completion(args),
		} {
			command.candidates(args)
		}
	})
}
