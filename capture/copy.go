package capture

import (
	"io"
	"os"
	"slices"
	"time"
)

// copying is a file, or memory of a process, of which an artifact is made a slice at a time, so that a large one delays
// nobody: neither notices nor other copies.
type copying struct {
	artifact *artifact
	from     io.ReaderAt
	at       int64
	evidence bool          // of a finding: it is not waited for in the end
	done     func(*keeper) // finishes the artifact
}

const (
	sliceBytes     = 1 << 20         // what is copied at a time
	copiesMax      = 1024            // at once: each has a descriptor
	evidenceCopies = 512             // of them, of findings
	copyTurns      = 64              // jobs between two slices, if the queue does not get empty
	endPatience    = 2 * time.Second // with evidence that is not whole when tracee ends
)

// endedEarly is why evidence is not whole that would have taken longer than that.
const endedEarly = "tracee ended before it was copied as a whole"

// copy makes an artifact of what is there. As much as fits one read is copied at once: whoever has it may be gone soon.
func (k *keeper) copy(c *copying) {
	c.artifact.restart()
	if !c.artifact.copySlice(c.from, &c.at, copyBytes) {
		c.done(k)
		return
	}
	k.copyLater(c)
}

// copyLater puts a copy behind the others. When there are too many, it is not put off.
func (k *keeper) copyLater(c *copying) {
	k.copies = append(k.copies, c)
	if c.evidence {
		k.evidenceCopied++
	}
	if len(k.copies) > copiesMax {
		k.copyNow(c)
	}
}

// copySlice copies a slice of what has waited longest, and says whether there is more to do.
func (k *keeper) copySlice() bool {
	if len(k.copies) == 0 {
		return false
	}
	c := k.copies[0]
	if c.artifact.copySlice(c.from, &c.at, sliceBytes) {
		copy(k.copies, k.copies[1:])
		k.copies[len(k.copies)-1] = c
		return true
	}
	k.copied(c)
	return len(k.copies) > 0
}

// copyNow copies the rest.
func (k *keeper) copyNow(c *copying) {
	for c.artifact.copySlice(c.from, &c.at, sliceBytes) {
	}
	k.copied(c)
}

// copied takes a copy that is finished out of the list.
func (k *keeper) copied(c *copying) {
	i := slices.Index(k.copies, c)
	k.copies = slices.Delete(k.copies, i, i+1)
	if c.evidence {
		k.evidenceCopied--
	}
	c.done(k)
}

// endCopies copies all that is left, but of evidence only what can be had soon.
func (k *keeper) endCopies() {
	for end := time.Now().Add(endPatience); len(k.copies) > 0; {
		if c := k.copies[0]; c.evidence && time.Now().After(end) {
			c.artifact.spoil(endedEarly)
		}
		k.copySlice()
	}
}

// copyFile makes an artifact of a descriptor of our own, which it closes. finished is called when all of it is there that
// can be; the error says why there is no artifact.
func (k *keeper) copyFile(r Record, f opened, finished func(*artifact)) error {
	a, err := k.store.create(r, f.name)
	if err != nil {
		f.Close()
		return err
	}
	a.record.Source = "file"
	k.copy(&copying{artifact: a, from: f, evidence: r.Finding != "", done: func(*keeper) {
		f.Close()
		finished(a)
	}})
	return nil
}

// opened is a file of which an artifact is made.
type opened struct {
	*os.File
	name string // of the artifact
}
