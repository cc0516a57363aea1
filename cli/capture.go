package cli

import (
	"fmt"
	"io"

	"github.com/tracee-go/tracee/capture"
)

// sayArtifacts says what became of artifacts, if there is anything to say.
func sayArtifacts(w io.Writer, prefix string, s capture.Stats) {
	if s == (capture.Stats{}) {
		return
	}
	fmt.Fprintf(w, "%s%s captured, %d not whole, %d missed, %d evicted, %d refused, %d notices lost\n",
		prefix, count(s.Captured, "artifact"), s.Incomplete, s.Missed, s.Evicted, s.Refused, s.Lost)
}
