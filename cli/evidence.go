package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/tracee-go/tracee/capture"
	"github.com/tracee-go/tracee/internal/suggest"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

// evidenceLevels are the values of --evidence: from which severity on evidence is kept, whatever the signature asks for.
var evidenceLevels = []struct {
	name     string
	severity int // place in detect.Severities
}{{"none", 0}, {"asked", len(detect.Severities)}, {"high", 3}, {"medium", 2}, {"low", 1}}

// evidence keeps what findings call for.
type evidence struct {
	level    string
	from     int
	capturer *capture.Capturer // nil: there is none yet
}

func (v *evidence) add(flags *pflag.FlagSet) {
	flags.StringVar(&v.level, "evidence", "none", "from which `severity` of findings on to keep program, code in memory and open files of "+
		"the process: high, medium, low; asked: only what signatures ask for")
}

// check reads the level, and says whether anything may be kept.
func (v *evidence) check() (wanted bool, err error) {
	var names []string
	for _, level := range evidenceLevels {
		if level.name == v.level {
			v.from = level.severity
			return level.name != "none", nil
		}
		names = append(names, level.name)
	}
	return false, fmt.Errorf("invalid value %q for --evidence: want %s%s", v.level, strings.Join(names, ", "), suggest.DidYouMean(v.level, names))
}

// keep keeps what belongs to a finding.
func (v *evidence) keep(f detect.Finding) {
	e, ok := f.Event.Payload.(*trace.Event)
	if v.capturer == nil || v.level == "none" || !ok || e.HostProcessID == 0 {
		return
	}
	parts := f.Evidence | f.SigMetadata.EvidenceAsked()
	if detect.SeverityLevel(f.SigMetadata.Severity()) >= v.from {
		parts |= detect.EvidenceAll
	}
	if parts != 0 {
		v.capturer.Evidence(e, f.SigMetadata.ID, parts)
	}
}
