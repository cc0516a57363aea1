package trace

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// A stretch is a run of an event's fields, in the order of eventFields, that is likely to come again to the letter: of the same
// thread, of the same kind of event.
type stretch uint8

const (
	noStretch   stretch = iota
	threadPart          // from the thread's start to what is known of its container
	kindPart            // the event's id, its name, and how many arguments it has
	flagsPart           // the stack, which is mostly none, and the context flags
	processPart         // from the entity ids to the end
	stretches
)

// stretchBegin and stretchEnd say with which field each stretch begins, and in front of which it ends; stretchAt, which begins with a
// field; stretchOf, which one a field is of.
var (
	stretchBegin = [stretches]int{
		threadPart:  fieldIndex("threadStartTime"),
		kindPart:    fieldIndex("eventId"),
		flagsPart:   fieldIndex("stackAddresses"),
		processPart: fieldIndex("threadEntityId"),
	}
	stretchEnd = [stretches]int{
		threadPart:  fieldIndex("eventId"),
		kindPart:    fieldIndex("returnValue"),
		flagsPart:   fieldIndex("args"),
		processPart: len(eventFields),
	}
	stretchAt, stretchOf = func() (at, of [len(eventFields) + 1]stretch) {
		for s := threadPart; s < stretches; s++ {
			at[stretchBegin[s]] = s
			for i := stretchBegin[s]; i < stretchEnd[s]; i++ {
				of[i] = s
			}
		}
		return at, of
	}()
)

// fieldIndex is the place of a field of JSON among the fields; it must be one.
func fieldIndex(json string) int {
	for i := range eventFields {
		if eventFields[i].json == json {
			return i
		}
	}
	panic("no field " + json)
}

// take copies the fields of a stretch.
func (s stretch) take(e, from *Event) {
	switch s {
	case threadPart:
		e.ThreadStartTime, e.ProcessorID, e.ProcessID, e.CgroupID = from.ThreadStartTime, from.ProcessorID, from.ProcessID, from.CgroupID
		e.ThreadID, e.ParentProcessID, e.HostProcessID = from.ThreadID, from.ParentProcessID, from.HostProcessID
		e.HostThreadID, e.HostParentProcessID, e.UserID = from.HostThreadID, from.HostParentProcessID, from.UserID
		e.MountNS, e.PIDNS, e.ProcessName, e.HostName = from.MountNS, from.PIDNS, from.ProcessName, from.HostName
		e.ContainerID, e.ContainerImage, e.ContainerName = from.ContainerID, from.ContainerImage, from.ContainerName
		e.PodName, e.PodNamespace, e.PodUID = from.PodName, from.PodNamespace, from.PodUID
	case kindPart:
		e.takeKind(from)
	case flagsPart:
		e.ContextFlags = from.ContextFlags
	case processPart:
		e.takeProcess(from)
	}
}

func (e *Event) takeKind(from *Event) { e.EventID, e.EventName = from.EventID, from.EventName }

func (e *Event) takeProcess(from *Event) {
	e.ThreadEntityID, e.ProcessEntityID, e.ParentEntityID = from.ThreadEntityID, from.ProcessEntityID, from.ParentEntityID
	e.ContainerImageDigest, e.ContainerRuntime = from.ContainerImageDigest, from.ContainerRuntime
	e.Executable, e.Rung, e.Compat, e.Via, e.Errno = from.Executable, from.Rung, from.Compat, from.Via, from.Errno
	e.MatchedPolicies = from.MatchedPolicies
}

// recall keeps texts of stretches and what they mean, so that one that comes again is compared and not read. It holds so many of
// each, and forgets one for another that has its place.
type recall [stretches]*[recallSlots]remembered

// remembered is a text of a stretch.
type remembered struct {
	text  []byte
	event Event // its fields
	kind  *kindShape
	last  int      // where reading goes on: JSON's next field, or gob's last one
	after int      // gob's last field before it, which its text counts from
	typ   *gobType // of gob's event
}

const (
	recallSlots = 1 << 9  // of each stretch
	recallText  = 2 << 10 // bytes of a text that is kept
	recallPrime = 0x9e3779b97f4a7c15
)

// recallKey says which bytes of a text tell it from others, eights of them.
type recallKey struct{ skip, size int }

// slot returns the place of a text that begins with these bytes; nil if they are too few. The key tells it from others, and the last
// stretch is also told by its length.
func (r *recall) slot(s stretch, text []byte, key recallKey) *remembered {
	if len(text) < key.skip+key.size {
		return nil
	}
	var sum uint64
	if s == processPart {
		sum = uint64(len(text))
	}
	for telling := text[key.skip : key.skip+key.size]; len(telling) >= 8; telling = telling[8:] {
		sum = mixed(sum, telling)
	}
	return r.place(s, sum)
}

// mixed makes a number of another one and the first eight bytes of a text, to tell texts by.
func mixed(sum uint64, text []byte) uint64 {
	sum = (sum ^ binary.LittleEndian.Uint64(text)) * recallPrime
	return sum ^ sum>>32
}

func (r *recall) place(s stretch, sum uint64) *remembered {
	if r[s] == nil {
		r[s] = new([recallSlots]remembered)
	}
	return &r[s][sum%recallSlots]
}

// begins reports whether the text is the one that is remembered, or more.
func (m *remembered) begins(text []byte) bool {
	return len(m.text) > 0 && bytes.HasPrefix(text, m.text)
}

// keep remembers a text and what it means, and reports whether it does.
func (m *remembered) keep(text []byte, e *Event, last int) bool {
	if len(text) > recallText {
		return false
	}
	m.text, m.event, m.last, m.kind = append(m.text[:0], text...), *e, last, nil
	return true
}

// reading is a stretch that is being read, to be remembered: where it begins, where it is to be kept, and remembered.after.
type reading struct {
	stretch stretch
	at      int
	in      *remembered
	after   int
}

// A kindShape is what is known of events that have the same id, name and number of arguments.
type kindShape struct {
	catalogue *Schema
	leaveOut  bool // its arguments
	args      []gobArg
	process   *remembered // of the last of them

	// The last of them: its arguments, and the shape that held them.
	last   []shapedArg
	parse  bool
	fits   bool
	schema *Schema
}

// A shapedArg is what an argument has to do with the shape of its event.
type shapedArg struct {
	name, typ []byte // of one that is no field of the catalogue's schema
	field     int
	kind      Kind
}

// holds reports whether the shape of the last event is that of these arguments, too.
func (k *kindShape) holds(args []looseArg, parse bool) bool {
	if k.schema == nil || len(args) != len(k.last) || parse != k.parse {
		return false
	}
	for i := range args {
		a, b := &args[i], &k.last[i]
		if a.kind != b.kind || a.field != b.field || a.field < 0 && (!bytes.Equal(a.name, b.name) || !bytes.Equal(a.typ, b.typ)) {
			return false
		}
	}
	return true
}

// learn notes the shape that holds the arguments.
func (k *kindShape) learn(args []looseArg, parse, fits bool, schema *Schema) {
	k.last = slices.Grow(k.last[:0], len(args))[:len(args)]
	for i := range args {
		a, b := &args[i], &k.last[i]
		b.field, b.kind = a.field, a.kind
		if a.field < 0 {
			b.name, b.typ = append(b.name[:0], a.name...), append(b.typ[:0], a.typ...)
		}
	}
	k.parse, k.fits, k.schema = parse, fits, schema
}
