package capture

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// manifestMax is how long the manifest may become, in bytes, before lines about what is not there any more are dropped.
const manifestMax = 16 << 20

// shorten drops lines that are not the last about their artifact, and those about artifacts that are gone or never were, when the
// manifest has become long; the first line says how many. Whoever reads it sees the one file or the other. If artifacts that are
// there have so many lines, it is done when there are twice as many.
func (m *manifest) shorten() error {
	if m.size < m.longest || len(m.pending) > 0 {
		return nil
	}
	m.longest = 2 * m.size // also if it fails: not again at once
	last, lines, err := m.lastLines()
	if err != nil {
		return err
	}
	to, err := createManifest(m.root, ManifestName+partial)
	if err != nil {
		return err
	}
	short := &manifest{root: m.root, file: to}
	if err = m.copyTo(short, last, lines); err == nil {
		err = m.root.Rename(ManifestName+partial, ManifestName)
	}
	if err != nil {
		return errors.Join(err, to.Close(), m.root.Remove(ManifestName+partial))
	}
	old := m.file
	m.file, m.size, m.reserved = to, short.size, short.reserved
	m.longest = max(m.least, 2*m.size)
	return old.Close()
}

// createManifest makes a new file that nobody else captures into.
func createManifest(root *os.Root, name string) (*os.File, error) {
	if err := root.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL|os.O_APPEND|unix.O_NOFOLLOW, fileMode)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", name, err), f.Close())
	}
	return f, nil
}

// eachLine calls back with the whole lines of the manifest, and where they begin.
func (m *manifest) eachLine(each func(at int64, line []byte) error) error {
	lines := bufio.NewReader(io.NewSectionReader(m.file, 0, m.size))
	for at := int64(0); ; {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = each(at, line)
		}
		if err != nil {
			return err
		}
		at += int64(len(line))
	}
}

// lastLines finds where the last line about each artifact begins that is there or being written, and counts all lines that there have been.
func (m *manifest) lastLines() (last map[string]int64, lines uint64, err error) {
	last = map[string]int64{}
	renamed := map[string]string{} // to which names
	err = m.eachLine(func(at int64, line []byte) error {
		var r Record
		if json.Unmarshal(line, &r) == nil && r.State == Shortened {
			lines += r.Count
			return nil
		}
		if lines++; r.Artifact == "" {
			return nil
		}
		delete(last, r.Artifact)
		delete(renamed, r.Artifact)
		switch r.State {
		case Begun, Captured:
			last[r.Artifact] = at
		case Renamed: // nothing may have been said under the new name yet
			last[r.Artifact] = at
			renamed[r.Artifact] = strings.TrimPrefix(r.Reason, renamedTo)
		}
		return nil
	})
	for name, to := range renamed {
		if _, known := last[to]; known {
			delete(last, name)
		}
	}
	return last, lines, err
}

// copyTo writes lines into another manifest, and as the first how many it lacks.
func (m *manifest) copyTo(to *manifest, last map[string]int64, lines uint64) error {
	to.add(Record{
		Time: time.Now().UnixNano(), State: Shortened, Count: lines - uint64(len(last)),
		Reason: "lines about artifacts that are not there any more, or that others came after, are dropped",
	})
	keep := make(map[int64]bool, len(last))
	for _, at := range last {
		keep[at] = true
	}
	err := m.eachLine(func(at int64, line []byte) error {
		if keep[at] && !to.write(line) {
			return fmt.Errorf("shorten %s: no room", ManifestName)
		}
		return nil
	})
	if err == nil && len(to.pending) > 0 {
		return fmt.Errorf("shorten %s: no room", ManifestName)
	}
	return err
}
