package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/tracee-go/tracee/capture"
	"github.com/tracee-go/tracee/internal/suggest"
	"github.com/tracee-go/tracee/policy"
	"github.com/tracee-go/tracee/types/detect"
)

// evidenceLevels are the values of --evidence: from which severity on evidence is kept, whatever the signature asks for.
var evidenceLevels = []evidenceLevel{{noEvidence, 0}, {"asked", len(detect.Severities)}, {"high", 3}, {"medium", 2}, {"low", 1}}

type evidenceLevel struct {
	name     string
	severity int // place in detect.Severities
}

const noEvidence = "none"

// evidence keeps what findings call for.
type evidence struct {
	level    string
	capturer *capture.Capturer // nil: there is none yet
}

func (v *evidence) add(flags *pflag.FlagSet) {
	flags.StringVar(&v.level, "evidence", noEvidence, "from which `severity` of findings on to keep program, code in memory, open files and last "+
		"packets of the process: high, medium, low; asked: only what signatures ask for")
}

// check reads the level, and says whether anything may be kept.
func (v *evidence) check() (wanted bool, err error) {
	var names []string
	for _, level := range evidenceLevels {
		if level.name == v.level {
			return level.name != noEvidence, nil
		}
		names = append(names, level.name)
	}
	return false, fmt.Errorf("invalid value %q for --evidence: want %s%s", v.level, strings.Join(names, ", "), suggest.DidYouMean(v.level, names))
}

// remembers says whether packets are to be remembered for findings of these signatures.
func (c *traceeCommand) remembers(signatures detecting) bool {
	artifacts := c.capture
	artifacts.EvidencePackets = packetsWanted(append(c.policies.evidenceLevels(), c.evidence.level), signatures.Signatures())
	return artifacts.Remembers()
}

// packetsWanted says whether findings may ask, at one of these levels, for the last packets of a process, which are remembered
// ahead.
func packetsWanted(levels []string, signatures []detect.SignatureMetadata) bool {
	asked := slices.ContainsFunc(signatures, func(m detect.SignatureMetadata) bool {
		return m.EvidenceAsked()&detect.EvidencePackets != 0
	})
	return slices.ContainsFunc(levels, func(name string) bool {
		i := slices.IndexFunc(evidenceLevels, func(l evidenceLevel) bool { return l.name == name })
		return i >= 0 && name != noEvidence && (asked || evidenceLevels[i].severity < len(detect.Severities))
	})
}

// keep keeps what belongs to a finding, as one of the policies says that it matches, or else as this says.
func (v *evidence) keep(f detect.Finding, matched []*policy.Policy) {
	if v.capturer == nil {
		return
	}
	if parts := v.wanted(f, matched); parts != 0 {
		v.capturer.Evidence(f, parts)
	}
}

func (v *evidence) wanted(f detect.Finding, matched []*policy.Policy) (parts detect.Evidence) {
	if len(matched) == 0 {
		return partsOf(v.level, f)
	}
	for _, p := range matched {
		parts |= partsOf(cmp.Or(p.Evidence, v.level), f)
	}
	return parts
}

// partsOf is what a level keeps of a finding.
func partsOf(level string, f detect.Finding) detect.Evidence {
	if level == noEvidence {
		return 0
	}
	i := slices.IndexFunc(evidenceLevels, func(l evidenceLevel) bool { return l.name == level })
	parts := f.Evidence | f.SigMetadata.EvidenceAsked()
	if detect.SeverityLevel(f.SigMetadata.Severity()) >= evidenceLevels[i].severity {
		parts |= detect.EvidenceAll
	}
	return parts
}
