package trace

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Builder writes a record in user space: for events read from a stream, for derived events and for tests. The zero
// value is ready; Reset makes it ready again, keeping its memory.
type Builder struct {
	schema    *Schema
	body      []byte
	present   uint64
	truncated uint64
}

// Reset starts a record of the given shape.
func (b *Builder) Reset(schema *Schema) {
	b.schema, b.present, b.truncated = schema, 0, 0
	size := len(schema.Fields) * slotSize
	if cap(b.body) < size {
		b.body = make([]byte, size, size+512)
	}
	b.body = b.body[:size]
	clear(b.body)
}

// Slot stores a value that lives in the slot.
func (b *Builder) Slot(index int, value uint64) {
	binary.LittleEndian.PutUint64(b.body[index*slotSize:], value)
	b.present |= 1 << index
}

// Tail stores a value that lives in the tail.
func (b *Builder) Tail(index int, value []byte) {
	offset := len(b.body)
	b.body = append(b.body, value...)
	b.Slot(index, uint64(offset)|uint64(len(value))<<32)
}

// Text stores a string.
func (b *Builder) Text(index int, value string) {
	offset := len(b.body)
	b.body = append(b.body, value...)
	b.Slot(index, uint64(offset)|uint64(len(value))<<32)
}

// Strings stores a string array. Elements end at their first NUL, as in the kernel.
func (b *Builder) Strings(index int, value []string) {
	offset := len(b.body)
	for _, s := range value {
		for i := range len(s) {
			if s[i] == 0 {
				s = s[:i]
				break
			}
		}
		b.body = append(append(b.body, s...), 0)
	}
	b.Slot(index, uint64(offset)|uint64(len(b.body)-offset)<<32)
}

// Truncate marks an argument as cut short.
func (b *Builder) Truncate(index int) { b.truncated |= 1 << index }

// Finish gives the record to the event, which refers to the builder's memory until the next Reset.
func (b *Builder) Finish(e *Event) { e.SetRecord(b.schema, b.present, b.truncated, b.body) }

// Set stores a v0.8 Go value under the kind that the schema declares. Numbers of any width are accepted for number
// kinds; anything else that does not fit is an error.
func (b *Builder) Set(index int, value any) error {
	kind := b.schema.Fields[index].Type.Kind
	if kind.InSlot() {
		slot, ok := slotValue(value)
		if !ok {
			return b.mismatch(index, value)
		}
		b.Slot(index, slot)
		return nil
	}
	switch v := value.(type) {
	case string:
		if kind == String {
			b.Text(index, v)
			return nil
		}
	case []string:
		if kind == Strings {
			b.Strings(index, v)
			return nil
		}
	case []byte:
		if kind == Bytes || kind == Sockaddr || kind == Document || kind == Cred {
			b.Tail(index, v)
			return nil
		}
	case SlimCred:
		if kind == Cred {
			b.Tail(index, v.encode())
			return nil
		}
	case map[string]string:
		if kind == Sockaddr {
			raw, err := EncodeSockaddr(v)
			b.Tail(index, raw)
			return err
		}
	}
	return b.mismatch(index, value)
}

func (b *Builder) mismatch(index int, value any) error {
	f := b.schema.Fields[index]
	return fmt.Errorf("argument %s of %s: %T does not fit type %s", f.Name, b.schema.Name, value, f.Type.Name)
}

func slotValue(value any) (uint64, bool) {
	switch v := value.(type) {
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case int:
		return uint64(v), true
	case int8:
		return uint64(v), true
	case int16:
		return uint64(v), true
	case int32:
		return uint64(v), true
	case int64:
		return uint64(v), true
	case uint:
		return uint64(v), true
	case uint8:
		return uint64(v), true
	case uint16:
		return uint64(v), true
	case uint32:
		return uint64(v), true
	case uint64:
		return v, true
	case uintptr:
		return uint64(v), true
	case float64:
		return math.Float64bits(v), true
	case [2]int32:
		return uint64(uint32(v[0])) | uint64(uint32(v[1]))<<32, true
	default:
		return 0, false
	}
}
