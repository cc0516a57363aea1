package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/internal/recording"
	"github.com/tracee-go/tracee/internal/vm"
	"github.com/tracee-go/tracee/output"
	"github.com/tracee-go/tracee/types/trace"
)

// Files in the guest.
const (
	guestRules     = "/tracee-rules"
	guestStream    = "/mixed.json.gz"
	guestShipped   = "/rules"
	guestRewritten = "/rewritten" // the same rules, changed so that they are evaluated and nothing built in stands in for them
)

// Rounds of the recorded stream that tracee-rules reads. What a few of them take is taken off what many take, and with it the start.
const (
	fewRounds  = 2
	manyRounds = 10
)

// A ruleSelection is what tracee-rules is to look for.
type ruleSelection struct {
	name string
	dir  string
	ids  []string
	aims map[string]float64 // instructions per event, by format
}

var (
	regoIDs = []string{"TRC-2", "TRC-3", "TRC-4", "TRC-5", "TRC-6", "TRC-7", "TRC-9", "TRC-10", "TRC-11", "TRC-12", "TRC-14", "TRC-15"}
	// ruleSelections are those of the table of peers.
	ruleSelections = []ruleSelection{
		{name: "twelve Rego rules, evaluated as Rego", dir: guestRewritten, ids: regoIDs, aims: map[string]float64{"json": 15_000, "gob": 12_000}},
		{name: "twelve Rego rules, as shipped", dir: guestShipped, ids: regoIDs, aims: map[string]float64{"json": 15_000, "gob": 12_000}},
		{name: "two in Go: TRC-1, TRC-13", dir: guestShipped, ids: []string{"TRC-1", "TRC-13"}, aims: map[string]float64{"gob": 3_000}},
		{name: "all built in", dir: guestShipped},
	}
)

// ruleCost is what a selection of rules costs, in instructions per event of the recorded stream.
type ruleCost struct {
	Rules, Format string
	PerEvent      float64
	Start         float64 // and to end, without any event
}

// rulesFiles are what measureRulesInGuest needs in the guest.
func rulesFiles(binary string) ([]vm.File, error) {
	files := []vm.File{
		{Path: guestRules, Mode: 0o755, Source: binary},
		{Path: guestStream, Mode: 0o644, Source: mixedStream},
	}
	shipped, err := filepath.Glob(filepath.Join(regoRules, "*.rego"))
	if err != nil || len(shipped) != len(regoIDs) {
		return nil, fmt.Errorf("%d rules in %s, not %d (run from the root of the repository)", len(shipped), regoRules, len(regoIDs))
	}
	for _, file := range shipped {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		name := filepath.Base(file)
		files = append(files, vm.File{Path: path.Join(guestShipped, name), Mode: 0o644, Data: text},
			vm.File{Path: path.Join(guestRewritten, name), Mode: 0o644, Data: append(text, "\n# changed\n"...)})
	}
	return files, nil
}

// measureRulesInGuest is the role of this program in a guest: it prints a ruleCost per line, as JSON.
func measureRulesInGuest() error {
	stream, err := recording.Read(guestStream, schemaOf)
	if err != nil {
		return err
	}
	for _, format := range []string{"json", "gob"} {
		for _, rounds := range []int{fewRounds, manyRounds} {
			if err := writeRounds(stream, format, rounds); err != nil {
				return err
			}
		}
		for _, s := range ruleSelections {
			c, err := s.count(format, len(stream.Events))
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			if err := printCost(c); err != nil {
				return err
			}
		}
	}
	return nil
}

func roundsFile(format string, rounds int) string {
	return "/mixed-" + strconv.Itoa(rounds) + "." + format
}

// writeRounds writes the stream as the commands do.
func writeRounds(stream *recording.Stream, format string, rounds int) error {
	file, err := os.Create(roundsFile(format, rounds))
	if err != nil {
		return err
	}
	defer file.Close()
	printer, err := output.New(format, output.Config{Out: file})
	if err != nil {
		return err
	}
	stream.Play(rounds*len(stream.Events), func(e *trace.Event) {
		if err == nil {
			err = printer.Print(e)
		}
	})
	if err != nil {
		return err
	}
	return printer.Close()
}

func (s ruleSelection) count(format string, events int) (ruleCost, error) {
	few, err := s.run(roundsFile(format, fewRounds), format)
	if err != nil {
		return ruleCost{}, err
	}
	many, err := s.run(roundsFile(format, manyRounds), format)
	perRound := (many - few) / (manyRounds - fewRounds)
	return ruleCost{Rules: s.name, Format: format, PerEvent: perRound / float64(events), Start: few - fewRounds*perRound}, err
}

// run counts the instructions of tracee-rules, from its start to its end, what the kernel does for it included.
func (s ruleSelection) run(file, format string) (float64, error) {
	args := []string{"--quiet", "--rules-dir", s.dir, "--input-tracee", "file:" + file, "--input-tracee", "format:" + format}
	for _, id := range s.ids {
		args = append(args, "--rules", id)
	}
	command := exec.Command(guestRules, args...)
	command.Stderr = os.Stderr
	command.Stdout = io.Discard
	before := usage(unix.RUSAGE_CHILDREN)
	err := command.Run()
	return instructions(usage(unix.RUSAGE_CHILDREN) - before), err
}

// showRules prints the table of what rules cost.
func showRules(r *report, costs []ruleCost) {
	r.begin("tracee-rules, of a recorded stream", "rules", "format", "instructions per event", "aim", "to start and end")
	for _, c := range costs {
		aim := ""
		for _, s := range ruleSelections {
			if most := s.aims[c.Format]; s.name == c.Rules && most > 0 {
				aim = r.aim(c.PerEvent, most, "%.0f")
			}
		}
		r.row(c.Rules, c.Format, fmt.Sprintf("%.0f", c.PerEvent), aim, fmt.Sprintf("%.2f G", c.Start/1e9))
	}
	r.end()
}
