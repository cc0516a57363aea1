package cli

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestMillionEventsAtTheEndOfInputAreDrained lets a million events wait, and the input end, before anybody reads. One in a
// thousand is found, and the last one.
func TestMillionEventsAtTheEndOfInputAreDrained(t *testing.T) {
	if testing.Short() {
		t.Skip("short: it reads a hundred megabytes")
	}
	const million, every = 1_000_000, 1_000
	file, err := os.Create(t.TempDir() + "/events")
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriterSize(file, 1<<20)
	for i := 1; i <= million+1; i++ {
		path := "/bin/true"
		if i%every == 0 || i > million {
			path = "memfd:x"
		}
		fmt.Fprintf(w, `{"timestamp":%d,"eventName":"sched_process_exec","args":[{"name":"pathname","type":"const char*","value":"%s"}]}`+"\n", i, path)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	var out, complaints bytes.Buffer
	code := Rules([]string{"--rules", "TRC-5", "--rules-dir", t.TempDir(), "--input-tracee", "file:" + file.Name(), "--input-tracee", "format:json"}, os.Stdin, &out, &complaints)
	if code != 0 || !strings.Contains(complaints.String(), fmt.Sprintf("%d events, %d findings, 0 bad records", million+1, million/every+1)) {
		t.Errorf("exit %d: %s", code, complaints.String())
	}
	if got := strings.Count(out.String(), "Signature ID: TRC-5\n"); got != million/every+1 {
		t.Errorf("findings printed: got %d, want %d", got, million/every+1)
	}
}
