// Package wire is what a guest and its host say to each other: the jobs going in, and a stream of frames coming out
// over a serial line.
//
// Start from Writer (guest) and Reader (host). A frame is one line of printable text,
//
//	<crc32 of the rest> <sequence number> <kind> <payload>
//
// so a byte that the emulated machine lost, changed or invented, and a line that went missing, is an error of the
// Reader and never a wrong test result. The stream ends with a Done frame; a stream without one was cut short.
//
// A Writer may be used by several goroutines, a Reader by one.
package wire

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"sync"
	"time"
)

// JobsPath is where the guest finds its jobs, a JSON array of Job.
const JobsPath = "/jobs.json"

// Ports are the serial line of the guest that carries frames, by architecture; the console is the one before it.
var Ports = map[string]string{"amd64": "/dev/ttyS1", "arm64": "/dev/ttyAMA1"}

// A Job is one command to run in the guest.
type Job struct {
	Name    string
	Args    []string // the program's path, then its arguments
	Env     []string // added to the guest's own
	Dir     string
	Timeout time.Duration // zero: as long as it takes
}

// Exit is how a job ended.
type Exit struct {
	Code     int    // -1 if the job did not exit by itself
	Signal   string // the signal that killed it, if one did
	TimedOut bool   // it was killed because its time was over
	Error    string // why it could not be started, if it could not
	Duration time.Duration
}

// A Kind says what a frame means.
type Kind string

// The frames of a run, in order: one Hello; Start, any number of Output, Exit for each job; one Done.
const (
	KindHello  Kind = "hello"  // the kernel's release
	KindStart  Kind = "start"  // the job's name
	KindOutput Kind = "output" // bytes the job wrote
	KindExit   Kind = "exit"   // Exit as JSON
	KindDone   Kind = "done"
)

// A Frame is one message of the guest.
type Frame struct {
	Kind    Kind
	Payload []byte
}

// ErrCorrupt is returned when the stream is not what the guest wrote.
var ErrCorrupt = errors.New("corrupt stream from the guest")

// A Writer writes frames.
type Writer struct {
	mu       sync.Mutex
	out      io.Writer
	sequence uint64
}

// NewWriter returns a Writer whose frames go to out.
func NewWriter(out io.Writer) *Writer { return &Writer{out: out} }

// Write sends one frame.
func (w *Writer) Write(kind Kind, payload []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	body := fmt.Sprintf("%d %s %s", w.sequence, kind, base64.StdEncoding.EncodeToString(payload))
	w.sequence++
	if _, err := fmt.Fprintf(w.out, "%08x %s\n", crc32.ChecksumIEEE([]byte(body)), body); err != nil {
		return fmt.Errorf("write %s frame: %w", kind, err)
	}
	return nil
}

// WriteExit sends how a job ended.
func (w *Writer) WriteExit(exit Exit) error {
	payload, err := json.Marshal(exit)
	if err != nil {
		return fmt.Errorf("encode exit: %w", err)
	}
	return w.Write(KindExit, payload)
}

// Output returns a writer that sends everything as Output frames.
func (w *Writer) Output() io.Writer { return output{w} }

type output struct{ *Writer }

func (o output) Write(p []byte) (int, error) {
	if err := o.Writer.Write(KindOutput, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// A Reader reads frames.
type Reader struct {
	in       *bufio.Reader
	sequence uint64
}

// NewReader returns a Reader of the frames in in.
func NewReader(in io.Reader) *Reader { return &Reader{in: bufio.NewReader(in)} }

// Next returns the next frame, io.EOF after the last whole one, or an error that is ErrCorrupt. Half a line at the end
// is io.ErrUnexpectedEOF: the guest died while writing.
func (r *Reader) Next() (Frame, error) {
	line, err := r.in.ReadString('\n')
	if errors.Is(err, io.EOF) && line != "" {
		return Frame{}, io.ErrUnexpectedEOF
	}
	if err != nil {
		return Frame{}, err
	}
	// The tty of the guest turns \n into \r\n.
	frame, sequence, err := parse(strings.TrimRight(line, "\r\n"))
	if err != nil {
		return Frame{}, fmt.Errorf("%w: frame %d: %w", ErrCorrupt, r.sequence, err)
	}
	if sequence != r.sequence {
		return Frame{}, fmt.Errorf("%w: frame %d instead of %d", ErrCorrupt, sequence, r.sequence)
	}
	r.sequence++
	return frame, nil
}

func parse(line string) (Frame, uint64, error) {
	var sum uint32
	sumText, body, _ := strings.Cut(line, " ")
	if _, err := fmt.Sscanf(sumText, "%08x", &sum); err != nil || crc32.ChecksumIEEE([]byte(body)) != sum {
		return Frame{}, 0, fmt.Errorf("wrong checksum: %.60q", line)
	}
	var sequence uint64
	fields := strings.SplitN(body, " ", 3)
	if len(fields) != 3 {
		return Frame{}, 0, fmt.Errorf("%d fields: %.60q", len(fields), line)
	}
	if _, err := fmt.Sscan(fields[0], &sequence); err != nil {
		return Frame{}, 0, fmt.Errorf("sequence number: %.60q", line)
	}
	payload, err := base64.StdEncoding.DecodeString(fields[2])
	if err != nil {
		return Frame{}, 0, fmt.Errorf("payload: %w", err)
	}
	return Frame{Kind: Kind(fields[1]), Payload: payload}, sequence, nil
}
