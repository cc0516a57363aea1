package tracer

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/bpf"
	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

// decoder turns records into events. It keeps the names it has seen, because there are few and each is seen often.
type decoder struct {
	catalogue []*events.Event
	layouts   []layout
	offset    int64 // what makes the kernel's clock the wanted one, ns
	names     map[[16]byte]string
	filePaths bool // descriptors come with the paths of their files
	stack     []uint64
}

// namesMax bounds the cache of names; a program that renames itself for ever makes it start anew.
const namesMax = 4096

func newDecoder(relative bool) decoder {
	now := clock(unix.CLOCK_BOOTTIME)
	offset := -now
	if !relative {
		offset += time.Now().UnixNano()
	}
	return decoder{
		catalogue: events.All(),
		layouts:   layouts(),
		offset:    offset,
		names:     map[[16]byte]string{},
	}
}

func clock(id int32) int64 {
	var ts unix.Timespec
	if unix.ClockGettime(id, &ts) != nil {
		return 0
	}
	return ts.Nano()
}

func (d *decoder) timestamp(boot uint64) int { return int(int64(boot) + d.offset) }

// event fills e from a record, to whose bytes it then refers. It reports false for a record of an event that this
// build does not know, which can not happen with the object that belongs to it.
func (d *decoder) event(e *trace.Event, h *bpf.TraceeEventHeader, body []byte) bool {
	if int(h.Event) >= len(d.catalogue) || int(h.Size) > len(body) {
		return false
	}
	*e = trace.Event{
		Timestamp:           d.timestamp(h.Timestamp),
		ThreadStartTime:     int(h.StartTime),
		ProcessorID:         int(h.Cpu),
		ProcessID:           int(h.Pid),
		CgroupID:            uint(h.CgroupId),
		ThreadID:            int(h.Tid),
		ParentProcessID:     int(h.Ppid),
		HostProcessID:       int(h.HostPid),
		HostThreadID:        int(h.HostTid),
		HostParentProcessID: int(h.HostPpid),
		UserID:              int(h.Uid),
		MountNS:             int(h.MntNs),
		PIDNS:               int(h.PidNs),
		ProcessName:         d.name(&h.Comm),
		HostName:            d.name(&h.Uts),
		ReturnValue:         int(h.Retval),
		Rung:                trace.Rung(h.Rung),
		Compat:              h.Flags&events.RecordCompat != 0,
		Via:                 via(h.Flags),
		ContextFlags:        trace.ContextFlags{ContainerStarted: h.Flags&events.RecordContainerStarted != 0},
	}
	identify(e, h)
	event := d.catalogue[h.Event]
	if h.Flags&events.RecordStack != 0 {
		d.stack = appendStack(d.stack[:0], body[h.Size:])
		e.StackAddresses = d.stack
	}
	e.FilePaths = d.filePaths && event.Syscall
	body = body[:h.Size]
	present, truncated := h.Present, h.Truncated
	if registers := d.layouts[h.Event].of(e.Compat); registers != nil {
		present, truncated = arrange(body, registers, present, truncated)
	}
	if i := d.layouts[h.Event].address; i >= 0 && present>>i&1 != 0 {
		body = spellAddress(body, i)
	}
	e.SetRecord(event.Schema(), present, truncated, body)
	return true
}

// appendStack appends the addresses that follow the body of a record. A zero ends them.
func appendStack(stack []uint64, raw []byte) []uint64 {
	for ; len(raw) >= 8; raw = raw[8:] {
		address := binary.LittleEndian.Uint64(raw)
		if address == 0 {
			break
		}
		stack = append(stack, address)
	}
	return stack
}

// identify tells the event whom it is about.
func identify(e *trace.Event, h *bpf.TraceeEventHeader) {
	e.ProcessEntityID = trace.EntityID(h.HostPid, h.ProcessStartTime)
	e.ParentEntityID = trace.EntityID(h.HostPpid, h.ParentStartTime)
	e.ThreadEntityID = e.ProcessEntityID
	if h.HostTid != h.HostPid {
		e.ThreadEntityID = trace.EntityID(h.HostTid, h.StartTime)
	}
}

// via tells the way on which a task did what the record is about.
func via(flags uint8) string {
	if flags&events.RecordIOUring != 0 {
		return trace.ViaIOUring
	}
	return ""
}

// spellAddress replaces the bytes of an address by its text, which goes to the end of the record.
func spellAddress(body []byte, index int) []byte {
	slot := body[index*8 : index*8+8]
	start, length := binary.LittleEndian.Uint32(slot), binary.LittleEndian.Uint32(slot[4:])
	if uint64(start)+uint64(length) > uint64(len(body)) {
		return body
	}
	address, ok := netip.AddrFromSlice(body[start : start+length])
	if !ok {
		return body
	}
	end := len(body)
	body = address.Unmap().AppendTo(body)
	slot = body[index*8 : index*8+8]
	binary.LittleEndian.PutUint32(slot, uint32(end))
	binary.LittleEndian.PutUint32(slot[4:], uint32(len(body)-end))
	return body
}

// name returns the text before the first NUL.
func (d *decoder) name(raw *[16]int8) string {
	key := *(*[16]byte)(unsafe.Pointer(raw))
	if name, ok := d.names[key]; ok {
		return name
	}
	text := key[:]
	if end := bytes.IndexByte(text, 0); end >= 0 {
		text = text[:end]
	}
	if len(d.names) >= namesMax {
		clear(d.names)
	}
	name := string(text)
	d.names[key] = name
	return name
}

// layout says how the registers of a syscall map to its arguments, where that is not one to one.
type layout struct {
	native, compat []events.Register
	address        int // the argument that is an address in bytes, -1: none
}

func (l *layout) of(compat bool) []events.Register {
	if compat {
		return l.compat
	}
	return l.native
}

// layouts has an entry per event of the catalogue.
func layouts() []layout {
	all := events.All()
	l := make([]layout, len(all))
	for i, e := range all {
		l[i].address = slices.IndexFunc(e.Args, func(f trace.Field) bool { return f.Type == events.AddressT })
		if e.Syscall {
			l[i].native = unusual(e.Registers(abis()[events.ABINative]))
			l[i].compat = unusual(e.Registers(abis()[events.ABICompat]))
		}
	}
	return l
}

func unusual(registers []events.Register) []events.Register {
	for i, r := range registers {
		if r.Low != i || r.High != 0 {
			return registers
		}
	}
	return nil
}

// arrange brings the slots of a record from the order of registers into that of arguments, in place.
func arrange(body []byte, registers []events.Register, present, truncated uint64) (uint64, uint64) {
	var slots [8]uint64
	for i := range min(len(slots), len(body)/8) {
		slots[i] = binary.LittleEndian.Uint64(body[i*8:])
	}
	var arguments, cut uint64
	for i, r := range registers {
		value := slots[r.Low]
		if r.High != 0 {
			value = value&0xffffffff | slots[r.High]<<32
		}
		if (i+1)*8 <= len(body) {
			binary.LittleEndian.PutUint64(body[i*8:], value)
		}
		arguments |= present >> r.Low & 1 << i
		cut |= truncated >> r.Low & 1 << i
	}
	return arguments, cut
}
