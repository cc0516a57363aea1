package capture

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

const interrupted = "tracee ended before it was whole"

// recover makes the directory agree with its manifest again: a file that was being written is recorded as it is, and
// files of which the manifest knows are counted.
func (s *store) recover(records []Record) error {
	last := map[string]Record{}
	for _, r := range records {
		if r.Artifact != "" {
			last[r.Artifact] = r
		}
	}
	entries, err := fs.ReadDir(s.root.FS(), ".")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !entry.IsDir() { // tracee.profile and the like are made anew
			continue
		}
		if err := s.recoverDir(entry.Name(), last); err != nil {
			return err
		}
	}
	for _, r := range last { // those that are not there any more
		if r.State == Begun {
			s.miss(r, interrupted+", and its file is gone")
		}
	}
	slices.SortFunc(s.kept, func(a, b keptFile) int { return int(a.time/1e6 - b.time/1e6) })
	return nil
}

func (s *store) recoverDir(dir string, last map[string]Record) error {
	files, err := fs.ReadDir(s.root.FS(), dir)
	if err != nil {
		return err
	}
	for _, file := range files {
		info, err := file.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		name := path.Join(dir, file.Name())
		final, unfinished := strings.CutSuffix(name, partial)
		r, known := last[final]
		delete(last, final)
		if known && !unfinished && r.State == Captured {
			s.account(dir, info.Size())
			s.keep(Record{Artifact: name, Kind: r.Kind, Size: info.Size(), Time: r.Time}, dir)
			continue
		}
		if !known {
			kind, _, _ := strings.Cut(file.Name(), ".")
			r = Record{Kind: kind, Artifact: final}
		}
		if err := s.mend(r, dir, name); err != nil {
			return err
		}
	}
	return nil
}

// mend records a file as it is, under its final name.
func (s *store) mend(r Record, dir, name string) error {
	if name != r.Artifact {
		if s.exists(r.Artifact) {
			r.Artifact = s.unused(dir, path.Base(r.Artifact))
		}
		if err := s.root.Rename(name, r.Artifact); err != nil {
			return err
		}
	}
	f, err := s.root.Open(r.Artifact)
	if err != nil {
		return err
	}
	r.Size, r.SHA256, err = hashOf(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	r.Time, r.State, r.Complete, r.Reason = time.Now().UnixNano(), Captured, false, interrupted
	s.manifest.add(r)
	s.account(dir, r.Size)
	s.keep(r, dir)
	return nil
}
