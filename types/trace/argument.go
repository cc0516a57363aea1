package trace

import (
	"encoding/binary"
	"encoding/json"
	"iter"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"unsafe"
)

const slotSize = 8

// ArgMeta names an argument and its type, as in v0.8.
type ArgMeta struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// Argument is a decoded argument in the form of v0.8's API and gob stream. Section 2.3 of v0.8's interface lists
// the Go type of Value for each type name.
type Argument struct {
	ArgMeta
	Value any `json:"value"`
}

// Arg is a captured argument of an event, still undecoded. It is valid as long as its event is.
type Arg struct {
	event *Event
	index int
}

// ArgsNum returns the number of arguments that were captured.
func (e *Event) ArgsNum() int { return bits.OnesCount64(e.present) }

// Lookup finds the captured argument called name. It does not allocate.
func (e *Event) Lookup(name string) (Arg, bool) {
	if e.schema == nil {
		return Arg{}, false
	}
	i := e.schema.Index(name)
	if i < 0 || e.present&(1<<i) == 0 {
		return Arg{}, false
	}
	return Arg{event: e, index: i}, true
}

// At returns the argument at position i of the schema.
func (e *Event) At(i int) (Arg, bool) {
	if i < 0 || i >= MaxFields || e.present&(1<<i) == 0 {
		return Arg{}, false
	}
	return Arg{event: e, index: i}, true
}

// All yields the captured arguments in the order of the schema.
func (e *Event) All() iter.Seq[Arg] {
	return func(yield func(Arg) bool) {
		for rest := e.present; rest != 0; rest &= rest - 1 {
			if !yield(Arg{event: e, index: bits.TrailingZeros64(rest)}) {
				return
			}
		}
	}
}

// Args decodes all captured arguments. It allocates; prefer Lookup where few are needed.
func (e *Event) Args() []Argument {
	args := make([]Argument, 0, e.ArgsNum())
	for a := range e.All() {
		args = append(args, Argument{ArgMeta: ArgMeta{Name: a.Name(), Type: a.TypeName()}, Value: a.Value()})
	}
	return args
}

// Name returns the declared name of the argument.
func (a Arg) Name() string { return a.event.schema.Fields[a.index].Name }

// Type returns the declared type.
func (a Arg) Type() *Type { return a.event.schema.Fields[a.index].Type }

// Truncated reports whether the value is not whole: it was cut, or only the caller says so, or the path leads nowhere.
func (a Arg) Truncated() bool { return a.event.truncated&(1<<a.index) != 0 }

// symbol is Symbol if that is to be shown.
func (a Arg) symbol() (text string, ok bool) {
	if !a.event.ParseArguments {
		return "", false
	}
	return a.Symbol()
}

// Symbol returns the form that parse-arguments gives to a value which has names, if there is one.
func (a Arg) Symbol() (text string, ok bool) {
	t := a.Type()
	switch {
	case t.Descriptor && a.hasFile():
		return string(a.appendDescriptor(nil)), true
	case t.TextIn != nil:
		text = t.TextIn(uint64(a.Int()), a.event)
	case t.Text != nil:
		text = t.Text(uint64(a.Int()))
	default:
		return "", false
	}
	return text, text != "" || !t.Partial
}

// hexadecimal reports whether the argument is an address that is shown as parse-arguments shows it.
func (a Arg) hexadecimal() bool {
	return a.event.ParseArguments && a.Type().Kind == Pointer && a.Type().Text == nil
}

// TypeName returns the name of the type as it is shown, which parse-arguments changes to "string" for values that it
// turns into names.
func (a Arg) TypeName() string {
	if _, ok := a.symbol(); ok {
		return a.Type().parsedName()
	}
	return a.Type().Name
}

// Uint returns the slot as it is: the value of an argument whose kind lives in the slot.
func (a Arg) Uint() uint64 { return binary.LittleEndian.Uint64(a.event.body[a.index*slotSize:]) }

// Int returns a value of the slot, extended by its own width and sign.
func (a Arg) Int() int64 {
	v := a.Uint()
	switch a.Type().Kind {
	case Int32:
		return int64(int32(v))
	case Uint8:
		return int64(uint8(v))
	case Uint16:
		return int64(uint16(v))
	case Uint32:
		return int64(uint32(v))
	default:
		return int64(v)
	}
}

// Raw returns the bytes of an argument whose kind lives in the tail. They belong to the event.
func (a Arg) Raw() []byte {
	if a.Type().Kind.InSlot() {
		return nil
	}
	slot := a.Uint()
	offset, size := uint32(slot), uint32(slot>>32)
	if end := uint64(offset) + uint64(size); end > uint64(len(a.event.body)) {
		return nil
	}
	return a.event.body[offset:][:size]
}

// text views the tail bytes as a string without copying; it lives as long as the event.
func (a Arg) text() string { return viewString(a.Raw()) }

// viewString views bytes as a string without copying; the string changes when they do.
func viewString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// viewBytes is the inverse of viewString. The bytes may not be written to.
func viewBytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// HasText reports whether the argument is a string, or is shown as one because of ParseArguments.
func (a Arg) HasText() bool {
	if a.Type().Kind == String || a.hexadecimal() {
		return true
	}
	_, ok := a.symbol()
	return ok
}

// Text returns the argument as a string: a string as it is, a number in the form of parse-arguments when that applies,
// and everything else as Go prints its v0.8 value. For strings it does not copy: keep the result no longer than the
// event, or clone it.
func (a Arg) Text() string {
	if a.Type().Kind == String {
		return a.text()
	}
	return string(a.AppendText(nil))
}

// Strings returns the elements of a string array.
func (a Arg) Strings() []string {
	raw := strings.Clone(a.text())
	if raw == "" {
		return []string{}
	}
	return strings.Split(strings.TrimSuffix(raw, "\x00"), "\x00")
}

// Sockaddr returns the address of a socket address argument.
func (a Arg) Sockaddr() SocketAddress { return parseSockaddr(a.Raw()) }

// Value decodes the argument into v0.8's Go value: int32, uint64, string, []string, map[string]string …
func (a Arg) Value() any {
	t, v := a.Type(), a.Uint()
	if text, ok := a.symbol(); ok {
		return text
	}
	if a.hexadecimal() {
		return string(a.appendHexadecimal(nil))
	}
	switch t.Kind {
	case Bool:
		return v != 0
	case Int32:
		return int32(v)
	case Int64:
		return int64(v)
	case Uint8:
		return uint8(v)
	case Uint16:
		return uint16(v)
	case Uint32:
		return uint32(v)
	case Float64:
		return math.Float64frombits(v)
	case Pointer:
		return uintptr(v)
	case IntPair:
		return [2]int32{int32(v), int32(v >> 32)}
	case String:
		return strings.Clone(a.text())
	case Strings:
		return a.Strings()
	case Sockaddr:
		return a.Sockaddr().Map()
	case Bytes:
		return append([]byte{}, a.Raw()...)
	case Cred:
		return parseCred(a.Raw())
	case Document:
		return decodeDocument(t.Name, a.Raw())
	default:
		return v
	}
}

// decodeDocument decodes a JSON value into the registered Go type of that name, or into JSON's own types.
func decodeDocument(typeName string, raw []byte) any {
	if decode, ok := documentTypes[typeName]; ok {
		if v, err := decode(raw); err == nil {
			return v
		}
	}
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return nil
	}
	return v
}

// appendNumber appends a slot value in decimal.
func (a Arg) appendNumber(b []byte) []byte {
	switch a.Type().Kind {
	case Bool:
		return strconv.AppendBool(b, a.Uint() != 0)
	case Int32, Int64, Uint8, Uint16, Uint32:
		return strconv.AppendInt(b, a.Int(), 10)
	case Float64:
		return strconv.AppendFloat(b, math.Float64frombits(a.Uint()), 'g', -1, 64)
	default:
		return strconv.AppendUint(b, a.Uint(), 10)
	}
}
