package wire

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// conversation is a whole stream, as the guest's tty sends it.
func conversation(t *testing.T) string {
	t.Helper()
	var line bytes.Buffer
	w := NewWriter(&line)
	for _, err := range []error{
		w.Write(KindHello, []byte("6.1.0")),
		w.Write(KindStart, []byte("first")),
		func() error { _, err := w.Output().Write([]byte("a\nb\x00\r\n")); return err }(),
		w.WriteExit(Exit{Code: 3}),
		w.Write(KindDone, nil),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return strings.ReplaceAll(line.String(), "\n", "\r\n")
}

func readAll(stream string) ([]Frame, error) {
	var frames []Frame
	r := NewReader(strings.NewReader(stream))
	for {
		frame, err := r.Next()
		if err != nil {
			return frames, err
		}
		frames = append(frames, frame)
	}
}

func TestFramesArriveAsTheyWereSent(t *testing.T) {
	frames, err := readAll(conversation(t))
	if !errors.Is(err, io.EOF) {
		t.Fatalf("got %v, want EOF", err)
	}
	want := []Frame{
		{KindHello, []byte("6.1.0")},
		{KindStart, []byte("first")},
		{KindOutput, []byte("a\nb\x00\r\n")},
		{KindExit, []byte(`{"Code":3,"Signal":"","TimedOut":false,"Error":"","Duration":0}`)},
		{KindDone, []byte{}},
	}
	if len(frames) != len(want) {
		t.Fatalf("got %d frames, want %d", len(frames), len(want))
	}
	for i := range want {
		if frames[i].Kind != want[i].Kind || !bytes.Equal(frames[i].Payload, want[i].Payload) {
			t.Errorf("frame %d: got %s %q, want %s %q",
				i, frames[i].Kind, frames[i].Payload, want[i].Kind, want[i].Payload)
		}
	}
}

func TestEveryChangedByteIsNoticed(t *testing.T) {
	whole := conversation(t)
	for i := range whole {
		if whole[i] == '\r' {
			continue // does not carry anything
		}
		changed := []byte(whole)
		changed[i] ^= 0x10
		if _, err := readAll(string(changed)); !errors.Is(err, ErrCorrupt) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("byte %d (%q) changed: got %v, want ErrCorrupt", i, whole[i], err)
		}
	}
}

func TestMissingFrameIsNoticed(t *testing.T) {
	lines := strings.SplitAfter(conversation(t), "\n")
	without := strings.Join(append(lines[:2:2], lines[3:]...), "")
	if _, err := readAll(without); !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v, want ErrCorrupt", err)
	}
}

func TestHalfAFrameIsNotCorruption(t *testing.T) {
	whole := conversation(t)
	if _, err := readAll(whole[:len(whole)-7]); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want ErrUnexpectedEOF", err)
	}
}
