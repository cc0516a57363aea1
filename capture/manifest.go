package capture

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// ManifestName is the file that records all artifacts, one JSON object a line. The last line about an artifact counts.
const ManifestName = "manifest.jsonl"

// State is what a line of the manifest says about an artifact.
type State string

// The states.
const (
	Begun     State = "begun"     // the file is being written, some kinds under the name with .partial behind
	Renamed   State = "renamed"   // the file has another name from now on
	Captured  State = "captured"  // the file is there, with this size and hash
	Missed    State = "missed"    // nothing could be captured
	Discarded State = "discarded" // it was removed, because it is not what was wanted
	Noted     State = "noted"     // it was there, but has no contents: a socket
	Evicted   State = "evicted"   // it had to give way, by a quota
	Refused   State = "refused"   // there was no room for it, by a quota
	Lost      State = "lost"      // so many notices of the kernel side were lost, of artifacts that nobody knows
	Shortened State = "shortened" // so many lines were dropped, because the manifest had become too long
)

// renamedTo begins the reason of a Renamed line; the new name follows.
const renamedTo = "to "

// Record is one line of the manifest.
type Record struct {
	Time     int64  `json:"time"` // ns since the epoch, of the line
	State    State  `json:"state"`
	Kind     string `json:"kind"`               // write, read, exec, module, mem, bpf, net, and those of findings
	Artifact string `json:"artifact,omitempty"` // path below out

	ProcessName     string `json:"processName,omitempty"`
	HostProcessID   int    `json:"hostProcessId,omitempty"`
	ProcessEntityID uint64 `json:"processEntityId,omitempty"`
	UserID          *int   `json:"userId,omitempty"`
	Executable      string `json:"executable,omitempty"`
	ContainerID     string `json:"containerId,omitempty"`

	Pathname string `json:"pathname,omitempty"`
	Device   uint32 `json:"dev,omitempty"`
	Inode    uint64 `json:"inode,omitempty"`
	Address  uint64 `json:"address,omitempty"`
	Finding  string `json:"finding,omitempty"` // the signature that asked for it

	Size     int64  `json:"size"`
	SHA256   string `json:"sha256,omitempty"`
	Complete bool   `json:"complete"`
	// Source says whose bytes these are: file or memory, what the kernel has of it; caller, the memory of the process
	// that made the call, which could have changed it meanwhile; packets.
	Source string `json:"source,omitempty"`
	Reason string `json:"reason,omitempty"` // why it is not complete, or what else is to be known
	Count  uint64 `json:"count,omitempty"`  // of what was lost
}

// manifestReserve is how far ahead room is taken for lines, so that they can be written when nothing else can.
const manifestReserve = 64 << 10

// pendingMax bounds the lines that wait for room.
const pendingMax = 1 << 20 // bytes

// manifest appends lines, each by one write.
type manifest struct {
	root     *os.Root
	file     *os.File
	size     int64
	reserved int64
	pending  []byte // whole lines that could not be written
	dropped  int    // lines that did not fit there either

	longest, least int64 // it is shortened when it is as long as the first, which is never less than the second
}

// openManifest takes the file over, and returns what it says already. A line that a crash left unfinished is ended.
func openManifest(root *os.Root) (*manifest, []Record, error) {
	f, err := root.OpenFile(ManifestName, os.O_RDWR|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, nil, errors.New("somebody else captures there (choose another directory by dir:)")
		}
		return nil, nil, fmt.Errorf("lock %s: %w", ManifestName, err)
	}
	_ = root.Remove(ManifestName + partial) // a crash while it was shortened
	m := &manifest{root: root, file: f, longest: manifestMax, least: manifestMax}
	records, torn, err := readRecords(f)
	if err == nil {
		m.size, err = f.Seek(0, io.SeekEnd)
	}
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("read %s: %w", ManifestName, err)
	}
	if torn {
		m.write([]byte{'\n'})
	}
	return m, records, nil
}

// readRecords reads lines, and passes over those that are none. torn says that the last one has no end.
func readRecords(r io.Reader) (records []Record, torn bool, err error) {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			torn = line[len(line)-1] != '\n'
			var record Record
			if json.Unmarshal(line, &record) == nil {
				records = append(records, record)
			}
		}
		if errors.Is(err, io.EOF) {
			return records, torn, nil
		}
		if err != nil {
			return nil, false, err
		}
	}
}

// add appends a line. When there is no room, it waits for some.
func (m *manifest) add(r Record) {
	line, err := json.Marshal(r)
	if err != nil { // a Record always has a form in JSON
		panic(err)
	}
	line = append(line, '\n')
	if m.flush() && m.write(line) {
		return
	}
	if len(m.pending)+len(line) > pendingMax {
		m.dropped++
		return
	}
	m.pending = append(m.pending, line...)
}

// flush writes the lines that wait, and says whether none does any more.
func (m *manifest) flush() bool {
	for len(m.pending) > 0 {
		end := bytes.IndexByte(m.pending, '\n') + 1
		if !m.write(m.pending[:end]) {
			return false
		}
		m.pending = m.pending[end:]
	}
	return true
}

// write appends a line as a whole or not at all.
func (m *manifest) write(line []byte) bool {
	if m.size+int64(len(line)) > m.reserved {
		m.reserved = m.size + manifestReserve
		// Not every file system can; then lines wait when it is full.
		_ = unix.Fallocate(int(m.file.Fd()), unix.FALLOC_FL_KEEP_SIZE, m.size, manifestReserve)
	}
	n, err := m.file.Write(line)
	if err != nil {
		if n > 0 {
			_ = m.file.Truncate(m.size)
		}
		return false
	}
	m.size += int64(n)
	return true
}

// close writes what waits, and says what could not be written.
func (m *manifest) close() error {
	var err error
	if !m.flush() || m.dropped > 0 {
		err = fmt.Errorf("%s lacks %d lines for want of room", ManifestName, m.dropped+bytes.Count(m.pending, []byte{'\n'}))
	}
	return errors.Join(err, m.file.Close())
}
