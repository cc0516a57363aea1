package capture

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"
)

// artifact is a file that is being written. Until it is finished it has its name with .partial behind, unless it is live:
// one that others may want to look at while it grows.
type artifact struct {
	store  *store
	record Record
	dir    string
	file   *os.File
	size   int64
	hash   hash.Hash // of what was written, as long as it was written in order
	hashed int64     // bytes; -1: it was not
	reason string    // the first one why it is not whole
	stuck  bool      // nothing more can be written
	suffix string
}

// create begins an artifact in the directory of the record's container. The error says why not; it is recorded.
func (s *store) create(r Record, name string) (*artifact, error) { return s.createAs(r, name, partial) }

// createLive begins an artifact that has its name from the start.
func (s *store) createLive(r Record, name string) (*artifact, error) { return s.createAs(r, name, "") }

func (s *store) createAs(r Record, name, suffix string) (*artifact, error) {
	dir, err := s.directory(r.ContainerID)
	if err == nil && !s.room(dir, 1) {
		err = errRefused
	}
	if err != nil {
		return nil, s.turnAway(r, name, err)
	}
	a := &artifact{store: s, record: r, dir: dir, hash: sha256.New(), suffix: suffix}
	a.record.Artifact = s.unused(dir, name)
	if err := a.open(os.O_CREATE | os.O_EXCL); err != nil {
		return nil, s.turnAway(r, name, err)
	}
	s.away.Remove(awayOf(r, name))
	return a, nil
}

// resume goes on with a live artifact that was finished; it fails if that was evicted.
func (s *store) resume(r Record) (*artifact, error) {
	if !s.forget(r.Artifact) {
		return nil, fs.ErrNotExist
	}
	a := &artifact{store: s, record: r, dir: path.Dir(r.Artifact), hash: sha256.New(), hashed: -1, size: r.Size}
	if err := a.open(0); err != nil {
		s.miss(r, err.Error())
		return nil, err
	}
	return a, nil
}

// discard removes an artifact that nobody wants after all.
func (a *artifact) discard(reason string) {
	name := a.record.Artifact + a.suffix
	if err := errors.Join(a.file.Close(), a.store.root.Remove(name)); err != nil {
		reason += ", but: " + err.Error()
	}
	a.store.account(a.dir, -a.size)
	r := a.record
	r.Time, r.State, r.Complete, r.Reason = time.Now().UnixNano(), Discarded, false, reason
	a.store.manifest.add(r)
}

func (a *artifact) open(flags int) (err error) {
	a.file, err = a.store.root.OpenFile(a.record.Artifact+a.suffix, os.O_RDWR|flags|unix.O_NOFOLLOW, fileMode)
	if err != nil {
		return bare(err)
	}
	r := a.record
	r.Time, r.State, r.Complete, r.Reason, r.SHA256 = time.Now().UnixNano(), Begun, false, "", ""
	a.store.manifest.add(r)
	return nil
}

// spoil notes why the artifact will not be whole.
func (a *artifact) spoil(reason string) {
	if a.reason == "" {
		a.reason = reason
	}
}

// writeAt writes bytes at their place, as far as quotas and the file system allow.
func (a *artifact) writeAt(p []byte, at int64) {
	if a.stuck || at < 0 {
		a.spoil("it could not be written on")
		return
	}
	if limit := a.store.quota.Artifact; limit > 0 && at+int64(len(p)) > limit {
		a.spoil(fmt.Sprintf("it is longer than the quota of %d bytes", limit))
		p = p[:max(0, limit-min(at, limit))]
	}
	if len(p) == 0 {
		return
	}
	grown := max(0, at+int64(len(p))-a.size)
	if !a.store.room(a.dir, grown) {
		a.spoil("a quota leaves no room")
		return
	}
	n, err := a.file.WriteAt(p, at)
	grown = max(0, at+int64(n)-a.size)
	if err != nil {
		a.stuck, a.hashed = true, -1
		a.spoil(bare(err).Error())
		if info, err := a.file.Stat(); err == nil { // more may have been written than was admitted
			grown = info.Size() - a.size
		}
	}
	a.store.account(a.dir, grown)
	a.size += grown
	if at != a.hashed {
		a.hashed = -1
	}
	if a.hashed >= 0 {
		a.hash.Write(p[:n])
		a.hashed += int64(n)
	}
}

// append writes bytes at the end.
func (a *artifact) append(p []byte) { a.writeAt(p, a.size) }

// cut makes the artifact shorter.
func (a *artifact) cut(size int64) {
	if size >= a.size {
		return
	}
	if err := a.file.Truncate(size); err != nil {
		a.spoil(bare(err).Error())
		return
	}
	a.store.account(a.dir, size-a.size)
	a.size, a.hashed = size, -1
}

// copyBytes is how much is copied at a time.
const copyBytes = 256 << 10

// restart makes the artifact ready to be written anew from its beginning.
func (a *artifact) restart() {
	a.hash.Reset()
	a.hashed = 0
}

// copySlice copies at most n bytes of what a reader has, from a position on, and says whether there is more. At the end
// the artifact is as long as what was read.
func (a *artifact) copySlice(r io.ReaderAt, at *int64, n int) (more bool) {
	if a.store.buffer == nil {
		a.store.buffer = make([]byte, copyBytes)
	}
	buffer := a.store.buffer[:min(copyBytes, n)]
	for ; n > 0 && a.reason == ""; n -= len(buffer) {
		got, err := r.ReadAt(buffer, *at)
		a.writeAt(buffer[:got], *at)
		*at += int64(got)
		if errors.Is(err, io.EOF) || err == nil && got == 0 {
			if a.reason == "" {
				a.cut(*at)
			}
			return false
		}
		if err != nil {
			a.spoil("read: " + bare(err).Error())
		}
	}
	return a.reason == ""
}

// finish gives the artifact its name and records it. note is added to an artifact that is whole.
func (a *artifact) finish(note string) (Record, error) {
	r := a.record
	err := a.settle(&r)
	if err != nil {
		a.store.account(a.dir, -a.size)
		return a.store.miss(r, bare(err).Error()), err
	}
	r.Time, r.State = time.Now().UnixNano(), Captured
	r.Size, r.Complete, r.Reason = a.size, a.reason == "", note
	a.store.stats.Captured++
	if !r.Complete {
		r.Reason = a.reason
		a.store.stats.Incomplete++
	}
	a.store.manifest.add(r)
	a.store.keep(r, a.dir)
	a.store.age()
	return r, nil
}

// settle hashes the file, and renames it.
func (a *artifact) settle(r *Record) (err error) {
	defer a.file.Close()
	if a.hashed == a.size {
		r.SHA256 = hex.EncodeToString(a.hash.Sum(nil))
	} else if _, r.SHA256, err = hashOf(a.file); err != nil {
		return err
	}
	if a.suffix == "" {
		return nil
	}
	return a.store.root.Rename(r.Artifact+a.suffix, r.Artifact)
}

// rename gives the artifact another name for the end.
func (a *artifact) rename(name string) {
	final := a.store.unused(a.dir, name)
	if a.store.root.Rename(a.record.Artifact+a.suffix, final+a.suffix) != nil {
		return
	}
	r := a.record
	r.Time, r.State, r.Reason = time.Now().UnixNano(), Renamed, renamedTo+final
	a.store.manifest.add(r)
	a.record.Artifact = final
}

// sum is the hash of what has been written.
func (a *artifact) sum() string {
	if a.hashed != a.size {
		_, sum, _ := hashOf(a.file)
		return sum
	}
	return hex.EncodeToString(a.hash.Sum(nil))
}

// hashOf reads a file from its beginning.
func hashOf(f *os.File) (size int64, sum string, err error) {
	h := sha256.New()
	if size, err = io.Copy(h, io.NewSectionReader(f, 0, 1<<62)); err != nil {
		return 0, "", err
	}
	return size, hex.EncodeToString(h.Sum(nil)), nil
}

// base is the name of the artifact in its directory.
func (a *artifact) base() string { return path.Base(a.record.Artifact) }
