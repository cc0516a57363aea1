package report

import (
	"encoding/json"
	"strings"

	"github.com/tracee-go/tracee/capture"
	"github.com/tracee-go/tracee/rules/lineage"
	"github.com/tracee-go/tracee/types/trace"
)

// artifact is something that was captured.
type artifact struct {
	capture.Record
	key lineage.Key
}

// decodeArtifact reads a line that may be of a manifest.
func decodeArtifact(line []byte) (*artifact, bool) {
	var a artifact
	if json.Unmarshal(line, &a.Record) != nil || a.State == "" || a.Kind == "" {
		return nil, false
	}
	a.key = keyOf(a.ProcessEntityID, a.HostProcessID)
	return &a, true
}

func artifactOf(e *trace.Event) *artifact {
	text := func(name string) string {
		if a, ok := e.Lookup(name); ok && a.HasText() {
			return strings.Clone(a.Text())
		}
		return ""
	}
	a := &artifact{key: lineage.KeyOf(e), Record: capture.Record{
		Time: int64(e.Timestamp), State: capture.Captured, Kind: text("kind"), Artifact: text("artifact"), Pathname: text("pathname"),
		SHA256: text("sha256"), Reason: text("reason"), ProcessName: strings.Clone(e.ProcessName), HostProcessID: e.HostProcessID,
	}}
	if size, ok := e.Lookup("size"); ok && size.Type().Kind.InSlot() {
		a.Size = size.Int()
	}
	if complete, ok := e.Lookup("complete"); ok && complete.Type().Kind.InSlot() {
		a.Complete = complete.Uint() != 0
	}
	if a.Artifact == "" {
		a.State = capture.Missed
	}
	return a
}

// addArtifact notes what the last record about an artifact says. Of one that is neither captured nor on its way, there is
// nothing to show.
func (r *recording) addArtifact(a *artifact) {
	switch a.State {
	case capture.Captured, capture.Begun:
	case capture.Evicted, capture.Discarded, capture.Renamed:
		delete(r.artifacts, a.Artifact)
		return
	default:
		return
	}
	if a.Artifact == "" {
		return
	}
	if known, ok := r.artifacts[a.Artifact]; ok {
		a.Finding = strings.Clone(a.Finding)
		if a.Finding == "" {
			a.Finding = known.Finding
		}
	} else if len(r.artifacts) >= maxArtifacts {
		r.leftOut.artifacts++
		return
	} else {
		r.summary.Artifacts++
	}
	r.artifacts[a.Artifact] = a
}
