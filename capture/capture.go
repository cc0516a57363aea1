package capture

import (
	"errors"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

// Config says what to capture.
type Config struct {
	Options
	// Copied, if set, tells the kernel side that it need not send what is written to a file, because the file is copied as
	// a whole; or that this is over.
	Copied func(device uint32, inode uint64, generation uint32, copied bool) error
	// Packet, if set, says which packets are captured, of those that the kernel side sends.
	Packet func(*trace.Event) bool
	Log    *slog.Logger // nil: nothing is logged
}

// Capturer captures artifacts. Close it to finish them.
type Capturer struct {
	config Config
	keeper *keeper
	byID   map[int]func(*trace.Event)

	holding sync.Map // fileKey: *held; the keeper has a descriptor of the file

	evidenced *lru.Cache[evidenceKey, bool]
	recent    atomic.Pointer[recent] // nil: packets are not remembered

	framed  []byte            // the packet that is looked at; the stage's
	devices map[string]string // names of interfaces; the stage's

	mu      sync.Mutex
	done    []*trace.Event // artifacts to tell of
	pending atomic.Bool
	untold  atomic.Uint64 // of which there were too many
}

// doneMax bounds the artifacts that wait to be told of.
const doneMax = 4096

// New opens the directory and begins to capture what a Stage will see.
func New(config Config) (*Capturer, error) {
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	s, err := openStore(config.Options)
	if err != nil {
		return nil, err
	}
	c := &Capturer{config: config}
	if c.evidenced, err = lru.New[evidenceKey, bool](evidencedMax); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if err := c.Remember(config.Remembers()); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if c.keeper, err = newKeeper(c, s); err != nil {
		return nil, errors.Join(err, s.close())
	}
	c.byID = map[int]func(*trace.Event){
		events.CaptureFileWrite.ID: c.transferred,
		events.CaptureFileRead.ID:  c.transferred,
		events.CaptureExec.ID:      c.executed,
		events.CaptureModule.ID:    c.loaded,
		events.CaptureMem.ID:       c.loaded,
		events.CaptureBPF.ID:       c.loaded,
		events.CapturePcap.ID:      c.sent,
		events.CaptureTick.ID:      func(*trace.Event) {},
	}
	return c, nil
}

// Events are what the kernel side has to tell for the options.
func (o *Options) Events() []*events.Event {
	var wanted []*events.Event
	for _, each := range []struct {
		wanted bool
		event  *events.Event
	}{
		{o.Write != nil, events.CaptureFileWrite},
		{o.Read != nil, events.CaptureFileRead},
		{o.Exec, events.CaptureExec},
		{o.Module, events.CaptureModule},
		{o.Memory, events.CaptureMem},
		{o.BPF, events.CaptureBPF},
		{len(o.Net) > 0 || o.Remembers(), events.CapturePcap},
	} {
		if each.wanted {
			wanted = append(wanted, each.event)
		}
	}
	return wanted
}

// SetCopied sets Config.Copied, before the stream begins.
func (c *Capturer) SetCopied(copied func(device uint32, inode uint64, generation uint32, copied bool) error) {
	c.config.Copied = copied
}

// MarkReady leaves the file by which v0.8 says that it watches.
func (c *Capturer) MarkReady(pid string) {
	c.keeper.do(func(k *keeper) { k.warn(readyFile, k.store.markReady(pid)) })
}

// Pending says whether there are artifacts to tell of; the stream needs another event for that.
func (c *Capturer) Pending() bool { return c.pending.Load() }

// Stage takes the internal events out of the stream, and puts in an event for each artifact when it is there. When the
// stream ends, all artifacts are finished, and told of.
func (c *Capturer) Stage(source iter.Seq[*trace.Event]) iter.Seq[*trace.Event] {
	return func(yield func(*trace.Event) bool) {
		for e := range source {
			take := c.byID[e.EventID]
			if take != nil {
				take(e)
			} else {
				c.losses(e)
				if !yield(e) {
					return
				}
			}
			if c.pending.Load() && !c.tell(yield) {
				return
			}
		}
		c.keeper.finish()
		c.tell(yield)
	}
}

// losses records what the kernel side could not send.
func (c *Capturer) losses(e *trace.Event) {
	if e.EventID != events.LostEvents.ID {
		return
	}
	name, ok := e.Lookup("event")
	if !ok {
		return
	}
	lost, err := events.Lookup(string(name.Raw()))
	if !err || c.byID[lost.ID] == nil {
		return
	}
	count, _ := e.Lookup("lost")
	reason, _ := e.Lookup("reason")
	n, kind, why := count.Uint(), lost.Name, string(reason.Raw())
	c.keeper.do(func(k *keeper) { k.lost(kind, n, "the kernel side sent them in vain: "+why) })
}

// captured leaves word of an artifact for the stream.
func (c *Capturer) captured(context *trace.Event, r Record) {
	var b trace.Builder
	b.Reset(events.ArtifactCaptured.Schema())
	b.Text(0, r.Kind)
	b.Text(1, r.Artifact)
	if r.Pathname != "" {
		b.Text(2, r.Pathname)
	}
	if r.Inode != 0 {
		b.Slot(3, uint64(r.Device))
		b.Slot(4, r.Inode)
	}
	b.Slot(5, uint64(r.Size))
	b.Text(6, r.SHA256)
	complete := uint64(0)
	if r.Complete {
		complete = 1
	}
	b.Slot(7, complete)
	if r.Reason != "" {
		b.Text(8, r.Reason)
	}
	e := *context
	b.Finish(&e)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.done) >= doneMax {
		c.untold.Add(1)
		return
	}
	c.done = append(c.done, &e)
	c.pending.Store(true)
}

func (c *Capturer) tell(yield func(*trace.Event) bool) bool {
	c.mu.Lock()
	done := c.done
	c.done = nil
	c.pending.Store(false)
	c.mu.Unlock()
	for _, e := range done {
		if !yield(e) {
			return false
		}
	}
	return true
}

// Close finishes all artifacts, and returns what became of them.
func (c *Capturer) Close() (Stats, error) {
	c.keeper.finish()
	err := c.keeper.close()
	if n := c.untold.Load(); n > 0 {
		c.config.Log.Warn("artifacts are in the manifest, but not in the stream", "count", n)
	}
	return c.keeper.store.stats, err
}

// held is what the stream and the keeper both know of a file of which there is a descriptor.
type held struct {
	sent   atomic.Int64 // bytes
	copied atomic.Bool  // the kernel side was told to send no more
}

// sendMax is how much is sent of a file that will be copied anyway: it is all that is left if somebody cuts the file.
const sendMax = 1 << 20

// transferred takes hold of a file that is written, so that it can be copied when it is closed.
func (c *Capturer) transferred(e *trace.Event) {
	n := newNotice(e)
	if n.event == events.CaptureFileWrite.ID && n.regular() {
		c.holdWritten(n)
	}
	c.keeper.take(n, (*keeper).transfer)
}

func (c *Capturer) holdWritten(n *notice) {
	known, ok := c.holding.Load(n.key)
	if ok {
		n.held = known.(*held)
	} else if n.own, n.holdErr = hold(n.key, waysTo(n)...); n.own != nil {
		n.held = &held{}
		c.holding.Store(n.key, n.held)
	}
	if n.held == nil {
		return
	}
	sent := n.held.sent.Add(int64(len(n.bytes)))
	if sent >= sendMax && n.held.copied.CompareAndSwap(false, true) {
		c.keeper.warn("tell the kernel side", c.tellCopied(n.key, true))
	}
}

// tellCopied tells the kernel side that it need not send what is written to a file; or that this is over.
func (c *Capturer) tellCopied(file fileKey, copied bool) error {
	if c.config.Copied == nil {
		return nil
	}
	return c.config.Copied(file.device, file.inode, file.generation, copied)
}

// executed takes hold of the image that runs. It may be gone already, if the process was short: then of the file, if that
// is still where it was.
func (c *Capturer) executed(e *trace.Event) {
	n := newNotice(e)
	if !c.keeper.executions.first(n) {
		c.keeper.take(n, (*keeper).execAgain)
		return
	}
	n.own, n.holdErr = hold(n.key, append([]string{procPath(n.pid, "exe")}, waysTo(n)...)...)
	if n.own == nil {
		n.own = holdByParent(n.key, n.parent)
	}
	c.keeper.take(n, (*keeper).exec)
}

// loaded takes hold of the file of a module; of memory it takes what came.
func (c *Capturer) loaded(e *trace.Event) {
	n := newNotice(e)
	if n.fd >= 0 && n.event == events.CaptureModule.ID {
		n.own, n.holdErr = hold(n.key, waysTo(n)...)
		c.keeper.take(n, (*keeper).moduleFile)
		return
	}
	c.keeper.take(n, (*keeper).piece)
}
