package capture

import (
	"container/list"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

const (
	recentProcesses = 8192 // whose packets are remembered, or at least counted
	recentSnaplen   = 512  // bytes of a packet, from the link header on, unless the user says how many
	recentCost      = 160  // bytes of memory that a packet takes beside its own
)

// recent remembers the last packets of each process, should a finding ask for them. What it holds is bounded by bytes of all,
// packets of one process, and age.
type recent struct {
	bounds Quota

	mu        sync.Mutex
	processes *lru.Cache[uint64, *conversation] // by entity
	packets   *list.List                        // of *recentPacket, oldest first
	bytes     int64
	sequence  uint64
}

// conversation is what is remembered of a process.
type conversation struct {
	packets list.List // elements of recent.packets, oldest first
	seen    uint64    // packets, the forgotten ones too
}

type recentPacket struct {
	packet
	of       *conversation
	place    *list.Element // in of.packets
	sequence uint64
	arrived  time.Time
}

func newRecent(bounds Quota) (*recent, error) {
	m := &recent{bounds: bounds, packets: list.New()}
	var err error
	m.processes, err = lru.NewWithEvict(recentProcesses, func(_ uint64, c *conversation) {
		for c.packets.Len() > 0 {
			m.forget(c.packets.Front().Value.(*list.Element))
		}
	})
	return m, err
}

// add remembers a packet, whose bytes are its own from now on.
func (m *recent) add(process uint64, p packet, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.processes.Get(process)
	if !ok {
		c = &conversation{}
		m.processes.Add(process, c)
	}
	c.seen++
	if c.packets.Len() >= m.bounds.PacketsEach {
		m.forget(c.packets.Front().Value.(*list.Element))
	}
	m.sequence++
	kept := &recentPacket{packet: p, of: c, sequence: m.sequence, arrived: now}
	kept.place = c.packets.PushBack(m.packets.PushBack(kept))
	m.bytes += kept.cost()
	m.expire(now)
	for m.bytes > m.bounds.Packets {
		m.forget(m.packets.Front())
	}
}

func (p *recentPacket) cost() int64 { return int64(len(p.data)) + recentCost }

func (m *recent) expire(now time.Time) {
	for e := m.packets.Front(); e != nil && now.Sub(e.Value.(*recentPacket).arrived) > m.bounds.PacketsAge; e = m.packets.Front() {
		m.forget(e)
	}
}

func (m *recent) forget(e *list.Element) {
	p := m.packets.Remove(e).(*recentPacket)
	p.of.packets.Remove(p.place)
	m.bytes -= p.cost()
}

// since are the packets of a process that are remembered and came after the given one, oldest first, and how many the
// process had in all.
func (m *recent) since(process, sequence uint64, now time.Time) (packets []*recentPacket, seen uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire(now)
	c, ok := m.processes.Peek(process)
	if !ok {
		return nil, 0
	}
	for e := c.packets.Front(); e != nil; e = e.Next() {
		if p := e.Value.(*list.Element).Value.(*recentPacket); p.sequence > sequence {
			packets = append(packets, p)
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

// remember takes a packet that the kernel side sent, if somebody may ask for it.
func (c *Capturer) remember(e *trace.Event, p *packet) {
	recent := c.recent.Load()
	if recent == nil || e.ProcessEntityID == 0 {
		return
	}
	kept := *p
	kept.context = trace.Event{}
	kept.data = clip(p.data, c.config.recentSnaplen())
	recent.add(e.ProcessEntityID, kept, time.Now())
}

// clip copies the beginning of a packet; 0: all of it.
func clip(data []byte, most int) []byte {
	if most > 0 && len(data) > most {
		data = data[:most]
	}
	return append([]byte(nil), data...)
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
