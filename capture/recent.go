package capture

import (
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/tracee-go/tracee/events"
)

const (
	recentProcesses = 8192 // whose packets are remembered, or at least counted
	recentSnaplen   = 512  // bytes of a packet, from the link header on, unless the user says how many
	recentCost      = 160  // bytes of memory that a packet takes beside its own
)

// recent remembers the last packets of each process, should a finding ask for them. What it holds is bounded by bytes of all,
// packets of one process, and age. Packets come by the hundred thousand, and findings seldom: so the memory of one that is
// forgotten is used for the next, and who asks gets copies.
type recent struct {
	bounds Quota

	mu             sync.Mutex
	processes      *lru.Cache[uint64, *conversation] // by entity
	oldest, newest *recentPacket
	spare          *recentPacket // was forgotten last
	bytes          int64
	sequence       uint64
}

// conversation is what is remembered of a process.
type conversation struct {
	oldest, newest *recentPacket
	length         int
	seen           uint64 // packets, the forgotten ones too
}

type recentPacket struct {
	frame
	sequence uint64
	arrived  time.Time

	of           *conversation
	before, next *recentPacket // of all
	following    *recentPacket // in the conversation
}

func newRecent(bounds Quota) (*recent, error) {
	m := &recent{bounds: bounds}
	var err error
	m.processes, err = lru.NewWithEvict(recentProcesses, func(_ uint64, c *conversation) {
		for c.oldest != nil {
			m.forget(c.oldest)
		}
	})
	return m, err
}

// add remembers as much of a packet as the limit says.
func (m *recent) add(process uint64, f frame, limit int, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.processes.Get(process)
	if !ok {
		c = &conversation{}
		m.processes.Add(process, c)
	}
	c.seen++
	if c.length >= m.bounds.PacketsEach {
		m.forget(c.oldest)
	}
	m.expire(now)
	cost := int64(min(len(f.data), limit)) + recentCost
	for m.oldest != nil && m.bytes+cost > m.bounds.Packets {
		m.forget(m.oldest)
	}
	if cost <= m.bounds.Packets {
		m.append(c, m.keep(f, limit), now)
	}
}

// keep copies the beginning of a packet, into the memory of one that was forgotten if that is large enough.
func (m *recent) keep(f frame, limit int) *recentPacket {
	p := m.spare
	m.spare = nil
	if p == nil {
		p = &recentPacket{}
	}
	beginning := f.data[:min(len(f.data), limit)]
	kept := p.data[:0]
	if cap(kept) < len(beginning) || cap(kept) > 2*max(len(beginning), recentCost) { // of one that was much longer, most would lie idle
		kept = make([]byte, 0, len(beginning))
	}
	f.data = append(kept, beginning...)
	*p = recentPacket{frame: f}
	return p
}

func (m *recent) append(c *conversation, p *recentPacket, now time.Time) {
	m.sequence++
	p.sequence, p.arrived, p.of, p.before = m.sequence, now, c, m.newest
	if m.newest == nil {
		m.oldest = p
	} else {
		m.newest.next = p
	}
	if c.newest == nil {
		c.oldest = p
	} else {
		c.newest.following = p
	}
	m.newest, c.newest = p, p
	c.length++
	m.bytes += p.cost()
}

func (p *recentPacket) cost() int64 { return int64(len(p.data)) + recentCost }

func (m *recent) expire(now time.Time) {
	for m.oldest != nil && now.Sub(m.oldest.arrived) > m.bounds.PacketsAge {
		m.forget(m.oldest)
	}
}

// forget takes out a packet, which is the oldest of its conversation.
func (m *recent) forget(p *recentPacket) {
	c := p.of
	if c.oldest = p.following; c.oldest == nil {
		c.newest = nil
	}
	c.length--
	if p.before == nil {
		m.oldest = p.next
	} else {
		p.before.next = p.next
	}
	if p.next == nil {
		m.newest = p.before
	} else {
		p.next.before = p.before
	}
	m.bytes -= p.cost()
	m.spare = p
}

// remembered is a copy of a packet.
type remembered struct {
	frame
	sequence uint64
}

// since are the packets of a process that are remembered and came after the given one, oldest first, and how many the
// process had in all.
func (m *recent) since(process, sequence uint64, now time.Time) (packets []remembered, seen uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire(now)
	c, ok := m.processes.Peek(process)
	if !ok {
		return nil, 0
	}
	for p := c.oldest; p != nil; p = p.following {
		if p.sequence > sequence {
			r := remembered{p.frame, p.sequence}
			r.data = slices.Clone(r.data)
			packets = append(packets, r)
		}
	}
	return packets, c.seen
}

// Remember begins to remember the packets that the kernel side sends, should a finding ask for them, or forgets them all.
func (c *Capturer) Remember(wanted bool) error {
	if !wanted || c.recent.Load() != nil {
		if !wanted {
			c.recent.Store(nil)
		}
		return nil
	}
	m, err := newRecent(c.config.Quota)
	if err == nil {
		c.recent.Store(m)
	}
	return err
}

func (o *Options) recentSnaplen() int {
	if o.Snaplen > 0 {
		return o.Snaplen
	}
	return recentSnaplen
}

// PacketBytes is how much of a packet the kernel side has to send, from the link header on; 0: all.
func (o *Options) PacketBytes() int {
	if len(o.Net) == 0 {
		return o.recentSnaplen()
	}
	return o.Snaplen
}

var (
	argPacketLength = events.CapturePcap.Schema().Index("length")
	argPacketDevice = events.CapturePcap.Schema().Index("iface")
	argPacketData   = events.CapturePcap.Schema().Index("data")
)
