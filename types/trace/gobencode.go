package trace

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"math"
	"math/bits"
	"sync"
)

// The encoder of encoding/gob takes several microseconds for an event, which this file writes in a few hundred
// nanoseconds, to the same format. It knows the values of all kinds but Document. What types there are is not spelled out
// here: encoding/gob defines them at the beginning of the stream, and says which numbers it gave them.

// Numbers of types that encoding/gob always gives the same.
const (
	gobIDBool   = 1
	gobIDInt    = 2
	gobIDUint   = 3
	gobIDFloat  = 4
	gobIDBytes  = 5
	gobIDString = 6
)

// gobTypeIDs are the numbers that encoding/gob gave to types of ours, which are those of the process.
type gobTypeIDs struct{ event, strings, sockaddr, cred, pair int }

var gobIDs = sync.OnceValue(func() gobTypeIDs {
	return gobTypeIDs{
		event: gobTypeID(gobEvent{}), strings: gobTypeID([]string{}), sockaddr: gobTypeID(map[string]string{}),
		cred: gobTypeID(SlimCred{}), pair: gobTypeID([2]int32{}),
	}
})

// gobTypes are values of all types that an event without documents needs.
var gobTypes = []any{gobEvent{}, []string{}, map[string]string{}, SlimCred{}, [2]int32{}}

// gobTypeID returns the number in front of a value's message.
func gobTypeID(value any) int {
	var stream bytes.Buffer
	if err := gob.NewEncoder(&stream).Encode(value); err != nil {
		panic(err) // the types are constants
	}
	id := 0
	eachGobMessage(stream.Bytes(), func(_, message []byte) {
		w := gobWire{message: message}
		id = w.int()
	})
	return id
}

// gobDefinitions returns the messages of a stream that define types.
func gobDefinitions(stream []byte) []byte {
	var definitions []byte
	eachGobMessage(stream, func(whole, message []byte) {
		if w := (gobWire{message: message}); w.int() < 0 {
			definitions = append(definitions, whole...)
		}
	})
	return definitions
}

// eachGobMessage takes a stream of encoding/gob apart.
func eachGobMessage(stream []byte, yield func(whole, message []byte)) {
	for len(stream) > 0 {
		w := gobWire{message: stream}
		size := int(w.uint())
		end := w.at + size
		yield(stream[:end], stream[w.at:end])
		stream = stream[end:]
	}
}

func appendGobUint(b []byte, v uint64) []byte {
	if v <= 0x7f {
		return append(b, byte(v))
	}
	n := 8 - bits.LeadingZeros64(v)/8
	var bigEndian [8]byte
	binary.BigEndian.PutUint64(bigEndian[:], v)
	return append(append(b, byte(-n)), bigEndian[8-n:]...)
}

// gobUintSize is how many bytes appendGobUint appends.
func gobUintSize(v uint64) int {
	if v <= 0x7f {
		return 1
	}
	return 1 + 8 - bits.LeadingZeros64(v)/8
}

func gobZigzag(v int64) uint64 { return uint64(v<<1) ^ uint64(v>>63) }

func appendGobString[T string | []byte](b []byte, s T) []byte {
	return append(appendGobUint(b, uint64(len(s))), s...)
}

// gobFields appends the fields of a struct. Each is preceded by its distance from the one before; zeros are left out.
type gobFields struct {
	b    []byte
	last int
}

func (f *gobFields) at(field int) {
	f.b = appendGobUint(f.b, uint64(field-f.last))
	f.last = field
}

func (f *gobFields) uint(field int, v uint64) {
	if v != 0 {
		f.at(field)
		f.b = appendGobUint(f.b, v)
	}
}

func (f *gobFields) int(field int, v int) { f.uint(field, gobZigzag(int64(v))) }

func (f *gobFields) text(field int, v string) {
	if v != "" {
		f.at(field)
		f.b = appendGobString(f.b, v)
	}
}

// end returns the bytes behind the last field.
func (f *gobFields) end() []byte { return append(f.b, 0) }

// Fields of gobEvent, which are numbered in its order, as eventFields are.
var gobFieldNumber = func() map[string]int {
	numbers := map[string]int{}
	for i, f := range eventFields {
		numbers[f.gob] = i
	}
	return numbers
}()

var (
	gobCgroupID       = gobFieldNumber["CgroupID"]
	gobEventID        = gobFieldNumber["EventID"]
	gobArgsNum        = gobFieldNumber["ArgsNum"]
	gobStackAddresses = gobFieldNumber["StackAddresses"]
	gobContextFlags   = gobFieldNumber["ContextFlags"]
	gobArgs           = gobFieldNumber["Args"]
	gobExecutable     = gobFieldNumber["Executable"]
	gobRung           = gobFieldNumber["Rung"]
	gobCompat         = gobFieldNumber["Compat"]
	gobStackSymbols   = gobFieldNumber["StackSymbols"]
	gobPolicies       = gobFieldNumber["MatchedPolicies"]
	gobTruncated      = gobFieldNumber["Truncated"]
	gobLost           = gobFieldNumber["Bytes"]
)

// appendGobEvent appends the message of an event that has no documents.
func (e *Event) appendGobEvent(b, scratch []byte) (message, _ []byte) {
	f := gobFields{b: appendGobUint(b, gobZigzag(int64(gobIDs().event))), last: -1}
	for i := range eventFields {
		switch field := &eventFields[i]; {
		case field.number != nil:
			f.int(i, *field.number(e))
		case field.text != nil:
			f.text(i, *field.text(e))
		case field.entity != nil:
			f.uint(i, *field.entity(e))
		default:
			scratch = e.appendGobField(&f, i, scratch)
		}
	}
	return f.end(), scratch
}

// appendGobField appends the fields that are neither integers nor strings.
func (e *Event) appendGobField(f *gobFields, field int, scratch []byte) []byte {
	switch field {
	case gobCgroupID:
		f.uint(field, uint64(e.CgroupID))
	case gobEventID:
		f.int(field, e.EventID)
	case gobArgsNum:
		f.int(field, e.ArgsNum())
	case gobStackAddresses:
		if len(e.StackAddresses) > 0 {
			f.at(field)
			f.b = appendGobUint(f.b, uint64(len(e.StackAddresses)))
			for _, address := range e.StackAddresses {
				f.b = appendGobUint(f.b, address)
			}
		}
	case gobContextFlags:
		if e.ContextFlags.ContainerStarted {
			f.at(field)
			f.b = append(f.b, 1, 1, 0)
		}
	case gobArgs:
		return e.appendGobArgs(f, scratch)
	case gobExecutable:
		if e.Executable != "" {
			f.at(field)
			f.b = append(appendGobString(append(f.b, 1), e.Executable), 0)
		}
	case gobRung:
		f.text(field, e.Rung.String())
	case gobCompat:
		if e.Compat {
			f.uint(field, 1)
		}
	case gobStackSymbols:
		f.texts(field, e.StackSymbols)
	case gobPolicies:
		f.texts(field, e.MatchedPolicies)
	case gobTruncated:
		e.appendGobTruncated(f)
	case gobLost:
		e.appendGobLost(f)
	}
	return scratch
}

// texts appends a list that has elements.
func (f *gobFields) texts(field int, texts []string) {
	if len(texts) == 0 {
		return
	}
	f.at(field)
	f.b = appendGobUint(f.b, uint64(len(texts)))
	for _, text := range texts {
		f.b = appendGobString(f.b, text)
	}
}

func (e *Event) appendGobTruncated(f *gobFields) {
	marked := e.truncated & e.present
	if marked == 0 {
		return
	}
	f.at(gobTruncated)
	f.b = appendGobUint(f.b, uint64(bits.OnesCount64(marked)))
	for ; marked != 0; marked &= marked - 1 {
		f.b = appendGobString(f.b, e.schema.Fields[bits.TrailingZeros64(marked)].Name)
	}
}

// appendGobLost appends the socket addresses that are more than their maps; texts are whole in gob.
func (e *Event) appendGobLost(f *gobFields) {
	n := uint64(0)
	e.lostSockaddrs(func(Arg) { n++ })
	if n == 0 {
		return
	}
	f.at(gobLost)
	f.b = appendGobUint(f.b, n)
	e.lostSockaddrs(func(a Arg) {
		f.b = appendGobString(f.b, argumentKey+a.Name())
		f.b = appendGobString(f.b, a.Raw())
	})
}

func (e *Event) appendGobArgs(f *gobFields, scratch []byte) []byte {
	n := e.ArgsNum()
	if n == 0 {
		return scratch
	}
	f.at(gobArgs)
	f.b = appendGobUint(f.b, uint64(n))
	prefixes := e.schema.gobPrefixes()
	for rest := e.present; rest != 0; rest &= rest - 1 {
		i := bits.TrailingZeros64(rest)
		a := Arg{event: e, index: i}
		if text, ok := a.symbol(); ok {
			f.b = append(f.b, prefixes[i].parsed...)
			f.b = appendGobText(f.b, viewBytes(text))
		} else if a.hexadecimal() {
			f.b = append(f.b, prefixes[i].hexadecimal...)
			scratch = a.appendHexadecimal(scratch[:0])
			f.b = appendGobText(f.b, scratch)
		} else {
			f.b = append(f.b, prefixes[i].plain...)
			f.b, scratch = a.appendGobValue(f.b, scratch[:0])
		}
		f.b = append(f.b, 0)
	}
	return scratch
}

// gobPrefix is what comes before the value of an argument: the length of name and type, and the type of the value.
type gobPrefix struct{ plain, parsed, hexadecimal string }

// gobPrefixes returns the texts of the schema. Two events may make them at the same time; either result will do.
func (s *Schema) gobPrefixes() []gobPrefix {
	if made := s.gob.Load(); made != nil {
		return *made
	}
	prefixes := make([]gobPrefix, len(s.Fields))
	for i, f := range s.Fields {
		goType, id := gobTypeOf(f.Type.Kind)
		prefixes[i].plain = gobArgumentPrefix(f.Name, f.Type.Name, goType, id)
		prefixes[i].parsed = gobArgumentPrefix(f.Name, f.Type.parsedName(), "string", gobIDString)
		prefixes[i].hexadecimal = gobArgumentPrefix(f.Name, f.Type.Name, "string", gobIDString)
	}
	s.gob.Store(&prefixes)
	return prefixes
}

func gobArgumentPrefix(name, typeName, goType string, id int) string {
	meta := gobFields{b: []byte{1}, last: -1} // the first field, ArgMeta, is a struct itself
	meta.text(0, name)
	meta.text(1, typeName)
	b := append(meta.end(), 1) // the second, Value
	b = appendGobString(b, goType)
	return string(appendGobUint(b, gobZigzag(int64(id))))
}

// gobTypeOf names the Go type of v0.8's values of a kind, and its number.
func gobTypeOf(k Kind) (goType string, id int) {
	switch k {
	case Bool:
		return "bool", gobIDBool
	case Int32:
		return "int32", gobIDInt
	case Int64:
		return "int64", gobIDInt
	case Uint8:
		return "uint8", gobIDUint
	case Uint16:
		return "uint16", gobIDUint
	case Uint32:
		return "uint32", gobIDUint
	case Float64:
		return "float64", gobIDFloat
	case Pointer:
		return "uintptr", gobIDUint
	case IntPair:
		return gobPairName, gobIDs().pair
	case String:
		return "string", gobIDString
	case Strings:
		return "[]string", gobIDs().strings
	case Sockaddr:
		return "map[string]string", gobIDs().sockaddr
	case Bytes:
		return "[]uint8", gobIDBytes
	case Cred:
		return gobCredName, gobIDs().cred
	default:
		return "uint64", gobIDUint
	}
}

// appendGobText appends a string, or bytes, as a value on its own: with its length in front.
func appendGobText(b, text []byte) []byte {
	n := uint64(len(text))
	b = appendGobUint(b, uint64(1+gobUintSize(n))+n)
	return appendGobString(append(b, 0), text)
}

// appendGobNumber appends a number as a value on its own.
func appendGobNumber(b []byte, v uint64) []byte {
	b = append(b, byte(1+gobUintSize(v)), 0)
	return appendGobUint(b, v)
}

// appendGobValue appends the value of an argument, with its length in front.
func (a Arg) appendGobValue(b, scratch []byte) (_, _ []byte) {
	switch a.Type().Kind {
	case Bool:
		v := uint64(0)
		if a.Uint() != 0 {
			v = 1
		}
		return appendGobNumber(b, v), scratch
	case Int32, Int64:
		return appendGobNumber(b, gobZigzag(a.Int())), scratch
	case Uint8, Uint16, Uint32:
		return appendGobNumber(b, uint64(a.Int())), scratch
	case Float64:
		return appendGobNumber(b, bits.ReverseBytes64(math.Float64bits(math.Float64frombits(a.Uint())))), scratch
	case String, Bytes:
		return appendGobText(b, a.Raw()), scratch
	case IntPair:
		scratch = append(scratch, 0, 2)
		scratch = appendGobUint(scratch, gobZigzag(int64(int32(a.Uint()))))
		scratch = appendGobUint(scratch, gobZigzag(int64(int32(a.Uint()>>32))))
	case Strings:
		scratch = appendGobStrings(append(scratch, 0), a.Raw())
	case Sockaddr:
		scratch = a.Sockaddr().appendGob(append(scratch, 0))
	case Cred:
		scratch = parseCred(a.Raw()).appendGob(scratch)
	default:
		return appendGobNumber(b, a.Uint()), scratch
	}
	return appendGobString(b, scratch), scratch
}

// appendGobStrings appends a list of strings, each of which is followed by a NUL.
func appendGobStrings(b, raw []byte) []byte {
	raw = bytes.TrimSuffix(raw, []byte{0})
	if len(raw) == 0 {
		return append(b, 0)
	}
	b = appendGobUint(b, uint64(bytes.Count(raw, []byte{0})+1))
	for more := true; more; {
		var element []byte
		element, raw, more = bytes.Cut(raw, []byte{0})
		b = appendGobString(b, element)
	}
	return b
}

func (s SocketAddress) appendGob(b []byte) []byte {
	count := len(b)
	b = append(b, 0)
	s.pairs(func(key, value string) {
		b[count]++
		b = appendGobString(appendGobString(b, key), value)
	})
	return b
}

func (c SlimCred) appendGob(b []byte) []byte {
	f := gobFields{b: b, last: -1}
	for i, v := range [...]uint64{
		uint64(c.Uid), uint64(c.Gid), uint64(c.Suid), uint64(c.Sgid), uint64(c.Euid), uint64(c.Egid), uint64(c.Fsuid),
		uint64(c.Fsgid), uint64(c.UserNamespace), uint64(c.SecureBits),
		c.CapInheritable, c.CapPermitted, c.CapEffective, c.CapBounding, c.CapAmbient,
	} {
		f.uint(i, v)
	}
	return f.end()
}
