package capture

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

// Memory that is captured comes in pieces.
const (
	piecesMax     = 256 // calls at once
	piecePatience = 5 * time.Second
)

type pieceKey struct {
	thread   int
	sequence uint64
	event    int
}

// piecewise is an artifact that is made of the pieces of one call.
type piecewise struct {
	context  trace.Event
	artifact *artifact
	deadline time.Time
}

// piece takes one piece of memory. What could not be sent is read from the process, which may still be there.
func (k *keeper) piece(n *notice) {
	key := pieceKey{n.context.HostThreadID, n.sequence, n.event}
	p := k.pieces[key]
	if p == nil {
		if p = k.beginPieces(n); p == nil {
			return
		}
		k.pieces[key] = p
	}
	p.artifact.writeAt(n.bytes, n.pos)
	if missing := n.size - int64(len(n.bytes)); missing > 0 {
		p.fetch(n, n.pos+int64(len(n.bytes)), missing)
	}
	if n.pos+n.size >= n.whole {
		k.finishPieces(p)
		delete(k.pieces, key)
	}
}

func (k *keeper) beginPieces(n *notice) *piecewise {
	kind, name := "mem", fmt.Sprintf("bin.%d", n.context.Timestamp)
	switch n.event {
	case events.CaptureModule.ID:
		kind, name = "module", fmt.Sprintf("module.pid-%d", n.pid)
	case events.CaptureBPF.ID:
		kind, name = "bpf", fmt.Sprintf("bpf.%d.%s", n.context.Timestamp, safeName("_" + n.name)[1:])
	}
	if len(k.pieces) >= piecesMax {
		k.duePieces(true)
	}
	r := n.record(kind)
	if r.Pathname == "" {
		r.Pathname = n.name
	}
	a, err := k.store.create(r, name)
	if err != nil {
		k.warn(kind, err)
		return nil
	}
	a.record.Source = "caller"
	return &piecewise{context: n.context, artifact: a, deadline: time.Now().Add(piecePatience)}
}

// fetch reads memory of the process.
func (p *piecewise) fetch(n *notice, at, length int64) {
	memory, err := os.Open(procPath(n.pid, "mem"))
	if err != nil {
		p.artifact.spoil("not all could be sent, and the process was gone")
		return
	}
	defer memory.Close()
	p.read(memory, span{at: at, address: n.address + uint64(at), length: length})
}

// span is a part of the memory of a process, which has a place in the artifact.
type span struct {
	at      int64
	address uint64
	length  int64
}

// read reads memory of a process, as far as it can be read and the artifact may grow.
func (p *piecewise) read(memory *os.File, s span) {
	buffer := make([]byte, copyBytes)
	for s.length > 0 && p.artifact.reason == "" {
		got, err := memory.ReadAt(buffer[:min(s.length, copyBytes)], int64(s.address))
		p.artifact.writeAt(buffer[:got], s.at)
		s.at, s.address, s.length = s.at+int64(got), s.address+uint64(got), s.length-int64(got)
		if err != nil && s.length > 0 {
			p.artifact.spoil("memory of the process could not be read")
		}
	}
}

func (k *keeper) finishPieces(p *piecewise) {
	if p.artifact.record.Kind == "module" {
		p.artifact.rename(p.artifact.base() + "." + p.artifact.sum())
	}
	r, err := p.artifact.finish("")
	k.warn(r.Kind, err)
	k.told(&p.context, r)
}

// duePieces gives up calls of which a piece did not come.
func (k *keeper) duePieces(all bool) {
	for key, p := range k.pieces {
		if all || time.Now().After(p.deadline) {
			p.artifact.spoil("a piece did not come")
			k.finishPieces(p)
			delete(k.pieces, key)
		}
	}
}

// moduleFile captures a module that is loaded from a file.
func (k *keeper) moduleFile(n *notice) {
	if n.own == nil {
		k.missed(&n.context, n.record("module"), n.gone())
		return
	}
	name := fmt.Sprintf("module.dev-%d.inode-%s", n.key.device, strconv.FormatUint(n.key.inode, 10))
	k.warn(n.path, k.copyFile(n.record("module"), opened{n.own, name}, func(a *artifact) {
		k.finishPieces(&piecewise{context: n.context, artifact: a})
	}))
}
