package trace

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// gobKind is the shape of a type in a gob stream. Those up to gobInterface are numbered as encoding/gob numbers them.
type gobKind uint8

const (
	gobUnknown gobKind = iota
	gobBool
	gobInt
	gobUint
	gobFloat
	gobBytes
	gobString
	gobComplex
	gobInterface
	gobArray
	gobSlice
	gobStruct
	gobMap
	gobOpaque // encoded by the type's own GobEncode
)

// gobType is a type that the stream has defined; its other types are named by id.
type gobType struct {
	name      string // of a struct; gob's definition of it says so
	kind      gobKind
	key, elem int
	element   *gobType // what elem names, when it has been looked up
	fields    []gobField
	usual     bool // see isUsual
}

type gobField struct {
	name  string
	typ   int
	event *eventField // the field of an event that has this name
	index int         // its place in eventFields, or -1
	read  func(r *GobReader, e *Event, t *gobType)
	known *gobType // what typ names, when it has been looked up
}

// Bounds on what a stream may define and nest; v0.8's events need 20 types and 4 levels.
const (
	firstGobType  = 64 // lower ids belong to encoding/gob
	maxGobTypes   = 1024
	maxGobFields  = 1024
	maxGobName    = 256
	maxGobNesting = 32
)

// gobWire decodes messages of a gob stream (the format is described in the documentation of encoding/gob). The first
// mistake is kept in failed; from then on everything reads as zero and nothing is consumed.
type gobWire struct {
	types   map[int]*gobType
	dense   [2 * firstGobType]*gobType // of types, those with low ids
	message []byte
	at      int
	nesting int
	typed   int // where the type of the last dynamic value ended, -1 if it was defined there
	failed  error

	// more appends the next message to this one, for a value that goes on there. What was read stays where it is.
	more func(message []byte) ([]byte, error)
}

var (
	errGobShort = errors.New("value goes beyond its message")
	errGobType  = errors.New("unexpected type")
)

func (w *gobWire) reset(message []byte) { w.message, w.at, w.nesting, w.failed = message, 0, 0, nil }

func (w *gobWire) fail(err error) {
	if w.failed == nil {
		w.failed = err
		w.at = len(w.message)
	}
}

// finish reports the first mistake. A message that is longer than its value is one.
func (w *gobWire) finish() error {
	if w.at < len(w.message) {
		w.failBehind()
	}
	return w.failed
}

func (w *gobWire) failBehind() { w.fail(fmt.Errorf("%d bytes behind the value", len(w.message)-w.at)) }

func (w *gobWire) left() int { return len(w.message) - w.at }

func (w *gobWire) rest() []byte { return w.message[w.at:] }

// take consumes n bytes.
func (w *gobWire) take(n uint64) []byte {
	if n > uint64(w.left()) {
		w.fail(errGobShort)
		return nil
	}
	start := w.at
	w.at += int(n)
	return w.message[start:w.at:w.at]
}

// next returns the byte that comes next, and 0xff at the end. (The conversions spare the check of the index.)
func (w *gobWire) next() byte {
	if at := uint(w.at); at < uint(len(w.message)) {
		return w.message[at]
	}
	return 0xff
}

func (w *gobWire) uint() uint64 {
	if b := w.next(); b <= 0x7f {
		w.at++
		return uint64(b)
	}
	return w.longUint()
}

// longUint consumes an integer of several bytes: a negative one that says how many follow, and these.
func (w *gobWire) longUint() (v uint64) {
	m, at := w.message, w.at
	if at >= len(m) {
		w.fail(errGobShort)
		return 0
	}
	n := 1<<8 - int(m[at])
	if n > 8 {
		w.fail(errors.New("integer of more than 64 bits"))
		return 0
	}
	if at+9 <= len(m) { // nearly always
		w.at = at + 1 + n
		return binary.BigEndian.Uint64(m[at+1:at+9]) >> (8 * (8 - n) & 63)
	}
	w.at++
	for _, b := range w.take(uint64(n)) {
		v = v<<8 | uint64(b)
	}
	return v
}

func (w *gobWire) int() int {
	v := w.uint()
	if v&1 != 0 {
		return int(^(v >> 1))
	}
	return int(v >> 1)
}

// typeID consumes the number of a type, which is mostly that of an event, in two bytes.
func (w *gobWire) typeID() int {
	if m, at := w.message, w.at; at+2 <= len(m) && m[at] == 0xff && m[at+1]&1 == 0 {
		w.at = at + 2
		return int(m[at+1] >> 1)
	}
	return w.int()
}

func (w *gobWire) float() float64 { return math.Float64frombits(bits.ReverseBytes64(w.uint())) }

func (w *gobWire) bytes() []byte { return w.take(w.uint()) }

// want fails when a value is not of the kind that its place asks for.
func (w *gobWire) want(t *gobType, kind gobKind) bool {
	if t.kind != kind {
		w.fail(errGobType)
	}
	return w.failed == nil
}

func (w *gobWire) intOf(t *gobType) int {
	if !w.want(t, gobInt) {
		return 0
	}
	return w.int()
}

func (w *gobWire) uintOf(t *gobType) uint64 {
	if !w.want(t, gobUint) {
		return 0
	}
	return w.uint()
}

func (w *gobWire) boolOf(t *gobType) bool { return w.want(t, gobBool) && w.uint() != 0 }

func (w *gobWire) textOf(t *gobType) []byte {
	if !w.want(t, gobString) {
		return nil
	}
	return w.bytes()
}

var (
	gobBuiltin = func() (types [firstGobType]gobType) {
		for kind := gobBool; kind <= gobInterface; kind++ {
			types[kind].kind = kind
		}
		return types
	}()
	gobNoType gobType
)

func (w *gobWire) typeOf(id int) *gobType {
	if id >= 0 && id < len(w.dense) && w.dense[id] != nil {
		return w.dense[id]
	}
	if id >= 0 && id < firstGobType && gobBuiltin[id].kind != gobUnknown {
		return &gobBuiltin[id]
	}
	if t, ok := w.types[id]; ok {
		return t
	}
	w.fail(fmt.Errorf("type %d is not defined", id))
	return &gobNoType
}

// resolve returns the type of an id, and notes it.
func (w *gobWire) resolve(id int, known **gobType) *gobType {
	t := w.typeOf(id)
	if t != &gobNoType {
		*known = t
	}
	return t
}

func (w *gobWire) fieldType(f *gobField) *gobType {
	if f.known == nil {
		return w.resolve(f.typ, &f.known)
	}
	return f.known
}

// structure consumes a struct, calling field before each value; field consumes it.
func (w *gobWire) structure(t *gobType, field func(f *gobField, t *gobType)) {
	if !w.want(t, gobStruct) {
		return
	}
	w.indices(func(i int) {
		if i >= len(t.fields) {
			w.fail(errGobType)
			return
		}
		field(&t.fields[i], w.typeOf(t.fields[i].typ))
	})
}

// indices consumes a struct, calling field with the index of each field that is not zero.
func (w *gobWire) indices(field func(i int)) {
	i := -1
	for w.failed == nil {
		delta := w.uint()
		if delta == 0 {
			return
		}
		if delta > maxGobFields {
			w.fail(errGobType)
			return
		}
		i += int(delta)
		field(i)
	}
}

// list consumes a slice or an array of at most most elements, calling element before each; element consumes it.
func (w *gobWire) list(t *gobType, most int, element func(t *gobType)) {
	n, elem := w.elements(t, most)
	for i := 0; i < n && w.failed == nil; i++ {
		element(elem)
	}
}

// elements consumes what precedes the elements of a slice or an array: how many they are. It also returns their type.
func (w *gobWire) elements(t *gobType, most int) (n int, elem *gobType) {
	if t.kind != gobSlice && t.kind != gobArray {
		w.fail(errGobType)
		return 0, &gobNoType
	}
	if n = w.count(1); n > most {
		w.fail(errTooLong)
		return 0, &gobNoType
	}
	if elem = t.element; elem == nil {
		elem = w.resolve(t.elem, &t.element)
	}
	return n, elem
}

// count consumes the number of elements that follow, each of at least size bytes.
func (w *gobWire) count(size int) int {
	n, left := w.uint(), uint64(w.left())
	if n > left || n*uint64(size) > left {
		w.fail(errGobShort)
		return 0
	}
	return int(n)
}

// entries consumes a map, calling entry before each key with its type and that of the value; entry consumes both.
func (w *gobWire) entries(t *gobType, entry func(key, value *gobType)) {
	key, value := w.typeOf(t.key), w.typeOf(t.elem)
	n := w.count(2)
	for i := 0; i < n && w.failed == nil; i++ {
		entry(key, value)
	}
}

// dynamic consumes what precedes the value of an interface: the name and the type of what it holds. The name is empty
// for nil, which has no value.
func (w *gobWire) dynamic() (goType []byte, t *gobType) {
	goType = w.bytes()
	if len(goType) == 0 {
		return nil, &gobNoType
	}
	id := w.int()
	defined := id < 0
	for id < 0 && w.failed == nil { // a type that the stream has not had yet ends the message, and the value goes on behind
		w.define(-id)
		w.goOn()
		id = w.int()
	}
	t = w.typeOf(id)
	if w.typed = w.at; defined {
		w.typed = -1
	}
	w.held(t)
	return goType, t
}

// held consumes what stands between the type of a dynamic value and the value.
func (w *gobWire) held(t *gobType) {
	w.uint() // the length of the value, for those who skip it
	if t.kind != gobStruct && w.uint() != 0 {
		w.fail(errGobType)
	}
}

// goOn continues a value in the next message, which in an interface inside of an interface is a part of this one.
func (w *gobWire) goOn() {
	if w.failed != nil {
		return
	}
	if w.left() > 0 {
		w.uint()
		return
	}
	message, err := w.more(w.message)
	if err != nil {
		w.fail(err)
		return
	}
	w.message = message
}

// shortSize is the size of a number or a short text that begins with this byte, and 0 for others.
func shortSize(kind gobKind, first byte) int {
	switch kind {
	case gobBool, gobInt, gobUint, gobFloat:
		if first <= 0x7f {
			return 1
		}
		if first >= 0xf8 {
			return 1 + 1<<8 - int(first)
		}
	case gobBytes, gobString:
		if first < 0x7e {
			return 1 + int(first)
		}
	}
	return 0
}

// skip consumes a value of any type.
func (w *gobWire) skip(t *gobType) {
	switch t.kind {
	case gobBool, gobInt, gobUint, gobFloat:
		w.uint()
	case gobBytes, gobString, gobOpaque:
		w.bytes()
	default:
		w.skipCompound(t)
	}
}

func (w *gobWire) skipCompound(t *gobType) {
	w.nesting++
	defer func() { w.nesting-- }()
	if w.nesting > maxGobNesting {
		w.fail(errors.New("nested too deeply"))
		return
	}
	switch t.kind {
	case gobComplex:
		w.uint()
		w.uint()
	case gobInterface:
		if goType, held := w.dynamic(); goType != nil {
			w.skip(held)
		}
	case gobArray, gobSlice:
		w.list(t, maxRecord, w.skip)
	case gobMap:
		w.entries(t, func(key, value *gobType) { w.skip(key); w.skip(value) })
	case gobStruct:
		w.structure(t, func(_ *gobField, t *gobType) { w.skip(t) })
	default:
		w.fail(errGobType)
	}
}

// define consumes the definition of a type: encoding/gob's struct wireType, of which one field is set.
func (w *gobWire) define(id int) {
	if id < firstGobType || w.types[id] != nil || len(w.types) >= maxGobTypes {
		w.fail(fmt.Errorf("type %d cannot be defined", id))
		return
	}
	t := &gobType{}
	w.indices(func(which int) {
		t.kind = gobArray + gobKind(min(which, int(gobOpaque-gobArray))) // the three that encode themselves come last
		w.indices(func(i int) { w.definition(t, i) })
	})
	if w.failed != nil {
		return
	}
	if w.types == nil {
		w.types = make(map[int]*gobType)
	}
	t.usual = isUsual(t.fields)
	if w.types[id] = t; id < len(w.dense) {
		w.dense[id] = t
	}
}

// definition consumes field i of arrayType, sliceType, structType, mapType or gobEncoderType.
func (w *gobWire) definition(t *gobType, i int) {
	switch {
	case i == 0:
		w.common(t)
	case i == 1 && t.kind == gobStruct:
		t.fields = make([]gobField, 0, 8)
		for n := w.count(1); n > 0 && w.failed == nil; n-- {
			t.fields = append(t.fields, w.fieldDefinition())
			if len(t.fields) > maxGobFields {
				w.fail(errTooLong)
			}
		}
	case i == 1 && t.kind == gobMap:
		t.key = w.int()
	case i == 1 && (t.kind == gobArray || t.kind == gobSlice), i == 2 && t.kind == gobMap:
		t.elem = w.int()
	case i == 2 && t.kind == gobArray:
		w.int() // the length, which each value repeats
	default:
		w.fail(errGobType)
	}
}

// common consumes CommonType: a name and an id that nobody needs.
func (w *gobWire) common(t *gobType) {
	w.indices(func(i int) {
		switch i {
		case 0:
			if name := w.bytes(); len(name) <= maxGobName {
				t.name = string(name)
			}
		case 1:
			w.int()
		default:
			w.fail(errGobType)
		}
	})
}

func (w *gobWire) fieldDefinition() (f gobField) {
	w.indices(func(i int) {
		switch i {
		case 0:
			f.name = string(w.bytes())
		case 1:
			f.typ = w.int()
		default:
			w.fail(errGobType)
		}
	})
	if len(f.name) > maxGobName {
		w.fail(errTooLong)
	}
	f.index = -1
	for i := range eventFields {
		if eventFields[i].gob == f.name {
			f.event, f.index, f.read = &eventFields[i], i, gobSpecial[f.name]
		}
	}
	return f
}
