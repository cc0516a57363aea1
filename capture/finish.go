package capture

import (
	"fmt"
	"time"
)

// dueTransfers finishes what is over.
func (k *keeper) dueTransfers(ending bool) {
	now := time.Now()
	for _, t := range k.transfers.active {
		switch {
		case t.copy != nil || !ending && now.Before(t.deadline):
		case t.idle:
			if t.changed() || t.mapped && t.closings > 0 { // memory changes a file whose time stays as it was
				k.again(t)
			} else {
				k.drop(t)
			}
		case ending:
			k.finishTransfer(t)
		case t.regular && t.own != nil && !t.key.read && t.open():
			t.deadline = now.Add(whileOpen)
		case now.Sub(t.last) < whileQuiet && (!t.regular || t.key.read):
			t.deadline = t.last.Add(whileQuiet)
		default:
			k.finishTransfer(t)
		}
	}
	if !ending {
		return
	}
	k.endCopies()
	for _, t := range k.transfers.active {
		k.drop(t)
	}
}

// again copies a file that somebody changed of whom the kernel side did not tell: a child, through a mapping.
func (k *keeper) again(t *transfer) {
	r, ok := k.transfers.finished.Get(t.key)
	if !ok {
		k.drop(t)
		return
	}
	a, err := k.store.resume(r)
	if err != nil {
		k.drop(t)
		return
	}
	t.artifact, t.idle, t.closings = a, false, 0
	k.finishTransfer(t)
}

// finishOldest makes room for another transfer.
func (k *keeper) finishOldest() {
	var oldest *transfer
	for _, t := range k.transfers.active {
		if oldest == nil || t.idle && !oldest.idle || t.idle == oldest.idle && t.last.Before(oldest.last) {
			oldest = t
		}
	}
	if !oldest.idle && oldest.copy == nil {
		k.finishTransfer(oldest)
	}
	if oldest.copy != nil {
		k.copyNow(oldest.copy)
	}
	k.drop(oldest)
}

// drop lets go of a transfer that is finished.
func (k *keeper) drop(t *transfer) {
	delete(k.transfers.active, t.key)
	if !t.key.read {
		k.capturer.holding.Delete(t.key.file)
		k.watch.remove(t.key.file)
	}
	if t.own != nil {
		t.own.Close()
	}
}

// finishTransfer begins to make the artifact equal to the file, if there is one.
func (k *keeper) finishTransfer(t *transfer) {
	if t.held != nil && t.held.copied.Swap(false) { // from now on all is sent again: what comes while it is copied is not missed
		t.unsent = true
		t.held.sent.Store(0)
		k.warn("tell the kernel side", k.capturer.tellCopied(t.key.file, false))
	}
	a := t.artifact
	a.record.Source = "caller"
	switch {
	case !t.regular:
	case t.own == nil || t.key.read:
		if t.missing > 0 || t.mapped {
			a.spoil(fmt.Sprintf("not all could be sent, and the file was gone: %v", t.holdErr))
		}
		if t.unseen && !t.key.read {
			a.spoil(fmt.Sprintf("not all was written now, and the file was gone: %v", t.holdErr))
		}
	default:
		if t.beginCopy() {
			t.copy = &copying{artifact: a, from: t.own, done: t.copied}
			k.copyLater(t.copy)
			return
		}
	}
	k.completeTransfer(t)
}

// beginCopy says whether the file is to be copied. If it was cut in the meantime, the artifact stays what was written.
func (t *transfer) beginCopy() bool {
	a := t.artifact
	info, err := t.own.Stat()
	if err != nil {
		a.spoil(bare(err).Error())
		return false
	}
	t.size, t.modified = info.Size(), info.ModTime()
	if info.Size() >= t.extent {
		a.record.Source = "file"
		a.restart()
		return true
	}
	t.note = fmt.Sprintf("the file was cut to %d bytes; this is what was written", info.Size())
	if t.missing > 0 || t.mapped || t.unsent {
		a.spoil(fmt.Sprintf("not all was sent, and the file was cut to %d bytes before it could be copied", info.Size()))
	}
	return false
}

// copied finishes the artifact when the file was copied.
func (t *transfer) copied(k *keeper) {
	t.copy = nil
	if t.changed() {
		t.artifact.spoil("the file changed while it was copied")
	}
	k.completeTransfer(t)
}

// completeTransfer records the artifact. A descriptor of the file is kept for a while, should somebody go on.
func (k *keeper) completeTransfer(t *transfer) {
	if !k.wantedType(t) {
		t.artifact.discard("it is no ELF file")
		k.drop(t)
		return
	}
	before, _ := k.transfers.finished.Get(t.key)
	r, err := t.artifact.finish(t.note)
	if err != nil {
		k.warn(r.Pathname, err)
	}
	if r.State == Captured {
		k.transfers.finished.Add(t.key, r)
	}
	if before.SHA256 != r.SHA256 || before.Artifact != r.Artifact || before.Complete != r.Complete {
		k.told(&t.context, r)
	}
	if t.own == nil || t.key.read {
		k.drop(t)
		return
	}
	t.idle, t.last, t.closings = true, time.Now(), 0
	t.deadline = t.last.Add(lingering)
	if !r.Complete && t.changed() {
		t.deadline = t.last.Add(whileOpen)
	}
}

// wantedType decides about programs and libraries, which only their contents tell.
func (k *keeper) wantedType(t *transfer) bool {
	files := k.capturer.config.Write
	if t.key.read {
		files = k.capturer.config.Read
	}
	if files == nil || !t.regular || files.Types&ELF == 0 || files.Types&Regular != 0 {
		return true
	}
	var magic [4]byte
	n, _ := t.artifact.file.ReadAt(magic[:], 0)
	return string(magic[:n]) == "\x7fELF"
}
