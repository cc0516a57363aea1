package trace

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"strings"
)

// A looseArg is an argument that was read from a stream, before its event has a schema. Its bytes belong to the reader.
type looseArg struct {
	name, typ []byte
	field     int  // the field of the catalogue's schema with this name and type, or -1
	want      Kind // what the type lets expect; Invalid when it is not known
	expected  bool // field and want are known
	kind      Kind // what the value turned out to be; Invalid for an absent argument
	hex       bool // a pointer that was written as "0x…"
	slot      uint64
	tail      []byte
}

// kindByType tells how values of v0.8's type names lie in a record, for events that the catalogue does not have.
var kindByType = map[string]Kind{
	"int": Int32, "pid_t": Int32, "uid_t": Int32, "gid_t": Int32, "mqd_t": Int32, "clockid_t": Int32,
	"const clockid_t": Int32, "key_t": Int32, "key_serial_t": Int32, "timer_t": Int32, "landlock_rule_type": Int32,
	"long":         Int64,
	"unsigned int": Uint32, "u32": Uint32, "mode_t": Uint32, "dev_t": Uint32,
	"unsigned long": Uint64, "u64": Uint64, "off_t": Uint64, "loff_t": Uint64, "size_t": Uint64,
	"unsigned short": Uint16, "old_uid_t": Uint16, "old_gid_t": Uint16, "umode_t": Uint16, "u16": Uint16,
	"u8": Uint8, "bool": Bool, "float": Float64, "float64": Float64,
	"string": String, "char*": String, "const char*": String,
	"const char*const*": Strings, "const char**": Strings,
	"struct sockaddr*": Sockaddr, "const struct sockaddr*": Sockaddr,
	"bytes": Bytes, "int[2]": IntPair, "slim_cred_t": Cred,
	"unsigned long[]": Document, "trace.PktMeta": Document, "[]trace.HookedSymbolData": Document,
	"map[string]trace.HookedSymbolData": Document, "[]trace.DnsQueryData": Document, "[]trace.DnsResponseData": Document,
}

// expect finds the field that the argument belongs to and the kind that its type lets expect. The i-th argument is
// most often the i-th field.
func (a *looseArg) expect(schema *Schema, i int) {
	a.field = -1
	if schema != nil {
		if i >= len(schema.Fields) || schema.Fields[i].Name != string(a.name) {
			i = schema.Index(string(a.name))
		}
		if i >= 0 && schema.Fields[i].Type.Name == string(a.typ) {
			a.field, a.want = i, schema.Fields[i].Type.Kind
			return
		}
	}
	var known bool
	if a.want, known = kindByType[string(a.typ)]; !known && strings.HasSuffix(viewString(a.typ), "*") {
		a.want = Pointer
	}
}

func (a *looseArg) setSlot(kind Kind, slot uint64) { a.kind, a.slot = kind, slot }
func (a *looseArg) setTail(kind Kind, tail []byte) { a.kind, a.tail = kind, tail }

func isInteger(kind Kind) bool { return kind >= Int32 && kind <= Uint64 || kind == Pointer }

// setInt stores an integer under the wanted kind if it can hold it, else as a plain integer.
func (a *looseArg) setInt(v int64) {
	switch {
	case v >= 0:
		a.setUint(uint64(v))
	case a.want == Float64:
		a.setSlot(Float64, math.Float64bits(float64(v)))
	case a.want == Int32 && v >= math.MinInt32:
		a.setSlot(Int32, uint64(v))
	default:
		a.setSlot(Int64, uint64(v))
	}
}

// largest is the largest value of each kind of integer.
var largest = [...]uint64{
	Int32: math.MaxInt32, Int64: math.MaxInt64, Uint8: math.MaxUint8, Uint16: math.MaxUint16, Uint32: math.MaxUint32,
	Uint64: math.MaxUint64, Pointer: math.MaxUint64,
}

func (a *looseArg) setUint(v uint64) {
	switch {
	case isInteger(a.want) && v <= largest[a.want]:
		a.setSlot(a.want, v)
	case a.want == Float64:
		a.setSlot(Float64, math.Float64bits(float64(v)))
	case v <= math.MaxInt64:
		a.setSlot(Int64, v)
	default:
		a.setSlot(Uint64, v)
	}
}

// setString stores a string; where a pointer is wanted, "0x1f" is one.
func (a *looseArg) setString(s []byte) {
	if a.want == Pointer {
		if v, ok := parseHex(s); ok {
			a.hex = true
			a.setSlot(Pointer, v)
		}
	}
	if !a.hex {
		a.kind = String
	}
	a.tail = s
}

// setBase64 stores bytes that were written in base64, appending them to scratch; other text stays a string.
func (a *looseArg) setBase64(s, scratch []byte) []byte {
	start := len(scratch)
	grown, err := base64.StdEncoding.Strict().AppendDecode(scratch, s)
	if err != nil || base64.StdEncoding.EncodedLen(len(grown)-start) != len(s) {
		a.setTail(String, s)
		return scratch
	}
	a.setTail(Bytes, grown[start:])
	return grown
}

// parseHex parses a pointer in the form of parse-arguments, and only in that form: 0x and lower-case digits.
func parseHex(s []byte) (uint64, bool) {
	if len(s) < 3 || len(s) > 18 || s[0] != '0' || s[1] != 'x' || s[2] == '0' && len(s) > 3 {
		return 0, false
	}
	var v uint64
	for _, c := range s[2:] {
		switch {
		case c >= '0' && c <= '9':
			v = v<<4 | uint64(c-'0')
		case c >= 'a' && c <= 'f':
			v = v<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return v, true
}

// schemaFinder finds the shape for what was read: the catalogue's where everything fits, else one made for the purpose.
type schemaFinder struct {
	lookup  func(eventName string) *Schema
	leave   func(eventName string) bool // which arguments are left out; nil: none are
	made    map[string]*Schema
	key     []byte
	builder Builder
}

// madeSchemas bounds the shapes that are kept; when there are more, all are forgotten.
const madeSchemas = 1024

func (f *schemaFinder) leaves(eventName string) bool { return f.leave != nil && f.leave(eventName) }

// kind is what is known of events of a name before any was read.
func (f *schemaFinder) kind(eventName string) *kindShape {
	return &kindShape{catalogue: f.catalogued(eventName), leaveOut: f.leaves(eventName)}
}

func (f *schemaFinder) catalogued(eventName string) *Schema {
	if f.lookup == nil {
		return nil
	}
	return f.lookup(eventName)
}

func named(e *Event) error {
	if e.EventName == "" {
		return errors.New("no event name")
	}
	return nil
}

// finish gives the event its arguments. Absent ones are left out. The event keeps its own id and name. What is known of its kind, if
// anything is, saves to look for the shape again.
func (f *schemaFinder) finish(e *Event, schema *Schema, args []looseArg, truncated [][]byte, kind *kindShape) error {
	if err := named(e); err != nil {
		return err
	}
	id, name := e.EventID, e.EventName
	parse := settlePointers(args)
	var fits bool
	if kind != nil && kind.holds(args, parse) {
		schema, fits = kind.schema, kind.fits
	} else {
		if fits = schema != nil && fitSchema(schema, args, parse); !fits {
			schema = f.make(id, name, args)
		}
		if kind != nil {
			kind.learn(args, parse, fits, schema)
		}
	}
	if cap(f.builder.body) > keptBuffer {
		f.builder = Builder{}
	}
	f.builder.Reset(schema)
	for i := range args {
		a := &args[i]
		if a.kind == Invalid {
			continue
		}
		if fits {
			i = a.field
		}
		if a.kind.InSlot() {
			f.builder.Slot(i, a.slot)
		} else {
			f.builder.Tail(i, a.tail)
		}
	}
	for _, t := range truncated {
		if i := schema.Index(viewString(t)); i >= 0 {
			f.builder.Truncate(i)
		}
	}
	f.builder.Finish(e)
	e.EventID, e.EventName, e.ParseArguments = id, name, parse
	return nil
}

// settlePointers decides how pointers that came as "0x…" are kept: as pointers of an event under parse-arguments, or as
// strings when the event has pointers in both forms. It reports the former.
func settlePointers(args []looseArg) (parse bool) {
	plain := false
	for i := range args {
		parse = parse || args[i].hex
		plain = plain || args[i].kind == Pointer && !args[i].hex
	}
	if !parse || !plain {
		return parse
	}
	for i := range args {
		if args[i].hex {
			args[i].kind = String
		}
	}
	return false
}

// fitSchema reports whether the catalogue's schema holds all arguments, each once and as its own kind, and shows them
// in the form in which they came.
func fitSchema(schema *Schema, args []looseArg, parse bool) bool {
	var seen uint64
	for i := range args {
		a := &args[i]
		if a.kind == Invalid {
			continue
		}
		if a.field < 0 || a.field >= MaxFields || seen&(1<<a.field) != 0 {
			return false
		}
		t := schema.Fields[a.field].Type
		if a.kind != t.Kind || parse && t.Text != nil {
			return false
		}
		seen |= 1 << a.field
	}
	return true
}

// make returns a schema with exactly these arguments in their order.
func (f *schemaFinder) make(id int, name string, args []looseArg) *Schema {
	key := binary.AppendVarint(f.key[:0], int64(id))
	key = append(binary.AppendUvarint(key, uint64(len(name))), name...)
	for _, a := range args {
		key = append(binary.AppendUvarint(key, uint64(len(a.name))), a.name...)
		key = append(binary.AppendUvarint(key, uint64(len(a.typ))), a.typ...)
		key = append(key, byte(a.kind))
	}
	f.key = key
	if schema, ok := f.made[string(key)]; ok {
		return schema
	}
	schema := &Schema{ID: id, Name: name, Fields: make([]Field, len(args))}
	for i, a := range args {
		schema.Fields[i] = Field{Name: string(a.name), Type: &Type{Name: string(a.typ), Kind: a.kind}}
	}
	if f.made == nil || len(f.made) >= madeSchemas {
		f.made = make(map[string]*Schema)
	}
	f.made[string(key)] = schema
	return schema
}
